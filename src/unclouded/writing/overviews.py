"""Overviews of a raster, each made of the one before: half as long, as GDAL makes them, in a third of its time.

A pixel of an overview covers what its place on the ground covers: two pixels along a line, or a little more where their
number is odd.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader, DatasetWriter
from rasterio.windows import Window

Reduction = Literal["AVERAGE", "MODE", "NEAREST"]
"""How pixels become one: their mean, the value that most of them have, or one of them."""

_ROWS = 64
"""Rows of an overview that are made at once: what is made on the way to them stays in the processor's cache."""

_THREADS = 2
"""Bands that are worked on at once."""


class _Spans(NamedTuple):
    """Which pixels along a line become each pixel of an overview.

    Attributes:
        first: (n,) the first of them.
        weights: (n, k) how far each of k pixels from there on counts, 0 to 1.
    """

    first: NDArray[np.intp]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, length: int, count: int) -> _Spans:
        """Of a line of `length` pixels that become `count`."""
        edges = np.arange(count + 1) * (length / count)
        first, last = np.floor(edges[:-1] + 1e-8).astype(np.intp), np.ceil(edges[1:] - 1e-8).astype(np.intp)
        places = first[:, None] + np.arange((last - first).max())
        inside = np.minimum(places + 1, edges[1:, None]) - np.maximum(places, edges[:-1, None])
        return cls(first, inside.clip(0, 1))

    def part(self, start: int, stop: int) -> _Spans:
        """Those of some pixels of the overview, counted from the first pixel that they need."""
        return _Spans(self.first[start:stop] - self.first[start], self.weights[start:stop])

    @property
    def length(self) -> int:
        """Pixels that are needed, from the first one on."""
        last = int(self.first[-1])
        return last + int(np.count_nonzero(self.weights[-1]))


def sizes(height: int, width: int, least: int) -> Iterator[tuple[int, int]]:
    """Heights and widths of the overviews of a raster: down to where no side is longer than `least`."""
    while max(height, width) > least:
        height, width = max(height // 2, 1), max(width // 2, 1)
        yield height, width


def write_overview(source: DatasetReader, target: DatasetWriter, nodata: float | None, reduction: Reduction) -> None:
    """Fill a raster with the overview of another, whose pixels of `nodata` are left out; the sizes are of `sizes`."""
    down, across = _Spans.of(source.height, target.height), _Spans.of(source.width, target.width)
    with ThreadPoolExecutor(_THREADS) as threads:
        for top in range(0, target.height, _ROWS):
            rows = down.part(top, min(top + _ROWS, target.height))
            seen = source.read(window=Window(0, int(down.first[top]), source.width, rows.length))
            # What counts where all is data is the same in every band.
            whole = _sums(np.ones(seen.shape[1:], _kind(seen.dtype)), rows, across) if reduction == "AVERAGE" else None
            reduce = partial(_reduced, rows=rows, columns=across, nodata=nodata, reduction=reduction, whole=whole)
            made = list(threads.map(reduce, seen))
            target.write(np.stack(made), window=Window(0, top, target.width, len(rows.first)))


def _reduced(
    pixels: NDArray[Any],
    rows: _Spans,
    columns: _Spans,
    nodata: float | None,
    reduction: Reduction,
    whole: NDArray[Any] | None,
) -> NDArray[Any]:
    """Reduce a band (h, w); `whole` is how much counts for each pixel of its overview where all of the band is data."""
    if reduction == "NEAREST":
        return pixels[np.ix_(_nearest(rows), _nearest(columns))]
    valid = np.ones(pixels.shape, np.bool_)
    if nodata is not None:
        valid = ~np.isnan(pixels) if np.isnan(nodata) else pixels != pixels.dtype.type(nodata)
    made, there = (
        _mode(pixels, valid, rows, columns) if whole is None else _average(pixels, valid, rows, columns, whole)
    )
    return np.where(there, made, pixels.dtype.type(nodata or 0))


def _kind(dtype: np.dtype[Any]) -> type[np.floating]:
    """What pixels of a type are added up in: sums of numbers of 16 bits are exact in float32."""
    return np.float32 if dtype.itemsize <= 2 else np.float64


def _average(
    pixels: NDArray[Any], valid: NDArray[np.bool_], rows: _Spans, columns: _Spans, whole: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    kind = _kind(pixels.dtype)
    if valid.all():
        total, share = _sums(pixels.astype(kind), rows, columns), whole
    else:
        total, share = (_sums(image, rows, columns) for image in (np.where(valid, pixels, kind(0)), valid.astype(kind)))
    there = share > 0
    mean = np.divide(total, share, out=np.zeros_like(total), where=there)
    if pixels.dtype.kind in "iu":
        mean = np.floor(mean + kind(0.5))
    return mean.astype(pixels.dtype), there


def _sums(image: NDArray[Any], rows: _Spans, columns: _Spans) -> NDArray[Any]:
    """Weighted sums of an image (h, w) over the spans."""
    for axis, spans in enumerate((rows, columns)):
        total = image.dtype.type(0)
        for number, weight in enumerate(spans.weights.T.astype(image.dtype)):
            part = _neighbour(image, spans, axis, number)
            total = total + (part if (weight == 1).all() else part * np.expand_dims(weight, 1 - axis))
        image = total
    return image


def _mode(
    pixels: NDArray[Any], valid: NDArray[np.bool_], rows: _Spans, columns: _Spans
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The value of most pixels; of several, that which was counted so often first."""
    seen: list[tuple[NDArray[Any], NDArray[np.bool_]]] = []
    most = np.zeros((len(rows.first), len(columns.first)), np.uint8)
    made = np.zeros(most.shape, pixels.dtype)
    for down, weight in enumerate(rows.weights.T):
        for across, other in enumerate(columns.weights.T):
            value, there = (
                _neighbour(_neighbour(image, rows, 0, down), columns, 1, across) for image in (pixels, valid)
            )
            seen.append((value, there & (weight[:, None] > 0) & (other > 0)))
            count = sum((held & (before == value)).astype(np.uint8) for before, held in seen) * seen[-1][1]
            made = np.where(count > most, value, made)
            most = np.maximum(most, count)
    return made, most > 0


def _neighbour(image: NDArray[Any], spans: _Spans, axis: int, number: int) -> NDArray[Any]:
    """The pixel of each span that is that `number` from the first one on."""
    places = spans.first + number
    if (np.diff(places) == 2).all() and places[-1] < image.shape[axis]:
        # Evenly spaced, so that nothing need be copied.
        return image[(slice(None),) * axis + (slice(places[0], places[-1] + 1, 2),)]
    taken: NDArray[Any] = np.take(image, np.minimum(places, image.shape[axis] - 1), axis)
    return taken


def _nearest(spans: _Spans) -> NDArray[np.intp]:
    """The pixel at the beginning of each span."""
    return spans.first + (spans.weights[:, 0] <= 0.5)
