"""`unclouded view`: a map of cleared scenes in the browser."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from unclouded.cli.console import FAILED, SOME_FAILED, Bar, faults, report, say
from unclouded.cli.options import Debug
from unclouded.errors import UncloudedError


def view(
    scenes: Annotated[
        list[str],
        typer.Argument(
            metavar="SCENE...",
            help="Output of `unclouded clear`, or with the image before clearing: before.tif=clear.tif.",
        ),
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser, only say where.")] = False,
    debug: Debug = False,
) -> None:
    """Show cleared scenes on a map, before and after, with opacity and uncertainty, until interrupted."""
    with faults(debug):
        from unclouded.view.scenes import open_map_scene
        from unclouded.view.server import MapServer

        found, failed = [], 0
        with Bar("opening") as bar:
            for number, argument in enumerate(dict.fromkeys(scenes)):
                bar("scenes", number, len(scenes))
                try:
                    found.append(open_map_scene(argument))
                except UncloudedError as error:
                    report(error, debug)
                    failed += 1
        if not found:
            raise typer.Exit(FAILED)
        with MapServer(found, port) as server:
            for scene in found:
                for note in scene.notes:
                    say(f"note: {scene.name}: {note}")
            print(f"{server.address} (stop with Ctrl+C)", flush=True)
            if not no_browser:
                import webbrowser

                webbrowser.open(server.address)
            # Interrupting is how this command ends, not a fault.
            with suppress(KeyboardInterrupt):
                server.serve_forever()
        if failed:
            raise typer.Exit(SOME_FAILED)
