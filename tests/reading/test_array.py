"""Arrays: which dimension is which, Datasets, NumPy, and values looked at as those of files are."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
import rioxarray
import xarray as xr
from rasters import pixels, spectra, write

import unclouded
from unclouded.clearing.memory.series_arrays import series_of
from unclouded.errors import InputError
from unclouded.reading.products.array import ArrayScene
from unclouded.reading.reader import ReadOptions, open_scene
from unclouded.reflectance import to_reflectance

FOUR = ("B02", "B03", "B04", "B08")
DN = pixels(4, 20, 30)


def cube(dims=("band", "y", "x"), values=DN, **changes):
    places = {"y": 5199995.0 - 10 * np.arange(20), "x": 600005.0 + 10 * np.arange(30), "band": list(FOUR)}
    at = {dim: places[role] for dim, role in zip(dims, ("band", "y", "x"), strict=True)}
    return xr.DataArray(values, dims=dims, coords=at, **changes)


@pytest.mark.parametrize(
    "dims", [("band", "y", "x"), ("bands", "lat", "lon"), ("variable", "latitude", "longitude"), ("band", "Y", "X")]
)
def test_dimensions_are_known_by_their_names_in_any_order(dims):
    array = cube(dims)
    for order in (dims, dims[::-1], (dims[0], dims[2], dims[1])):
        scene = ArrayScene(array.transpose(*order))
        assert (scene.info.height, scene.info.width, scene.info.bands) == (20, 30, FOUR)
        assert (scene.read(2, 3, 5, 7) == DN[:, 2:7, 3:10]).all()
        assert scene.info.transform.e == -10
        np.testing.assert_array_equal(scene.coordinates["y"], array[dims[1]])


@pytest.mark.parametrize("dims", [("dim_0", "dim_1", "dim_2"), ("band", "rows", "x"), ("band", "y", "lat")])
def test_dimensions_of_unknown_names_are_refused(dims):
    with pytest.raises(InputError, match=r"three dimensions \(band, y, x\) are accepted.*rename"):
        ArrayScene(xr.DataArray(DN, dims=dims))


def test_one_date_is_taken_and_several_are_refused_by_name():
    dated = cube().expand_dims(time=[np.datetime64("2023-06-01", "ns")])
    assert ArrayScene(dated).info.bands == FOUR
    with pytest.raises(InputError, match=r"has 2 dates along 'time'; one is accepted.*isel\(time=0\)"):
        ArrayScene(xr.concat([dated, dated], "time"))


@pytest.mark.parametrize("classification", ["SCL", "scl_20m", "s2_SCL"])
def test_a_dataset_with_a_variable_per_band(classification):
    ones = (("y", "x"), np.ones((20, 30), "uint8"))
    made = cube().to_dataset("band").assign({"AOT": ones, classification: ones, "spatial_ref": 0})
    scene = ArrayScene(made)
    assert scene.info.classification
    assert scene.info.bands == FOUR
    assert (scene.read(0, 0, 20, 30) == DN).all()
    assert any("left out: AOT," in note for note in scene.info.notes)


@pytest.mark.parametrize(
    ("key", "own", "others"), [("scale_factor", 2e-4, 1e-4), ("add_offset", None, -0.1), ("_FillValue", -1, -9999)]
)
def test_bands_whose_numbers_mean_different_things_are_no_scene(key, own, others):
    made = cube(values=DN.astype("int16")).to_dataset("band")
    for band in FOUR:
        made[band].attrs = {} if (value := own if band == "B04" else others) is None else {key: value}
    with pytest.raises(
        InputError, match=rf"dataset: {key} is {others} of B02 and {own} of B04; one for all.*decode_cf"
    ):
        ArrayScene(made)
    with pytest.raises(InputError, match="B02 is int16, B04 is float32; DN in all bands or reflectance in all"):
        ArrayScene(made.assign(B04=made.B04.astype("float32") * 1e-4))


def test_variables_that_are_files_of_one_band_each_are_bands():
    made = cube().to_dataset("band").expand_dims(band=[1])
    scene = ArrayScene(made)
    assert scene.info.bands == FOUR
    assert (scene.read(0, 0, 20, 30) == DN).all()
    with pytest.raises(InputError, match=r"are named after bands, and each has 2 along 'band'"):
        ArrayScene(xr.concat([made, made], "band"))


def test_a_dataset_with_one_variable_of_bands():
    assert ArrayScene(cube().to_dataset(name="reflectance")).info.bands == FOUR
    with pytest.raises(InputError, match="no variable is named after a band"):
        ArrayScene(xr.Dataset({"a": cube(), "b": cube()}))


@pytest.mark.parametrize("numbers", [range(10, 0, -1), (2190, 1610, 865, 842, 783, 740, 705, 665, 560, 490)])
def test_bands_whose_numbers_alone_descend_have_no_order_that_is_known(numbers):
    named = [f"B{number:02}" for number in range(2, 9)] + ["B8A", "B11", "B12"]
    values = xr.DataArray(spectra(named)[::-1], dims=("band", "y", "x"), coords={"band": list(numbers)})
    with pytest.raises(InputError, match=r"and numbers that do not ascend \(\d+, \d+, \d+, …\); .*--band-names"):
        ArrayScene(values, level="L2A")
    assert ArrayScene(values, level="L2A", band_names=named[::-1]).info.bands == tuple(named[::-1])


def test_numpy_with_bands():
    assert ArrayScene(DN, bands=FOUR).info.bands == FOUR
    with pytest.raises(InputError, match="4 bands without names"):
        ArrayScene(DN)


@pytest.mark.parametrize("source", [["a.tif", "b.tif"], None, 3, {"B02": 1}])
def test_other_things_are_refused_in_a_line(source):
    with pytest.raises(InputError, match=r"source: is a .*are accepted") as caught:
        unclouded.clear(source)
    assert "\n" not in str(caught.value)


def outcome(understand):
    try:
        with understand() as scene:
            return scene.info.encoding, scene.info.level
    except InputError as error:
        return str(error).partition(": ")[2]


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize("factor, add", [(1, 0), (1, 1000), (1e-4, 0), (1e-2, 0), (6.5, 0), (0.1, 0)])
def test_an_array_and_a_file_of_the_same_pixels_give_the_same(tmp_path, dtype, factor, add):
    values = (DN * factor + add).astype(dtype)
    path = write(tmp_path / "a.tif", values, names=FOUR)
    assert outcome(lambda: ArrayScene(cube(values=values))) == outcome(lambda: open_scene(path))


@pytest.mark.parametrize("where", ["attrs", "encoding"])
@pytest.mark.parametrize("key", ["nodata", "missing_value", "_FillValue"])
def test_no_data_is_known_by_an_attribute(where, key):
    array = cube(values=DN.astype("float32"))
    getattr(array, where)[key] = 300.0
    assert ArrayScene(array).info.encoding.nodata == 300


def test_a_leftover_scale_attribute_is_refused():
    array = cube(values=(DN * 1e-4).astype("float32"), attrs={"scale_factor": 1e-4, "add_offset": 0.0})
    with pytest.raises(InputError, match=r"scale cannot be known: its attribute says 10000 DN.*give --scale 1 "):
        ArrayScene(array)
    assert ArrayScene(array, scale=1).info.encoding.scale == 1


def test_a_scale_attribute_alone_is_no_evidence_of_an_offset():
    array = cube(values=DN + 1000, attrs={"scale_factor": 1e-4, "add_offset": 0.0})
    with pytest.raises(InputError, match="the DN offset cannot be known"):
        ArrayScene(array, level="L2A")
    assert ArrayScene(array, level="L2A", offset=-1000).info.encoding.offsets == (-1000,) * len(array)


def test_chunks_are_not_looked_at():
    da = pytest.importorskip("dask.array")

    def fail(block):
        raise AssertionError

    lazy = cube().copy(data=da.from_array(DN, chunks=10).map_blocks(fail, dtype=DN.dtype, meta=DN[:0, :0, :0]))
    with pytest.raises(InputError, match=r"holds DN in chunks.*give offset"):
        ArrayScene(lazy, level="L2A")
    with pytest.raises(InputError, match="nothing says whether it is L1C or L2A"):
        ArrayScene(lazy, offset=0)
    assert ArrayScene(lazy, level="L2A", offset=0).info.encoding.offsets == (0,) * 4


def test_descriptions_that_rioxarray_leaves_name_the_bands(tmp_path):
    rioxarray = pytest.importorskip("rioxarray")
    path = write(tmp_path / "a.tif", DN, names=("B08", "B04", "B03", "B02"))
    with rioxarray.open_rasterio(path) as array:
        scene = ArrayScene(array)
        assert scene.info.bands == ("B08", "B04", "B03", "B02")
        assert not any("order assumed" in note for note in scene.info.notes)
        with pytest.raises(InputError, match="4 bands without names"):
            ArrayScene(array.assign_attrs(long_name="DN"))


def test_coordinates_that_are_not_even_are_refused():
    with pytest.raises(InputError, match=r"its y are not evenly spaced \(-20 to -10\)"):
        ArrayScene(cube().isel(y=[*range(5), *range(6, 20)]))
    fine = cube(("band", "lat", "lon")).assign_coords(
        lat=(48.2 - 9e-5 * np.arange(20)).astype("float32"), lon=(13 + 9e-5 * np.arange(30)).astype("float32")
    )
    assert ArrayScene(fine).info.bands == FOUR


def test_bands_that_come_last_are_refused_with_the_way_to_turn_them():
    with pytest.raises(InputError, match=r"bands last; .*give \.transpose\(2, 0, 1\) of it"):
        ArrayScene(DN.transpose(1, 2, 0), bands=FOUR)


@pytest.mark.parametrize("turned, way", [("y", "sortby.'y', ascending=False"), ("x", "sortby.'x'")])
def test_no_file_is_written_that_is_not_north_up(tmp_path, turned, way):
    array = cube().isel({turned: slice(None, None, -1)}).rio.write_crs(32632)
    with pytest.raises(InputError, match=way):
        unclouded.clear(array, tmp_path / "a.tif", level="L2A", offset=0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
@pytest.mark.parametrize("kind", ["band", "long_name", "variable"])
@pytest.mark.parametrize("nodata", [None, 7, np.nan])
def test_what_a_data_mask_among_the_bands_hides_is_no_data(dtype, kind, nodata):
    seen = np.add.outer(np.arange(20), np.arange(30)) >= 12
    values = np.concatenate([DN[:2], seen[None], DN[2:]]).astype(dtype)
    names = [*FOUR[:2], "dataMask", *FOUR[2:]]
    array = xr.DataArray(values, dims=("band", "y", "x"), coords={"band": names})
    if kind == "variable":
        array = array.to_dataset("band")
    elif kind == "long_name":
        array = array.drop_vars("band").assign_attrs(long_name=tuple(names))
    if nodata is not None:
        for one in array.data_vars.values() if kind == "variable" else [array]:
            one.attrs["nodata"] = nodata
    scene = ArrayScene(array, scale=10000, offset=0, level="L2A")
    assert scene.info.bands == FOUR
    dn = scene.read(0, 0, 20, 30)
    assert (to_reflectance(dn, scene.info.encoding)[1] == seen).all()
    assert (dn[:, seen] == DN[:, seen]).all()
    assert dn.dtype == dtype
    assert [note for note in scene.info.notes if "dataMask" in note] == ["pixels that dataMask hides are no data"]


@pytest.mark.parametrize("picked", [[4, 3, 2, 1], [2, 4], [1, 2, 3, 4]])
def test_bands_picked_from_a_file_are_named_by_their_numbers_in_it(tmp_path, picked):
    with rioxarray.open_rasterio(write(tmp_path / "a.tif", DN, names=FOUR)) as opened:
        scene = ArrayScene(opened.sel(band=picked), level="L2A", offset=0)
    assert scene.info.bands == tuple(FOUR[number - 1] for number in picked)
    assert (scene.read(0, 0, 20, 30) == DN[[number - 1 for number in picked]]).all()


def test_a_variable_of_a_band_is_taken_before_others_whose_names_hold_it():
    made = cube().to_dataset("band").rename(B02="B2").assign(B2_flags=(("y", "x"), np.ones((20, 30), "uint8")))
    scene = ArrayScene(made)
    assert sorted(scene.info.bands) == list(FOUR)
    assert (scene.read(0, 0, 20, 30)[scene.info.bands.index("B02")] == DN[0]).all()
    assert any("left out: B2_flags" in note for note in scene.info.notes)


@pytest.mark.parametrize(
    ("properties", "level", "offset"),
    [
        (
            {"id": "S2A_MSIL2A_20230401T104021_R008_T31UFS_20230401T160000", "s2:processing_baseline": "05.09"},
            "L2A",
            -1e3,
        ),
        ({"id": "S2A_31UFS_20230401_0_L2A", "earthsearch:boa_offset_applied": True}, "L2A", 0.0),
        ({"id": "S2A_31UFS_20180401_0_L1C", "s2:processing_baseline": "02.06"}, "L1C", 0.0),
    ],
)
@pytest.mark.parametrize("dtype", ["uint16", "float64"])
def test_remaining_properties_of_an_item_give_level_and_offset(properties, level, offset, dtype):
    array = cube(values=(DN + 1200).astype(dtype)).assign_coords(properties)
    scene = ArrayScene(array)
    assert scene.info.level == level and scene.info.encoding.offsets == (offset,) * 4
    assert not any("offset" in note or "level" in note for note in scene.info.notes)
    assert ArrayScene(array, offset=-1).info.encoding.offsets == (-1.0,) * 4
    # Values that are reflectance already are none of the files'.
    scene = ArrayScene(cube(values=DN / 1e4).assign_coords(properties))
    assert not any(scene.info.encoding.offsets)
    if offset:  # it was taken off before
        with pytest.raises(InputError, match=r"means -1000, but .* would then lie below"):
            ArrayScene(cube(values=DN.astype(dtype)).assign_coords(properties))


@pytest.mark.parametrize("names", [FOUR, None])
@pytest.mark.parametrize("kept", [True, False])
def test_variables_that_gdal_counts_have_the_names_beside_or_none(tmp_path, names, kept):
    made = cube().to_dataset("band").rename({band: f"Band{n}" for n, band in enumerate(FOUR, 1)})
    for n, variable in enumerate(made, 1):
        made[variable].attrs["long_name"] = names[n - 1] if names else f"GDAL Band Number {n}"
    made = made.rio.write_crs(32632)
    if kept:
        made.to_netcdf(tmp_path / "a.nc", engine="scipy", format="NETCDF3_64BIT")

    def understand(**options):
        return open_scene(tmp_path / "a.nc", level="L2A", **options) if kept else ArrayScene(made, **options)

    if names:
        with understand() as scene:
            assert scene.info.bands == FOUR and (scene.read(0, 0, 20, 30) == DN).all()
        return
    with pytest.raises(InputError, match="4 bands without names"):
        understand()
    with understand(band_names=FOUR) as scene:
        assert scene.info.bands == FOUR and (scene.read(0, 0, 20, 30) == DN).all()


@pytest.mark.parametrize("name", ["time", "t", "date"])
@pytest.mark.parametrize("text", [False, True])
def test_a_date_is_known_by_any_of_its_names_and_as_a_text(name, text):
    times = np.array(["2023-06-01T10:10:31.123", "2023-06-11"], "datetime64[ns]")
    dated = xr.concat([cube(), cube()], name).assign_coords({name: list(map(str, times)) if text else times})
    assert ArrayScene(dated[0]).info.acquired == datetime(2023, 6, 1, 10, 10, 31, tzinfo=UTC)
    series = series_of(dated, ReadOptions(), 2)
    assert [time and time.day for time in series.times] == [1, 11]
    assert series.images[series.names[1]].info.acquired == datetime(2023, 6, 11, tzinfo=UTC)
    counted = series_of(dated.assign_coords({name: [0, 1]}), ReadOptions(), 2)
    assert counted.times == (None, None)


@pytest.mark.parametrize("chunks", [None, 10])
def test_a_picture_is_no_scene_unless_its_scale_is_given(chunks):
    picture = cube(values=(DN // 40).clip(1, 250).astype("uint8"))
    scaled = picture.assign_attrs(scale_factor=0.004)
    with pytest.raises(InputError, match="is uint8; an 8-bit picture such as TCI is not reflectance"):
        ArrayScene(picture if chunks is None else picture.chunk(y=chunks), level="L2A", offset=0, scale=250)
    assert (
        ArrayScene(scaled if chunks is None else scaled.chunk(y=chunks), level="L2A", offset=0).info.encoding.scale
        == 250
    )
