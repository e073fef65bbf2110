"""`--catalog` of `unclouded series`, `mask` and `clear`: from a place and a period to items on the disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from unclouded.clearing.options import option
from unclouded.cli.console import FAILED, Bar, say, tell
from unclouded.cli.reporter import Reporter
from unclouded.errors import InputError

if TYPE_CHECKING:
    from unclouded.catalog.overpasses import Overpass
    from unclouded.catalog.period import Period
    from unclouded.catalog.presets import Catalogue
    from unclouded.reading.grids.area import Area
    from unclouded.reading.reader import ReadOptions

INPUTS = "inputs"
"""Folder beside the results, in which windows that were read are kept unless `--cache` names one."""

OF_A_PERIOD = ("date", "days")
OF_ONE_DATE = ("dates",)
"""Fields of `CatalogOptions` that commands on a period, and those on one date, have no option for."""


@dataclass(frozen=True)
class CatalogOptions:
    """Where images are looked for, and which."""

    catalog: str | None = option(
        None,
        "Look for images here instead of naming them: earth-search, planetary-computer, cdse, or the address of a "
        "STAC API; with --bbox or --geometry.",
        metavar="URL|NAME",
    )
    collection: str = option("sentinel-2-l2a", "Collection of the catalogue.", metavar="NAME")
    dates: str | None = option(None, "First and last day that are looked for.", metavar="DAY/DAY")
    date: str | None = option(None, "Day that is to be cleared, as 2024-06-12.", metavar="DAY")
    days: int = option(30, "Days before and after it from which other dates help.", minimum=0)
    max_cloud: float = option(
        80.0, "Percent of cloud up to which the catalogue's dates are taken.", minimum=0, maximum=100
    )
    max_items: int = option(1000, "Items of the catalogue that are accepted.", minimum=1)
    cache: str | None = option(None, "Keep windows that were read here, for other runs too.", metavar="DIR")
    cache_size: float = option(20.0, "Gigabytes that --cache may hold; what was not used for longest goes.", minimum=0)
    dry_run: bool = option(False, "Show what the catalogue has and what would be read, and do nothing.")


def check_catalog(options: CatalogOptions, inputs: Sequence[str], area: Area | None, period: str | None) -> bool:
    """Tell whether images come from a catalogue, and check that all is given that this needs.

    Raises:
        BadParameter: inputs and a catalogue are given, or neither, or a part of what a search needs.
    """
    if options.catalog is None:
        if not inputs:
            raise typer.BadParameter("give some, or --catalog to look for them", param_hint="INPUT...")
        if period is not None or options.dry_run or options.cache is not None:
            raise typer.BadParameter(
                "is missing: --dates, --date, --cache and --dry-run belong to it", param_hint="--catalog"
            )
        return False
    if inputs:
        raise typer.BadParameter("looks for the images; give it or inputs", param_hint="--catalog")
    if area is None:
        raise typer.BadParameter("needs an area: give --bbox or --geometry", param_hint="--catalog")
    return True


def dates_of(
    options: CatalogOptions, reading: ReadOptions, output: str, reporter: Reporter, *, minimum: int
) -> list[str]:
    """Find the dates of a period and download their items; a note names dates that cannot be read.

    What is kept goes beside `output`, a file for one date or a folder.

    Raises:
        InputError: nothing was found, or not what was looked for, or fewer than `minimum` dates; or `output` is no name
            for so many.
        FileError: nothing can be kept here.
        NetworkError: the catalogue or its files cannot be reached; what was read is kept.
        Exit: after a dry run.
    """
    from unclouded.catalog.overpasses import less_cloudy
    from unclouded.catalog.period import period_of
    from unclouded.catalog.presets import catalogue_named
    from unclouded.clearing.plan import output_folder

    if options.dates is None:
        raise typer.BadParameter("needs a period: give --dates, as 2024-05-01/2024-07-31", param_hint="--catalog")
    catalogue, period = catalogue_named(str(options.catalog)), period_of(options.dates)
    output_folder(minimum, output)  # said before anything is asked
    found = _found(catalogue, options, reading, period)
    kept = less_cloudy(found, options.max_cloud)
    if len(kept) < len(found):
        say(f"note: {len(found) - len(kept)} of {len(found)} dates have over {options.max_cloud:g}% cloud: left out")
    if len(kept) < minimum:
        raise InputError(
            f"{catalogue.address}: has one date alone, {kept[0].time:%Y-%m-%d}; a series needs at least two: give "
            "longer --dates or a higher --max-cloud, or take `unclouded clear --date`"
        )
    folder = output_folder(len(kept), output) or Path(output).parent
    return list(_download(catalogue, options, reading, kept, folder / INPUTS, reporter))


def day_and_others(
    options: CatalogOptions, reading: ReadOptions, output: str, reporter: Reporter
) -> tuple[list[str], list[str]]:
    """Find a day and its references, and download their items: the day's own, and the references, nearest first.

    What is kept goes beside `output`, a file or a folder. Errors as of `dates_of`.
    """
    from unclouded.catalog.period import Period, day_of
    from unclouded.catalog.presets import catalogue_named
    from unclouded.clearing.options import MAX_REFERENCES
    from unclouded.clearing.plan import output_folder

    if options.date is None:
        raise typer.BadParameter("needs a day: give --date, as 2024-06-12", param_hint="--catalog")
    catalogue, day = catalogue_named(str(options.catalog)), day_of(options.date)
    folder = output_folder(1, output) or Path(output).parent
    found = _found(catalogue, options, reading, Period(day, day).wider(options.days))
    chosen = _of_day(found, day)
    clear = [one for one in found if one is not chosen and (one.cloud is None or one.cloud <= options.max_cloud)]
    nearest = sorted(clear, key=lambda one: abs(one.time - chosen.time))[:MAX_REFERENCES]
    if not nearest:
        say(f"note: {options.days} days around it there is no other date under {options.max_cloud:g}% cloud to help")
    dates = sorted([chosen, *nearest], key=lambda one: one.time)
    items = _download(catalogue, options, reading, dates, folder / INPUTS, reporter)
    of_day = [item for item, one in items.items() if one is chosen]
    if not of_day:
        raise typer.Exit(FAILED)
    others = [item for item in items if item not in of_day]
    return of_day, sorted(others, key=lambda item: abs(items[item].time - chosen.time))


def _of_day(found: Sequence[Overpass], day: date) -> Overpass:
    of_day = [one for one in found if one.time.date() == day]
    if not of_day:
        from unclouded.catalog.period import Period
        from unclouded.catalog.search import nearest_days

        near = ", ".join(map(str, nearest_days([one.time.date() for one in found], Period(day, day))))
        raise InputError(f"--date {day}: nothing was taken on that day; the nearest dates are {near}")
    return max(of_day, key=lambda one: one.coverage)


def _found(catalogue: Catalogue, options: CatalogOptions, reading: ReadOptions, period: Period) -> list[Overpass]:
    from unclouded.catalog.dates import find_dates
    from unclouded.catalog.search import Request

    assert reading.area is not None
    return find_dates(Request(catalogue, options.collection, reading.area, period, options.max_items))


def _download(
    catalogue: Catalogue,
    options: CatalogOptions,
    reading: ReadOptions,
    dates: Sequence[Overpass],
    beside: Path,
    reporter: Reporter,
) -> dict[str, Overpass]:
    """Show the plan in a dry run, else keep what is wanted of each date; return the items by time."""
    from unclouded.catalog.cache import Extract, evict
    from unclouded.catalog.dates import Report, store_dates
    from unclouded.catalog.retry import RetryPolicy
    from unclouded.detection.csmask import bands_to_read

    assert reading.area is not None
    bands = bands_to_read(reading.bands)
    if options.dry_run:
        _show_plan(dates, reading.area, bands)
        raise typer.Exit
    catalogue.prepare()
    extract = Extract(reading.area, bands, reading.offset is not None, catalogue.signer(), RetryPolicy())
    folder = beside if options.cache is None else Path(options.cache)
    report = Report(lambda one: Bar(f"{one.time:%Y-%m-%d}"), lambda note: say(f"note: {note}"), reporter.refuse)
    items = store_dates(dates, extract, folder, report)
    if options.cache is not None and items:
        held = evict(folder, round(options.cache_size * 1e9), [Path(item) for item in items])
        if held > options.cache_size * 1e9:
            say(f"note: {folder} holds {_written(held)}, all of this run: more than --cache-size")
    return items


def _show_plan(dates: Sequence[Overpass], area: Area, bands: Sequence[str] | None) -> None:
    from unclouded.catalog.estimate import estimate

    read = whole = 0
    for one in dates:
        bytes_of = estimate(one, area, bands)
        read, whole = read + bytes_of.read, whole + bytes_of.whole
        cloud = "cloud not said" if one.cloud is None else f"cloud {one.cloud:.0f}%"
        names = " + ".join(tile.name for tile in one.tiles)
        size = _written(bytes_of.read)
        tell(f"{one.time:%Y-%m-%d %H:%M}  {cloud}  {one.coverage:.0%} of the area  about {size}  {names}")
        for note in one.notes:
            say(f"note: {one.time:%Y-%m-%d}: {note}")
    tell(f"{len(dates)} dates: about {_written(read)} to read, of about {_written(whole)} in whole files")


def _written(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
