"""Files of kinds that are not read: what each is, by its first bytes or its name, and what to do about it."""

from __future__ import annotations

from pathlib import Path

_PICTURE = "a picture, whose values are no reflectance; give the bands that it was made of"
_TRANSLATE = "run gdal_translate {name} {stem}.tif, and give that"
_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", _PICTURE),
    (b"\xff\xd8\xff", _PICTURE),
    (b"GIF8", _PICTURE),
    (b"SQLite format 3", f"a GeoPackage; {_TRANSLATE}, if it holds 16-bit bands and no picture or outlines"),
    (b"EHFA_HEADER_TAG", f"an ERDAS IMAGINE file; {_TRANSLATE}"),
    (b"ENVI", "the header of an ENVI file; run gdal_translate {data} {stem}.tif, and give that"),
    (b"\x89HDF", "an HDF5 file; name it .nc if it is a NetCDF file, else convert its bands to GeoTIFF"),
    (b"CDF", "a NetCDF file; name it .nc"),
    (b"PK\x03\x04", "a zip; name it .zip if it is a SAFE product, else unpack it"),
    (b"\x1f\x8b", "compressed by gzip; unpack it, and give what is in it"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it, and give what is in it"),
    (b"Rar!", "a rar archive; unpack it, and give what is in it"),
    (b"version https://git-lfs", "a pointer of Git LFS; run git lfs pull"),
    (b"<!DOCTYPE html", "a web page, so the download went wrong; log in where it is from, and download it again"),
    (b"<html", "a web page, so the download went wrong; log in where it is from, and download it again"),
    (b"{", "JSON; name it .json if it is a STAC item"),
)
"""First bytes, in any case, and what such a file is."""

LONGEST_START = max(len(start) for start, _ in _STARTS)
"""Bytes that have to be looked at."""

_DIMAP = "a BEAM-DIMAP product of SNAP; export it there as GeoTIFF, and give that"
_TABLE = "a table or a text; give the image itself"
_OUTLINES = "outlines and no image; make a mask of them with gdal_rasterize -burn 1, or give them as --geometry"
_ENDINGS: dict[str, str] = {
    ".dim": _DIMAP,
    ".xml": "XML; give the folder of the product, or its MTD_MSIL1C.xml or MTD_MSIL2A.xml",
    ".tar": "a tar archive; unpack it, and give what is in it",
    ".geojson": _OUTLINES,
    ".shp": _OUTLINES,
    ".kml": _OUTLINES,
    ".fgb": _OUTLINES,
    ".csv": _TABLE,
    ".txt": _TABLE,
}


def other_kind(path: str, start: bytes) -> str | None:
    """Say what the file at `path` is that starts with these bytes, and what to do; None if that is not known."""
    file = Path(path)
    description = _OUTLINES if _ENDINGS.get(file.suffix.lower()) == _OUTLINES else None
    description = description or next(
        (what for first, what in _STARTS if start.lower().startswith(first.lower())), None
    )
    if description is None and any(header.is_file() for header in (file.with_suffix(".hdr"), Path(f"{path}.hdr"))):
        description = f"an ENVI file; {_TRANSLATE}"
    description = description or _ENDINGS.get(file.suffix.lower())
    return description and description.format(name=file.name, stem=file.stem, data=_described_by(file))


def _described_by(header: Path) -> str:
    """The file that lies beside a header of ENVI, which may have any ending, or none."""
    beside = [
        file.name for file in header.parent.glob(f"{header.stem}*") if file.stem == header.stem and file != header
    ]
    return min(beside, default=header.stem)


def other_folder(names: list[str]) -> str | None:
    """Say what a folder is that holds files of these names and no bands, and what to do; None if that is not known."""
    endings = {Path(name).suffix.lower() for name in names}
    products = [name for name in names if name.upper().endswith(".SAFE")]
    if len(products) == 1:
        return f"a folder with a SAFE product in it; give {products[0]} itself"
    if len(products) > 1:
        return f"a folder with {len(products)} SAFE products in it; give each as an input of its own"
    if endings == {".img", ".hdr"}:
        return f"the data of {_DIMAP}"
    if ".zip" in endings:
        return "a folder of zips; give each as an input of its own"
    return None


def other_zip(names: list[str]) -> str:
    """Say what a zip of files of these names is, which holds no SAFE product, and what to do."""
    zips = [name for name in names if name.lower().endswith(".zip")]
    images = [name for name in names if name.lower().endswith((".tif", ".tiff", ".jp2"))]
    if zips:
        return f"a zip of zips ({', '.join(zips[:2])}); unpack it, and give each as an input of its own"
    if len(images) == 1:
        return f"a zip of {images[0]}; unpack it, and give that"
    if images:
        return f"a zip of images ({', '.join(images[:2])}); unpack it, and give the folder that holds them"
    return f"a zip without images (found {', '.join(names[:3]) or 'nothing'}); a zip of exactly one product is accepted"
