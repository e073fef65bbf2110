"""`unclouded evaluate`: how good models and images are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from unclouded.cli_land_cover import ArchivePath
from unclouded.console import Bar, Debug, Device, Overwrite, chosen_device, faults

evaluate = typer.Typer(help="Measure models and images.", no_args_is_help=True)


@evaluate.command()
def pairs(
    cloudy: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the cloudy GeoTIFFs.")],
    clear: Annotated[Path, typer.Option(metavar="DIR", help="Folder of clear ones of the same names and grids.")],
    predicted: Annotated[Path, typer.Option(metavar="DIR", help="Folder of what a tool made of the cloudy ones.")],
    bands: Annotated[
        str | None, typer.Option(metavar="B02,B03,...", help="Band names, where the files do not say.")
    ] = None,
    level: Annotated[str | None, typer.Option(help="L1C or L2A, where the files do not say.")] = None,
    scale: Annotated[float | None, typer.Option(help="DN per 1.0 reflectance, if it is not 10000.")] = None,
    offset: Annotated[float | None, typer.Option(help="DN to add before dividing.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Everything, as JSON.")] = None,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Measure any tool's cleared GeoTIFFs against clear ones of the same places."""
    with faults(debug):
        from unclouded.evaluation.pairs import evaluate_folders
        from unclouded.files import refuse_existing, write_json
        from unclouded.scene.batch import Reading

        if json_file is not None and not overwrite:
            refuse_existing(json_file)
        names = None if bands is None else [name.strip() for name in bands.split(",") if name.strip()]
        with Bar(predicted.name) as bar:
            scores = evaluate_folders(cloudy, clear, predicted, Reading(names, level, scale, offset), bar)
        if json_file is not None:
            write_json(scores, json_file)
        print(_table(scores))


@evaluate.command()
def translator(
    weights: Annotated[str, typer.Argument(metavar="WEIGHTS", help="Bundled weights, or a weights file.")],
    data: ArchivePath,
    land_cover: Annotated[
        str, typer.Option(metavar="WEIGHTS", help="Classifier by `unclouded train land-cover`, to see with.")
    ],
    split: Annotated[
        str, typer.Option(help="Which of the archive's splits: train, validation or test.")
    ] = "validation",
    limit: Annotated[
        int | None, typer.Option(min=2, help="So many cloudy and clear patches at most, drawn by the seed.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is drawn.")] = 0,
    repeats: Annotated[int, typer.Option(min=0, help="Drawings for the 95 % intervals.")] = 100,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder to keep features in, for the next measuring.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Everything, as JSON.")] = None,
    device: Annotated[Device, typer.Option(help="Where the networks run.")] = Device.auto,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Measure a translator on an archive: cleared patches against clear ones, as a classifier sees them."""
    with faults(debug):
        from unclouded.data.archive import Archive
        from unclouded.data.batch import CLASSES
        from unclouded.evaluation.suite import Loaded, Measuring, evaluate
        from unclouded.files import refuse_existing, write_json
        from unclouded.models.weights import load_generator, load_land_cover
        from unclouded.report.tables import translator_table

        if json_file is not None and not overwrite:
            refuse_existing(json_file)
        generator, header = load_generator(weights)
        classifier, classifier_header = load_land_cover(land_cover, *CLASSES.values())
        place = chosen_device(device)
        with Archive(data) as archive, Bar(header.name) as bar:
            record = evaluate(
                archive,
                Loaded(generator.to(place), header),
                Loaded(classifier.to(place), classifier_header),
                Measuring(split=split, limit=limit, seed=seed, repeats=repeats),
                device=place,
                cache=cache,
                progress=bar,
            )
        if json_file is not None:
            write_json(record, json_file)
        print(translator_table(record))


def _table(scores: dict[str, Any]) -> str:
    mean = scores["mean"]
    lines = [f"N = {scores['n']} images, averaged over them; reflectance within [0, 1]"]
    lines += [f"{name:<10}{mean[name]:>9.4f}" for name in ("psnr", "ssim", "angle", "ndvi", "ndwi")]
    lines.append(f"{'':<10}{'share':>9}{'MAE':>9}{'RMSE':>9}")
    lines += [
        f"{name:<10}{row['share']:>9.4f}{row['mae']:>9.4f}{row['rmse']:>9.4f}" for name, row in mean["regions"].items()
    ]
    lines += [f"{name:<10}{'':>9}{row['mae']:>9.4f}{row['rmse']:>9.4f}" for name, row in mean["bands"].items()]
    return "\n".join(lines)
