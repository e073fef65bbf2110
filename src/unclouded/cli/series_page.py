"""The page of a series, for `unclouded series`, which writes it beside its results, and for `unclouded report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from unclouded.cli.console import Bar, say, tell
from unclouded.errors import UncloudedError
from unclouded.extras import how_to_install

if TYPE_CHECKING:
    from unclouded.colour import StretchKind
    from unclouded.reading.reader import ReadOptions

PAGE = "series.html"


def write_series_page(
    folder: Path, page: Path, reading: ReadOptions, composite: str | None = None, stretch: StretchKind = "scene"
) -> None:
    """Write the page of the series in a folder, and say where it is and how large.

    Raises:
        ModuleNotFoundError: the extra `report` is not installed.
        InputError: the folder holds no series, or its files cannot be understood.
        FileError: a file is damaged, or the page cannot be written.
    """
    from unclouded.files import write_bytes
    from unclouded.report.series_page import render_series
    from unclouded.version import __version__

    with Bar(page.name) as bar:
        data = render_series(folder, reading, __version__, composite, stretch, bar).encode()
    write_bytes(data, page)
    tell(f"{page}: {len(data) / 1e6:.1f} MB")


def try_series_page(folder: Path, reading: ReadOptions) -> None:
    """Write the page beside the results of a series; say it if it cannot be made: they are not the worse for it."""
    try:
        write_series_page(folder, folder / PAGE, reading)
    except ModuleNotFoundError as error:
        say(
            f"note: {folder / PAGE} is not made, for {error.name} is not installed; {how_to_install('report')}, "
            f"then `unclouded report {folder} --output {folder / PAGE}`"
        )
    except UncloudedError as error:
        say(f"note: {folder / PAGE} is not made: {error}")
