"""Naming the bands of a stack and choosing among them, which are two options."""

from __future__ import annotations

import pytest
import xarray as xr
from rasters import item, pixels, safe, spectra, write

from unclouded.bands import L1C, TEN
from unclouded.errors import InputError
from unclouded.reading.products.array import ArrayScene
from unclouded.reading.reader import open_scene

FOUR = ("B02", "B03", "B04", "B08")
DN = pixels(5)


def as_file(path, dn, **options):
    return open_scene(write(path, dn), level="L2A", **options)


def as_array(path, dn, **options):
    return ArrayScene(xr.DataArray(dn, dims=("band", "y", "x")), level="L2A", **options)


BOTH = pytest.mark.parametrize("understand", [as_file, as_array])


@BOTH
def test_names_are_given_and_some_of_them_chosen(tmp_path, understand):
    names = ["B08", "-", "B03", "B02", "B04"]
    with understand(tmp_path / "a.tif", DN, band_names=names) as scene:
        assert scene.info.bands == ("B08", "B03", "B02", "B04")
        assert (scene.read(0, 0, 48, 36) == DN[[0, 2, 3, 4]]).all()
    with understand(tmp_path / "a.tif", DN, band_names=names, bands=["B02", "B08"]) as scene:
        assert scene.info.bands == ("B08", "B02")
        assert (scene.read(0, 0, 48, 36) == DN[[0, 3]]).all()


@BOTH
def test_bands_names_a_stack_as_it_always_has(tmp_path, understand):
    with understand(tmp_path / "a.tif", DN, bands=["B08", "-", "B03", "B02", "B04"]) as scene:
        assert (scene.read(0, 0, 48, 36) == DN[[0, 2, 3, 4]]).all()


@BOTH
def test_of_a_stack_in_the_usual_order_some_bands_are_chosen(tmp_path, understand):
    dn = pixels(10)
    with understand(tmp_path / "a.tif", dn, bands=FOUR) as scene:
        assert scene.info.bands == FOUR
        assert (scene.read(0, 0, 48, 36) == dn[[TEN.index(band) for band in FOUR]]).all()
        assert any("band order assumed" in note for note in scene.info.notes)


def test_its_other_bands_are_available_for_detection(tmp_path):
    with as_file(tmp_path / "a.tif", pixels(10), bands=["B05"]) as scene:
        other = scene.with_bands(FOUR)
        assert other is not None and other.info.bands == FOUR
    with as_file(tmp_path / "a.tif", pixels(10), bands=TEN[::-1]) as scene:
        assert scene.with_bands(FOUR) is None
    with as_file(tmp_path / "a.tif", DN, band_names=[*FOUR, "B05"], bands=["B05"]) as scene:
        assert scene.with_bands(FOUR).info.bands == FOUR


@BOTH
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"band_names": FOUR}, r"--band-names names 4 bands, the file holds 5 \(no names\)"),
        ({"bands": FOUR}, r"--bands names 4 bands, the file holds 5 .*--band-names, with - for each.*--bands"),
        ({"band_names": [*FOUR, "B99"]}, "unknown band 'B99' in --band-names"),
        ({"band_names": [*FOUR, "B02"]}, "B02 is there more than once in --band-names"),
        ({"band_names": ["-"] * 5}, "--band-names is empty"),
        ({"band_names": [*FOUR, "-"], "bands": ["B05"]}, "has no B05; it holds B02, B03, B04, B08"),
        ({}, "5 bands without names.*--band-names B02,B03,B04,B08"),
    ],
)
def test_what_does_not_fit_is_refused_by_the_option(tmp_path, understand, options, message):
    with pytest.raises(InputError, match=message):
        understand(tmp_path / "a.tif", DN, **options)


