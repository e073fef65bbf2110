"""The latents of a scene, and the mean of what the network makes of them, with its uncertainty."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unclouded.models.generator import CELL, Generator, Observation, Translation, compose
from unclouded.precision import autocast
from unclouded.tiles import Box


class Sampled(NamedTuple):
    """The mean over latent samples, and how they differ.

    Attributes:
        reflectance: (13, h, w) mean of the composed images.
        opacity: (h, w) mean of the opacities.
        uncertainty: (h, w) in reflectance, for each of the bands that are there: see `sample`.
    """

    reflectance: NDArray[np.float32]
    opacity: NDArray[np.float32]
    uncertainty: NDArray[np.float32]


def latents(generator: Generator, samples: int, seed: int) -> Tensor:
    """Draw the latents of a scene, (samples, Z): zero, the most typical ground, when there is only one.

    Raises:
        ValueError: if `samples` is less than 1.
    """
    if samples < 1:
        raise ValueError(f"{samples=} must be at least 1")
    size = generator.settings.latent
    if samples == 1:
        return torch.zeros(1, size)
    return torch.randn(samples, size, generator=torch.Generator().manual_seed(seed))


def sample(
    generator: Generator, x: Observation, context: Tensor, zs: Iterable[Tensor], inner: Box, precision: str = "fp32"
) -> list[Sampled]:
    """Translate a batch under every latent, in memory that does not grow with their number (Welford 1962).

    The uncertainty is that of the mixture of the samples (Lakshminarayanan et al. 2017, section 2.4): the root of the
    mean square of the errors that the network expects, and of the variance over the samples, averaged over the bands;
    times the calibration of the weights.

    Args:
        generator: the network.
        x: the batch; sides are multiples of `CELL`.
        context: (B, K, H / 8, W / 8).
        zs: the latents, (Z,) each.
        inner: the box of every image to return.
        precision: one of `PRECISIONS`.
    """
    optical = x.optical[(..., *inner.slices)]
    around = _around(inner, x.optical.shape[2], x.optical.shape[3])
    cells = (
        slice(around.row // CELL, around.bottom // CELL),
        slice(around.column // CELL, around.right // CELL),
    )
    kept = (..., *inner.within(around).slices)

    def translated() -> Iterator[tuple[Tensor, Translation]]:
        for z in zs:
            with autocast(optical.device, precision):
                made = generator.translate(x, context, z.to(optical.device).expand(len(optical), -1), cells)
            made = Translation(*(image[kept] for image in made))
            yield compose(optical, made), made

    drawn = translated()
    mean, (_, opacity, error) = next(drawn)
    variance, squares = error.square(), torch.empty(0)
    for count, (image, made) in enumerate(drawn, start=2):
        if count == 2:
            squares = torch.zeros_like(mean)
        change = image.sub_(mean)
        mean.add_(change, alpha=1 / count)
        squares.addcmul_(change, change, value=1 - 1 / count)
        opacity.add_(made.opacity - opacity, alpha=1 / count)
        variance.add_(made.expected_error.square() - variance, alpha=1 / count)
    if len(squares):
        spread = squares.sum(1, keepdim=True) / x.present.sum(1)[:, None, None, None]
        variance.add_(spread, alpha=1 / count)
    uncertainty = variance.sqrt_().mul_(generator.inference.calibration)
    return [
        Sampled(mean[i].cpu().numpy(), opacity[i, 0].cpu().numpy(), uncertainty[i, 0].cpu().numpy())
        for i in range(len(optical))
    ]


def _around(inner: Box, height: int, width: int) -> Box:
    """The cells that a crop lies in, and one more on each side, as far as the image of `height` x `width` goes."""
    row, column = (max(0, start // CELL - 1) * CELL for start in (inner.row, inner.column))
    bottom, right = (
        min(end, (-(-stop // CELL) + 1) * CELL) for stop, end in ((inner.bottom, height), (inner.right, width))
    )
    return Box(row, column, bottom - row, right - column)
