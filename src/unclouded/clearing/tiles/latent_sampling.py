"""The latents of a scene, and the mean of what the network makes of them, with its uncertainty."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from unclouded.clearing.tiles.ground_composition import Composition, smooth_error
from unclouded.clearing.tiles.known_cover import KnownCover, Transferred, shows_ground
from unclouded.detection.classes import CLEAR, THICK_CLOUD
from unclouded.detection.opacity import enlarge, may_be_covered
from unclouded.models.generator import Generator, Translation, compose
from unclouded.models.observation import CELL, Observation
from unclouded.precision import autocast
from unclouded.sources import GUESSED
from unclouded.tiles import Box, Tile, divide

_LEAST_OPACITY = 0.3
"""Opacity from which on a replaced pixel is as uncertain as the ground that replaces it, in proportion."""

_AROUND, _AROUND_UNKNOWN = 2, 4
"""Cells around a crop that it is composed with, and where some of it shows next to no clear ground around."""

_EACH = 2**14
"""Pixels that take as long to draw as any part takes beside its own."""


class Sampled(NamedTuple):
    """The mean over latent samples, and how they differ.

    Attributes:
        reflectance: (13, h, w) mean of the composed images.
        opacity: (h, w), under the most typical latent.
        uncertainty: (h, w) in reflectance, for each of the bands that are there: see `Sampling`.
        classes: (h, w) uint8, of the mask, see `detection.classes`; what is covered is replaced.
        source: (h, w) where a pixel comes from, see `unclouded.sources`.
    """

    reflectance: NDArray[np.float32]
    opacity: NDArray[np.float32]
    uncertainty: NDArray[np.float32]
    classes: NDArray[np.uint8]
    source: NDArray[np.float32]


def margin_of(generator: Generator, *, ground_is_seen: bool = False) -> int:
    """Pixels around a crop that must be seen for what `Sampling` gives.

    What is composed looks a cell farther than the network, or three where a level is to be matched.
    """
    return generator.margin + (1 if ground_is_seen else 3) * CELL


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


class Sampling:
    """Translates a batch of crops under every latent, in memory that does not grow with their number (Welford 1962).

    What is replaced, and how much of it, is told by the most typical ground alone: clear pixels stay, however many
    samples there are. So the network first looks at all of a crop under that latent, and draws ground where some may be
    replaced.
    """

    def __init__(
        self,
        generator: Generator,
        x: Observation,
        context: Tensor,
        cover: KnownCover | None,
        zs: Tensor,
        inner: Box,
        threshold: float,
        precision: str = "fp32",
    ) -> None:
        """Look at a batch.

        Args:
            generator: the network.
            x: the batch, of one scene; sides are multiples of `CELL`.
            context: (B, K, H / 8, W / 8).
            cover: of the batch; None leaves opacity and ground to the network alone.
            zs: (N, Z) the latents.
            inner: the box of every image that is wanted.
            threshold: opacity under which a pixel stays as it is.
            precision: one of `PRECISIONS`.
        """
        if cover is not None and generator.takes_cover:
            x = x._replace(cover=cover.network_input)
        self._generator, self._x, self._context, self._cover = generator, x, context, cover
        self._zs, self._inner, self._threshold, self._precision = zs, inner, threshold, precision
        self._beside = _AROUND if cover is None or shows_ground(cover.fill) else _AROUND_UNKNOWN
        self._window = around = self._around(inner)
        with autocast(x.optical.device, precision):
            self._lazy = generator.translate_lazily(x, context, self._latent(torch.zeros_like(zs[0])), _cells(around))

    def parts(self, step: int) -> list[Box]:
        """Rectangles of the inner box, whose sides are multiples of `step`, that hold all that may be replaced."""
        # Under several latents, of which each looks anew, one part takes less time than many.
        if self._cover is None or len(self._zs) > 1:
            return [self._inner]
        inner, height, width = self._inner, *self._x.optical.shape[2:]
        found = enlarge(self._cover.evidence, self._cover.factor, inner.row, inner.column, inner.height, inner.width)
        opacity = self._lazy.opacity[(..., *inner.within(self._window).slices)]
        wanted = may_be_covered(found, self._threshold, opacity)
        if self._cover.mask is not None:
            wanted |= self._cover.mask[(..., *inner.slices)][:, 0] > 0
        padded = F.pad(wanted.any(0, keepdim=True).float(), (0, -inner.width % CELL, 0, -inner.height % CELL))
        cells = (F.max_pool2d(padded, CELL)[0] > 0).cpu().numpy()
        whole = Tile(inner, Box(0, 0, height, width))
        return [part.inner for part in divide(whole, cells, CELL, self._beside * CELL, step, _cost)]

    def sample(self, inner: Box) -> list[Sampled]:
        """Translate a part of the inner box.

        The uncertainty is the error that the network expects of the most typical ground, about which the samples vary
        and to which their mean is near; where it expects none, the standard deviation over the samples, mean over the
        bands of its square. It is multiplied by the generator's calibration, and 0 where nothing is replaced.
        """
        generator, x, cover, zs = self._generator, self._x, self._cover, self._zs
        optical, around = x.optical[(..., *inner.slices)], self._around(inner)
        kept = (..., *inner.within(around).slices)
        with autocast(optical.device, self._precision):
            typical = self._lazy.draw(_cells(around))
        composition = None if cover is None else Composition(x, cover, around, self._threshold)
        if composition is None:
            veil = typical.opacity
            classes = torch.where(veil >= self._threshold, THICK_CLOUD, CLEAR).to(torch.uint8)
        else:
            ground = composition.ground(typical)
            veil, classes = composition.cover(typical.opacity, ground)

        def composed() -> Iterator[Tensor]:
            for z in zs:
                made = typical
                if len(zs) > 1:
                    with autocast(optical.device, self._precision):
                        made = generator.translate(x, self._context, self._latent(z), _cells(around))
                    # What is to be expected knows no latent: samples vary about it as about the most typical ground.
                    made = made._replace(expected=made.expected + made.ground - typical.ground)
                if composition is None:
                    yield compose(optical, Translation(*(part[kept] for part in made._replace(opacity=veil))))
                else:
                    yield composition.image(made, ground if made is typical else composition.ground(made), veil)[kept]

        # A network that predicts the whole error predicts the spread of the samples, too.
        mean, squares = _moments(composed(), with_squares=not generator.error_learnt)
        uncertainty = self._uncertainty(squares, typical, composition, kept)
        opacity, classes = veil[kept], classes[kept]
        replaced = classes != CLEAR
        source = replaced * torch.full_like(uncertainty, GUESSED)
        if cover is not None and cover.dates is not None:
            shown, uncertainty, dated = _of_dates(cover.dates.within(inner), x.present, opacity, uncertainty)
            source = torch.where(replaced & shown, dated, source)
        uncertainty = uncertainty * replaced
        return [
            Sampled(
                mean[i].cpu().numpy(), *(part[i, 0].cpu().numpy() for part in (opacity, uncertainty, classes, source))
            )
            for i in range(len(optical))
        ]

    def _uncertainty(
        self, squares: Tensor | None, typical: Translation, composition: Composition | None, kept: tuple[Any, ...]
    ) -> Tensor:
        """Calibrated uncertainty of the kept pixels by the squared deviations of the samples, else as predicted."""
        if squares is None:
            error = smooth_error(typical.expected_error)
            uncertainty = (error if composition is None else composition.error(error))[kept].clone()
        else:
            there = self._x.present.sum(1)[:, None, None, None]
            uncertainty = (squares.sum(1, keepdim=True) / (len(self._zs) * there)).sqrt_()
        uncertainty.mul_(self._generator.inference.calibration)
        return uncertainty if composition is None else composition.with_light_error(uncertainty, kept)

    def _around(self, inner: Box) -> Box:
        return _around(inner, self._beside, *self._x.optical.shape[2:])

    def _latent(self, z: Tensor) -> Tensor:
        return z.to(self._x.optical.device).expand(len(self._x.optical), -1)


def _moments(images: Iterator[Tensor], *, with_squares: bool) -> tuple[Tensor, Tensor | None]:
    """Mean of images, and the sum of their squared deviations from it if asked for (Welford 1962); overwrites them."""
    mean = next(images)
    squares = torch.zeros_like(mean) if with_squares else None
    for count, image in enumerate(images, start=2):
        change = image.sub_(mean)
        mean.add_(change, alpha=1 / count)
        if squares is not None:
            squares.addcmul_(change, change, value=1 - 1 / count)
    return mean, squares


def _of_dates(
    dates: Transferred, present: Tensor, opacity: Tensor, uncertainty: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """What other dates change of what is said of each pixel, (B, 1, H, W) each.

    Args:
        dates: what they say of the ground.
        present: (B, 13) 1 for each band that is there.
        opacity: (B, 1, H, W).
        uncertainty: (B, 1, H, W) of the ground from this image alone.

    Returns:
        Where all bands are mostly of the dates, the uncertainty with theirs, and the date that each pixel is of.
    """
    there = present[:, :, None, None]
    predicted = (dates.predicted_bands * there).sum(1, keepdim=True) / there.sum(1, keepdim=True)
    # A pixel of which a band is guessed is from no date.
    shown = (dates.share >= 0.5) & (predicted == 1)
    # Of thin cover a part of the pixel is seen still.
    theirs = dates.uncertainty * opacity.clamp(min=_LEAST_OPACITY)
    return shown, torch.lerp(uncertainty, theirs, dates.share * predicted), dates.source


def _cells(box: Box) -> tuple[slice, slice]:
    return slice(box.row // CELL, box.bottom // CELL), slice(box.column // CELL, box.right // CELL)


def _cost(part: Tile) -> int:
    """What to draw a part costs, in pixels."""
    return _EACH + part.padded.height * part.padded.width


def _around(inner: Box, beside: int, height: int, width: int) -> Box:
    """The cells that a crop lies in, and some more beside it, as far as the image of `height` x `width` goes.

    In the outer half cell nothing is as in the whole image.
    """
    row, column = (max(0, start // CELL - beside) * CELL for start in (inner.row, inner.column))
    bottom, right = (
        min(end, (-(-stop // CELL) + beside) * CELL) for stop, end in ((inner.bottom, height), (inner.right, width))
    )
    return Box(row, column, bottom - row, right - column)
