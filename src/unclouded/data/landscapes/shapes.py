"""Shapes of simulated ground: fractal noise, parcels of land, curves, and the assignment of pixels to covers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

SIZE = 120
"""Pixels of 10 m along a patch."""
_PERIOD = 180
"""Period of the noise in pixels, of which a patch shows a part."""

Field = NDArray[np.float32]


@lru_cache(maxsize=1)
def _frequency() -> Field:
    along = np.fft.fftfreq(_PERIOD)[:, None]
    across = np.fft.rfftfreq(_PERIOD)[None, :]
    frequency: Field = np.hypot(along, across).astype(np.float32)
    frequency[0, 0] = 1
    return frequency


@lru_cache(maxsize=1)
def grid() -> tuple[Field, Field]:
    """Row and column of each pixel (120, 120), 0 in the centre."""
    rows, columns = np.mgrid[:SIZE, :SIZE].astype(np.float32) - (SIZE - 1) / 2
    return rows, columns


def noise(rng: np.random.Generator, roughness: float, largest: float = _PERIOD, count: int = 1) -> Field:
    """Gaussian noise (count, 120, 120) of unit variance with spectrum f^-roughness, flat beyond `largest` pixels."""
    amplitude = np.maximum(_frequency(), 1 / largest) ** np.float32(-roughness / 2)
    amplitude[0, 0] = 0
    white = rng.standard_normal((count, *amplitude.shape, 2), dtype=np.float32).view(np.complex64)[..., 0]
    field = fft.irfft2(white * amplitude, s=(_PERIOD, _PERIOD))[:, :SIZE, :SIZE]
    return np.asarray(field / np.float32(_scale(roughness, largest)), np.float32)


@lru_cache(maxsize=4096)
def _scale(roughness: float, largest: float) -> float:
    """Standard deviation of the noise before it is standardised, from its spectrum."""
    power = np.maximum(_frequency(), 1 / largest).astype(np.float64) ** -roughness
    power[0, 0] = 0
    power[:, 1:-1] *= 2
    return float(np.sqrt(2 * power.sum())) / _PERIOD**2


@dataclass(frozen=True)
class Parcels:
    """Land divided into parcels.

    Attributes:
        index: (120, 120) which parcel a pixel belongs to, 0 to count - 1.
        count: of parcels, some of which lie outside the patch.
        edge: (120, 120) pixels to the parcel's boundary.
        along, across: (120, 120) position in pixels along and across the parcels' rows.
    """

    index: NDArray[np.int64]
    count: int
    edge: Field
    along: Field
    across: Field

    def mean(self, field: Field) -> Field:
        """Mean of `field` (120, 120) over each pixel's parcel, (120, 120)."""
        flat = self.index.ravel()
        total = np.bincount(flat, field.ravel(), self.count)
        pixels = np.bincount(flat, minlength=self.count)
        means: Field = (total / np.maximum(pixels, 1)).astype(np.float32)[self.index]
        return means


