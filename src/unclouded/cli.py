"""The commands: arguments, progress and exit codes. Each imports its work when it runs, so that `--help` is quick.

Exit codes: 0 all done; 1 some inputs failed; 2 wrong usage or input, or no input done; 130 interrupted.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from unclouded.errors import UncloudedError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from unclouded.scene.clear import ClearedScene

app = typer.Typer(
    help="Remove clouds and their shadows from Sentinel-2 images, and say how far each pixel can be trusted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

train = typer.Typer(help="Train networks.", no_args_is_help=True)
app.add_typer(train, name="train")

SOME_FAILED, FAILED, INTERRUPTED = 1, 2, 130

_PATIENCE = 2.0
"""Seconds after which a progress bar is shown."""


class Level(StrEnum):
    """Processing levels."""

    L1C = "L1C"
    L2A = "L2A"


class Device(StrEnum):
    """Where the network runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


Debug = Annotated[bool, typer.Option("--debug", help="Show where in the code an error arose.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace outputs that are already there.")]


@app.command()
def clear(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="GeoTIFF or COG, folder of single-band files, BigEarthNet patch, SAFE folder or .zip, STAC item.",
        ),
    ],
    output: Annotated[
        str, typer.Option(metavar="PATH|DIR", help="GeoTIFF to write for one input; a folder for several.")
    ],
    model: Annotated[str, typer.Option(metavar="NAME|PATH", help="Bundled weights, or a weights file.")] = "default",
    bands: Annotated[
        str | None, typer.Option(metavar="B02,B03,...", help="Band names in the file's order, or the bands to take.")
    ] = None,
    level: Annotated[Level | None, typer.Option(help="Processing level, where the input does not say.")] = None,
    scale: Annotated[float | None, typer.Option(help="DN per 1.0 reflectance, if it is not 10000.")] = None,
    offset: Annotated[
        float | None, typer.Option(help="DN to add before dividing: -1000 from processing baseline 04.00 on.")
    ] = None,
    radar: Annotated[
        str | None, typer.Option(metavar="PATH", help="Sentinel-1 VV and VH in dB, of the same area.")
    ] = None,
    samples: Annotated[
        int, typer.Option(min=1, help="Latent samples: their mean is the result, their spread the uncertainty.")
    ] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the latent samples.")] = 0,
    device: Annotated[Device, typer.Option(help="Where the network runs.")] = Device.auto,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Opacity under which pixels stay as they are, byte for byte.  [default: the weights']"
        ),
    ] = None,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Clear Sentinel-2 scenes into cloud-optimised GeoTIFFs, each with its opacity and uncertainty beside it."""
    with _faults(debug):
        from unclouded.scene.batch import Reading, plan

        if radar is not None and len(inputs) > 1:
            raise typer.BadParameter("belongs to one scene; give a single input", param_hint="--radar")
        names = None if bands is None else [name.strip() for name in bands.split(",") if name.strip()]
        reading = Reading(names, level.value if level else None, scale, offset)
        todo = plan(inputs, output, reading, overwrite=overwrite)
        for note in todo.notes:
            _say(f"note: {note}")
        failed = len(todo.failed)
        for error in todo.failed.values():
            _report(error, debug)
        if todo.outputs:
            from unclouded.scene.product import Model, clear_product

            loaded = Model.load(model, device.value)
            for source, name in todo.outputs.items():
                try:
                    with _Bar(name.name) as bar, reading.open(source) as scene:
                        cleared = clear_product(
                            scene,
                            name,
                            loaded,
                            radar=radar,
                            samples=samples,
                            seed=seed,
                            threshold=threshold,
                            overwrite=overwrite,
                            progress=bar,
                        )
                    print(_summary(cleared))
                except (UncloudedError, MemoryError, RuntimeError) as error:
                    _report(error, debug, source)
                    failed += 1
        if failed:
            raise typer.Exit(FAILED if failed == len(todo.outputs | todo.failed) else SOME_FAILED)


@app.command()
def demo(
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.")] = Path("demo"),
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Clear the bundled real patches: for each a COG, its quality, and a before/after picture."""
    with _faults(debug):
        from unclouded.report.figures import before_after
        from unclouded.scene.batch import Reading, bundled_patches, plan
        from unclouded.scene.product import Model, clear_product, read_result

        patches = [str(patch) for patch in bundled_patches()]
        todo = plan(patches, f"{output}/", Reading(), overwrite=overwrite)
        for error in todo.failed.values():
            raise error
        loaded = Model.load("default")
        for source, name in todo.outputs.items():
            with Reading().open(source) as scene:
                cleared = clear_product(scene, name, loaded, overwrite=overwrite)
                picture = name.with_suffix(".png")
                before_after(*read_result(scene, cleared), scene.info.bands, picture, scene.info.stem)
            print(f"{_summary(cleared)}; before and after: {picture}")


