"""A part of the Earth that a user wants, as a box or a polygon in longitude and latitude, and its place in a scene."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.features import geometry_mask
from rasterio.warp import transform_bounds, transform_geom

from unclouded.errors import InputError
from unclouded.reading.files.raster import FAULTS
from unclouded.reading.grids.grid import pixel_metres
from unclouded.reading.grids.rings import SWAPPED, check_degrees
from unclouded.reading.info import Polygons, RegionOfInterest
from unclouded.tiles import Box

LONLAT = "EPSG:4326"

SURROUNDINGS = 2560.0
"""Metres around an area that are read and looked at too, about: what the networks see of a pixel of it lies nearer."""

EXTENT = 10_240.0
"""Metres along what is read, at least: of less ground detection, context and other dates would know too little."""

ALIGNMENT = 96
"""Pixels of the scene that a crop starts at multiples of: whole pixels of its coarser bands, and whole cells."""

_NEARLY = 1e-3
"""Share of a pixel by which an area may reach into the next one and not take it along."""

CHORD = 0.02
"""Degrees between the corners that straight edges get, for they are bent in another reference system."""


class Grid(Protocol):
    """The grid of a scene or of a file: rows and columns of pixels, and where they lie."""

    @property
    def source(self) -> str:
        """How errors call it."""

    @property
    def width(self) -> int:
        """Columns."""

    @property
    def height(self) -> int:
        """Rows."""

    @property
    def crs(self) -> CRS | None:
        """Coordinate reference system."""

    @property
    def transform(self) -> Affine:
        """From column and row to coordinates."""


@dataclass(frozen=True)
class Area:
    """A part of the Earth.

    Attributes:
        name: how errors call it.
        polygons: rings of (longitude, latitude) for each polygon, the outer one first; each ring is closed.
        is_box: whether it is a box, whose pixels are all wanted, else those outside the polygons are not.
    """

    name: str
    polygons: Polygons
    is_box: bool

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees."""
        return _bounds(self.polygons)

    def crop(self, info: Grid) -> tuple[Box, RegionOfInterest]:
        """Find the area and its surroundings in a scene.

        Returns:
            The box of the scene that is to be read, and the part of it that is wanted, counted from its corner.

        Raises:
            InputError: the area lies outside the scene, or the scene nowhere on the Earth.
        """
        found, outline = self._place(info)
        row, column = max(found.row, 0), max(found.column, 0)
        height, width = min(found.bottom, info.height) - row, min(found.right, info.width) - column
        if height < 1 or width < 1:
            raise self._outside(info)
        wanted = Box(row, column, height, width)
        # Rounded, so that it is the same for a tile and for a part of it, where the projection stretches otherwise.
        metres = max(0.1, round(pixel_metres(info.crs, info.transform, info.height, info.width), 1))
        top, bottom = _with_surroundings(wanted.row, wanted.bottom, info.height, metres)
        left, right = _with_surroundings(wanted.column, wanted.right, info.width, metres)
        box = Box(top, left, bottom - top, right - left)
        return box, RegionOfInterest(wanted.within(box), self.polygons, outline, box, (info.height, info.width))

    def box(self, info: Grid) -> Box:
        """The pixels of a grid that hold the area; some or all may lie outside of it.

        Raises:
            InputError: the area lies nowhere in the grid's reference system.
        """
        return self._place(info)[0]

    def swapped(self) -> Area | None:
        """The box with longitude and latitude exchanged; None where that is no place."""
        west, south, east, north = self.bounds
        if max(abs(west), abs(east)) > 90:
            return None
        ring = ((south, west), (north, west), (north, east), (south, east), (south, west))
        return Area(self.name, ((ring,),), is_box=True)

    def reaches_beyond(self, info: Grid) -> bool:
        """Tell whether some of the area lies outside a scene that holds the rest."""
        found, _ = self._place(info)
        return found.row < 0 or found.column < 0 or found.bottom > info.height or found.right > info.width

    def _place(self, info: Grid) -> tuple[Box, Polygons | None]:
        """The pixels that hold the area, which may lie outside the scene, and its outline in the scene's system."""
        if info.crs is None:
            raise InputError(f"{info.source}: has no coordinate reference system, so {self.name} lies nowhere in it")
        try:
            if self.is_box:
                outline, bounds = None, transform_bounds(LONLAT, info.crs, *self.bounds)
            else:
                outline = frozen(transform_geom(LONLAT, info.crs, _geojson(_bent(self.polygons)))["coordinates"])
                bounds = _bounds(outline)
        except (CRSError, *FAULTS) as error:
            raise self._outside(info) from error
        if not all(map(math.isfinite, bounds)):
            raise self._outside(info)
        return covering(bounds, info.transform), outline

    def _outside(self, info: Grid) -> InputError:
        try:
            covered = transform_bounds(info.crs, LONLAT, *_scene_bounds(info))
        except (CRSError, *FAULTS):
            return InputError(f"{info.source}: {self.name} lies outside of it; give an area in it")
        message = f"{info.source}: {self.name} lies outside of it: it covers {_written(covered)} (W,S,E,N)"
        west, south, east, north = self.bounds
        swapped = max(south, covered[0]) < min(north, covered[2]) and max(west, covered[1]) < min(east, covered[3])
        return InputError(f"{message}; {SWAPPED if swapped else 'give an area in it'}")


