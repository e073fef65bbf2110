"""Ridge regression whose coefficients vary over the scene: a lattice's nodes, each drawn towards the coarser one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Lattice:
    """Nodes `spacing` pixels apart, the first at pixel 0, the last at or behind the scene's end; one if that is 0."""

    height: int
    width: int
    spacing: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of nodes."""
        if not self.spacing:
            return 1, 1
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

    def corners(self, row: int, column: int, position: NDArray[np.int32]) -> Float32:
        """Bilinear weights (4, n) of a square's nodes at positions inside it: (0, 0), (0, 1), (1, 0), (1, 1)."""
        y, x = ((position - np.array([row, column]) * self.spacing) / self.spacing).T
        return np.stack([(1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x]).astype(np.float32)


def moments(
    lattice: Lattice, position: NDArray[np.int32], x: Float32, y: Float32, weight: Float32
) -> tuple[Float64, Float64]:
    """Second moments of each node: (rows, columns, D, D) of x and (rows, columns, D, C) of x with y.

    Every sample counts for the four nodes about it by its bilinear weights, so that the sum over nodes is that over
    the samples.
    """
    d, c = x.shape[1], y.shape[1]
    both = np.concatenate([x, y], axis=1).astype(np.float64)
    if not lattice.spacing:
        whole = (both[:, :d] * weight[:, None]).T @ both
        return whole[None, None, :, :d], whole[None, None, :, d:]
    sums = np.zeros((*lattice.shape, d, d + c))
    for row, column, inside in lattice.squares(position):
        part = both[inside]
        for corner, share in enumerate(lattice.corners(row, column, position[inside])):
            sums[row + corner // 2, column + corner % 2] += (part[:, :d] * (share * weight[inside])[:, None]).T @ part
    return sums[..., :d], sums[..., d:]


def solve_lattice(xx: Float64, xy: Float64, ridge: float, prior: float) -> Float64:
    """Coefficients (rows, columns, D, C) of each node.

    The scene's own: ridge regression on its sums, the intercept (column 0) free. Then, lattice by lattice, each twice
    as fine as the one before, a node's are those of its own sums and of `prior` samples drawn from the whole scene
    that obey the coarser lattice's: (S + p R) W = T + p R W_coarse. A lattice of one node is the scene's own.

    Args:
        xx: (rows, columns, D, D) moments of the finest lattice, of standardised predictors.
        xy: (rows, columns, D, C).
        ridge: as a share of the variance of the predictors.
        prior: strength, in samples.
    """
    total, cross = xx.sum(axis=(0, 1)), xy.sum(axis=(0, 1))
    count = max(total[0, 0], 1.0)
    penalty = ridge * count * np.eye(len(total))
    penalty[0, 0] = 1e-9 * count
    whole = np.linalg.solve(total + penalty, cross)
    if xx.shape[:2] == (1, 1):
        return np.asarray(whole[None, None], np.float64)
    sums = [(xx, xy)]
    while max(sums[-1][0].shape[:2]) > 2:
        sums.append((_coarsen(sums[-1][0]), _coarsen(sums[-1][1])))
    drawn = prior * (total + penalty) / count
    answer = np.broadcast_to(whole, (*sums[-1][0].shape[:2], *whole.shape))
    for level in range(len(sums) - 1, -1, -1):
        own, own_cross = sums[level]
        if level < len(sums) - 1:
            answer = _refine(answer, own.shape[:2])
        answer = np.linalg.solve(own + drawn, own_cross + drawn @ answer)
    return np.ascontiguousarray(answer)


def predict(lattice: Lattice, position: NDArray[np.int32], raw: Float32, coefficients: Float32) -> Float32:
    """Predictions (n, C) at positions (n, 2) of predictors (n, P), the coefficients interpolated between nodes."""
    if coefficients.shape[:2] == (1, 1):
        everywhere: Float32 = raw @ coefficients[0, 0, 1:] + coefficients[0, 0, 0]
        return everywhere
    out = np.empty((len(raw), coefficients.shape[3]), np.float32)
    for row, column, inside in lattice.squares(position):
        corners = lattice.corners(row, column, position[inside])
        out[inside] = sum(
            share[:, None] * (raw[inside] @ node[1:] + node[0])
            for share, node in zip(corners, _nodes(coefficients, row, column), strict=True)
        )
    return out


def predict_grid(lattice: Lattice, first: float, step: int, raw: Float32, coefficients: Float32) -> Float32:
    """Predictions (C, h, w) of a grid over the whole scene: its points lie at pixels first + i * step.

    Args:
        lattice: of the coefficients; `step` divides its spacing.
        first: row, and column, of the first point.
        step: pixels between points.
        raw: (P, h, w) predictors.
        coefficients: at the nodes.
    """
    if coefficients.shape[:2] == (1, 1):
        return predict_square(lattice, first, first, step, raw, coefficients)
    out = np.empty((coefficients.shape[3], *raw.shape[1:]), np.float32)
    side = lattice.spacing // step
    for i in range(0, raw.shape[1], side):
        for j in range(0, raw.shape[2], side):
            here = np.s_[:, i : i + side, j : j + side]
            out[here] = predict_square(lattice, first + i * step, first + j * step, step, raw[here], coefficients)
    return out


def predict_square(
    lattice: Lattice, top: float, left: float, step: int, raw: Float32, coefficients: Float32
) -> Float32:
    """Predictions (C, h, w) of points, `step` pixels apart, that lie between the same four nodes."""
    shape = raw.shape[1:]
    flat = np.ascontiguousarray(raw).reshape(len(raw), shape[0] * shape[1])
    if coefficients.shape[:2] == (1, 1):
        node = coefficients[0, 0]
        same: Float32 = (node[1:].T @ flat + node[0][:, None]).reshape(-1, *shape)
        return same
    row, column = int(top // lattice.spacing), int(left // lattice.spacing)
    y, x = (
        ((start + step * np.arange(n)) / lattice.spacing - number).astype(np.float32)
        for start, n, number in ((top, shape[0], row), (left, shape[1], column))
    )
    answer = np.zeros((coefficients.shape[3], *shape), np.float32)
    weights = [np.outer(b, a) for b in (1 - y, y) for a in (1 - x, x)]
    for weight, node in zip(weights, _nodes(coefficients, row, column), strict=True):
        part = node[1:].T @ flat
        part += node[0][:, None]
        answer += np.multiply(part.reshape(answer.shape), weight, out=part.reshape(answer.shape))
    return answer


def _nodes(coefficients: Float32, row: int, column: int) -> list[Float32]:
    return [coefficients[row + i, column + j] for i in (0, 1) for j in (0, 1)]


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
