"""The time of acquisition of an image: by its metadata, its name, the tags of its file, or the folder it lies in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from unclouded.errors import InputError
from unclouded.reading.info import SceneInfo
from unclouded.reading.names.product_name import other_processors_time, sensing_time

_DAY = re.compile(r"(?<!\d)(20[1-9]\d)[-_]?(0[1-9]|1[0-2])[-_]?(0[1-9]|[12]\d|3[01])(?!\d)")
_TIME = re.compile(r"(?<!\d)(20[1-9]\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])T\d{6})(?!\d)")
_PRODUCTION = re.compile(r"S2[A-D]_OPER_")
"""In names of old products, whose files hold the time of production."""
_TAGS = ("ACQUISITIONDATETIME", "DATATAKE_1_DATATAKE_SENSING_START", "SENSING_TIME", "datetime")
_WRITTEN = "TIFFTAG_DATETIME"
"""By the standard the time at which the file was written, by some programs that of acquisition."""
_FORMATS = ("%Y:%m:%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d")

_ONE_OVERPASS = timedelta(minutes=30)
"""Between the times of one overpass, such as its start and that of a tile, at most; the next comes 50 minutes later."""


def same_overpass(one: datetime, other: datetime) -> bool:
    """Whether two images may be of one overpass, and show the same clouds; if one has no time, whether of one day."""
    if any(when == datetime(when.year, when.month, when.day, tzinfo=when.tzinfo) for when in (one, other)):
        return one.date() == other.date()
    return abs(one - other) < _ONE_OVERPASS


def acquired(info: SceneInfo) -> datetime | None:
    """The time of acquisition in UTC, midnight if only the day is known; None if nothing tells it."""
    if info.acquired is not None:
        return info.acquired
    if (sensed := sensing_time(f"{info.source} {info.stem}")) is not None:
        return sensed
    for tag in _TAGS:
        if (time := parse_time(info.tags.get(tag, ""))) is not None:
            return time
    written, named = parse_time(info.tags.get(_WRITTEN, "")), parse_time(time_in(info.stem))
    if named is not None:
        return written if written is not None and written.date() == named.date() else named
    return written or _of_folder(info.source)


def _of_folder(source: str) -> datetime | None:
    """The day in the name of the folder around a source, if the name is nothing else."""
    folder = Path(source).parent.name
    return parse_time(day_in(folder)) if _DAY.fullmatch(folder) else None


def time_in(name: str) -> str:
    """The time in a name, as 20240531T101031, or the day alone, as 2024-05-31; empty without either."""
    if _PRODUCTION.search(name):
        return ""
    if time := other_processors_time(name):
        return time
    return found[1] if (found := _TIME.search(name)) else day_in(name)


def time_of_files(names: Iterable[str]) -> str:
    """The time in the names of the bands of one scene; empty without one, or if they differ."""
    times = {time_in(name) for name in names}
    return times.pop() if len(times) == 1 else ""


def refuse_several_days(source: str, names: Mapping[str, str]) -> None:
    """Refuse bands that are of several days by the names of their files.

    Args:
        source: name of the scene, for errors.
        names: file of each band.

    Raises:
        InputError: naming two of them.
    """
    days: dict[str, str] = {}
    for band, name in names.items():
        if day := time_in(name)[:10]:
            days.setdefault(day.replace("-", "")[:8], f"{band} in {name}")
    if len(days) > 1:
        (_, one), (_, other) = sorted(days.items())[:2]
        raise InputError(f"{source}: its bands are of several days ({one}, {other}); give the bands of one scene")


def day_in(name: str) -> str:
    """The day in a name, as 2024-05-31; empty without one."""
    if (sensed := sensing_time(name)) is not None:
        return sensed.date().isoformat()
    return "-".join(found.groups()) if (found := _DAY.search(name)) else ""


def parse_time(text: str) -> datetime | None:
    """Parse a time in one of the formats of tags and items, UTC unless it says; None if it is in none of them."""
    for format_ in _FORMATS:
        try:
            return datetime.strptime(text, format_).replace(tzinfo=UTC)
        except ValueError:
            continue
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
