"""Teaches a network's error head which errors to expect of it, once the network itself has learnt."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from unclouded.models.blocks import to_grid
from unclouded.models.context_generator import ContextGenerator
from unclouded.models.generator import compose
from unclouded.progress import TrainingProgress, silent_training
from unclouded.settings import ErrorSettings
from unclouded.training import objectives
from unclouded.training.schedule import cosine
from unclouded.training.simulated_clouds import Simulated

_AT_ONCE = 1024
"""Pixels in a step: of all images alike, since one image's errors have much in common."""


class Pixels(NamedTuple):
    """What the error head sees of pixels (blocks of 2 x 2), and the absolute error there.

    Attributes:
        seen: (N, C) the features that the image is drawn from.
        context: (N, K).
        code: (N, D).
        error: (N,) mean over the block and the bands that are there.
    """

    seen: Tensor
    context: Tensor
    code: Tensor
    error: Tensor


def teach_error_head(
    generator: ContextGenerator,
    draw: Callable[[int], Simulated],
    settings: ErrorSettings,
    batch: int,
    precision: torch.autocast,
    rng: torch.Generator,
    progress: TrainingProgress = silent_training,
) -> float:
    """Look at the errors of what a network makes of simulated images, and fit its error head to them.

    All other values of the network stay as they are. Half of the images are translated with z = 0, the others under a
    latent each.

    Args:
        generator: the network.
        draw: gives so many simulated images.
        settings: how many images, and how the head learns.
        batch: images drawn at once.
        precision: under which the network runs.
        rng: of latents, pixels and their order.
        progress: told each batch.

    Returns:
        The mean of `objectives.laplace_nll` over all pixels afterwards.
    """
    sampled = []
    batches = -(-settings.images // batch)
    for number in range(batches):
        sampled.append(_sample_pixels(generator, draw(batch), settings.pixels, precision, rng))
        progress("errors", number + 1, batches, {})
    pixels = Pixels(*(torch.cat(field) for field in zip(*sampled, strict=True)))
    head = generator.error.requires_grad_(True)
    head.begin(rng)
    optimiser = torch.optim.AdamW(head.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    weight = torch.ones((), device=pixels.error.device)
    for step in range(settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * cosine(step, settings.steps)
        some = torch.randint(len(pixels.error), (_AT_ONCE,), generator=rng).to(pixels.error.device)
        seen, context, code, error = (field[some] for field in pixels)
        loss = objectives.laplace_nll(head.of_pixels(seen, context, code), error, weight)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimiser.step()
    head.requires_grad_(False)
    with torch.no_grad():
        found = head.of_pixels(pixels.seen, pixels.context, pixels.code)
        return float(objectives.laplace_nll(found, pixels.error, weight))


@torch.no_grad()
def _sample_pixels(
    generator: ContextGenerator, batch: Simulated, count: int, precision: torch.autocast, rng: torch.Generator
) -> Pixels:
    """Take `count` random pixels of each image of a batch, or as many as hold data."""
    x = batch.observation
    z = torch.randn(len(x.optical), generator.settings.latent, generator=rng)
    z[: len(z) // 2] = 0
    shown: list[tuple[Tensor, Tensor, Tensor]] = []
    hook = generator.error.register_forward_hook(lambda head, inputs, output: shown.append(inputs))
    try:
        with precision:
            made = generator(x, z.to(x.optical.device))
    finally:
        hook.remove()
    ((seen, context, code),) = shown
    there = x.present[:, :, None, None]
    error = ((compose(x.optical, made) - batch.truth).abs() * there).sum(1, keepdim=True) / there.sum(1, keepdim=True)
    error, whole = F.avg_pool2d(error, 2)[:, 0], F.avg_pool2d(x.valid, 2)[:, 0] == 1
    context = generator.error.enlarge(context)
    code = to_grid(code, *seen.shape[2:]).expand(-1, *seen.shape[2:], -1)
    taken = []
    for index in range(len(whole)):
        rows, columns = torch.nonzero(whole[index], as_tuple=True)
        some = torch.randperm(len(rows), generator=rng)[:count].to(rows.device)
        row, column = rows[some], columns[some]
        features, ground = seen[index][:, row, column].T, context[index][:, row, column].T
        described = code[index, row, column]
        taken.append(Pixels(features.float(), ground.float(), described.float(), error[index][row, column]))
    return Pixels(*(torch.cat(field) for field in zip(*taken, strict=True)))
