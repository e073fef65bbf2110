"""Sliding-window prediction of a network over a whole scene.

Windows of 256 pixels overlap by a fifth, are mirrored at the scene's edge and blended by a tapered cosine, as in
`ukis-csmask`. They are aligned to the scene's corner, so that the result does not depend on how the scene is tiled
otherwise; memory grows with the width of the scene alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray

WINDOW = 256
"""Pixels along a window."""

_STRIDE = 204
_OVERLAP = WINDOW - _STRIDE
_BEFORE = 51
"""Pixels by which the first window starts before the scene's corner."""

Reader = Callable[[int, int, int, int], NDArray[np.float32]]
"""Gives reflectance (C, height, width) from a row and column on, NaN where there is no data."""

Predictor = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Gives values (K, 256, 256), 0 to 1, of a window of reflectance (C, 256, 256), NaN where there is no data."""


def sliding_window(
    predict: Predictor, read: Reader, height: int, width: int, *, channels: int, threads: int
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Predict over a grid, from top to bottom.

    Args:
        predict: of one window that holds some data.
        read: reads windows of the grid.
        height: rows of the grid.
        width: columns of the grid.
        channels: K, of a prediction.
        threads: windows that run at once; the result does not depend on it.

    Yields:
        The first row of a strip, and the prediction (K, rows, width); 0 where there is no data. The strips follow each
        other and cover the grid, the same for every network.
    """
    taper = _taper()
    columns = range(-_BEFORE, width, _STRIDE)
    below = np.zeros((channels, _OVERLAP, width), np.float32)
    with ThreadPoolExecutor(threads) as pool:
        for top in range(-_BEFORE, height, _STRIDE):
            strip = np.zeros((channels, WINDOW, width), np.float32)
            strip[:, :_OVERLAP] = below
            valid = np.zeros((WINDOW, width), np.bool_)
            windows = pool.map(partial(_window, predict, read, height, width, channels, top), columns)
            for left, (predicted, with_data) in zip(columns, windows, strict=True):
                inside = slice(max(left, 0), min(left + WINDOW, width))
                part = slice(inside.start - left, inside.stop - left)
                strip[:, :, inside] += (predicted * taper * taper[:, None])[:, :, part]
                valid[:, inside] = with_data[:, part]
            below = strip[:, _STRIDE:]
            rows = slice(max(-top, 0), min(_STRIDE, height - top))
            yield top + rows.start, np.clip(strip[:, rows], 0, 1) * valid[rows]


def _window(
    predict: Predictor, read: Reader, height: int, width: int, channels: int, top: int, left: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The prediction (K, 256, 256) of one window, and which of its pixels (256, 256) hold data."""
    rows, columns = _mirrored(top, height), _mirrored(left, width)
    first, second = rows.min(), columns.min()
    image = read(int(first), int(second), int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1)
    x = image[:, (rows - first)[:, None], columns - second]
    valid = np.asarray(np.isfinite(x).all(axis=0))
    return predict(x) if valid.any() else np.zeros((channels, WINDOW, WINDOW), np.float32), valid


def _mirrored(start: int, length: int) -> NDArray[np.intp]:
    """Positions of a window's pixels along a line of `length` pixels that is mirrored at its ends."""
    positions = np.arange(start, start + WINDOW) % (2 * length)
    return np.where(positions < length, positions, 2 * length - 1 - positions)


def _taper() -> NDArray[np.float32]:
    """Weights along a window: windows that overlap by a fifth add up to one (scipy's `tukey(256, 0.4)`)."""
    rise = 0.5 - 0.5 * np.cos(np.pi * np.arange(_OVERLAP) / (_OVERLAP - 1))
    return np.concatenate([rise, np.ones(WINDOW - 2 * _OVERLAP), rise[::-1]]).astype(np.float32)
