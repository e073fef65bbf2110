"""Cubes whose bands lie in groups by their pixel size, as those of ESA's EOPF products."""

from __future__ import annotations

import numpy as np
import pytest
import rioxarray  # noqa: F401 (gives arrays their `rio`)
import xarray as xr
import zarr
from rasterio.transform import from_origin
from rasters import EAST, NORTH, pixels
from scipy.ndimage import map_coordinates

from unclouded.bands import L2A
from unclouded.errors import FileError, InputError
from unclouded.reading.classification import open_classification
from unclouded.reading.products.array import ArrayScene
from unclouded.reading.reader import open_scene

EOPF = {10: (2, 3, 4, 8), 20: (2, 5, 6, 7, "8a", 11, 12), 60: (1, 2, 9)}


def store_of(folder, ending, groups, more=()):
    """A store of EOPF's kind: DN with 1,000 added in groups by their pixel size, the place in numbers."""
    store = folder / f"S2A_MSIL2A_20240601T101031_N0510_R022_T32UNU_20240601T120000.{ending}"
    attributes = {"scale_factor": 1e-4, "add_offset": -0.1, "_FillValue": np.uint16(0), "proj:epsg": 32632} | dict(more)
    made = {"/": xr.Dataset()}
    for name, metres in groups.items():
        high, wide = 480 // metres, 360 // metres
        places = {
            "y": NORTH - metres * (0.5 + np.arange(high)),
            "x": EAST + metres * (0.5 + np.arange(wide)),
        }
        bands = {
            f"b{n:0>2}": (("y", "x"), pixels(1, high, wide, low=1200, seed=number)[0], attributes)
            for number, n in enumerate(EOPF[metres])
        }
        made[f"/{name}"] = xr.Dataset(bands, places)
    tree = xr.DataTree.from_dict(made)
    tree.to_zarr(store) if ending == "zarr" else tree.to_netcdf(store, engine="h5netcdf")
    return store


@pytest.mark.parametrize("ending", ["zarr", "nc"])
def test_groups_of_a_store_are_named_and_one_of_them_opens(tmp_path, ending):
    group = "measurements/reflectance/r20m"
    store = store_of(tmp_path, ending, {group: 20})
    with pytest.raises(InputError, match=rf"its bands lie in groups \({group}\).*group='{group}'"):
        open_scene(store)
    with ArrayScene(xr.open_dataset(store, group=group)) as scene:
        assert set(scene.info.bands) == {"B02", "B05", "B06", "B07", "B8A", "B11", "B12"}


