"""`unclouded clear`, `demo` and `models`: scenes into clear ones, by bundled weights or others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unclouded.cli.clearings import Clearings, summary, weights_record
from unclouded.cli.console import FAILED, SOME_FAILED, Bar, detail, faults, say, tell
from unclouded.cli.options import Bands, Debug, Device, LevelGiven, Offset, Overwrite, Precision, Scale, names_of
from unclouded.errors import OutputExistsError

if TYPE_CHECKING:
    from unclouded.clearing.product import Model
    from unclouded.reading.reader import ReadOptions

JsonLines = Annotated[
    bool, typer.Option("--json", help="Print a JSON object a line instead of sentences, as each is done.")
]


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
    bands: Bands = None,
    level: LevelGiven = None,
    scale: Scale = None,
    offset: Offset = None,
    radar: Annotated[
        str | None, typer.Option(metavar="PATH", help="Sentinel-1 VV and VH in dB, of the same area.")
    ] = None,
    samples: Annotated[
        int, typer.Option(min=1, help="Latent samples: their mean is the result, their spread adds to the uncertainty.")
    ] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the latent samples.")] = 0,
    device: Annotated[Device, typer.Option(help="Where the network runs.")] = Device.auto,
    precision: Annotated[
        Precision, typer.Option(help="What it computes in; auto is the fastest, which may differ between machines.")
    ] = Precision.auto,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Opacity under which pixels stay as they are, byte for byte.  [default: the weights']"
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="For many scenes: clear them with N processes of one thread each."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Clear them on the dask cluster at tcp://HOST:PORT. Its workers read INPUT, --radar and --model "
            "themselves: paths of the same machine or of a disk that all share, or addresses.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave out inputs whose outputs are there; clear what is missing.")
    ] = False,
    as_json: JsonLines = False,
    debug: Debug = False,
) -> None:
    """Clear Sentinel-2 scenes into cloud-optimised GeoTIFFs, each with its opacity and uncertainty beside it."""
    with faults(debug):
        from unclouded.clearing.plan import plan
        from unclouded.reading.reader import ReadOptions

        if radar is not None and len(inputs) > 1:
            raise typer.BadParameter("belongs to one scene; give a single input", param_hint="--radar")
        if overwrite and skip_existing:
            raise typer.BadParameter("is the opposite of --overwrite; give one of them", param_hint="--skip-existing")
        if workers is not None and scheduler is not None:
            raise typer.BadParameter("has its own workers; give it without --workers", param_hint="--scheduler")
        reading = ReadOptions(names_of(bands), level.value if level else None, scale, offset)
        todo = plan(inputs, output, reading, overwrite=overwrite, skip_existing=skip_existing)
        for name in todo.skipped.values():
            say(f"note: {name}: is there and stays")
        for note in todo.notes:
            say(f"note: {note}")
        clearings = Clearings(as_json=as_json, debug=debug)
        for source, error in todo.failed.items():
            clearings.refuse(source, error)
        if not todo.outputs:
            raise typer.Exit((SOME_FAILED if todo.skipped else FAILED) if todo.failed else 0)
        from unclouded.clearing.product import Model, clear_product

        loaded = Model.load(model, device.value, precision.value)
        detail(f"weights: {model}, on {loaded.device}, {loaded.generator.precision}")
        if workers is not None or scheduler is not None:
            options = {"radar": radar, "samples": samples, "seed": seed, "threshold": threshold, "overwrite": overwrite}
            where = (workers, scheduler)
            _clear_on_cluster(todo.outputs, reading, model, loaded, where, clearings, **options)
        else:
            for source, name in todo.outputs.items():
                try:
                    with _resumable(name), Bar(name.name) as bar, reading.open(source) as scene:
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
                    clearings.done(source, cleared)
                except Exception as error:
                    clearings.refuse(source, error)
        if clearings.failed:
            raise typer.Exit(
                FAILED if clearings.failed == len(todo.outputs | todo.failed | todo.skipped) else SOME_FAILED
            )


def _clear_on_cluster(
    outputs: dict[str, Path],
    reading: ReadOptions,
    model: str,
    loaded: Model,
    where: tuple[int | None, str | None],
    clearings: Clearings,
    **options: Any,  # noqa: ANN401 (those of `clear_product`)
) -> None:
    """Clear scenes with so many workers or at a scheduler's address, and say at the end what failed."""
    from unclouded.clearing.cluster import clear_scenes
    from unclouded.clearing.workers import Cluster

    failed: dict[str, Exception] = {}
    with (
        Cluster(*where) as cluster,
        Bar(f"{len(outputs)} inputs") as bar,
        closing(clear_scenes(outputs, reading, model, loaded, cluster, progress=bar, **options)) as scenes,
    ):
        for source, outcome in scenes:
            if isinstance(outcome, Exception):
                failed[source] = outcome
            else:
                clearings.done(source, outcome, elsewhere=True)
    for source, error in failed.items():
        clearings.refuse(source, error)
        if not isinstance(error, OutputExistsError):
            _say_finished(outputs[source])


def demo(
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.")] = Path("demo"),
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Clear the bundled real patches: for each a COG, its quality, its STAC item, and a before/after picture."""
    with faults(debug):
        from unclouded.clearing.plan import bundled_patches, plan
        from unclouded.clearing.product import Model, clear_product, read_result
        from unclouded.reading.reader import ReadOptions
        from unclouded.report.figures import before_after

        patches = [str(patch) for patch in bundled_patches()]
        todo = plan(patches, f"{output}/", ReadOptions(), overwrite=overwrite)
        for error in todo.failed.values():
            raise error
        loaded = Model.load("default")
        for source, name in todo.outputs.items():
            with ReadOptions().open(source) as scene:
                cleared = clear_product(scene, name, loaded, overwrite=overwrite)
                picture = name.with_suffix(".png")
                before_after(*read_result(scene, cleared), scene.info.bands, picture, scene.info.stem)
            tell(f"{summary(cleared)}; before and after: {picture}")


def models(as_json: JsonLines = False, debug: Debug = False) -> None:
    """List the bundled weights, each with its card."""
    with faults(debug):
        import json

        from unclouded.models import weights

        for name, path in weights.bundled().items():
            header: weights.Header
            what = "clears images"
            if weights.format_of(name) == weights.LAND_COVER_FORMAT:
                classifier, header = weights.load_land_cover(name)
                what = f"tells {len(classifier.settings.classes)} land-cover classes apart"
            else:
                _, header = weights.load_generator(name)
            if as_json:
                print(json.dumps(weights_record(name, path, what, header)))
                continue
            size = path.stat().st_size / 2**20
            print(
                f"{name}: {' '.join(header.bands)}; {', '.join(header.levels)}; {header.steps} training steps; {what}"
            )
            print(f"  threshold {header.threshold}; {size:.1f} MiB, sha256 {header.sha256}")
            if header.data:
                print(f"  learnt from: {header.data}")


@contextmanager
def _resumable(output: Path) -> Iterator[None]:
    """Say of an output that is not made, for whatever reason, what is finished of it."""
    try:
        yield
    except OutputExistsError:
        raise  # what is there is not this command's
    except BaseException:
        _say_finished(output)
        raise


def _say_finished(output: Path) -> None:
    from unclouded.writing.journal import finished_rows

    if done := finished_rows(output):
        say(f"note: {output}: {done} strips of it are finished; the same command goes on from there")
