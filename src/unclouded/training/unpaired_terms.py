"""Loss terms of unpaired training: both cycles of the Augmented CycleGAN, and its discriminators."""

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
"""Terms that need the output of both generators."""


class GeneratedBatch(NamedTuple):
    """Real and generated images and latents of one step, for the discriminators.

    Attributes:
        x: the real cloudy images (B).
        y: the real clear images (B).
        cleared: (B, 13, H, W) generated from x; None if no adversarial term of the images is weighted.
        clouded: (B, 13, H, W) generated from y; likewise.
        z_x: (B, Z) or (B, Z, h, w) latents by E_X; None if no adversarial term of the latents is weighted.
        z_y: (B, Z) latents by E_Y; likewise.
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
) -> tuple[dict[str, Tensor], GeneratedBatch]:
    """Compute the terms of generators and encoders over the cycles x -> y -> x and y -> x -> y, as far as needed.

    Args:
        translator: the networks.
        x: cloudy images (B).
        y: clear images (B).
        config: kind of cycle loss and noise.
        rng: of the latents and of noise.
        wanted: of `adversarial`, `latent_adversarial`, `cycle`, `latent_cycle`, `identity`, `change` and
            `mode_seeking`.

    Returns:
        The terms, and the input of the discriminators.
    """
    wanted = frozenset(wanted)
    z_y, z_x = translator.draw_y(x, rng), translator.draw_x(y, rng)
    terms: dict[str, Tensor] = {}
    generated = GeneratedBatch(x, y)
    if wanted - {"identity"}:
        cleared, translation = translator.clear(x, z_y)
    if wanted & _OF_BOTH_WAYS:
        translated = _Translated(cleared, translator.cloud(y, z_x), z_y, z_x)
        terms, generated = _terms_of_both_ways(translator, x, y, translated, config, rng, wanted)
    if "identity" in wanted:
        # A clear image is to be kept, whatever the latent.
        kept, _ = translator.clear(y, translator.draw_y(y, rng))
        terms["identity"] = objectives.cycle(kept, y.optical, y.valid_bands)
    if "change" in wanted:
        terms["change"] = objectives.change(translation.opacity, x.valid)
    if "mode_seeking" in wanted:
        other = translator.draw_y(x, rng)
        terms["mode_seeking"] = objectives.mode_seeking(cleared, translator.clear(x, other)[0], (z_y, other))
    return terms, generated


class _Translated(NamedTuple):
    """The output of both generators: the first half of either cycle."""

    cleared: Tensor
    clouded: Tensor
    z_y: Tensor
    z_x: Tensor


def _terms_of_both_ways(
    translator: Translator,
    x: Observation,
    y: Observation,
    translated: _Translated,
    config: UnpairedSettings,
    rng: torch.Generator,
    wanted: Collection[str],
) -> tuple[dict[str, Tensor], GeneratedBatch]:
    """The terms of `_OF_BOTH_WAYS` that are wanted, and the input of the discriminators."""
    terms: dict[str, Tensor] = {}
    generated = GeneratedBatch(x, y)
    cleared, clouded = translated.cleared, translated.clouded
    if not {"cycle", "latent_adversarial"}.isdisjoint(wanted):
        found_x = translator.e_x(x.optical, cleared, x)
        found_y = translator.e_y(clouded, y.optical, y)
    if "cycle" in wanted:
        compare = objectives.cycle if config.cycle_by == "pixels" else objectives.cycle_of_distributions
        back_x = translator.cloud(x._replace(optical=_noisy(cleared, config, rng)), found_x)
        back_y, _ = translator.clear(y._replace(optical=_noisy(clouded, config, rng)), found_y)
        # The position of a cloud may change in x -> y -> x; the ground may not in y -> x -> y.
        terms["cycle"] = compare(back_x, x.optical, x.valid_bands) + objectives.cycle(back_y, y.optical, y.valid_bands)
    if "adversarial" in wanted:
        terms["adversarial"] = objectives.least_squares(translator.d_y(cleared, x), real=True) + (
            objectives.least_squares(translator.d_x(clouded, y), real=True)
        )
        generated = generated._replace(cleared=cleared, clouded=clouded)
    if "latent_adversarial" in wanted:
        terms["latent_adversarial"] = objectives.least_squares(translator.d_zx(found_x), real=True) + (
            objectives.least_squares(translator.d_zy(found_y), real=True)
        )
        generated = generated._replace(z_x=found_x, z_y=found_y)
    if "latent_cycle" in wanted:
        # The latent cycle trains the generators alone: with the encoders trained too, both could agree on a hidden
        # code in the image.
        with frozen(translator.e_y, translator.e_x):
            again_y = translator.e_y(x.optical, cleared, x)
            again_x = translator.e_x(clouded, y.optical, y)
        terms["latent_cycle"] = objectives.latent_cycle(again_y, translated.z_y) + objectives.latent_cycle(
            again_x, translated.z_x
        )
    return terms, generated


def discriminator_terms(
    translator: Translator, generated: GeneratedBatch, pools: dict[str, ImagePool], rng: torch.Generator
) -> dict[str, Tensor]:
    """Compute the terms of the discriminators; no gradient reaches generators and encoders.

    Args:
        translator: the networks.
        generated: images and latents; None of them has no term.
        pools: of generated images, "y" and "x".
        rng: of latents of the prior.

    Returns:
        `discriminator_y` and `discriminator_x` of images, `discriminator_zy` and `discriminator_zx` of latents.
    """
    terms = {}
    for name, discriminator, real, fake, like in (
        ("y", translator.d_y, generated.y, generated.cleared, generated.x),
        ("x", translator.d_x, generated.x, generated.clouded, generated.y),
    ):
        if fake is not None:
            image, present, level = pools[name].exchange(fake, like.present, like.level)
            shown = like._replace(present=present, level=level)
            terms[f"discriminator_{name}"] = objectives.least_squares(discriminator(image, shown), real=False) + (
                objectives.least_squares(discriminator(real.optical, real), real=True)
            )
    of_latents = (("zy", translator.d_zy, generated.z_y), ("zx", translator.d_zx, generated.z_x))
    for name, latent_discriminator, found in of_latents:
        if found is not None:
            prior = torch.randn(found.shape, generator=rng).to(found.device)
            terms[f"discriminator_{name}"] = objectives.least_squares(
                latent_discriminator(found.detach()), real=False
            ) + objectives.least_squares(latent_discriminator(prior), real=True)
    return terms


@contextmanager
def frozen(*networks: nn.Module) -> Iterator[None]:
    """Disable the gradients of networks' parameters; gradients still pass through the networks."""
    parameters = [parameter for network in networks for parameter in network.parameters()]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def _noisy(image: Tensor, config: UnpairedSettings, rng: torch.Generator) -> Tensor:
    """Add noise, so that information cannot be hidden in an image's last decimals (Bashkirova et al. 2019)."""
    if not config.noise:
        return image
    return image + config.noise * torch.randn(image.shape, generator=rng).to(image.device) * (image != 0)
