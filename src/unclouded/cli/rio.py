"""`rio unclouded`: `unclouded clear` for one file, as a plugin of rasterio's command line."""

from __future__ import annotations

from typing import Any

import click
import typer

from unclouded.allocator import keep_freed_memory
from unclouded.cli.clear import clear
from unclouded.cli.options import Device, Level


@click.command("unclouded", short_help="Remove clouds and their shadows from a Sentinel-2 image.")
@click.argument("source", metavar="INPUT")
@click.argument("output", metavar="OUTPUT")
@click.option("--model", default="default", show_default=True, help="Bundled weights, or a weights file.")
@click.option("--bands", metavar="B02,B03,...", help="Band names in the file's order, or the bands to take.")
@click.option("--level", type=click.Choice([level.value for level in Level]), help="Where the input does not say.")
@click.option("--scale", type=float, help="DN per 1.0 reflectance, if it is not 10000.")
@click.option("--offset", type=float, help="DN to add before dividing.")
@click.option("--radar", metavar="PATH", help="Sentinel-1 VV and VH in dB, of the same area.")
@click.option("--samples", type=click.IntRange(min=1), default=1, show_default=True, help="Latent samples.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the latent samples.")
@click.option(
    "--device", type=click.Choice([device.value for device in Device]), default="auto", help="Where the network runs."
)
@click.option("--threshold", type=click.FloatRange(0, 1), help="Opacity under which pixels stay as they are.")
@click.option("--overwrite", is_flag=True, help="Replace outputs that are already there.")
@click.option("--debug", is_flag=True, help="Show where in the code an error arose.")
def unclouded(source: str, output: str, level: str | None, device: str, **options: Any) -> None:  # noqa: ANN401
    """Clear INPUT into the cloud-optimised GeoTIFF OUTPUT, with its opacity and uncertainty beside it.

    The options are those of `unclouded clear`, where they are explained; so are the exit codes.
    """
    keep_freed_memory()
    try:
        clear([source], output, level=Level(level) if level else None, device=Device(device), **options)
    except typer.Exit as end:
        # Typer's own exceptions are not those of click.
        raise click.exceptions.Exit(end.exit_code) from None
