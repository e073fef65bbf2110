"""Temporal composites of a cleared series, with observed and filled pixels weighted by their uncertainty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from unclouded.composites.dates import DateWindow, open_dates
from unclouded.composites.vegetation import ndvi_of
from unclouded.files import aside, publish
from unclouded.progress import Progress, silent
from unclouded.reading.reader import ReadOptions
from unclouded.reading.results import TAG
from unclouded.reflectance import Encoding, nothing
from unclouded.tiles import Box
from unclouded.writing.writer import BLOCK, Profile, StripWriter, write_cog

Kind = Literal["median", "best", "NDVI-max"]
KINDS: tuple[Kind, ...] = get_args(Kind)

DAYS = ("observed", "filled")
"""Bands of the file beside a composite: number of dates on which a pixel was observed, and filled."""

_OF_OBSERVED = 0.02
"""Error of an observed pixel in reflectance, by differences in atmosphere and illumination between dates."""

_BUDGET = 2**28
"""Bytes of reflectance of all dates in memory at a time, approximately."""


def composite_path(folder: Path, kind: Kind) -> Path:
    """Path of the composite of a series."""
    return folder / f"composite_{kind.lower()}.tif"


def days_path(composite: Path) -> Path:
    """Path of the file with the numbers of dates of a composite."""
    return composite.with_name(f"{composite.stem}_days.tif")


def write_composite(
    folder: Path, outputs: Sequence[Path], kind: Kind, reading: ReadOptions, progress: Progress = silent
) -> Path:
    """Write the composite of the results of a series as a COG, and the numbers of dates beside it.

    Pixels are weighted by 1 / (0.02² + u²), where u is the uncertainty in reflectance, 0 for observed pixels. "median"
    is the weighted median of each band; "best" all bands of the date with the least distance of its spectrum to that
    median plus uncertainty; "NDVI-max" all bands of the date with the largest NDVI minus its expected error.

    Args:
        folder: of the composite.
        outputs: cleared files, with their quality beside them.
        kind: of composite.
        reading: options for what the items do not state.
        progress: by pixels, see `Progress`.

    Returns:
        Path of the composite.

    Raises:
        InputError: the dates are not on one grid, or lack the bands of NDVI.
        FileError: a file is damaged, or the composite cannot be written.
        OutputExistsError: another run is writing it.
    """
    path = composite_path(folder, kind)
    with open_dates(outputs, reading) as dates, aside(path) as place:
        info = dates[0].info
        bands, whole = info.bands, Box(0, 0, info.height, info.width)
        profile = Profile(
            width=info.width,
            height=info.height,
            crs=info.crs,
            transform=info.transform,
            dtype=info.dtype,
            nodata=info.encoding.nodata,
            descriptions=info.descriptions,
            scales=info.scales,
            offsets=info.gdal_offsets,
            tags={TAG: f"composite {kind} of {len(dates)} dates"},
        )
        days = Profile(info.width, info.height, info.crs, info.transform, np.dtype(np.uint16), None, DAYS)
        images = StripWriter(place / "image.tif", profile, whole, str(path))
        counts = StripWriter(place / "counts.tif", days, whole, str(path))
        try:
            for box in _boxes(info.height, info.width, len(dates) * len(bands)):
                windows = [date.read(box) for date in dates]
                images.write(box, _dn(_CHOICES[kind](windows, bands), info.encoding, info.dtype))
                counts.write(box, _counts(windows))
                progress("combining", box.bottom * info.width, info.height * info.width)
            finished = {
                place / path.name: (profile, images.finish(), path),
                place / days_path(path).name: (days, counts.finish(), days_path(path)),
            }
        finally:
            images.close()
            counts.close()
        for file, (layout, strip, name) in finished.items():
            write_cog(file, layout, [strip], str(name))
        publish({file: name for file, (_, _, name) in finished.items()})
    return path


def weighted_median(values: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """The (lower) weighted median (C, h, w) over dates; NaN where all weights are 0.

    Args:
        values: (T, C, h, w), may be NaN where the weight is 0.
        weights: (T, h, w), not negative.
    """
    order = np.argsort(values, axis=0)
    cumulative = np.take_along_axis(np.broadcast_to(weights[:, None], values.shape), order, axis=0).cumsum(axis=0)
    # The first value whose cumulative weight is at least half of the total.
    place = (cumulative >= cumulative[-1:] / 2).argmax(axis=0)
    median = np.take_along_axis(np.take_along_axis(values, order, axis=0), place[None], axis=0)[0]
    return np.where(cumulative[-1] > 0, median, np.float32(np.nan)).astype(np.float32)


def _boxes(height: int, width: int, layers: int) -> list[Box]:
    rows = max(1, _BUDGET // (4 * layers * width))
    rows = rows // BLOCK * BLOCK or rows
    return [Box(row, 0, min(rows, height - row), width) for row in range(0, height, rows)]


def _median(windows: Sequence[DateWindow], bands: Sequence[str]) -> NDArray[np.float32]:
    del bands
    return weighted_median(np.stack([one.reflectance for one in windows]), _weights(windows))


def _best(windows: Sequence[DateWindow], bands: Sequence[str]) -> NDArray[np.float32]:
    median = _median(windows, bands)
    cost = np.stack([np.abs(one.reflectance - median).mean(axis=0) + one.uncertainty for one in windows])
    return _of_least_cost(windows, cost)


def _greenest(windows: Sequence[DateWindow], bands: Sequence[str]) -> NDArray[np.float32]:
    green = [ndvi_of(one, bands) for one in windows]
    return _of_least_cost(windows, np.stack([error - ndvi for ndvi, error in green]))


def _of_least_cost(windows: Sequence[DateWindow], cost: NDArray[np.float32]) -> NDArray[np.float32]:
    """For each pixel all bands (C, h, w) of the date of least cost (T, h, w); NaN where no cost is finite."""
    cost = np.where(np.isfinite(cost), cost, np.float32(np.inf))
    chosen = cost.argmin(axis=0)
    found = np.take_along_axis(np.stack([one.reflectance for one in windows]), chosen[None, None], axis=0)[0]
    return np.where(np.isfinite(cost.min(axis=0)), found, np.float32(np.nan)).astype(np.float32)


_CHOICES: dict[Kind, Callable[[Sequence[DateWindow], Sequence[str]], NDArray[np.float32]]] = {
    "median": _median,
    "best": _best,
    "NDVI-max": _greenest,
}


def _weights(windows: Sequence[DateWindow]) -> NDArray[np.float32]:
    errors = np.stack([one.uncertainty for one in windows])
    return np.nan_to_num(1 / (_OF_OBSERVED**2 + errors**2)).astype(np.float32)


def _counts(windows: Sequence[DateWindow]) -> NDArray[np.uint16]:
    observed = sum(one.observed.astype(np.uint16) for one in windows)
    filled = sum((np.isfinite(one.uncertainty) & ~one.observed).astype(np.uint16) for one in windows)
    return np.stack([observed, filled]).astype(np.uint16)


def _dn(reflectance: NDArray[np.float32], encoding: Encoding, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
    """DN in the encoding of the inputs; pixels with data never get the DN of no data."""
    offsets = np.array(encoding.offsets, np.float32)[:, None, None]
    dn = reflectance * np.float32(encoding.scale) - offsets
    empty = nothing(dtype, encoding.nodata)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype.name)
        dn = np.clip(np.rint(dn), limits.min, limits.max)
        dn = np.where(dn == empty, empty + 1 if empty < limits.max else empty - 1, dn)
    out: NDArray[np.generic] = np.where(np.isfinite(reflectance), dn, empty).astype(dtype)
    return out
