"""Sentinel-2 products in the SAFE format, L1C and L2A, as a folder or as a .zip that is never extracted."""

from __future__ import annotations

import re
import zipfile
import zlib
from dataclasses import dataclass
from math import isfinite
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

from unclouded.bands import BANDS, INDEX, NAMES, TEN_METRES
from unclouded.errors import FileError, InputError
from unclouded.reading.files.other_files import other_zip
from unclouded.reading.names.naming import check_bands
from unclouded.reading.names.product_name import product_name
from unclouded.reading.products.folder import pick_layers
from unclouded.reading.radiometry.declared import USUAL_SCALE
from unclouded.reading.radiometry.offsets import offset_of_baseline, unknown_offset
from unclouded.reading.source import Source, Wanted, safe_stem

_METADATA = re.compile(r"MTD_MSI(?P<level>L1C|L2A)\.xml|S2[A-D]_\w{4}_MTD_SAF(?P<old>L1C|L2A)_\w+\.xml")
"""Of products since December 2016, and before."""

_IMAGE = re.compile(r"GRANULE/([^/]+)/IMG_DATA/(?:R\d{2}m/)?[^/]+_(B\d[\dA])(?:_(\d{2})m)?\.(?:jp2|tif)", re.IGNORECASE)
_CLASSES = re.compile(r"GRANULE/[^/]+/IMG_DATA/(?:R\d{2}m/)?[^/]*_SCL_(?:[^/]+_)?(\d{2})m\.(?:jp2|tif)", re.IGNORECASE)
"""The scene classification, since December 2016 and before."""

_LARGEST_XML = 32 * 2**20
_SCALES = ("BOA_QUANTIFICATION_VALUE", "L2A_BOA_QUANTIFICATION_VALUE", "QUANTIFICATION_VALUE")
_OLD_NAME = re.compile(r"S2[A-D]_OPER_PRD_MSIL(?:1C|2A)")
"""Of products before December 2016, whose processing baseline is below 03."""
_OFFSETS = ("BOA_ADD_OFFSET", "RADIO_ADD_OFFSET")


def is_safe(path: Path) -> bool:
    """Tell whether `path` is a SAFE product's folder, its metadata file, or a .zip."""
    if path.is_dir():
        return path.suffix.upper() == ".SAFE" or any(_METADATA.fullmatch(file.name) for file in path.iterdir())
    return _is_zip(path) or _METADATA.fullmatch(path.name) is not None


def _is_zip(path: Path) -> bool:
    return path.is_file() and (path.suffix.lower() == ".zip" or path.suffix.upper() == ".SAFE")


def _level_of(name: str) -> str:
    """The level that the name of a product's metadata file says."""
    match = _METADATA.fullmatch(name)
    assert match is not None
    return match["level"] or match["old"]


def safe_source(path: str, wanted: Wanted) -> Source:
    """Find the finest file of each band of the product at `path`, and its scale and offsets in its XML.

    Raises:
        InputError: not one product with one tile, its 10 m bands are missing, or its offset cannot be known.
        FileError: the zip or the XML is missing, cut short or damaged.
    """
    place = Path(path)
    if _METADATA.fullmatch(place.name):
        place = place.parent
    product = _open_zip(path) if _is_zip(place) else _open_folder(path, place)
    requested = check_bands(path, wanted.bands) if wanted.bands is not None else None
    files, coarse = _band_files(path, product)
    missing = [band for band in TEN_METRES if band not in files and (requested is None or band in requested)]
    if missing:
        raise InputError(
            f"{path}: a SAFE product without its 10 m bands {', '.join(missing)} "
            f"(found {', '.join(sorted(files, key=INDEX.__getitem__)) or 'no band files'}); download it completely, "
            "or name bands that are there with --bands"
        )
    layers = pick_layers(path, files, requested)
    metadata, notes = _metadata(product, wanted)
    absent = [n for n in NAMES if n not in files and not (n == "B10" and product.level == "L2A")]
    if absent and requested is None:
        notes.append(f"the product lacks {', '.join(absent)}")
    if poor := [f"{layer.band} at {coarse[layer.band]} m" for layer in layers if layer.band in coarse]:
        notes.append(f"the product lacks finer pixels of its bands: {', '.join(poor)} alone; download it completely")
    scale = next((_number(product.metadata_name, e) for tag in _SCALES for e in metadata.iter(tag)), None)
    if scale is not None and scale <= 0:
        raise FileError(
            f"{product.metadata_name}: quantification value {scale}; a positive number is accepted; download it again"
        )
    chosen = [layer.band for layer in layers]
    return Source(
        name=path,
        stem=safe_stem(re.sub(r"\.SAFE$", "", product.name, flags=re.IGNORECASE)),
        layers=layers,
        level=product.level,
        scale=scale,
        offsets=None if wanted.offset_given else _offsets(path, product, metadata, chosen),
        notes=notes,
        classification=_classification(product),
    )


@dataclass(frozen=True)
class _Product:
    """The parts of a product that are used: its name, level, metadata, and the images by their path inside it."""

    name: str
    level: str
    metadata_name: str
    metadata: bytes
    images: dict[str, str]


def _open_folder(path: str, folder: Path) -> _Product:
    metadata = [file for file in folder.iterdir() if _METADATA.fullmatch(file.name)] if folder.is_dir() else []
    if len(metadata) != 1:
        raise InputError(
            f"{path}: holds {len(metadata)} files MTD_MSIL1C.xml or MTD_MSIL2A.xml; give one complete product, "
            "or the folder with its band files (of Sen2Like's IMG_DATA/NATIVE)"
        )
    images = {file.relative_to(folder).as_posix(): str(file) for file in sorted(folder.glob("GRANULE/*/IMG_DATA/**/*"))}
    try:
        with metadata[0].open("rb") as stream:
            text = stream.read(_LARGEST_XML + 1)
    except OSError as error:
        raise FileError(f"{metadata[0]}: cannot be read: {error.strerror or error}") from error
    return _Product(folder.resolve().name, _level_of(metadata[0].name), str(metadata[0]), text, images)


