"""Level and offset of a date whose clouds hide them, assumed from other dates of the same series."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

from unclouded.errors import UncloudedError, UnknownLevelError, UnknownOffsetError
from unclouded.reading.info import SceneInfo
from unclouded.reading.names.dates import acquired
from unclouded.reading.names.product_name import OFFSET_FROM_DATE
from unclouded.reading.radiometry.offsets import NO_OFFSET

_Date = TypeVar("_Date")
_Opened = TypeVar("_Opened")

OFFSET_FROM_OTHER_DATES = f"{NO_OFFSET}, as of its other dates; give --offset -1000 if DN carry +1000"


def readable_infos(info_of: Callable[[_Date], SceneInfo], dates: Iterable[_Date]) -> Iterator[SceneInfo]:
    """Describe, lazily, the dates whose level and offset are known; skip the others.

    Args:
        info_of: describes a date, or raises an `UncloudedError`.
        dates: of one place.
    """
    for date in dates:
        with suppress(UncloudedError):
            yield info_of(date)


def level_from_other_dates(level: str) -> str:
    """The note on a date whose level was assumed from other dates."""
    return f"level assumed: {level}, as of its other dates; give --level if it is not"


def days_without_offset(dates: Iterable[SceneInfo]) -> list[str]:
    """The days, as 20180510, of dates whose offset is 0 by their pixels alone."""
    by_pixels = (date for date in dates if any(note.startswith(NO_OFFSET) for note in date.notes))
    return [f"{time:%Y%m%d}" for date in by_pixels if (time := acquired(date)) is not None]


def implies_no_offset(days: Sequence[str], when: datetime | None) -> bool:
    """Whether a cloudy date carries no offset, since other dates of the place carry none.

    Dates that declare as little were made in one way: either none carries an offset, or they are products as
    distributed, which carry one from `OFFSET_FROM_DATE` on. So dates before that day imply nothing for one after it.

    Args:
        days: of `days_without_offset`.
        when: acquisition time of the cloudy date.
    """
    if when is None or not days:
        return False
    return max(days) >= OFFSET_FROM_DATE or f"{when:%Y%m%d}" < OFFSET_FROM_DATE


def completed_by_other_dates(
    open_date: Callable[[str | None, float | None, tuple[str, ...]], _Opened],
    level: str | None,
    offset: float | None,
    level_of_others: Callable[[], str | None],
    no_offset_implied: Callable[[], bool],
) -> _Opened:
    """Open one of several dates; take the level or offset that its pixels leave unknown from the other dates.

    Args:
        open_date: opens it with a level, an offset in DN and notes on them; raises one of the errors below.
        level: the user's, "L1C" or "L2A".
        offset: the user's, in DN.
        level_of_others: the level that the other dates share; None if they do not.
        no_offset_implied: see `implies_no_offset`.

    Raises:
        UnknownOffsetError: the other dates do not imply the offset either.
        UnknownLevelError: the other dates do not imply the level either.
    """
    notes: list[str] = []
    while True:
        try:
            return open_date(level, offset, tuple(notes))
        except UnknownOffsetError:
            if offset is not None or not no_offset_implied():
                raise
            offset = 0.0
            notes.append(OFFSET_FROM_OTHER_DATES)
        except UnknownLevelError:
            found = None if level is not None else level_of_others()
            if found is None:
                raise
            level = found
            notes.append(level_from_other_dates(found))
