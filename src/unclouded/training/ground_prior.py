"""Fitting of a trained network's ground prior to the ground under opaque simulated clouds."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from unclouded.errors import UncloudedError
from unclouded.models.blocks import average_over_cells
from unclouded.models.context_generator import ContextGenerator
from unclouded.models.heads import GroundPrior
from unclouded.models.observation import CELL, pad_to_cells
from unclouded.progress import TrainingProgress, silent_training
from unclouded.settings import GroundPriorSettings
from unclouded.training.fitting import fit
from unclouded.training.simulated_clouds import SimulatedBatch

_HIDDEN = 0.8
"""Mean `cloud_shadow_fraction` above which the cover of a cell counts as opaque."""

_FEWEST = 50
"""Least number of such cells for fitting."""


class HiddenCells(NamedTuple):
    """Input of `GroundPrior` for cells under opaque cover, and the true ground there.

    Attributes:
        features: (N, K), see `GroundPrior.features`.
        near: (N, 13) reflectance of the clear ground near them.
        truth: (N, 13) reflectance.
        present: (N, 13) 1 for each present band.
    """

    features: Tensor
    near: Tensor
    truth: Tensor
    present: Tensor


def fit_ground_prior(
    generator: ContextGenerator,
    prior: GroundPrior,
    draw: Callable[[int], SimulatedBatch],
    settings: GroundPriorSettings,
    batch: int,
    rng: torch.Generator,
    progress: TrainingProgress = silent_training,
) -> float:
    """Fit a network's `prior` to the ground under simulated clouds; the rest of the network is not changed.

    By least squares, which gives the conditional mean: the network itself tends to the median, which is darker where
    few places are bright. Weight decay is strong, since there are few places.

    Args:
        generator: the network.
        prior: of this network.
        draw: draws so many simulated images.
        settings: number of images, and options of fitting.
        batch: images drawn at once.
        rng: of the cells, their order and the initial weights.
        progress: called for each batch.

    Raises:
        UncloudedError: too few cells are hidden.

    Returns:
        Root mean square error over all cells after fitting, in reflectance.
    """
    sampled = []
    batches = -(-settings.images // batch)
    for number in range(batches):
        sampled.append(_sample_cells(generator, draw(batch), settings.cells, rng))
        progress("ground prior", number + 1, batches, {})
    cells = HiddenCells(*(torch.cat(field) for field in zip(*sampled, strict=True)))
    if len(cells.features) < _FEWEST:
        raise UncloudedError(
            f"In {settings.images} simulated images nothing shows through {len(cells.features)} cells of 80 m, and "
            f"{_FEWEST} are the fewest to learn from: make ground_prior.images larger."
        )
    prior.initialise(cells.features, rng)

    def loss_of(some: Tensor) -> Tensor:
        return _square_error(prior, HiddenCells(*(field[some] for field in cells)))

    fit(prior, loss_of, len(cells.features), settings, rng)
    with torch.no_grad():
        return float(_square_error(prior, cells).sqrt())


def _square_error(prior: GroundPrior, cells: HiddenCells) -> Tensor:
    """Mean square error over cells and present bands."""
    features, near = (values.T[None, :, :, None] for values in (cells.features, cells.near))
    expected: Tensor = prior(features, near)[0, :, :, 0].T
    return ((expected - cells.truth).square() * cells.present).sum() / cells.present.sum()


@torch.no_grad()
def _sample_cells(generator: ContextGenerator, batch: SimulatedBatch, count: int, rng: torch.Generator) -> HiddenCells:
    """Sample up to `count` random cells under opaque cover of each image of a batch."""
    x = pad_to_cells(batch.observation)
    statistics = generator.summarise(x)
    context = generator.spread(statistics, generator.context(statistics, x.conditioning)).float()
    features = GroundPrior.features(x, context)
    margins = (0, x.optical.shape[3] - batch.truth.shape[3], 0, x.optical.shape[2] - batch.truth.shape[2])
    hidden, truth = (F.pad(image, margins) for image in (batch.cloud_shadow_fraction, batch.truth))
    whole = average_over_cells(x.valid, CELL) == 1
    usable = ((average_over_cells(hidden, CELL) > _HIDDEN) & whole)[:, 0]
    truth = average_over_cells(truth, CELL)
    taken = []
    for index, cells in enumerate(usable):
        rows, columns = torch.nonzero(cells, as_tuple=True)
        some = torch.randperm(len(rows), generator=rng)[:count].to(rows.device)
        row, column = rows[some], columns[some]
        near, true = (image[index, : truth.shape[1], row, column].T for image in (context, truth))
        taken.append(HiddenCells(features[index, :, row, column].T, near, true, x.present[index].expand(len(some), -1)))
    return HiddenCells(*(torch.cat(field) for field in zip(*taken, strict=True)))
