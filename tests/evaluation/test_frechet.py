"""The Fréchet distance: closed forms, invariances, sets that are too small, and what goes with it."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg

import unclouded
from unclouded.errors import InputError
from unclouded.evaluation.frechet import FeatureMoments, bootstrap, by_label, extrapolate, floor, frechet_distance

RNG = np.random.default_rng(0)


def exact(features, mean, covariance):
    """Features whose sample mean and covariance are exactly these."""
    x = features - features.mean(axis=0)
    whitened = x @ np.linalg.inv(np.linalg.cholesky(np.atleast_2d(np.cov(x.T)))).T
    return whitened @ np.linalg.cholesky(covariance).T + mean


def covariance(width, seed):
    a = np.random.default_rng(seed).normal(size=(width, width))
    return a @ a.T + 0.1 * np.eye(width)


@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_closed_form_of_commuting_gaussians(width, seed):
    rng = np.random.default_rng(seed)
    s, t = rng.uniform(0.1, 3, (2, width))
    m, n = rng.normal(size=(2, width))
    a = exact(rng.normal(size=(60, width)), m, np.diag(s**2))
    b = exact(rng.normal(size=(70, width)), n, np.diag(t**2))
    assert frechet_distance(a, b) == pytest.approx(((m - n) ** 2).sum() + ((s - t) ** 2).sum(), rel=1e-6, abs=1e-9)


def test_it_equals_the_formula_with_the_matrix_square_root():
    a, b = RNG.normal(size=(400, 40)) @ covariance(40, 1), RNG.normal(size=(500, 40)) @ covariance(40, 2) + 1
    s, t = np.cov(a.T), np.cov(b.T)
    expected = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(s + t - 2 * linalg.sqrtm(s @ t).real)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)


@given(st.integers(2, 80), st.integers(1, 40), st.integers(0, 2**32 - 1))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_zero_to_itself_symmetric_and_finite_for_any_number(count, width, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, count, width)) * rng.uniform(0.01, 100)
    scale = np.trace(np.atleast_2d(np.cov(a.T)))
    assert frechet_distance(a, a) <= 1e-6 * max(1, scale)
    one, other = frechet_distance(a, b), frechet_distance(b, a)
    assert 0 <= one < np.inf and one == pytest.approx(other, rel=1e-6, abs=1e-8 * scale)


def test_order_makes_no_difference_and_moments_stand_for_their_features():
    a, b = RNG.normal(size=(300, 24)), RNG.normal(size=(260, 24)) * 2 + 1
    whole = frechet_distance(a, b)
    assert frechet_distance(a[::-1], RNG.permutation(b)) == pytest.approx(whole, rel=1e-8)
    assert frechet_distance(FeatureMoments.of(a), b) == whole


def test_features_far_from_zero_lose_nothing():
    a, b = RNG.normal(size=(500, 8)), RNG.normal(size=(500, 8)) * 1.5
    assert frechet_distance(a + 1e6, b + 1e6) == pytest.approx(frechet_distance(a, b), rel=1e-6)


def test_collapsed_and_small_sets_are_finite_with_a_warning():
    a, same = RNG.normal(size=(200, 16)), np.full((50, 16), 0.3)
    with pytest.warns(UserWarning, match="collapsed"):
        distance = frechet_distance(a, same)
    expected = np.square(a.mean(0) - 0.3).sum() + np.trace(np.cov(a.T))
    assert distance == pytest.approx(expected, rel=1e-9)
    with pytest.warns(UserWarning, match="8 features of width 16"):
        assert np.isfinite(frechet_distance(a, a[:8]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frechet_distance(a, a[:100])


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.zeros((1, 4)), np.zeros((9, 4)), "at least two"),
        (np.zeros((9, 4)), np.zeros((9, 5)), "width 4 and of width 5"),
        (np.full((9, 4), np.nan), np.zeros((9, 4)), "9 of 9"),
        (np.zeros(9), np.zeros((9, 4)), "shape"),
        (np.zeros((0, 4)), np.zeros((9, 4)), "shape"),
    ],
)
def test_what_has_no_distance_is_refused(a, b, message):
    with pytest.raises(InputError, match=message):
        frechet_distance(a, b)


def test_it_is_part_of_the_package():
    a, b = RNG.normal(size=(50, 3)), RNG.normal(size=(50, 3))
    assert unclouded.frechet_distance(a, b) == frechet_distance(a, b)


def test_floor_falls_with_the_number_and_extrapolation_takes_it_off():
    x = RNG.normal(size=(4000, 32))
    few, many = floor(x[:400]), floor(x)
    assert 0 < many < few / 5
    a, b = RNG.normal(size=(1200, 32)), RNG.normal(size=(1200, 32)) + 0.2
    truth = 32 * 0.2**2
    assert abs(extrapolate(a, b) - truth) < abs(frechet_distance(a, b) - truth)


def test_the_interval_holds_the_estimate_and_shrinks():
    a, b = RNG.normal(size=(2000, 6)), RNG.normal(size=(2000, 6)) + 1
    wide, narrow = bootstrap(a[:150], b[:150], repeats=60), bootstrap(a, b, repeats=60)
    for interval in (wide, narrow):
        assert interval.low < interval.estimate < interval.high
    assert narrow.high - narrow.low < (wide.high - wide.low) / 2
    assert narrow.low < 6 + 0.5 and narrow.high > 6 - 0.5


def test_a_label_whose_images_are_off_stands_out():
    a, b = RNG.normal(size=(2, 600, 5))
    labels = np.zeros((600, 3), int)
    labels[:300, 0] = labels[200:500, 1] = labels[:10, 2] = 1
    b[400:] += 3
    found = by_label(a, labels, b, labels)
    assert set(found) == {0, 1}
    assert found[1] > 10 * found[0]
    with pytest.raises(InputError, match="do not fit"):
        by_label(a, labels[:5], b, labels)
