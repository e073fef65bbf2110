"""Ground of other dates as it is: by the days between, towards what little the scene shows, with an honest error."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from unclouded.references.kriging import Kriging
from unclouded.references.statistics import Layout, Reference, block_statistics, merge
from unclouded.references.temporal_interpolation import interpolate
from unclouded.references.verdicts import verdicts_by_each_other

BANDS = ("B02", "B03", "B04", "B08")
HEIGHT, WIDTH = 120, 150


def smooth(rng: np.random.Generator, size: float) -> np.ndarray:
    made = gaussian_filter(rng.normal(size=(4, HEIGHT, WIDTH)), (0, 4, 4))
    return (size * made / made.std()).astype(np.float32)


def statistics(scene, clear, references, days, seen=None, bands=None):
    seen = seen or [np.ones((HEIGHT, WIDTH), bool)] * len(references)
    bands = bands or [BANDS] * len(references)
    known = tuple(Reference(f"date {i}", b, d) for i, (d, b) in enumerate(zip(days, bands, strict=True)))
    layout = Layout(HEIGHT, WIDTH, BANDS, known)
    return merge(layout, [block_statistics(layout, 0, 0, scene, clear, references, seen)])


@pytest.fixture(scope="module")
def place():
    """The ground on the day of the scene, and on other days: it changes with them, and each day has its own haze."""
    rng = np.random.default_rng(0)
    days = [-5, 10, 60]
    when = np.array([0, *days])
    covariance = np.exp(-abs(when[:, None] - when) / 60) + 0.2 * np.eye(4)
    changes = np.einsum("ij,jckl->ickl", np.linalg.cholesky(covariance), [smooth(rng, 0.02) for _ in when])
    truth, *dates = (0.2 + smooth(rng, 0.05) + changes).astype(np.float32)
    return truth, dates, days


@pytest.fixture(scope="module")
def nothing_clear():
    return np.zeros((HEIGHT, WIDTH), bool)


def predicted(interpolation, references, wanted, seen=None):
    seen = seen or [np.ones((HEIGHT, WIDTH), bool)] * len(references)
    return interpolation.predict(0, 0, references, seen, wanted)


def test_dates_around_the_day_weigh_more_than_one_far_away(place, nothing_clear):
    truth, dates, days = place
    interpolation = interpolate(statistics(np.full_like(truth, 0.7), nothing_clear, dates, days), [0, 1, 2])
    ground = predicted(interpolation, dates, ~nothing_clear)
    error = abs(ground.reflectance - truth).mean()
    assert error < 0.95 * abs(np.mean(dates, axis=0) - truth).mean()
    assert error < abs(dates[0] - truth).mean()
    assert (ground.source == 0).all() and (ground.transferred == 1).all()
    assert 0.5 * error < ground.error.mean() < 2 * error


def test_the_error_grows_with_the_days(place, nothing_clear):
    truth, dates, _ = place
    expected = [
        predicted(
            interpolate(statistics(truth, nothing_clear, dates[:1], [d]), [0]), dates[:1], ~nothing_clear
        ).error.mean()
        for d in (1, 10, 100, None)
    ]
    assert expected[0] < expected[1] < expected[3] < expected[2]


def test_the_error_is_larger_where_the_dates_differ(place, nothing_clear):
    truth, dates, days = place
    noise = np.random.default_rng(1).normal(0, 0.06, (3, *truth.shape)).astype(np.float32)
    half = np.indices(truth.shape[1:])[1] < WIDTH // 2
    dates = [np.where(half, d + n, d) for d, n in zip(dates, noise, strict=True)]
    interpolation = interpolate(statistics(truth, nothing_clear, dates, days), [0, 1, 2])
    error = predicted(interpolation, dates, ~nothing_clear).error
    assert error[half].mean() > 1.5 * error[~half].mean()


def test_a_hazy_date_does_not_hide_where_the_others_differ(place, nothing_clear):
    """All of it is far off, where they differ and where they agree: that says nothing of where errors lie."""
    truth, dates, days = place
    noise = np.random.default_rng(1).normal(0, 0.03, (3, *truth.shape)).astype(np.float32)
    half = np.indices(truth.shape[1:])[1] < WIDTH // 2
    dates = [np.where(half, d + n, d) for d, n in zip(dates, noise, strict=True)]
    dates[0] = dates[0] + np.float32(0.2)
    interpolation = interpolate(statistics(truth, nothing_clear, dates, days), [0, 1, 2])
    error = predicted(interpolation, dates, ~nothing_clear).error
    assert error[half].mean() > 1.1 * error[~half].mean()


def test_with_one_date_the_error_is_larger_where_it_is_bright(place, nothing_clear):
    truth, dates, days = place
    half = np.indices(truth.shape[1:])[1] < WIDTH // 2
    dates = [np.where(half, d + np.float32(0.2), d) for d in dates[:1]]
    interpolation = interpolate(statistics(truth, nothing_clear, dates, days[:1]), [0])
    error = predicted(interpolation, dates, ~nothing_clear).error
    assert error[half].mean() > 1.2 * error[~half].mean()


def test_windows_give_the_same_bytes_however_they_are_cut(place, nothing_clear):
    truth, dates, days = place
    seen = [np.ones((HEIGHT, WIDTH), bool) for _ in dates]
    seen[0][50:, 70:] = False
    clear = nothing_clear.copy()
    clear[5:12, 5:12] = True
    interpolation = interpolate(statistics(truth, clear, dates, days, seen), [0, 1, 2])
    whole = predicted(interpolation, dates, ~clear, seen)
    for box in (np.s_[13:110, 31:140], np.s_[64:120, 64:128]):
        window = interpolation.predict(
            box[0].start, box[1].start, [d[(..., *box)] for d in dates], [s[box] for s in seen], ~clear[box]
        )
        for name in ("reflectance", "error", "source", "transferred"):
            assert getattr(window, name).tobytes() == getattr(whole, name)[(..., *box)].tobytes()


def test_few_clear_pixels_draw_the_whole_towards_them_and_none_that_are_cloud(place, nothing_clear):
    truth, dates, days = place
    darker = (0.8 * truth).astype(np.float32)
    clear = nothing_clear.copy()
    clear[60:68, 60:68] = True
    error = {}
    for name, scene in (("ground", darker), ("cloud", np.full_like(truth, 0.7))):
        interpolation = interpolate(statistics(scene, clear, dates, days), [0, 1, 2])
        error[name] = abs(predicted(interpolation, dates, ~clear).reflectance - darker)[:, ~clear].mean()
    assert error["ground"] < 0.7 * error["cloud"]
    plain = interpolate(statistics(darker, nothing_clear, dates, days), [0, 1, 2])
    assert error["cloud"] == pytest.approx(abs(predicted(plain, dates, ~clear).reflectance - darker)[:, ~clear].mean())


def test_a_scene_that_shows_enough_is_left_to_the_fit(place):
    truth, dates, days = place
    clear = np.zeros((HEIGHT, WIDTH), bool)
    clear[:, :20] = True
    assert interpolate(statistics(truth, clear, dates, days), [0, 1, 2]) is None


def test_a_band_missing_on_one_date_comes_from_another_and_one_missing_on_all_stays_missing(place, nothing_clear):
    truth, dates, _ = place
    truth = truth.copy()
    truth[3] = 0.1 + 0.5 * truth[0]
    dates = [d.copy() for d in dates[:2]]
    for d in dates:
        d[3] = 0.1 + 0.5 * d[0]
    lacking = [dates[0][:3], dates[1]]
    seen = [np.ones((HEIGHT, WIDTH), bool), np.zeros((HEIGHT, WIDTH), bool)]
    seen[1][:, :40] = True
    made = statistics(truth, nothing_clear, lacking, [-5, 10], seen, [BANDS[:3], BANDS])
    ground = predicted(interpolate(made, [0, 1]), lacking, ~nothing_clear, seen)
    assert ground.predicted_bands.all()
    assert abs(ground.reflectance[3] - truth[3])[:, 60:].mean() < 0.01
    made = statistics(truth, nothing_clear, lacking[:1], [-5], bands=[BANDS[:3]])
    ground = predicted(interpolate(made, [0]), lacking[:1], ~nothing_clear)
    assert ground.predicted_bands.tolist() == [True, True, True, False]
    assert (ground.reflectance[3] == 0).all()


def test_cloud_that_was_missed_on_one_of_three_dates_is_not_believed(place, nothing_clear):
    truth, dates, days = place
    cloud = nothing_clear.copy()
    cloud[40:80, 40:80] = True
    dates = [np.where(cloud, np.float32(0.6), dates[0]), *dates[1:]]
    ground = predicted(interpolate(statistics(truth, nothing_clear, dates, days), [0, 1, 2]), dates, ~nothing_clear)
    assert abs(ground.reflectance - truth)[:, cloud].mean() < 0.03
    assert (ground.source[cloud] == 1).all()


@pytest.mark.parametrize("fault", ["not comparable", "duplicate", "offset", "cloudy", None])
def test_outliers_are_found_by_the_other_dates(place, nothing_clear, fault):
    truth, dates, days = place
    seen, incomparable = None, {}
    dates, days = [*dates, dates[0] + np.random.default_rng(2).normal(0, 0.01, truth.shape).astype("f4")], [*days, 50]
    if fault == "not comparable":
        incomparable = {3: "its level is L1C, the scene's L2A"}
    elif fault == "duplicate":
        dates[3] = dates[0]
    elif fault == "offset":
        dates[3] = dates[3] + np.float32(0.1)
    elif fault == "cloudy":
        seen = [~nothing_clear] * 3 + [nothing_clear]
    made = verdicts_by_each_other(statistics(truth, nothing_clear, dates, days, seen), incomparable)
    assert [verdict.fault for verdict in made] == [None, None, None, fault]
    assert made[3].usable == (fault is None)
    assert ("L1C" in made[3].reason) == (fault == "not comparable")


def test_weights_are_those_of_dates_that_show_the_pixel():
    kriging = Kriging.of([-5.0, 5.0, 300.0, None])
    np.testing.assert_allclose(kriging.weights[1:].sum(axis=1), 1, rtol=1e-5)
    assert kriging.weights[0b0011].tolist() == pytest.approx([0.5, 0.5, 0, 0])
    assert kriging.weights[0b0100].tolist() == [0, 0, 1, 0]
    assert kriging.variance[0b0011] < kriging.variance[0b0001] < kriging.variance[0b1000] < kriging.variance[0b0100]
