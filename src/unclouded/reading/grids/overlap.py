"""Whether something that is given beside a scene lies where the scene does, or is wholly alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform, transform_bounds

from unclouded.errors import InputError
from unclouded.reading.files.raster import FAULTS
from unclouded.reading.info import SceneInfo

Bounds = tuple[float, float, float, float]
"""West, south, east and north, in units of a coordinate reference system."""

_PLACES = 64
"""Places along a side of a scene that are looked up in another image."""

_IN_ONE_ARRAY = (
    "in one array dates that are alike are accepted: bring them to one grid, or have `unclouded series` write a file "
    "of each"
)


def bounds_of(info: SceneInfo) -> Bounds:
    """Where a scene lies, in its own coordinate reference system, whichever way its rows and columns run."""
    t = info.transform
    (west, east), (south, north) = sorted((t.c, t.c + t.a * info.width)), sorted((t.f, t.f + t.e * info.height))
    return west, south, east, north


def turns_between(x: Any, middle: float, crs: CRS) -> Any:  # noqa: ANN401 (a number, or an array of them)
    """What brings longitudes to within 180 degrees of `middle`: grids across 180 count on beyond it, or before it."""
    return 360 * np.rint((middle - x) / 360) if crs.is_geographic else 0 * x


def overlaps(one: SceneInfo, other: SceneInfo) -> bool:
    """Tell whether two scenes with reference systems have some area in common."""
    try:
        check_overlap(one.source, one.crs, bounds_of(one), other, "")
    except InputError:
        return False
    return True


def check_consistent(info: SceneInfo, first: SceneInfo, *, level: bool = True, advice: str = _IN_ONE_ARRAY) -> None:
    """Check that two dates can lie in one array, or be made one image of.

    Args:
        info: of a date.
        first: of the one that it is to be like.
        level: whether their processing levels have to agree, too.
        advice: how the error ends: what is accepted, and the next step.

    Raises:
        InputError: their grids, bands or levels differ.
    """
    for what, one, other in (
        ("size", (info.width, info.height), (first.width, first.height)),
        ("bands", info.bands, first.bands),
        ("level", info.level, first.level if level else info.level),
        ("coordinate reference system", info.crs, first.crs),
        ("position", tuple(info.transform)[:6], tuple(first.transform)[:6]),
    ):
        if one != other:
            raise InputError(f"{info.source}: its {what} is {one}, that of {first.source} {other}; {advice}")


def check_overlap(name: str, crs: CRS, bounds: Bounds, scene: SceneInfo, wanted: str) -> None:
    """Check that an image has some area in common with a scene.

    Args:
        name: how the error calls the image.
        crs: its coordinate reference system.
        bounds: where it lies in that.
        scene: the scene, which has a coordinate reference system too.
        wanted: what the error asks for instead, such as "the mask of the same area".

    Raises:
        InputError: if it has none, or cannot be brought to the scene's coordinate reference system.
    """
    west, south, east, north = bounds_of(scene)
    try:
        left, bottom, right, top = transform_bounds(crs, scene.crs, *bounds)
    except (CRSError, *FAULTS) as error:
        raise InputError(f"{name}: cannot be brought to {scene.crs.to_string()}; run gdalwarp -t_srs first") from error
    right += 360 * (scene.crs.is_geographic and right < left)
    turn = turns_between((left + right) / 2, (west + east) / 2, scene.crs)
    left, right = left + turn, right + turn
    if right <= west or left >= east or top <= south or bottom >= north:
        raise InputError(f"{name}: does not overlap {scene.source}; give {wanted}")


def share_beyond(crs: CRS, bounds: Bounds, scene: SceneInfo) -> float:
    """Share of a scene's area, 0 to 1, that lies beyond the edge of an image that overlaps it.

    Args:
        crs: coordinate reference system of the image.
        bounds: where it lies in that.
        scene: the scene, which has a coordinate reference system too.
    """
    west, south, east, north = bounds
    steps = (np.arange(_PLACES) + 0.5) / _PLACES
    columns, rows = (axis.ravel() for axis in np.meshgrid(steps * scene.width, steps * scene.height))
    t = scene.transform
    x, y = t.a * columns + t.b * rows + t.c, t.d * columns + t.e * rows + t.f
    xs, ys = map(np.array, transform(scene.crs, crs, x.tolist(), y.tolist()))
    xs += turns_between(xs, (west + east) / 2, crs)
    return float(np.mean((xs < west) | (xs > east) | (ys < south) | (ys > north)))
