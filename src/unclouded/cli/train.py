"""`unclouded train`: networks from archives and images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unclouded.cli.console import faults, tell
from unclouded.cli.options import (
    ArchivePath,
    Debug,
    Device,
    Overrides,
    Resume,
    Run,
    Settings,
    Workers,
    chosen_device,
)
from unclouded.cli.training_bar import TrainingBar
from unclouded.progress import silent_training

train = typer.Typer(help="Train networks.", no_args_is_help=True)


@train.command("land-cover")
def land_cover(
    settings: Settings,
    data: ArchivePath,
    output: Run,
    overrides: Overrides = None,
    resume: Resume = False,
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
        from unclouded.training.land_cover import Data
        from unclouded.training.land_cover import train as run
        from unclouded.training.ranks import joined

        wanted = load_settings_of(LandCoverSettings, settings, overrides or [])
        config = wanted.training
        with joined(chosen_device(device)) as ranks, Archive(data) as archive:
            place = str(ranks.device)
            train_patches = LabelledPatches(
                archive,
                "train",
                classes=wanted.classes,
                batch=config.batch,
                seed=config.seed,
                augmentation=Augmentation(
                    flip_rotate=config.flip_rotate, drop_bands=config.drop_bands, drop_guides=1.0
                ),
                device=place,
                shard=ranks.shard_of,
                workers=workers,
            )
            validation = LabelledPatches(
                archive,
                "validation",
                classes=wanted.classes,
                batch=config.batch,
                seed=config.seed,
                limit=config.validation_patches,
                device=place,
                workers=workers,
            )
            learnt_from = Data(train_patches, validation, checksum(data))
            with TrainingBar(output.name) as bar:
                weights = run(wanted, learnt_from, output, resume, ranks, bar if ranks.first else silent_training)
            if ranks.first:
                tell(str(weights))


@train.command()
def translator(
    settings: Settings,
    data: Annotated[
        Path, typer.Option(metavar="ARCHIVE|DIR", help="Archive, or folder of the images that the settings name.")
    ],
    output: Run,
    overrides: Overrides = None,
    land_cover: Annotated[
        str | None, typer.Option(metavar="WEIGHTS", help="Classifier to compare an archive's validation patches by.")
    ] = None,
    resume: Resume = False,
    device: Annotated[Device, typer.Option(help="Where the networks learn.")] = Device.auto,
    workers: Workers = 0,
    debug: Debug = False,
) -> None:
    """Train the cloudy-to-clear generator; Ctrl-C stops it, --resume goes on from the last checkpoint."""
    with faults(debug):
        from unclouded.settings import load_settings
        from unclouded.training.ranks import joined
        from unclouded.training.translator_run import run

        wanted = load_settings(settings, overrides or [])
        with joined(chosen_device(device)) as ranks:
            with TrainingBar(output.name) as bar:
                weights = run(
                    wanted,
                    data,
                    output,
                    resume=resume,
                    land_cover=land_cover,
                    ranks=ranks,
                    workers=workers,
                    progress=bar if ranks.first else silent_training,
                )
            if ranks.first:
                tell(str(weights))
