"""Cut a scene into tiles whose cores cover it once and whose surroundings overlap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


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

    def within(self, outer: Box) -> Box:
        """The same rectangle counted from the corner of `outer`."""
        return Box(self.row - outer.row, self.column - outer.column, self.height, self.width)


@dataclass(frozen=True)
class Tile:
    """A part of the scene to work on.

    Attributes:
        core: what this tile answers for; the cores of all tiles cover the scene once.
        outer: the core and the margin around it, as far as the scene goes.
    """

    core: Box
    outer: Box


def cut(
    height: int, width: int, *, size: int, margin: int = 0, step: int = 1, offset: tuple[int, int] = (0, 0)
) -> Iterator[Tile]:
    """Cut a grid of `height` x `width` into tiles, row by row.

    Args:
        height: rows of the grid.
        width: columns of the grid.
        size: side of the cores; those at the edges may be smaller.
        margin: seen around each core.
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
