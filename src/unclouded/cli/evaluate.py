"""`unclouded evaluate`: how good models and images are."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unclouded.cli.console import Bar, faults, put_table, tell
from unclouded.cli.derived_options import takes_options
from unclouded.cli.options import (
    ArchivePath,
    Debug,
    Device,
    Json,
    Overwrite,
    Split,
    Workers,
    chosen_device,
)
from unclouded.cli.source_options import AREA, SourceOptions
from unclouded.seeds import LARGEST_SEED

if TYPE_CHECKING:
    from unclouded.evaluation.land_cover import Predictions
    from unclouded.evaluation.land_cover_scores import ClassifierScores
    from unclouded.models.weights_header import LandCoverHeader

evaluate = typer.Typer(help="Measure models and images.", no_args_is_help=True)


@evaluate.command()
@takes_options(SourceOptions, without=AREA, parameter="source_options")
def pairs(
    *,
    cloudy: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the cloudy GeoTIFFs.")],
    clear: Annotated[Path, typer.Option(metavar="DIR", help="Folder of clear ones of the same names and grids.")],
    predicted: Annotated[Path, typer.Option(metavar="DIR", help="Folder of what a tool made of the cloudy ones.")],
    source_options: SourceOptions,
    each: Annotated[bool, typer.Option("--each", help="A line for every image, too.")] = False,
    json_file: Json = None,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Measure any tool's cleared GeoTIFFs against clear ones of the same places."""
    with faults(debug):
        from unclouded.evaluation.pairs import evaluate_folders
        from unclouded.files import refuse_existing, write_json
        from unclouded.report.tables import pairs_table

        if json_file is not None and not overwrite:
            refuse_existing(json_file)
        reading = source_options.reading()
        with Bar(predicted.name) as bar:
            scores = evaluate_folders(cloudy, clear, predicted, reading, bar)
        if json_file is not None:
            write_json(scores, json_file)
        put_table(pairs_table(scores, each=each))


