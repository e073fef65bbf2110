"""The order of bands without names, checked against their pixels; and layers among them that are none."""

from __future__ import annotations

import numpy as np
import pytest
from rasters import blurred_spectra, spectra, write

from unclouded.bands import ASSUMED_ORDER, L2A
from unclouded.errors import InputError
from unclouded.reading.radiometry.band_order import OTHER_ORDERS, check_order
from unclouded.reading.reader import open_scene


@pytest.mark.parametrize("count", [13, 12, 10])
def test_an_order_that_the_pixels_contradict_must_be_given_by_name(tmp_path, count):
    usual = ASSUMED_ORDER[count]
    path = write(tmp_path / "usual.tif", blurred_spectra(usual))
    with open_scene(path, level="L1C" if count == 13 else "L2A") as scene:
        assert scene.info.bands == usual
        assert scene.info.descriptions == usual
    for order in OTHER_ORDERS[count]:
        path = write(tmp_path / "other.tif", blurred_spectra(order))
        for chosen in (None, ["B02", "B03"]):
            with pytest.raises(InputError, match=f"but {' '.join(order)}; give --band-names {','.join(order)} "):
                open_scene(path, bands=chosen)
        for option in ("bands", "band_names"):
            with open_scene(path, level="L1C", **{option: order}) as scene:
                assert scene.info.bands == order


def test_orders_of_real_stacks(shared_data):
    patches = np.load(shared_data / "bigearthnet_patches.npz")
    names = [f"B{n}" for n in ("02", "03", "04", "08", "05", "06", "07", "8A", "11", "12", "01", "09")]
    usual, *others = ASSUMED_ORDER[12], *OTHER_ORDERS[12][1:]
    asked = dict.fromkeys((usual, *others), 0)
    for fine, middle, coarse in zip(patches["b10"], patches["b20"], patches["b60"], strict=True):
        image = dict(
            zip(names, (*fine, *middle.repeat(2, 1).repeat(2, 2), *coarse.repeat(6, 1).repeat(6, 2)), strict=True)
        )
        for order in asked:
            try:
                check_order("a.tif", [image[band] for band in order])
            except InputError as error:
                asked[order] += order == usual or f"--band-names {','.join(order)} " in str(error)
    assert asked[usual] <= 2
    assert all(asked[order] >= least for order, least in zip(others, (112, 123, 123), strict=True))


def test_bands_of_no_kind_have_a_placeholder(tmp_path):
    path = write(tmp_path / "a.tif", np.concatenate([spectra(L2A), np.zeros((3, 48, 36), "uint16")]))
    with pytest.raises(InputError, match=r"15 bands without names.*with - for each"):
        open_scene(path)
    for rest in (["-", "-", "-"], ["QA10", "QA20", "QA60"]):
        with open_scene(path, bands=[*L2A, *rest]) as scene:
            assert scene.info.bands == scene.info.descriptions == L2A


@pytest.mark.parametrize("last", ["mask", "seen everywhere", "classes"])
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
@pytest.mark.parametrize("level", [None, "L2A"])
def test_a_mask_among_layers_without_names_is_no_band(tmp_path, last, dtype, level):
    corner = np.add.outer(np.arange(48), np.arange(36)) < 20
    layer = {
        "mask": corner,
        "seen everywhere": np.ones_like(corner),
        "classes": np.add.outer(np.arange(48), np.arange(36)) % 8 + 3,
    }[last]
    stack = np.concatenate([blurred_spectra(L2A), layer[None]]).astype(dtype)
    if dtype == "float32":
        stack[:12] /= 10_000
    elif last == "classes":
        stack[:12] += 150  # as where the ground is not as dark as water
    path = write(tmp_path / "a.tif", stack)
    with pytest.raises(InputError, match=r"the last holds .*--band-names B01,B02,.*,B12,- if that is it"):
        open_scene(path, level=level)
    with open_scene(path, level="L2A", band_names=[*L2A, "-"], scale=1 if dtype == "float32" else None) as scene:
        assert scene.info.bands == L2A
    with pytest.raises(InputError, match=r"the last holds .*--band-names, with - for the last"):
        open_scene(write(tmp_path / "ten.tif", stack[-10:]), level=level)
