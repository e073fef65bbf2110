"""A STAC item for a cleared scene: what and where it is, of what it was made and by what, checksums of its files."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rasterio.warp import transform_geom

from unclouded.bands import BANDS
from unclouded.files import QUALITY_BANDS, sha256_of
from unclouded.reading.info import SceneInfo
from unclouded.reading.raster import FAULTS, is_remote
from unclouded.version import __version__

EXTENSIONS = (
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/eo/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
)

_COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_LAUNCH = datetime(2015, 6, 23, 1, 52, tzinfo=UTC)
"""Of Sentinel-2A: no image is older."""
_SHA256 = "1220"
"""What a multihash of SHA-256 begins with: its code and its length."""
_ACQUIRED = re.compile(r"S2[ABC]_MSI(?:L1C|L2A)_(\d{8}T\d{6})")
_TAGS = ("TIFFTAG_DATETIME", "ACQUISITIONDATETIME", "DATATAKE_1_DATATAKE_SENSING_START")


def item_path(output: Path) -> Path:
    """Where the item of the cleared scene `output` goes."""
    return output.with_suffix(".json")


def describe(info: SceneInfo, output: Path, files: Mapping[Path, Path], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a cleared scene as a STAC 1.1 item.

    Args:
        info: of the scene.
        output: where the cleared scene goes; the item lies beside it.
        files: the finished file of each output, the cleared scene and its quality, whose names are the final ones.
        settings: weights, samples and the like, which the processing follows from.

    Raises:
        FileError: if a file cannot be read.
    """
    now = datetime.now(UTC)
    source = info.source
    link = source if is_remote(source) else Path(os.path.relpath(source, output.parent)).as_posix()
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": list(EXTENSIONS),
        "id": output.stem,
        **_place(info),
        "properties": {
            **_time(info, now),
            "platform": "sentinel-2",
            "instruments": ["msi"],
            **_projection(info),
            "processing:level": info.level,
            "processing:datetime": _written(now),
            "processing:software": {"unclouded": __version__},
            "processing:lineage": "Clouds and their shadows replaced by generated ground; other pixels as they were.",
            **{f"unclouded:{name.replace(' ', '_')}": value for name, value in settings.items()},
        },
        "links": [{"rel": "derived_from", "href": link}],
        "assets": {
            name: {
                "href": f"./{final.name}",
                "type": _COG,
                "title": title,
                "roles": roles,
                "bands": bands,
                "file:checksum": _SHA256 + sha256_of(files[final]),
                "file:size": files[final].stat().st_size,
            }
            for (name, title, roles, bands), final in zip(_assets(info), files, strict=True)
        },
    }


def _assets(info: SceneInfo) -> list[tuple[str, str, list[str], list[dict[str, Any]]]]:
    by_name = {band.name: band for band in BANDS}
    reflectance = [
        {
            "name": name,
            "eo:common_name": by_name[name].common_name,
            "eo:center_wavelength": by_name[name].wavelength / 1000,
            "raster:scale": 1 / info.encoding.scale,
            "raster:offset": offset / info.encoding.scale,
            "data_type": info.dtype.name,
            "nodata": _nodata(info.encoding.nodata),
        }
        for name, offset in zip(info.bands, info.encoding.offsets, strict=True)
    ]
    quality = [{"name": name, "data_type": "float32", "nodata": "nan"} for name in QUALITY_BANDS]
    return [
        ("cleared", "Reflectance without clouds and shadows", ["data", "reflectance"], reflectance),
        ("quality", "Opacity of what was replaced, and uncertainty", ["metadata", "cloud", "cloud-shadow"], quality),
    ]


def _nodata(value: float | None) -> float | str | None:
    return "nan" if value is not None and value != value else value


def _place(info: SceneInfo) -> dict[str, Any]:
    """Outline and bounding box in longitude and latitude; nothing where the scene lies nowhere on the Earth."""
    ring = _ring(info)
    if ring is None:
        return {"geometry": None}
    longitudes, latitudes = zip(*ring, strict=True)
    box = [min(longitudes), min(latitudes), max(longitudes), max(latitudes)]
    return {"geometry": {"type": "Polygon", "coordinates": [ring]}, "bbox": box}


def _ring(info: SceneInfo) -> list[list[float]] | None:
    """Corners of the scene in longitude and latitude, the first one again at the end."""
    if info.crs is None:
        return None
    corners = ((0, 0), (0, info.height), (info.width, info.height), (info.width, 0), (0, 0))
    outline = [tuple(info.transform @ corner) for corner in corners]
    try:
        geometry = transform_geom(info.crs, "EPSG:4326", {"type": "Polygon", "coordinates": [outline]}, precision=7)
    except FAULTS:
        return None  # a local system, of a building site for example, lies nowhere on the Earth
    ring = [list(point) for point in geometry["coordinates"][0]]
    return ring if all(math.isfinite(value) for point in ring for value in point) else None


def _projection(info: SceneInfo) -> dict[str, Any]:
    if info.crs is None:
        return {"proj:shape": [info.height, info.width]}
    epsg = info.crs.to_epsg()
    code: dict[str, Any] = {"proj:wkt2": info.crs.to_wkt()}
    if epsg:
        code = {"proj:code": f"EPSG:{epsg}"}
    return code | {"proj:shape": [info.height, info.width], "proj:transform": list(info.transform)[:6]}


def _time(info: SceneInfo, now: datetime) -> dict[str, Any]:
    """When the image was taken: as the names or the file say, else between the first satellite's launch and now."""
    found = _ACQUIRED.search(f"{info.source} {info.stem}")
    if found:
        return {"datetime": _written(datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC))}
    for tag in _TAGS:
        for form in ("%Y:%m:%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%dT%H:%M:%SZ"):
            try:
                return {"datetime": _written(datetime.strptime(info.tags.get(tag, ""), form).replace(tzinfo=UTC))}
            except ValueError:
                continue
    return {"datetime": None, "start_datetime": _written(_LAUNCH), "end_datetime": _written(now)}


def _written(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
