"""Inception scores: their bounds, and a collapsed generator that the Fréchet distance prefers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unclouded.errors import InputError
from unclouded.evaluation.frechet import frechet_distance
from unclouded.evaluation.inception_score import highest_score, inception_score, multi_label_inception_score

RNG = np.random.default_rng(0)


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_bounds(count, labels, seed):
    p = np.random.default_rng(seed).random((count, labels)).round(1)
    score = multi_label_inception_score(p)
    assert 1 - 1e-9 <= score <= highest_score(p) * (1 + 1e-9) <= 2**labels * (1 + 1e-9) ** 2
    q = (p + 0.01) / (p + 0.01).sum(axis=1, keepdims=True)
    assert 1 - 1e-9 <= inception_score(q) <= labels * (1 + 1e-9)


def test_the_bounds_are_reached():
    same = np.tile(RNG.random(7), (30, 1))
    assert multi_label_inception_score(same) == pytest.approx(1)
    every = np.array([[(n >> bit) & 1 for bit in range(4)] for n in range(16)], float)
    assert multi_label_inception_score(every) == pytest.approx(2**4) == pytest.approx(highest_score(every))
    assert inception_score(np.eye(6)) == pytest.approx(6)


def test_a_collapsed_generator_ranks_below_a_diverse_one_where_the_frechet_distance_does_not():
    """Ten kinds of land; one generator paints every image alike, between them all, the other all kinds, but noisily."""
    kinds = 2.0 * RNG.normal(size=(10, 16))

    def probabilities(features):
        return 1 / (1 + np.exp(np.square(features[:, None] - kinds[None]).mean(-1) * 2 - 3))

    real = kinds[RNG.integers(10, size=2000)] + 0.3 * RNG.normal(size=(2000, 16))
    diverse = kinds[RNG.integers(10, size=2000)] + 1.5 + 0.8 * RNG.normal(size=(2000, 16))
    collapsed = real.mean(axis=0) + 0.9 * RNG.normal(size=(2000, 16))
    assert frechet_distance(real, collapsed) < frechet_distance(real, diverse)
    assert multi_label_inception_score(probabilities(collapsed)) < multi_label_inception_score(probabilities(diverse))


def test_a_label_that_is_all_but_sure_everywhere_stays_finite():
    p = np.ones((1000, 1))
    p[0] = np.nextafter(1, 0)
    assert multi_label_inception_score(p) == pytest.approx(1)


@pytest.mark.parametrize("p", [np.full((3, 2), 1.5), np.full((3, 2), np.nan), np.zeros(3), np.zeros((0, 2))])
def test_what_are_no_probabilities_are_refused(p):
    with pytest.raises(InputError, match="within"):
        multi_label_inception_score(p)


def test_classes_that_do_not_sum_to_one_are_refused():
    with pytest.raises(InputError, match="sum to 1"):
        inception_score(np.full((3, 2), 0.9))