def test_sources_that_name_their_bands_take_no_names(tmp_path):
    product = safe(tmp_path)
    write(tmp_path / "T32_L2A_B02.tif", pixels(1))
    listed = item(tmp_path / "item.json", {"B02": {"href": "T32_L2A_B02.tif"}})
    for source in (product, tmp_path, listed):
        with pytest.raises(InputError, match=r"names its bands itself.*leave it out, and choose.*--bands"):
            open_scene(source, band_names=["B02"])


def test_a_stack_with_names_may_be_given_others(tmp_path):
    path = write(tmp_path / "a.tif", DN[:4], names=FOUR)
    with open_scene(path, band_names=FOUR[::-1], level="L2A") as scene:
        assert scene.info.bands == FOUR[::-1]
        assert any("bands taken from --band-names" in note for note in scene.info.notes)


@pytest.mark.parametrize("kind", ["stack", "named", "folder", "array"])
def test_b10_gives_the_level_of_bands_that_are_taken_without_it(tmp_path, kind):
    dn = spectra(L1C, "int32") + 600  # air alone is as bright in L1C
    if kind == "folder":
        for band, pixels_of_band in zip(L1C, dn, strict=True):
            write(tmp_path / "images" / f"{band}.tif", pixels_of_band[None])
        source = tmp_path / "images"
    else:
        source = write(tmp_path / "a.tif", dn, names=L1C if kind == "named" else None)

    def understand(**options):
        if kind == "array":
            return ArrayScene(xr.DataArray(dn, dims=("band", "y", "x")), bands=FOUR, **options)
        return open_scene(source, bands=FOUR, **options)

    for options in ({}, {"level_needed": False}, {"level": "L1C"}):
        with understand(**options) as scene:
            assert scene.info.level == "L1C" and scene.info.bands == FOUR
    with understand(level="L2A") as scene:  # what a user says wins over B10
        assert scene.info.level == "L2A" and not any("left out: B10" in note for note in scene.info.notes)


def test_b10_is_left_out_of_an_array_declared_l2a():
    with as_array(None, spectra(L1C)) as scene:
        assert scene.info.bands == tuple(band for band in L1C if band != "B10")
        assert sum("left out: B10" in note for note in scene.info.notes) == 1


@BOTH
@pytest.mark.parametrize(
    "texts",
    [
        ("Band 1 - Blue", "Band 2 - Green", "Band 3 - Red", "Band 4 - NIR"),
        ("Band_1_blue", "Band_2_green", "Band_3_red", "Band_4_nir"),
        ("Band 1: B02", "Band 2: B03", "Band 3: B04", "Band 4: B08"),  # as QGIS shows and writes them
        ("B1 (Blue)", "B2 (Green)", "B3 (Red)", "B4 (NIR)"),
        ("B02 (Band 1)", "B03 (Band 2)", "B04 (Band 3)", "B08 (Band 4)"),
        ("Band 2 - Blue", "Band 3 - Green", "Band 4 - Red", "Band 8 - NIR"),
    ],
)
def test_the_place_of_a_band_in_its_name_is_not_taken_for_its_number(tmp_path, understand, texts):
    with named(understand, tmp_path, DN[:4], texts) as scene:
        assert scene.info.bands == FOUR


def named(understand, folder, dn, texts, **options):
    """A stack whose layers have these names."""
    if understand is as_array:
        array = xr.DataArray(dn, dims=("band", "y", "x"), coords={"band": list(texts)})
        return ArrayScene(array, level="L2A", **options)
    return open_scene(write(folder / "named.tif", dn, names=texts), level="L2A", **options)


@BOTH
def test_a_name_that_contradicts_a_number_that_is_no_position_is_refused(tmp_path, understand):
    landsat = ("Band 2 - Blue", "Band 3 - Green", "Band 4 - Red", "Band 5 - NIR")
    with pytest.raises(InputError, match=r"band 4 is called 'Band 5 - NIR'.*--band-names, - for others"):
        named(understand, tmp_path, DN[:4], landsat)
    unknown = ("Band 1 - Blue", "Band 2 - Green", "Band 3 - Red", "Band 4 - short wave")
    with pytest.raises(InputError, match="band 4 is called 'Band 4 - short wave'"):
        named(understand, tmp_path, DN[:4], unknown)


