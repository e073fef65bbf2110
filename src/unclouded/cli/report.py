"""`unclouded report`: everything that a page is asked to show, gathered and written as one HTML file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unclouded.cli.console import Bar, faults, tell
from unclouded.cli.derived_options import takes_options
from unclouded.cli.options import Debug, Overwrite
from unclouded.cli.series_page import write_series_page
from unclouded.cli.source_options import AREA, SourceOptions
from unclouded.errors import InputError

if TYPE_CHECKING:
    from unclouded.reading.reader import ReadOptions
    from unclouded.reading.scene_pair import ScenePair
    from unclouded.report.scene_sections import ReportedScene


class Composite(StrEnum):
    """The composites of `colour.COMPOSITES`."""

    natural = "natural"
    infrared = "infrared"
    shortwave = "shortwave"


class StretchChoice(StrEnum):
    """The kinds of `colour.StretchKind`."""

    scene = "scene"
    bands = "bands"
    fixed = "fixed"


@takes_options(SourceOptions, without=AREA, parameter="source_options")
def report(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN|JSON|SCENE|SERIES...",
            help="Folders of `unclouded train`; JSON of `unclouded evaluate` and of benchmarks; results of "
            "`unclouded clear`, as before.tif=clear.tif, or alone where their STAC item says what they were made of; "
            "or the folder of `unclouded series`, by itself.",
        ),
    ],
    *,
    output: Annotated[Path, typer.Option(metavar="PAGE.html", help="The page to write.")],
    source_options: SourceOptions,
    composite: Annotated[
        Composite | None,
        typer.Option(help="Bands that scenes are shown in at first; natural colour where they have it."),
    ] = None,
    stretch: Annotated[
        StretchChoice,
        typer.Option(help="What is black and white: of the scene, of each of its bands, or fixed, 0 to 0.3."),
    ] = StretchChoice.scene,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Show training runs, evaluations and cleared scenes on one HTML page that needs no network."""
    with faults(debug):
        from unclouded.evaluation.land_cover_scores import PAPER, PAPER_FRECHET
        from unclouded.files import refuse_existing, write_bytes
        from unclouded.reading.scene_pair import find_pair, is_pair
        from unclouded.reading.series import is_series
        from unclouded.report.page import FEW_SCENES, render_page
        from unclouded.report.record_sections import Paper
        from unclouded.report.records import is_item, read_record, read_run
        from unclouded.version import __version__

        if not overwrite:
            refuse_existing(output)
        reading = source_options.reading()
        shown = composite.value if composite else None
        if folders := [argument for argument in inputs if is_series(Path(argument))]:
            if len(inputs) > 1:
                raise InputError(f"{folders[0]}: is a series, which has a page of its own; give it alone")
            write_series_page(Path(folders[0]), output, reading, shown, stretch.value)
            return
        runs, records = [], []
        pairs: dict[Path, ScenePair] = {}
        for argument in dict.fromkeys(inputs):
            path = Path(argument)
            if path.is_dir():
                runs.append(read_run(path))
            elif path.suffix == ".json" and not is_pair(argument) and not is_item(path):
                records.append(read_record(path))
            else:
                pair = find_pair(argument)
                pairs.setdefault(pair.after.resolve(), pair)
        with Bar(output.name) as bar:
            scenes = []
            for done, pair in enumerate(pairs.values()):
                bar("reading scenes", done, len(pairs))
                scenes.append(_scene(pair, reading, shown, others=len(pairs) <= FEW_SCENES))
            bar("reading scenes", len(pairs), len(pairs))
            html = render_page(scenes, records, runs, Paper(PAPER, PAPER_FRECHET), __version__, stretch.value)
        page = html.encode()
        write_bytes(page, output)
        tell(f"{output}: {len(page) / 1e6:.1f} MB")


def _scene(pair: ScenePair, reading: ReadOptions, composite: str | None, *, others: bool) -> ReportedScene:
    from unclouded.files import sha256_of
    from unclouded.reading.preview import read_preview
    from unclouded.report.previews import SIDE
    from unclouded.report.scene_sections import ReportedScene

    source = Path(pair.before or "")
    return ReportedScene(
        preview=read_preview(pair, SIDE, reading, composite, others=others),
        sha256=sha256_of(pair.after),
        source_sha256=sha256_of(source) if source.is_file() else "",
    )
