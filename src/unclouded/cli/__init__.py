"""The commands: arguments, progress and exit codes. Each imports its work when it runs, so that `--help` is quick."""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from typing import Annotated

import typer

from unclouded.allocator import keep_freed_memory
from unclouded.cli.clear import clear, demo, models
from unclouded.cli.data import data
from unclouded.cli.evaluate import evaluate
from unclouded.cli.export import export
from unclouded.cli.help import explain
from unclouded.cli.mask import mask
from unclouded.cli.report import report
from unclouded.cli.series import series
from unclouded.cli.train import train
from unclouded.cli.usage import BriefGroup
from unclouded.cli.view import view
from unclouded.cli.voice import speak_everywhere
from unclouded.threads import wait_briefly

_OBJECTS = 50_000
"""New objects after which Python looks for those that hold each other and nobody else holds."""

app = typer.Typer(
    cls=BriefGroup,
    help="Remove clouds and their shadows from Sentinel-2 images, and say of every pixel how far it was replaced.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (clear, series, mask, demo, models, export, report, view):
    app.command()(command)
for group, name in ((train, "train"), (data, "data"), (evaluate, "evaluate")):
    app.add_typer(group, name=name)
speak_everywhere(app)
explain(app)


def _version(wanted: bool) -> None:
    if wanted:
        from unclouded.version import __version__

        print(f"unclouded {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options that stand before any command."""


def _open_standard_streams() -> None:
    """Open those that whoever runs this has closed: files would get their numbers, and be printed into."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # which takes the lowest number that is free
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 (open as long as the process)
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as standard error: names that a terminal cannot show


def _refuse_lost_folder() -> None:
    """End where the folder that the command runs in has been removed: neither paths nor libraries work there."""
    try:
        os.getcwd()
    except OSError:
        print("error: the folder that this runs in is no longer there; change to one that is", file=sys.stderr)
        sys.exit(2)


def main() -> None:
    """Run the command line."""
    _open_standard_streams()
    _refuse_lost_folder()
    # Temporary files are removed on the way out, so that a batch system's polite kill leaves none.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    keep_freed_memory()
    wait_briefly()
    # Libraries make a million objects that stay: to look through them again and again as they are loaded, and on the
    # way out, takes half a second of every command.
    gc.set_threshold(_OBJECTS)
    try:
        app(prog_name="unclouded")
    finally:
        gc.freeze()
