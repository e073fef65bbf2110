"""Cut a scene into tiles: without their padding they cover it once, with it they overlap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Box:
    """A rectangle of the scene's grid: rows `row` to `bottom`, columns `column` to `right` (both excluded)."""

    row: int
    column: int
    height: int
    width: int

    @property
    def bottom(self) -> int:
        """First row below the box."""
        return self.row + self.height

    @property
    def right(self) -> int:
        """First column right of the box."""
        return self.column + self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices of the box."""
        return slice(self.row, self.bottom), slice(self.column, self.right)

    def cells(self, side: int) -> tuple[slice, slice]:
        """Row and column slices of the cells, `side` pixels long, that the box touches."""
        return slice(self.row // side, -(-self.bottom // side)), slice(self.column // side, -(-self.right // side))

    def within(self, frame: Box) -> Box:
        """The same rectangle counted from the corner of `frame`."""
        return Box(self.row - frame.row, self.column - frame.column, self.height, self.width)

    def of(self, other: Box) -> Box:
        """The rectangle, of which row and column count from the corner of another, as that counts them."""
        return Box(self.row + other.row, self.column + other.column, self.height, self.width)

    def meets(self, other: Box) -> bool:
        """Whether the two have a pixel in common."""
        down = max(self.row, other.row) < min(self.bottom, other.bottom)
        return down and max(self.column, other.column) < min(self.right, other.right)

    def grown(self, margin: int, limit: Box) -> Box:
        """The rectangle and `margin` around it, as far as it lies in `limit`."""
        row, column = max(self.row - margin, limit.row), max(self.column - margin, limit.column)
        bottom, right = min(self.bottom + margin, limit.bottom), min(self.right + margin, limit.right)
        return Box(row, column, bottom - row, right - column)

    def shared(self, other: Box) -> Box:
        """The rectangle that lies in both; they meet."""
        row, column = max(self.row, other.row), max(self.column, other.column)
        return Box(row, column, min(self.bottom, other.bottom) - row, min(self.right, other.right) - column)

    def joined(self, other: Box) -> Box:
        """The smallest rectangle that holds both."""
        row, column = min(self.row, other.row), min(self.column, other.column)
        return Box(row, column, max(self.bottom, other.bottom) - row, max(self.right, other.right) - column)


@dataclass(frozen=True)
class Tile:
    """A crop of the scene to work on.

    Attributes:
        inner: what this tile answers for; the inner boxes of all tiles cover the scene once.
        padded: the inner box and the margin around it, as far as the scene goes.
    """

    inner: Box
    padded: Box


def narrow(tile: Tile, wanted: NDArray[np.bool_], cell: int, margin: int, step: int) -> Tile:
    """Reduce a tile to the rectangle of its inner box that holds all wanted cells.

    Args:
        tile: its inner box starts at a multiple of `cell`.
        wanted: (h, w) for each cell of the inner box, the last of which it may cut; at least one is True.
        cell: side of a cell in pixels.
        margin: of the crop's padding, as far as the tile's own reaches.
        step: the crop starts and ends at multiples of it from the inner box's corner, or at that box's end.
    """
    (top, bottom), (left, right) = (np.flatnonzero(wanted.any(axis=axis))[[0, -1]].tolist() for axis in (1, 0))
    row, column = (start * cell // step * step for start in (top, left))
    height, width = (-(-(last + 1) * cell // step) * step - first for first, last in ((row, bottom), (column, right)))
    inner = Box(tile.inner.row + row, tile.inner.column + column, height, width).grown(0, tile.inner)
    return Tile(inner, inner.grown(margin, tile.padded))


def divide(
    tile: Tile, wanted: NDArray[np.bool_], cell: int, margin: int, step: int, cost: Callable[[Tile], float]
) -> list[Tile]:
    """Reduce a tile to rectangles of its inner box that together hold all wanted cells, each once: see `narrow`.

    A rectangle is cut in two, and each half narrowed, where that costs least, as long as it costs less than before.

    Args:
        tile: as of `narrow`.
        wanted: likewise; with none there is no rectangle.
        cell: likewise.
        margin: likewise.
        step: likewise, a multiple of `cell`; cuts lie at multiples of it.
        cost: of a rectangle.
    """
    if not wanted.any():
        return []
    whole = narrow(tile, wanted, cell, margin, step)
    least, best = cost(whole), [(whole, wanted[whole.inner.within(tile.inner).cells(cell)])]
    for halves in _halves(*best[0], cell, step):
        narrowed = [(narrow(half, part, cell, margin, step), part, half) for half, part in halves if part.any()]
        together = sum(cost(piece) for piece, _, _ in narrowed)
        if together < least:
            least = together
            best = [(piece, part[piece.inner.within(half.inner).cells(cell)]) for piece, part, half in narrowed]
    if len(best) == 1:
        return [best[0][0]]
    return [piece for half, part in best for piece in divide(half, part, cell, margin, step, cost)]


def _halves(
    tile: Tile, wanted: NDArray[np.bool_], cell: int, step: int
) -> Iterator[tuple[tuple[Tile, NDArray[np.bool_]], tuple[Tile, NDArray[np.bool_]]]]:
    """The ways to cut a tile in two across rows or columns, and which cells of either half are wanted."""
    inner, along = tile.inner, step // cell
    for at in range(along, len(wanted), along):
        upper = Box(inner.row, inner.column, at * cell, inner.width)
        lower = Box(upper.bottom, inner.column, inner.bottom - upper.bottom, inner.width)
        yield (Tile(upper, tile.padded), wanted[:at]), (Tile(lower, tile.padded), wanted[at:])
    for at in range(along, wanted.shape[1], along):
        left = Box(inner.row, inner.column, inner.height, at * cell)
        right = Box(inner.row, left.right, inner.height, inner.right - left.right)
        yield (Tile(left, tile.padded), wanted[:, :at]), (Tile(right, tile.padded), wanted[:, at:])


def cut(
    height: int, width: int, *, size: int, margin: int = 0, step: int = 1, offset: tuple[int, int] = (0, 0)
) -> Iterator[Tile]:
    """Cut a grid of `height` x `width` into tiles, row by row.

    Args:
        height: rows of the grid.
        width: columns of the grid.
        size: side of the inner boxes; those at the edges may be smaller.
        margin: of the padding around each.
        step: every tile starts at a multiple of it; `size`, `margin` and `offset` are multiples of it.
        offset: rows and columns by which the tile grid starts before the scene's corner.

    Raises:
        ValueError: if a size is not positive, or not a multiple of `step`.
    """
    if min(height, width, size, step) < 1 or margin < 0:
        raise ValueError(f"{height=}, {width=}, {size=}, {step=} must be at least 1 and {margin=} at least 0")
    if any(value % step for value in (size, margin, *offset)):
        raise ValueError(f"{size=}, {margin=} and {offset=} must be multiples of {step=}")
    for top, bottom, above, below in _spans(height, size, margin, offset[0]):
        for left, right, before, after in _spans(width, size, margin, offset[1]):
            yield Tile(Box(top, left, bottom - top, right - left), Box(above, before, below - above, after - before))


def _spans(length: int, size: int, margin: int, offset: int) -> Iterator[tuple[int, int, int, int]]:
    for start in range(-(offset % size), length, size):
        first, last = max(start, 0), min(start + size, length)
        if first < last:
            yield first, last, max(first - margin, 0), min(last + margin, length)
