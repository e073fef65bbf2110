"""`unclouded report`: everything that a page is asked to show, gathered and written as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unclouded.cli.console import Bar, faults
from unclouded.cli.options import Bands, Debug, LevelGiven, Offset, Overwrite, Scale, names_of

if TYPE_CHECKING:
    from unclouded.reading.reader import ReadOptions
    from unclouded.reading.scene_pair import ScenePair
    from unclouded.report.scene_sections import ReportedScene


def report(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN|JSON|SCENE...",
            help="Folders of `unclouded train`; JSON of `unclouded evaluate` and of benchmarks; results of "
            "`unclouded clear`, as before.tif=clear.tif, or alone where their STAC item says what they were made of.",
        ),
    ],
    output: Annotated[Path, typer.Option(metavar="PAGE.html", help="The page to write.")],
    bands: Bands = None,
    level: LevelGiven = None,
    scale: Scale = None,
    offset: Offset = None,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Show training runs, evaluations and cleared scenes on one HTML page that needs no network."""
    with faults(debug):
        from unclouded.evaluation.land_cover_scores import PAPER, PAPER_FRECHET
        from unclouded.files import refuse_existing
        from unclouded.reading.reader import ReadOptions
        from unclouded.reading.scene_pair import find_pair, is_pair
        from unclouded.report.page import render_page, write_page
        from unclouded.report.record_sections import Paper
        from unclouded.report.records import is_item, read_record, read_run
        from unclouded.version import __version__

        if not overwrite:
            refuse_existing(output)
        reading = ReadOptions(names_of(bands), level.value if level else None, scale, offset)
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
                scenes.append(_scene(pair, reading))
            bar("reading scenes", len(pairs), len(pairs))
            html = render_page(scenes, records, runs, Paper(PAPER, PAPER_FRECHET), __version__)
        write_page(html, output)
        print(f"{output}: {len(html.encode()) / 1e6:.1f} MB")


def _scene(pair: ScenePair, reading: ReadOptions) -> ReportedScene:
    from unclouded.files import sha256_of
    from unclouded.reading.preview import read_preview
    from unclouded.report.previews import SIDE
    from unclouded.report.scene_sections import ReportedScene

    made = read_preview(pair, SIDE, reading)
    source = Path(pair.before)
    return ReportedScene(
        name=pair.after.name,
        source=source.name,
        before=made.before,
        after=made.after,
        opacity=made.opacity,
        uncertainty=made.uncertainty,
        bands=made.bands,
        grid=made.grid,
        notes=made.notes,
        sha256=sha256_of(pair.after),
        source_sha256=sha256_of(source) if source.is_file() else "",
    )
