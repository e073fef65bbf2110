import numpy as np
import pytest

from unclouded.detection.csmask import (
    FOUR_BANDS,
    SIX_BANDS,
    CloudShadowNetwork,
    coarsen,
    grid_factor,
    missing_bands,
    usable_bands,
)
from unclouded.errors import InputError


@pytest.fixture(scope="module")
def network():
    return CloudShadowNetwork(FOUR_BANDS, "L2A")


@pytest.fixture(scope="module")
def cumulus(shared_data):
    """Fields under cumulus and sharp shadows, (4, 512, 512) reflectance, and their classes."""
    with np.load(shared_data / "places" / "csmask_cumulus.npz") as arrays:
        return arrays["dn"][:4] * np.float32(1e-4), arrays["mask"]


@pytest.fixture(scope="module")
def image():
    """Anything at all, 300 x 270."""
    return np.random.default_rng(0).uniform(0, 0.8, (4, 300, 270)).astype(np.float32)


def test_cloud_and_shadow_are_detected_and_distinguished(cumulus):
    reflectance, classes = cumulus
    cloud, shadow = CloudShadowNetwork(FOUR_BANDS, "L1C").detect_patch(reflectance)
    assert (cloud > 0.5)[classes == 4].mean() > 0.8
    assert (shadow > 0.5)[classes == 0].mean() > 0.5
    assert (cloud + shadow > 0.5)[classes == 3].mean() < 0.1
    assert (cloud > 0.5)[classes == 0].mean() < 0.1


def test_the_answer_does_not_depend_on_the_number_of_threads(network, image):
    assert np.array_equal(
        CloudShadowNetwork(FOUR_BANDS, "L2A", threads=3).detect_patch(image), network.detect_patch(image)
    )


def test_strips_follow_each_other_and_read_only_inside_the_grid(network, image):
    asked = []

    def read(row, column, height, width):
        asked.append((row, column, row + height, column + width))
        return image[:, row : row + height, column : column + width]

    strips = list(network.detect(read, 300, 270))
    starts = [start for start, _ in strips]
    assert starts == list(np.cumsum([0, *(found.shape[1] for _, found in strips)])[:-1])
    assert sum(found.shape[1] for _, found in strips) == 300
    assert min(min(box) for box in asked) == 0
    assert max(box[2] for box in asked) == 300
    assert max(box[3] for box in asked) == 270
    assert max(box[2] - box[0] for box in asked) <= 256


def test_pixels_far_below_do_not_change_a_strip(network, image):
    changed = image.copy()
    changed[:, 260:] = 0.5
    first = network.detect_patch(image)[:, :150]
    assert np.array_equal(network.detect_patch(changed)[:, :150], first)


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (64, 64)])
def test_patches_smaller_than_a_window_are_mirrored(network, shape):
    found = network.detect_patch(np.full((4, *shape), 0.8, np.float32))
    assert found.shape == (2, *shape)
    assert np.isfinite(found).all()


def test_nothing_is_found_where_there_is_no_data(network, image):
    holed = image.copy()
    holed[:, :100] = np.nan
    found = network.detect_patch(holed)
    assert (found[:, :100] == 0).all()
    assert np.isfinite(found).all()
    assert (found[:, 100:].sum(axis=0) > 0).all()
    assert (network.detect_patch(np.full((4, 20, 20), np.nan, np.float32)) == 0).all()


def test_the_bands_at_hand_choose_the_network():
    assert usable_bands([*SIX_BANDS, "B05"]) == SIX_BANDS
    assert usable_bands([*FOUR_BANDS, "B11"]) == FOUR_BANDS
    assert usable_bands(["B8A", "B11", "B12"]) == ()
    assert missing_bands(["B03", "B08", "B11"]) == ("B02", "B04")
    with pytest.raises(InputError, match=r"B8A, B11: B02, B03, B04, B08 missing"):
        CloudShadowNetwork(["B11", "B8A"], "L1C")


def test_scenes_of_any_pixel_size_come_near_to_the_detectors():
    assert [grid_factor(metres) for metres in (5, 10, 15, 20, 30, 60, 300)] == [8, 4, 2, 2, 1, 1, 1]


def test_averages_leave_out_what_holds_no_data():
    image = np.arange(15, dtype=np.float32).reshape(1, 3, 5)
    image[0, 0, 0] = np.nan
    image[0, :2, 2:4] = np.nan
    found = coarsen(image, 2)
    assert found.shape == (1, 2, 3)
    assert np.allclose(found[0, 0], [(1 + 5 + 6) / 3, np.nan, (4 + 9) / 2], equal_nan=True)
    assert np.allclose(found[0, 1], [10.5, 12.5, 14])
    assert np.array_equal(coarsen(image, 1), image, equal_nan=True)


def test_small_scenes_are_classified_at_two_pixel_sizes(network):
    scene = np.random.default_rng(1).uniform(0, 0.8, (4, 70, 51)).astype(np.float32)
    found = network.detect_small(scene, 4)
    assert found.shape == (2, 18, 13)
    coarse, fine = network.detect_patch(coarsen(scene, 4)), network.detect_patch(coarsen(scene, 2))
    assert np.allclose(found, (coarse + coarsen(fine, 2)) / 2)
    assert np.array_equal(network.detect_small(scene, 1), network.detect_patch(scene))
