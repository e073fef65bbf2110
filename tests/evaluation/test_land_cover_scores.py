"""Scores of predicted classes: by hand, at their bounds, and for what cannot be scored."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unclouded.errors import InputError
from unclouded.evaluation.land_cover import image_f1
from unclouded.evaluation.land_cover_scores import SCORES, score

CLASSES = ("forest", "pasture", "water")
LABELS = np.array([[1, 1, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]], bool)
PREDICTED = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 1, 0]], bool)


def test_by_hand() -> None:
    found = score(PREDICTED, LABELS, CLASSES)
    assert found.images == 4
    assert found.samples["precision"] == pytest.approx((1 + 1 / 2 + 0 + 1) / 4)
    assert found.samples["recall"] == pytest.approx((1 / 2 + 1 + 0 + 1) / 4)
    assert found.samples["f1"] == pytest.approx((2 / 3 + 2 / 3 + 0 + 1) / 4)
    assert found.samples["f2"] == pytest.approx((5 / 9 + 5 / 6 + 0 + 1) / 4)
    assert found.micro == pytest.approx({"precision": 4 / 5, "recall": 4 / 6, "f1": 8 / 11, "f2": 20 / 29})
    assert found.macro["precision"] == pytest.approx(1), "water, which no image shows, does not count"
    assert found.macro["recall"] == pytest.approx(2 / 3)
    assert found.per_class["water"] == {**dict.fromkeys(SCORES, 0.0), "support": 0, "predicted": 1}
    assert found.per_class["forest"]["support"] == 3


@given(arrays(bool, (6, 4)), arrays(bool, (6, 4)))
def test_scores_lie_between_0_and_1_and_f1_is_that_of_the_threshold(predicted, labels) -> None:
    labels[0] = True
    found = score(predicted, labels, ("a", "b", "c", "d"))
    for average in (found.samples, found.micro, found.macro):
        assert all(0 <= average[name] <= 1 for name in SCORES)
    low, high = sorted((found.micro["precision"], found.micro["recall"]))
    assert low - 1e-9 <= found.micro["f1"] <= high + 1e-9
    assert found.samples["f1"] == pytest.approx(image_f1(predicted, labels))


@given(arrays(bool, (5, 3)), st.permutations(range(5)))
def test_order_changes_nothing_and_the_truth_is_perfect(labels, order) -> None:
    labels[:, :2] = True
    assert score(labels, labels, CLASSES).samples == dict.fromkeys(SCORES, 1.0)
    predicted = np.roll(labels, 1, axis=1)
    mixed = score(predicted[list(order)], labels[list(order)], CLASSES)
    assert mixed.samples == pytest.approx(score(predicted, labels, CLASSES).samples)


def test_refuses_what_cannot_be_scored() -> None:
    with pytest.raises(InputError, match="1 class among the labels of 4 images"):
        score(PREDICTED, np.array([[True, False, False]] * 4), CLASSES)
    with pytest.raises(InputError, match="for 2 classes"):
        score(PREDICTED, LABELS, ("a", "b"))
    with pytest.raises(InputError, match=r"labels of \(3, 3\)"):
        score(PREDICTED, LABELS[:3], CLASSES)
