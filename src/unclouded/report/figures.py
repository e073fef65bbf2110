"""Figures: what an image looked like before and after, and what was laid over it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from unclouded.errors import FileError
from unclouded.files import aside, publish

_NATURAL = ("B04", "B03", "B02")


def before_after(
    cloudy: NDArray[np.float32],
    cleared: NDArray[np.float32],
    opacity: NDArray[np.float32],
    bands: Sequence[str],
    path: Path,
    title: str,
) -> None:
    """Draw an image before and after clearing, and the opacity, side by side into a PNG.

    Args:
        cloudy: (C, h, w) reflectance.
        cleared: (C, h, w) reflectance.
        opacity: (h, w), 0 to 1.
        bands: the name of each band.
        path: the PNG; one that is there is replaced.
        title: of the figure.

    Raises:
        FileError: if the PNG cannot be written.
    """
    white = white_point(cleared, bands)
    panels = {
        "before": natural_colour(cloudy, bands, white),
        "after": natural_colour(cleared, bands, white),
        "opacity": opacity,
    }
    draw_panels(panels, path, title)


def natural_colour(reflectance: NDArray[np.float32], bands: Sequence[str], white: float) -> NDArray[np.float32]:
    """Red, green and blue (h, w, 3) in [0, 1], or the first band as grey (h, w) where a colour is missing.

    `white` is the reflectance that becomes white.
    """
    # The square root spreads the dark ground, which is most of any land image.
    shown: NDArray[np.float32] = np.sqrt(np.clip(np.nan_to_num(_visible(reflectance, bands)) / white, 0, 1))
    return shown


def white_point(reflectance: NDArray[np.float32], bands: Sequence[str]) -> float:
    """The reflectance to show as white, so that this image uses the whole range; at least 0.1, so water stays dark."""
    visible = _visible(reflectance, bands)
    finite = visible[np.isfinite(visible)]
    return max(0.1, float(np.percentile(finite, 99.5))) if finite.size else 1.0


def draw_panels(panels: Mapping[str, NDArray[np.float32]], path: Path, title: str) -> None:
    """Draw named images in a row into a PNG: colour (h, w, 3), or one channel (h, w), shown from 0 to 1 in grey.

    Raises:
        FileError: if the PNG cannot be written.
    """
    figure = Figure(figsize=(3.2 * len(panels), 3.7), layout="constrained")
    figure.suptitle(title, fontsize=9)
    for axes, (name, image) in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels.items(), strict=True):
        axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(name, fontsize=10)
        axes.set_axis_off()
    save_figure(figure, path)


def draw_classes(
    names: Sequence[str], support: Sequence[int], scores: Mapping[str, Sequence[float]], path: Path, title: str
) -> None:
    """Draw scores of classes (0 to 1) as dots on a row per class, the most frequent class on top, into a PNG.

    Args:
        names: of the classes.
        support: how many images show each class; a class that none shows is left out.
        scores: by name, one number per class.
        path: the PNG; one that is there is replaced.
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
    with aside(path) as folder:
        part = folder / "figure.png"
        try:
            figure.savefig(part, dpi=dpi, metadata={"Software": None})
        except OSError as error:
            raise FileError(
                f"{path}: cannot be written ({error.strerror}); check the disk and its free space"
            ) from error
        publish({part: path})


def _visible(reflectance: NDArray[np.float32], bands: Sequence[str]) -> NDArray[np.float32]:
    names = list(bands)
    if all(band in names for band in _NATURAL):
        return np.moveaxis(reflectance[[names.index(band) for band in _NATURAL]], 0, -1)
    grey: NDArray[np.float32] = reflectance[0]
    return grey
