"""`unclouded data`: archives of training images, packed from data sets, simulated, or shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unclouded.console import Bar, Debug, Overwrite, faults, say

if TYPE_CHECKING:
    from unclouded.data.packing import Job, Loaded

data = typer.Typer(help="Archives of training images.", no_args_is_help=True)
pack = typer.Typer(
    help="Pack a data set into an archive; a packing that was interrupted goes on with the same command.",
    no_args_is_help=True,
)
data.add_typer(pack, name="pack")

Output = Annotated[Path, typer.Option(metavar="ARCHIVE", help="Folder to write: values, table, list of the broken.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes.  [default: all cores]")]


class Split(StrEnum):
    """Splits of an archive."""

    train = "train"
    validation = "validation"
    test = "test"


@pack.command()
def bigearthnet(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="Folder of v1 patches, of v2 acquisitions with both Parquet files, or of an LMDB by rico-hdl.",
        ),
    ],
    output: Output,
    workers: Workers = None,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Pack BigEarthNet, v1 or v2, with Sentinel-1 where it is present."""
    with faults(debug):
        from unclouded.data.bigearthnet import jobs, load

        _pack(lambda: jobs(source, note=lambda text: say(f"note: {text}")), load, output, source, workers, overwrite)


@pack.command()
def sen12mscr(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="Folder that holds ROIs1158_spring_s2 and so on.")],
    output: Output,
    split: Annotated[Split, typer.Option(help="Split of all patches: the pairs are for validation.")] = (
        Split.validation
    ),
    workers: Workers = None,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Pack SEN12MS-CR: cloudy and clear images of the same places."""
    with faults(debug):
        from unclouded.data.sen12mscr import jobs, load

        _pack(lambda: jobs(source, split=split.value), load, output, source, workers, overwrite)


@pack.command()
def folders(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="Folder with cloudy/ and clear/ GeoTIFFs, and radar/ if any.")
    ],
    output: Output,
    size: Annotated[int, typer.Option(min=16, help="Side of a patch in pixels of 10 m.")] = 120,
    split: Annotated[Split | None, typer.Option(help="Split of all patches.  [default: by image]")] = None,
    bands: Annotated[
        str | None, typer.Option(metavar="B02,B03,...", help="Band names, where the files do not say.")
    ] = None,
    level: Annotated[str | None, typer.Option(help="L1C or L2A, where the files do not say.")] = None,
    scale: Annotated[float | None, typer.Option(help="DN per 1.0 reflectance, if it is not 10000.")] = None,
    offset: Annotated[float | None, typer.Option(help="DN to add before dividing.")] = None,
    workers: Workers = None,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Cut any cloudy and clear GeoTIFFs into patches and pack them."""
    with faults(debug):
        from unclouded.data.folders import Reading, jobs, load

        names = None if bands is None else tuple(name.strip() for name in bands.split(",") if name.strip())
        reading = Reading(names, level, scale, offset)
        _pack(
            lambda: jobs(
                source,
                size=size,
                reading=reading,
                split=None if split is None else split.value,
                note=lambda text: say(f"note: {text}"),
            ),
            load,
            output,
            source,
            workers,
            overwrite,
        )


def _pack(
    jobs: Callable[[], Sequence[Job]],
    load: Callable[[Job], Loaded],
    output: Path,
    source: Path,
    workers: int | None,
    overwrite: bool,
) -> None:
    from unclouded.data.packing import pack as run
    from unclouded.files import refuse_existing

    if not overwrite:
        # Before the source is listed, which can take minutes.
        refuse_existing(output)
    with Bar(output.name) as bar:
        report = run(
            jobs(), load, output, origin=str(source.resolve()), workers=workers, overwrite=overwrite, progress=bar
        )
    listed = f", {report.broken} refused (see {report.output / 'broken.csv'})" if report.broken else ""
    print(f"{report.output}: {report.packed} patches{listed}")
