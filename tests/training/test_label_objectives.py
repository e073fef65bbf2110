"""The paper's label rule and the losses of a classifier."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from unclouded.training.label_objectives import distribution_loss, presence_loss, reduce_labels


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_reduction_keeps_all_labels_or_one_of_them(seed: int, share: float) -> None:
    labels = (torch.rand(20, 7, generator=generator(seed)) < 0.4).float()
    reduced = reduce_labels(labels, share, generator(seed))
    assert bool((reduced <= labels).all())
    whole = (reduced == labels).all(dim=1)
    assert bool((whole | (reduced.sum(dim=1) == 1)).all())


def test_a_share_of_the_patches_is_reduced_uniformly() -> None:
    labels = torch.tensor([[1.0, 0, 1, 1, 0]]).repeat(30_000, 1)
    reduced = reduce_labels(labels, 0.5, generator())
    single = reduced[reduced.sum(dim=1) == 1]
    assert abs(len(single) / 30_000 - 0.5) < 0.02
    assert torch.allclose(single.mean(dim=0), torch.tensor([1 / 3, 0, 1 / 3, 1 / 3, 0]), atol=0.02)


def test_no_reduction_and_full_reduction() -> None:
    labels = torch.ones(50, 4)
    assert torch.equal(reduce_labels(labels, 0.0, generator()), labels)
    assert torch.equal(reduce_labels(labels, 1.0, generator()).sum(dim=1), torch.ones(50))
    assert torch.equal(reduce_labels(torch.zeros(3, 4), 1.0, generator()), torch.zeros(3, 4))


def test_the_distribution_loss_is_least_at_the_label_distribution() -> None:
    labels = torch.tensor([[1.0, 1, 0, 0], [0, 0, 0, 1]])
    best = torch.log(labels / labels.sum(dim=1, keepdim=True) + 1e-9)
    assert math.isclose(float(distribution_loss(best, labels)), math.log(2) / 2, abs_tol=1e-5)
    assert distribution_loss(torch.zeros(2, 4), labels) > distribution_loss(best, labels)
    assert math.isclose(float(distribution_loss(torch.zeros(2, 4), labels)), math.log(4), abs_tol=1e-6)


def test_a_patch_without_labels_counts_nothing() -> None:
    assert float(distribution_loss(torch.randn(3, 4), torch.zeros(3, 4))) == 0


def test_the_presence_loss_of_ignorance_is_log_2() -> None:
    assert math.isclose(float(presence_loss(torch.zeros(2, 4), torch.ones(2, 4))), math.log(2), abs_tol=1e-6)
