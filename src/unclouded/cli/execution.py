"""Scenes cleared one after the other in this process, or by several processes or a dask cluster, as options say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unclouded.cli.clearings import Clearings, resumable, say_finished
from unclouded.cli.console import Bar
from unclouded.errors import OutputExistsError

if TYPE_CHECKING:
    from unclouded.clearing.clear import ClearedScene
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


def clear_all(
    outputs: Mapping[str, Path],
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
    """Clear scenes, each into its output, and say what became of each.

    Args:
        outputs: the file to write for each source.
        reading: what is to be known to read the sources.
        loaded: with which weights.
        options: of clearing the sources.
        where: workers, or the address of a scheduler; in this process if neither is given.
        clearings: says what became of each.
        helping: the other dates that help each source, instead of those of the options.
        at_hand: what is known already of the references.
        done: told of each output that is made.
    """
    if where != (None, None):
        _clear_on_cluster(outputs, reading, loaded, options, where, clearings, helping, at_hand, done)
        return
    from unclouded.clearing.clear import clear_to_file

    for source, output in outputs.items():

        def clear(own: ClearOptions, source: str = source, output: Path = output) -> ClearedScene:
            with resumable(output), Bar(output.name) as bar, reading.open(source) as scene:
                return clear_to_file(scene, output, loaded, own, progress=bar, at_hand=at_hand)

        try:
            clearings.done(source, clear(options) if helping is None else helping.clear(source, options, clear))
            done(output)
        except Exception as error:
            clearings.refuse(source, error)


def _clear_on_cluster(
    outputs: Mapping[str, Path],
    reading: ReadOptions,
    loaded: Model,
    options: ClearOptions,
    where: tuple[int | None, str | None],
    clearings: Clearings,
    helping: HelpingDates | None,
    at_hand: DatesAtHand | None,
    done: Callable[[Path], None],
) -> None:
    """Clear scenes with so many workers or at a scheduler's address, and say at the end what failed."""
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
