"""Loss terms of self-supervised training on simulated clouds, whose truth is known."""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch
from torch import Tensor
from torch.nn import functional as F

from unclouded.models.generator import Generator, compose
from unclouded.models.observation import CELL, Observation
from unclouded.training import objectives
from unclouded.training.simulated_clouds import SimulatedBatch


def simulated_terms(
    generator: Generator,
    batch: SimulatedBatch,
    rng: torch.Generator,
    precision: torch.autocast,
    wanted: Collection[str],
) -> dict[str, Tensor]:
    """Translate simulated images and measure the result against the truth.

    Half of the images are translated with z = 0, the most typical ground, and scored by their error; the other half
    with two latents each, by the CRPS, so that the spread over z matches the uncertainty of the ground.

    Args:
        generator: G_XY.
        batch: at least two images.
        rng: of the latents.
        precision: under which the network runs.
        wanted: of `reconstruction`, `ground`, `spectral_angle`, `detection` and `trust`.

    Returns:
        The terms that are wanted, each scaled to about 1.
    """
    half = len(batch.truth) // 2
    x = Observation.cat([batch.observation, batch.observation.images(slice(half, None))])
    z = torch.randn(len(x.optical), generator.settings.latent, generator=rng).to(x.optical.device)
    z[:half] = 0
    with precision:
        statistics = generator.summarise(batch.observation)
        scene = generator.context(statistics, batch.observation.conditioning)
        context = generator.spread(statistics, scene)
        made = generator.translate(x, torch.cat([context, context[half:]]), z)
    result, truth, fraction = compose(x.optical, made), batch.truth, batch.cloud_shadow_fraction
    typical, first, second = (slice(0, half), slice(half, len(truth)), slice(len(truth), None))
    valid, seen = batch.observation.valid, batch.observation.valid_bands

    def score(image: Tensor, weight: Tensor) -> Tensor:
        error = objectives.reconstruction(image[typical], truth[typical], weight[typical])
        return error + objectives.crps(image[first], image[second], truth[first], weight[first])

    def trust() -> Tensor:
        # The cube gives little trust to a partly cloudy cell, whose colour would be spread with the ground.
        clear = F.avg_pool2d((fraction < 0.1).float(), CELL) ** 3
        return F.binary_cross_entropy(scene.trust.float().clamp(1e-4, 1 - 1e-4), clear)

    # The error of a cleared pixel counts in reflectance, where 0.01 matters.
    terms: dict[str, Callable[[], Tensor]] = {
        "reconstruction": lambda: 10 * score(result, seen),
        "ground": lambda: 10 * score(made.ground, seen * objectives.replacement(fraction)),
        "spectral_angle": lambda: 10 * objectives.spectral_angle(result[: len(truth)], truth, valid),
        "detection": lambda: objectives.detection(made.opacity[: len(truth)], fraction, valid),
        "trust": trust,
    }
    return {name: term() for name, term in terms.items() if name in wanted}
