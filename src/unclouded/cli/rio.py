"""`rio unclouded`: `unclouded clear` for one file, as a plugin of rasterio's command line."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import click
import typer

from unclouded.allocator import keep_freed_memory
from unclouded.cli.catalog import OF_ONE_DATE, CatalogOptions
from unclouded.cli.clear import clear
from unclouded.cli.derived_options import click_options
from unclouded.cli.voice import spoken
from unclouded.threads import wait_briefly

_CLEAR = spoken(clear)

NOT_HERE = ("inputs", "output", "workers", "scheduler", *(field.name for field in fields(CatalogOptions)))
"""Parameters of `unclouded clear` that are arguments here, or for other scenes than the one that is named."""

_NO_CATALOG = {field.name: field.default for field in fields(CatalogOptions) if field.name not in OF_ONE_DATE}


_EPILOG = "\b\nExamples:\n  rio unclouded scene.tif clear.tif\n  rio unclouded scene.tif clear.tif --reference may.tif"


@click.command("unclouded", short_help="Remove clouds and their shadows from a Sentinel-2 image.", epilog=_EPILOG)
@click.argument("source", metavar="INPUT")
@click.argument("output", metavar="OUTPUT")
def unclouded(source: str, output: str, **options: Any) -> None:  # noqa: ANN401
    """Clear INPUT into the cloud-optimised GeoTIFF OUTPUT, with its opacity and uncertainty beside it.

    The options are those of `unclouded clear` for one scene; so are the exit codes.
    """
    keep_freed_memory()
    wait_briefly()
    try:
        _CLEAR(
            inputs=[source],
            output=output,
            workers=None,
            scheduler=None,
            **_NO_CATALOG,
            **options,
        )
    # Typer's own exceptions are not those of click.
    except typer.BadParameter as error:
        raise click.BadParameter(error.message, param_hint=error.param_hint) from None
    except typer.Exit as end:
        raise click.exceptions.Exit(end.exit_code) from None


unclouded.params.extend(click_options(_CLEAR, NOT_HERE))