def surroundings(extent: float) -> float:
    """Metres on either side of an area that are read too, by the metres along it."""
    return max(SURROUNDINGS, (EXTENT - extent) / 2)


def _with_surroundings(first: int, last: int, size: int, metres: float) -> tuple[int, int]:
    """Where what is read of `size` pixels starts and ends, to the nearest whole cell: outwards alone would be more.

    What the scene's edge cuts off is made up for on the other side, as far as it is needed for `EXTENT`.
    """
    around = surroundings((last - first) * metres) / metres
    start = max(0, min(_aligned(first - around), first // ALIGNMENT * ALIGNMENT))
    end = min(size, max(_aligned(last + around), -(-last // ALIGNMENT) * ALIGNMENT))
    if start == 0:
        end = min(size, max(end, _aligned(EXTENT / metres)))
    if end == size:
        start = max(0, min(start, _aligned(size - EXTENT / metres)))
    return start, end


def _aligned(place: float) -> int:
    return math.floor(place / ALIGNMENT + 0.5) * ALIGNMENT


def covering(bounds: tuple[float, float, float, float], grid: Affine) -> Box:
    """The pixels of a grid that hold left, bottom, right and top; what reaches hardly into one does not count."""
    left, bottom, right, top = bounds
    (first, up), (last, down) = ~grid @ (left, top), ~grid @ (right, bottom)
    row, column = math.floor(up + _NEARLY), math.floor(first + _NEARLY)
    return Box(row, column, math.ceil(down - _NEARLY) - row, math.ceil(last - _NEARLY) - column)


def box_area(text: str, option: str = "--bbox") -> Area:
    """The area of `--bbox`: "W,S,E,N" in degrees.

    Args:
        text: the numbers.
        option: where they were given, as errors call it.

    Raises:
        InputError: these are no four numbers, not in this order, or the box crosses 180 degrees.
    """
    name = f"{option} {text}"
    try:
        west, south, east, north = numbers = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(
            f"{name}: four numbers are accepted, W,S,E,N in degrees of longitude and latitude, as 5.0,51.1,5.2,51.3"
        ) from error
    if not all(map(math.isfinite, numbers)):
        raise InputError(f"{name}: holds what is no number; give W,S,E,N in degrees")
    check_degrees(name, np.array([(west, south), (east, north)]))
    if south >= north:
        raise InputError(f"{name}: south is not below north; give W,S,E,N")
    if west > east:
        raise InputError(
            f"{name}: west is beyond east: it crosses 180 degrees, or is not W,S,E,N; give a box each side"
        )
    if west == east:
        raise InputError(f"{name}: has no width; give W,S,E,N")
    ring = ((west, south), (east, south), (east, north), (west, north), (west, south))
    return Area(name, ((ring,),), is_box=True)


def inside(region: RegionOfInterest, window: Box, grid: Affine) -> NDArray[np.bool_] | None:
    """Which pixels (h, w) of a window of a region of interest its outline touches; None if it is all of them.

    Args:
        region: of the scene.
        window: counted from the corner of the region's box.
        grid: the transform of the region's box.
    """
    if region.outline is None:
        return None
    at = grid @ Affine.translation(window.column, window.row)
    hit: NDArray[np.bool_] = geometry_mask(
        [_geojson(region.outline)], (window.height, window.width), at, all_touched=True, invert=True
    )
    return hit


def _bent(polygons: Polygons) -> Polygons:
    return tuple(tuple(tuple(between(ring, CHORD)) for ring in polygon) for polygon in polygons)


def between(ring: Sequence[tuple[float, float]], longest: float) -> Iterator[tuple[float, float]]:
    """The corners of a ring, with others on edges longer than this in one of the coordinates."""
    for (x, y), (u, v) in pairwise(ring):
        steps = max(1, math.ceil(max(abs(u - x), abs(v - y)) / longest))
        for step in range(steps):
            yield x + (u - x) * step / steps, y + (v - y) * step / steps
    yield ring[-1]


def frozen(polygons: Sequence[Sequence[Sequence[Sequence[float]]]]) -> Polygons:
    """Rings as tuples of longitude and latitude; a height is left out."""
    return tuple(tuple(tuple((float(p[0]), float(p[1])) for p in ring) for ring in polygon) for polygon in polygons)


def _geojson(polygons: Polygons) -> dict[str, Any]:
    return {"type": "MultiPolygon", "coordinates": polygons}


def _bounds(polygons: Polygons) -> tuple[float, float, float, float]:
    xs, ys = zip(*(corner for polygon in polygons for corner in polygon[0]), strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _scene_bounds(info: Grid) -> tuple[float, float, float, float]:
    t = info.transform
    return t.c, t.f + t.e * info.height, t.c + t.a * info.width, t.f


def _written(bounds: Sequence[float]) -> str:
    return ",".join(f"{value:.4f}" for value in bounds)
