"""Self-contained HTML page of runs, records and scenes, which needs neither a server nor a network."""

from __future__ import annotations

from collections.abc import Sequence

from unclouded.colour import StretchKind
from unclouded.report.blocks import Section, Subsection, Table
from unclouded.report.record_sections import Paper, record_provenance, record_sections
from unclouded.report.records import Record, Run
from unclouded.report.run_sections import run_provenance, run_section
from unclouded.report.scene_sections import ReportedScene, scene_provenance, scene_section
from unclouded.report.templates import own_file, render

FEW_SCENES = 8
"""Largest number of scenes with all composites of each."""

_PICTURES = 8_000_000
"""Largest size in bytes of all pictures of a page; tables and charts are small."""

_PICTURES_OF_ONE = 1_500_000
"""Largest size in bytes of the pictures of one scene or run."""


def render_page(
    scenes: Sequence[ReportedScene],
    records: Sequence[Record],
    runs: Sequence[Run],
    paper: Paper,
    version: str,
    stretch: StretchKind = "scene",
) -> str:
    """Render a page as HTML of at most 10 MB.

    Args:
        scenes: cleared scenes.
        records: of evaluations and benchmarks.
        runs: of training.
        paper: its results, for comparison.
        version: of this package.
        stretch: of the scenes.

    Raises:
        InputError: a record lacks what its kind has.
        FileError: a picture of a run is damaged.
    """
    share = min(_PICTURES_OF_ONE, _PICTURES // max(1, len(scenes) + len(runs)))
    sections: list[Section] = []
    links: dict[str, str] = {}
    if scenes:
        section, swipes = scene_section(scenes, share, stretch)
        sections.append(section)
        links = {scene.sha256: swipe.id for scene, swipe in zip(scenes, swipes, strict=True)}
    sections += record_sections(records, paper, links)
    if runs:
        sections.append(run_section(runs, paper, share))
    sections.append(_provenance(scenes, records, runs))
    own = {kind: own_file(f"page.{kind}") for kind in ("css", "js")}
    counts = {"scene": len(scenes), "record": len(records), "training run": len(runs)}
    summary = ", ".join(f"{n} {name}{'s' if n != 1 else ''}" for name, n in counts.items() if n)
    return render("page.html.jinja", sections=sections, summary=summary, version=version, **own)


def _provenance(scenes: Sequence[ReportedScene], records: Sequence[Record], runs: Sequence[Run]) -> Section:
    lines = [*scene_provenance(scenes), *record_provenance(records), *run_provenance(runs)]
    table = Table(
        "Checksums are SHA-256; N and seeds are those of the drawing",
        ("What", "Kind", "Weights or result", "Data or input", "N", "Seed"),
        lines,
    )
    return Section("provenance", "Provenance", "", (Subsection("", "", (table,)),))
