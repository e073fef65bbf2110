"""`unclouded clear`, `demo` and `models`: scenes into clear ones, by bundled weights or others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from unclouded.clearing.options import ClearOptions
from unclouded.cli.catalog import OF_ONE_DATE, CatalogOptions, check_catalog, day_and_others
from unclouded.cli.console import detail, faults, put_table, tell
from unclouded.cli.derived_options import takes_options
from unclouded.cli.execution import Scheduler, Workers, check_workers, clear_all
from unclouded.cli.options import (
    Debug,
    Overwrite,
    SkipExisting,
    check_skipping,
)
from unclouded.cli.reporter import Reporter, summary, weights_record
from unclouded.cli.source_options import SourceOptions

JsonLines = Annotated[
    bool, typer.Option("--json", help="Print one JSON object per line, as each is done, instead of sentences.")
]


@takes_options(CatalogOptions, without=OF_ONE_DATE, parameter="catalog")
@takes_options(SourceOptions, parameter="source_options")
@takes_options(ClearOptions)
def clear(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT",
            help="GeoTIFF or COG, folder of single-band files, BigEarthNet patch, SAFE folder or .zip, STAC item; VRT, "
            "or NetCDF file or Zarr store of one date.",
            show_default=False,
        ),
    ] = None,
    *,
    output: Annotated[
        str, typer.Option(metavar="PATH|DIR", help="GeoTIFF to write for one input; a folder for several.")
    ],
    catalog: CatalogOptions,
    source_options: SourceOptions,
    options: ClearOptions,
    workers: Workers = None,
    scheduler: Scheduler = None,
    skip_existing: SkipExisting = False,
    as_json: JsonLines = False,
    debug: Debug = False,
) -> None:
    """Clear Sentinel-2 scenes into cloud-optimised GeoTIFFs, each with its opacity and uncertainty beside it."""
    reporter = Reporter(as_json=as_json, debug=debug)
    with faults(debug):
        from unclouded.clearing.plan import cleared_and_mask, cleared_files, plan
        from unclouded.reading.grids.output_grid import check_of_tiles

        reading = source_options.reading()
        searched = check_catalog(catalog, inputs or (), reading.area, catalog.date)
        sources = list(inputs or ())
        for option, value in (("--radar", options.radar), ("--mask", options.mask_file)):
            if value is not None and len(sources) > 1:
                raise typer.BadParameter("belongs to one scene; give a single input", param_hint=option)
        check_skipping(options.overwrite, skip_existing)
        check_workers(workers, scheduler)
        if searched:
            check_of_tiles(options.crs, options.resolution)
            sources, references = day_and_others(catalog, reading, output, reporter)
            options = replace(options, references=(*options.references, *references))
        todo = plan(
            sources,
            output,
            reading,
            overwrite=options.overwrite,
            skip_existing=skip_existing,
            written=cleared_and_mask if options.write_mask else cleared_files,
            beside=options.read_beside,
        )
        reporter.announce(todo, options)
        if not todo.outputs:
            reporter.check(len(todo.skipped))
            raise typer.Exit
        from unclouded.clearing.batch import Batch
        from unclouded.clearing.model import Model
        from unclouded.precision import resolve_precision

        loaded = Model.load(options)
        device = loaded.generator.device
        detail(f"weights: {options.model}, on {device.type}, {resolve_precision(options.precision, device)}")
        clear_all(Batch(todo.outputs, reading, loaded, options), (workers, scheduler), reporter)
        reporter.check(len(todo.skipped))


def demo(
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.")] = Path("demo"),
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Clear the bundled real patches: for each a COG, its quality, its STAC item, and a before/after picture."""
    with faults(debug):
        from unclouded.clearing.clear import clear_to_file, read_result
        from unclouded.clearing.model import Model
        from unclouded.clearing.plan import bundled_patches, plan
        from unclouded.reading.reader import ReadOptions
        from unclouded.report.before_after import before_after

        patches = [str(patch) for patch in bundled_patches()]
        todo = plan(patches, f"{output}/", ReadOptions(), overwrite=overwrite, skip_existing=None)
        for error in todo.failed.values():
            raise error
        options = ClearOptions(overwrite=overwrite)
        loaded = Model.load(options)
        for source, name in todo.outputs.items():
            with ReadOptions().open(source) as scene:
                cleared = clear_to_file(scene, name, loaded, options)
                picture = name.with_suffix(".png")
                before_after(*read_result(scene, cleared), scene.info.bands, picture, scene.info.stem)
            tell(f"{summary(cleared)}; before and after: {picture}")


def models(as_json: JsonLines = False, debug: Debug = False) -> None:
    """List the bundled weights, each with its card."""
    with faults(debug):
        import json

        from unclouded.models import weights, weights_file, weights_header

        for name, path in weights_file.bundled().items():
            header: weights_header.Header
            what = "clears images"
            if weights_file.format_of(name) == weights_file.LAND_COVER_FORMAT:
                classifier, header = weights.load_land_cover(name)
                what = f"tells {len(classifier.settings.classes)} land-cover classes apart"
            else:
                _, header = weights.load_generator(name)
            if as_json:
                put_table(json.dumps(weights_record(name, path, what, header)))
                continue
            size = path.stat().st_size / 2**20
            put_table(
                f"{name}: {' '.join(header.bands)}; {', '.join(header.levels)}; {header.steps} training steps; {what}"
            )
            put_table(f"  threshold {header.threshold}; {size:.1f} MiB, sha256 {header.sha256}")
            if header.data:
                put_table(f"  learnt from: {header.data}")
            if header.unfit:
                put_table(f"  of no use on images of {', '.join(header.unfit)}")
