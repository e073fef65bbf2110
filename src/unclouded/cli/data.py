"""`unclouded data`: archives of training images, packed from data sets, simulated, or shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unclouded.cli.console import Bar, faults, put_table, say, tell
from unclouded.cli.derived_options import takes_options
from unclouded.cli.options import Debug, Level, Overwrite, Split
from unclouded.cli.source_options import AREA, SourceOptions

if TYPE_CHECKING:
    from unclouded.data.packing import Job, PatchRecord

data = typer.Typer(help="Archives of training images.", no_args_is_help=True)
pack = typer.Typer(
    help="Pack a data set into an archive; a packing that was interrupted goes on with the same command.",
    no_args_is_help=True,
)
data.add_typer(pack, name="pack")

Output = Annotated[Path, typer.Option(metavar="ARCHIVE", help="Folder to write: values, table, list of the broken.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes.  [default: all cores]")]


_SHOWN = 20
"""Patches of each domain on a contact sheet."""


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
        from unclouded.data.bigearthnet import jobs
        from unclouded.data.bigearthnet_patch import load

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
@takes_options(SourceOptions, without=AREA, parameter="source_options")
def folders(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="Folder with cloudy/ and clear/ GeoTIFFs, and radar/ if any.")
    ],
    *,
    output: Output,
    size: Annotated[int, typer.Option(min=16, help="Side of a patch in pixels of 10 m.")] = 120,
    split: Annotated[Split | None, typer.Option(help="Split of all patches.  [default: by image]")] = None,
    source_options: SourceOptions,
    workers: Workers = None,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Cut any cloudy and clear GeoTIFFs into patches and pack them."""
    with faults(debug):
        from unclouded.data.folders import jobs, load

        reading = source_options.reading()
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


@data.command()
def simulate(
    output: Output,
    patches: Annotated[int, typer.Option(min=1, help="How many; the clear twins of cloudy ones come on top.")],
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same archive.")] = 0,
    level: Annotated[Level, typer.Option(help="L2A has 12 bands, L1C 13 and the air before them.")] = Level.L2A,
    cloudy: Annotated[float, typer.Option(min=0, max=1, help="Share of cloudy patches (domain X).")] = 0.1,
    workers: Workers = None,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Simulate a look-alike of BigEarthNet with known truth; an interrupted run goes on with the same command."""
    with faults(debug):
        from unclouded.data.landscapes.simulation import simulate_archive

        with Bar(output.name) as bar:
            made = simulate_archive(
                output,
                patches,
                seed,
                level=level.value,
                cloudy=cloudy,
                workers=workers,
                overwrite=overwrite,
                progress=bar,
            )
        tell(f"{made.output}: {made.packed} patches")


@data.command()
def show(
    archive: Annotated[Path, typer.Argument(metavar="ARCHIVE", help="Folder of an archive.")],
    figure: Annotated[Path | None, typer.Option(metavar="PNG", help="Draw a contact sheet here.")] = None,
    debug: Debug = False,
) -> None:
    """Tell what an archive holds: counts by domain, split, label, country, acquisition and level."""
    with faults(debug):
        from unclouded.data.archive import Archive
        from unclouded.data.counts import counts

        with Archive(archive) as opened:
            put_table(f"{archive}: {len(opened)} patches")
            for name, counted in counts(opened.table).items():
                put_table(f"\n{name} ({len(counted)})")
                for value, count in counted.items():
                    put_table(f"{count:>9}  {value}")
            if figure is not None:
                from unclouded.data.examples import examples
                from unclouded.report.contact_sheet import contact_sheet, in_colour

                shown = examples(opened, _SHOWN)
                rows = {title: [in_colour(patch) for patch in patches] for title, patches in shown.patches.items()}
                contact_sheet(rows | shown.truth, figure)
                tell(f"\ncontact sheet: {figure}")


def _pack(
    jobs: Callable[[], Sequence[Job]],
    load: Callable[[Job], PatchRecord],
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
    tell(f"{report.output}: {report.packed} patches{listed}")
