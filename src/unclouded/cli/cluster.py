"""Options that have many scenes cleared by several processes or a dask cluster, and what becomes of them there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unclouded.cli.clearings import Clearings, say_finished
from unclouded.cli.console import Bar
from unclouded.errors import OutputExistsError

if TYPE_CHECKING:
    from unclouded.clearing.inputs import DatesAtHand
    from unclouded.clearing.model import Model
    from unclouded.clearing.options import ClearOptions
    from unclouded.clearing.series import HelpingDates
    from unclouded.reading.reader import ReadOptions

Workers = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="For many scenes: clear them with N processes of one thread each."),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Clear them on the dask cluster at tcp://HOST:PORT. Its workers read INPUT, --radar, --mask and "
        "--model themselves: paths of the same machine or of a disk that all share, or addresses.",
    ),
]


def check_workers(workers: int | None, scheduler: str | None) -> None:
    """Refuse both at once, as a usage error."""
    if workers is not None and scheduler is not None:
        raise typer.BadParameter("has its own workers; give it without --workers", param_hint="--scheduler")


def clear_on_cluster(
    outputs: dict[str, Path],
    reading: ReadOptions,
    loaded: Model,
    options: ClearOptions,
    where: tuple[int | None, str | None],
    clearings: Clearings,
    *,
    helping: HelpingDates | None = None,
    at_hand: DatesAtHand | None = None,
    done: Callable[[Path], None] = lambda output: None,
) -> None:
    """Clear scenes with so many workers or at a scheduler's address, and say at the end what failed.

    The dates that help and what is at hand of them are as in `clear_scenes`; `done` is told of each output.
    """
    from unclouded.clearing.cluster.dask_clear import clear_scenes
    from unclouded.clearing.cluster.dask_pool import DaskPool

    failed: dict[str, Exception] = {}
    with (
        DaskPool(*where) as pool,
        Bar(f"{len(outputs)} inputs") as bar,
        closing(
            clear_scenes(outputs, reading, loaded, options, pool, helping=helping, at_hand=at_hand, progress=bar)
        ) as scenes,
    ):
        for source, outcome in scenes:
            if isinstance(outcome, Exception):
                failed[source] = outcome
            else:
                clearings.done(source, outcome, elsewhere=True)
                done(outputs[source])
    for source, error in failed.items():
        clearings.refuse(source, error)
        if not isinstance(error, OutputExistsError):
            say_finished(outputs[source])
