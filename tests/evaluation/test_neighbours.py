"""Precision, recall, density, coverage and the kernel distance against their formulas and on cases one can foresee."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from unclouded.errors import InputError
from unclouded.evaluation.neighbours import kernel_distance, neighbourhood

RNG = np.random.default_rng(0)


def plainly(real, made, k):
    """The formulas of Naeem et al. 2020, with all distances at once."""
    own_real, own_made, between = cdist(real, real), cdist(made, made), cdist(real, made)
    reach_real = np.sort(own_real, axis=1)[:, k]
    reach_made = np.sort(own_made, axis=1)[:, k]
    near = between <= reach_real[:, None]
    return near.any(0).mean(), (between <= reach_made[None]).any(1).mean(), near.sum(0).mean() / k, near.any(1).mean()


@pytest.mark.parametrize("size", [80, 1100])
@pytest.mark.parametrize("k", [1, 5])
def test_sets_of_any_size_give_what_the_formulas_give(size, k):
    real, made = RNG.normal(size=(size, 6)), RNG.normal(size=(size + 15, 6)) * 0.7 + 0.3
    assert neighbourhood(real, made, k=k) == pytest.approx(plainly(real, made, k))


def test_same_distribution_collapse_and_strangers():
    real, same = RNG.normal(size=(2, 500, 8))
    itself = neighbourhood(real, same)
    assert min(itself.precision, itself.recall, itself.coverage) > 0.85 and 0.8 < itself.density < 1.2
    collapsed = neighbourhood(real, real[:1] + 1e-3 * RNG.normal(size=(500, 8)))
    assert collapsed.precision > 0.95 and collapsed.recall < 0.05 and collapsed.coverage < 0.05
    assert neighbourhood(real, same + 50) == (0, 0, 0, 0)


def test_kernel_distance_is_without_bias():
    x, y = RNG.normal(size=(2, 600, 10))
    same = kernel_distance(x, y, subsets=30, size=200)
    assert abs(same.mean) < 3 * same.deviation
    assert kernel_distance(x, y + 1, subsets=30, size=200).mean > 10 * same.deviation
    assert kernel_distance(x, y, seed=1) == kernel_distance(x, y, seed=1)


def test_kernel_distance_of_two_and_two_by_hand():
    x, y = np.array([[1.0], [2.0]]), np.array([[0.0], [1.0]])
    kernel = lambda a, b: (a * b + 1) ** 3  # noqa: E731
    expected = kernel(1, 2) + kernel(0, 1) - (kernel(1, 0) + kernel(1, 1) + kernel(2, 0) + kernel(2, 1)) / 2
    assert kernel_distance(x, y, subsets=3).mean == pytest.approx(expected)


def test_too_few_or_strange_features_are_refused():
    with pytest.raises(InputError, match="neighbours"):
        neighbourhood(np.zeros((5, 2)), np.zeros((9, 2)))
    with pytest.raises(InputError, match="width"):
        neighbourhood(np.zeros((9, 2)), np.zeros((9, 3)))
    with pytest.raises(InputError, match="at least two"):
        kernel_distance(np.zeros((1, 2)), np.zeros((9, 2)))
    with pytest.raises(InputError, match="NaN"):
        kernel_distance(np.full((9, 2), np.nan), np.zeros((9, 2)))
