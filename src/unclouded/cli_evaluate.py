"""`unclouded evaluate`: how good models and images are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from unclouded.console import Bar, Debug, Overwrite, faults

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
        from unclouded.cli_land_cover import write_json
        from unclouded.evaluation.pairs import evaluate_folders
        from unclouded.files import refuse_existing
        from unclouded.scene.batch import Reading

        if json_file is not None and not overwrite:
            refuse_existing(json_file)
        names = None if bands is None else [name.strip() for name in bands.split(",") if name.strip()]
        with Bar(predicted.name) as bar:
            scores = evaluate_folders(cloudy, clear, predicted, Reading(names, level, scale, offset), bar)
        print(_table(scores))
        if json_file is not None:
            write_json(scores, json_file)


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
