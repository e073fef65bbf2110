"""What one pass over a scene and its references leaves in memory: means of cells, and a sample of clear pixels.

Everything that is fitted later is fitted to these two. They come in pieces, one for each block of the scene, so that
blocks can be read anywhere and in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unclouded.bands import INDEX
from unclouded.tiles import Box, cut

Float32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

BLOCK, ROWS = 1024, 512
"""Pixels along the blocks of the first pass, and rows of them that are in memory at once; cells divide both."""
_CELLS = ((512, 2), (2048, 4), (6144, 8))
_LARGEST_CELL = 16
_SAMPLE = 50_000
_HIDDEN_SAMPLE = 6_000
_USUAL = (0.001, 0.999)
_MARGIN = 0.25


@dataclass(frozen=True)
class Reference:
    """What is known of a reference before it is read.

    Attributes:
        name: how messages call it.
        bands: names of its bands, in the order of its arrays.
        days: from the scene to the reference, negative before; None if a date is not known.
    """

    name: str
    bands: tuple[str, ...]
    days: float | None = None


@dataclass(frozen=True)
class Layout:
    """The grid of a scene, its bands and its references.

    Attributes:
        height, width: of the scene in pixels.
        bands: names of the scene's bands.
        references: in the order in which their arrays are given.
    """

    height: int
    width: int
    bands: tuple[str, ...]
    references: tuple[Reference, ...]

    @property
    def cell(self) -> int:
        """Pixels on a side of the cells: 8, in small scenes fewer, in the largest 16, which bounds memory."""
        side = (self.height * self.width) ** 0.5
        return next((cell for most, cell in _CELLS if side <= most), _LARGEST_CELL)

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of the grid of cells."""
        return -(-self.height // self.cell), -(-self.width // self.cell)

    @property
    def stride(self) -> int:
        """Pixels between neighbours in the sample."""
        return self._stride(_SAMPLE)

    @property
    def hidden_stride(self) -> int:
        """Pixels between neighbours in the sample of what the scene does not show."""
        return self._stride(_HIDDEN_SAMPLE)

    def _stride(self, most: int) -> int:
        return max(1, int(np.ceil((self.height * self.width / most) ** 0.5)))

    def channels(self, reference: int) -> slice:
        """Where the bands of a reference lie among all channels: the scene's first, then those of each reference."""
        start = len(self.bands) + sum(len(r.bands) for r in self.references[:reference])
        return slice(start, start + len(self.references[reference].bands))

    def shortest(self, reference: int) -> tuple[int, int] | None:
        """Of the bands that a reference shares with the scene that of shortest wavelength: its place in either.

        In it snow and cloud differ most from ground. B01 counts last, for its coarse pixels; None without any.
        """
        theirs = self.references[reference].bands
        common = [band for band in self.bands if band in theirs]
        if not common:
            return None
        name = min(common, key=lambda band: (band == "B01", INDEX[band]))
        return self.bands.index(name), theirs.index(name)

    @property
    def channel_count(self) -> int:
        """All bands of the scene and the references."""
        return len(self.bands) + sum(len(r.bands) for r in self.references)


@dataclass(frozen=True)
class Statistics:
    """What is kept of a block of the scene, or of all blocks as one, samples in the order of the blocks.

    Attributes:
        layout: of the whole scene.
        row, column: of the first cell; 0 for the scene.
        clear: (h, w) pixels of each cell that the scene shows clear.
        means: (channels, h, w) over those pixels.
        agree: (K, h, w) whether the reference is clear at all of those pixels.
        peak: (K, h, w) the largest of those pixels of the reference in the band `Layout.shortest`; 0 without one.
        visible: (K, h, w) share of all pixels of the cell at which the reference is clear.
        covered: (h, w) share of the cell's pixels that the scene does not show.
        samples: (n, channels) clear pixels of the scene.
        position: (n, 2) row and column of the samples.
        sample_visible: (n, K) where the reference is clear too.
        hidden: (m, channels) pixels that will be asked for, of which the references alone tell: the scene's are 0.
        hidden_visible: (m, K) where the reference is clear.
    """

    layout: Layout
    row: int
    column: int
    clear: Float32
    means: Float32
    agree: Mask
    peak: Float32
    visible: Float32
    covered: Float32
    samples: Float32
    position: NDArray[np.int32]
    sample_visible: Mask
    hidden: Float32
    hidden_visible: Mask

    @property
    def limits(self) -> Float32:
        """(2, C) darkest and brightest that ground is believed to be, from what the scene shows clear, and a margin."""
        own = self.samples[:, : len(self.layout.bands)]
        low, high = np.quantile(own, _USUAL, axis=0)
        margin = _MARGIN * (high - low)
        return np.stack([low - margin, high + margin]).astype(np.float32)


def blocks(height: int, width: int) -> Iterator[Box]:
    """Cut a scene into what is read at once for `block_statistics`: blocks, of which the upper rows come first."""
    for tile in cut(height, width, size=BLOCK):
        block = tile.inner
        for row in range(block.row, block.bottom, ROWS):
            yield Box(row, block.column, min(ROWS, block.bottom - row), block.width)


def block_statistics(
    layout: Layout,
    row: int,
    column: int,
    scene: Float32,
    clear: Mask,
    references: Sequence[Float32],
    references_clear: Sequence[Mask],
    fill: Mask | None = None,
) -> Statistics:
    """Take from a block what the fit needs.

    Args:
        layout: of the whole scene.
        row: of the block's first pixel, a multiple of `ROWS`.
        column: of the block's first pixel, a multiple of `BLOCK`.
        scene: (C, h, w) reflectance.
        clear: (h, w) where the scene shows the ground: neither cloud nor shadow nor without data.
        references: reflectance (C_k, h, w) of each, on the scene's grid.
        references_clear: (h, w) of each, likewise; false outside the reference.
        fill: (h, w) pixels that will be asked for; those that are not clear, if None.
    """
    cell, fill = layout.cell, ~clear if fill is None else fill
    visible = _visible(references, references_clear, clear.shape)
    pixels = _cell_sums(np.ones(clear.shape, np.bool_), cell)
    count = _cell_sums(clear, cell)
    weights = [clear, *(clear & shown for shown in visible)]
    owners = [0] * len(scene) + [k + 1 for k, image in enumerate(references) for _ in image]
    everything = [band for image in (scene, *references) for band in image]
    # Where a reference shows only part of a cell's clear pixels, its mean is not that of the scene's: `agree` says so.
    means = np.stack([_cell_sums(b, cell, weights[k]) for b, k in zip(everything, owners, strict=True)])
    means /= np.maximum(count, 1)

    rows, columns, samples = _sample(clear, row, column, layout.stride, everything)
    position = np.stack([rows + row, columns + column], axis=1).astype(np.int32)
    sample_visible = _without_invisible(samples, visible[:, rows, columns], layout)
    rows, columns, hidden = _sample(fill & ~clear, row, column, layout.hidden_stride, everything)
    hidden[:, : len(scene)] = 0
    hidden_visible = _without_invisible(hidden, visible[:, rows, columns], layout)
    return Statistics(
        layout,
        row // cell,
        column // cell,
        count,
        means,
        _each_cell_sums([clear & shown for shown in visible], count, cell) == count,
        _peaks(layout, references, weights[1:], count),
        _each_cell_sums(visible, count, cell) / pixels,
        _cell_sums(fill, cell) / pixels,
        samples,
        position,
        sample_visible,
        hidden,
        hidden_visible,
    )


def _visible(references: Sequence[Float32], clear: Sequence[Mask], shape: tuple[int, ...]) -> Mask:
    """Where (K, h, w) each of the references is clear and holds data in all of its bands."""
    visible = np.zeros((len(references), *shape), np.bool_)
    for shown, image, where in zip(visible, references, clear, strict=True):
        np.copyto(shown, where)
        for band in image:
            shown &= np.isfinite(band)
    return visible


def _without_invisible(samples: Float32, visible: Mask, layout: Layout) -> Mask:
    """Set samples (n, channels) to 0, in place, where a reference is not visible (K, n); return that as (n, K)."""
    for k, shown in enumerate(visible):
        samples[~shown, layout.channels(k)] = 0
    return visible.T.copy()


def _sample(
    of: Mask, row: int, column: int, stride: int, bands: Sequence[Float32]
) -> tuple[NDArray[np.intp], NDArray[np.intp], Float32]:
    """Rows and columns in a block of every so many pixels of a mask (h, w), and what the bands (h, w) hold there."""
    first = -row % stride, -column % stride
    rows, columns = np.nonzero(of[first[0] :: stride, first[1] :: stride])
    rows, columns = first[0] + stride * rows, first[1] + stride * columns
    return rows, columns, np.stack([b[rows, columns] for b in bands], axis=1).astype(np.float32, copy=False)


def _each_cell_sums(values: Iterable[Mask], like: Float32, cell: int) -> Float32:
    return np.array([_cell_sums(v, cell) for v in values], np.float32).reshape(-1, *like.shape)


def _peaks(layout: Layout, references: Sequence[Float32], weights: Sequence[Mask], like: Float32) -> Float32:
    peaks = np.zeros((len(references), *like.shape), np.float32)
    for k, (image, shown) in enumerate(zip(references, weights, strict=True)):
        if (shortest := layout.shortest(k)) is not None:
            values = np.where(shown, image[shortest[1]], np.float32(0))
            rows = np.maximum.reduceat(values, np.arange(0, values.shape[0], layout.cell), axis=0)
            peaks[k] = np.maximum.reduceat(rows, np.arange(0, values.shape[1], layout.cell), axis=1)
    return peaks


def _cell_sums(values: NDArray[np.generic], cell: int, where: Mask | None = None) -> Float32:
    """Sums (ceil(h / cell), ceil(w / cell)) over cells of values (h, w), of those alone that `where` says."""
    height, width = values.shape
    counted = values.view(np.uint8) if values.dtype == np.bool_ else values
    if where is not None:
        counted = np.where(where, counted, np.float32(0))
    kind = np.uint8 if values.dtype == np.bool_ else np.float32
    whole = height - height % cell
    rows = [counted[:whole].reshape(-1, cell, width).sum(axis=1, dtype=kind)]
    if whole < height:
        rows.append(counted[whole:].sum(axis=0, dtype=kind)[None])
    sums: Float32 = np.add.reduceat(np.concatenate(rows), np.arange(0, width, cell), axis=1, dtype=np.float32)
    return sums


def merge(layout: Layout, pieces: Iterable[Statistics]) -> Statistics:
    """Put the pieces together; they may come in any order, the answer is the same."""
    height, width = layout.cells
    count = len(layout.references)
    clear = np.zeros((height, width), np.float32)
    means = np.zeros((layout.channel_count, height, width), np.float32)
    agree = np.zeros((count, height, width), np.bool_)
    peak = np.zeros((count, height, width), np.float32)
    visible = np.zeros((count, height, width), np.float32)
    covered = np.zeros((height, width), np.float32)
    sampled: dict[tuple[int, int], tuple[NDArray[Any], ...]] = {}
    for block in pieces:
        here = np.s_[
            ..., block.row : block.row + block.clear.shape[0], block.column : block.column + block.clear.shape[1]
        ]
        clear[here], means[here], agree[here] = block.clear, block.means, block.agree
        peak[here], visible[here], covered[here] = block.peak, block.visible, block.covered
        sampled[block.row, block.column] = (
            block.samples,
            block.position,
            block.sample_visible,
            block.hidden,
            block.hidden_visible,
        )
    # As whole blocks would be, for the order decides the last bits of what is fitted.
    order = sorted(sampled, key=lambda at: (at[0] * layout.cell // BLOCK, at[1], at[0]))
    samples = (np.concatenate(parts) for parts in zip(*(sampled[key] for key in order), strict=True))
    return Statistics(layout, 0, 0, clear, means, agree, peak, visible, covered, *samples)
