"""NetCDF files and Zarr stores of one date, through xarray: a variable per band, or one with a dimension of bands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xarray as xr
from numpy.typing import NDArray

from unclouded.errors import FileError, InputError
from unclouded.reading.array import ArrayScene, as_array
from unclouded.reading.reader import Scene


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
    bands: Sequence[str] | None,
    level: str | None,
    scale: float | None,
    offset: float | None,
    *,
    level_needed: bool,
) -> CubeScene:
    """Open a NetCDF file or Zarr store; the arguments are those of `open_scene`.

    Raises:
        InputError: it holds several dates, no bands, no place on the ground, or what cannot be understood.
        FileError: it is missing, damaged, or of a kind that needs another package.
    """
    if not Path(path).exists():
        raise FileError(f"{path}: no such file or folder; check the path")
    kind = "zarr" if path.rstrip("/").lower().endswith(".zarr") else None
    try:
        # Values as stored: scale, offset and no-data are then found where they are for other files.
        opened = xr.open_dataset(path, engine=kind, mask_and_scale=False, decode_coords="all")
    except (ValueError, ImportError) as error:
        needed = "zarr" if kind else "h5netcdf and h5py"
        raise FileError(
            f"{path}: cannot be opened ({str(error).splitlines()[0]}); check it, or install {needed} where that lacks"
        ) from error
    except (OSError, RuntimeError, KeyError, AttributeError, TypeError) as error:
        raise FileError(f"{path}: cannot be opened ({error}): damaged or no cube; download it again") from error
    try:
        array, notes = as_array(opened, path)
        down = next((dim for dim in array.dims if str(dim).lower() in ("y", "lat", "latitude")), None)
        if down is not None and down in array.coords and array.sizes[down] > 1 and array[down][0] < array[down][-1]:
            array = array.isel({down: slice(None, None, -1)})  # north up, as GeoTIFFs are
        array.set_close(opened.close)
        scene = ArrayScene(array, bands, level, scale, offset, name=path, level_needed=level_needed, notes=notes)
        if scene.info.crs is None or scene.info.transform.is_identity:
            raise InputError(f"{path}: does not say where it lies; write its CRS and coordinates, with rioxarray")
    except BaseException:
        opened.close()
        raise
    return CubeScene(scene, path)
