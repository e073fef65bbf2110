"""Cloud and cloud shadow by the networks of `ukis-csmask` (Wieland et al. 2019), streamed over a scene.

The package carries four U-Nets in ONNX, for L1C and L2A with four bands or six, trained on CloudSEN12+ and SPARCS at
10 to 30 m. They are run here as the package runs them (reflectance standardised by the statistics beside each network,
softmax), but window by window, see `detection.sliding_window`.

Its own Python code is not used: that takes whole images, and gives classes instead of probabilities.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Sequence
from importlib import resources
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from unclouded.bands import INDEX, NAMES
from unclouded.detection.sliding_window import Reader, sliding_window
from unclouded.errors import InputError

FOUR = ("B02", "B03", "B04", "B08")
"""The bands without which nothing can be detected."""

SIX = (*FOUR, "B11", "B12")
"""The bands that the better networks read."""

PIXEL_METRES = 40
"""Pixel size that scenes are brought to, as near as `pixels_along` allows."""

SMALL = 1024
"""Side in pixels of the scenes that `detect_small` is for: on the detector's grid they are no larger than a window."""


def bands_to_read(bands: Sequence[str] | None) -> tuple[str, ...] | None:
    """The bands that are read where some are asked for: these, and those that clouds are told by; None for all."""
    return None if bands is None else tuple(dict.fromkeys((*bands, *SIX)))


def readable(bands: Collection[str]) -> tuple[str, ...]:
    """The bands that would be read of those available: six, four, or none if nothing can be detected with them."""
    return next((wanted for wanted in (SIX, FOUR) if set(wanted) <= set(bands)), ())


def missing(bands: Collection[str]) -> tuple[str, ...]:
    """The bands that the input lacks before anything can be detected."""
    return tuple(name for name in FOUR if name not in bands)


def pixels_along(pixel_metres: float) -> int:
    """How many pixels of a scene lie along one of the detector's, by the scene's pixel size: 1, 2, 4 or 8.

    4 for 10 m, 2 for 20 m, 1 for 60 m: a power of two, since the scene's cells of 8 x 8 pixels must hold whole ones.
    """
    return min((1, 2, 4, 8), key=lambda count: abs(math.log(count * pixel_metres / PIXEL_METRES)))


def coarsen(reflectance: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Average (C, h, w) over `factor` x `factor` pixels, of those that are not NaN; the last may be cut."""
    height, width = reflectance.shape[1:]
    margins = ((0, 0), (0, -height % factor), (0, -width % factor))
    whole = np.pad(reflectance, margins, constant_values=np.nan) if np.any(margins) else reflectance
    held = np.isfinite(whole)
    if held.all():
        return _sums(whole, factor) / np.float32(factor**2)
    count = _sums(held, factor)
    means = np.full(count.shape, np.nan, np.float32)
    np.divide(_sums(np.where(held, whole, np.float32(0)), factor), count, out=means, where=count > 0)
    return means


def _sums(image: NDArray[Any], factor: int) -> NDArray[np.float32]:
    """Add up (C, h, w) over `factor` x `factor` pixels, of which it holds whole ones."""
    channels, height, width = image.shape
    # Along the columns first, where neighbours lie far apart: what is left to add up along the rows is a part.
    rows = image.reshape(channels, height // factor, factor, width).sum(axis=2, dtype=np.float32)
    sums: NDArray[np.float32] = rows.reshape(channels, height // factor, width // factor, factor).sum(axis=3)
    return sums


class CloudShadowNetwork:
    """One of the package's networks, and how it is run.

    Attributes:
        bands: that it reads, in their order.
    """

    def __init__(self, bands: Collection[str], level: str, threads: int = 1) -> None:
        """Load the best network for the bands and level.

        Args:
            bands: of the input.
            level: "L1C" or "L2A".
            threads: windows that are worked on at once; the answer does not depend on it.

        Raises:
            InputError: if the bands do not suffice.
        """
        self.bands = readable(bands)
        if not self.bands:
            held = ", ".join(sorted(bands, key=lambda name: INDEX.get(name, len(NAMES)))) or "none"
            raise InputError(
                f"clouds cannot be detected with the bands {held}: {', '.join(missing(bands))} missing; "
                "add them or give a mask"
            )
        name = f"model_{len(self.bands)}b_{level.lower()}"
        folder = resources.files("ukis_csmask")
        described = json.loads(folder.joinpath(f"{name}.json").read_text())
        centre, spread = described["data"]["dataset_statistics"]["img"]
        self._centre, self._spread = (np.array(values, np.float32)[:, None, None] for values in (centre, spread))
        options = onnxruntime.SessionOptions()
        # One thread for each window: how a convolution is shared among threads may change its last bits.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        # By its path: of what it gets as bytes it keeps a copy, of 40 MB.
        with resources.as_file(folder.joinpath(f"{name}.onnx")) as path:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._threads = threads

    def detect(self, read: Reader, height: int, width: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Detect over a grid of pixels of about `PIXEL_METRES`, from top to bottom.

        Args:
            read: gives windows of the grid, of `bands`.
            height: rows of the grid.
            width: columns of the grid.

        Returns:
            The first row of each strip, and the probabilities (2, rows, width) of cloud and of cloud shadow; 0 where
            there is no data. The strips follow each other and cover the grid.
        """
        return sliding_window(self._window, read, height, width, channels=2, threads=self._threads)

    def detect_patch(self, reflectance: NDArray[np.float32]) -> NDArray[np.float32]:
        """Detect in memory: (2, h, w) as `detect` gives it, of `reflectance` (C, h, w), NaN where there is no data."""

        def read(row: int, column: int, height: int, width: int) -> NDArray[np.float32]:
            return reflectance[:, row : row + height, column : column + width]

        return np.concatenate([found for _, found in self.detect(read, *reflectance.shape[1:])], axis=1)

    def detect_small(self, reflectance: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
        """Detect in a small scene, of pixels a half as long too: (2, ceil(h / f), ceil(w / f)), as `detect` gives it.

        Few pixels mirrored to a window mislead the network, one way or the other, seldom at both pixel sizes alike:
        the two answers are averaged.

        Args:
            reflectance: (C, h, w) of the scene's own pixels, NaN where there is no data.
            factor: pixels along one of the detector's, see `pixels_along`.
        """
        found = self.detect_patch(coarsen(reflectance, factor))
        if factor == 1:
            return found
        finer = coarsen(self.detect_patch(coarsen(reflectance, factor // 2)), 2)
        return np.asarray((found + finer) / 2, np.float32)

    def _window(self, reflectance: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities (2, 256, 256) of cloud and shadow in one window (C, 256, 256), some of which holds data."""
        valid = np.isfinite(reflectance).all(axis=0)
        x = (reflectance - self._centre) / self._spread
        x[:, ~valid] = x[:, valid].mean(axis=1)[:, None]
        logits: NDArray[Any] = self._session.run(None, {"input": x[None]})[0][0]
        likely = np.exp(logits - logits.max(axis=0))
        return np.asarray(likely[1:] / likely.sum(axis=0), np.float32)
