"""The generator's own opacity, joined with the detector's answer where a scene is small."""

import numpy as np
import pytest
import torch
from scenes import active_generator

from unclouded.clearing.detector import cover_detector
from unclouded.clearing.detector.own_opacity import bright_opacity, join_opacity, own_opacity
from unclouded.clearing.patch import clear_patch
from unclouded.models.weights import load_generator

LARGE, SMALL = 2000.0, 900.0


def likely(cloud, shadow, shape=(4, 5)):
    return np.stack([np.full(shape, value, np.float32) for value in (cloud, shadow)])


def joined(cloud, shadow, opacity, metres):
    return join_opacity(likely(cloud, shadow), np.full((4, 5), opacity, np.float32), metres)


def seeing(monkeypatch, columns):
    """A generator that sees the same opacity in each column of an image of 8 x 8 pixels."""
    generator = active_generator()
    opacity = torch.tensor(columns).expand(1, 1, 8, 8)
    monkeypatch.setattr(type(generator), "opacity", lambda self, images, **more: opacity)
    return generator


@pytest.mark.parametrize(("metres", "least"), [(SMALL, 0.7), (LARGE, 0.3)])
def test_cloud_that_the_networks_miss_is_found_where_the_generator_is_sure(metres, least):
    cloud, shadow = joined(0.001, 0.0, 0.95, metres)
    assert (cloud > least).all() and (shadow < 0.01).all()
    assert (joined(0.001, 0.0, 0.6, metres).sum(axis=0) < 0.15).all()


def test_the_networks_count_by_themselves_the_more_the_larger_the_scene():
    sums = [joined(0.9, 0.0, 0.1, metres).sum(axis=0) for metres in (SMALL, 1500.0, LARGE)]
    assert (sums[0] < 0.2).all()
    np.testing.assert_allclose(sums[1], 0.45, rtol=1e-4)
    np.testing.assert_allclose(sums[2], 0.9, rtol=1e-4)


def test_what_is_shadow_is_left_to_the_networks():
    cloud, shadow = joined(0.1, 0.7, 0.9, LARGE)
    assert (shadow > 3 * cloud).all()


def test_without_data_the_answer_stays():
    opacity = np.full((4, 5), 0.9, np.float32)
    opacity[1, 2] = np.nan
    made = join_opacity(likely(0.2, 0.1), opacity, LARGE)
    np.testing.assert_array_equal(made[:, 1, 2], np.float32([0.2, 0.1]))
    assert np.isfinite(made).all() and made[:, 0].sum() != pytest.approx(0.3 * 5)


def test_the_opacity_is_the_generators_on_the_image_alone_and_nan_without_data():
    generator = active_generator()
    image = np.random.default_rng(0).uniform(0.02, 0.6, (4, 30, 45)).astype(np.float32)
    image[:, 3:9, 4:7] = np.nan
    bands = ("B02", "B03", "B04", "B08")
    opacity = own_opacity(generator, image, bands, "L2A", SMALL)
    assert opacity.shape == (30, 45) and opacity.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(opacity), np.isnan(image[0]))
    assert 0 <= np.nanmin(opacity) < np.nanmax(opacity) <= 1


@pytest.mark.parametrize(
    "land", [[0.5, 0.52, 0.5, 0.45, 0.05, 0.04], [0.2, 0.28, 0.36, 0.4, 0.45, 0.4]], ids=["snow", "sand"]
)
def test_snow_and_sand_are_no_cloud_for_certain(monkeypatch, land):
    generator = seeing(monkeypatch, [0.95] * 4 + [0.05] * 4)
    six = ("B02", "B03", "B04", "B08", "B11", "B12")
    bright = np.float32(land)[:, None, None] * np.ones((6, 8, 8), np.float32)
    cloud = np.full((6, 8, 8), 0.6, np.float32)
    np.testing.assert_allclose(own_opacity(generator, bright, six, "L2A", SMALL)[:, :4], 0.5, atol=1e-3)
    np.testing.assert_allclose(own_opacity(generator, cloud, six, "L2A", SMALL)[:, :4], 0.95, rtol=1e-4)


def test_without_short_wave_infrared_cover_counts_less_where_the_networks_can_know_snow(monkeypatch):
    generator = seeing(monkeypatch, [0.99] * 4 + [0.05] * 4)
    six = ("B02", "B03", "B04", "B08", "B11", "B12")
    cloud = np.full((6, 8, 8), 0.6, np.float32)
    chip, large = (own_opacity(generator, cloud[:4], six[:4], "L2A", metres) for metres in (SMALL, 1200.0))
    np.testing.assert_allclose(chip, own_opacity(generator, cloud, six, "L2A", 1200.0), rtol=1e-4)
    np.testing.assert_allclose(large[:, 4:], 0.05, rtol=1e-4)
    sure, unsure = (join_opacity(likely(found, 0.0, (8, 8)), large, 1200.0)[0, :, 0] for found in (0.001, 0.1))
    assert (sure < 0.1).all() and (unsure > 0.3).all()


