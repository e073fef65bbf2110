"""Level and offset of a date whose cloud hides them, as other dates of the same series tell them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

from unclouded.errors import UncloudedError, UnknownLevelError, UnknownOffsetError
from unclouded.reading.info import SceneInfo
from unclouded.reading.names.dates import acquired
from unclouded.reading.names.naming import OFFSET_FROM_DATE
from unclouded.reading.radiometry.offsets import NO_OFFSET

_Date = TypeVar("_Date")
_Made = TypeVar("_Made")

OFFSET_AS_OF_OTHERS = f"{NO_OFFSET}, as of its other dates; give --offset -1000 if DN carry +1000"


def understood(info_of: Callable[[_Date], SceneInfo], dates: Iterable[_Date]) -> Iterator[SceneInfo]:
    """What those dates of a place are that tell it; those under cloud, which do not, are as these.

    Args:
        info_of: finds what a date is, or raises an UncloudedError.
        dates: looked at one by one, as they are needed.
    """
    for date in dates:
        with suppress(UncloudedError):
            yield info_of(date)


def as_of_others(level: str) -> str:
    """What is said of a level that was found by other dates."""
    return f"level assumed: {level}, as of its other dates; give --level if it is not"


def days_without_offset(dates: Iterable[SceneInfo]) -> list[str]:
    """The days of those dates, as 20180510, that say nothing of an offset and by their pixels carry none."""
    of_pixels = (date for date in dates if any(note.startswith(NO_OFFSET) for note in date.notes))
    return [f"{time:%Y%m%d}" for date in of_pixels if (time := acquired(date)) is not None]


def stand_for(days: Sequence[str], when: datetime | None) -> bool:
    """Whether dates of a place that carry no offset by their pixels tell that of one under cloud, which tells nothing.

    They do as dates that say as little of themselves, and so were made in one way: either all without an offset, or as
    products come, which carry one from a day on. So dates before that day tell nothing of one after it.

    Args:
        days: of `days_without_offset`.
        when: the other was taken.
    """
    if when is None or not days:
        return False
    return max(days) >= OFFSET_FROM_DATE or f"{when:%Y%m%d}" < OFFSET_FROM_DATE


def with_answers(
    make: Callable[[str | None, float | None, tuple[str, ...]], _Made],
    level: str | None,
    offset: float | None,
    level_of_others: Callable[[], str | None],
    others_stand: Callable[[], bool],
) -> _Made:
    """Understand a date of several, of which others tell what it does not tell itself, being under cloud.

    Args:
        make: of a level, an offset and notes on them; raises an error of those below.
        level: that the user gives.
        offset: likewise.
        level_of_others: the level that other dates tell, if they do.
        others_stand: see `stand_for`.

    Raises:
        UnknownOffsetError: nothing tells the offset.
        UnknownLevelError: nothing tells the level.
    """
    notes: list[str] = []
    while True:
        try:
            return make(level, offset, tuple(notes))
        except UnknownOffsetError:
            if offset is not None or not others_stand():
                raise
            offset = 0.0
            notes.append(OFFSET_AS_OF_OTHERS)
        except UnknownLevelError:
            found = None if level is not None else level_of_others()
            if found is None:
                raise
            level = found
            notes.append(as_of_others(found))
