"""The commands of the land-cover classifier: `train land-cover` and `evaluate land-cover`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unclouded.console import Bar, Debug, Device, Overwrite, chosen_device, faults

if TYPE_CHECKING:
    from unclouded.evaluation.land_cover_scores import ClassifierScores

ArchivePath = Annotated[
    Path, typer.Option("--data", metavar="ARCHIVE", help="Archive written by `unclouded data pack` or `simulate`.")
]
Workers = Annotated[int, typer.Option(min=0, help="Processes that read ahead; 0 reads in between.")]


def train_land_cover(
    settings: Annotated[Path, typer.Argument(metavar="SETTINGS", help="YAML file, such as settings/land_cover.yaml.")],
    data: ArchivePath,
    output: Annotated[Path, typer.Option(metavar="RUN", help="Folder of the run; its name becomes the weights' name.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE...]", help="Settings to change.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")] = False,
    device: Annotated[Device, typer.Option(help="Where the network learns.")] = Device.auto,
    workers: Workers = 0,
    debug: Debug = False,
) -> None:
    """Train the land-cover classifier; Ctrl-C stops it, --resume goes on from the last checkpoint."""
    with faults(debug):
        from unclouded.data.archive import Archive
        from unclouded.data.labelled import LabelledPatches, checksum
        from unclouded.data.observations import Augmentation
        from unclouded.settings import LandCoverSettings, load_settings_of
        from unclouded.training.land_cover import Data, train

        wanted = load_settings_of(LandCoverSettings, settings, overrides or [])
        rate, place = wanted.training, chosen_device(device)
        with Archive(data) as archive:
            train_patches = LabelledPatches(
                archive,
                "train",
                classes=wanted.classes,
                batch=rate.batch,
                seed=rate.seed,
                augmentation=Augmentation(turn=rate.turn, drop_bands=rate.drop_bands, drop_radar=1.0),
                device=place,
                workers=workers,
            )
            validation = LabelledPatches(
                archive,
                "validation",
                classes=wanted.classes,
                batch=rate.batch,
                seed=rate.seed,
                limit=rate.validation_patches,
                device=place,
                workers=workers,
            )
            print(train(wanted, Data(train_patches, validation, checksum(data)), output, resume, place))


def evaluate_land_cover(
    weights: Annotated[str, typer.Argument(metavar="WEIGHTS", help="Bundled weights, or a weights file.")],
    data: ArchivePath,
    split: Annotated[str, typer.Option(help="Which of the archive's splits: train, validation or test.")] = "test",
    limit: Annotated[int | None, typer.Option(min=1, help="So many patches at most, drawn by the seed.")] = None,
    seed: Annotated[int, typer.Option(help="Which patches --limit draws.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Everything, as JSON.")] = None,
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
        from unclouded.evaluation.labels import average_precision, calibration
        from unclouded.evaluation.land_cover import decide, predict
        from unclouded.evaluation.land_cover_scores import SCORES, score
        from unclouded.files import refuse_existing, write_json
        from unclouded.models.weights import load_land_cover
        from unclouded.report.figures import draw_classes

        wanted = [path for path in (json_file, figure) if path is not None]
        if not overwrite:
            refuse_existing(*wanted)
        classifier, header = load_land_cover(weights, *CLASSES.values())
        model, place = classifier.settings, chosen_device(device)
        with Archive(data) as archive, Bar(split) as bar:
            patches = LabelledPatches(
                archive,
                split,
                classes=len(model.classes),
                seed=seed,
                limit=limit,
                device=place,
                workers=workers,
            )
            made = predict(classifier.to(place), patches.in_order(), len(patches), progress=bar)
        scores = score(decide(made.probabilities, header.threshold, model.output), made.labels, model.classes)
        precision = average_precision(made.probabilities, made.labels)
        sure = calibration(made.probabilities, made.labels)
        if json_file is not None:
            record = {
                "weights": {"name": header.name, "sha256": header.sha256, "steps": header.steps},
                "archive": {"sha256": checksum(data), "split": split, "seed": seed, "limit": limit},
                "threshold": header.threshold,
            }
            more = {"average_precision": precision._asdict(), "calibration": sure._asdict()}
            write_json(record | asdict(scores) | more, json_file)
        if figure is not None:
            rows = [scores.per_class[name] for name in model.classes]
            draw_classes(
                model.classes,
                [int(row["support"]) for row in rows],
                {name: [row[name] for row in rows] for name in SCORES[:3]},
                figure,
                f"{header.name}, {split}: {scores.images:,} images",
            )
        print(table(header.name, scores, header.threshold))
        print(f"mAP per class {precision.macro:.3f}, per image {precision.samples:.3f}")
        print(f"calibration error {sure.error:.3f}")


def table(name: str, scores: ClassifierScores, threshold: float) -> str:
    """Lay scores out as the paper's table, beside the paper's own numbers for 43 classes, then class by class."""
    from unclouded.evaluation.land_cover_scores import PAPER, SCORES

    def line(title: str, values: Mapping[str, float], end: str = "") -> str:
        return f"{title[:44]:<44}" + "".join(f"{values[score]:>11.3f}" for score in SCORES) + end

    head = f"{name}: {scores.images:,} images, threshold {threshold:.2f}"
    lines = [f"{head:<44}" + "".join(f"{score:>11}" for score in SCORES)]
    averages = {"per image": scores.samples, "all decisions": scores.micro, "per class": scores.macro}
    lines += [line(f"mean, {title}", values) for title, values in averages.items()]
    if len(scores.per_class) == 43:
        lines += [line(f"paper, on BigEarthNet: {title}", values) for title, values in PAPER.items()]
    shown = [(key, row) for key, row in scores.per_class.items() if row["support"]]
    for key, row in sorted(shown, key=lambda item: -item[1]["support"]):
        lines.append(line(key, row, f"{row['support']:>9,} images"))
    return "\n".join(lines)
