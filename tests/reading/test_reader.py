"""Stacked GeoTIFFs: names of bands, level, offset, scale, and windows."""

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasters import NEW, OLD, pixels, write

from unclouded.bands import L1C, L2A, NAMES, TEN
from unclouded.errors import InputError
from unclouded.reading.names.naming import band_named
from unclouded.reading.names.product_name import product_name
from unclouded.reading.reader import open_scene


@pytest.mark.parametrize(
    ("text", "band"),
    [
        ("B02", "B02"), ("B2", "B02"), ("b02", "B02"), ("B8A", "B8A"), ("b8a", "B8A"), ("B08", "B08"), ("B12", "B12"),
        ("B02 blue", "B02"), ("Band 4 (red)", "B04"), ("blue", "B02"), ("nir08", "B8A"), ("swir22", "B12"),
        ("T32TQM_20210101T101031_B11_20m", "B11"), ("S2B_MSIL2A_20170927T094019_66_56_B8A", "B8A"),
        ("B13", None), ("B00", None), ("SCL", None), ("VB02", None), ("", None), ("B02 B03", None), ("rededge", None),
    ],
)  # fmt: skip
def test_band_names(text, band):
    assert band_named(text) == band


def test_every_name_is_its_own_name():
    assert [band_named(name) for name in NAMES] == list(NAMES)


@pytest.mark.parametrize(
    ("name", "level", "baseline", "bigearthnet"),
    [
        (NEW.format(level="L2A") + ".tif", "L2A", 400, False),
        ("S2B_MSIL1C_20230101T101031_N0509_R022_T32UNU_20230101T120000.SAFE", "L1C", 509, False),
        ("S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP", "L2A", 9999, False),
        ("S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_26_57_B02.tif", "L2A", None, True),
        ("S2B_MSIL2A_20170924T93021_41_29_B02", "L2A", None, True),
        ("S2A_MSIL2A_20220510T101031_clip.tif", "L2A", None, False),
        ("field.tif", None, None, False),
    ],
)
def test_product_names(name, level, baseline, bigearthnet):
    found = product_name(name)
    assert (found.level, found.baseline, found.bigearthnet) == (level, baseline, bigearthnet)


@pytest.mark.parametrize(
    "names", [("B02", "B03", "B04", "B08"), ("B12",), ("b8a", "B1 coastal"), ("red", "green", "blue")]
)
def test_named_bands_come_in_the_files_order(tmp_path, names):
    dn = pixels(len(names))
    with open_scene(write(tmp_path / "stack.tif", dn, names=names), level="L2A") as scene:
        assert scene.info.bands == tuple(band_named(name) for name in names)
        assert scene.info.descriptions == names
        assert scene.info.dtype == dn.dtype
        assert (scene.read(0, 0, 48, 36) == dn).all()
        assert (scene.read(5, 7, 11, 13) == dn[:, 5:16, 7:20]).all()


@pytest.mark.parametrize(("count", "order", "level"), [(13, L1C, "L1C"), (12, L2A, "L2A"), (10, TEN, "L2A")])
def test_the_order_of_an_unnamed_stack_is_assumed_and_reported(tmp_path, count, order, level):
    dn = pixels(count, low=750 if level == "L1C" else 200)  # air alone is as bright in L1C
    with open_scene(write(tmp_path / "stack.tif", dn)) as scene:
        assert scene.info.bands == order
        assert scene.info.level == level
        assert any("order assumed: B0" in note for note in scene.info.notes)
        assert any("offset assumed: 0" in note for note in scene.info.notes)


def test_descriptions_that_only_count_are_no_names(tmp_path):
    path = write(tmp_path / "stack.tif", pixels(12), names=[f"Band {n}" for n in range(1, 13)])
    with open_scene(path) as scene:
        assert scene.info.bands == L2A


