"""One HTML page of runs, records and scenes that needs neither a server nor a network."""

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
"""Scenes up to which there is room for the other composites of each."""

_PICTURES = 8_000_000
"""Bytes that all pictures of a page take at most; tables and charts are small beside them."""

_PICTURES_OF_ONE = 1_500_000
"""Bytes that the pictures of one scene or run take at most."""


def render_page(
    scenes: Sequence[ReportedScene],
    records: Sequence[Record],
    runs: Sequence[Run],
    paper: Paper,
    version: str,
    stretch: StretchKind = "scene",
) -> str:
    """Lay everything out as HTML, as 10 MB at most.

    Args:
        scenes: cleared scenes.
        records: of evaluations and benchmarks.
        runs: of training.
        paper: its figures, to stand beside ours.
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
    return Section("provenance", "What was run on what", "", (Subsection("", "", (table,)),))
