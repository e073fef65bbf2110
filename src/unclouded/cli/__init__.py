"""The commands: arguments, progress and exit codes. Each imports its work when it runs, so that `--help` is quick."""

from __future__ import annotations

import signal
import sys

import typer

from unclouded.cli.clear import clear, demo, models
from unclouded.cli.data import data
from unclouded.cli.evaluate import evaluate
from unclouded.cli.report import report
from unclouded.cli.train import train

app = typer.Typer(
    help="Remove clouds and their shadows from Sentinel-2 images, and say how far each pixel can be trusted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (clear, demo, models, report):
    app.command()(command)
for group, name in ((train, "train"), (data, "data"), (evaluate, "evaluate")):
    app.add_typer(group, name=name)


def main() -> None:
    """Run the command line."""
    # Temporary files are removed on the way out, so that a batch system's polite kill leaves none.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    app()
