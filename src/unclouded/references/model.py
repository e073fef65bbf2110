"""One prediction of the scene's ground from one set of references: a local ridge and its residual, spread."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from unclouded.references.holdout import distance_to
from unclouded.references.local_ridge import Lattice, moments, predict, solve_lattice
from unclouded.references.spread import spread
from unclouded.references.statistics import SceneStatistics

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

FINEST = 256
"""Pixels between the finest lattice's nodes; half of it in scenes of at most two such squares, twice in the largest."""
SHRINKAGE = 0.1
_NARROWEST_WIDTH = 4
_ROBUST = 6.0
_PASSES = 2
_LARGE = 6144


@dataclass(frozen=True)
class Choice:
    """What the left out blobs choose: ridge (share of variance), prior (pixels), levels of lattices."""

    ridge: float
    prior: float
    levels: int


@dataclass
class Fit:
    """The sums and cells of one set of references.

    Attributes:
        statistics: of the scene.
        references: the set; empty for the fill from the scene alone.
    """

    statistics: SceneStatistics
    references: tuple[int, ...]
    lattice: Lattice = field(init=False)
    usable: NDArray[np.intp] = field(init=False)
    x: Float32 = field(init=False)
    y: Float32 = field(init=False)
    position: NDArray[np.int32] = field(init=False)
    weight: Float32 = field(init=False)
    sums: tuple[Float64, Float64] = field(init=False)
    centre: Float32 = field(init=False)
    deviation: Float32 = field(init=False)
    cells: Mask = field(init=False)

    def __post_init__(self) -> None:
        statistics, layout = self.statistics, self.statistics.layout
        bands = len(layout.bands)
        chosen = list(self.references)
        self.lattice = finest_lattice(layout.height, layout.width)
        self.usable = np.flatnonzero(statistics.sample_seen[:, chosen].all(axis=1))
        samples = statistics.samples[self.usable]
        self.position, self.y = statistics.position[self.usable], samples[:, :bands]
        raw = samples[:, self.columns]
        self.centre = np.median(raw, axis=0).astype(np.float32)
        self.deviation = (raw.std(axis=0) + np.float32(1e-4)).astype(np.float32)
        self.x = self.design(raw)
        self.weight = self._robust_weights()
        self.sums = moments(self.lattice, self.position, self.x, self.y, self.weight)
        self.cells = (statistics.clear > 0) & statistics.agree[chosen].all(axis=0)
        self._held: dict[int, tuple[Float64, Float64]] = {}
        rows, columns = np.nonzero(self.cells)
        self._cell_index = rows, columns
        self._cell_position = np.stack([rows, columns], 1).astype(np.int32) * layout.cell + layout.cell // 2
        np.minimum(self._cell_position, [layout.height - 1, layout.width - 1], out=self._cell_position)
        self._cell_x = self.design(statistics.means[self.columns][:, rows, columns].T)
        self._cell_y = statistics.means[:bands][:, rows, columns].T
        self._cell_weight = np.minimum(statistics.clear[rows, columns] / layout.cell**2, 1)

    @property
    def columns(self) -> list[int]:
        """Channels of the predictors."""
        layout = self.statistics.layout
        return [c for k in self.references for c in range(layout.channels(k).start, layout.channels(k).stop)]

    def design(self, raw: Float32) -> Float32:
        """Predictors (n, 1 + P): an intercept, and the references' bands (n, P), standardised."""
        return np.concatenate([np.ones((len(raw), 1), np.float32), (raw - self.centre) / self.deviation], axis=1)

    def _robust_weights(self) -> Float32:
        """Huber weights of the samples, from residuals of the scene's own regression: changed land, cloud not seen."""
        weight = np.ones(len(self.x), np.float32)
        x, y = self.x.astype(np.float64), self.y.astype(np.float64)
        for _ in range(_PASSES):
            gram = (x * weight[:, None]).T @ x + 1e-4 * len(x) * np.eye(x.shape[1])
            residual = y - x @ np.linalg.solve(gram, (x * weight[:, None]).T @ y)
            scale = 1.4826 * np.median(abs(residual), axis=0) + 1e-4
            size = np.sqrt(np.square(residual / scale).mean(axis=1))
            weight = np.minimum(1, _ROBUST / np.maximum(size, 1e-6)).astype(np.float32)
        return weight

    def held_sums(self, number: int, held: Mask) -> tuple[Float64, Float64]:
        """Sums without the samples of the cells that are left out; kept under the fold's number."""
        if number in self._held:
            return self._held[number]
        out = self.in_cells(held, self.position)
        xx, xy = moments(self.lattice, self.position[out], self.x[out], self.y[out], self.weight[out])
        self._held[number] = self.sums[0] - xx, self.sums[1] - xy
        return self._held[number]

    def in_cells(self, cells: Mask, position: NDArray[np.int32]) -> Mask:
        """Which positions (n, 2) lie in cells (h, w) that are true."""
        row, column = (position // self.statistics.layout.cell).T
        inside: Mask = cells[row, column]
        return inside

    def coefficients(self, sums: tuple[Float64, Float64], choice: Choice) -> Float64:
        """Of every node of the lattice."""
        prior = choice.prior / self.statistics.layout.stride**2
        return solve_lattice(*sums, choice.ridge, prior, choice.levels)

    def fields(self, coefficients: Float64, held: Mask | None) -> Float32:
        """(C + 2, h, w) on the grid of cells: residual, log of the distance to cells that show it, log of its size."""
        layout = self.statistics.layout
        known = self.cells if held is None else self.cells & ~held
        own = known[self._cell_index]
        rows, columns = (index[own] for index in self._cell_index)
        residual = self._cell_y[own] - predict(self.lattice, self._cell_position[own], self._cell_x[own], coefficients)
        size = abs(residual).mean(axis=1)
        typical = np.median(size) + 1e-5 if len(size) else 1.0
        weight = np.zeros(known.shape, np.float32)
        weight[rows, columns] = self._cell_weight[own] * np.minimum(1, _ROBUST * typical / np.maximum(size, 1e-6))
        grid = np.zeros((residual.shape[1] + 1, *known.shape), np.float32)
        grid[:-1, rows, columns] = residual.T
        grid[-1, rows, columns] = size
        narrowest = max(0, round(float(np.log2(_NARROWEST_WIDTH / layout.cell))))
        answer = spread(grid, weight, narrowest, SHRINKAGE)
        distance = distance_to(known) * layout.cell
        logs = np.log1p(distance / 4), np.log(answer[-1] + np.float32(1e-4))
        return np.concatenate([answer[:-1], np.stack(logs).astype(np.float32)])


def finest_lattice(height: int, width: int) -> Lattice:
    """The lattice of the coefficients of a scene."""
    side = max(height, width)
    return Lattice(height, width, FINEST // 2 if side <= 2 * FINEST else FINEST if side <= _LARGE else 2 * FINEST)


def at_positions(fields: Float32, position: NDArray[np.int32], cell: int) -> Float32:
    """Values (n, F) of fields (F, h, w) on the grid of cells at pixels (n, 2), bilinear between the cells' centres."""
    where = ((position + 0.5) / cell - 0.5).T
    return np.stack([map_coordinates(f, where, order=1, mode="nearest", output=np.float32) for f in fields], axis=1)
