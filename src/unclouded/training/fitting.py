"""Fitting of a small head of a trained network to samples of simulated images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from unclouded.training.schedule import cosine

_AT_ONCE = 1024
"""Samples in a step, drawn from all images, since those of one image are correlated."""


class FitSettings(Protocol):
    """Options of fitting a head."""

    @property
    def steps(self) -> int:
        """Of fitting."""

    @property
    def learning_rate(self) -> float:
        """Of AdamW, with cosine decay to 0."""

    @property
    def weight_decay(self) -> float:
        """Of AdamW."""


def fit(
    head: nn.Module,
    loss_of: Callable[[Tensor], Tensor],
    count: int,
    settings: FitSettings,
    rng: torch.Generator,
    *,
    largest_norm: float | None = None,
) -> None:
    """Fit the parameters of a head, which are frozen before and afterwards.

    Args:
        head: on the device on which it is fitted.
        loss_of: loss of some samples, given their indices (n,) on that device.
        count: number of samples.
        settings: number of steps, learning rate and weight decay.
        rng: of the samples of each step.
        largest_norm: for gradient clipping; none by default.
    """
    head.requires_grad_(True)
    parameters = list(head.parameters())
    optimiser = torch.optim.AdamW(parameters, settings.learning_rate, weight_decay=settings.weight_decay)
    for step in range(settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * cosine(step, settings.steps)
        loss = loss_of(torch.randint(count, (_AT_ONCE,), generator=rng).to(parameters[0].device))
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        if largest_norm is not None:
            torch.nn.utils.clip_grad_norm_(parameters, largest_norm)
        optimiser.step()
    head.requires_grad_(False)
