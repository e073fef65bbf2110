"""What a place shows: the values that the files hold there."""

from __future__ import annotations

import numpy as np
import pytest
from map_scene import BANDS, DN, NORTH, PIXEL, WEST, ground, quality, write
from pyproj import Transformer
from rasterio.transform import from_origin

from unclouded.files import QUALITY_BANDS

pytest.importorskip("rio_tiler", reason="the extra `view` is not installed")

from unclouded.view.scenes import open_map_scene
from unclouded.view.values import values_at


def place(row, column):
    """Longitude and latitude of the middle of a pixel."""
    middle = WEST + (column + 0.5) * PIXEL, NORTH - (row + 0.5) * PIXEL
    return Transformer.from_crs(32633, 4326, always_xy=True).transform(*middle)


@pytest.fixture
def opened(scene):
    return open_map_scene(f"{scene}/before.tif={scene}/clear.tif", DN)


def test_all_bands_before_and_after_in_reflectance_and_the_quality(opened):
    shown = values_at(opened, *place(50, 300))
    after = ground()[:, 50, 300] / 10_000
    assert shown["bands"] == [[name, 0.9, pytest.approx(value)] for name, value in zip(BANDS, after, strict=True)]
    assert shown["unit"] == "reflectance"
    assert (shown["opacity"], shown["uncertainty"]) == (0.75, pytest.approx(0.02))
    assert shown["source"] == "guessed by the network"


def test_what_was_observed_is_the_same_before_and_after(opened):
    shown = values_at(opened, *place(300, 50))
    assert shown["bands"] and all(before == after for _, before, after in shown["bands"])
    assert (shown["opacity"], shown["uncertainty"], shown["source"]) == (0, 0, "observed")


def test_a_part_of_the_input_is_read_at_its_place(scene):
    corner = from_origin(WEST + 100 * PIXEL, NORTH - 20 * PIXEL, PIXEL, PIXEL)
    write(scene / "clear.tif", ground()[:, 20:, 100:], transform=corner)
    found = open_map_scene(f"{scene}/before.tif={scene}/clear.tif", DN)
    shown = values_at(found, *place(300, 250))
    assert shown["bands"] and all(before == after for _, before, after in shown["bands"])


def test_outside_and_without_data_there_is_nothing(scene, opened):
    assert values_at(opened, *place(-3, 50)) == {"bands": []}
    assert values_at(opened, 200.0, 95.0) == {"bands": []}
    empty = ground()
    empty[:, 200:] = 0
    for name in ("before.tif", "clear.tif"):
        write(scene / name, empty)
    found = open_map_scene(f"{scene}/before.tif={scene}/clear.tif", DN)
    assert values_at(found, *place(300, 50)) == {"bands": []}


def test_without_the_image_before_and_without_quality_the_rest_is_there(scene):
    (scene / "clear_quality.tif").unlink()
    shown = values_at(open_map_scene(f"{scene}/clear.tif", DN), *place(50, 300))
    assert [before for _, before, _ in shown["bands"]] == [None] * 4
    assert shown.keys() == {"bands", "unit"}


def test_a_result_of_before_there_was_a_source_does_not_claim_one(scene):
    write(scene / "clear_quality.tif", quality()[:2], QUALITY_BANDS[:2], nodata=float("nan"))
    found = open_map_scene(f"{scene}/clear.tif", DN)
    assert "source" not in values_at(found, *place(50, 300))
    assert values_at(found, *place(300, 50))["source"] == "observed"


def test_dn_of_unknown_encoding_are_given_as_they_are(scene):
    shown = values_at(open_map_scene(f"{scene}/clear.tif"), *place(50, 300))
    assert shown["unit"] == "DN"
    np.testing.assert_array_equal([after for _, _, after in shown["bands"]], ground()[:, 50, 300])
