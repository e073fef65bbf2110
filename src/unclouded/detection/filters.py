"""Maximum and mean filters, separable, in O(log radius) operations per pixel (van Herk's spans, doubled in length).

torch's pooling visits every pixel of a window. The result of a pixel depends on its window alone, to the last bit, so
that it is the same in every crop that holds the window.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

_ROWS, _COLUMNS = 2, 3


def maximum_filter(x: Tensor, radius: int, along: Sequence[int] = (_ROWS, _COLUMNS)) -> Tensor:
    """Maximum of `x` (B, C, h, w) in windows of 2 `radius` + 1 pixels, along both dimensions or one of them."""
    length = 2 * radius + 1
    for dim in along:
        size, spans = x.shape[dim], _spans(_padded(x, radius, dim, -math.inf), length, dim, torch.maximum)
        # Two overlapping spans make the window.
        begin = length - 2 ** (len(spans) - 1)
        x = torch.maximum(spans[-1].narrow(dim, 0, size), spans[-1].narrow(dim, begin, size))
    return x


def octagon_maximum_filter(x: Tensor, radius: int) -> Tensor:
    """Maximum of `x` (B, C, h, w) in octagons of `radius` pixels, in which isolated maxima leave no squares."""
    square = maximum_filter(x, radius - radius // 2)
    return torch.maximum(*(maximum_filter(square, radius // 2, (dim,)) for dim in (_ROWS, _COLUMNS)))


def mean_filter(x: Tensor, radius: int) -> Tensor:
    """Mean of `x` (B, C, h, w) in windows of 2 `radius` + 1 pixels, over the part that lies inside the image."""
    length = 2 * radius + 1
    for dim in (_ROWS, _COLUMNS):
        size, spans = x.shape[dim], _spans(_padded(x, radius, dim, 0), length, dim, torch.add)
        total = spans[0].narrow(dim, 0, size)
        begin = 1
        for number, span in enumerate(spans[1:], start=1):
            if length >> number & 1:
                total = total + span.narrow(dim, begin, size)
                begin += 2**number
        position = torch.arange(size, device=x.device)
        count = (position + radius).clamp(max=size - 1) - (position - radius).clamp(min=0) + 1
        x = total / (count[:, None] if dim == _ROWS else count)
    return x


def _padded(x: Tensor, radius: int, dim: int, value: float) -> Tensor:
    return F.pad(x, (0, 0, radius, radius) if dim == _ROWS else (radius, radius, 0, 0), value=value)


def _spans(x: Tensor, length: int, dim: int, join: Callable[[Tensor, Tensor], Tensor]) -> list[Tensor]:
    """`x` joined over 1, 2, 4, … neighbours along a dimension, up to `length`, each indexed by its first pixel."""
    spans = [x]
    while 2 ** len(spans) <= length:
        last, step = spans[-1], 2 ** (len(spans) - 1)
        left = last.shape[dim] - step
        spans.append(join(last.narrow(dim, 0, left), last.narrow(dim, step, left)))
    return spans