def test_bands_name_a_stack_or_pick_from_a_named_one(tmp_path):
    dn = pixels(4)
    unnamed = write(tmp_path / "unnamed.tif", dn)
    with open_scene(unnamed, bands=["B04", "b3", "B02", "B8"]) as scene:
        assert scene.info.bands == ("B04", "B03", "B02", "B08")
    named = write(tmp_path / "named.tif", dn, names=["B02", "B03", "B04", "B08"])
    with open_scene(named, bands=["B08", "B03"], level="L2A") as scene:
        assert scene.info.bands == ("B03", "B08")
        assert (scene.read(0, 0, 48, 36) == dn[[1, 3]]).all()


def test_layers_that_are_no_bands_are_left_out_and_reported(tmp_path):
    dn = pixels(4)
    with open_scene(write(tmp_path / "stack.tif", dn, names=["B02", "SCL", "B03", "AOT"])) as scene:
        assert scene.info.bands == ("B02", "B03")
        assert (scene.read(0, 0, 48, 36) == dn[[0, 2]]).all()
        assert "left out: AOT, not among the 13 bands" in scene.info.notes


def test_an_alpha_channel_is_left_out(tmp_path):
    dn = pixels(4)
    dn[3] = 65535
    path = write(tmp_path / "stack.tif", dn, names=["B04", "B03", "B02", None], photometric="RGB", alpha="YES")
    with open_scene(path) as scene:
        assert scene.info.bands == ("B04", "B03", "B02")


@pytest.mark.parametrize(
    ("names", "bands", "found"),
    [
        ((None,) * 4, None, "4 bands without names"),
        (("B02", "B13"), None, "'B13'"),
        (("B02", None), None, "band 2 has no description"),
        (("B02", "B2"), None, "B02 is there more than once"),
        (("B02", "B03"), ("B02", "B03", "B04"), "has no B04; it holds B02, B03; choose"),
        ((None, None), ("B02", "B14"), "unknown band 'B14' in --bands"),
        ((None, None), ("B02", "B02"), "B02 is there more than once"),
        ((None, None), (), "--bands is empty"),
        (("SCL",), None, "no Sentinel-2 band"),
    ],
)
def test_bands_that_cannot_be_known_are_refused(tmp_path, names, bands, found):
    path = write(tmp_path / "stack.tif", pixels(len(names)), names=names)
    with pytest.raises(InputError, match=found) as caught:
        open_scene(path, bands=bands)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_is_met_with_the_nearest(tmp_path):
    with pytest.raises(InputError, match="did you mean B08"):
        open_scene(write(tmp_path / "stack.tif", pixels(1)), bands=["BO8"])


def test_level_comes_from_b10_the_name_or_the_argument(tmp_path):
    with open_scene(write(tmp_path / "a.tif", pixels(2, low=750), names=["B02", "B10"])) as scene:
        assert scene.info.level == "L1C"
    with open_scene(write(tmp_path / f"{OLD.format(level='L1C')}.tif", pixels(1), names=["B02"])) as scene:
        assert scene.info.level == "L1C"
    with open_scene(write(tmp_path / "b.tif", pixels(1), names=["B02"]), level="L1C") as scene:
        assert scene.info.level == "L1C"
        assert not any("level" in note for note in scene.info.notes)


def test_a_blue_darker_than_air_is_l2a_and_a_brighter_one_is_refused(tmp_path):
    with open_scene(write(tmp_path / "dark.tif", pixels(1, low=100), names=["B02"])) as scene:
        assert scene.info.level == "L2A"
        assert any("level assumed: L2A (its darkest B02" in note for note in scene.info.notes)
    for names, low in ((["B02"], 750), (["B08"], 100)):
        with pytest.raises(InputError, match=r"nothing says whether it is L1C or L2A.*give --level L1C"):
            open_scene(write(tmp_path / "a.tif", pixels(1, low=low), names=names))


@pytest.mark.parametrize("bands", [None, ["B02", "B03"]])
def test_b10_beside_a_blue_darker_than_air_is_refused(tmp_path, bands):
    """Some programs write a layer for B10 into stacks of L2A, which has none."""
    path = write(tmp_path / "a.tif", pixels(3), names=["B02", "B03", "B10"])
    with pytest.raises(InputError, match=r"it has B10, which is of L1C, but its darkest B02 is 0\.02.*--level L2A"):
        open_scene(path, bands=bands)
    for level, others in (("L1C", ("B10",)), ("L2A", ())):
        with open_scene(path, bands=bands, level=level) as scene:
            assert (scene.info.level, scene.info.bands) == (level, ("B02", "B03", *(others if bands is None else ())))


