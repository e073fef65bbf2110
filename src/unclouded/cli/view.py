"""`unclouded view`: a map of cleared scenes in the browser."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from unclouded.cli.console import FAILED, SOME_FAILED, Bar, faults, put, report, say
from unclouded.cli.derived_options import takes_options
from unclouded.cli.options import Debug
from unclouded.cli.source_options import AREA, SourceOptions
from unclouded.errors import UncloudedError


@takes_options(SourceOptions, without=AREA, parameter="source_options")
def view(
    scenes: Annotated[
        list[str],
        typer.Argument(
            metavar="SCENE...",
            help="Output of `unclouded clear`, or with the image before clearing: before.tif=clear.tif; "
            "or the folder of `unclouded series`.",
        ),
    ],
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser, only say where.")] = False,
    source_options: SourceOptions,
    debug: Debug = False,
) -> None:
    """Show cleared scenes on a map, before and after, with their quality and values, until interrupted."""
    with faults(debug):
        from unclouded.reading.series import find_series, is_series
        from unclouded.view.scenes import open_map_scene
        from unclouded.view.server import MapServer

        reading = source_options.reading()
        wanted = [
            scene
            for given in scenes
            for scene in ([str(pair.after) for pair in find_series(Path(given))] if is_series(Path(given)) else [given])
        ]
        found, failed = [], 0
        with Bar("opening") as bar:
            for number, argument in enumerate(dict.fromkeys(wanted)):
                bar("scenes", number, len(wanted))
                try:
                    found.append(open_map_scene(argument, reading))
                except UncloudedError as error:
                    report(error, debug)
                    failed += 1
        if not found:
            raise typer.Exit(FAILED)
        with MapServer(found, port) as server:
            for scene in found:
                for note in scene.notes:
                    say(f"note: {scene.name}: {note}")
            put(f"{server.address} (stop with Ctrl+C)")
            if not no_browser:
                import webbrowser

                webbrowser.open(server.address)
            # Interrupting is how this command ends, not a fault.
            with suppress(KeyboardInterrupt):
                server.serve_forever()
        if failed:
            raise typer.Exit(SOME_FAILED)
