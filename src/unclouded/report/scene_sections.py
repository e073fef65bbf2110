"""Cleared scenes on the page: before and after to swipe between, what lies over them, and a table of all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unclouded.colour import COMPOSITE_WORDS, STRETCH_WORDS, StretchKind
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
"""Pixels of the longer side under which a scene is enlarged pixel by pixel."""

_SIDE_BY_SIDE = 360
"""Pixels of the longer side of results that stand side by side."""


@dataclass(frozen=True)
class ReportedScene:
    """A scene to be shown.

    Attributes:
        preview: of the scene; its input is there.
        sha256: of the cleared file.
        source_sha256: of its input; empty where that is no single file on this machine.
    """

    preview: ScenePreview
    sha256: str
    source_sha256: str

    @property
    def name(self) -> str:
        """Of the cleared file."""
        return self.preview.pair.after.name

    @property
    def source(self) -> str:
        """Name of its input."""
        return self.preview.pair.before_name


def scene_section(
    scenes: Sequence[ReportedScene], limit: int, kind: StretchKind = "scene"
) -> tuple[Section, list[Swipe]]:
    """Lay scenes out, the most replaced first; the pictures of each may take `limit` bytes.

    Returns:
        The section, and its scenes in the order in which they were given.
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
    """Rows of the table of what was run on what."""
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
    """What there is to know at a glance."""
    made = scene.preview
    replaced = made.quality.replaced
    known = (
        f"{made.acquired:%Y-%m-%d}" if made.acquired else "",
        made.info.level,
        "nothing replaced" if replaced == 0 else f"{percent(replaced)} replaced" if np.isfinite(replaced) else "",
    )
    return f"{', '.join(text for text in known if text)}; made of {scene.source}"


def _date(scene: ReportedScene) -> str:
    return f"{scene.preview.acquired:%Y-%m-%d}" if scene.preview.acquired else "unknown"


def _swipe(scene: ReportedScene, id_: str, limit: int, kind: StretchKind) -> Swipe:
    """Most of the bytes go to the images, of which the cloudy one is smoother, and the rest to the overlays."""
    made, quality = scene.preview, scene.preview.quality
    height, width = quality.opacity.shape
    shown = (OtherComposite(made.composite, made.bands, made.before, made.after), *made.others)
    composites = [_before_and_after(scene, one, limit * 7 // (10 * len(shown)), kind) for one in shown]
    colours = composites[0].name if len(composites) == 1 else "in the bands that are chosen"
    facts = [
        ("Date", _date(scene)),
        ("Replaced", f"{percent(quality.replaced)} of the pixels" if np.isfinite(quality.replaced) else "no data"),
        (
            "Uncertainty there",
            "\N{EN DASH}" if quality.error is None else f"{quality.error:.3f} reflectance on average",
        ),
        ("Grid", made.grid),
        ("Shown", f"{width:,} x {height:,} pixels, {colours}; stretch {STRETCH_WORDS[kind]}"),
    ]
    return Swipe(
        id_,
        scene.name,
        composites,
        (
            opacity_overlay(quality.opacity, limit * 12 // 100, scene.name, made.threshold),
            uncertainty_overlay(quality.uncertainty, limit * 12 // 100, scene.name),
            source_overlay(quality, limit * 6 // 100, scene.name),
        ),
        facts,
        tuple(made.notes),
        coarse=max(height, width) < _COARSE,
        bar=_scale_bar(made),
    )


def _before_and_after(scene: ReportedScene, shown: OtherComposite, limit: int, kind: StretchKind) -> BeforeAfter:
    """A scene in one composite; its pictures may take `limit` bytes."""
    assert shown.before is not None
    before, after = in_colour((shown.before, shown.after), shown.bands, shown.after, kind)
    name = f"{COMPOSITE_WORDS[shown.composite].partition(':')[0]} ({' '.join(shown.bands)})"
    return BeforeAfter(
        name,
        picture(before, limit * 3 // 7, f"Before clearing: {scene.source} with its clouds, {name}"),
        picture(after, limit * 4 // 7, f"After clearing: {scene.name}, {name}"),
    )


def _scale_bar(made: ScenePreview) -> tuple[float, str] | None:
    """A round length of about a fifth of the width: its share of it, and in words."""
    info = made.info
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
        made = scene.preview
        (after,) = in_colour((made.after,), made.bands, made.after, kind)
        after.thumbnail((_SIDE_BY_SIDE, _SIDE_BY_SIDE))
        caption = f"{scene.name}: {percent(made.quality.replaced)} replaced"
        shown.append((picture(after, limit // (4 * len(scenes)), f"After clearing: {scene.name}"), caption))
    blocks: tuple[Block, ...] = (Pictures("Results of one input, side by side", shown),)
    return Subsection(
        f"Results of {scenes[0].source}", "Where they differ, nothing in the image decides between them.", blocks
    )
