"""Learning without pairs: both cycles of the Augmented CycleGAN, and what its discriminators make of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unclouded.models.generator import Observation
from unclouded.models.translator import Translator
from unclouded.settings import UnpairedSettings
from unclouded.training import objectives
from unclouded.training.image_pool import ImagePool


class Made(NamedTuple):
    """What generators and encoders made in one step, for the discriminators to judge.

    Attributes:
        x: the real cloudy images.
        y: the real clear images.
        cleared: (B, 13, H, W) made of x.
        clouded: (B, 13, H, W) made of y.
        z_x: latents that E_X found.
        z_y: latents that E_Y found.
    """

    x: Observation
    y: Observation
    cleared: Tensor
    clouded: Tensor
    z_x: Tensor
    z_y: Tensor


def generator_terms(
    translator: Translator,
    x: Observation,
    y: Observation,
    config: UnpairedSettings,
    rng: torch.Generator,
    *,
    mode_seeking: bool = False,
) -> tuple[dict[str, Tensor], Made]:
    """Go through both cycles: x -> y -> x, and y -> x -> y.

    Returns:
        `adversarial`, `latent_adversarial`, `cycle`, `latent_cycle` and, if asked for, `mode_seeking`; what was made.
    """
    z_y, z_x = translator.draw_y(x, rng), translator.draw_x(y, rng)
    cleared, _ = translator.clear(x, z_y)
    found_x = translator.e_x(x.optical, cleared, x)
    back_x = translator.cloud(x._replace(optical=_noisy(cleared, config, rng)), found_x)
    clouded = translator.cloud(y, z_x)
    found_y = translator.e_y(clouded, y.optical, y)
    back_y, _ = translator.clear(y._replace(optical=_noisy(clouded, config, rng)), found_y)
    # The latent's way back teaches the generator alone: an encoder that learnt from it too could agree with the
    # generator on a code that nobody sees.
    with frozen(translator.e_y, translator.e_x):
        again_y = translator.e_y(x.optical, cleared, x)
        again_x = translator.e_x(clouded, y.optical, y)
    compare = objectives.cycle if config.cycle_by == "pixels" else objectives.cycle_of_distributions
    seen_x, seen_y = _seen(x), _seen(y)
    terms = {
        "adversarial": objectives.least_squares(translator.d_y(cleared, x), real=True)
        + objectives.least_squares(translator.d_x(clouded, y), real=True),
        "latent_adversarial": objectives.least_squares(translator.d_zx(found_x), real=True)
        + objectives.least_squares(translator.d_zy(found_y), real=True),
        # Where a cloud lies may change on the way x -> y -> x; the ground of y -> x -> y may not.
        "cycle": compare(back_x, x.optical, seen_x) + objectives.cycle(back_y, y.optical, seen_y),
        "latent_cycle": objectives.latent_cycle(again_y, z_y) + objectives.latent_cycle(again_x, z_x),
    }
    if mode_seeking:
        other = translator.draw_y(x, rng)
        terms["mode_seeking"] = objectives.mode_seeking(cleared, translator.clear(x, other)[0], (z_y, other))
    return terms, Made(x, y, cleared, clouded, found_x, found_y)


def discriminator_terms(
    translator: Translator, made: Made, pools: dict[str, ImagePool], rng: torch.Generator
) -> dict[str, Tensor]:
    """Judge real and made images and latents; the made ones are taken as they are.

    Returns:
        `discriminator_y`, `discriminator_x`, `discriminator_zy` and `discriminator_zx`.
    """
    terms = {}
    for name, discriminator, real, fake, like in (
        ("y", translator.d_y, made.y, made.cleared, made.x),
        ("x", translator.d_x, made.x, made.clouded, made.y),
    ):
        image, present, level = pools[name].exchange(fake, like.present, like.level)
        shown = like._replace(present=present, level=level)
        terms[f"discriminator_{name}"] = objectives.least_squares(
            discriminator(image, shown), real=False
        ) + objectives.least_squares(discriminator(real.optical, real), real=True)
    for name, latent_discriminator, found in (("zy", translator.d_zy, made.z_y), ("zx", translator.d_zx, made.z_x)):
        prior = torch.randn(found.shape, generator=rng).to(found.device)
        terms[f"discriminator_{name}"] = objectives.least_squares(latent_discriminator(found.detach()), real=False) + (
            objectives.least_squares(latent_discriminator(prior), real=True)
        )
    return terms


@contextmanager
def frozen(*networks: nn.Module) -> Iterator[None]:
    """Let gradients pass through networks without reaching their parameters."""
    parameters = [parameter for network in networks for parameter in network.parameters()]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def _seen(x: Observation) -> Tensor:
    return x.valid * x.present[:, :, None, None]


def _noisy(image: Tensor, config: UnpairedSettings, rng: torch.Generator) -> Tensor:
    """Blur what could be hidden in an image's last decimals (Bashkirova et al. 2019)."""
    if not config.noise:
        return image
    return image + config.noise * torch.randn(image.shape, generator=rng).to(image.device) * (image != 0)
