"""A STAC item for a cleared scene: what and where it is, of what it was made and by what, checksums of its files."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from rasterio.warp import transform

from unclouded.bands import BANDS
from unclouded.files import QUALITY_BANDS, multihash_of
from unclouded.reading.files.raster import FAULTS, is_remote
from unclouded.reading.info import SceneInfo
from unclouded.reading.names.dates import acquired
from unclouded.version import __version__

EXTENSIONS = {
    "proj": "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "eo": "https://stac-extensions.github.io/eo/v2.0.0/schema.json",
    "raster": "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "processing": "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
    "file": "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "classification": "https://stac-extensions.github.io/classification/v2.0.0/schema.json",
}
"""By the prefix of their fields. An item names those of its own fields alone: some schemas refuse others."""

_LINEAGE = "Clouds and their shadows replaced by generated ground, or that of other dates; other pixels as they were."
_MASK_LINEAGE = "Clouds, haze and cloud shadows found."

_COG = "image/tiff; application=geotiff; profile=cloud-optimized"


class Shares(NamedTuple):
    """Shares of a scene's valid pixels, 0 to 1.

    Attributes:
        changed: that were replaced, or that a mask covers.
        cloud: under cloud or haze.
        snow: under snow or ice; None where nothing tells.
    """

    changed: float
    cloud: float
    snow: float | None = None


def item_path(output: Path) -> Path:
    """Where the item of the cleared scene `output` goes."""
    return output.with_suffix(".json")


def describe(
    info: SceneInfo,
    output: Path,
    files: Mapping[Path, Path],
    settings: Mapping[str, Any],
    shares: Shares,
    kinds: Sequence[str] = ("cleared", "quality"),
    classes: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Describe a cleared scene, or its mask, as a STAC 1.1 item.

    An item has a date by the standard. Where nothing says when the scene was taken, none is made up: the result is the
    same as a GeoJSON feature, without date and without `stac_version`.

    Args:
        info: of the scene.
        output: where the cleared scene goes; the item lies beside it.
        files: the finished file of each output, whose names are the final ones.
        settings: weights, samples and the like, which the processing follows from.
        shares: what became of the scene's pixels.
        kinds: what each of the outputs is: "cleared", "quality" or "mask".
        classes: of a mask, as the classification extension lists them.

    Raises:
        FileError: if a file cannot be read.
    """
    now = datetime.now(UTC)
    source = info.source
    link = source if is_remote(source) else Path(os.path.relpath(source, output.parent)).as_posix()
    time = _time(info)
    record: dict[str, Any] = {
        "type": "Feature",
        "id": output.stem,
        **_place(info),
        "properties": {
            **time,
            "constellation": "sentinel-2",
            "instruments": ["msi"],
            **_projection(info),
            **_covers(shares),
            "processing:level": info.level,
            "processing:datetime": _written(now),
            "processing:software": {"unclouded": __version__},
            "processing:lineage": _LINEAGE if "cleared" in kinds else _MASK_LINEAGE,
            "unclouded:changed" if "cleared" in kinds else "unclouded:covered": round(shares.changed, 6),
            **{f"unclouded:{name.replace(' ', '_')}": value for name, value in settings.items()},
        },
        "links": [{"rel": "derived_from", "href": link}],
        "assets": {
            name: {"href": f"./{final.name}", "type": _COG, **asset, **_checksum_and_size(file)}
            for (name, asset), (final, file) in zip(_assets(info, kinds, classes), files.items(), strict=True)
        },
    }
    if not time:
        return record
    used = set(_prefixes(record["properties"])) | set(_prefixes(record["assets"]))
    extensions = [schema for prefix, schema in EXTENSIONS.items() if prefix in used]
    return {"type": "Feature", "stac_version": "1.1.0", "stac_extensions": extensions, **record}


