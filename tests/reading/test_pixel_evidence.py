"""What files declare, checked against their pixels: no data, masks, scale, offset and level."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import xarray as xr
from rasterio.enums import ColorInterp
from rasterio.transform import from_origin
from rasters import blurred_spectra, pixels, spectra, write

from unclouded.bands import ASSUMED_ORDER, L2A
from unclouded.errors import InputError
from unclouded.reading.products.array import ArrayScene
from unclouded.reading.radiometry.plausibility import implausible
from unclouded.reading.reader import open_scene
from unclouded.reflectance import to_reflectance

FOUR = ["B02", "B03", "B04", "B08"]
CORNER = np.add.outer(np.arange(48), np.arange(36)) < 20


def valid(path, **options):
    with open_scene(path, level="L2A", **options) as scene:
        dn = scene.read(0, 0, 48, 36)
        return to_reflectance(dn, scene.info.encoding)[1], scene.info


@pytest.mark.parametrize("fill", [-10000, -9999, -32768])
@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_fill_values_without_a_tag_are_no_data_reported_once_and_tagged_in_the_result(tmp_path, fill, dtype):
    dn = np.where(CORNER, fill, pixels(4, dtype=dtype)).astype(dtype)
    found, info = valid(write(tmp_path / "a.tif", dn, names=FOUR))
    assert (found == ~CORNER).all()
    assert info.encoding.nodata == fill
    assert sum("taken for no data" in note for note in info.notes) == 1


def test_zeros_in_all_bands_are_no_data_whatever_the_tag(tmp_path):
    dn = np.where(CORNER, 0, pixels(4)).astype("uint16")
    dn[0, 40:] = 0
    found, info = valid(write(tmp_path / "a.tif", dn, names=FOUR, nodata=65535))
    assert (found == ~CORNER).all()
    assert any("0 in all bands" in note for note in info.notes)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
@pytest.mark.parametrize("kind", ["mask", "alpha", "dataMask"])
def test_what_a_mask_or_an_alpha_channel_hides_is_no_data(tmp_path, dtype, kind):
    dn = pixels(4, dtype=dtype)
    if kind == "alpha":
        alpha = np.where(CORNER, 0, 65535).astype(dtype)[None]
        path = write(tmp_path / "a.tif", np.concatenate([dn, alpha]), names=[*FOUR, None])
        with rasterio.open(path, "r+") as file:
            file.colorinterp = [ColorInterp.gray, *[ColorInterp.undefined] * 3, ColorInterp.alpha]
    elif kind == "dataMask":  # of Sentinel Hub, among the bands
        mask = np.where(CORNER, 0, 1).astype(dtype)[None]
        path = write(tmp_path / "a.tif", np.concatenate([dn[:2], mask, dn[2:]]), names=[*FOUR[:2], kind, *FOUR[2:]])
    else:
        path = write(tmp_path / "a.tif", dn, names=FOUR)
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
            file.write_mask(~CORNER)
    found, info = valid(path)
    assert (found == ~CORNER).all()
    assert any("hides are no data" in note for note in info.notes)
    with open_scene(path, level="L2A") as scene:
        assert (scene.read(0, 0, 48, 36)[:, ~CORNER] == dn[:, ~CORNER]).all()


def test_a_band_that_is_marked_as_alpha_channel_is_a_band_by_its_name(tmp_path):
    dn = pixels(4)
    dn[3, :10] = 0
    path = write(tmp_path / "a_L2A.tif", dn, names=FOUR, photometric="rgb", alpha="yes", nodata=65535)
    with open_scene(path, offset=0) as scene:
        assert scene.info.bands == tuple(FOUR)
        assert (scene.read(0, 0, 48, 36) == dn).all()
    path = write(tmp_path / "b_L2A.tif", dn, photometric="rgb", alpha="yes")
    with pytest.raises(InputError, match=r"marks its band 4 as alpha channel.*-colorinterp_4 undefined"):
        open_scene(path, band_names=FOUR)


def test_a_hole_does_not_bleed_into_finer_pixels(tmp_path):
    write(tmp_path / "T31_L2A_B02.tif", pixels(1, 60, 60).astype("int16"))
    coarse = pixels(1, 30, 30).astype("int16")
    coarse[0, :10] = -10000
    write(tmp_path / "T31_L2A_B05.tif", coarse, metres=20)
    with open_scene(tmp_path) as scene:
        values = scene.read(0, 0, 60, 60)[1]
        assert set(np.unique(values[values < 200])) == {-10000}
        assert not to_reflectance(scene.read(0, 0, 60, 60), scene.info.encoding)[1][:20].any()


@pytest.mark.parametrize(
    ("factor", "dtype", "tags", "likeliest"),
    [
        (1, "float32", {"scales": (1e-4,) * 4, "offsets": (0.0,) * 4}, ("--scale 1 ", "--scale 100 ")),
        (1, "float32", {"scales": (1e-4,) * 4, "offsets": (-0.1,) * 4}, ("--scale 1 ", "--scale 100 ")),
        (100, "float32", {}, ("--scale 100 ",)),
        (1000, "uint16", {}, ("--scale 1000 ",)),
        (65535, "uint16", {}, ("--scale 65535 ",)),
        (10000, "uint16", {"scales": (1e-3,) * 4, "offsets": (0.0,) * 4}, ("--scale 10000 ",)),
    ],
)
def test_a_scale_that_the_pixels_contradict_must_be_given(tmp_path, factor, dtype, tags, likeliest):
    path = write(tmp_path / "a.tif", spectra(FOUR, dtype, factor), names=FOUR, **tags)
    with pytest.raises(
        InputError, match=r"a\.tif: the scale cannot be known: .*its brightest band then reaches"
    ) as caught:
        open_scene(path, level="L2A")
    assert all(option in str(caught.value) for option in likeliest) and str(caught.value).count("--scale") == 2
    with open_scene(path, level="L2A", scale=factor, offset=0) as scene:
        assert scene.info.encoding.scale == factor


def test_per_cent_under_much_cloud_is_refused_too(tmp_path):
    values = spectra(FOUR, "float32", 100)
    values[:, :10] = 140
    with pytest.raises(InputError, match="--scale 100 "):
        open_scene(write(tmp_path / "a.tif", values, names=FOUR))


def test_real_images_are_plausible_at_their_scale_and_mostly_not_at_others(shared_data):
    images = np.load(shared_data / "sen12mscr_triplets.npz")
    bands = ASSUMED_ORDER[13]
    asked = dict.fromkeys((1, 0.01, 6.5535, 1e-4), 0)
    stacks = [image.reshape(13, -1) / 1e4 for kind in ("cloudy", "clear") for image in images[kind]]
    for factor in asked:
        asked[factor] = sum(implausible(bands, list(stack * factor)) is not None for stack in stacks)
    assert asked[1] == 0
    assert asked[1e-4] == len(stacks) and asked[0.01] > 0.9 * len(stacks)
    assert asked[6.5535] > 0.9 * len(stacks)


def test_an_offset_that_is_listed_but_taken_off_is_refused_by_the_low_end(tmp_path):
    dn = pixels(4, low=1200)
    dn[2, :2] = 700
    path = write(tmp_path / "a.tif", dn, names=FOUR, scales=(1e-4,) * 4, offsets=(-0.1,) * 4)
    with pytest.raises(InputError, match=r"4% of B04 would then lie below reflectance -0\.01; give --offset"):
        open_scene(path, level="L2A")


@pytest.mark.parametrize(("nodata", "said"), [(1500, True), (None, False), (1, False), (65535, False)])
def test_a_no_data_value_that_is_one_of_the_ground_is_said(tmp_path, nodata, said):
    dn = pixels(4)
    dn[:2, ::3, ::4] = dn[:, :2] = nodata or 1500
    with open_scene(write(tmp_path / "a.tif", dn, names=FOUR, nodata=nodata), level="L2A", offset=0) as scene:
        notes = [note for note in scene.info.notes if "is an ordinary value of its bands" in note]
    assert len(notes) == said and all("-unsetnodata" in note for note in notes)


@pytest.mark.parametrize(("lost", "said"), [(["B04"], True), (["B11"], True), (FOUR, False), ([], False)])
def test_a_band_of_which_a_part_is_lost_is_said(tmp_path, lost, said):
    names = [*FOUR, "B11", "B12"]
    dn = pixels(6)
    dn[[names.index(band) for band in lost], 30:] = 0
    dn[:, :, :2] = dn[4, :, 2] = 0
    options = {"offset": 0, "level": "L2A"}
    with open_scene(write(tmp_path / "a.tif", dn, names=names, nodata=0), **options) as scene:
        notes = [note for note in scene.info.notes if "have no data in some bands" in note]
    assert len(notes) == said and all(f"most in {lost[0]}" in note for note in notes)


@pytest.mark.parametrize("copied", [True, False])
def test_two_bands_that_are_one_image_are_said(tmp_path, copied):
    dn = pixels(4)
    dn[2] = dn[0] if copied else dn[2]
    with open_scene(write(tmp_path / "a.tif", dn, names=FOUR), level="L2A", offset=0) as scene:
        notes = [note for note in scene.info.notes if "B02 and B04 hold the same pixels" in note]
    assert len(notes) == copied


@pytest.mark.parametrize(
    ("crs", "corner", "step", "reported"),
    [
        ("EPSG:32632", (600000, 5400000), (10, 10), False),
        ("EPSG:4326", (25, 60), (20 / 111320, 10 / 111320), False),
        ("EPSG:3857", (2782987, 8399737), (20, 20), False),
        ("EPSG:3857", (2782987, 0), (20, 20), True),
        ("EPSG:4326", (25, 60), (30 / 111320, 30 / 111320), True),
        ("EPSG:32632", (600000, 5400000), (30, 30), True),
        pytest.param("EPSG:32701", (180_360, 8_118_238), (10, 10), False, id="its middle at 180 degrees"),
    ],
)
def test_the_size_of_pixels_is_that_on_the_ground(tmp_path, crs, corner, step, reported):
    path = write(tmp_path / "a.tif", pixels(1), names=["B02"], crs=crs, transform=from_origin(*corner, *step))
    with open_scene(path) as scene:
        assert any("pixels are about" in note for note in scene.info.notes) == reported


def test_an_offset_that_is_given_and_makes_much_negative_is_reported(tmp_path):
    path = write(tmp_path / "a.tif", pixels(4, low=200), names=FOUR)
    with open_scene(path, level="L2A", offset=-1000) as scene:
        assert scene.info.encoding.offsets == (-1000,) * 4
        assert any(
            "of B0" in note and "lies below reflectance -0.01; --offset 0 is right" in note for note in scene.info.notes
        )
    with open_scene(path, level="L2A", offset=0) as scene:
        assert not any("lies below" in note for note in scene.info.notes)


HAZY = blurred_spectra(L2A) / 1e4 + 0.15 * (np.arange(48) < 24)[:, None]


def taken_off(kind):
    """Grass, partly in haze, from which the offset of 0.1 was taken though it had none."""
    values = HAZY - 0.1
    if kind == "reflectance":
        return values.astype("float32")
    if kind == "reflectance cut off":
        return values.clip(0).astype("float32")
    dn = np.rint(values * 1e4)
    return {"signed": dn.astype("int16"), "at 0": dn.clip(0).astype("uint16"), "at 1": dn.clip(1).astype("uint16")}[
        kind
    ]


@pytest.mark.parametrize(
    ("kind", "message", "back"),
    [
        ("reflectance", r"50% of B0\d lies below reflectance -0.01, as where .*--offset 0.1 to put it back", 0.1),
        ("signed", r"50% of B0\d lies below reflectance -0.01, as where .*--offset 1000 to put it back", 1000),
        ("reflectance cut off", "of each visible band is at its least value, as where .*--offset 0 if", None),
        ("at 1", "of each visible band is at its least value, as where .*--offset 0 if", None),
        ("at 0", r"50% of its pixels are 0, which is no data, in some bands .*--offset 0 if", None),
    ],
)
@pytest.mark.parametrize("array", [False, True])
def test_an_offset_subtracted_without_need_is_refused(tmp_path, kind, message, back, array):
    dn = taken_off(kind)
    path = write(tmp_path / "a.tif", dn, names=L2A)

    def understand(**options):
        if array:
            given = xr.DataArray(dn, dims=("band", "y", "x"), coords={"band": list(L2A)})
            return ArrayScene(given, level="L2A", **options)
        return open_scene(path, level="L2A", **options)

    with pytest.raises(InputError, match=message):
        understand()
    with understand(offset=0) as scene:
        assert not any(scene.info.encoding.offsets)
    if back is not None:
        with understand(offset=back) as scene:
            found = to_reflectance(scene.read(0, 0, 48, 36), scene.info.encoding)[0]
        np.testing.assert_allclose(found, HAZY, atol=1e-4)


@pytest.mark.parametrize("array", [False, True])
def test_a_hole_of_zeros_is_no_sign_of_an_offset_taken_off(tmp_path, array):
    values = (blurred_spectra(L2A) / 1e4).astype("float32")
    values[:, 5:35, 6:30] = 0
    if array:
        scene = ArrayScene(xr.DataArray(values, dims=("band", "y", "x"), coords={"band": list(L2A)}), level="L2A")
    else:
        scene = open_scene(write(tmp_path / "a.tif", values, names=L2A), level="L2A")
    with scene:
        assert scene.info.encoding.scale == 1 and not any(scene.info.encoding.offsets)


@pytest.mark.parametrize("array", [False, True])
def test_a_hole_of_zeros_is_no_evidence_of_offset_or_level(tmp_path, array):
    bright = spectra(FOUR, "float32") + 1000  # DN that carry an offset, of which nothing says so
    hazy = 0.12 + spectra(FOUR, "float32", factor=1)
    for values, asked in ((bright, "offset cannot be known"), (hazy, "whether it is L1C or L2A")):
        filled = np.where(CORNER, 0, values).astype("float32")
        with pytest.raises(InputError, match=asked):
            if array:
                ArrayScene(filled, FOUR)
            else:
                open_scene(write(tmp_path / "stack.tif", filled, names=FOUR))


@pytest.mark.parametrize("array", [False, True])
def test_zero_is_valid_among_integers_that_continue_below_it(tmp_path, array):
    dn = (spectra(FOUR).astype("int16") - 400) // 10 * 10
    assert ((dn == 0).any(axis=0) & (dn < 0).any(axis=0)).any()
    dn[:, :5] = 0
    if array:
        info = ArrayScene(dn, FOUR, "L2A", offset=400).info
        there = to_reflectance(dn, info.encoding)[1]
    else:
        there, info = valid(write(tmp_path / "stack.tif", dn, names=FOUR), offset=400)
    assert there[5:].all() and not there[:5].any() and info.encoding.nodata is None
    filled = np.where(CORNER, -9999, dn)
    there, info = valid(write(tmp_path / "filled.tif", filled, names=FOUR), offset=400)
    assert not there[CORNER].any() and there[5:][~CORNER[5:]].all() and info.encoding.nodata == -9999


@pytest.mark.parametrize("options", [{}, {"scale": 10000.0}])
def test_reflectance_in_one_band_beside_dn_in_others_is_refused(tmp_path, options):
    values = spectra(FOUR, "float32")
    values[1] /= 10000
    path = write(tmp_path / "a.tif", values, names=FOUR)
    with pytest.raises(InputError, match=r"a\.tif: B03 holds reflectance \(up to 0\.\d+\) and B02 DN \(up to \d+\)"):
        open_scene(path, level="L2A", **options)


@pytest.mark.parametrize("declared", [None, 0])
@pytest.mark.parametrize("array", [False, True])
def test_zero_in_some_bands_is_valid_where_their_values_reach_down_to_it(tmp_path, array, declared):
    def decoded(dn):
        if array:
            attrs = {} if declared is None else {"_FillValue": declared}
            made = xr.DataArray(dn, dims=("band", "y", "x"), coords={"band": FOUR}, attrs=attrs)
            info = ArrayScene(made, level="L2A").info
            return to_reflectance(dn, info.encoding)[1], info
        return valid(write(tmp_path / "S2_SR_HARMONIZED.tif", dn, names=FOUR, nodata=declared))

    dn = spectra(FOUR)
    dn[0] = (dn[0] - np.percentile(dn[0], 2)).clip(0)  # as where +1000 is taken off dark ground
    dn[:, :5] = 0
    dn[3, 20, 20] = 0  # which no other is near
    some = (dn == 0).any(axis=0) & (dn != 0).any(axis=0)
    assert 0.01 < some.mean() < 0.05
    there, info = decoded(dn)
    assert there[5:].all() and not there[:5].any() and info.encoding.nodata == declared
    assert sum("taken for a number" in note for note in info.notes) == 1
    # At the edge of a swath one band ends after the other.
    edge = spectra(FOUR)
    for band, end in enumerate((6, 5, 6, 5)):
        edge[band, :, :end] = 0
    there, info = decoded(edge)
    assert there[:, 6:].all() and not there[:, :6].any() and info.encoding.nodata == 0


@pytest.mark.parametrize(
    ("dtype", "add", "fill", "offset"),
    [("float32", 0, -0.1, None), ("int16", 0, -1000, None), ("uint16", 1000, 1000, -1000)],
)
def test_holes_that_were_carried_along_with_the_numbers_are_holes(tmp_path, dtype, add, fill, offset):
    factor = 1 if dtype == "float32" else 10_000
    dn = np.where(CORNER, fill, spectra(FOUR, "float64", factor) + add).astype(dtype)
    there, info = valid(write(tmp_path / "stack.tif", dn, names=FOUR), offset=offset)
    assert (there == ~CORNER).all()
    assert f"pixels that are {fill:g} in all bands are taken for no data" in info.notes


@pytest.mark.parametrize("array", [False, True])
def test_bands_that_were_stretched_one_by_one_are_refused(tmp_path, array):
    values = spectra(FOUR, "float32")
    least, most = (edge(values, axis=(1, 2), keepdims=True) for edge in (np.min, np.max))
    stretched = (values - least) / (most - least)
    with pytest.raises(InputError, match="runs from 0 to 1"):
        if array:
            ArrayScene(stretched, FOUR, "L2A")
        else:
            valid(write(tmp_path / "stack.tif", stretched, names=FOUR))
