"""When an image was taken: as it says itself, or its name, or the tags of its file."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from unclouded.reading.info import SceneInfo

_SENSED = re.compile(r"S2[ABC]_MSI(?:L1C|L2A)_(\d{8}T\d{6})")
_DAY = re.compile(r"(?<!\d)(20[1-9]\d)[-_]?(0[1-9]|1[0-2])[-_]?(0[1-9]|[12]\d|3[01])(?!\d)")
_TAGS = ("TIFFTAG_DATETIME", "ACQUISITIONDATETIME", "DATATAKE_1_DATATAKE_SENSING_START", "datetime")
_FORMS = ("%Y:%m:%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d")


def acquired(info: SceneInfo) -> datetime | None:
    """When an image was taken, in UTC; None where nothing says it. Of a day alone, its midnight."""
    if info.acquired is not None:
        return info.acquired
    if found := _SENSED.search(f"{info.source} {info.stem}"):
        return datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    for tag in _TAGS:
        if (time := parse_time(info.tags.get(tag, ""))) is not None:
            return time
    if found := _DAY.search(info.stem):
        return datetime(*(int(part) for part in found.groups()), tzinfo=UTC)  # type: ignore[misc,arg-type]
    return None


def day_in(name: str) -> str:
    """The day that a name holds, as 2024-05-31; empty if it holds none."""
    if found := _SENSED.search(name):
        return datetime.strptime(found[1], "%Y%m%dT%H%M%S").date().isoformat()
    return "-".join(found.groups()) if (found := _DAY.search(name)) else ""


def parse_time(text: str) -> datetime | None:
    """Read a time in one of the forms that files and items have; None if it is none."""
    for form in _FORMS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
