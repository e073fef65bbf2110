"""`unclouded series`: all dates of a place, each cleared with the help of the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from unclouded.clearing.options import HELPING_DATES, ClearOptions
from unclouded.cli.clearings import Clearings
from unclouded.cli.console import FAILED, SOME_FAILED, Bar, faults, say, tell
from unclouded.cli.options import Bands, Debug, LevelGiven, Offset, Overwrite, Scale, names_of


def series(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="Dates of one place; whatever `unclouded clear` reads.")
    ],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results of all dates.")],
    bands: Bands = None,
    level: LevelGiven = None,
    scale: Scale = None,
    offset: Offset = None,
    only_earlier: Annotated[
        bool, typer.Option("--only-earlier", help="Let no date be helped by a later one, as in near-real time.")
    ] = False,
    most: Annotated[
        int, typer.Option(min=1, metavar="N", help="Other dates that help to clear one at most.")
    ] = HELPING_DATES,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Clear every date of a place with the help of the nearest others, before and after.

    A repeated command goes on with the dates that are missing. `collection.json` lists the results.
    """
    with faults(debug):
        from unclouded.clearing.clear import clear_to_file
        from unclouded.clearing.model import Model
        from unclouded.clearing.plan import plan
        from unclouded.clearing.series import helping_dates, write_collection
        from unclouded.reading.dates import acquired
        from unclouded.reading.reader import ReadOptions

        if len(inputs) < 2:
            raise typer.BadParameter("a series has two dates at least; for one scene take `unclouded clear`")
        reading = ReadOptions(names_of(bands), level.value if level else None, scale, offset)
        todo = plan(inputs, f"{output}/", reading, overwrite=overwrite, skip_existing=not overwrite)
        for note in todo.notes:
            say(f"note: {note}")
        for name in todo.skipped.values():
            say(f"note: {name}: is there and stays")
        clearings = Clearings(as_json=False, debug=debug)
        for source, error in todo.failed.items():
            clearings.refuse(source, error)
        dates = {}
        for source in (*todo.outputs, *todo.skipped):
            with reading.open(source) as scene:
                dates[source] = acquired(scene.info)
        if unknown := [source for source, date in dates.items() if date is None]:
            say(f"note: {', '.join(unknown)}: nothing says when it was taken, so it helps the others last")
        options = ClearOptions(overwrite=overwrite)
        loaded = Model.load(options)
        done = list(todo.skipped.values())
        for source, name in todo.outputs.items():
            try:
                helping = replace(
                    options, references=helping_dates(source, dates, only_earlier=only_earlier, most=most)
                )
                with Bar(name.name) as bar, reading.open(source) as scene:
                    cleared = clear_to_file(scene, name, loaded, helping, progress=bar)
                clearings.done(source, cleared)
                done.append(name)
            except Exception as error:
                clearings.refuse(source, error)
        if done:
            tell(f"{write_collection(output, sorted(done))}: {len(done)} dates")
        if clearings.failed:
            raise typer.Exit(FAILED if not done else SOME_FAILED)
