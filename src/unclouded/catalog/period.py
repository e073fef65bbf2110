"""Periods of days, the values of `--dates` and `--date`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from unclouded.errors import InputError


@dataclass(frozen=True)
class Period:
    """Days from `first` to `last`, both included."""

    first: date
    last: date

    def __str__(self) -> str:
        return f"{self.first}/{self.last}"

    @property
    def interval(self) -> str:
        """The interval in the form of a STAC search."""
        return f"{self.first}T00:00:00Z/{self.last}T23:59:59Z"

    def wider(self, days: int) -> Period:
        """The period extended by so many days before and after, within the range of `date`."""
        margin = timedelta(days=min(days, (date.max - date.min).days))
        first = self.first - margin if self.first - date.min > margin else date.min
        last = self.last + margin if date.max - self.last > margin else date.max
        return Period(first, last)


def period_of(text: str) -> Period:
    """Parse a period such as "2024-05-01/2024-07-31", or a single day.

    Raises:
        InputError: it is invalid, or ends before it begins.
    """
    first, _, last = text.partition("/")
    period = Period(_day("--dates", text, first), _day("--dates", text, last or first))
    if period.first > period.last:
        raise InputError(f"--dates {text}: ends before it begins; give the earlier day first")
    return period


def day_of(text: str) -> date:
    """Parse a day such as "2024-06-12".

    Raises:
        InputError: it is invalid.
    """
    return _day("--date", text, text)


def _day(option: str, text: str, part: str) -> date:
    try:
        return date.fromisoformat(part.strip())
    except ValueError as error:
        accepted = "2024-06-12" if option == "--date" else "2024-05-01/2024-07-31, from day to day,"
        raise InputError(f"{option} {text}: {part.strip()!r} is not a day; {accepted} is accepted") from error