def test_an_empty_b10_is_that_of_l2a(tmp_path):
    dn = pixels(3)
    dn[2] = 0
    path = write(tmp_path / "a.tif", dn, names=["B02", "B03", "B10"], nodata=0)
    with pytest.raises(InputError, match=r"B10 holds no data .*give --level L2A, which has none, or leave out"):
        open_scene(path)
    with open_scene(path, level="L2A") as scene:
        assert scene.info.bands == ("B02", "B03")


def test_levels_that_contradict_each_other_are_refused(tmp_path):
    for level, other in (("L2A", "L1C"), ("L1C", "L2A")):
        path = write(tmp_path / f"{OLD.format(level=level)}.tif", pixels(1), names=["B02"])
        with pytest.raises(InputError, match=f"is {level} .*, not {other}"):
            open_scene(path, level=other)
    with pytest.raises(InputError, match="unknown level"):
        open_scene(path, level="L3")


def test_data_declared_l2a_have_no_b10(tmp_path):
    dn = pixels(3)
    for name, level in (("a.tif", "L2A"), ("HLS.S30.T33UUP.2021164T101031.v2.0.tif", None)):
        with open_scene(write(tmp_path / name, dn, names=["B02", "B10", "B11"]), level=level) as scene:
            assert scene.info.level == "L2A"
            assert scene.info.bands == ("B02", "B11")
            assert (scene.read(0, 0, 48, 36) == dn[[0, 2]]).all()
            assert any("left out: B10" in note for note in scene.info.notes)


@pytest.mark.parametrize(
    ("name", "level", "offset"),
    [
        ("2018-05-01-00_00_2018-05-01-23_59_Sentinel-2_L1C_B02_(Raw)", "L1C", 0),
        ("SENTINEL2A_20190101-105853-463_L2A_T31TCJ_C_V2-2_FRE", "L2A", 0),
        ("HLS.S30.T33UUP.2021164T101031.v2.0", "L2A", 0),
        ("COPERNICUS_S2_SR_HARMONIZED_2023", "L2A", 0),
        ("S2_HARMONIZED_2023", "L1C", 0),
    ],
)
def test_names_of_other_archives_give_level_and_offset(tmp_path, name, level, offset):
    low = 200 if level == "L1C" else 1200
    with open_scene(write(tmp_path / f"{name}.tif", pixels(2, low=low), names=["B02", "B03"])) as scene:
        assert scene.info.level == level
        assert scene.info.encoding.offsets == (offset, offset)


@pytest.mark.parametrize(
    ("name", "names", "tags"),
    [
        ("LC08_L2SP_190027_20210610_20210616_02_T1_SR.tif", ["B02", "B03"], {}),
        ("20210610_LEVEL2_LND08_BOA.tif", ["BLUE", "GREEN"], {}),
        ("HLS.L30.T33UUP.2021164T101031.v2.0.tif", ["B02", "B03"], {}),
        ("a.tif", ["SR_B2", "SR_B3"], {}),
        ("a.tif", ["B02", "B03"], {"LANDSAT_PRODUCT_ID": "LC08_L1TP_190027"}),
        ("a.tif", ["B02", "B03"], {"SATELLITE": "LANDSAT_9"}),
    ],
)
def test_landsat_is_refused_by_name(tmp_path, name, names, tags):
    path = write(tmp_path / name, pixels(2), names=names)
    with rasterio.open(path, "r+") as file:
        file.update_tags(**tags)
    with pytest.raises(InputError, match=r"is of Landsat.*Sentinel-2 are accepted"):
        open_scene(path, level="L2A")


