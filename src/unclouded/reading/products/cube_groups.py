"""NetCDF files and Zarr stores whose bands lie in groups, such as ESA's EOPF products: a group for each pixel size."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Hashable
from pathlib import Path

import numpy as np
import xarray as xr

from unclouded.bands import INDEX
from unclouded.errors import FileError, InputError
from unclouded.extras import how_to_install
from unclouded.reading.names.naming import band_named
from unclouded.reading.products.band_stack import refine

_FINEST, _COARSER = "r10m", ("r20m", "r60m")
"""What the groups of the bands of 10 m, and of 20 and 60 m, are called in ESA's EOPF products."""

_BANDS, _CLASSES = "measurements/reflectance", "conditions/mask/l2a_classification/r20m/scl"
"""Where those groups lie in these products, and the scene classification (SCL) at its own 20 m."""

_PLACE = "spatial_ref"
"""What rioxarray calls the variable that holds the reference system."""

_INSIDE = re.compile(r"(.+\.(?:nc4?|zarr))/((?:.+/)?[^/]+)", re.IGNORECASE)


def classification_of(path: str) -> str:
    """Where the scene classification of an EOPF product lies, as "PATH/GROUP/VARIABLE"; empty without one."""
    places = [group.rpartition("/")[0] for group in _groups(path) if group.rpartition("/")[2] == _FINEST]
    if len(places) != 1 or not places[0].endswith(_BANDS):
        return ""
    inside = places[0].removesuffix(_BANDS) + _CLASSES
    return f"{path.rstrip('/')}/{inside}" if _holds(path, inside) else ""


def in_groups(text: str) -> tuple[str, str, str] | None:
    """Path, group and variable of "PATH/GROUP/VARIABLE" in a NetCDF file or Zarr store; None of any other text."""
    found = _INSIDE.fullmatch(text)
    return found and (found[1], *found[2].rpartition("/")[::2])


def read_variable(path: str, group: str, variable: str) -> xr.DataArray:
    """Read a variable (y, x) of a group as it is stored, north up, with its coordinates.

    Raises:
        FileError: it is missing or damaged.
    """
    with _opened(path, group) as opened:
        try:
            values = opened[variable].load()
        except (OSError, RuntimeError, KeyError) as error:
            raise FileError(
                f"{path}/{group}/{variable}: cannot be read ({error}); copy or download it again"
            ) from error
    return values.sortby("y", ascending=False) if "y" in values.coords else values


def open_bands(path: str) -> tuple[xr.Dataset, list[str]]:
    """Open a file or store, and say which of its groups were taken: of EOPF products all, on the grid of 10 m.

    Raises:
        FileError: it is missing, damaged, or of a kind that needs another package.
    """
    opened = _opened(path, None)
    if opened.data_vars:
        return _in_band_order(opened) if _is_store(path) else opened, []
    groups = _groups(path)
    finest = [group for group in groups if group.rpartition("/")[2] == _FINEST]
    if len(finest) != 1:
        return opened, []
    opened.close()
    place = finest[0].rpartition("/")[0]
    coarser = [group for name in _COARSER if (group := f"{place}/{name}" if place else name) in groups]
    return _on_one_grid(path, finest[0], coarser)


def refuse_groups(opened: xr.Dataset, path: str) -> None:
    """Say how to get at the groups of a file or store whose variables lie in some, none of which is that of 10 m.

    Raises:
        InputError: there are such.
    """
    if not opened.data_vars and (groups := _groups(path)):
        raise InputError(
            f"{path}: its bands lie in groups ({', '.join(groups[:3])}), and one group without others, or one for the "
            f"bands of 10 m as in ESA's EOPF products, is accepted; in Python: "
            f"unclouded.clear(xarray.open_dataset({path!r}, group={groups[0]!r}))"
        )


