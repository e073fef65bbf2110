"""Losses of land-cover classifiers: pure functions of logits and labels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def reduce_labels(labels: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Reduce the labels of a random share of the patches to a single one, drawn uniformly.

    Args:
        labels: (B, K) 0 or 1, on the CPU.
        share: probability that a patch is reduced; 0.5 in the paper's rule.
        rng: random generator; the number of draws does not depend on the labels.
    """
    draws = torch.rand(labels.shape, generator=rng).masked_fill(labels == 0, -1.0)
    single = torch.zeros_like(labels).scatter_(1, draws.argmax(dim=1, keepdim=True), 1.0) * labels
    reduced = torch.rand(len(labels), 1, generator=rng) < share
    return torch.where(reduced, single, labels)


def distribution_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Softmax cross-entropy (nats) against the uniform distribution over each patch's labels, mean over the patches.

    Args:
        logits: (B, K).
        labels: (B, K) 0 or 1; a patch without labels contributes 0.
    """
    target = labels / labels.sum(dim=1, keepdim=True).clamp(min=1)
    return -(target * logits.log_softmax(dim=1)).sum(dim=1).mean()


def presence_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy (nats) of each class, mean over patches and classes; `logits` and `labels` are (B, K)."""
    return F.binary_cross_entropy_with_logits(logits, labels)
