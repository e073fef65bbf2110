"""Ridge regression whose coefficients vary over the scene: a lattice's nodes, each drawn towards the coarser one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Lattice:
    """Nodes `spacing` pixels apart, the first at pixel 0, the last at or behind the scene's end."""

    height: int
    width: int
    spacing: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of nodes."""
        rows, columns = (max(1, -(-n // self.spacing)) + 1 for n in (self.height, self.width))
        return rows, columns

    def squares(self, position: NDArray[np.int32]) -> list[tuple[int, int, NDArray[np.intp]]]:
        """The squares between nodes that hold any of the positions (n, 2): row, column, which of them."""
        number = position // self.spacing
        key = number[:, 0].astype(np.int64) * self.shape[1] + number[:, 1]
        order = np.argsort(key, kind="stable")
        keys, starts = np.unique(key[order], return_index=True)
        groups = np.split(order, starts[1:])
        return [(int(k) // self.shape[1], int(k) % self.shape[1], g) for k, g in zip(keys, groups, strict=True)]

    def corners(self, row: int, column: int, position: NDArray[np.int32]) -> Float64:
        """Bilinear weights (4, n) of a square's nodes at positions inside it: (0, 0), (0, 1), (1, 0), (1, 1)."""
        y, x = ((position - np.array([row, column]) * self.spacing) / self.spacing).T
        return np.stack([(1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x])


def moments(
    lattice: Lattice, position: NDArray[np.int32], x: Float32, y: Float32, weight: Float32
) -> tuple[Float64, Float64]:
    """Second moments of each node: (rows, columns, D, D) of x and (rows, columns, D, C) of x with y.

    Every sample counts for the four nodes about it by its bilinear weights, so that the sum over nodes is that over
    the samples.
    """
    d, c = x.shape[1], y.shape[1]
    xx, xy = np.zeros((*lattice.shape, d, d)), np.zeros((*lattice.shape, d, c))
    for row, column, inside in lattice.squares(position):
        a, b = x[inside].astype(np.float64), y[inside].astype(np.float64)
        both = np.concatenate([a, b], axis=1)
        for corner, share in enumerate(lattice.corners(row, column, position[inside])):
            product = (a * (share * weight[inside])[:, None]).T @ both
            xx[row + corner // 2, column + corner % 2] += product[:, :d]
            xy[row + corner // 2, column + corner % 2] += product[:, d:]
    return xx, xy


def solve_lattice(xx: Float64, xy: Float64, ridge: float, prior: float, levels: int) -> Float64:
    """Coefficients (rows, columns, D, C) of each node.

    The scene's own: ridge regression on its sums, the intercept (column 0) free. Then, lattice by lattice, each twice
    as fine as the one before, a node's are those of its own sums and of `prior` samples drawn from the whole scene
    that obey the coarser lattice's: (S + p R) W = T + p R W_coarse.

    Args:
        xx: (rows, columns, D, D) moments of the finest lattice, of standardised predictors.
        xy: (rows, columns, D, C).
        ridge: as a share of the variance of the predictors.
        prior: strength, in samples.
        levels: lattices below the scene's own; 0 gives every node the scene's.
    """
    total, cross = xx.sum(axis=(0, 1)), xy.sum(axis=(0, 1))
    count = max(total[0, 0], 1.0)
    penalty = ridge * count * np.eye(len(total))
    penalty[0, 0] = 1e-9 * count
    whole = np.linalg.solve(total + penalty, cross)
    shapes = [xx.shape[:2]]
    sums = [(xx, xy)]
    while len(sums) < levels and max(shapes[-1]) > 2:
        sums.append((_coarsen(sums[-1][0]), _coarsen(sums[-1][1])))
        shapes.append(sums[-1][0].shape[:2])
    if levels == 0:
        return np.broadcast_to(whole, (*shapes[0], *whole.shape)).copy()
    drawn = prior * (total + penalty) / count
    answer = np.broadcast_to(whole, (*shapes[-1], *whole.shape))
    for level in range(len(sums) - 1, -1, -1):
        if level < len(sums) - 1:
            answer = _refine(answer, shapes[level])
        own, own_cross = sums[level]
        answer = np.linalg.solve(own + drawn, own_cross + drawn @ answer)
    return np.ascontiguousarray(answer)


def predict(lattice: Lattice, position: NDArray[np.int32], x: Float32, coefficients: Float64) -> Float32:
    """Predictions (n, C) at positions (n, 2) of predictors (n, D), the coefficients interpolated between nodes."""
    out = np.empty((len(x), coefficients.shape[3]), np.float32)
    single = coefficients.astype(np.float32)
    for row, column, inside in lattice.squares(position):
        corners = lattice.corners(row, column, position[inside]).astype(np.float32)
        stacked = single[row : row + 2, column : column + 2].transpose(2, 0, 1, 3).reshape(x.shape[1], -1)
        four = (x[inside] @ stacked).reshape(len(inside), 4, -1)
        out[inside] = (four * corners.T[:, :, None]).sum(axis=1)
    return out


def predict_square(lattice: Lattice, top: int, left: int, side: int, x: Float32, coefficients: Float32) -> Float32:
    """Predictions (side * side, C) of a square of pixels that lies between four nodes."""
    row, column = top // lattice.spacing, left // lattice.spacing
    below, right = ((np.arange(side) + o) % lattice.spacing / lattice.spacing for o in (top, left))
    four: Float32 = coefficients[row : row + 2, column : column + 2].transpose(2, 0, 1, 3).reshape(x.shape[1], -1)
    made = (x @ four).reshape(side, side, 2, 2, -1)
    y: Float32 = below.astype(np.float32)[:, None, None]
    z: Float32 = right.astype(np.float32)[None, :, None]
    upper = made[:, :, 0, 0] * (1 - z) + made[:, :, 0, 1] * z
    lower = made[:, :, 1, 0] * (1 - z) + made[:, :, 1, 1] * z
    answer: Float32 = np.asarray(upper * (1 - y) + lower * y, np.float32).reshape(side * side, -1)
    return answer


def _coarsen(values: Float64) -> Float64:
    """Moments of a lattice twice as coarse: hats nest, so a node takes all of its own and half of its neighbours'."""
    for axis in (0, 1):
        if values.shape[axis] % 2 == 0:
            values = np.concatenate([values, np.zeros_like(values.take([0], axis))], axis)
        even = values.take(range(0, values.shape[axis], 2), axis)
        odd = 0.5 * values.take(range(1, values.shape[axis], 2), axis)
        none = np.zeros_like(even.take([0], axis))
        values = even + np.concatenate([none, odd], axis) + np.concatenate([odd, none], axis)
    return values


def _refine(values: Float64, shape: tuple[int, ...]) -> Float64:
    """Coefficients of a lattice twice as fine, bilinear."""
    for axis in (0, 1):
        n = values.shape[axis]
        middle = 0.5 * (values.take(range(n - 1), axis) + values.take(range(1, n), axis))
        fine = np.empty((*values.shape[:axis], 2 * n - 1, *values.shape[axis + 1 :]))
        index = [slice(None)] * values.ndim
        index[axis] = slice(0, None, 2)
        fine[tuple(index)] = values
        index[axis] = slice(1, None, 2)
        fine[tuple(index)] = middle
        values = fine.take(range(shape[axis]), axis)
    return values
