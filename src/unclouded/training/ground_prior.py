"""Teaches a network which ground to expect where nothing shows through, once the network itself has learnt."""

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
from unclouded.training.simulated_clouds import Simulated

_HIDDEN = 0.8
"""Share of a cell that is hidden where nothing shows through."""

_FEWEST = 50
"""Such cells to learn from."""


class HiddenCells(NamedTuple):
    """What `GroundPrior` sees of cells in which nothing shows through, and the true ground there.

    Attributes:
        seen: (N, K), see `GroundPrior.look`.
        near: (N, 13) the clear ground near them.
        truth: (N, 13).
        present: (N, 13) 1 for each band that is there.
    """

    seen: Tensor
    near: Tensor
    truth: Tensor
    present: Tensor


def teach_ground_prior(
    generator: ContextGenerator,
    prior: GroundPrior,
    draw: Callable[[int], Simulated],
    settings: GroundPriorSettings,
    batch: int,
    rng: torch.Generator,
    progress: TrainingProgress = silent_training,
) -> float:
    """Fit a network's `prior` to the ground under simulated clouds; all other values of the network stay as they are.

    By least squares, whose answer is the mean of what may be there: the median, which the network tends to, is darker
    where ground is bright in a few places. The decay of the weights is strong, as there are few places.

    Args:
        generator: the network.
        prior: its own.
        draw: gives so many simulated images.
        settings: how many images, and how it learns.
        batch: images drawn at once.
        rng: of the cells, their order and the first weights.
        progress: told each batch.

    Raises:
        UncloudedError: too few cells are hidden.

    Returns:
        The root of the mean square error over all cells afterwards, in reflectance.
    """
    sampled = []
    batches = -(-settings.images // batch)
    for number in range(batches):
        sampled.append(_sample_cells(generator, draw(batch), settings.cells, rng))
        progress("ground prior", number + 1, batches, {})
    cells = HiddenCells(*(torch.cat(field) for field in zip(*sampled, strict=True)))
    if len(cells.seen) < _FEWEST:
        raise UncloudedError(
            f"In {settings.images} simulated images nothing shows through {len(cells.seen)} cells of 80 m, and "
            f"{_FEWEST} are the fewest to learn from: make ground_prior.images larger."
        )
    prior.begin(cells.seen, rng)

    def loss_of(some: Tensor) -> Tensor:
        return _square_error(prior, HiddenCells(*(field[some] for field in cells)))

    fit(prior, loss_of, len(cells.seen), settings, rng)
    with torch.no_grad():
        return float(_square_error(prior, cells).sqrt())


def _square_error(prior: GroundPrior, cells: HiddenCells) -> Tensor:
    """Mean over the bands that are there."""
    seen, near = (values.T[None, :, :, None] for values in (cells.seen, cells.near))
    expected: Tensor = prior(seen, near)[0, :, :, 0].T
    return ((expected - cells.truth).square() * cells.present).sum() / cells.present.sum()


@torch.no_grad()
def _sample_cells(generator: ContextGenerator, batch: Simulated, count: int, rng: torch.Generator) -> HiddenCells:
    """Take `count` random cells of each image of a batch that is covered in part, or as many as are hidden in it."""
    x = pad_to_cells(batch.observation)
    statistics = generator.summarise(x)
    context = generator.spread(statistics, generator.context(statistics, x.conditioning)).float()
    seen = GroundPrior.look(x, context)
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
        taken.append(HiddenCells(seen[index, :, row, column].T, near, true, x.present[index].expand(len(some), -1)))
    return HiddenCells(*(torch.cat(field) for field in zip(*taken, strict=True)))