@app.command()
def models(debug: Debug = False) -> None:
    """List the bundled weights, each with its card."""
    with _faults(debug):
        from unclouded.models.weights import bundled, load_generator

        for name, path in bundled().items():
            _, header = load_generator(name)
            size = path.stat().st_size / 2**20
            print(f"{name}: {' '.join(header.bands)}; {', '.join(header.levels)}; {header.steps} training steps")
            print(f"  threshold {header.threshold}; {size:.1f} MiB, sha256 {header.sha256}")
            if header.data:
                print(f"  learnt from: {header.data}")


@train.command()
def translator(
    settings: Annotated[Path, typer.Argument(metavar="SETTINGS", help="YAML file, such as settings/default.yaml.")],
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the images that the settings' collection names.")
    ],
    output: Annotated[Path, typer.Option(metavar="RUN", help="Folder of the run; its name becomes the weights' name.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE...]", help="Settings to change.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")] = False,
    debug: Debug = False,
) -> None:
    """Train the cloudy-to-clear generator; Ctrl-C stops it, --resume goes on from the last checkpoint."""
    with _faults(debug):
        from unclouded.settings import load_settings
        from unclouded.training.translator import train as run

        print(run(load_settings(settings, overrides or []), data, output, resume))


def main() -> None:
    """Run the command line."""
    # Temporary files are removed on the way out, so that a batch system's polite kill leaves none.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    app()


@contextmanager
def _faults(debug: bool) -> Iterator[None]:
    try:
        with nullcontext() if debug else _quiet_libraries():
            yield
    except KeyboardInterrupt:
        _say("interrupted: what was finished stays, unfinished files were removed")
        raise typer.Exit(INTERRUPTED) from None
    except UncloudedError as error:
        _report(error, debug)
        raise typer.Exit(FAILED) from None


@contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Keep errors to one line: what libraries have to say beside them is for `--debug`."""
    warnings.simplefilter("ignore")
    logging.getLogger("rasterio").addHandler(logging.NullHandler())
    # libtiff writes to the descriptor itself, so Python's stderr gets another one meanwhile.
    stderr, descriptor = sys.stderr, os.dup(2)
    try:
        if _is_descriptor_2(stderr):
            sys.stderr = open(descriptor, "w", buffering=1, closefd=False)  # noqa: SIM115 (closed with its descriptor)
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        sys.stderr = stderr
        os.dup2(descriptor, 2)
        os.close(descriptor)


def _is_descriptor_2(stream: TextIO) -> bool:
    try:
        return stream.fileno() == 2
    except OSError:
        return False


def _report(error: BaseException, debug: bool, source: str | None = None) -> None:
    if debug:
        traceback.print_exception(error)
    text = " ".join(str(error).split())
    if not isinstance(error, UncloudedError):
        text = f"{source}: {type(error).__name__} {text}; run it again with --debug to see where"
    _say(f"error: {text}")


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _summary(cleared: ClearedScene) -> str:
    share = cleared.seconds_network / cleared.seconds
    return (
        f"{cleared.output}, {cleared.quality}: {cleared.changed:.1%} of the pixels changed, "
        f"{cleared.seconds:.1f} s ({share:.0%} in the network)"
    )


class _Bar:
    """A progress bar on the terminal for what takes longer than `_PATIENCE`; called as `scene.passes.Progress`."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._start = time.monotonic()
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> _Bar:
        return self

    def __call__(self, stage: str, done: int, total: int) -> None:
        if not sys.stderr.isatty() or time.monotonic() - self._start < _PATIENCE:
            return
        if self._progress is None:
            from rich.console import Console
            from rich.progress import Progress

            self._progress = Progress(console=Console(stderr=True), transient=True)
            self._progress.start()
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(f"{self._title}: {stage}", total=total)
        self._progress.update(self._tasks[stage], completed=done)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()