def _on_one_grid(path: str, finest: str, coarser: list[str]) -> tuple[xr.Dataset, list[str]]:
    """Add the bands that the finest group lacks, each from the finest of the others, resampled as it is read."""
    opened = [_opened(path, group) for group in (finest, *coarser)]
    made, notes = opened[0], [f"of its groups the one with the bands of 10 m is taken, {finest}"]
    fine = next(band for name, band in made.data_vars.items() if band_named(str(name)))
    held = {band_named(str(name)) for name in made.data_vars}
    for group, more in zip(coarser, opened[1:], strict=True):
        lacking = [name for name in more.data_vars if (band := band_named(str(name))) and band not in held]
        if not all(_same_area(more[name], fine) for name in lacking):
            notes.append(f"left out: {group}, which is no grid of the same area")
            continue
        made = made.assign({name: refine(more[name], fine) for name in lacking})
        held |= {band_named(str(name)) for name in lacking}
        if lacking:
            notes.append(f"{', '.join(map(str, lacking))} of {group} are brought to that grid, bilinearly")

    def close() -> None:
        for dataset in opened:
            dataset.close()

    made = _in_band_order(made)
    made.set_close(close)
    return made, notes


def _in_band_order(opened: xr.Dataset) -> xr.Dataset:
    """Put variables into the order of their bands: that of a store is the one of its folder's listing."""
    ordered = opened[sorted(opened.data_vars, key=_place)]
    ordered.set_close(opened.close)
    return ordered


def _place(name: Hashable) -> int:
    """Where a variable's band stands among the bands; others last."""
    return INDEX.get(band_named(str(name)) or "", len(INDEX))


def _same_area(coarse: xr.DataArray, fine: xr.DataArray) -> bool:
    """Whether two bands are (y, x) both and have the same edges, but for one coarse pixel."""
    placed = all(dim in band.coords for band in (coarse, fine) for dim in band.dims)
    if coarse.dims != fine.dims or fine.ndim != 2 or not placed:
        return False
    for dim in coarse.dims:
        (first, step, last), (start, fine_step, end) = (_edges(band[dim].to_numpy()) for band in (coarse, fine))
        if not step * fine_step > 0 or max(abs(first - start), abs(last - end)) > abs(step):
            return False
    return True


def _edges(middles: np.ndarray) -> tuple[float, float, float]:
    """First edge, step and last edge of evenly spaced middles; steps of 0 of less than two."""
    step = float(middles[1] - middles[0]) if len(middles) > 1 else 0.0
    return float(middles[0]) - step / 2, step, float(middles[-1]) + step / 2


def _groups(path: str) -> list[str]:
    """Groups that hold bands."""
    return sorted(_groups_of_store(Path(path)) if Path(path).is_dir() else _groups_of_file(path))


def _holds(path: str, inside: str) -> bool:
    """Whether a file or store holds a variable, named with its group."""
    if Path(path).is_dir():
        return (Path(path) / inside).is_dir()
    import h5py

    with h5py.File(path) as file:
        return inside in file


def _groups_of_store(path: Path) -> set[str]:
    bands = {folder.parent for folder in path.rglob("*") if folder.is_dir() and band_named(folder.name)}
    return {folder.relative_to(path).as_posix() for folder in bands}


def _groups_of_file(path: str) -> set[str]:
    import h5py  # which opens NetCDF files of today, and them alone

    names: list[str] = []
    if h5py.is_hdf5(path):
        with h5py.File(path) as file:
            file.visit(names.append)
    parts = (name.rpartition("/") for name in names)
    return {group for group, _, name in parts if group and band_named(name)}


def _is_store(path: str) -> bool:
    return path.rstrip("/").lower().endswith(".zarr")


def _opened(path: str, group: str | None) -> xr.Dataset:
    if not Path(path).exists():
        raise FileError(f"{path}: no such file or folder; check the path")
    kind = "zarr" if _is_store(path) else None
    try:
        # Values as stored: scale, offset and no-data are then found where they are for other files.
        opened = xr.open_dataset(path, group=group, engine=kind, mask_and_scale=False, decode_coords="all")
    except (OSError, RuntimeError, KeyError, AttributeError, TypeError, ValueError, ImportError) as error:
        # What xarray says where a package is lacking names others, too.
        needed = ("zarr",) if kind else ("h5netcdf", "h5py")
        if lacking := " and ".join(name for name in needed if importlib.util.find_spec(name) is None):
            raise FileError(f"{path}: cannot be opened without {lacking}; {how_to_install('cubes')}") from error
        message = str(error).split(" Consider ")[0]  # which advises engines, of xarray's functions
        raise FileError(f"{path}: cannot be opened ({message}): damaged or no cube; download it again") from error
    if _PLACE not in opened.data_vars:
        return opened
    # Bands that were written with an `encoding` of their own no longer name it.
    placed = opened.set_coords(_PLACE)
    placed.set_close(opened.close)
    return placed