def _prefixes(value: Any) -> Iterator[str]:  # noqa: ANN401 (JSON)
    """Prefixes of all keys that have one."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from (key.partition(":")[0],) if ":" in key else ()
            yield from _prefixes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _prefixes(inner)


def _covers(shares: Shares) -> dict[str, float]:
    """Cloud and snow in percent, as the electro-optical extension has them."""
    known = {"eo:cloud_cover": shares.cloud, "eo:snow_cover": shares.snow}
    return {name: round(100 * share, 2) for name, share in known.items() if share is not None}


def _assets(
    info: SceneInfo, kinds: Sequence[str], classes: Sequence[Mapping[str, Any]]
) -> list[tuple[str, dict[str, Any]]]:
    """Name, title, roles and bands of each of the outputs."""
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
    mask: list[dict[str, Any]] = [
        {"name": "class", "data_type": "uint8", "nodata": 255, "classification:classes": list(classes)}
    ]
    described: dict[str, dict[str, Any]] = {
        "cleared": {
            "title": "Reflectance without clouds and shadows",
            "roles": ["data", "reflectance"],
            "bands": reflectance,
        },
        "quality": {
            "title": "Opacity of what was replaced, its uncertainty and where it comes from",
            "roles": ["metadata", "cloud", "cloud-shadow"],
            "bands": quality,
        },
        "mask": {
            "title": "Clear, cloud, haze and cloud shadow",
            "roles": ["metadata", "cloud", "cloud-shadow"],
            "bands": mask,
        },
    }
    return [(kind, described[kind]) for kind in kinds]


def _checksum_and_size(file: Path) -> dict[str, Any]:
    """As the file extension has them."""
    return {"file:checksum": multihash_of(file), "file:size": file.stat().st_size}


def _nodata(value: float | None) -> float | str | None:
    """As the raster extension has it; JSON has no numbers that are not finite."""
    if value is None or math.isfinite(value):
        return value
    return "nan" if value != value else "inf" if value > 0 else "-inf"


def _place(info: SceneInfo) -> dict[str, Any]:
    """Outline and bounding box in longitude and latitude; nothing where the scene lies nowhere on the Earth.

    Across 180 degrees the outline is cut there (RFC 7946, 3.1.9), and west is larger than east (5.2).
    """
    ring = _ring(info)
    if ring is None:
        return {"geometry": None}
    longitudes, latitudes = zip(*ring, strict=True)
    south, north = min(latitudes), max(latitudes)
    west, east = min(longitudes), max(longitudes)
    if west >= -180 and east <= 180:
        return {"geometry": {"type": "Polygon", "coordinates": [ring]}, "bbox": [west, south, east, north]}
    edge = 180 if east > 180 else -180
    halves = [_cut_at(ring, edge, side) for side in (-1, 1)]
    parts = [[[[_wrapped(x, side, edge), y] for x, y in half]] for half, side in zip(halves, (-1, 1), strict=True)]
    return {
        "geometry": {"type": "MultiPolygon", "coordinates": [part for part in parts if part[0]]},
        "bbox": [_wrapped(west, -1, edge), south, _wrapped(east, 1, edge), north],
    }


def _cut_at(ring: list[list[float]], edge: float, side: int) -> list[list[float]]:
    """Part of a convex ring west (-1) or east (1) of a meridian."""
    part: list[list[float]] = []
    for (x, y), (u, v) in itertools.pairwise(ring):
        if (x - edge) * side >= 0:
            part.append([x, y])
        if (x - edge) * (u - edge) < 0:
            part.append([edge, round(y + (edge - x) / (u - x) * (v - y), 7)])
    return [*part, part[0]] if part else part


def _wrapped(longitude: float, side: int, edge: float) -> float:
    """A longitude of the part on one side of the meridian `edge`, within -180 and 180."""
    inner = -1 if edge > 0 else 1
    return longitude if side == inner else round(longitude - math.copysign(360, edge), 7)


def _ring(info: SceneInfo) -> list[list[float]] | None:
    """Corners of the scene in longitude and latitude, the first one again at the end; across 180 degrees they go on."""
    if info.crs is None:
        return None
    corners = ((0, 0), (0, info.height), (info.width, info.height), (info.width, 0), (0, 0))
    columns, rows = zip(*(info.transform @ corner for corner in corners), strict=True)
    try:
        longitudes, latitudes = transform(info.crs, "EPSG:4326", columns, rows)[:2]
    except FAULTS:
        return None  # a local system, of a building site for example, lies nowhere on the Earth
    if not all(map(math.isfinite, (*longitudes, *latitudes))):
        return None
    if max(longitudes) - min(longitudes) > 180:
        longitudes = [x + 360 if x < 0 else x for x in longitudes]
    return [[round(x, 7), round(y, 7)] for x, y in zip(longitudes, latitudes, strict=True)]


def _projection(info: SceneInfo) -> dict[str, Any]:
    if info.crs is None:
        return {"proj:shape": [info.height, info.width]}
    epsg = info.crs.to_epsg()
    code: dict[str, Any] = {"proj:wkt2": info.crs.to_wkt()}
    if epsg:
        code = {"proj:code": f"EPSG:{epsg}"}
    return code | {"proj:shape": [info.height, info.width], "proj:transform": list(info.transform)[:6]}


def _time(info: SceneInfo) -> dict[str, Any]:
    """When the image was taken; nothing where that is not known."""
    time = acquired(info)
    if time is None:
        return {}
    if time == time.replace(hour=0, minute=0, second=0, microsecond=0):
        # A day alone.
        last = time.replace(hour=23, minute=59, second=59)
        return {"datetime": None, "start_datetime": _written(time), "end_datetime": _written(last)}
    return {"datetime": _written(time)}


def _written(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
