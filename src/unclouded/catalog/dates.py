"""Search and storage of the dates of a place and a period: for the commands and the Python interface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from unclouded.catalog.cache import Extract, store
from unclouded.catalog.overpasses import Overpass, overpasses
from unclouded.catalog.search import Request, find_items
from unclouded.errors import NetworkError, UncloudedError
from unclouded.progress import Progress


@dataclass(frozen=True)
class Report:
    """Callbacks for progress, notes and errors while dates are read.

    Attributes:
        bar: makes the progress display of a date.
        note: called with a sentence on what was left out of a date.
        refuse: called with the name of a date that cannot be read, and the error.
    """

    bar: Callable[[Overpass], AbstractContextManager[Progress]]
    note: Callable[[str], None]
    refuse: Callable[[str, UncloudedError], None]


def find_dates(request: Request) -> list[Overpass]:
    """Find the overpasses of a request, by time; errors as of `find_items` and `overpasses`."""
    return overpasses(find_items(request), request.area)


def store_dates(dates: Sequence[Overpass], extract: Extract, folder: Path, report: Report) -> dict[str, Overpass]:
    """Store the windows of dates in a folder; a date that cannot be read is reported and left out.

    Returns:
        The dates by the paths of their cached items.

    Raises:
        NetworkError: the files cannot be reached; windows that were read stay in the cache.
    """
    items: dict[str, Overpass] = {}
    for one in dates:
        try:
            with report.bar(one) as progress:
                item, notes = store(one, extract, folder, progress)
        except NetworkError as error:
            raise NetworkError(f"{error}; {len(items)} of {len(dates)} dates are read and kept in {folder}") from error
        except UncloudedError as error:
            report.refuse(one.name, error)
            continue
        for note in (*one.notes, *notes):
            report.note(f"{one.time:%Y-%m-%d}: {note}")
        items[str(item)] = one
    return items