def parcels(rng: np.random.Generator, side: float, aspect: float = 1.5, bend: float = 2.0, blocks: int = 3) -> Parcels:
    """Divide the patch like farmland: blocks of different direction, each cut in two repeatedly.

    Args:
        rng: random generator.
        side: in pixels; its square is a parcel's typical area.
        aspect: length over width above which a parcel is cut across rather than along.
        bend: amplitude in pixels of the curvature of boundaries.
        blocks: number of blocks.
    """
    rows, columns = grid()
    wander = noise(rng, 5.0, 90.0, 2) * 1.3 * bend
    y, x = rows + wander[0], columns + wander[1]
    seeds = rng.uniform(-75, 75, (blocks, 2)).astype(np.float32)
    away = np.hypot(y[None] - seeds[:, :1, None], x[None] - seeds[:, 1:, None])
    block = away.argmin(0)
    edge = np.full_like(y, 99)
    if blocks > 1:
        nearest = np.partition(away, 1, 0)
        edge = (nearest[1] - nearest[0]) / 2
    angle = (rng.uniform(0, np.pi) + rng.normal(0, 0.45, blocks)).astype(np.float32)
    cos, sin = np.cos(angle)[block], np.sin(angle)[block]
    position = np.stack([x * cos + y * sin, y * cos - x * sin]) + rng.uniform(-9, 9, (2, 1, 1)).astype(np.float32)

    low = np.full((2, blocks), -105.0)
    high = np.full((2, blocks), 105.0)
    index = block.astype(np.int64)
    for _ in range(14):
        span = high - low
        goal = side**2 * np.exp(rng.normal(0.35, 0.45, span.shape[1]))
        split = span.prod(0) > 2 * goal
        if not split.any():
            break
        axis = (span[1] * aspect > span[0]).astype(np.int64)
        chosen = np.arange(span.shape[1])
        cut = low[axis, chosen] + span[axis, chosen] * rng.uniform(0.32, 0.68, span.shape[1])
        fresh = np.cumsum(split) - 1 + span.shape[1]
        coordinate = np.where(axis[index] == 1, position[1], position[0])
        beyond = split[index] & (coordinate > cut[index])
        index = np.where(beyond, fresh[index], index)
        new_low, new_high = low[:, split].copy(), high[:, split].copy()
        new_low[axis[split], np.arange(split.sum())] = cut[split]
        high[axis[split], chosen[split]] = cut[split]
        low, high = np.concatenate([low, new_low], 1), np.concatenate([high, new_high], 1)
    inner = np.minimum(position - low[:, index], high[:, index] - position).min(0)
    return Parcels(index, low.shape[1], np.minimum(edge, inner).astype(np.float32), position[0], position[1])


def curve(rng: np.random.Generator, winding: float, through: tuple[float, float] | None = None) -> Field:
    """Distance in pixels (120, 120) to a line across the patch that winds by about `winding` pixels."""
    rows, columns = grid()
    angle = rng.uniform(0, np.pi)
    y0, x0 = through if through is not None else rng.uniform(-42, 42, 2)
    level = (rows - y0) * np.cos(angle) + (columns - x0) * np.sin(angle)
    if winding > 0:
        level = level + winding * noise(rng, 4.4, 110.0)[0]
    steep = np.hypot(*np.gradient(level))
    return np.asarray(np.abs(level) / np.maximum(steep, 0.35), np.float32)


def line(distance: Field, width: float) -> Field:
    """Share of each pixel (0 to 1) that a line of `width` pixels covers, given the distance to it."""
    return np.asarray(np.clip((width + 1) / 2 - distance, 0, min(1.0, width)), np.float32)


def cells(rng: np.random.Generator, land: Parcels, pitch: float, count: int = 1) -> Field:
    """Random numbers (count, 120, 120) in [0, 1), the same within squares of `pitch` pixels along the parcels' rows."""
    table = rng.random((count, 4096), dtype=np.float32)
    column = np.floor(land.along / pitch).astype(np.int64)
    row = np.floor(land.across / pitch).astype(np.int64)
    numbers: Field = table[:, (column * 197 + row * 1543 + land.index * 811) & 4095]
    return numbers


def divide(fields: Field, shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Assign every pixel to one of n covers, so that each has about its share of the patch.

    Args:
        fields: (n, 120, 120) suitability of each pixel for each cover.
        shares: (n,) that sum to 1.

    Returns:
        (120, 120) index of the cover.
    """
    coarse = fields[:, ::4, ::4].reshape(len(fields), -1)
    bias = np.zeros((len(fields), 1))
    for step in np.geomspace(1.0, 0.15, 14):
        assigned = np.bincount((coarse + bias).argmax(0), minlength=len(fields)) / coarse.shape[1]
        bias[:, 0] += step * np.clip(np.log(shares / np.maximum(assigned, 0.003)), -1.2, 1.2)
    return np.asarray((fields + bias[:, :, None].astype(np.float32)).argmax(0), np.int64)
