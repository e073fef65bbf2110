"""Scenes cleared one after the other in this process, or by several processes or a dask cluster, as options say."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unclouded.cli.console import Bar
from unclouded.cli.reporter import Reporter, resumable, say_finished
from unclouded.errors import OutputExistsError

if TYPE_CHECKING:
    from unclouded.clearing.batch import Batch

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

_MOST_OF_A_CORE = 8
"""Workers for each core that are accepted: many more would take all memory before they have cleared anything."""


def check_workers(workers: int | None, scheduler: str | None) -> None:
    """Refuse both at once, and more workers than this machine bears, as usage errors."""
    if workers is not None and scheduler is not None:
        raise typer.BadParameter("has its own workers; give it without --workers", param_hint="--scheduler")
    cores = os.cpu_count() or 1
    if workers is not None and workers > _MOST_OF_A_CORE * cores:
        raise typer.BadParameter(
            f"{workers}: one for each core is best, and this machine has {cores}; {_MOST_OF_A_CORE * cores} at most "
            "are accepted",
            param_hint="--workers",
        )


def clear_all(
    batch: Batch,
    where: tuple[int | None, str | None],
    reporter: Reporter,
    done: Callable[[Path], None] = lambda output: None,
) -> None:
    """Clear scenes, each into its output, and report each.

    Args:
        batch: what to clear.
        where: workers, or the address of a scheduler; in this process if neither is given.
        reporter: reports each result and error.
        done: called with each output that is written.
    """
    if where != (None, None):
        _clear_on_cluster(batch, where, reporter, done)
        return
    for source, output in batch.outputs.items():
        try:
            with resumable(output), Bar(output.name) as bar:
                cleared = batch.clear(source, bar)
            reporter.done(source, cleared)
            done(output)
        except Exception as error:
            reporter.refuse(source, error)


def _clear_on_cluster(
    batch: Batch, where: tuple[int | None, str | None], reporter: Reporter, done: Callable[[Path], None]
) -> None:
    """Clear scenes with so many workers or at a scheduler's address, and report failures at the end."""
    from unclouded.clearing.cluster.dask_clear import clear_scenes
    from unclouded.clearing.cluster.dask_pool import DaskPool

    failed: dict[str, Exception] = {}
    title = f"{len(batch.outputs)} inputs"
    with DaskPool(*where) as pool, Bar(title) as bar, closing(clear_scenes(batch, pool, bar)) as scenes:
        for source, outcome in scenes:
            if isinstance(outcome, Exception):
                failed[source] = outcome
            else:
                reporter.done(source, outcome, elsewhere=True)
                done(batch.outputs[source])
    for source, error in failed.items():
        reporter.refuse(source, error)
        if not isinstance(error, OutputExistsError):
            say_finished(batch.outputs[source])
