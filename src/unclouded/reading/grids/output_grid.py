"""The grid of a result: that of the scene, or another reference system and pixel size that a user asks for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import calculate_default_transform, transform_bounds

from unclouded.errors import InputError
from unclouded.reading.files.raster import FAULTS
from unclouded.reading.grids.area import Area, covering
from unclouded.reading.grids.grid import pixel_metres
from unclouded.reading.grids.overlap import bounds_of
from unclouded.reading.info import SceneInfo
from unclouded.tiles import Box

_MOST = 100
"""Times by which pixels may be larger or smaller than those of the scene: beyond, units were mixed up."""


@dataclass(frozen=True)
class _Anchored:
    """An endless grid, as `reading.grids.area.Grid`, with a pixel's corner at the origin of its reference system."""

    source: str
    crs: CRS
    transform: Affine
    width: int = 0
    height: int = 0


def as_written(info: SceneInfo, crs: str | None = None, resolution: float | None = None) -> SceneInfo:
    """What a scene is as its result is written: the part of it that is wanted, on the grid that is asked for.

    Another grid has its pixels' corners at multiples of their size, so that all dates of an area lie on one, whatever
    the grids that they come from.

    Args:
        info: of the scene.
        crs: as GDAL understands it, such as EPSG:3035; that of the scene unless given.
        resolution: size of the pixels in its units; that of the scene unless given.

    Raises:
        InputError: the reference system is none, or not one of the place; or the size is not given where the units
            differ, or is in other units.
    """
    own = info.of_region()
    if crs is None and resolution is None:
        return own
    if own.crs is None:
        raise InputError(f"{own.source}: has no coordinate reference system, so it cannot be brought to another grid")
    system = own.crs if crs is None else _system(crs)
    name, bounds = system.to_string(), bounds_of(own)
    try:
        usual, columns, rows = calculate_default_transform(own.crs, system, own.width, own.height, *bounds)
    except (CRSError, *FAULTS) as error:
        raise InputError(f"--crs {name}: does not hold where {own.source} lies; give one that does") from error
    own_metres = pixel_metres(own.crs, own.transform, own.height, own.width)
    if pixel_metres(system, usual, rows, columns) > _MOST * own_metres:
        raise InputError(
            f"--crs {name}: tears {own.source} apart, as where 180 degrees of longitude or a pole lie in it; give one "
            f"that holds around it, as its own {own.crs.to_string()[:40]} does, or --bbox of a part beside that"
        )
    step = resolution
    if step is None:
        if _unit(system) != _unit(own.crs):
            raise InputError(
                f"--crs {name}: needs --resolution, in {_unit(system)}; pixels of {own.source} are {usual.a:.3g} there"
            )
        step = own.transform.a
    if not usual.a / _MOST <= step <= usual.a * _MOST:
        raise InputError(
            f"--resolution {step:g}: is in {_unit(system)}, the unit of {name}; pixels of {own.source} are "
            f"{usual.a:.3g} there"
        )
    grid = _Anchored(own.source, system, Affine(step, 0, 0, 0, -step, 0))
    if info.region is None:
        found = covering(transform_bounds(own.crs, system, *bounds), grid.transform)
    else:
        found = Area("the area", info.region.area, info.region.outline is None).box(grid)
    return replace(own, crs=system, transform=_corner(grid.transform, found), width=found.width, height=found.height)


def check_of_tiles(crs: str | None, resolution: float | None) -> None:
    """Check before anything is read that tiles, whose pixels are in metres, can be brought to a grid.

    Raises:
        InputError: the reference system is none, or its units need a pixel size that is not given.
    """
    if crs is not None and resolution is None and _unit(_system(crs)) not in ("metre", "meter"):
        raise InputError(f"--crs {crs}: needs --resolution, in {_unit(_system(crs))}, its units; tiles are in metres")


def _system(text: str) -> CRS:
    try:
        return CRS.from_user_input(text)
    except (CRSError, ValueError) as error:
        raise InputError(
            f"--crs {text}: is no coordinate reference system; accepted are codes as EPSG:3035, and what GDAL reads"
        ) from error


def _unit(system: CRS) -> str:
    return system.linear_units if system.is_projected else "degrees"


def _corner(grid: Affine, box: Box) -> Affine:
    return Affine(grid.a, 0, grid.a * box.column, 0, grid.e, grid.e * box.row)