@pytest.mark.parametrize(
    ("stem", "options", "offset"),
    [
        (NEW.format(level="L2A"), {"low": 1100}, -1000),
        ("S2B_MSIL2A_20230101T101031_N0509_R022_T32UNU_20230101T120000_clip", {"low": 1100}, -1000),
        (OLD.format(level="L2A"), {}, 0),
        ("S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_26_57", {"low": 3000}, 0),
        ("plain", {}, 0),
    ],
)
def test_offset_of_a_stack(tmp_path, stem, options, offset):
    path = write(tmp_path / f"{stem}.tif", pixels(2, **options), names=["B02", "B03"])
    with open_scene(path) as scene:
        assert scene.info.encoding.offsets == (offset, offset)
    with open_scene(path, offset=-17) as scene:
        assert scene.info.encoding.offsets == (-17, -17)


@pytest.mark.parametrize(
    ("scales", "offsets", "scale", "offset"),
    [
        ((1e-4,) * 2, (-0.1,) * 2, 10000, -1000),
        ((1.0,) * 2, (-1000,) * 2, 10000, -1000),
        ((5e-5,) * 2, (0,) * 2, 20000, 0),
    ],
)
def test_a_files_own_scale_and_offset_are_used_and_handed_on(tmp_path, scales, offsets, scale, offset):
    # Without an offset dark enough for a tag of 0 to be believed, which is what a file has whose scale alone was set.
    dn = pixels(2, low=2000 if offset else 200)
    path = write(tmp_path / "a.tif", dn, names=["B02", "B03"], scales=scales, offsets=offsets)
    with open_scene(path, level="L2A") as scene:
        assert scene.info.encoding.scale == pytest.approx(scale)
        assert scene.info.encoding.offsets == pytest.approx((offset, offset))
        assert scene.info.scales == scales
        assert scene.info.gdal_offsets == offsets


@pytest.mark.parametrize(
    ("stem", "low", "found"),
    [
        ("plain", 1500, "darkest DN are near 15"),
        ("S2A_MSIL2A_20220510T101031_clip", 200, "no baseline"),
        ("almost", 850, "darkest DN are near 8"),
        ("S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP", 200, "N9999"),
        ("S2A_MSIL2A_20170613T101031_N9000_R022_T33UUP", 200, "N9000"),
    ],
)
def test_an_offset_that_cannot_be_known_must_be_given(tmp_path, stem, low, found):
    path = write(tmp_path / f"{stem}.tif", pixels(2, low=low), names=["B02", "B03"])
    with pytest.raises(InputError, match=f"{found}.*give --offset -1000"):
        open_scene(path)
    with open_scene(path, offset=0, level="L2A") as scene:
        assert scene.info.encoding.offsets == (0, 0)


@pytest.mark.parametrize(("scale", "advice"), [(1e-4, "--offset -1000"), (1 / 65535, "--offset -6553.5")])
def test_a_scale_alone_is_no_evidence_of_an_offset(tmp_path, scale, advice):
    """GDAL shows an offset of 0 where none was ever set, such as beside a scale that somebody added."""
    dn = (pixels(2, low=1100) * (1e-4 / scale)).astype("uint16")
    path = write(tmp_path / "a.tif", dn, names=["B02", "B03"], scales=(scale,) * 2, offsets=(0,) * 2)
    with pytest.raises(InputError, match=f"the DN offset cannot be known: nothing in it says so.*give {advice} "):
        open_scene(path, level="L2A")
    with open_scene(path, level="L2A", offset=0) as scene:
        assert scene.info.encoding.offsets == (0, 0)


@pytest.mark.parametrize(("scale", "advice"), [(1, "--offset -0.1"), (100, "--offset -10")])
def test_reflectance_in_which_an_offset_may_have_been_left_is_noted(tmp_path, scale, advice):
    for low, count in ((1100, 1), (200, 0)):
        dn = (pixels(2, low=low) / 10_000 * scale).astype("float32")
        with open_scene(write(tmp_path / f"{low}.tif", dn, names=["B02", "B03"]), level="L2A", scale=scale) as scene:
            assert sum(f"give {advice} if it was" in note for note in scene.info.notes) == count
            assert scene.info.encoding.offsets == (0, 0)


