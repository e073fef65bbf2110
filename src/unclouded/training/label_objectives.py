"""What a land-cover classifier is trained towards: pure functions of logits and labels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def reduce_labels(labels: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Keep a single label, uniformly drawn, of a share of the patches.

    Args:
        labels: (B, K) 0 or 1, on the CPU.
        share: how likely a patch is reduced to one label; 0.5 in the paper's rule.
        rng: source of randomness; as many numbers are drawn whatever the labels are.
    """
    draws = torch.rand(labels.shape, generator=rng).masked_fill(labels == 0, -1.0)
    single = torch.zeros_like(labels).scatter_(1, draws.argmax(dim=1, keepdim=True), 1.0) * labels
    reduced = torch.rand(len(labels), 1, generator=rng) < share
    return torch.where(reduced, single, labels)


def distribution_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Softmax cross-entropy (nats) against the uniform distribution over each patch's labels, mean over the patches.

    Args:
        logits: (B, K).
        labels: (B, K) 0 or 1; a patch without labels counts nothing.
    """
    target = labels / labels.sum(dim=1, keepdim=True).clamp(min=1)
    return -(target * logits.log_softmax(dim=1)).sum(dim=1).mean()


def presence_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy of each class for itself, in nats, mean over patches and classes; shapes as there."""
    return F.binary_cross_entropy_with_logits(logits, labels)
