"""Cleared scenes on the page: before and after to swipe between, what lies over them, and a table of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unclouded.report.blocks import (
    NOTHING,
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
from unclouded.report.previews import opacity_overlay, picture, true_colour, uncertainty_overlay

_COARSE = 400
"""Pixels of the longer side under which a scene is enlarged pixel by pixel."""

_SIDE_BY_SIDE = 360
"""Pixels of the longer side of results that stand side by side."""


@dataclass(frozen=True)
class ReportedScene:
    """A scene to be shown.

    Attributes:
        name: of the cleared file.
        source: of its input.
        before: (C, h, w) reflectance, NaN where there is no data.
        after: likewise.
        opacity: (h, w), 0 to 1.
        uncertainty: (h, w) in reflectance.
        bands: what the C bands are.
        grid: the scene's size in words.
        notes: what had to be assumed.
        sha256: of the cleared file.
        source_sha256: of its input; empty where that is no single file on this machine.
    """

    name: str
    source: str
    before: NDArray[np.float32]
    after: NDArray[np.float32]
    opacity: NDArray[np.float32]
    uncertainty: NDArray[np.float32]
    bands: Sequence[str]
    grid: str
    notes: Sequence[str]
    sha256: str
    source_sha256: str

    @property
    def replaced(self) -> float:
        """Mean opacity."""
        return float(np.nanmean(self.opacity)) if np.isfinite(self.opacity).any() else float("nan")

    @property
    def spread(self) -> float:
        """Mean uncertainty where something was replaced."""
        there = np.nan_to_num(self.opacity) > 0
        return float(np.nanmean(self.uncertainty[there])) if there.any() else 0.0


def scene_section(scenes: Sequence[ReportedScene], limit: int) -> tuple[Section, list[Swipe]]:
    """Lay scenes out, the most replaced first; the pictures of each may take `limit` bytes.

    Returns:
        The section, and its scenes in the order in which they were given.
    """
    swipes = [_swipe(scene, f"scene-{position + 1}", limit) for position, scene in enumerate(scenes)]
    order = sorted(range(len(scenes)), key=lambda position: -np.nan_to_num(scenes[position].replaced))
    subsections: list[Subsection] = []
    if len(scenes) > 1:
        lines = [
            Line(
                Cell(scenes[n].name, link=swipes[n].id),
                (
                    Cell(f"{scenes[n].replaced:.3f}", share=scenes[n].replaced),
                    number(scenes[n].spread, 4),
                ),
            )
            for n in order
        ]
        columns = ("ReportedScene", "Mean opacity", "Mean uncertainty where replaced, reflectance")
        subsections.append(Subsection("", "", (Table("All scenes, the most replaced first", columns, lines),)))
    for n in order:
        subsections.append(Subsection(scenes[n].name, f"made of {scenes[n].source}", (swipes[n],), swipes[n].id))
    subsections += [
        _side_by_side([scene for scene in scenes if scene.source == source], limit)
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
                Cell(f"cleared scene, SHA-256 {scene.sha256}"),
                NOTHING,
                checksum(scene.source_sha256) if scene.source_sha256 else Cell(scene.source),
                NOTHING,
                NOTHING,
            ),
        )
        for scene in scenes
    ]


def _swipe(scene: ReportedScene, id_: str, limit: int) -> Swipe:
    """Half of the bytes go to the images, of which the cloudy one is smoother, and the rest to the overlays."""
    before, after = true_colour(scene.before, scene.after, scene.bands)
    height, width = scene.opacity.shape
    facts = (
        ("Grid", scene.grid),
        ("Mean opacity", f"{scene.replaced:.3f}"),
        ("Mean uncertainty where replaced", f"{scene.spread:.4f} reflectance"),
        ("Shown at", f"{width:,} x {height:,} pixels, in {' '.join(scene.bands)}"),
    )
    return Swipe(
        id_,
        scene.name,
        picture(before, limit * 3 // 10, f"Before clearing: {scene.source} with its clouds, {_colours(scene)}"),
        picture(after, limit * 4 // 10, f"After clearing: {scene.name}, {_colours(scene)}"),
        (
            opacity_overlay(scene.opacity, limit * 15 // 100, scene.name),
            uncertainty_overlay(scene.uncertainty, limit * 15 // 100, scene.name),
        ),
        facts,
        tuple(scene.notes),
        coarse=max(height, width) < _COARSE,
    )


def _side_by_side(scenes: Sequence[ReportedScene], limit: int) -> Subsection:
    shown = []
    for scene in scenes:
        _, after = true_colour(scene.before, scene.after, scene.bands)
        after.thumbnail((_SIDE_BY_SIDE, _SIDE_BY_SIDE))
        caption = f"{scene.name}: mean opacity {scene.replaced:.3f}"
        shown.append((picture(after, limit // (4 * len(scenes)), f"After clearing: {scene.name}"), caption))
    blocks: tuple[Block, ...] = (Pictures("Results of one input, side by side", shown),)
    return Subsection(
        f"Results of {scenes[0].source}", "Where they differ, nothing in the image decides between them.", blocks
    )


def _colours(scene: ReportedScene) -> str:
    return "true colour" if len(scene.bands) == 3 else f"{scene.bands[0]} in grey"
