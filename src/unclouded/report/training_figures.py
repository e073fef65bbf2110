"""Figures of a training run: the cycles (the paper's figure 1a) and the distances over the steps (figure 1b)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from unclouded.bands import NAMES
from unclouded.colour import coloured
from unclouded.report.figures import save_figure

_CLOSER = 3.0
"""Ratio of the cloudy images' distance to the largest of cleared ones from which on a second panel leaves it out."""


def draw_cycles(images: Mapping[str, NDArray[np.float32]], path: Path) -> None:
    """Draw images (B, 13, H, W) by title, a column for each title, a row for each of the B, into a PNG.

    All images of a row have the stretch of the second column, which is clear, so that clouds are white.

    Raises:
        FileError: if the PNG cannot be written.
    """
    columns = list(images.values())
    count = len(columns[0])
    figure = Figure(figsize=(1.75 * len(images), 1.65 * count + 0.2), layout="constrained")
    panels = figure.subplots(count, len(images), squeeze=False)
    for axes, title in zip(panels[0], images, strict=True):
        axes.set_title(title, fontsize=9)
    for number, row in enumerate(panels):
        like = columns[min(1, len(columns) - 1)][number]
        for panel, image in zip(row, coloured([column[number] for column in columns], NAMES, like), strict=True):
            panel.imshow(image, interpolation="nearest")
            panel.set_axis_off()
    save_figure(figure, path)


def draw_distances(history: Sequence[Mapping[str, float]], path: Path) -> None:
    """Draw the Fréchet distance of cleared to clear images over the epochs, with its bounds, and the coverage.

    Axes of distances start at 0; if the distance of the cloudy images is much larger than the others, a second panel
    leaves it out.

    Args:
        history: for each validation `step` and, if all have it, `epoch`; `frechet`, `frechet_cloudy`, `floor`,
            `coverage`, `coverage_cloudy`, `alarm`.
        path: of the PNG; an existing one is replaced.

    Raises:
        FileError: if the PNG cannot be written.
    """
    axis = "epoch" if all("epoch" in entry for entry in history) else "step"
    largest = max(entry["frechet"] for entry in history)
    distances = {"frechet_cloudy": "cloudy images, as they are", "floor": "floor: two halves of the clear images"}
    panels = [("frechet", "Fréchet distance to clear images", distances)]
    if history[-1]["frechet_cloudy"] > _CLOSER * largest:
        panels.append(("frechet", "Fréchet distance, closer", {"floor": distances["floor"]}))
    panels.append(("coverage", "coverage of the clear images", {"coverage_cloudy": "cloudy images, as they are"}))
    figure = Figure(figsize=(7, 2.6 * len(panels)), layout="constrained")
    rows = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (name, title, bounds) in zip(rows, panels, strict=True):
        axes.plot([e[axis] for e in history], [e[name] for e in history], "o-", markersize=3, label="cleared images")
        for style, (bound, meaning) in zip(("--", ":"), bounds.items(), strict=False):
            axes.axhline(history[-1][bound], linestyle=style, linewidth=1.2, color="0.35", label=meaning)
        if alarms := [entry for entry in history if entry["alarm"]]:
            places = [entry[axis] for entry in alarms], [entry[name] for entry in alarms]
            axes.plot(*places, "x", color="black", label="alarm of collapse")
        axes.set_title(title, fontsize=9, loc="left")
        axes.set_ylim(0, 1.08 * max(axes.get_ylim()[1], 1e-9))
        axes.set_xlim(0, 1.02 * max(entry[axis] for entry in history))
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8, frameon=False)
    rows[-1].set_xlabel(axis)
    save_figure(figure, path)
