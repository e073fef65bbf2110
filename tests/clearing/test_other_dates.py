"""Other dates of the place: their ground where the scene is covered, and nothing else changed."""

import dated_scenes
import numpy as np
import pytest
import rasterio
from dated_scenes import HEIGHT, WIDTH, land, plain_fields, plain_scene, scene_of
from scenes import MemoryScene, active_generator, used_as

from unclouded.clearing.clear import shares_of_sources
from unclouded.clearing.inputs import OpenReference, SceneInputs
from unclouded.clearing.options import ClearOptions, TileOptions
from unclouded.clearing.passes import Clearing
from unclouded.detection.csmask import CloudShadowNetwork, coarsen

pytestmark = pytest.mark.usefixtures("unasked")


def clear(scene, covered, references, tiling=None):
    """The result in reflectance, its quality, and what was said of the references."""
    result, quality, clearing = dated_scenes.clear(scene, covered, references, tiling)
    return result, quality, [verdict.fault for verdict in clearing.verdicts]


@pytest.fixture(scope="module")
def covered() -> np.ndarray:
    row, column = np.indices((HEIGHT, WIDTH))
    return (row - 70) ** 2 + (column - 90) ** 2 < 40**2


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    return land()


@pytest.fixture(scope="module")
def scene(truth, covered) -> MemoryScene:
    return scene_of(np.where(covered, 0.8, truth), "scene.tif")


@pytest.fixture(scope="module")
def earlier(truth) -> MemoryScene:
    """The same fields in the colours of another season."""
    return scene_of(0.6 * truth + 0.03 + 0.1 * truth[::-1], "earlier.tif")


def test_what_another_date_saw_takes_the_place_of_what_is_guessed(scene, truth, covered, earlier) -> None:
    result, quality, faults = clear(scene, covered, [earlier])
    guessed, without, _ = clear(scene, covered, [])
    error, error_without = (np.abs(image - truth)[:, covered].mean() for image in (result, guessed))
    assert error < 0.02
    assert error < 0.4 * error_without
    assert (quality[2][covered] == 2).mean() > 0.7  # the detector takes some of these fields for cloud
    assert (without[2][covered] == 1).all()
    assert faults == [None]
    assert 0 < quality[1][covered].mean() < 0.02
    far = ~covered & (quality[0] == 0)
    assert far.mean() > 0.6
    np.testing.assert_array_equal(result[:, far], scene.dn[:, far] / 1e4)
    assert (quality[:, far] == 0).all()


def test_a_mask_that_is_a_little_too_small_does_not_spoil_the_relation(scene, truth, covered, earlier, monkeypatch):
    def bright(self, seen, factor):
        found = (coarsen(seen, factor).mean(axis=0) > 0.4).astype(np.float32)
        return np.stack([found, 0 * found])

    monkeypatch.setattr(CloudShadowNetwork, "detect_small", bright)
    row, column = np.indices((HEIGHT, WIDTH))
    small = (row - 70) ** 2 + (column - 90) ** 2 < 35**2
    errors = []
    for mask in (covered, small):
        inputs = SceneInputs(scene, None, dated_scenes.Mask(mask), (OpenReference(earlier, scene.info),))
        clearing = Clearing(inputs, used_as(active_generator(), detector="csmask"), ClearOptions(precision="fp32"))
        result = np.empty(scene.dn.shape)
        for tile in clearing.tiles():
            result[(slice(None), *tile.box.slices)] = tile.dn / 1e4
        errors.append(np.abs(result - truth)[:, small].mean())
    assert max(errors) < 0.02  # 0.08 where the rim of the cloud counts as ground