@evaluate.command()
def translator(
    weights: Annotated[str, typer.Argument(metavar="WEIGHTS", help="Bundled weights, or a weights file.")],
    data: ArchivePath,
    land_cover: Annotated[
        str, typer.Option(metavar="WEIGHTS", help="Classifier by `unclouded train land-cover`, to see with.")
    ],
    split: Annotated[Split, typer.Option(help="Which of the archive's splits.")] = Split.validation,
    limit: Annotated[
        int | None, typer.Option(min=2, help="So many cloudy and clear patches at most, drawn by the seed.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Of all that is drawn.")] = 0,
    repeats: Annotated[int, typer.Option(min=0, help="Drawings for the 95% intervals.")] = 100,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder to keep features in, for the next measuring.")
    ] = None,
    json_file: Json = None,
    figure: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder for the paper's figures: cycles, images before and after, distance by epoch."
        ),
    ] = None,
    device: Annotated[Device, typer.Option(help="Where the networks run.")] = Device.auto,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Measure a translator on an archive: cleared patches against clear ones, as a classifier sees them."""
    with faults(debug):
        from unclouded.data.archive import Archive
        from unclouded.data.batch import CLASSES
        from unclouded.evaluation.records import EvaluationConfig, TrainedNetwork
        from unclouded.evaluation.suite import evaluate
        from unclouded.files import refuse_existing, write_json
        from unclouded.models.weights import load_generator, load_land_cover
        from unclouded.report.tables import translator_table

        if not overwrite:
            drawn = [figure / f"figure_{name}.png" for name in ("1a", "1b", "2a", "2b")] if figure is not None else []
            refuse_existing(*drawn, *([] if json_file is None else [json_file]))
        generator, header = load_generator(weights)
        classifier, classifier_header = load_land_cover(land_cover, *CLASSES.values())
        place = chosen_device(device)
        config = EvaluationConfig(split=split.value, limit=limit, seed=seed, repeats=repeats)
        with Archive(data) as archive, Bar(header.name) as bar:
            record = evaluate(
                archive,
                TrainedNetwork(generator.to(place), header),
                TrainedNetwork(classifier.to(place), classifier_header),
                config,
                device=place,
                cache=cache,
                progress=bar,
            )
            if json_file is not None:
                write_json(record, json_file)
            put_table(translator_table(record))
            if figure is not None:
                from unclouded.training.figures import draw_figures

                for name, meaning in draw_figures(weights, archive, figure, config, device=place).items():
                    tell(f"{figure / name}: {meaning}")


@evaluate.command("land-cover")
def land_cover(
    weights: Annotated[str, typer.Argument(metavar="WEIGHTS", help="Bundled weights, or a weights file.")],
    data: ArchivePath,
    split: Annotated[Split, typer.Option(help="Which of the archive's splits.")] = Split.test,
    limit: Annotated[int | None, typer.Option(min=1, help="So many patches at most, drawn by the seed.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Which patches --limit draws.")] = 0,
    json_file: Json = None,
    baseline: Annotated[
        str | None,
        typer.Option(metavar="WEIGHTS", help="Another classifier on the same patches: prints the paper's table 1."),
    ] = None,
    figure: Annotated[Path | None, typer.Option(metavar="PNG", help="Scores per class, as a picture.")] = None,
    device: Annotated[Device, typer.Option(help="Where the network runs.")] = Device.auto,
    workers: Workers = 0,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Measure a land-cover classifier on the clear patches of an archive: the paper's table, and every class."""
    with faults(debug):
        from unclouded.data.archive import Archive
        from unclouded.data.batch import CLASSES
        from unclouded.data.labelled import LabelledPatches, checksum
        from unclouded.errors import InputError
        from unclouded.evaluation.labels import average_precision, calibration
        from unclouded.evaluation.land_cover import decide, predict
        from unclouded.evaluation.land_cover_scores import PAPER, SCORES, score
        from unclouded.files import refuse_existing, write_json
        from unclouded.models.weights import load_land_cover
        from unclouded.report.figures import draw_classes
        from unclouded.report.tables import classifiers_table, land_cover_table

        wanted = [path for path in (json_file, figure) if path is not None]
        if not overwrite:
            refuse_existing(*wanted)
        place = chosen_device(device)

        def measure(name: str) -> tuple[LandCoverHeader, Predictions, ClassifierScores, tuple[str, ...]]:
            classifier, header = load_land_cover(name, *CLASSES.values())
            names = classifier.settings.classes
            patches = LabelledPatches(
                archive, split.value, classes=len(names), seed=seed, limit=limit, device=place, workers=workers
            )
            with Bar(f"{header.name}, {split.value}") as bar:
                made = predict(classifier.to(place), patches.in_order(), len(patches), progress=bar)
            decided = decide(made.probabilities, header.threshold, classifier.settings.output)
            return header, made, score(decided, made.labels, names), names

        with Archive(data) as archive:
            header, made, scores, names = measure(weights)
            other = None if baseline is None else measure(baseline)
        if other is not None and other[3] != names:
            raise InputError(
                f"--baseline {baseline}: {len(other[3])} classes, {weights} has {len(names)}; give one of these classes"
            )
        precision = average_precision(made.probabilities, made.labels)
        sure = calibration(made.probabilities, made.labels)
        if json_file is not None:
            record = _described(header, scores) | {
                "archive": {"sha256": checksum(data), "split": split.value, "seed": seed, "limit": limit},
                "average_precision": precision._asdict(),
                "calibration": sure._asdict(),
            }
            write_json(record | ({"baseline": _described(other[0], other[2])} if other else {}), json_file)
        if figure is not None:
            rows = [scores.per_class[name] for name in names]
            draw_classes(
                names,
                [int(row["support"]) for row in rows],
                {name: [row[name] for row in rows] for name in SCORES[:3]},
                figure,
                f"{header.name}, {split.value}: {scores.images:,} images",
            )
        known = PAPER if len(names) == 43 else {}
        paper = {f"paper, on BigEarthNet: {title}": values for title, values in known.items()}
        if other is not None:
            both = {header.name: scores.samples, f"{other[0].name}, the baseline": other[2].samples}
            put_table(classifiers_table(both, known, scores.images) + "\n")
        put_table(land_cover_table(header.name, header.threshold, asdict(scores), paper))
        put_table(f"mAP per class {precision.macro:.3f}, per image {precision.samples:.3f}")
        put_table(f"calibration error {sure.error:.3f}")


def _described(header: LandCoverHeader, scores: ClassifierScores) -> dict[str, Any]:
    """A classifier and its scores, as JSON."""
    weights = {"name": header.name, "sha256": header.sha256, "steps": header.steps}
    return {"weights": weights, "threshold": header.threshold} | asdict(scores)
