"""Figures by matplotlib (extra `report`)."""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from unclouded.files import write_bytes


def draw_classes(
    names: Sequence[str], support: Sequence[int], scores: Mapping[str, Sequence[float]], path: Path, title: str
) -> None:
    """Draw scores of classes (0 to 1) as dots on a row per class, the most frequent class on top, into a PNG.

    Args:
        names: of the classes.
        support: number of images of each class; classes without any are left out.
        scores: one number per class, by name of the score.
        path: of the PNG; an existing one is replaced.
        title: of the figure.

    Raises:
        FileError: if the PNG cannot be written.
    """
    shown = sorted((index for index in range(len(names)) if support[index]), key=lambda index: support[index])
    figure = Figure(figsize=(8, 1.2 + 0.24 * len(shown)), layout="constrained")
    axes = figure.subplots()
    for marker, (name, values) in zip(itertools.cycle("o^sd"), scores.items(), strict=False):
        axes.plot([values[index] for index in shown], range(len(shown)), marker, label=name, markersize=5, alpha=0.8)
    axes.set_yticks(range(len(shown)), [f"{names[index]} ({support[index]:,})" for index in shown], fontsize=8)
    axes.set_xlim(-0.02, 1.02)
    axes.grid(axis="both", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=len(scores), frameon=False)
    figure.suptitle(title, fontsize=9)
    save_figure(figure, path)


def save_figure(figure: Figure, path: Path, dpi: int = 110) -> None:
    """Save a figure as a PNG of `dpi` pixels per inch that appears under its name only when it is complete.

    Raises:
        FileError: if it cannot be written.
    """
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi, metadata={"Software": None})
    write_bytes(stream.getvalue(), path, "check the disk and its free space")
