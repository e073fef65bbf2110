"""Figures of a training run: the cycles (the paper's figure 1a) and the distances over the steps (figure 1b)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from unclouded.bands import NAMES
from unclouded.report.colour import natural_colour, white_point
from unclouded.report.figures import save_figure


def draw_cycles(images: Mapping[str, NDArray[np.float32]], path: Path) -> None:
    """Draw images (B, 13, H, W) by title, a column for each of the B, a row for each title, into a PNG.

    Raises:
        FileError: if the PNG cannot be written.
    """
    count = len(next(iter(images.values())))
    figure = Figure(figsize=(1.6 * count, 1.75 * len(images)), layout="constrained")
    rows = figure.subplots(len(images), count, squeeze=False)
    for axes, (title, row) in zip(rows, images.items(), strict=True):
        for panel, image, first in zip(axes, row, next(iter(images.values())), strict=True):
            panel.imshow(natural_colour(image, NAMES, white_point(first, NAMES)), interpolation="nearest")
            panel.set_xticks([])
            panel.set_yticks([])
        axes[0].set_ylabel(title, fontsize=9)
    save_figure(figure, path)


def draw_distances(history: Mapping[int, Mapping[str, float]], path: Path) -> None:
    """Draw the Fréchet distance of cleared to clear images over the steps, with its bounds, and the coverage, as a PNG.

    Args:
        history: by step: `frechet`, `frechet_cloudy`, `floor`, `coverage`, `coverage_cloudy`, `alarm`.
        path: the PNG; one that is there is replaced.

    Raises:
        FileError: if the PNG cannot be written.
    """
    steps = sorted(history)
    figure = Figure(figsize=(7, 5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    for axes, name, bounds in (
        (above, "frechet", {"frechet_cloudy": "cloudy images", "floor": "two halves of the clear images"}),
        (below, "coverage", {"coverage_cloudy": "cloudy images"}),
    ):
        axes.plot(steps, [history[step][name] for step in steps], "o-", markersize=3, label="cleared images")
        for bound, title in bounds.items():
            axes.plot(steps, [history[step][bound] for step in steps], "--", linewidth=1, label=title)
        alarms = [step for step in steps if history[step]["alarm"]]
        axes.plot(alarms, [history[step][name] for step in alarms], "x", color="black", label="alarm of collapse")
        axes.set_ylabel({"frechet": "Fréchet distance", "coverage": "coverage"}[name])
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8, frameon=False)
    below.set_xlabel("step")
    save_figure(figure, path)
