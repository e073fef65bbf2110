"""Learning-rate schedules, and the exponential moving average of weights."""

from __future__ import annotations

import math

import torch
from torch import nn


def warm_up(step: int, warmup: int) -> float:
    """Factor of the learning rate that rises linearly to 1 over `warmup` steps."""
    return min((step + 1) / max(warmup, 1), 1.0)


def cosine(step: int, steps: int) -> float:
    """Factor of the learning rate that falls from 1 to 0 as half a cosine over `steps` (Loshchilov and Hutter 2017)."""
    return 0.5 * (1 + math.cos(math.pi * step / steps))


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Update the exponential moving average of a network's weights; integer buffers are copied.

    The decay is smaller in the first steps, so that the random initialisation is forgotten.
    """
    share = 1 - min(decay, (1 + step) / (10 + step))
    averaged, current = average.state_dict(), network.state_dict()
    values = [name for name, tensor in averaged.items() if tensor.is_floating_point()]
    torch._foreach_lerp_([averaged[name] for name in values], [current[name] for name in values], share)
    for name in averaged.keys() - set(values):
        averaged[name].copy_(current[name])
