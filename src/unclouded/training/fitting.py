"""Fitting a small head of a network to what was gathered of simulated images, when the network itself has learnt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from unclouded.training.schedule import cosine

_AT_ONCE = 1024
"""Places in a step: of all images alike, since those of one image have much in common."""


class FitSettings(Protocol):
    """How a head is fitted."""

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
    """Fit the parameters of a head, which learn nothing before and afterwards.

    Args:
        head: on the device on which it is fitted.
        loss_of: gives the loss of some places, by their numbers (n,) on that device.
        count: places that there are.
        settings: how long and how fast.
        rng: of the places of each step.
        largest_norm: of the gradient, which is shortened to it; any unless given.
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
