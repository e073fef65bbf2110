"""Where the pixels of arrays lie: coordinates are those of middles, unless their transform says corners."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from rasters import EAST, NORTH, pixels

from unclouded.reading.products.array import ArrayScene, as_array

GRID = Affine(10, 0, EAST, 0, -10, NORTH)
FOUR = ["B02", "B03", "B04", "B08"]


def array(column, row, **attributes):
    """An array whose coordinates lie so many pixels east and south of the upper left corner of each pixel."""
    coords = {
        "band": FOUR,
        "x": EAST + 10 * (np.arange(36) + column),
        "y": NORTH - 10 * (np.arange(48) + row),
    }
    attrs = {"crs": "epsg:32632", **attributes}
    return xr.DataArray(pixels(4), dims=("band", "y", "x"), coords=coords, attrs=attrs, name="stackstac-1")


def transform_of(source):
    with ArrayScene(source, level="L2A", offset=0) as scene:
        return scene.info.transform, scene.info.notes


@pytest.mark.parametrize(("column", "row"), [(0.5, 0.5), (0, 0), (0, 1)])
@pytest.mark.parametrize("kind", [lambda grid: grid, list, tuple, np.asarray])
def test_corner_coordinates_of_stackstac_are_recognised_by_the_transform(column, row, kind):
    transform, notes = transform_of(array(column, row, transform=kind(GRID)))
    assert transform.almost_equals(GRID)
    assert any("corners of pixels" in note for note in notes) == (column == 0)


@pytest.mark.parametrize("corner", [0, 0.5])
def test_a_part_of_the_grid_keeps_its_place(corner):
    part = array(corner, corner, transform=GRID).isel(x=slice(3, 20), y=slice(5, None))
    assert transform_of(part)[0].almost_equals(GRID @ Affine.translation(3, 5))


@pytest.mark.parametrize(
    "transform_attribute", [None, "10,0,0", [1, 2], list(Affine.scale(3)), Affine(20, 0, EAST, 0, -20, NORTH)]
)
def test_a_transform_of_another_grid_is_ignored(transform_attribute):
    assert transform_of(array(0.5, 0.5, transform=transform_attribute))[0].almost_equals(GRID)


@pytest.mark.parametrize("as_coordinate", [False, True])
def test_the_reference_system_of_cubes_of_cubo_and_stackstac_is_read_from_their_epsg_code(as_coordinate):
    given = array(0.5, 0.5)
    given.attrs = {} if as_coordinate else {"collection": "sentinel-2-l2a", "epsg": 32632, "resolution": 10}
    given = given.assign_coords(epsg=32632) if as_coordinate else given
    assert ArrayScene(given, level="L2A", offset=0).info.crs.to_epsg() == 32632


def test_the_reference_system_of_an_eopf_group_is_read_from_its_epsg_code():
    given = array(0.5, 0.5, **{"proj:epsg": 32632})
    del given.attrs["crs"]
    bands = xr.Dataset({band.lower(): given.sel(band=band, drop=True) for band in FOUR})
    with ArrayScene(as_array(bands)[0], level="L2A", offset=0) as scene:
        assert scene.info.crs.to_epsg() == 32632 and scene.info.bands == tuple(FOUR)