@BOTH
@pytest.mark.parametrize("word", ["b", "B", "Band ", "Layer_", "lyr.", ""])
def test_names_that_count_are_none(tmp_path, understand, word):
    four, ten = ([f"{word}{number}" for number in range(1, count + 1)] for count in (4, 10))
    with pytest.raises(InputError, match=r"4 bands without names.*--band-names B02,B03,B04,B08"):
        named(understand, tmp_path, DN[:4], four)
    with named(understand, tmp_path, pixels(10), ten) as scene:
        assert scene.info.bands == TEN and any("band order assumed" in note for note in scene.info.notes)
        assert scene.info.descriptions == TEN


def test_real_names_that_do_not_count_from_one_in_steps_are_names(tmp_path):
    for texts in (("B01", "B02", "B04", "B05"), ("b2", "b3", "b4", "b8"), ("swir1", "swir2")):
        with named(as_file, tmp_path, DN[: len(texts)], texts) as scene:
            assert not any("order assumed" in note for note in scene.info.notes)
            assert len(scene.info.bands) == len(texts)


def test_the_place_in_a_file_s_name_is_not_taken_for_the_number_of_its_band(tmp_path):
    for place, (colour, layer) in enumerate(zip(("blue", "green", "red", "nir"), DN, strict=False), start=1):
        write(tmp_path / "images" / f"Band_{place}_{colour}.tif", layer[None])
    with open_scene(tmp_path / "images", level="L2A") as scene:
        assert scene.info.bands == FOUR and (scene.read(0, 0, 48, 36) == DN[:4]).all()


@pytest.mark.parametrize("word", ["band", "scene_b", "B"])
def test_files_with_numbered_bands_are_refused(tmp_path, word):
    for place in range(1, 11):
        write(tmp_path / "counted" / f"{word}{place}.tif", DN[:1])
        write(tmp_path / "named" / f"{word}{place:02}.tif", DN[:1])
    with pytest.raises(InputError, match=rf"its files {word}1, {word}2, … count bands .*B01, B02, … if"):
        open_scene(tmp_path / "counted", level="L2A")
    with open_scene(tmp_path / "named", level="L2A") as scene:
        assert scene.info.bands[:3] == ("B01", "B02", "B03")


@pytest.mark.parametrize(
    "texts",
    [
        [
            "Band 1 (492.4 Nanometers)",
            "Band 2 (559.8 Nanometers)",
            "Band 3 (664.6 Nanometers)",
            "Band 4 (833 Nanometers)",
        ],
        ["Band 1 (0.490 Micrometers)", "Band 2 (0.560 Micrometers)", "Band 3 (0.665 µm)", "Band 4 (0.842 um)"],
        ["Band 1 (490.0)", "Band 2 (560.0)", "Band 3 (665.0)", "Band 4 (842.0)"],
        ["490 nm", "560 nm", "665 nm", "842 nm"],
        ["B2 - Blue (490 nm)", "B3 - Green (560 nm)", "B4 - Red (665 nm)", "B8 - NIR (842 nm)"],
    ],
)
def test_wavelengths_name_bands_and_their_places_do_not(tmp_path, texts):
    with open_scene(write(tmp_path / "a.tif", pixels(4), names=texts), level="L2A") as scene:
        assert scene.info.bands == FOUR


@pytest.mark.parametrize("texts", [["485 nm", "560 nm", "660 nm", "830 nm"], ["490 nm", "565 nm", "665 nm", "865 nm"]])
def test_wavelengths_of_other_satellites_name_nothing(tmp_path, texts):
    with pytest.raises(InputError, match="name all bands with --band-names"):
        open_scene(write(tmp_path / "a.tif", pixels(4), names=texts), level="L2A")
