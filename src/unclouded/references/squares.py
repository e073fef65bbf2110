"""Windows predicted in squares that lie on the scene's grid, so that pixels are the same however windows are cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unclouded.references.statistics import Layout

Float32 = NDArray[np.float32]
Float16 = NDArray[np.float16]
Mask = NDArray[np.bool_]

SIDE = 64
"""Pixels along a square."""


@dataclass(frozen=True)
class Ground:
    """Predicted ground of a window.

    Attributes:
        reflectance: (C, h, w); 0 where none was asked for.
        error: (h, w) the mean absolute error over the bands that is to be expected.
        source: (h, w) -1 where none was asked for or the fill from the scene alone weighs most, else the reference.
        transferred: (h, w) the share that references have in it, 0 to 1.
        predicted_bands: (C,) which bands; the others are 0.
    """

    reflectance: Float32
    error: Float32
    source: NDArray[np.int16]
    transferred: Float32
    predicted_bands: Mask

    @classmethod
    def empty(cls, bands: int, height: int, width: int) -> Ground:
        """A window in which nothing is predicted yet, of all bands."""
        return cls(
            np.zeros((bands, height, width), np.float32),
            np.zeros((height, width), np.float32),
            np.full((height, width), -1, np.int16),
            np.zeros((height, width), np.float32),
            np.ones(bands, np.bool_),
        )

    def put(
        self,
        square: Square,
        take: Mask,
        reflectance: Float32,
        error: Float32,
        source: NDArray[np.int16],
        share: Float32,
    ) -> None:
        """Set the pixels of a square's part of the window that are wanted, `take`, from arrays (..., SIDE, SIDE)."""
        parts = ((self.reflectance, reflectance), (self.error, error), (self.source, source), (self.transferred, share))
        for target, values in parts:
            here = target[(..., *square.part)]
            here[...] = np.where(take, values[(..., *square.inside)], here)


class Prediction(Protocol):
    """What other dates say of the ground of a scene, window by window."""

    @property
    def needed(self) -> list[int]:
        """The references that are read."""

    @property
    def interval(self) -> float:
        """Half the width of the 90 % interval of a band of a pixel, as a multiple of `Ground.error`."""

    def predict(
        self,
        row: int,
        column: int,
        references: Sequence[Float32 | None],
        references_clear: Sequence[Mask | None],
        wanted: Mask,
    ) -> Ground:
        """Predict the pixels of a window that are wanted; each is the same however windows are cut.

        Args:
            row: of the window's first pixel.
            column: of the window's first pixel.
            references: reflectance (C_k, h, w) of each, as in the first pass; those not in `needed` are not read.
            references_clear: (h, w) of each.
            wanted: (h, w) pixels to predict.
        """


@dataclass(frozen=True)
class Square:
    """One square, always computed whole and with the same shapes, so that sums round alike.

    Attributes:
        top, left: its first pixel in the scene.
        part: rows and columns of the window that it holds.
        inside: where they lie in the square.
    """

    top: int
    left: int
    part: tuple[slice, slice]
    inside: tuple[slice, slice]

    def shown(
        self,
        layout: Layout,
        needed: Sequence[int],
        references: Sequence[Float32 | None],
        references_clear: Sequence[Mask | None],
    ) -> tuple[Float32, Float32]:
        """Its pixels (channels, SIDE, SIDE), 0 where not shown or not needed, and where they are (K, SIDE, SIDE).

        Raises:
            ValueError: if a reference that is needed was not given.
        """
        pixels = np.zeros((layout.channel_count, SIDE, SIDE), np.float32)
        visible = np.zeros((len(references), SIDE, SIDE), np.float32)
        for k in needed:
            image, clear = references[k], references_clear[k]
            if image is None or clear is None:
                raise ValueError(f"reference {k} is among those needed, {list(needed)}, and was not given")
            values = image[(slice(None), *self.part)]
            there = clear[self.part] & np.isfinite(values).all(axis=0)
            pixels[(layout.channels(k), *self.inside)] = np.where(there, values, np.float32(0))
            visible[(k, *self.inside)] = there
        return pixels, visible

    def enlarge(self, fields: Float16, cell: int) -> Float32:
        """Fields (F, h, w) on the grid of cells at the square's pixels (F, SIDE, SIDE), bilinear."""
        size = SIDE // cell + 2
        near: list[NDArray[np.intp]] = []
        for axis, start in ((1, self.top), (2, self.left)):
            near.append(np.clip(np.arange(size) + start // cell - 1, 0, fields.shape[axis] - 1))
        answer = fields[:, near[0][:, None], near[1]].astype(np.float32)
        hat = _hat(cell)
        enlarged: Float32 = np.asarray(hat @ answer @ hat.T, np.float32)
        return enlarged


@cache
def _hat(cell: int) -> Float32:
    """Weights (SIDE, cells) of the cells in which a square's pixels lie, and of one beside them on either side."""
    where = (np.arange(SIDE) + 0.5) / cell + 0.5
    hat: Float32 = np.maximum(0, 1 - abs(where[:, None] - np.arange(SIDE // cell + 2))).astype(np.float32)
    return hat


def squares(row: int, column: int, wanted: Mask) -> Iterator[tuple[Square, Mask]]:
    """The squares that hold wanted pixels of a window whose first pixel is given, and which of theirs are wanted."""
    height, width = wanted.shape
    for top in range(row - row % SIDE, row + height, SIDE):
        for left in range(column - column % SIDE, column + width, SIDE):
            rows = slice(max(top - row, 0), min(top + SIDE - row, height))
            columns = slice(max(left - column, 0), min(left + SIDE - column, width))
            take = wanted[rows, columns]
            if take.any():
                inside = (
                    slice(rows.start + row - top, rows.stop + row - top),
                    slice(columns.start + column - left, columns.stop + column - left),
                )
                yield Square(top, left, (rows, columns), inside), take


def fading(visible: Float32) -> Float32:
    """How far what a reference says counts, by the share of the cells around that it shows, 0.02 to 1.

    It fades towards the rim of what the reference shows, to leave no visible border.
    """
    return np.clip(2 * visible - 1, np.float32(0.02), 1)