def test_the_result_and_1645_uncertainties_hold_nine_tenths_of_the_truth(covered) -> None:
    """As many as those of what the network guesses are to hold: one band, one meaning."""
    fields, rng = plain_fields(), np.random.default_rng(5)
    truth, *others = (fields + rng.laplace(0, 0.01, (4, *fields.shape))).clip(0.001)
    scene = plain_scene(np.where(covered, 0.8, truth), "scene.tif")
    result, quality, _ = clear(scene, covered, [plain_scene(other, f"{i}.tif") for i, other in enumerate(others)])
    shown = covered & (quality[2] >= 2)
    assert 0.87 < (np.abs(result - truth)[:, shown] <= 1.645 * quality[1][shown]).mean() < 0.95


def test_tiles_agree_wherever_the_grid_starts(scene, covered, earlier) -> None:
    one, quality, _ = clear(scene, covered, [earlier], TileOptions(size=64))
    other, shifted, _ = clear(scene, covered, [earlier], TileOptions(size=96, offset=(32, 64)))
    np.testing.assert_allclose(other, one, atol=1.01e-4)
    np.testing.assert_allclose(shifted, quality, atol=1e-4)


def test_pixels_that_no_reference_shows_are_guessed(scene, truth, covered, earlier) -> None:
    half = scene_of(np.where(np.arange(WIDTH) < 90, earlier.dn / 1e4, 0), "half.tif")
    half.dn[:, :, 90:] = 0
    _, quality, _ = clear(scene, covered, [half])
    assert (quality[2][covered][:, None] > 0).all()
    assert (quality[2][:, 100:][covered[:, 100:]] == 1).all()
    assert (quality[2][:, :80][covered[:, :80]] == 2).mean() > 0.99


@pytest.mark.parametrize("kind", ["itself", "overcast"])
def test_what_cannot_help_is_named_and_not_used(scene, covered, kind) -> None:
    others = {"itself": scene, "overcast": scene_of(np.full((13, HEIGHT, WIDTH), 0.9), "overcast.tif")}
    result, quality, faults = clear(scene, covered, [others[kind]])
    assert faults[0] in {"itself": ("identical",), "overcast": ("cloudy", "not common", "elsewhere")}[kind]
    without, _, _ = clear(scene, covered, [])
    np.testing.assert_array_equal(result, without)
    assert quality[2].max() == 1


def test_shares_of_a_reference_that_is_given_twice_are_summed(tmp_path):
    source = np.array([[0, 1], [2, 2]], np.float32)
    with rasterio.open(tmp_path / "q.tif", "w", driver="GTiff", width=2, height=2, count=3, dtype="float32") as file:
        file.write(np.stack([source, source, source]))
    assert shares_of_sources(tmp_path / "q.tif", ["may.tif", "may.tif"]) == {"guessed": 0.25, "may.tif": 0.5}


@pytest.fixture(scope="module")
def plain(covered):
    """What is there, a scene of it under cloud, and another date, in bands by which the detector tells nothing."""
    truth = plain_fields()
    noise = np.random.default_rng(3).normal(0, 0.004, truth.shape)
    return truth, plain_scene(np.where(covered, 0.8, truth), "scene.tif"), 0.7 * truth + 0.03 + noise


def test_the_same_date_twice_is_reported_and_changes_nothing(plain, covered) -> None:
    _, scene, other = plain
    once, quality, _ = clear(scene, covered, [plain_scene(other, "may.tif")])
    twice, same, faults = clear(scene, covered, [plain_scene(other, name) for name in ("may.tif", "again.tif")])
    assert faults == [None, "duplicate"]
    np.testing.assert_array_equal(twice, once)
    np.testing.assert_array_equal(same, quality)


def test_a_date_1000_dn_off_is_reported_and_its_ground_is_used(plain, covered) -> None:
    truth, scene, _ = plain
    near = truth + np.random.default_rng(2).normal(0, 0.004, truth.shape)
    result, quality, faults = clear(scene, covered, [plain_scene(near + 0.1, "off.tif")])
    assert faults == ["offset"]
    assert (quality[2][covered] == 2).all()
    assert np.abs(result - truth)[:, covered].mean() < 0.01
