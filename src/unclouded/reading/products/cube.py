"""NetCDF files and Zarr stores, a date at a time, through xarray: a variable per band, or a dimension of bands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import xarray as xr
from numpy.typing import NDArray

from unclouded.errors import FileError, InputError, UncloudedError
from unclouded.reading.files.raster import is_remote
from unclouded.reading.info import SceneInfo
from unclouded.reading.names.dates import parse_time
from unclouded.reading.products.array import ArrayScene
from unclouded.reading.products.array_dates import dates_along, dates_of
from unclouded.reading.products.cube_groups import classification_of, open_bands, refuse_groups
from unclouded.reading.products.folder import no_variants
from unclouded.reading.radiometry.fallback import FallbackRadiometry
from unclouded.reading.radiometry.series_radiometry import (
    completed_by_other_dates,
    days_without_offset,
    implies_no_offset,
    readable_infos,
)
from unclouded.reading.scene import Scene
from unclouded.reading.source import Wanted, cube_and_date, safe_stem, stem_of


class CubeScene(Scene):
    """An open NetCDF file or Zarr store, read window by window."""

    def __init__(self, scene: ArrayScene, path: str) -> None:
        self.info = scene.info
        self._scene, self._path = scene, path

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[Any]:
        """Read the window of DN (C, height, width); errors as of `Scene.read`."""
        try:
            return self._scene.read(row, column, height, width)
        except (OSError, RuntimeError) as error:
            raise FileError(
                f"{self.info.source}: rows {row} to {row + height} cannot be read ({error}); copy or download it again"
            ) from error

    def overview(self, bands: Sequence[str], height: int, width: int) -> NDArray[Any]:
        """Read bands (C, height, width) of the whole scene at a smaller size."""
        return self._scene.overview(bands, height, width)

    def with_bands(self, bands: Sequence[str]) -> None:
        """Give nothing: all of its bands are taken already."""

    @property
    def files(self) -> tuple[str, ...]:
        """Path of the file or store."""
        return (self._path,)

    def close(self) -> None:
        """Close the file."""
        self._scene.close()


def open_cube(
    path: str,
    wanted: Wanted,
    level: str | None,
    scale: float | None,
    offset: float | None,
    *,
    level_needed: bool,
    fallback: FallbackRadiometry | None = None,
) -> CubeScene:
    """Open a NetCDF file or Zarr store; the other arguments are those of `open_scene`.

    Raises:
        InputError: it holds several dates, no bands, no place on the ground, or what cannot be understood; or a
            variant is wanted.
        FileError: it is missing, damaged, or of a kind that needs another package.
    """
    if wanted.variant is not None:
        raise no_variants(path)
    file, date = cube_and_date(path) or (path, None)
    opened, taken = open_bands(file)

    def scene_at(
        date: str | None, level: str | None, offset: float | None = offset, notes: Sequence[str] = ()
    ) -> ArrayScene:
        return ArrayScene(
            _north_up(opened if date is None else _at(opened, date, file), opened),
            wanted.bands,
            level,
            scale,
            offset,
            band_names=wanted.band_names,
            name=path,
            level_needed=level_needed,
            fallback=fallback,
            notes=[*taken, *notes],
        )

    def others() -> Iterator[SceneInfo]:
        others = [] if date is None else [other for other in _dates(opened) if other != date]
        return readable_infos(lambda other: scene_at(other, level).info, others)

    try:
        refuse_groups(opened, path)
        scene = completed_by_other_dates(
            lambda *options: scene_at(date, *options),
            level,
            offset,
            lambda: next((info.level for info in others()), None),
            lambda: implies_no_offset(days_without_offset(others()), parse_time(date or "")),
        )
        if scene.info.crs is None or scene.info.transform.is_identity:
            raise InputError(f"{path}: does not say where it lies; write its CRS and coordinates, with rioxarray")
    except BaseException as error:
        opened.close()
        if isinstance(error, OSError | RuntimeError) and not isinstance(error, UncloudedError):
            raise FileError(f"{path}: its pixels cannot be read ({error}); copy or download it again") from error
        raise
    if taken:  # of groups
        scene.info = replace(scene.info, classification=classification_of(file))
    if date is not None:
        stem = f"{stem_of(file)}_{date.replace('-', '').replace(':', '')}"
        scene.info = replace(scene.info, stem=safe_stem(stem))
    return CubeScene(scene, file)


def dates_in(path: str) -> list[str]:
    """What to open for each date of a cube with several, "PATH@DATE"; for all else the path itself.

    Raises:
        InputError: it holds a date twice.
        FileError: as `open_cube`.
    """
    found = cube_and_date(path)
    if found is None or found[1] is not None or is_remote(path):
        return [path]
    with open_bands(found[0])[0] as opened:
        dim = dates_along(opened)
        if dim is None or opened.sizes[dim] < 2:
            return [path]
        dates = dates_of(opened, dim)
    if twice := [date for date, count in Counter(dates).items() if count > 1]:
        raise InputError(f"{path}: holds {twice[0]} more than once along {dim!r}; drop all but one of each date")
    return [f"{found[0]}@{date}" for date in dates]


def _north_up(array: xr.Dataset, opened: xr.Dataset) -> xr.Dataset:
    """An array with its rows from north to south, as in GeoTIFFs; closing it closes the dataset that it is part of."""
    down = next((dim for dim in array.dims if str(dim).lower() in ("y", "lat", "latitude")), None)
    if down is None or down not in array.coords or array.sizes[down] < 2 or not array[down][0] < array[down][-1]:
        return array
    flipped = array.isel({down: slice(None, None, -1)})
    flipped.set_close(opened.close)
    return flipped


def _at(opened: xr.Dataset, date: str, file: str) -> xr.Dataset:
    """One date of a cube."""
    dim, dates = dates_along(opened), _dates(opened)
    if date not in dates:
        listed = ", ".join(dates[:3]) + (", …" if len(dates) > 3 else "")
        raise InputError(f"{file}: holds no {date!r}; accepted after the @: {listed or 'nothing, it has no dates'}")
    assert dim is not None
    picked = opened.isel({dim: dates.index(date)})
    picked.set_close(opened.close)
    # Where the date is looked for.
    return picked if dim == "time" or dim not in picked.coords else picked.rename({dim: "time"})


def _dates(opened: xr.Dataset) -> list[str]:
    dim = dates_along(opened)
    return [] if dim is None else dates_of(opened, dim)
