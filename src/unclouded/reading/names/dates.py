"""When an image was taken: as it says itself, or its name, the tags of its file, or the folder it lies in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from unclouded.errors import InputError
from unclouded.reading.info import SceneInfo

_SENSED = re.compile(r"S2[A-D]_MSI(?:L1C|L2A)_(\d{8}T\d{6})")
_DAY = re.compile(r"(?<!\d)(20[1-9]\d)[-_]?(0[1-9]|1[0-2])[-_]?(0[1-9]|[12]\d|3[01])(?!\d)")
_TIME = re.compile(r"(?<!\d)(20[1-9]\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])T\d{6})(?!\d)")
_HLS = re.compile(r"(?<![A-Za-z0-9])HLS\.S30\.T\w{5}\.(20\d{5}T\d{6})(?!\d)")
_MAJA = re.compile(r"SENTINEL2[A-D]_(\d{8})-(\d{6})-\d{3}_")
_MADE = re.compile(r"S2[A-D]_OPER_")
"""Names of old products, whose files tell when they were made."""
_TAGS = ("ACQUISITIONDATETIME", "DATATAKE_1_DATATAKE_SENSING_START", "SENSING_TIME", "datetime")
_WRITTEN = "TIFFTAG_DATETIME"
"""When the file was made, by the standard, and by some programs when the image was taken."""
_FORMS = ("%Y:%m:%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d")

_ONE_OVERPASS = timedelta(minutes=30)
"""Between times that are told of one overpass, as by its start and by the tile, at most; the next comes 50 later."""


def same_overpass(one: datetime, other: datetime) -> bool:
    """Whether two images may be of one overpass, and show the same clouds; of days alone, if they are of one day."""
    if any(when == datetime(when.year, when.month, when.day, tzinfo=when.tzinfo) for when in (one, other)):
        return one.date() == other.date()
    return abs(one - other) < _ONE_OVERPASS


def acquired(info: SceneInfo) -> datetime | None:
    """When an image was taken, in UTC; None where nothing says it. Of a day alone, its midnight."""
    if info.acquired is not None:
        return info.acquired
    if found := _SENSED.search(f"{info.source} {info.stem}"):
        return datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    for tag in _TAGS:
        if (time := parse_time(info.tags.get(tag, ""))) is not None:
            return time
    written, named = parse_time(info.tags.get(_WRITTEN, "")), parse_time(time_in(info.stem))
    if named is not None:
        return written if written is not None and written.date() == named.date() else named
    return written or _of_folder(info.source)


def _of_folder(source: str) -> datetime | None:
    """The day that the folder around a source is called after, if by nothing else."""
    folder = Path(source).parent.name
    return parse_time(day_in(folder)) if _DAY.fullmatch(folder) else None


def time_in(name: str) -> str:
    """The time that a name holds, as 20240531T101031, or the day alone, as 2024-05-31; empty if it holds neither."""
    if _MADE.search(name):
        return ""
    if found := _MAJA.search(name):
        return f"{found[1]}T{found[2]}"
    if found := _HLS.search(name):
        return datetime.strptime(found[1], "%Y%jT%H%M%S").isoformat()
    return found[1] if (found := _TIME.search(name)) else day_in(name)


def time_of_files(names: Iterable[str]) -> str:
    """The time that the names of the bands of one scene hold; empty if they hold none, or several."""
    times = {time_in(name) for name in names}
    return times.pop() if len(times) == 1 else ""


def refuse_several_days(source: str, names: Mapping[str, str]) -> None:
    """Refuse bands that are of several days by the names of what they are read from.

    Args:
        source: how errors call them.
        names: what each band is read from.

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
