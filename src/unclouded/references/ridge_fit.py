"""One prediction of the scene's ground from one set of references: a ridge regression and its residual, spread."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from unclouded.references.holdout import distance_to
from unclouded.references.local_ridge import Lattice, moments, predict, predict_grid, solve_lattice
from unclouded.references.spread import spread
from unclouded.references.statistics import Statistics

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

FINEST = 256
"""Pixels between the finest lattice's nodes; half of it in scenes of at most two such squares, twice in the largest."""
RIDGE = 1e-2
"""As a share of the predictors' variance."""
PRIOR = 16_000.0
"""Pixels of the coarser lattice that a node of the finer one is drawn towards."""
SHRINKAGE = 0.1
_NARROWEST_WIDTH = 2
_ROBUST = 6.0
_PASSES = 2
_LARGE = 6144


@dataclass
class Fit:
    """The sums and cells of one set of references.

    Attributes:
        statistics: of the scene.
        references: the set; empty for the fill from the scene alone.
    """

    statistics: Statistics
    references: tuple[int, ...]
    lattice: Lattice = field(init=False)
    usable: NDArray[np.intp] = field(init=False)
    x: Float32 = field(init=False)
    y: Float32 = field(init=False)
    position: NDArray[np.int32] = field(init=False)
    weight: Float32 = field(init=False)
    centre: Float32 = field(init=False)
    deviation: Float32 = field(init=False)
    cells: Mask = field(init=False)

    def __post_init__(self) -> None:
        statistics, layout = self.statistics, self.statistics.layout
        chosen = list(self.references)
        self.lattice = finest_lattice(layout.height, layout.width)
        self.usable = np.flatnonzero(statistics.sample_visible[:, chosen].all(axis=1))
        samples = statistics.samples[self.usable]
        self.position, self.y = statistics.position[self.usable], samples[:, : len(layout.bands)]
        raw = samples[:, self.columns]
        self.centre = np.median(raw, axis=0).astype(np.float32)
        self.deviation = (raw.std(axis=0) + np.float32(1e-4)).astype(np.float32)
        standard = (raw - self.centre) / self.deviation
        self.x = np.concatenate([np.ones((len(raw), 1), np.float32), standard], axis=1)
        self.weight = self._robust_weights()
        self.cells = (statistics.clear > 0) & statistics.agree[chosen].all(axis=0)

    @property
    def columns(self) -> list[int]:
        """Channels of the predictors."""
        layout = self.statistics.layout
        return [c for k in self.references for c in range(layout.channels(k).start, layout.channels(k).stop)]

    def _robust_weights(self) -> Float32:
        """Huber weights of the samples, from residuals of the scene alone, against changed land and missed cloud."""
        weight = np.ones(len(self.x), np.float32)
        for _ in range(_PASSES):
            gram = ((self.x * weight[:, None]).T @ self.x).astype(np.float64)
            cross = (self.x * weight[:, None]).T @ self.y
            made = np.linalg.solve(gram + 1e-4 * len(self.x) * np.eye(len(gram)), cross).astype(np.float32)
            residual = self.y - self.x @ made
            scale = np.float32(1.4826) * np.median(abs(residual), axis=0) + np.float32(1e-4)
            size = np.sqrt(np.square(residual / scale).mean(axis=1))
            weight = np.minimum(1, _ROBUST / np.maximum(size, 1e-6)).astype(np.float32)
        return weight

    def coefficients(self, held: Mask | None, local: bool) -> Float32:
        """Of reflectance: (rows, columns, 1 + P, C) at the lattice's nodes, one node (1, 1, 1 + P, C) if not `local`.

        Args:
            held: (h, w) cells whose samples are left out, if any.
            local: whether the coefficients vary over the scene.
        """
        kept = np.s_[:] if held is None else ~self.in_cells(held)
        lattice = self.lattice if local else Lattice(1, 1, 0)
        sums = moments(lattice, self.position[kept], self.x[kept], self.y[kept], self.weight[kept])
        prior = PRIOR / self.statistics.layout.stride**2
        answer = solve_lattice(*sums, RIDGE, prior)
        answer[..., 1:, :] /= self.deviation[:, None]
        answer[..., 0, :] -= np.einsum("rcpk,p->rck", answer[..., 1:, :], self.centre)
        return answer.astype(np.float32)

    def in_cells(self, cells: Mask) -> Mask:
        """Which of the samples lie in cells (h, w) that are true."""
        row, column = (self.position // self.statistics.layout.cell).T
        inside: Mask = cells[row, column]
        return inside

    def at(self, samples: NDArray[np.intp], coefficients: Float32) -> Float32:
        """The regression's predictions (n, C) of some of the statistics' samples."""
        statistics = self.statistics
        raw = statistics.samples[samples][:, self.columns]
        return predict(self.lattice, statistics.position[samples], raw, coefficients)

    def fields(self, coefficients: Float32, held: Mask | None) -> Float32:
        """(C + 2, h, w) on the grid of cells: residual, log of the distance to cells that show it, log of its size."""
        statistics, layout = self.statistics, self.statistics.layout
        bands = len(layout.bands)
        known = self.cells if held is None else self.cells & ~held
        grid = np.empty((bands + 1, *known.shape), np.float32)
        made = predict_grid(
            self.lattice, (layout.cell - 1) / 2, layout.cell, statistics.means[self.columns], coefficients
        )
        np.subtract(statistics.means[:bands], made, out=grid[:bands])
        np.abs(grid[:bands]).mean(axis=0, out=grid[-1])
        size = grid[-1]
        typical = np.median(size[known]) + np.float32(1e-5) if known.any() else np.float32(1)
        weight = np.minimum(1, np.float32(_ROBUST) * typical / np.maximum(size, np.float32(1e-6)))
        weight *= known * np.minimum(statistics.clear * np.float32(1 / layout.cell**2), 1)
        narrowest = max(0, round(float(np.log2(_NARROWEST_WIDTH / layout.cell))))
        answer = spread(grid, weight.astype(np.float32), narrowest, SHRINKAGE)
        answer[-1] = np.log(answer[-1] + np.float32(1e-4))
        return np.concatenate([answer[:-1], self.distance(held)[None], answer[-1:]])

    def distance(self, held: Mask | None) -> Float32:
        """Log (h, w) of one and the distance to cells that show the residual, in units of 4 pixels."""
        known = self.cells if held is None else self.cells & ~held
        logarithm: Float32 = np.log1p(distance_to(known) * np.float32(self.statistics.layout.cell / 4))
        return logarithm


def finest_lattice(height: int, width: int) -> Lattice:
    """The lattice of the coefficients of a scene."""
    side = max(height, width)
    return Lattice(height, width, FINEST // 2 if side <= 2 * FINEST else FINEST if side <= _LARGE else 2 * FINEST)


def at_positions(fields: Float32, position: NDArray[np.int32], cell: int) -> Float32:
    """Values (n, F) of fields (F, h, w) on the grid of cells at pixels (n, 2), bilinear between the cells' centres."""
    where = ((position + 0.5) / cell - 0.5).T
    return np.stack([map_coordinates(f, where, order=1, mode="nearest", output=np.float32) for f in fields], axis=1)
