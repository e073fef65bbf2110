"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from unclouded.errors import InputError


class Device(StrEnum):
    """Where the network runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Level(StrEnum):
    """Processing levels."""

    L1C = "L1C"
    L2A = "L2A"


class Split(StrEnum):
    """Splits of an archive."""

    train = "train"
    validation = "validation"
    test = "test"


Debug = Annotated[bool, typer.Option("--debug", help="Show where in the code an error arose.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace outputs that are already there.")]
SkipExisting = Annotated[
    bool, typer.Option("--skip-existing", help="Leave out inputs whose outputs are there; make what is missing.")
]
Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Everything, as JSON.")]

ArchivePath = Annotated[
    Path, typer.Option("--data", metavar="ARCHIVE", help="Archive written by `unclouded data pack` or `simulate`.")
]
Workers = Annotated[int, typer.Option(min=0, help="Processes that read ahead; 0 reads in between.")]

Settings = Annotated[Path, typer.Argument(metavar="SETTINGS", help="YAML file, such as those in settings/.")]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE...]", help="Settings to change.")]
Run = Annotated[
    Path, typer.Option("--output", metavar="RUN", help="Folder of the run; its name becomes the weights' name.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")]

SCALE = "DN per 1.0 reflectance, if it is not 10000."
OFFSET = "DN to add before dividing: -1000 from processing baseline 04.00 on."
Scale = Annotated[float | None, typer.Option(help=SCALE)]
Offset = Annotated[float | None, typer.Option(help=OFFSET)]


def check_skipping(overwrite: bool, skip_existing: bool) -> None:
    """Refuse `--skip-existing` beside its opposite."""
    if overwrite and skip_existing:
        raise typer.BadParameter("is the opposite of --overwrite; give one of them", param_hint="--skip-existing")


def names_of(bands: str | None) -> tuple[str, ...] | None:
    """Band names of `--bands` or `--band-names`."""
    return None if bands is None else tuple(name.strip() for name in bands.split(",") if name.strip())


def chosen_device(device: Device) -> str:
    """Name the device that torch is to use: "cpu" or "cuda".

    Raises:
        InputError: CUDA is asked for and not there.
    """
    import torch

    there = torch.cuda.is_available()
    if device is Device.cuda and not there:
        raise InputError("--device cuda: no CUDA device is there, or torch was built without CUDA; give --device cpu")
    return "cuda" if there and device is not Device.cpu else "cpu"