@pytest.mark.parametrize("ending", ["zarr", "nc"])
def test_the_groups_of_a_store_are_one_scene_of_10_m(tmp_path, ending):
    place = "measurements/reflectance"
    groups = {f"{place}/r10m": 10, f"{place}/r20m": 20, f"{place}/r60m": 60, "conditions/r60m": 60}
    with open_scene(store_of(tmp_path, ending, groups)) as scene:
        info, whole = scene.info, scene.read(0, 0, 48, 36)
        assert (info.bands, info.level) == (L2A, "L2A")
        count = len(info.bands)
        assert (info.encoding.scale, info.encoding.offsets, info.encoding.nodata) == (10000, (-1000,) * count, 0)
        assert info.crs.to_epsg() == 32632 and info.transform == from_origin(EAST, NORTH, 10, 10)
        # Of what is written others know what it means.
        assert info.scales == pytest.approx((1e-4,) * count) and info.gdal_offsets == pytest.approx((-0.1,) * count)
        assert (whole[info.bands.index("B03")] == pixels(1, low=1200, seed=1)[0]).all()
        assert any(f"taken, {place}/r10m" in note for note in info.notes)
        assert any(f"b01, b09 of {place}/r60m are brought to that grid" in note for note in info.notes)
        # In windows as in the whole, and so as bilinear interpolation has it between the middles of coarse pixels.
        assert (scene.read(7, 5, 20, 9) == whole[:, 7:27, 5:14]).all()
        assert (
            scene.overview(("B11", "B02"), 12, 9) == whole[[info.bands.index("B11"), info.bands.index("B02")], ::4, ::4]
        ).all()
        for band, number, factor in (("B11", 5, 2), ("B09", 2, 6)):
            coarse = pixels(1, 48 // factor, 36 // factor, low=1200, seed=number)[0].astype(float)
            at = np.meshgrid(*((np.arange(n) + 0.5) / factor - 0.5 for n in (48, 36)), indexing="ij")
            expected = map_coordinates(coarse, at, order=1, mode="nearest")
            assert np.abs(whole[info.bands.index(band)] - expected).max() <= 1


@pytest.mark.parametrize("ending", ["zarr", "nc"])
@pytest.mark.parametrize("upwards", [False, True])
def test_the_scene_classification_of_a_product_in_groups_is_read(tmp_path, ending, upwards):
    store = store_of(tmp_path, ending, {"measurements/reflectance/r10m": 10})
    values = np.random.default_rng(0).integers(0, 12, (24, 18)).astype(np.uint8)
    y = NORTH - 20 * (0.5 + np.arange(24))
    if upwards:
        values, y = values[::-1], y[::-1]
    places = {"y": y.astype(np.int64), "x": (EAST + 20 * (0.5 + np.arange(18))).astype(np.int64)}
    scl = xr.Dataset({"scl": (("y", "x"), values, {"proj:epsg": 32632})}, places)
    group = "conditions/mask/l2a_classification/r20m"
    if ending == "zarr":
        scl.to_zarr(store, group=group, mode="a")
    else:
        scl.to_netcdf(store, group=group, mode="a", engine="h5netcdf")
    with open_scene(store) as scene:
        assert scene.info.classification == f"{store}/{group}/scl"
        with open_classification(scene.info) as found:
            assert found.values == tuple(range(12))
            read = found.read(0, 0, 48, 36)
    north_up = values[::-1] if upwards else values
    assert (read == north_up.repeat(2, axis=0).repeat(2, axis=1)).all()


def test_a_product_in_groups_without_a_classification_or_a_damaged_one(tmp_path):
    store = store_of(tmp_path, "zarr", {"measurements/reflectance/r10m": 10})
    with open_scene(store) as scene:
        assert scene.info.classification == ""
    (store / "conditions/mask/l2a_classification/r20m/scl").mkdir(parents=True)
    with (
        open_scene(store) as scene,
        pytest.raises(FileError, match=r"r20m/scl: cannot be read .*again|cannot be opened .*again"),
        open_classification(scene.info),
    ):
        pass


@pytest.mark.parametrize("nodata_declared", [True, False])
def test_no_data_of_a_coarser_group_stays_where_it_is(tmp_path, nodata_declared):
    store = store_of(tmp_path, "zarr", {"r10m": 10, "r20m": 20}, {} if nodata_declared else {"_FillValue": None})
    group = zarr.open_group(str(store / "r20m"), mode="r+")
    group["b11"][4, 3] = 0
    with open_scene(store) as scene:
        band = scene.read(0, 0, 48, 36)[scene.info.bands.index("B11")]
    assert (band[8:10, 6:8] == 0).all() and (band == 0).sum() == 4
    assert band[band > 0].min() >= 1200


def test_a_coarser_group_of_another_area_is_left_out(tmp_path):
    store = store_of(tmp_path, "zarr", {"r10m": 10, "r20m": 20})
    group = zarr.open_group(str(store / "r20m"), mode="r+")
    group["x"][:] += 100
    with open_scene(store) as scene:
        assert scene.info.bands == ("B02", "B03", "B04", "B08")
        assert any("r20m, which is no grid of the same area" in note for note in scene.info.notes)


def test_damaged_pixels_of_a_coarser_group_are_a_line(tmp_path):
    store = store_of(tmp_path, "zarr", {"r10m": 10, "r20m": 20})
    for chunk in (path for path in (store / "r20m" / "b11").rglob("*") if path.is_file() and path.suffix != ".json"):
        if not chunk.name.startswith(".z"):
            chunk.write_bytes(b"damaged")
    with pytest.raises(FileError, match=r"its pixels cannot be read .*copy or download it again"):
        open_scene(store)


def test_coarser_groups_with_more_dimensions_are_left_out(tmp_path):
    store = tmp_path / "a_L2A.nc"
    days = np.array(["2024-06-01"], "datetime64[ns]")
    for name, metres in (("r10m", 10), ("r20m", 20)):
        places = {
            "y": NORTH - metres * (0.5 + np.arange(480 // metres)),
            "x": EAST + metres * (0.5 + np.arange(360 // metres)),
        }
        dn = pixels(1, 480 // metres, 360 // metres, low=1200)
        bands = {f"b{n:0>2}": (("time", "y", "x"), dn, {"proj:epsg": 32632}) for n in EOPF[metres]}
        xr.Dataset(bands, {"time": days, **places}).to_netcdf(store, mode="a", group=name, engine="h5netcdf")
    with open_scene(store, offset=-1000) as scene:
        assert scene.info.bands == ("B02", "B03", "B04", "B08")
        assert any("left out: r20m" in note for note in scene.info.notes)


@pytest.mark.parametrize("consolidated", [True, False])
def test_bands_of_a_store_come_in_their_order(tmp_path, consolidated):
    store, names = tmp_path / "scene.zarr", ["B12", "B8A", "B03", "B02", "B11", "B08", "B04"]
    places = {"y": NORTH - 10 * (0.5 + np.arange(48)), "x": EAST + 10 * (0.5 + np.arange(36))}
    attributes = {"grid_mapping": "spatial_ref"}
    bands = {name: (("y", "x"), pixels(1, 48, 36, seed=seed)[0], attributes) for seed, name in enumerate(names)}
    xr.Dataset(bands, places).rio.write_crs(32632).to_zarr(store, consolidated=consolidated)
    with open_scene(store, level="L2A", offset=0) as scene:
        assert scene.info.bands == ("B02", "B03", "B04", "B08", "B8A", "B11", "B12")