def test_an_offset_that_the_pixels_contradict_must_be_given(tmp_path):
    """The name is a product's with +1000, but a fiftieth of red is darker than that: the offset was removed."""
    dn = pixels(2, low=2000)
    dn[1, :1] = 300
    path = write(tmp_path / f"{NEW.format(level='L2A')}_harmonised.tif", dn, names=["B08", "B04"])
    with pytest.raises(InputError, match=r"2% of B04 would then lie below reflectance -0\.01.*give --offset"):
        open_scene(path)
    with open_scene(path, offset=0) as scene:
        assert scene.info.encoding.offsets == (0, 0)


def test_the_sample_of_a_large_file_does_not_miss_its_dark_half(tmp_path):
    dn = pixels(1, 600, 600, low=2000)
    dn[:, 400:] = 300
    with open_scene(write(tmp_path / "a.tif", dn, names=["B02"])) as scene:
        assert scene.info.encoding.offsets == (0,)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_float_reflectance_is_known_by_its_values(tmp_path, dtype):
    path = write(tmp_path / "a.tif", (pixels(2) / 10000).astype(dtype), names=["B02", "B03"])
    with open_scene(path) as scene:
        assert scene.info.encoding.scale == 1
        assert scene.info.encoding.offsets == (0, 0)
        assert scene.info.encoding.nodata is None
        assert any("scale assumed: 1 " in note for note in scene.info.notes)


def test_float_dn_are_accepted(tmp_path):
    with open_scene(
        write(tmp_path / "a.tif", pixels(1, dtype="float32"), names=["B02"], nodata=-9999), level="L2A"
    ) as scene:
        assert scene.info.encoding.scale == 10000
        assert scene.info.encoding.nodata == -9999


@pytest.mark.parametrize(("nodata", "expected"), [(None, 0), (65535, 65535)])
def test_no_data_is_the_files_or_zero(tmp_path, nodata, expected):
    options = {} if nodata is None else {"nodata": nodata}
    with open_scene(write(tmp_path / "a.tif", pixels(1), names=["B02"], **options)) as scene:
        assert scene.info.encoding.nodata == expected


@pytest.mark.parametrize("dtype", ["complex64", "uint8", "int8"])
def test_types_that_are_no_dn_are_refused(tmp_path, dtype):
    with pytest.raises(InputError, match=f"is {dtype}; (accepted: uint16|an 8-bit picture)"):
        open_scene(write(tmp_path / "a.tif", np.ones((1, 9, 9), dtype), names=["B02"]))


def test_other_pixel_sizes_are_reported(tmp_path):
    with open_scene(write(tmp_path / "a.tif", pixels(1), names=["B02"], metres=20)) as scene:
        assert any("pixels are about 20 m" in note for note in scene.info.notes)
    with open_scene(write(tmp_path / "b.tif", pixels(1), names=["B02"])) as scene:
        assert not any("pixels are" in note for note in scene.info.notes)
    local = 'LOCAL_CS["building site",UNIT["metre",1]]'
    with open_scene(write(tmp_path / "c.tif", pixels(1), names=["B02"], crs=local)) as scene:
        assert not any("pixels are" in note for note in scene.info.notes)


def test_windows_outside_the_grid_are_a_mistake(tmp_path):
    with open_scene(write(tmp_path / "a.tif", pixels(1), names=["B02"])) as scene:
        for window in ((-1, 0, 4, 4), (0, 0, 49, 4), (0, 33, 4, 4), (0, 0, 0, 4)):
            with pytest.raises(ValueError, match="leaves the 48 x 36 grid"):
                scene.read(*window)


@given(st.data())
def test_a_window_of_a_tiled_file_equals_the_crop(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "tiled.tif"
    dn = pixels(3, 70, 90)
    if not path.exists():
        write(path, dn, names=["B02", "B03", "B04"], tiled=True, blockxsize=16, blockysize=32, compress="deflate")
    row, column = data.draw(st.integers(0, 69)), data.draw(st.integers(0, 89))
    height, width = data.draw(st.integers(1, 70 - row)), data.draw(st.integers(1, 90 - column))
    with open_scene(path) as scene:
        assert (scene.read(row, column, height, width) == dn[:, row : row + height, column : column + width]).all()
