"""What both trainings share beside their loops: the learning rate over the steps, and the moving average of weights."""

from __future__ import annotations

import math

import torch
from torch import nn


def warm_up(step: int, warmup: int) -> float:
    """Factor of the learning rate that rises evenly to 1 over `warmup` steps."""
    return min((step + 1) / max(warmup, 1), 1.0)


def cosine(step: int, steps: int) -> float:
    """Factor of the learning rate that falls from 1 to 0 as half a cosine over `steps` (Loshchilov and Hutter 2017)."""
    return 0.5 * (1 + math.cos(math.pi * step / steps))


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Bring the moving average of a network's weights a step on; what is counted in it is copied.

    Early on it follows closely, so that it forgets the random beginning.
    """
    share = 1 - min(decay, (1 + step) / (10 + step))
    own, theirs = average.state_dict(), network.state_dict()
    values = [name for name, tensor in own.items() if tensor.is_floating_point()]
    torch._foreach_lerp_([own[name] for name in values], [theirs[name] for name in values], share)
    for name in own.keys() - set(values):
        own[name].copy_(theirs[name])
