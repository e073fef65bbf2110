"""Section of the page for cleared scenes: before and after to swipe between, overlays, and a table of all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unclouded.colour import COMPOSITE_DESCRIPTIONS, STRETCH_DESCRIPTIONS, StretchKind
from unclouded.reading.grids.grid import METRES_PER_DEGREE
from unclouded.reading.preview import OtherComposite, ScenePreview
from unclouded.report.blocks import (
    NOTHING,
    BeforeAfter,
    Block,
    Cell,
    Line,
    Pictures,
    Section,
    Subsection,
    Swipe,
    Table,
    checksum,
    number,
)
from unclouded.report.previews import in_colour, opacity_overlay, picture, source_overlay, uncertainty_overlay
from unclouded.shares import percent
from unclouded.sources import GUESSED

_COARSE = 400
"""Longer side in pixels under which a scene is enlarged by nearest pixels."""

_SIDE_BY_SIDE = 360
"""Longer side in pixels of results that are shown side by side."""


@dataclass(frozen=True)
class ReportedScene:
    """A scene of the page.

    Attributes:
        preview: of the scene, with its input.
        sha256: of the cleared file.
        source_sha256: of its input; empty unless that is a single local file.
    """

    preview: ScenePreview
    sha256: str
    source_sha256: str

    @property
    def name(self) -> str:
        """Name of the cleared file."""
        return self.preview.pair.after.name

    @property
    def source(self) -> str:
        """Name of its input."""
        return self.preview.pair.before_name


def scene_section(
    scenes: Sequence[ReportedScene], limit: int, kind: StretchKind = "scene"
) -> tuple[Section, list[Swipe]]:
    """Lay out scenes, the most replaced first; the pictures of each take at most `limit` bytes.

    Returns:
        The section, and its scenes in the order of `scenes`.
    """
    swipes = [_swipe(scene, f"scene-{position + 1}", limit, kind) for position, scene in enumerate(scenes)]
    order = sorted(range(len(scenes)), key=lambda n: -np.nan_to_num(scenes[n].preview.quality.replaced))
    subsections: list[Subsection] = []
    if len(scenes) > 1:
        columns = ("Scene", "Date", "Replaced", "Of it guessed", "Uncertainty there, reflectance")
        lines = [_line(scenes[n], swipes[n].id) for n in order]
        subsections.append(Subsection("", "", (Table("All scenes, the most replaced first", columns, lines),)))
    for n in order:
        subsections.append(Subsection(scenes[n].name, _lead(scenes[n]), (swipes[n],), swipes[n].id))
    subsections += [
        _side_by_side([scene for scene in scenes if scene.source == source], limit, kind)
        for source in dict.fromkeys(scene.source for scene in scenes)
        if sum(scene.source == source for scene in scenes) > 1
    ]
    lead = "Drag the line, or move it with the arrow keys. Both images have the same stretch, that of the cleared one."
    return Section("scenes", "Scenes", lead, subsections), swipes


def scene_provenance(scenes: Sequence[ReportedScene]) -> list[Line]:
    """Rows of the provenance table."""
    return [
        Line(
            Cell(scene.name),
            (
                Cell("cleared scene"),
                checksum(scene.sha256),
                checksum(scene.source_sha256) if scene.source_sha256 else Cell(scene.source),
                NOTHING,
                NOTHING,
            ),
        )
        for scene in scenes
    ]


def _line(scene: ReportedScene, id_: str) -> Line:
    quality = scene.preview.quality
    guessed = quality.shares.get(GUESSED, 0.0) / quality.replaced if quality.replaced else None
    replaced = Cell(percent(quality.replaced), share=quality.replaced) if np.isfinite(quality.replaced) else NOTHING
    cells = (
        Cell(_date(scene)) if scene.preview.acquired else NOTHING,
        replaced,
        NOTHING if guessed is None else Cell(f"{min(guessed, 1.0):.0%}"),
        number(quality.error, 4),
    )
    return Line(Cell(scene.name, link=id_), cells)


def _lead(scene: ReportedScene) -> str:
    """Date, level, replaced share and input in a line."""
    preview = scene.preview
    replaced = preview.quality.replaced
    known = (
        f"{preview.acquired:%Y-%m-%d}" if preview.acquired else "",
        preview.info.level,
        "nothing replaced" if replaced == 0 else f"{percent(replaced)} replaced" if np.isfinite(replaced) else "",
    )
    return f"{', '.join(text for text in known if text)}; made of {scene.source}"


def _date(scene: ReportedScene) -> str:
    return f"{scene.preview.acquired:%Y-%m-%d}" if scene.preview.acquired else "unknown"


def _swipe(scene: ReportedScene, id_: str, limit: int, kind: StretchKind) -> Swipe:
    """A scene with its overlays; most of the bytes are for the images, of which the cloudy one is smoother."""
    preview, quality = scene.preview, scene.preview.quality
    height, width = quality.opacity.shape
    shown = (OtherComposite(preview.composite, preview.bands, preview.before, preview.after), *preview.others)
    composites = [_before_and_after(scene, one, limit * 7 // (10 * len(shown)), kind) for one in shown]
    colours = composites[0].name if len(composites) == 1 else "in the bands that are chosen"
    facts = [
        ("Date", _date(scene)),
        ("Replaced", f"{percent(quality.replaced)} of the pixels" if np.isfinite(quality.replaced) else "no data"),
        (
            "Uncertainty there",
            "\N{EN DASH}" if quality.error is None else f"{quality.error:.3f} reflectance on average",
        ),
        ("Grid", preview.grid),
        ("Shown", f"{width:,} x {height:,} pixels, {colours}; stretch {STRETCH_DESCRIPTIONS[kind]}"),
    ]
    return Swipe(
        id_,
        scene.name,
        composites,
        (
            opacity_overlay(quality.opacity, limit * 12 // 100, scene.name, preview.threshold),
            uncertainty_overlay(quality.uncertainty, limit * 12 // 100, scene.name),
            source_overlay(quality, limit * 6 // 100, scene.name),
        ),
        facts,
        tuple(preview.notes),
        coarse=max(height, width) < _COARSE,
        bar=_scale_bar(preview),
    )


def _before_and_after(scene: ReportedScene, shown: OtherComposite, limit: int, kind: StretchKind) -> BeforeAfter:
    """A scene in one composite; its pictures take at most `limit` bytes."""
    assert shown.before is not None
    before, after = in_colour((shown.before, shown.after), shown.bands, shown.after, kind)
    name = f"{COMPOSITE_DESCRIPTIONS[shown.composite].partition(':')[0]} ({' '.join(shown.bands)})"
    return BeforeAfter(
        name,
        picture(before, limit * 3 // 7, f"Before clearing: {scene.source} with its clouds, {name}"),
        picture(after, limit * 4 // 7, f"After clearing: {scene.name}, {name}"),
    )


def _scale_bar(preview: ScenePreview) -> tuple[float, str] | None:
    """A round length of about a fifth of the width: its share of the width, and its text."""
    info = preview.info
    width = info.width * abs(info.transform.a)
    if info.crs.is_projected:
        width *= info.crs.linear_units_factor[1]
    else:
        latitude = info.transform.f + info.transform.e * info.height / 2
        width *= METRES_PER_DEGREE * math.cos(math.radians(latitude))
    if not (math.isfinite(width) and width > 0):
        return None
    power = 10 ** math.floor(math.log10(width / 4))
    length = max(step * power for step in (1, 2, 5) if step * power <= width / 4)
    return length / width, f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"


def _side_by_side(scenes: Sequence[ReportedScene], limit: int, kind: StretchKind) -> Subsection:
    shown = []
    for scene in scenes:
        preview = scene.preview
        (after,) = in_colour((preview.after,), preview.bands, preview.after, kind)
        after.thumbnail((_SIDE_BY_SIDE, _SIDE_BY_SIDE))
        caption = f"{scene.name}: {percent(preview.quality.replaced)} replaced"
        shown.append((picture(after, limit // (4 * len(scenes)), f"After clearing: {scene.name}"), caption))
    blocks: tuple[Block, ...] = (Pictures("Results of one input, side by side", shown),)
    return Subsection(
        f"Results of {scenes[0].source}", "Where they differ, nothing in the image decides between them.", blocks
    )
