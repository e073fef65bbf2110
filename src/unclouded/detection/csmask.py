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

from unclouded.bands import INDEX, NAMES, TEN_METRES
from unclouded.detection.sliding_window import Reader, sliding_window
from unclouded.errors import InputError

FOUR_BANDS = TEN_METRES
"""The bands without which nothing can be detected."""

SIX_BANDS = (*FOUR_BANDS, "B11", "B12")
"""The bands that the better networks read."""

PIXEL_METRES = 40
"""Pixel size of the detector's grid, as near as `grid_factor` allows."""

SMALL = 1024
"""Largest side in pixels of scenes for `detect_small`: on the detector's grid they are no larger than a window."""


def bands_to_read(bands: Sequence[str] | None) -> tuple[str, ...] | None:
    """The bands to read if some are requested: these, and those that the detector uses; None for all."""
    return None if bands is None else tuple(dict.fromkeys((*bands, *SIX_BANDS)))


def usable_bands(bands: Collection[str]) -> tuple[str, ...]:
    """The bands that a network reads of those available: six, four, or none if nothing can be detected with them."""
    return next((read for read in (SIX_BANDS, FOUR_BANDS) if set(read) <= set(bands)), ())


def missing_bands(bands: Collection[str]) -> tuple[str, ...]:
    """The bands of `FOUR_BANDS` that the input lacks."""
    return tuple(name for name in FOUR_BANDS if name not in bands)


def grid_factor(pixel_metres: float) -> int:
    """Side of a pixel of the detector's grid in pixels of the scene, by the scene's pixel size: 1, 2, 4 or 8.

    4 for 10 m, 2 for 20 m, 1 for 60 m: a power of two, since cells of 8 x 8 pixels must hold whole detector pixels.
    """
    return min((1, 2, 4, 8), key=lambda count: abs(math.log(count * pixel_metres / PIXEL_METRES)))


def coarsen(reflectance: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Average (C, h, w) over blocks of `factor` x `factor` pixels, ignoring NaN; the last blocks may be cut."""
    height, width = reflectance.shape[1:]
    margins = ((0, 0), (0, -height % factor), (0, -width % factor))
    padded = np.pad(reflectance, margins, constant_values=np.nan) if np.any(margins) else reflectance
    valid = np.isfinite(padded)
    if valid.all():
        return _sums(padded, factor) / np.float32(factor**2)
    count = _sums(valid, factor)
    means = np.full(count.shape, np.nan, np.float32)
    np.divide(_sums(np.where(valid, padded, np.float32(0)), factor), count, out=means, where=count > 0)
    return means


def _sums(image: NDArray[Any], factor: int) -> NDArray[np.float32]:
    """Sum (C, h, w), whose sides are multiples of `factor`, over blocks of `factor` x `factor` pixels."""
    channels, height, width = image.shape
    # Along the columns first, whose neighbours lie far apart in memory: less is left to sum along the rows.
    rows = image.reshape(channels, height // factor, factor, width).sum(axis=2, dtype=np.float32)
    sums: NDArray[np.float32] = rows.reshape(channels, height // factor, width // factor, factor).sum(axis=3)
    return sums


class CloudShadowNetwork:
    """One of the package's networks.

    Attributes:
        bands: that it reads, in this order.
    """

    def __init__(self, bands: Collection[str], level: str, threads: int = 1) -> None:
        """Load the best network for the bands and level.

        Args:
            bands: of the input.
            level: "L1C" or "L2A".
            threads: windows that run at once; the result does not depend on it.

        Raises:
            InputError: if the bands do not suffice.
        """
        self.bands = usable_bands(bands)
        if not self.bands:
            given = ", ".join(sorted(bands, key=lambda name: INDEX.get(name, len(NAMES)))) or "none"
            raise InputError(
                f"clouds cannot be detected with the bands {given}: {', '.join(missing_bands(bands))} missing; "
                "add them or give a mask"
            )
        name = f"model_{len(self.bands)}b_{level.lower()}"
        folder = resources.files("ukis_csmask")
        description = json.loads(folder.joinpath(f"{name}.json").read_text())
        mean, deviation = description["data"]["dataset_statistics"]["img"]
        self._mean, self._deviation = (np.array(values, np.float32)[:, None, None] for values in (mean, deviation))
        options = onnxruntime.SessionOptions()
        # One thread per window: how a convolution is split among threads may change its last bits.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        # By its path: of a model given as bytes the session would keep a copy, of 40 MB.
        with resources.as_file(folder.joinpath(f"{name}.onnx")) as path:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._threads = threads

    def detect(self, read: Reader, height: int, width: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Detect over a grid of pixels of about `PIXEL_METRES`, from top to bottom.

        Args:
            read: reads windows of the grid, in `bands`.
            height: rows of the grid.
            width: columns of the grid.

        Returns:
            The first row of each strip, and the probabilities (2, rows, width) of cloud and of cloud shadow; 0 where
            there is no data. The strips follow each other and cover the grid.
        """
        return sliding_window(self._window, read, height, width, channels=2, threads=self._threads)

    def detect_patch(self, reflectance: NDArray[np.float32]) -> NDArray[np.float32]:
        """Detect in memory, as `detect`: (2, h, w) of `reflectance` (C, h, w), NaN where there is no data."""

        def read(row: int, column: int, height: int, width: int) -> NDArray[np.float32]:
            return reflectance[:, row : row + height, column : column + width]

        return np.concatenate([found for _, found in self.detect(read, *reflectance.shape[1:])], axis=1)

    def detect_small(self, reflectance: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
        """Detect in a small scene at two pixel sizes, as `detect`: (2, ceil(h / f), ceil(w / f)).

        Few pixels, mirrored to fill a window, mislead the network, seldom at both pixel sizes alike: the mean of the
        probabilities at `factor` and at half of it is taken.

        Args:
            reflectance: (C, h, w) of the scene's own pixels, NaN where there is no data.
            factor: f, side of a detector pixel in pixels of the scene, see `grid_factor`.
        """
        found = self.detect_patch(coarsen(reflectance, factor))
        if factor == 1:
            return found
        finer = coarsen(self.detect_patch(coarsen(reflectance, factor // 2)), 2)
        return np.asarray((found + finer) / 2, np.float32)

    def _window(self, reflectance: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities (2, 256, 256) of cloud and shadow in one window (C, 256, 256), some of which holds data."""
        valid = np.isfinite(reflectance).all(axis=0)
        x = (reflectance - self._mean) / self._deviation
        x[:, ~valid] = x[:, valid].mean(axis=1)[:, None]
        logits: NDArray[Any] = self._session.run(None, {"input": x[None]})[0][0]
        exponentials = np.exp(logits - logits.max(axis=0))
        return np.asarray(exponentials[1:] / exponentials.sum(axis=0), np.float32)
