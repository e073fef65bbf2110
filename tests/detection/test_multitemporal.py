"""Cloud by other dates: found under cloud that nobody saw, and nothing that changes on the ground is taken for it."""

from __future__ import annotations

import numpy as np
import pytest

from unclouded.detection.multitemporal import DatePair, cloud_and_clear, fit_relation

BANDS = ("B02", "B03", "B04", "B08", "B11", "B12")
MEANS = np.array([0.04, 0.07, 0.06, 0.3, 0.2, 0.12])
SHAPE = (24, 30)


def ground(seed=1):
    """Land of varied cover (6, 24, 30)."""
    rng = np.random.default_rng(seed)
    green, bright = rng.random((2, *SHAPE))
    slopes = np.array([0.03, 0.05, 0.09, -0.15, 0.12, 0.12])
    return (MEANS[:, None, None] + slopes[:, None, None] * green + 0.02 * bright).astype("f4")


def another_day(reference, seed=2):
    rng = np.random.default_rng(seed)
    gain, offset = 1 + 0.2 * rng.random((6, 1, 1)), 0.01 * rng.random((6, 1, 1))
    return (gain * reference + offset + 0.002 * rng.normal(size=reference.shape)).astype("f4")


def evidence(scene, reference, likely=None):
    clear = np.ones(SHAPE, bool) if likely is None else likely
    relation = fit_relation(scene.reshape(6, -1), reference.reshape(6, -1), clear.ravel(), BANDS)
    visible = np.ones(SHAPE, bool)
    return cloud_and_clear([DatePair(scene, reference, visible, relation, BANDS)])


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.8])
@pytest.mark.parametrize("seen", [False, True])
def test_cloud_is_separated_from_ground_even_if_it_covers_most_of_the_scene(share, seen):
    reference = ground()
    truth = another_day(reference)
    rng = np.random.default_rng(3)
    covered = rng.random(SHAPE) < share
    scene = np.where(covered, truth + rng.uniform(0.1, 0.6, SHAPE).astype("f4"), truth)
    cloud, clear = evidence(scene, reference, ~covered if seen else None)
    assert (cloud[covered] == 1).all() and (clear[covered] == 0).all()
    assert (cloud[~covered] == 0).all() and (clear[~covered] > 0.9).mean() > 0.97


@pytest.mark.parametrize(
    "change",
    [
        (0.04, 0.07, 0.15, 0.0, 0.1, 0.15),
        (-0.01, -0.02, 0.01, -0.2, -0.05, 0.05),
        (-0.03, -0.04, -0.04, -0.28, -0.2, 0),
    ],
    ids=["soil laid open", "burnt", "flooded"],
)
def test_land_that_changed_is_no_cloud_and_not_known_to_be_clear(change):
    reference = ground()
    scene = another_day(reference)
    field = np.s_[:, 5:11, 8:15]
    scene[field] += np.array(change, "f4")[:, None, None]
    cloud, clear = evidence(scene, reference)
    assert (cloud == 0).all()
    assert (clear[field[1:]] == 0).all() and (clear > 0.9).mean() > 0.9


def test_snow_that_fell_since_is_no_cloud():
    reference = ground()
    scene = another_day(reference)
    field = np.s_[:, 5:11, 8:15]
    fallen = np.array([0.7, 0.7, 0.7, 0.6, 0.08, 0.07], "f4")[:, None, None]
    scene[field] = fallen + 0.01 * np.random.default_rng(4).normal(size=(6, 6, 7))
    cloud, clear = evidence(scene, reference)
    assert (cloud == 0).all() and (clear[field[1:]] == 0).all()
    scene[4:, 5:11, 8:15] = 0.5  # as bright in the short-wave infrared as cloud is
    cloud, _ = evidence(scene, reference)
    assert (cloud[field[1:]] == 1).all()


def test_a_reference_unlike_the_scene_gives_no_evidence():
    reference = ground()
    scene = (ground(7) + 0.15 * np.random.default_rng(5).random((6, *SHAPE))).astype("f4")
    cloud, clear = evidence(scene, reference)
    assert not cloud.any() and not clear.any()


def test_each_cell_goes_by_the_date_that_predicts_it_best():
    reference = ground()
    scene = another_day(reference)
    tainted = reference.copy()
    tainted[:, :10] += 0.1  # cloud that was missed there
    relations = [
        fit_relation(scene.reshape(6, -1), r.reshape(6, -1), np.ones(720, bool), BANDS) for r in (tainted, reference)
    ]
    visible = [np.ones(SHAPE, bool), np.tile(np.arange(30) < 20, (24, 1))]
    dates = [DatePair(scene, r, s, q, BANDS) for r, s, q in zip((tainted, reference), visible, relations, strict=True)]
    cloud, clear = cloud_and_clear(dates)
    assert (cloud == 0).all()
    assert (clear[:10, :20] > 0.9).mean() > 0.95


def test_too_few_cells_give_no_evidence():
    assert fit_relation(np.ones((6, 30), "f4"), np.ones((6, 30), "f4"), np.ones(30, bool), BANDS) is None


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_ground_in_shadow_is_not_taken_for_clear(share):
    reference = ground()
    truth = another_day(reference)
    shaded = np.arange(30) < 30 * share
    scene = np.where(shaded, np.array([0.6, 0.5, 0.4, 0.35, 0.3, 0.3], "f4")[:, None, None] * truth, truth)
    if share == 1:
        relation = fit_relation(scene.reshape(6, -1), reference.reshape(6, -1), np.ones(720, bool), BANDS)
        assert relation is None
        return
    cloud, clear = evidence(scene, reference)
    assert (cloud == 0).all() and (clear[:, shaded] == 0).all() and (clear[:, ~shaded] > 0.9).mean() > 0.95


def test_haze_over_all_of_the_scene_is_not_clear():
    reference = ground()
    haze = np.array([0.06, 0.05, 0.04, 0.02, 0.01, 0.0], "f4")[:, None, None]
    cloud, clear = evidence(another_day(reference) + haze, reference)
    assert (clear == 0).all() and (cloud == 0).all()
