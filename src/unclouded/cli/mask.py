"""`unclouded mask`: where cloud, haze and shadow hide the ground of scenes, without clearing them."""

from __future__ import annotations

from typing import Annotated

import typer

from unclouded.clearing.options import MASK_AUTO, ClearOptions
from unclouded.cli.catalog import OF_A_PERIOD, CatalogOptions, check_catalog, dates_of
from unclouded.cli.console import Bar, faults
from unclouded.cli.derived_options import takes_options
from unclouded.cli.options import (
    Debug,
    Overwrite,
    SkipExisting,
    check_skipping,
)
from unclouded.cli.reporter import Reporter
from unclouded.cli.source_options import SourceOptions


@takes_options(CatalogOptions, without=OF_A_PERIOD, parameter="catalog")
@takes_options(SourceOptions, parameter="source_options")
def mask(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT", help="Whatever `unclouded clear` reads.", show_default=False),
    ] = None,
    *,
    output: Annotated[
        str, typer.Option(metavar="PATH|DIR", help="GeoTIFF to write for one input; a folder for several.")
    ],
    catalog: CatalogOptions,
    source_options: SourceOptions,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Opacity from which a pixel is covered.  [default: the weights']")
    ] = None,
    given: Annotated[
        str, typer.Option("--mask", metavar="auto|none|PATH", help="A mask to join with it, as of `unclouded clear`.")
    ] = MASK_AUTO,
    mask_classes: Annotated[
        str | None, typer.Option(help="What the values of --mask mean, if they are others: 0=clear,1=cloud,...")
    ] = None,
    crs: Annotated[
        str | None,
        typer.Option("--crs", metavar="EPSG:3035", help="As of `unclouded clear`: the nearest pixel's class."),
    ] = None,
    resolution: Annotated[float | None, typer.Option(min=0, help="As of `unclouded clear`.")] = None,
    overwrite: Overwrite = False,
    skip_existing: SkipExisting = False,
    debug: Debug = False,
) -> None:
    """Write the mask of each scene: 0 clear, 1 thick cloud, 2 thin cloud or haze, 3 shadow, 255 no data.

    It covers what `unclouded clear` would replace.
    """
    masks = Reporter(as_json=False, debug=debug, masks=True)
    with faults(debug):
        from unclouded.clearing.clear import clear_to_file
        from unclouded.clearing.model import Model
        from unclouded.clearing.plan import mask_files, plan
        from unclouded.reading.grids.output_grid import check_of_tiles

        options = ClearOptions(
            mask=given,
            mask_classes=mask_classes,
            threshold=threshold,
            crs=crs,
            resolution=resolution,
            overwrite=overwrite,
        )
        sources = list(inputs or ())
        check_skipping(overwrite, skip_existing)
        reading = source_options.reading()
        if check_catalog(catalog, sources, reading.area, catalog.dates):
            check_of_tiles(options.crs, options.resolution)
            sources = dates_of(catalog, reading, output, masks, minimum=1)
        if options.mask_file is not None and len(sources) > 1:
            raise typer.BadParameter("belongs to one scene; give a single input", param_hint="--mask")
        todo = plan(
            sources,
            output,
            reading,
            overwrite=overwrite,
            skip_existing=skip_existing,
            written=mask_files,
            beside=options.read_beside,
        )
        masks.announce(todo, options)
        if not todo.outputs:
            masks.check(len(todo.skipped))
            raise typer.Exit
        loaded = Model.load(options)
        for source, name in todo.outputs.items():
            try:
                with Bar(name.name) as bar, reading.open(source) as scene:
                    made = clear_to_file(scene, name, loaded, options, progress=bar, mask_alone=True)
                masks.done(source, made)
            except Exception as error:
                masks.refuse(source, error)
        masks.check(len(todo.skipped))
