"""Loss terms: pure functions of tensors that return a dimensionless scalar (a tensor of no dimension).

Images are (B, C, H, W) reflectance, 1.0 = 100 %. A `weight` is 0 for pixels without data and absent bands; if it is 0
everywhere, so is the loss.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from unclouded.models.generator import compress


def reconstruction(predicted: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean absolute error over pixels and bands.

    Args:
        predicted: (B, C, H, W) reflectance, or any quantity of the shape of `truth`; the result is in its unit.
        truth: (B, C, H, W) likewise.
        weight: broadcast to them, such as (B, 1, H, W), 0 to 1.
    """
    weight = weight.expand_as(truth)
    return ((predicted - truth).abs() * weight).sum() / weight.sum().clamp(min=1)


def crps(first: Tensor, second: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Continuous ranked probability score of two samples against the truth, per pixel and band.

    E|g - y| - E|g - g'| / 2 (Gneiting and Raftery 2007, eq. 20): a proper score, smallest if the samples are
    distributed as the truth.

    Args:
        first: (B, C, H, W) reflectance, generated with one latent; the result is in its unit.
        second: (B, C, H, W) generated from the same images with another.
        truth: (B, C, H, W) reflectance.
        weight: broadcast to them, 0 to 1.
    """
    error = 0.5 * (reconstruction(first, truth, weight) + reconstruction(second, truth, weight))
    return error - 0.5 * reconstruction(first, second, weight)


def laplace_nll(expected: Tensor, error: Tensor, weight: Tensor) -> Tensor:
    """Negative log-likelihood of an absolute `error` under a Laplace distribution with mean absolute error `expected`.

    log b + |e| / b (Kendall and Gal 2017, eq. 8, without its constant), smallest where b is the mean of |e|; in units
    of 0.01 of reflectance, so that it is about 1.

    Args:
        expected: (...) expected absolute error, in reflectance.
        error: (...) of the same shape, absolute error, in reflectance.
        weight: broadcast to them.
    """
    expected, error = expected.clamp(min=1e-4) / 0.01, error / 0.01
    return ((expected.log() + error / expected) * weight).sum() / weight.sum().clamp(min=1)


def spectral_angle(predicted: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Mean of 1 - cos of the angle between predicted and true spectra, 0 to 2.

    Args:
        predicted: (B, C, H, W) reflectance.
        truth: (B, C, H, W) reflectance.
        weight: (B, 1, H, W).
    """
    cosine = F.cosine_similarity(predicted, truth, dim=1, eps=1e-4)[:, None]
    return ((1 - cosine) * weight).sum() / weight.sum().clamp(min=1)


def replacement(cloud_shadow_fraction: Tensor) -> Tensor:
    """Target opacity of a pixel of which cloud or shadow hide a fraction f: 1 - (1 - f)^4.

    From a third on, nearly all of the pixel is replaced, since under thin cloud a prediction from what is still visible
    is better than a mixture of prediction and input.

    Args:
        cloud_shadow_fraction: (B, 1, H, W), 0 to 1.

    Returns:
        (B, 1, H, W), 0 to 1.
    """
    return 1 - (1 - cloud_shadow_fraction) ** 4


def detection(opacity: Tensor, cloud_shadow_fraction: Tensor, weight: Tensor) -> Tensor:
    """Binary cross-entropy (nats) of opacity against `replacement`, minus the entropy of the target.

    Args:
        opacity: (B, 1, H, W) predicted, 0 to 1.
        cloud_shadow_fraction: (B, 1, H, W) the truth, 0 to 1.
        weight: (B, 1, H, W).
    """
    target = replacement(cloud_shadow_fraction)
    loss = _cross_entropy(opacity, target) - _cross_entropy(target, target)
    return (loss * weight).sum() / weight.sum().clamp(min=1)


def least_squares(score: Tensor, real: bool) -> Tensor:
    """Least-squares adversarial loss (Mao et al. 2017, eq. 2) against the label 1 for real, 0 for generated.

    Args:
        score: output of a discriminator, of any shape.
        real: the label.
    """
    return (score - float(real)).square().mean()


def cycle(back: Tensor, image: Tensor, weight: Tensor) -> Tensor:
    """Cycle-consistency loss: L1 distance of an image before and after a cycle (Zhu et al. 2017, eq. 2).

    In compressed reflectance, so that bright clouds do not dominate the ground.

    Args:
        back: (B, C, H, W) reflectance, after the cycle.
        image: (B, C, H, W) reflectance, before it.
        weight: broadcast to them, 0 to 1.
    """
    return reconstruction(compress(back), compress(image), weight)


def cycle_of_distributions(back: Tensor, image: Tensor, weight: Tensor) -> Tensor:
    """Distance between the distributions of an image's pixels, band by band, before and after a cycle.

    The Wasserstein-1 distance of two samples of one size: the mean difference of their sorted values, in compressed
    reflectance. It does not depend on where a cloud is restored, only on whether it is.

    Args:
        back: (B, C, H, W) reflectance, after the cycle.
        image: (B, C, H, W) reflectance, before it.
        weight: broadcast to them, 0 or 1.
    """
    weight = weight.expand_as(image)
    ranked = [(compress(one) * weight).flatten(2).sort(dim=2).values for one in (back, image)]
    return (ranked[0] - ranked[1]).abs().sum() / weight.sum().clamp(min=1)


def change(opacity: Tensor, weight: Tensor) -> Tensor:
    """Mean opacity, a sparsity prior: most of an image is clear (Pumarola et al. 2018).

    Args:
        opacity: (B, 1, H, W), 0 to 1.
        weight: (B, 1, H, W), 0 to 1.
    """
    return (opacity * weight).sum() / weight.sum().clamp(min=1)


def latent_cycle(found: Tensor, drawn: Tensor) -> Tensor:
    """L1 distance of a latent and its reconstruction from the generated image (Almahairi et al. 2018, eq. 7).

    Args:
        found: (B, Z) or (B, Z, h, w), by the encoder; in standard deviations of the prior.
        drawn: of the same shape.
    """
    return (found - drawn).abs().mean()


def mode_seeking(first: Tensor, second: Tensor, latents: tuple[Tensor, Tensor]) -> Tensor:
    """Mode-seeking loss |z1 - z2| / |y1 - y2| (Mao et al. 2019, eq. 2, inverted), bounded.

    Args:
        first: (B, C, H, W) reflectance, generated with the first latent; compared compressed.
        second: (B, C, H, W) generated from the same images with the second.
        latents: both, (B, Z) each.
    """
    distance = (compress(first) - compress(second)).abs().mean()
    # A constant is added instead of clamping, so that equal images still have a gradient.
    return (latents[0] - latents[1]).abs().mean() / (distance + 0.01)


def _cross_entropy(probability: Tensor, target: Tensor) -> Tensor:
    probability = probability.clamp(1e-4, 1 - 1e-4)
    return -(target * torch.log(probability) + (1 - target) * torch.log(1 - probability))
