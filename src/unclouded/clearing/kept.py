"""Whether a result that is there and is kept was made as is asked for now, by the STAC item beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unclouded.clearing.options import ClearOptions
from unclouded.reading.info import SceneInfo
from unclouded.reading.result_item import is_resampled, read_item


def made_otherwise(output: Path, info: SceneInfo, options: ClearOptions) -> list[str]:
    """Say in what a result differs from what is asked for, such as "threshold 0.2, not 0.5"; empty if in nothing.

    What its item does not state is not told, and neither are weights, which would have to be loaded first.

    Args:
        output: the result.
        info: of its input, as it is read now.
        options: with which it would be cleared now.
    """
    item = read_item(output)
    found, asked = _recorded(item), _asked(info, options)
    return [f"{name} {found[name]}, not {value}" for name, value in asked if name in found and found[name] != value]


def _asked(info: SceneInfo, options: ClearOptions) -> Iterator[tuple[str, Any]]:
    yield "samples", options.samples
    if options.samples > 1:
        yield "seed", options.seed
    if options.threshold is not None:
        yield "threshold", options.threshold
    yield "radar", options.radar is not None
    yield "resampled", options.crs is not None or options.resolution is not None
    yield "bands", ",".join(info.bands)
    yield "scale", _short(info.encoding.scale)
    yield "offset", _offsets(list(info.encoding.offsets))


def _recorded(item: Any) -> dict[str, Any]:  # noqa: ANN401 (whatever JSON can hold)
    """What an item states, by the names of `_asked`."""
    properties = item.get("properties")
    if not isinstance(properties, dict):
        return {}
    names = ("samples", "seed", "threshold", "radar")
    found = {name: properties[f"unclouded:{name}"] for name in names if f"unclouded:{name}" in properties}
    found["resampled"] = is_resampled(item)
    try:
        bands = item["assets"]["cleared"]["bands"]
        scales = {float(band["raster:scale"]) for band in bands}
        offsets = [float(band["raster:offset"]) / float(band["raster:scale"]) for band in bands]
        found["bands"] = ",".join(str(band["name"]) for band in bands)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return found  # of a mask
    if len(scales) == 1 and (scale := scales.pop()) and math.isfinite(scale):
        found |= {"scale": _short(1 / scale), "offset": _offsets(offsets)}
    return found


def _offsets(values: list[float]) -> str:
    """Offsets in DN: one if all bands have the same."""
    distinct = list(dict.fromkeys(_short(value) for value in values))
    return distinct[0] if len(distinct) == 1 else ",".join(_short(value) for value in values)


def _short(value: float) -> str:
    return f"{round(value, 6) + 0.0:g}"  # without the last bits, and the sign of zero
