"""Arrays in dask chunks give the same result in dask chunks, computed only when asked for."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from rasters import write
from scenes import ground

import unclouded

da = pytest.importorskip("dask.array")

FOUR = ("B02", "B03", "B04", "B08")


@pytest.fixture
def array():
    """A field of two tiles, the last of them narrower than what a tile sees around it."""
    dn = ground(4, 130, 560)
    dn[:, 100:120] = 0
    coordinates = {"band": list(FOUR), "y": 5e6 - 10.0 * np.arange(130), "x": 6e5 + 10.0 * np.arange(560)}
    more = {"time": np.datetime64("2018-05-03"), "wavelength": ("band", [490, 560, 665, 842])}
    attributes = {"platform": "sentinel-2a", "_FillValue": 0, "units": "DN"}
    return xr.DataArray(dn, dims=("band", "y", "x"), coords=coordinates | more, attrs=attributes, name="field")


@pytest.mark.parametrize("chunks", [(4, 130, 560), (1, 50, 333)])
def test_the_result_is_that_of_the_array_in_memory(array, weights, chunks):
    options = {"level": "L2A", "offset": 0, "model": weights}
    lazy = unclouded.clear(array.chunk(dict(zip(array.dims, chunks, strict=True))), **options)
    assert all(variable.chunks is not None for variable in lazy.data_vars.values())
    eager = unclouded.clear(array, **options)
    xr.testing.assert_identical(lazy.compute(), eager)
    attributes = {"platform": "sentinel-2a", "level": "L2A", "detection": "the network alone"}
    assert eager.attrs == attributes and eager.reflectance.attrs == {"units": "1"}
    assert eager.time == array.time and list(eager.wavelength) == [490, 560, 665, 842]
    part = lazy.opacity[50:, 500:].compute()
    xr.testing.assert_identical(part, eager.opacity[50:, 500:])


def counted(array, log):
    def read(block, block_info=None):
        log.append(tuple(block_info[0]["chunk-location"]))
        return block

    return array.copy(
        data=da.map_blocks(read, array.chunk({"y": 65, "x": 280}).data, dtype=array.dtype, meta=array.data[:0, :0, :0])
    )


def test_nothing_is_read_before_it_is_computed_and_then_twice(array, weights):
    log = []
    lazy = unclouded.clear(counted(array, log), level="L2A", offset=0, model=weights)
    assert not log
    lazy.compute(scheduler="synchronous")
    assert sorted(log) == sorted(2 * [(0, row, column) for row in range(2) for column in range(2)])


def test_pixels_that_are_refused_are_when_they_are_computed(weights):
    options = {"bands": FOUR, "level": "L2A", "model": weights}
    empty = xr.DataArray(da.full((4, 20, 30), np.nan, dtype="float32"), dims=("band", "y", "x"), name="field")
    with pytest.raises(unclouded.InputError, match="field: every pixel is no-data"):
        unclouded.clear(empty, **options).compute()
    with pytest.raises(unclouded.InputError, match="field: float32 values above 100 are not reflectance"):
        unclouded.clear(empty.fillna(1500), **options).compute()


def test_wrong_arguments_are_refused_at_once(array, weights):
    with pytest.raises(unclouded.InputError, match="samples"):
        unclouded.clear(array.chunk(), level="L2A", offset=0, model=weights, samples=0)


def test_a_mask_is_held_against_the_pixels_when_they_are_computed(weights, tmp_path):
    dn = ground(4, 130, 700) // 4
    coordinates = {"band": list(FOUR), "y": 5e6 - 10.0 * np.arange(130), "x": 6e5 + 10.0 * np.arange(700)}
    lazy = xr.DataArray(dn, dims=("band", "y", "x"), coords=coordinates).chunk(y=65)
    given = {"level": "L2A", "offset": 0, "model": weights, "mask": write(tmp_path / "a.tif", dn[:1] * 0 + 1, crs=None)}
    with pytest.raises(unclouded.InputError, match=r"a\.tif: a mask whose values may mean several things"):
        unclouded.clear(lazy, **given).compute()
    assert unclouded.clear(lazy, **given, mask_classes="0=cloud,1=clear").opacity.notnull().all()
