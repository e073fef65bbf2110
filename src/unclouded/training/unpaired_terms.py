"""Learning without pairs: both cycles of the Augmented CycleGAN, and what its discriminators make of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unclouded.models.observation import Observation
from unclouded.models.translator import Translator
from unclouded.settings import UnpairedSettings
from unclouded.training import objectives
from unclouded.training.image_pool import ImagePool

_OF_BOTH_WAYS = frozenset({"adversarial", "latent_adversarial", "cycle", "latent_cycle"})
"""Terms that ask for what both generators make."""


class Made(NamedTuple):
    """What generators and encoders made in one step, for the discriminators to look at.

    Attributes:
        x: the real cloudy images (B).
        y: the real clear images (B).
        cleared: (B, 13, H, W) made of x; None unless a term of the images asks for it.
        clouded: (B, 13, H, W) made of y; likewise.
        z_x: (B, Z) or (B, Z, h, w) latents that E_X found; None unless a term of the latents asks for them.
        z_y: (B, Z) latents that E_Y found; likewise.
    """

    x: Observation
    y: Observation
    cleared: Tensor | None = None
    clouded: Tensor | None = None
    z_x: Tensor | None = None
    z_y: Tensor | None = None


def generator_terms(
    translator: Translator,
    x: Observation,
    y: Observation,
    config: UnpairedSettings,
    rng: torch.Generator,
    wanted: Collection[str],
) -> tuple[dict[str, Tensor], Made]:
    """Go through both cycles: x -> y -> x, and y -> x -> y, as far as the terms that are wanted need it.

    Args:
        translator: the networks.
        x: cloudy images (B).
        y: clear images (B).
        config: how they are compared.
        rng: of the latents and of noise.
        wanted: of `adversarial`, `latent_adversarial`, `cycle`, `latent_cycle`, `identity`, `change` and
            `mode_seeking`.

    Returns:
        The terms, and what the discriminators of the adversarial ones are to look at.
    """
    wanted = frozenset(wanted)
    z_y, z_x = translator.draw_y(x, rng), translator.draw_x(y, rng)
    terms: dict[str, Tensor] = {}
    made = Made(x, y)
    if wanted - {"identity"}:
        cleared, translation = translator.clear(x, z_y)
    if wanted & _OF_BOTH_WAYS:
        there = _There(cleared, translator.cloud(y, z_x), z_y, z_x)
        terms, made = _terms_of_both_ways(translator, x, y, there, config, rng, wanted)
    if "identity" in wanted:
        # What is clear already has nothing to be taken off, whichever ground the latent speaks of.
        kept, _ = translator.clear(y, translator.draw_y(y, rng))
        terms["identity"] = objectives.cycle(kept, y.optical, y.seen)
    if "change" in wanted:
        terms["change"] = objectives.change(translation.opacity, x.valid)
    if "mode_seeking" in wanted:
        other = translator.draw_y(x, rng)
        terms["mode_seeking"] = objectives.mode_seeking(cleared, translator.clear(x, other)[0], (z_y, other))
    return terms, made


class _There(NamedTuple):
    """What both generators made of the images: the first half of either cycle."""

    cleared: Tensor
    clouded: Tensor
    z_y: Tensor
    z_x: Tensor


def _terms_of_both_ways(
    translator: Translator,
    x: Observation,
    y: Observation,
    there: _There,
    config: UnpairedSettings,
    rng: torch.Generator,
    wanted: Collection[str],
) -> tuple[dict[str, Tensor], Made]:
    """The terms of `_OF_BOTH_WAYS` that are wanted, and what the discriminators are to look at."""
    terms: dict[str, Tensor] = {}
    made = Made(x, y)
    cleared, clouded = there.cleared, there.clouded
    if not {"cycle", "latent_adversarial"}.isdisjoint(wanted):
        found_x = translator.e_x(x.optical, cleared, x)
        found_y = translator.e_y(clouded, y.optical, y)
    if "cycle" in wanted:
        compare = objectives.cycle if config.cycle_by == "pixels" else objectives.cycle_of_distributions
        back_x = translator.cloud(x._replace(optical=_noisy(cleared, config, rng)), found_x)
        back_y, _ = translator.clear(y._replace(optical=_noisy(clouded, config, rng)), found_y)
        # Where a cloud lies may change on the way x -> y -> x; the ground of y -> x -> y may not.
        terms["cycle"] = compare(back_x, x.optical, x.seen) + objectives.cycle(back_y, y.optical, y.seen)
    if "adversarial" in wanted:
        terms["adversarial"] = objectives.least_squares(translator.d_y(cleared, x), real=True) + (
            objectives.least_squares(translator.d_x(clouded, y), real=True)
        )
        made = made._replace(cleared=cleared, clouded=clouded)
    if "latent_adversarial" in wanted:
        terms["latent_adversarial"] = objectives.least_squares(translator.d_zx(found_x), real=True) + (
            objectives.least_squares(translator.d_zy(found_y), real=True)
        )
        made = made._replace(z_x=found_x, z_y=found_y)
    if "latent_cycle" in wanted:
        # The latent's way back teaches the generator alone: an encoder that learnt from it too could agree with
        # the generator on a code that nobody sees.
        with frozen(translator.e_y, translator.e_x):
            again_y = translator.e_y(x.optical, cleared, x)
            again_x = translator.e_x(clouded, y.optical, y)
        terms["latent_cycle"] = objectives.latent_cycle(again_y, there.z_y) + objectives.latent_cycle(
            again_x, there.z_x
        )
    return terms, made


def discriminator_terms(
    translator: Translator, made: Made, pools: dict[str, ImagePool], rng: torch.Generator
) -> dict[str, Tensor]:
    """Tell real from made images and latents; the made ones are taken as they are.

    Args:
        translator: the networks.
        made: by the generators and encoders; what is not there has no term.
        pools: of made images, "y" and "x".
        rng: of latents of the prior.

    Returns:
        Of images `discriminator_y` and `discriminator_x`, of latents `discriminator_zy` and `discriminator_zx`.
    """
    terms = {}
    for name, discriminator, real, fake, like in (
        ("y", translator.d_y, made.y, made.cleared, made.x),
        ("x", translator.d_x, made.x, made.clouded, made.y),
    ):
        if fake is not None:
            image, present, level = pools[name].exchange(fake, like.present, like.level)
            shown = like._replace(present=present, level=level)
            terms[f"discriminator_{name}"] = objectives.least_squares(discriminator(image, shown), real=False) + (
                objectives.least_squares(discriminator(real.optical, real), real=True)
            )
    for name, latent_discriminator, found in (("zy", translator.d_zy, made.z_y), ("zx", translator.d_zx, made.z_x)):
        if found is not None:
            prior = torch.randn(found.shape, generator=rng).to(found.device)
            terms[f"discriminator_{name}"] = objectives.least_squares(
                latent_discriminator(found.detach()), real=False
            ) + objectives.least_squares(latent_discriminator(prior), real=True)
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


def _noisy(image: Tensor, config: UnpairedSettings, rng: torch.Generator) -> Tensor:
    """Blur what could be hidden in an image's last decimals (Bashkirova et al. 2019)."""
    if not config.noise:
        return image
    return image + config.noise * torch.randn(image.shape, generator=rng).to(image.device) * (image != 0)
