"""`unclouded series`: all dates of a place, each cleared with the help of the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unclouded.clearing.options import MASK_AUTO, MASK_NONE, MAX_REFERENCES, OF_ONE_SCENE, ClearOptions, ReferenceLimits
from unclouded.cli.catalog import OF_A_PERIOD, CatalogOptions, check_catalog, dates_of
from unclouded.cli.console import faults, say, tell
from unclouded.cli.cubes import CUBE, check_cube, write_cube
from unclouded.cli.derived_options import takes_options
from unclouded.cli.execution import Scheduler, Workers, check_workers, clear_all
from unclouded.cli.options import (
    Debug,
)
from unclouded.cli.reporter import Reporter
from unclouded.cli.series_page import try_series_page
from unclouded.cli.series_results import Composite, Further, Gif, Ndvi
from unclouded.cli.source_options import SourceOptions
from unclouded.errors import FileError, UnknownLevelError, UnknownOffsetError

if TYPE_CHECKING:
    from unclouded.clearing.plan import Plan
    from unclouded.clearing.series import ReferenceSelection
    from unclouded.reading.info import SceneInfo
    from unclouded.reading.reader import ReadOptions


class MaskOfEach(StrEnum):
    """Masks that all dates may have; a file belongs to one."""

    auto = MASK_AUTO
    none = MASK_NONE


@takes_options(CatalogOptions, without=OF_A_PERIOD, parameter="catalog")
@takes_options(SourceOptions, parameter="source_options")
@takes_options(ClearOptions, without=OF_ONE_SCENE)
def series(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT",
            help="Dates of one place: whatever `unclouded clear` reads, and NetCDF files and Zarr stores of several.",
            show_default=False,
        ),
    ] = None,
    *,
    into: Annotated[str, typer.Option("--output", metavar="DIR", help="Folder for the results of all dates.")],
    catalog: CatalogOptions,
    source_options: SourceOptions,
    only_earlier: Annotated[
        bool,
        typer.Option(
            "--only-earlier", help="Clear each date with the help of earlier ones alone, as in near-real time."
        ),
    ] = False,
    max_references: Annotated[
        int, typer.Option(min=1, metavar="N", help="How many other dates help to clear one, at most.")
    ] = MAX_REFERENCES,
    mask: Annotated[
        MaskOfEach, typer.Option("--mask", help="auto: the SCL that comes with a date helps to find what is covered.")
    ] = MaskOfEach.auto,
    zarr: Annotated[
        bool, typer.Option("--zarr", help="Write all dates into DIR/series.zarr too, with an axis of time.")
    ] = False,
    composite: Composite = None,
    ndvi: Ndvi = False,
    gif: Gif = False,
    options: ClearOptions,
    workers: Workers = None,
    scheduler: Scheduler = None,
    debug: Debug = False,
) -> None:
    """Clear every date of a place with the help of the nearest others, before and after.

    A repeated command goes on with the dates that are missing. `collection.json` lists the results, `series.html`
    shows them, and the NDVI of any point over time.
    """
    reporter = Reporter(as_json=False, debug=debug)
    with faults(debug):
        from unclouded.clearing.batch import Batch
        from unclouded.clearing.model import Model
        from unclouded.clearing.plan import folder_named
        from unclouded.clearing.series import described, shared_references, write_collection
        from unclouded.reading.names.dates import acquired

        check_workers(workers, scheduler)
        output = folder_named(into)
        reading = source_options.reading()
        sources = _sources(inputs or (), output, catalog, options, reading, reporter)
        todo, reading = _planned(sources, output, reading, overwrite=options.overwrite)
        reporter.announce(todo, options)
        known = described([*todo.outputs, *todo.skipped], reading, options.crs, options.resolution)
        dates = {source: acquired(info) for source, info in known.items()}
        further = Further(composite, ndvi, gif)
        further.check(known)
        if zarr:
            check_cube(output / CUBE, known, dates, overwrite=options.overwrite)
        done = list(todo.skipped.values())
        if todo.outputs:
            options = replace(options, mask=mask.value)
            loaded = Model.load(options)
            selection = _selection(todo.outputs, known, dates, ReferenceLimits(only_earlier, max_references))
            with shared_references(output, reading) as opener:
                batch = Batch(todo.outputs, reading, loaded, options, selection, opener)
                clear_all(batch, (workers, scheduler), reporter, done.append)
        elif done:
            with shared_references(output, reading):
                pass  # what a run left there that was killed at its end goes
        if done:
            tell(f"{write_collection(output, sorted(done))}: {len(done)} dates")
            if zarr:
                outputs = {source: name for source, name in (todo.outputs | todo.skipped).items() if name in done}
                write_cube(output / CUBE, outputs, known, dates)
            of_results = replace(reading, area=None, variant=None)
            further.write(output, sorted(done), of_results)
            try_series_page(output, of_results)
        reporter.check(len(todo.skipped))


def _sources(
    inputs: Sequence[str],
    output: Path,
    catalog: CatalogOptions,
    options: ClearOptions,
    reading: ReadOptions,
    reporter: Reporter,
) -> list[str]:
    """The dates to clear, each once: those that are named, or those that the catalogue has.

    Raises:
        BadParameter: fewer than two are left.
    """
    from unclouded.clearing.plan import each_once
    from unclouded.reading.grids.output_grid import check_of_tiles

    if check_catalog(catalog, inputs, reading.area, catalog.dates):
        check_of_tiles(options.crs, options.resolution)
        found = dates_of(catalog, reading, f"{output}/", reporter, minimum=2)
    else:
        found = [date for source in inputs for date in _dates_in(source)]
    sources, repeated = each_once(found)
    for note in repeated:
        say(f"note: {note}")
    if len(sources) < 2:
        reporter.check()  # of dates that were found and cannot be read, it is said why
        advice = "for one scene take `unclouded clear`"
        if sources and any(Path(sources[0]).glob("*.tif")):
            advice = f"a folder is one date; if its files are the dates, name them: {sources[0].rstrip('/')}/*.tif"
        raise typer.BadParameter(f"a series needs at least two dates; {advice}")
    return sources


def _planned(
    sources: Sequence[str], output: Path, reading: ReadOptions, *, overwrite: bool
) -> tuple[Plan, ReadOptions]:
    """Where each date goes, and how dates are read: what one does not tell may be as in the others."""
    from unclouded.clearing.plan import plan

    todo = plan(sources, f"{output}/", reading, overwrite=overwrite, skip_existing=not overwrite)
    if any(isinstance(error, UnknownLevelError | UnknownOffsetError) for error in todo.failed.values()):
        reading = reading.completed_by_other_dates(sources)
        todo = plan(sources, f"{output}/", reading, overwrite=overwrite, skip_existing=not overwrite)
    return todo, reading


def _selection(
    sources: Iterable[str],
    known: Mapping[str, SceneInfo],
    dates: Mapping[str, datetime | None],
    limits: ReferenceLimits,
) -> ReferenceSelection:
    """The references of each of `sources` among the dates `known`; a note says why a date is none."""
    from unclouded.clearing.series import ReferenceSelection
    from unclouded.reading.grids.overlap import overlaps

    if unknown := [source for source, date in dates.items() if date is None]:
        say(f"note: {', '.join(unknown)}: acquisition date unknown, so it comes last as a reference for the others")
    candidates = {
        source: {
            other: date for other, date in dates.items() if other == source or overlaps(known[other], known[source])
        }
        for source in sources
    }
    for source, others in candidates.items():
        if len(others) == 1:
            say(f"note: {source}: no other date overlaps it, so it has no reference")
    return ReferenceSelection(
        candidates,
        limits,
        on_unreadable=lambda error: say(f"note: {error.__cause__}; it is no reference for other dates"),
    )


def _dates_in(source: str) -> list[str]:
    from unclouded.reading.source import cube_and_date

    if cube_and_date(source) is None:
        return [source]
    from unclouded.reading.products.cube import dates_in

    try:
        return dates_in(source)
    except FileError:
        return [source]  # said with the faults of other inputs