def _open_zip(path: str) -> _Product:
    try:
        with zipfile.ZipFile(path) as archive:
            # Some tools for Windows write backslashes, which ZipFile leaves as they are, but not GDAL.
            inside_names = {name.replace("\\", "/"): name for name in archive.namelist()}
            found = [name for name in inside_names if _METADATA.fullmatch(PurePosixPath(name).name)]
            found = [name for name in found if "/GRANULE/" not in f"/{name}"]
            if not found:
                raise InputError(f"{path}: a zip with 0 SAFE products, but {other_zip(sorted(inside_names))}")
            if len(found) > 1:
                raise InputError(f"{path}: a zip with {len(found)} SAFE products; a zip of exactly one is accepted")
            root = found[0].rpartition("/")[0]
            with archive.open(inside_names[found[0]]) as stream:
                text = stream.read(_LARGEST_XML + 1)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise FileError(f"{path}: not a zip, cut short or damaged ({error}); copy or download it again") from error
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror or error}") from error
    start = f"{root}/" if root else ""
    # Braces tell GDAL where the archive's own name ends; members are read in place, so none can leave the archive.
    inside = f"/vsizip/{{{Path(path).resolve()}}}/"
    images = {name.removeprefix(start): inside + name for name in inside_names if name.startswith(start)}
    level = _level_of(PurePosixPath(found[0]).name)
    return _Product(PurePosixPath(root).name or Path(path).stem, level, f"{path}: {found[0]}", text, images)


def _band_files(path: str, product: _Product) -> tuple[dict[str, str], dict[str, int]]:
    """Return the file of each band with the finest pixels, and of bands that lack that of their own size what it is."""
    best: dict[str, tuple[int, str]] = {}
    granules = set()
    for inside, file in product.images.items():
        match = _IMAGE.fullmatch(inside)
        if match is None or match[2].upper() not in INDEX:
            continue
        band = match[2].upper()
        granules.add(match[1])
        metres = int(match[3]) if match[3] else BANDS[INDEX[band]].resolution
        if band not in best or metres < best[band][0]:
            best[band] = metres, file
    if len(granules) > 1:
        raise InputError(
            f"{path}: holds {len(granules)} tiles; a product of one tile is accepted; give the folder IMG_DATA of "
            f"each, such as GRANULE/{min(granules)}/IMG_DATA"
        )
    coarse = {band: metres for band, (metres, _) in best.items() if metres > BANDS[INDEX[band]].resolution}
    return {band: file for band, (_, file) in best.items()}, coarse


def _metadata(product: _Product, wanted: Wanted) -> tuple[ElementTree.Element, list[str]]:
    """Return the product's XML; an empty element, and a note, if it is damaged and not needed for the offset."""
    try:
        return _parse(product.metadata_name, product.metadata), []
    except FileError:
        if not wanted.offset_given:
            raise
        # The user's offset and the file's name say what the XML would.
        name = PurePosixPath(product.metadata_name).name
        return ElementTree.Element("nothing"), [f"{name} cannot be read: scale assumed: {USUAL_SCALE:.0f}"]


def _classification(product: _Product) -> str:
    """Return the file of the scene classification with the finest pixels, empty without one."""
    found = [(int(match[1]), file) for inside, file in product.images.items() if (match := _CLASSES.fullmatch(inside))]
    return min(found)[1] if found else ""


class _NoDoctype(ElementTree.TreeBuilder):
    """Builds the tree of a document that declares no types and so no entities that could expand without end."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Refuse."""
        raise ElementTree.ParseError("it declares a document type, which products never do")


def _parse(name: str, text: bytes) -> ElementTree.Element:
    if len(text) > _LARGEST_XML:
        raise FileError(
            f"{name}: is larger than {_LARGEST_XML // 2**20} MB, so not a product's metadata; download it again"
        )
    try:
        return ElementTree.fromstring(text, ElementTree.XMLParser(target=_NoDoctype()))
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise FileError(f"{name}: is not a product's XML metadata ({error}); copy or download it again") from error


def _number(name: str, element: ElementTree.Element) -> float:
    """Return the finite number that an element holds; FileError when it holds something else."""
    try:
        value = float(element.text or "")
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise FileError(f"{name}: {element.tag} is {element.text!r}, not a number; copy or download it again")
    return value


def _offsets(path: str, product: _Product, metadata: ElementTree.Element, bands: list[str]) -> tuple[float, ...]:
    """Return the XML's offset of each band; without any there, that of the processing baseline."""
    declared = {e.get("band_id"): _number(product.metadata_name, e) for tag in _OFFSETS for e in metadata.iter(tag)}
    if declared:
        offsets = [declared.get(str(INDEX[band])) for band in bands]
        if None in offsets:
            raise unknown_offset(path, "its XML has offsets, but not one for each band")
        return tuple(offset for offset in offsets if offset is not None)
    baselines = [e.text or "" for e in metadata.iter("PROCESSING_BASELINE")]
    digits = baselines[0].replace(".", "") if baselines else ""
    offset = offset_of_baseline(int(digits) if digits.isdigit() else product_name(product.name).baseline)
    if offset is None and _OLD_NAME.match(product.name):
        offset = 0.0
    if offset is None:
        raise unknown_offset(
            path, f"its XML has no offsets and the baseline {baselines[0] if baselines else 'unknown'}"
        )
    return (offset,) * len(bands)
