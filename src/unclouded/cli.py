"""The commands: arguments, progress and exit codes. Each imports its work when it runs, so that `--help` is quick.

Exit codes: 0 all done; 1 some inputs failed; 2 wrong usage or input, or no input done; 130 interrupted.
"""

from __future__ import annotations

import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unclouded.cli_data import data as data_commands
from unclouded.cli_evaluate import evaluate
from unclouded.cli_land_cover import Workers, evaluate_land_cover, train_land_cover
from unclouded.console import FAILED, SOME_FAILED, Bar, Debug, Device, Overwrite, chosen_device, faults, report, say
from unclouded.errors import UncloudedError

if TYPE_CHECKING:
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
app.add_typer(data_commands, name="data")
app.add_typer(evaluate, name="evaluate")


class Level(StrEnum):
    """Processing levels."""

    L1C = "L1C"
    L2A = "L2A"


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
    with faults(debug):
        from unclouded.scene.batch import Reading, plan

        if radar is not None and len(inputs) > 1:
            raise typer.BadParameter("belongs to one scene; give a single input", param_hint="--radar")
        names = None if bands is None else [name.strip() for name in bands.split(",") if name.strip()]
        reading = Reading(names, level.value if level else None, scale, offset)
        todo = plan(inputs, output, reading, overwrite=overwrite)
        for note in todo.notes:
            say(f"note: {note}")
        failed = len(todo.failed)
        for error in todo.failed.values():
            report(error, debug)
        if todo.outputs:
            from unclouded.scene.product import Model, clear_product

            loaded = Model.load(model, device.value)
            for source, name in todo.outputs.items():
                try:
                    with Bar(name.name) as bar, reading.open(source) as scene:
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
                    report(error, debug, source)
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
    with faults(debug):
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
    with faults(debug):
        from unclouded.models import weights

        for name, path in weights.bundled().items():
            header: weights.Header
            what = "clears images"
            if weights.format_of(name) == weights.LAND_COVER_FORMAT:
                classifier, header = weights.load_land_cover(name)
                what = f"tells {len(classifier.settings.classes)} land-cover classes apart"
            else:
                _, header = weights.load_generator(name)
            size = path.stat().st_size / 2**20
            print(
                f"{name}: {' '.join(header.bands)}; {', '.join(header.levels)}; {header.steps} training steps; {what}"
            )
            print(f"  threshold {header.threshold}; {size:.1f} MiB, sha256 {header.sha256}")
            if header.data:
                print(f"  learnt from: {header.data}")


@train.command()
def translator(
    settings: Annotated[Path, typer.Argument(metavar="SETTINGS", help="YAML file, such as settings/default.yaml.")],
    data: Annotated[
        Path,
        typer.Option(metavar="ARCHIVE|DIR", help="Archive, or folder of the images that the settings name."),
    ],
    output: Annotated[Path, typer.Option(metavar="RUN", help="Folder of the run; its name becomes the weights' name.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE...]", help="Settings to change.")] = None,
    land_cover: Annotated[
        str | None,
        typer.Option(metavar="WEIGHTS", help="Classifier to compare an archive's validation patches by."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")] = False,
    device: Annotated[Device, typer.Option(help="Where the networks learn.")] = Device.auto,
    workers: Workers = 0,
    debug: Debug = False,
) -> None:
    """Train the cloudy-to-clear generator; Ctrl-C stops it, --resume goes on from the last checkpoint."""
    with faults(debug):
        from unclouded.settings import load_settings
        from unclouded.training.translator_run import run

        place = chosen_device(device)
        wanted = load_settings(settings, overrides or [])
        print(run(wanted, data, output, resume=resume, land_cover=land_cover, device=place, workers=workers))


train.command("land-cover")(train_land_cover)
evaluate.command("land-cover")(evaluate_land_cover)


def main() -> None:
    """Run the command line."""
    # Temporary files are removed on the way out, so that a batch system's polite kill leaves none.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    app()


def _summary(cleared: ClearedScene) -> str:
    share = cleared.seconds_network / cleared.seconds
    return (
        f"{cleared.output}, {cleared.quality}: {cleared.changed:.1%} of the pixels changed, "
        f"{cleared.seconds:.1f} s ({share:.0%} in the network)"
    )
