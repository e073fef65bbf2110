"""The STAC item beside a cleared scene: when the scene was acquired, its radiometry, and how it was cleared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from unclouded.reading.names.dates import parse_time
from unclouded.reading.reader import ReadOptions


def read_item(output: Path) -> Mapping[str, Any]:
    """The STAC item beside a result; empty if it is missing or unreadable."""
    try:
        item = json.loads(output.with_suffix(".json").read_text())
    except (OSError, ValueError):
        return {}
    return item if isinstance(item, dict) else {}


def item_time(item: Mapping[str, Any]) -> datetime | None:
    """Acquisition time of an item's scene, midnight if only the day is known; None if the item does not state it."""
    properties = item.get("properties")
    if not isinstance(properties, dict):
        return None
    if time := properties.get("datetime"):
        return parse_time(str(time))
    start, end = (parse_time(str(properties.get(key))) for key in ("start_datetime", "end_datetime"))
    return start if start is not None and end is not None and start.date() == end.date() else None


def completed_by_item(cleared: Path, reading: ReadOptions) -> ReadOptions:
    """Complete reading options with level, scale and offset from the STAC item beside a cleared scene.

    They hold for the scene's input, too; values that the user states take precedence.
    """
    reading = replace(reading, level_needed=False)
    item = read_item(cleared)
    try:
        bands = item["assets"]["cleared"]["bands"]
        encodings = {(float(band["raster:scale"]), float(band["raster:offset"])) for band in bands}
        level = str(item["properties"]["processing:level"])
    except (ValueError, KeyError, TypeError):
        return reading  # the item is missing or of another program, so the files have to state it themselves
    if len(encodings) != 1:
        return replace(reading, level=reading.level or level)
    step, offset = encodings.pop()
    return replace(
        reading,
        level=reading.level or level,
        scale=1 / step if reading.scale is None else reading.scale,
        offset=round(offset / step, 6) if reading.offset is None else reading.offset,
    )


def threshold_of(item: object) -> float | None:
    """Opacity under which pixels were left unchanged, by the STAC item of a result; None if it is not stated."""
    try:
        return float(item["properties"]["unclouded:threshold"])  # type: ignore[index]
    except (KeyError, TypeError, ValueError):
        return None


def is_resampled(item: object) -> bool:
    """Whether the result of an item was resampled to another grid than that of its input."""
    try:
        return bool(item["properties"]["unclouded:resampled"])  # type: ignore[index]
    except (KeyError, TypeError):
        return False
