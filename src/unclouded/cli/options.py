"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unclouded.errors import InputError

if TYPE_CHECKING:
    from unclouded.reading.area import Area


class Device(StrEnum):
    """Where the network runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Level(StrEnum):
    """Processing levels."""

    L1C = "L1C"
    L2A = "L2A"


class Variant(StrEnum):
    """MAJA's kinds of reflectance: with slopes corrected, and without."""

    FRE = "FRE"
    SRE = "SRE"


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

# What a GeoTIFF does not always say of itself.
Bands = Annotated[
    str | None,
    typer.Option(
        metavar="B02,B03,...", help="Bands to take; of a stack without names also the names of all its bands."
    ),
]
BandNames = Annotated[
    str | None,
    typer.Option(
        metavar="B01,B02,...,-",
        help="Name of each band of a stack without names, in the file's order; - for what is none of the 13.",
    ),
]
VariantGiven = Annotated[
    Variant | None,
    typer.Option("--variant", help="Of a folder with both of MAJA's kinds of reflectance; FRE unless given."),
]
LevelGiven = Annotated[Level | None, typer.Option("--level", help="Processing level, where the input does not say.")]
Scale = Annotated[float | None, typer.Option(help="DN per 1.0 reflectance, if it is not 10000.")]
Offset = Annotated[
    float | None, typer.Option(help="DN to add before dividing: -1000 from processing baseline 04.00 on.")
]
Bbox = Annotated[
    str | None,
    typer.Option(
        "--bbox", metavar="W,S,E,N", help="Read, clear and write this box alone, in degrees of longitude and latitude."
    ),
]
Geometry = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The same with the polygons of a GeoJSON file; around them is no data."),
]


def area_of(bbox: str | None, geometry: Path | None) -> Area | None:
    """The area of `--bbox` or `--geometry`.

    Raises:
        InputError: it is none.
        FileError: the file cannot be read.
    """
    from unclouded.reading.area import box_area, file_area

    if bbox is not None and geometry is not None:
        raise typer.BadParameter("is the area too; give one of them", param_hint="--geometry")
    if geometry is not None:
        return file_area(geometry)
    return None if bbox is None else box_area(bbox)


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
