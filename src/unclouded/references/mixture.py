"""Mixing predictions of the same ground by the error to expect of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from unclouded.references.expected_error import ExpectedError

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

POWERS = (8.0, 3.0)
_STANDARD_ERRORS = 2.5
_LEAST_SHARE = np.float32(0.02)
_FLOOR = np.float32(1e-4)
_COMMON = (0.01, 0.99)
_NOISE = 1e-6
_AXES = 3
_TAIL = 0.92
"""A little above 0.9: clouds are harder than blobs of clear ground."""


def clearly_less(error: Float32, other: Float32, group: NDArray[np.intp]) -> bool:
    """Whether errors (n,) are less than others of the same pixels by more than 2.5 standard errors of the difference.

    Args:
        error: (n,).
        other: (n,).
        group: (n,) number of the neighbourhood of each pixel: what lies in one is no independent evidence.
    """
    if not len(error):
        return False
    _, number, size = np.unique(group, return_inverse=True, return_counts=True)
    sums = np.bincount(number, (error - other).astype(np.float64))
    mean = sums.sum() / size.sum()
    variance = np.square(sums - mean * size).sum() / size.sum() ** 2
    return bool(mean < -_STANDARD_ERRORS * np.sqrt(variance))


def shares(logarithm: Float32, visible: Float32, power: float | None) -> Float32:
    """Shares (M, n) of predictions, without those too small to count.

    Where a prediction fades, its share goes to those that do not; the fill has what nothing else shows. Clouds lie
    where they lie, over ground unlike the clear ground too, which only references can know: what blobs of clear ground
    say for the fill is no reason to mix it in.

    Args:
        logarithm: (M, n) of the expected errors; the first is the fill from the scene alone.
        visible: (M, n) 0 where a prediction's references do not show the pixel, up to 1; 1 for the fill.
        power: shares go with the inverse expected error to it; None gives all to the first of those that show it.
    """
    first = _sharp(logarithm, visible > 0, power)
    left = (first * (1 - visible)).sum(axis=0)
    if not left.any():
        return first
    together: Float32 = first * visible + left * _sharp(logarithm, visible >= 1, power)
    return together


def _sharp(logarithm: Float32, visible: Mask, power: float | None) -> Float32:
    usable = visible.copy()
    usable[0] = ~visible[1:].any(axis=0)
    if power is None:
        taken = np.logical_or.accumulate(usable, axis=0)
        usable[1:] &= ~taken[:-1]
        return usable.astype(np.float32)
    least = np.where(usable, logarithm, np.float32(np.inf)).min(axis=0)
    weight = usable * np.exp(np.float32(-power) * np.maximum(logarithm - least, np.float32(0)))
    weight = np.maximum(weight / weight.sum(axis=0) - _LEAST_SHARE, 0)
    total: Float32 = weight / weight.sum(axis=0)
    return total


def weigh(ground: Float32, share: Float32) -> Float32:
    """The mixture (C, n) of predictions (M, C, n) in shares (M, n)."""
    mixed: Float32 = sum((g * s for g, s in zip(ground, share, strict=True)), np.zeros_like(ground[0]))
    return mixed


@dataclass(frozen=True)
class Spectra:
    """The spectra of the scene's clear ground, by which the error of a spectrum is predicted.

    Attributes:
        centre: (C,) mean spectrum.
        axes: (C, C) principal axes, each divided by the deviation along it, the widest first.
    """

    centre: Float32
    axes: Float32

    @classmethod
    def fit(cls, ground: Float32) -> Spectra:
        """Of ground (C, n), gross values cut."""
        low, high = np.quantile(ground, _COMMON, axis=1)
        usual = np.clip(ground, low[:, None], high[:, None]).astype(np.float64)
        variance, axes = np.linalg.eigh(np.atleast_2d(np.cov(usual)))
        axes = (axes / np.sqrt(np.maximum(variance, 0) + _NOISE))[:, ::-1]
        return cls(usual.mean(axis=1).astype(np.float32), np.ascontiguousarray(axes.T, np.float32))

    @property
    def count(self) -> int:
        """How many error_features there are."""
        return 2 * min(_AXES, len(self.centre)) + 1

    def error_features(self, ground: Float32) -> Float32:
        """(D, n) of spectra (C, n): along the widest axes, the squares of it, and how unlike the clear ground."""
        standard = self.axes @ (ground - self.centre[:, None])
        first = np.clip(standard[:_AXES], -4, 4)
        unlike = np.log(np.square(standard).mean(axis=0) + np.float32(0.1))
        together: Float32 = np.concatenate([first, np.square(first), unlike[None]])
        return together


def disagreement(ground: Float32, visible: Float32) -> Float32:
    """(n,) log of the spread of predictions (M, C, n) where `visible` (M, n) is positive; NaN with fewer than two.

    The first is the fill from the scene alone and does not count.
    """
    weight = (visible[1:] > 0).astype(np.float32)
    count = weight.sum(axis=0)
    total = np.maximum(count, 1)
    mean = np.einsum("mcn,mn->cn", ground[1:], weight) / total
    square = np.einsum("mcn,mn->cn", np.square(ground[1:] - mean), weight) / total
    logarithm = np.log(np.sqrt(square).mean(axis=0) + _FLOOR)
    logarithm[count < 2] = np.nan
    return np.asarray(logarithm, np.float32)


def error_features(
    logarithm: Float32, share: Float32, filled: Float32, mixed: Float32, spectra: Spectra, more: Sequence[Float32]
) -> Float32:
    """(2 + D, n) predictors of the error of a mixture: errors to expect, departure from the fill, its spectrum.

    Args:
        logarithm: (M, n) of the expected errors.
        share: (M, n).
        filled: (C, n) the fill from the scene alone.
        mixed: (C, n).
        spectra: of the scene.
        more: (D', n) others; NaN where one is not known, which tells nothing.
    """
    apart = np.log(abs(filled - mixed).mean(axis=0) + _FLOOR)
    together: Float32 = np.concatenate(
        [(logarithm * share).sum(axis=0)[None], apart[None], spectra.error_features(mixed), *more]
    )
    return together


@dataclass(frozen=True)
class Judgement:
    """How predictions are judged and mixed.

    Lists have one entry for each: the fill from the scene alone, then the others, the most trusted first.

    Attributes:
        alone: error to expect, from the distance to what is known and the size of residuals there.
        power: of `shares`.
        mixture: error to expect of the mixture, from `error_features`.
        interval: half the width of the 90 % interval of a band, in expected errors.
        spectra: of the scene's clear ground.
        reference_spectra: of that of the references of the most trusted set; None without one.
    """

    alone: list[ExpectedError]
    power: float | None
    mixture: ExpectedError
    interval: float
    spectra: Spectra
    reference_spectra: Spectra | None

    @classmethod
    def fit(
        cls,
        ground: Float32,
        fields: list[Float32],
        visible: Float32,
        truth: Float32,
        group: NDArray[np.intp],
        shown: Float32 | None,
    ) -> Judgement:
        """Fit to predictions of ground that is known.

        Args:
            ground: (M, C, n).
            fields: (2, n) of each: logs of distance and size of residual.
            visible: (M, n) as of `shares`.
            truth: (C, n).
            group: (n,) as of `clearly_less`.
            shown: (P, n) what the references of the second prediction show, if there is one.
        """
        error = abs(ground - truth).mean(axis=1)
        alone = [ExpectedError.fit(f[:, s], e[s]) for f, s, e in zip(fields, visible > 0, error, strict=True)]
        logarithm = np.stack([np.log(a(f)) for a, f in zip(alone, fields, strict=True)])
        powers: tuple[float | None, ...] = (None, *POWERS) if len(ground) > 2 else (None,)
        made = {p: weigh(ground, shares(logarithm, visible, p)) for p in powers}
        errors = {p: abs(m - truth).mean(axis=0) for p, m in made.items()}
        power = powers[0]
        for other in powers[1:]:
            if clearly_less(errors[other], errors[power], group):
                power = other
        spectra = Spectra.fit(truth)
        reference_spectra = None if shown is None else Spectra.fit(shown[:, visible[1] > 0])
        made_of = cls(alone, power, alone[0], 1.0, spectra, reference_spectra)
        table = made_of.error_features(
            ground, logarithm, visible, shares(logarithm, visible, power), made[power], shown
        )
        mixture = ExpectedError.fit(table, errors[power])
        interval = float(np.quantile(abs(made[power] - truth) / mixture(table), _TAIL))
        return replace(made_of, mixture=mixture, interval=interval)

    def error_features(
        self,
        ground: Float32,
        logarithm: Float32,
        visible: Float32,
        share: Float32,
        mixed: Float32,
        shown: Float32 | None,
    ) -> Float32:
        """(D, n) of pixels, from arrays as of `fit`, logs (M, n) of the errors to expect, shares and their mixture."""
        more = []
        if len(ground) > 2:
            more.append(disagreement(ground, visible)[None])
        if self.reference_spectra is not None and shown is not None:
            more.append(np.where(visible[1] > 0, self.reference_spectra.error_features(shown), np.float32(np.nan)))
        return error_features(logarithm, share, ground[0], mixed, self.spectra, more)