def test_what_lies_between_clouds_needs_more_to_be_cover_where_little_is_clear(monkeypatch):
    image = np.full((4, 8, 8), 0.3, np.float32)
    bands = ("B02", "B03", "B04", "B08")
    opacity = own_opacity(seeing(monkeypatch, [0.99] * 7 + [0.75]), image, bands, "L2A", SMALL)
    assert (opacity[:, 7] < 0.5).all() and (opacity[:, 0] > 0.99).all()
    opacity = own_opacity(seeing(monkeypatch, [0.99] * 4 + [0.01] * 3 + [0.75]), image, bands, "L2A", SMALL)
    np.testing.assert_allclose(opacity[:, 7], 0.75, rtol=1e-4)


def test_an_image_without_any_data_is_answered_without_a_warning(monkeypatch, recwarn):
    generator = seeing(monkeypatch, [np.nan] * 8)
    opacity = own_opacity(generator, np.full((4, 8, 8), np.nan, np.float32), ("B02", "B03", "B04", "B08"), "L2A", SMALL)
    assert np.isnan(opacity).all()
    assert not recwarn.list


def test_in_a_large_scene_it_counts_only_where_as_bright_as_cloud(monkeypatch):
    generator = seeing(monkeypatch, [0.9] * 4 + [0.1] * 4)
    bands = ("B02", "B03", "B04", "B08", "B11", "B12")
    image = np.full((6, 15, 16), 0.3, np.float32)
    image[1, :, 0] = 0.14  # dark in one band
    image[:, :, 1] = 0.2
    image[:, 0, 2] = np.nan
    opacity = bright_opacity(generator, image, bands, "L2A")  # of pixels twice as long
    assert opacity.shape == (15, 16) and not opacity[:, 0].any() and opacity[0, 2] == 0
    expected = [0.45] + [0.9] * 8 + [0.1] * 6  # and the rim
    np.testing.assert_allclose(opacity[1:, 1:], np.tile(expected, (14, 1)), rtol=1e-4)
    monkeypatch.setattr(type(generator), "opacity", None)
    assert not bright_opacity(generator, image / 3, bands, "L2A").any()
    assert not bright_opacity(generator, image[:4], bands[:4], "L2A").any()  # which may be snow


@pytest.mark.parametrize(("side", "small", "count"), [(48, 1024, 4), (96, 1024, 4), (600, 500, 6)])
def test_a_cloud_over_a_chip_is_replaced_and_the_ground_beside_it_stays(monkeypatch, side, small, count):
    """Fields of a few hundred metres, and some as of a large scene, under a cloud that csmask alone does not find."""
    monkeypatch.setattr(cover_detector, "SMALL", small)
    rng = np.random.default_rng(5)
    bands = ("B02", "B03", "B04", "B08", "B11", "B12")[:count]
    field = rng.uniform(0.8, 1.2, (1, side // 12, side // 12)).repeat(12, 1).repeat(12, 2)
    ground = np.float32([0.05, 0.07, 0.06, 0.28, 0.2, 0.12])[:count, None, None]
    image = ground * field + rng.normal(0, 0.002, (count, side, side))
    cover = np.hypot(*(np.indices((side, side)) - side / 4)) < side / 4
    top = np.float32([0.75, 0.75, 0.75, 0.75, 0.5, 0.4])[:count, None, None]
    image = np.where(cover, top + 0.05 * rng.random((side, side)), image).astype(np.float32)
    generator = load_generator("default")[0].eval()
    made, opacity, _ = clear_patch(image, bands, "L2A", generator)
    inside = np.hypot(*(np.indices((side, side)) - side / 4)) < side / 4 - 3
    beyond = np.hypot(*(np.indices((side, side)) - side / 4)) > side / 4 + 14
    assert made[:3, inside].mean() < 0.15
    assert (opacity[beyond] == 0).mean() > 0.9


@pytest.mark.parametrize(("side", "replaced"), [(64, True), (320, False)])
def test_a_chip_in_the_shadow_of_a_cloud_outside_of_it_is_replaced_and_its_sunlit_corner_stays(side, replaced):
    """Fields of 640 m; of 3.2 km the networks see enough to tell by themselves."""
    rng = np.random.default_rng(3)
    bands = ("B02", "B03", "B04", "B08", "B11", "B12")
    field = rng.uniform(0.8, 1.2, (1, side // 8, side // 8)).repeat(8, 1).repeat(8, 2)
    sunlit = np.float32([0.05, 0.07, 0.06, 0.28, 0.2, 0.12])[:, None, None] * field
    shade = np.float32([0.3, 0.25, 0.2, 0.15, 0.12, 0.12])[:, None, None]
    row, column = np.indices((side, side))
    image = np.where(row + column > 0.5 * side, sunlit * shade, sunlit).astype(np.float32)
    made, opacity, _ = clear_patch(image, bands, "L2A", load_generator("default")[0].eval())
    shaded, corner = row + column > 0.5 * side + 8, row + column < 0.5 * side - 14
    assert (opacity[shaded].mean() > 0.8) == replaced
    assert (made[3, shaded].mean() > 0.15) == replaced
    assert (opacity[corner] == 0).mean() > 0.9
