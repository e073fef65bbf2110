"""The Zarr store of `unclouded series --zarr`: what it needs, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from unclouded.cli.console import Bar, say, tell
from unclouded.errors import InputError
from unclouded.files import clear_away

if TYPE_CHECKING:
    from unclouded.reading.info import SceneInfo

CUBE = "series.zarr"
"""Name of the store in the folder of the results."""


def check_cube(
    path: Path, known: Mapping[str, SceneInfo], dates: Mapping[str, datetime | None], *, overwrite: bool
) -> None:
    """Check, before any work is done, that dates go into one store, and that it may be written.

    Raises:
        InputError: nothing says when one was taken, or they are not alike.
        OutputExistsError: something else is there.
    """
    from unclouded.reading.grids.overlap import check_consistent
    from unclouded.writing.time_cube import refuse_other_store

    first = next(iter(known.values()), None)
    for source, info in known.items():
        if dates[source] is None:
            raise InputError(
                f"{source}: nothing says when it was taken, which --zarr needs; put the date into its name, "
                "as 2024-06-01"
            )
        if first is not None:
            check_consistent(info, first)
    if not overwrite:
        refuse_other_store(path)


def write_cube(
    path: Path, outputs: Mapping[str, Path], known: Mapping[str, SceneInfo], dates: Mapping[str, datetime | None]
) -> None:
    """Write the store of the dates that are cleared, unless it is there with just these.

    Raises:
        FileError: if it cannot be written.
    """
    from unclouded.writing.time_cube import ClearedDate, is_made_of, write_time_cube

    cleared = [ClearedDate(known[source], time, name) for source, name in outputs.items() if (time := dates[source])]
    if is_made_of(path, cleared):
        clear_away(path)
        say(f"note: {path}: exists and is kept")
        return
    with Bar(path.name) as bar:
        write_time_cube(path, cleared, dates, bar)
    tell(f"{path}: {len(cleared)} dates")
