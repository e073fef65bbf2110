"""The terms of training, each a pure function of tensors that gives a scalar without unit (a tensor of no dimension).

Images are (B, C, H, W) reflectance, 1.0 = 100 %. A `weight` is 0 where nothing counts, such as at pixels without data
and bands that are absent; nothing that counts gives 0.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from unclouded.models.generator import compress


def reconstruction(predicted: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute error over the pixels and bands that count.

    Args:
        predicted: (B, C, H, W) reflectance, or anything else of one shape with `truth`; the result is in its unit.
        truth: (B, C, H, W) likewise.
        weight: broadcast to them, such as (B, 1, H, W), 0 to 1.
    """
    weight = weight.expand_as(truth)
    return ((predicted - truth).abs() * weight).sum() / weight.sum().clamp(min=1)


def crps(first: Tensor, second: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Continuous ranked probability score of two samples against the truth, per pixel and band.

    E|g - y| - E|g - g'| / 2 (Gneiting and Raftery 2007, eq. 20): a proper score, smallest when the samples spread as
    the truth does; it rewards neither false confidence nor needless spread.

    Args:
        first: (B, C, H, W) reflectance, made under one latent; the result is in its unit.
        second: (B, C, H, W) made of the same images under another.
        truth: (B, C, H, W) reflectance.
        weight: broadcast to them, 0 to 1.
    """
    error = 0.5 * (reconstruction(first, truth, weight) + reconstruction(second, truth, weight))
    return error - 0.5 * reconstruction(first, second, weight)


def laplace_nll(expected: Tensor, error: Tensor, weight: Tensor) -> Tensor:
    """Negative log-likelihood of an absolute `error` under a Laplace distribution whose mean of it is `expected`.

    log b + |e| / b (Kendall and Gal 2017, eq. 8, without its constant), smallest where b is the mean of |e|; in units
    of 0.01 of reflectance, so that it is about 1.

    Args:
        expected: (...) reflectance, the error to expect.
        error: (...) of the same shape, reflectance, the absolute error that there is.
        weight: broadcast to them.
    """
    expected, error = expected.clamp(min=1e-4) / 0.01, error / 0.01
    return ((expected.log() + error / expected) * weight).sum() / weight.sum().clamp(min=1)


def spectral_angle(predicted: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Mean of 1 - cos of the angle between predicted and true spectra, 0 to 2.

    Args:
        predicted: (B, C, H, W) reflectance.
        truth: (B, C, H, W) reflectance.
        weight: (B, 1, H, W), since a pixel has one angle.
    """
    cosine = F.cosine_similarity(predicted, truth, dim=1, eps=1e-4)[:, None]
    return ((1 - cosine) * weight).sum() / weight.sum().clamp(min=1)


def replacement(cloud_shadow_fraction: Tensor) -> Tensor:
    """Opacity that the generator should give a pixel of which cloud or shadow spoil a fraction f: 1 - (1 - f)^4.

    From a third on, nearly all of the pixel is replaced, since thin cloud is taken off better by redrawing a pixel from
    what it still shows than by mixing it with a guess.

    Args:
        cloud_shadow_fraction: (B, 1, H, W), 0 to 1.

    Returns:
        (B, 1, H, W), 0 to 1.
    """
    return 1 - (1 - cloud_shadow_fraction) ** 4


def detection(opacity: Tensor, cloud_shadow_fraction: Tensor, weight: Tensor) -> Tensor:
    """Binary cross-entropy (nats) of opacity against `replacement`, less its smallest possible value.

    Args:
        opacity: (B, 1, H, W) that was predicted, 0 to 1.
        cloud_shadow_fraction: (B, 1, H, W) the truth, 0 to 1.
        weight: (B, 1, H, W).
    """
    target = replacement(cloud_shadow_fraction)
    loss = _cross_entropy(opacity, target) - _cross_entropy(target, target)
    return (loss * weight).sum() / weight.sum().clamp(min=1)


def least_squares(score: Tensor, real: bool) -> Tensor:
    """Least-squares adversarial loss (Mao et al. 2017, eq. 2) against the label 1 for real, 0 for made.

    Args:
        score: of any shape, a discriminator's answers.
        real: the label.
    """
    return (score - float(real)).square().mean()


def cycle(back: Tensor, image: Tensor, weight: Tensor) -> Tensor:
    """L1 distance of an image that went to the other domain and came back (Zhu et al. 2017, eq. 2).

    In compressed reflectance, so that a cloud's brightness does not outweigh all of the ground's.

    Args:
        back: (B, C, H, W) reflectance.
        image: (B, C, H, W) reflectance, before it went.
        weight: broadcast to them, 0 to 1.
    """
    return reconstruction(compress(back), compress(image), weight)


def cycle_of_distributions(back: Tensor, image: Tensor, weight: Tensor) -> Tensor:
    """Distance between the distributions of an image's pixels, band by band, before and after a cycle.

    The Wasserstein-1 distance of two samples of one size: the mean difference of their sorted values, in compressed
    reflectance. A cloud that comes back elsewhere costs nothing, one that does not come back does.

    Args:
        back: (B, C, H, W) reflectance.
        image: (B, C, H, W) reflectance, before it went.
        weight: broadcast to them, 0 or 1.
    """
    there = weight.expand_as(image)
    ranked = [(compress(one) * there).flatten(2).sort(dim=2).values for one in (back, image)]
    return (ranked[0] - ranked[1]).abs().sum() / there.sum().clamp(min=1)


def change(opacity: Tensor, weight: Tensor) -> Tensor:
    """Mean share of the input that is replaced: a prior that most of an image is clear (Pumarola et al. 2018).

    Args:
        opacity: (B, 1, H, W), 0 to 1.
        weight: (B, 1, H, W), 0 to 1.
    """
    return (opacity * weight).sum() / weight.sum().clamp(min=1)


def latent_cycle(found: Tensor, drawn: Tensor) -> Tensor:
    """L1 distance of a latent from the one that is found in what it made (Almahairi et al. 2018, eq. 7).

    Args:
        found: (B, Z) or (B, Z, h, w), by the encoder; in standard deviations of the prior.
        drawn: of the same shape.
    """
    return (found - drawn).abs().mean()


def mode_seeking(first: Tensor, second: Tensor, latents: tuple[Tensor, Tensor]) -> Tensor:
    """How little two latents change an image: |z1 - z2| / |y1 - y2| (Mao et al. 2019, eq. 2, inverted), finite.

    Args:
        first: (B, C, H, W) reflectance, made under the first latent; compared compressed.
        second: (B, C, H, W) made of the same images under the second.
        latents: both, (B, Z) each.
    """
    distance = (compress(first) - compress(second)).abs().mean()
    # Added rather than a bound, so that two equal images still have a gradient that takes them apart.
    return (latents[0] - latents[1]).abs().mean() / (distance + 0.01)


def _cross_entropy(probability: Tensor, target: Tensor) -> Tensor:
    probability = probability.clamp(1e-4, 1 - 1e-4)
    return -(target * torch.log(probability) + (1 - target) * torch.log(1 - probability))
