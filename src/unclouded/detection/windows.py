"""The highest value and the mean in a window around every pixel, in as many steps as its side has binary digits.

torch's pooling looks at all of a window for every pixel of it. Here spans of twice the length are made of two of the
last. What a pixel gets depends on its window alone, to the last bit, so that it is the same in every crop that holds
the window.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

_ROWS, _COLUMNS = 2, 3


def highest(x: Tensor, reach: int, along: Sequence[int] = (_ROWS, _COLUMNS)) -> Tensor:
    """Take the highest value of `x` (B, C, h, w) within `reach` pixels along both directions, or one of them."""
    length = 2 * reach + 1
    for dim in along:
        size, spans = x.shape[dim], _spans(_padded(x, reach, dim, -math.inf), length, dim, torch.maximum)
        # Two that overlap make the window.
        begin = length - 2 ** (len(spans) - 1)
        x = torch.maximum(spans[-1].narrow(dim, 0, size), spans[-1].narrow(dim, begin, size))
    return x


def highest_around(x: Tensor, reach: int) -> Tensor:
    """Take the highest value of `x` (B, C, h, w) in an octagon of `reach` pixels: what stands out shows no square."""
    square = highest(x, reach - reach // 2)
    return torch.maximum(*(highest(square, reach // 2, (dim,)) for dim in (_ROWS, _COLUMNS)))


def partial_mean(x: Tensor, reach: int) -> Tensor:
    """Take the mean of `x` (B, C, h, w) within `reach` pixels along both directions, of what lies inside the image."""
    length = 2 * reach + 1
    for dim in (_ROWS, _COLUMNS):
        size, spans = x.shape[dim], _spans(_padded(x, reach, dim, 0), length, dim, torch.add)
        total = spans[0].narrow(dim, 0, size)
        begin = 1
        for number, span in enumerate(spans[1:], start=1):
            if length >> number & 1:
                total = total + span.narrow(dim, begin, size)
                begin += 2**number
        place = torch.arange(size, device=x.device)
        count = (place + reach).clamp(max=size - 1) - (place - reach).clamp(min=0) + 1
        x = total / (count[:, None] if dim == _ROWS else count)
    return x


def _padded(x: Tensor, reach: int, dim: int, value: float) -> Tensor:
    return F.pad(x, (0, 0, reach, reach) if dim == _ROWS else (reach, reach, 0, 0), value=value)


def _spans(x: Tensor, length: int, dim: int, join: Callable[[Tensor, Tensor], Tensor]) -> list[Tensor]:
    """Join 1, 2, 4, … neighbours along a dimension, as far as `length` goes; each from where it starts."""
    spans = [x]
    while 2 ** len(spans) <= length:
        last, step = spans[-1], 2 ** (len(spans) - 1)
        left = last.shape[dim] - step
        spans.append(join(last.narrow(dim, 0, left), last.narrow(dim, step, left)))
    return spans
