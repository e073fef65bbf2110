"""Series in memory: every date of a cube cleared with the help of the others, as one `xarray.Dataset`."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from unclouded.clearing.detector.detection_cache import DetectionCache
from unclouded.clearing.inputs import ReferenceOpener
from unclouded.clearing.memory.arrays import LARGEST, clear_into, dataset
from unclouded.clearing.model import Model, caveats
from unclouded.clearing.options import MASK_AUTO, ClearOptions, ReferenceLimits
from unclouded.clearing.series import nearest_dates
from unclouded.errors import InputError, UnknownLevelError, UnknownOffsetError
from unclouded.files import QUALITY_BANDS
from unclouded.reading.grids.array_grid import pixel_centres
from unclouded.reading.grids.overlap import check_consistent
from unclouded.reading.info import Raster, SceneInfo
from unclouded.reading.mask import mask_as_file
from unclouded.reading.names.dates import acquired
from unclouded.reading.products.array import ArrayScene
from unclouded.reading.products.array_dates import dates_along, dates_of, time_stamp, times_of
from unclouded.reading.products.cube import dates_in
from unclouded.reading.radiometry.series_radiometry import (
    completed_by_other_dates,
    days_without_offset,
    implies_no_offset,
    readable_infos,
)
from unclouded.reading.reader import ReadOptions
from unclouded.reading.results import refuse_result
from unclouded.reflectance import valid_pixels
from unclouded.sources import FIRST_REFERENCE
from unclouded.tiles import Box


@dataclass(frozen=True)
class Series:
    """The dates of a place.

    Attributes:
        names: of the dates, in the order of the result.
        times: when each was taken, in UTC; None where nothing says it.
        open: opens a date by its name, as a context manager.
        reading: how those that are files are read.
        images: those that are arrays, by name.
        empty: names of those that are known to hold no data.
    """

    names: tuple[str, ...]
    times: tuple[datetime | None, ...]
    open: Callable[[str], Any]
    reading: ReadOptions
    images: Mapping[str, Raster] = field(default_factory=dict)
    empty: frozenset[str] = frozenset()


def series_of(source: Any, reading: ReadOptions, max_references: int) -> Series:  # noqa: ANN401 (whatever a user hands in)
    """Understand what holds the dates of a place: an array, a path of a cube, or paths.

    Up to `max_references` of them help to clear one.

    Raises:
        InputError: if it is none of it, or holds fewer than two dates.
        FileError: if a file cannot be read.
    """
    if isinstance(source, xr.DataArray | xr.Dataset):
        return series_of_array(source, reading, max_references + 1)
    paths = [source] if isinstance(source, str | os.PathLike) else source
    if not isinstance(paths, list | tuple) or not all(isinstance(path, str | os.PathLike) for path in paths):
        raise InputError(
            f"series: is a {type(source).__name__}; an xarray.DataArray or Dataset with an axis of time, the path of "
            "a NetCDF file or Zarr store, or a list of paths are accepted; put arrays together with xarray.concat"
        )
    made = series_of_files(paths, reading)
    if len(made.names) < 2:
        raise InputError(f"{', '.join(made.names) or 'series'}: a series needs at least two dates; for one take clear")
    return made


def series_of_files(paths: Sequence[str | os.PathLike[str]], reading: ReadOptions) -> Series:
    """Understand paths of dates, or of cubes of several.

    Raises:
        InputError: if one is not understood.
        FileError: if one cannot be read.
    """
    names = tuple(dict.fromkeys(date for path in paths for date in dates_in(os.fspath(path))))
    for name in names:
        refuse_result(name)
    try:
        times = _times(names, reading)
    except (UnknownLevelError, UnknownOffsetError):
        reading = reading.completed_by_other_dates(names)
        times = _times(names, reading)
    return Series(names, times, reading.open, reading)


def _times(names: Sequence[str], reading: ReadOptions) -> tuple[datetime | None, ...]:
    times = []
    for name in names:
        with reading.open(name) as scene:
            times.append(acquired(scene.info))
    return tuple(times)


class _Dates(Mapping[str, ArrayScene]):
    """The dates of an array by name, of which those that were last asked for stay in memory."""

    def __init__(self, names: Sequence[str], make: Callable[[int], ArrayScene], loaded: int) -> None:
        self._numbers = {name: number for number, name in enumerate(names)}
        self._made = lru_cache(maxsize=loaded)(make)

    def __getitem__(self, name: str) -> ArrayScene:
        return self._made(self._numbers[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


def series_of_array(array: xr.DataArray | xr.Dataset, reading: ReadOptions, loaded: int) -> Series:
    """Understand an array with an axis of dates; one in chunks is loaded date by date, up to `loaded` at once.

    Raises:
        InputError: if it has no such axis.
    """
    dim = dates_along(array)
    if dim is None or array.sizes[dim] < 2:
        there = dict(array.sizes)
        raise InputError(f"series: has the dimensions {there}; one of two dates or more is accepted, called time")
    dates = dates_of(array, dim)
    base = str(getattr(array, "name", None) or "array")
    names = tuple(f"{base} {number} ({date})" for number, date in enumerate(dates))
    times = tuple(times_of(array, dim))
    if dim in array.coords and not any(times) and not array[dim].isnull().all():
        warnings.warn(
            f"series: its {dim} ({array[dim].values[0]}, …) tells no dates, so that none is known; give datetime64",
            stacklevel=3,
        )

    def read(
        number: int, level: str | None = None, offset: float | None = reading.offset, notes: Sequence[str] = ()
    ) -> ArrayScene:
        one = array.isel({dim: number}).compute()
        one = one.rename({dim: "time"}) if dim != "time" and dim in one.coords else one
        arguments = (reading.bands, level, reading.scale, offset)
        return ArrayScene(one, *arguments, band_names=reading.band_names, name=names[number], notes=notes)

    def others() -> Iterator[SceneInfo]:
        return readable_infos(lambda number: read(number, reading.level).info, range(len(names)))

    @cache
    def level_of_others() -> str | None:
        # Dates of one array are of one level: the first known one is that of all.
        return next((info.level for info in others()), None)

    @cache
    def days() -> list[str]:
        return days_without_offset(others())

    def make(number: int) -> ArrayScene:
        return completed_by_other_dates(
            partial(read, number),
            reading.level,
            reading.offset,
            level_of_others,
            lambda: implies_no_offset(days(), times[number]),
        )

    images = _Dates(names, make, loaded)

    @contextmanager
    def opened(name: str) -> Iterator[ArrayScene]:
        yield images[name]

    empty = frozenset(name for name, there in zip(names, _holding_data(array, dim), strict=True) if not there)
    return Series(names, times, opened, reading, images, empty)


def _holding_data(array: xr.DataArray | xr.Dataset, dim: Hashable) -> NDArray[np.bool_]:
    """Which of the dates along `dim` hold numbers that are not NaN."""
    # Of values that are not numbers nothing tells what they are.
    known = array.to_array() if isinstance(array, xr.Dataset) else array
    held: NDArray[np.bool_] = known.notnull().any([other for other in known.dims if other != dim]).values
    return held


def clear_series_to_memory(
    series: Series,
    model: Model,
    options: ClearOptions,
    limits: ReferenceLimits,
    masks: Any = None,  # noqa: ANN401 (whatever a user hands in)
) -> xr.Dataset:
    """Clear every date with the help of the nearest others.

    Args:
        series: the dates.
        model: with which weights.
        options: see `ClearOptions`; its references are chosen for each date here.
        limits: of the choice of references.
        masks: one for each date, along the first axis or in a sequence; see `unclouded.clear`.

    Returns:
        `reflectance` (time, band, y, x), `opacity`, `uncertainty` and `source` (time, y, x) as of `dataset`, and
        `reference_time` (time, reference): which date the number `reference` in `source` means.

    Raises:
        InputError: if a date is not understood, or dates differ in grid, bands or level, or do not fit into memory.
        FileError: if a file cannot be read.
    """
    usable = {name: time for name, time in zip(series.names, series.times, strict=True) if name not in series.empty}
    if not usable:
        raise InputError(f"{series.names[0]} and the {len(series.names) - 1} others hold no data")
    given = _each(masks, series.times)
    helped = np.full((len(series.names), limits.max_references), np.datetime64("NaT", "ns"))
    layers: NDArray[np.float32] | None = None
    first: SceneInfo | None = None
    coords: Mapping[str, Any] = {}
    attributes: Mapping[str, Any] = {}
    reported: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        opener = ReferenceOpener(series.images, series.reading, DetectionCache(Path(folder)), assumptions_reported=True)
        for number, name in enumerate(series.names):
            if name in series.empty:
                warnings.warn(f"{name}: holds no data and is skipped", stacklevel=3)
                continue
            with series.open(name) as scene, ExitStack() as stack:
                info = scene.info.of_region()
                if first is None or layers is None:
                    first = info
                    coords, attributes = pixel_centres(first), {}
                    if isinstance(scene, ArrayScene):
                        coords, attributes = scene.coordinates, scene.attributes
                    layers = _room(len(series.names), first)
                check_consistent(info, first)
                for note in (*info.notes, *caveats(model.generator, info.level)):
                    if note not in reported:
                        warnings.warn(f"{name}: {note}", stacklevel=3)
                    reported.add(note)
                if not _holds_data(scene):
                    warnings.warn(f"{name}: holds no data and is skipped", stacklevel=3)
                    continue
                others = nearest_dates(name, usable, limits)
                own = _with_mask(replace(options, references=others), given(number), info, stack)
                helped[number, : len(others)] = [time_stamp(usable[other]) for other in others]
                _, notes = clear_into(layers[number], scene, model, own, opener)
                for note in notes:
                    if note not in reported:
                        warnings.warn(note, stacklevel=3)
                    reported.add(note)
    assert layers is not None and first is not None
    times = [time_stamp(time) for time in series.times]
    return _dataset(layers, first, coords, attributes, times, helped)


def _with_mask(options: ClearOptions, mask: Any, info: SceneInfo, stack: ExitStack) -> ClearOptions:  # noqa: ANN401
    """The options of a date with its own mask, whatever a user hands in; what must be closed goes to `stack`."""
    if mask is None:
        none = options.mask_file is None
        return options if none else replace(options, mask=MASK_AUTO, mask_classes=None, mask_only=False)
    if isinstance(mask, str | os.PathLike):
        return replace(options, mask=os.fspath(mask))
    return replace(options, mask=stack.enter_context(mask_as_file(mask, info)))


def _holds_data(scene: Raster) -> bool:
    """Whether any pixel of a scene, or of the part of it that is wanted, holds data."""
    info = scene.info
    box = Box(0, 0, info.height, info.width) if info.region is None else info.region.box
    return bool(valid_pixels(scene.read(box.row, box.column, box.height, box.width), info.encoding).any())


def _room(dates: int, info: SceneInfo) -> NDArray[np.float32]:
    """Room for the layers of all dates, without data."""
    count = len(info.bands)
    if 4 * dates * count * info.height * info.width > LARGEST:
        raise InputError(
            f"{dates} dates of {info.width} x {info.height} x {count} do not fit into {LARGEST // 2**30} GiB of "
            "memory; give files to `unclouded series --zarr` instead, or fewer dates"
        )
    return np.full((dates, count + len(QUALITY_BANDS), info.height, info.width), np.nan, np.float32)


def _each(masks: Any, times: Sequence[datetime | None]) -> Callable[[int], Any]:  # noqa: ANN401 (whatever a user hands in)
    """What gives the mask of a date by its number; None where it has none."""
    dates = len(times)
    if masks is None:
        return lambda number: None
    if isinstance(masks, xr.DataArray):
        dim = dates_along(masks)
        mask_times = () if dim is None else times_of(masks, dim)
        masks = [masks.isel({dim: number}) for number in _numbers_by_date(mask_times, times)]
    if not isinstance(masks, list | tuple | np.ndarray) or len(masks) != dates:
        found = f"{len(masks)} of them" if hasattr(masks, "__len__") else f"a {type(masks).__name__}"
        raise InputError(f"mask: is {found}; one for each of the {dates} dates is accepted, None where there is none")
    return masks.__getitem__


def _numbers_by_date(mask_times: Sequence[datetime | None], times: Sequence[datetime | None]) -> Sequence[int]:
    """Which of the masks of some dates is that of each date of a series: by time or day, else in the order they have.

    Raises:
        InputError: they are of other dates.
    """
    theirs, ours = [time for time in mask_times if time], [time for time in times if time]
    if len(theirs) < len(mask_times) or len(ours) < len(times) or len(theirs) != len(ours):
        return range(len(mask_times))
    for form in ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"):
        there, wanted = ([time.strftime(form) for time in known] for known in (theirs, ours))
        if there == wanted:
            return range(len(mask_times))
        if set(there) == set(wanted) and len(set(wanted)) == len(wanted):
            return [there.index(when) for when in wanted]
    other = next((time for time in theirs if time not in ours), theirs[0])
    raise InputError(
        f"mask: is of other dates than the series (of {other:%Y-%m-%d %H:%M:%S}, for one); one for each of the "
        f"{len(times)} dates is accepted, of the same times"
    )


def _dataset(
    layers: NDArray[np.float32],
    info: SceneInfo,
    coords: Mapping[str, Any],
    attributes: Mapping[str, Any],
    times: Sequence[np.datetime64],
    helped: NDArray[np.datetime64],
) -> xr.Dataset:
    """Name the layers (T, C + 3, H, W) of a series."""
    one = dataset(layers[0], info, {name: kept for name, kept in coords.items() if name != "time"}, attributes)
    count = len(info.bands)
    parts: dict[str, Any] = {"reflectance": layers[:, :count]}
    parts |= {name: layers[:, count + position] for position, name in enumerate(QUALITY_BANDS)}
    made = xr.Dataset(coords=one.coords, attrs=one.attrs)
    for name, values in parts.items():
        like = one[name]
        made[name] = xr.Variable(("time", *like.dims), values, like.attrs, like.encoding)
    made = made.assign_coords(reference=FIRST_REFERENCE + np.arange(helped.shape[1]))
    made["reference_time"] = (("time", "reference"), helped)
    return made if np.isnat(times).all() else made.assign_coords(time=np.array(times))
