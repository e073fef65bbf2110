"""Errors of a cleared scene against a clear one of the same place, block by block.

Cloud and shadow are derived from the images themselves, so that every tool is evaluated on the same pixels: cloud where
the cloudy image is brighter than the clear one by more than 0.04 in the mean of its visible bands, shadow where it is
darker than 0.7 times it in the mean of its infrared bands, clear elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unclouded.errors import InputError
from unclouded.evaluation.paired import INDICES, REGIONS, finite_signal_to_noise, whole_scores
from unclouded.reading.scene import Scene
from unclouded.reflectance import to_reflectance

Scores = dict[str, Any]

_VISIBLE, _INFRARED = ("B02", "B03", "B04"), ("B08", "B8A", "B11", "B12")

_BRIGHTER, _DARKER = 0.04, 0.7

_BLOCK = 1024
"""Side in pixels of the blocks that are compared."""


def scene_errors(cloudy: Scene, clear: Scene, predicted: Scene) -> Scores:
    """Errors of a cleared scene and of the cloudy one against the clear one, on the bands of the predicted one.

    Returns:
        psnr (dB, peak 1, at most 60), ssim, angle (degrees), ndvi and ndwi (mean absolute error); `regions`: share of
        the pixels, mae and rmse in reflectance, for each of `REGIONS`; `bands`: mae and rmse of each; NaN without
        pixels. `cloudy`: the same for the cloudy image, on the same pixels.

    Raises:
        InputError: the grids differ, a band is missing in the cloudy or the clear scene, or no pixel is valid in all.
    """
    bands = _common(cloudy, clear, predicted)
    cleared, unchanged = _ErrorSums(bands), _ErrorSums(bands)
    for x, y, z in _blocks((cloudy, clear, predicted), bands):
        valid = ~np.isnan(x[0]) & ~np.isnan(y[0]) & ~np.isnan(z[0])
        if valid.any():
            regions = _regions(x, y, bands, valid)
            cleared.add(z, y, regions)
            unchanged.add(x, y, regions)
    if not cleared.count["all"]:
        raise InputError(f"{predicted.info.source}: no pixel is valid in it, in the cloudy and in the clear image")
    return cleared.scores() | {"cloudy": unchanged.scores()}


class _ErrorSums:
    """Sums of the errors of an image against the truth over blocks."""

    def __init__(self, bands: Sequence[str]) -> None:
        self.bands = bands
        self.count = dict.fromkeys(REGIONS, 0)
        self.absolute, self.square = ({region: np.zeros(len(bands)) for region in REGIONS} for _ in range(2))
        self.weighted = {name: [0.0, 0] for name in ("ssim", "angle", *INDICES)}

    def add(self, z: NDArray[np.float64], y: NDArray[np.float64], regions: Mapping[str, NDArray[np.bool_]]) -> None:
        """Add a block `z` (C, h, w) and its truth `y`, with the pixels (h, w) of each region."""
        for region, inside in regions.items():
            error = z[:, inside] - y[:, inside]
            self.count[region] += int(inside.sum())
            self.absolute[region] += np.abs(error).sum(axis=1)
            self.square[region] += np.square(error).sum(axis=1)
        valid = regions["all"]
        pixels = int(valid.sum())
        for name, value in whole_scores(z, y, self.bands, valid).items():
            if math.isfinite(value):
                self.weighted[name][0] += value * pixels
                self.weighted[name][1] += pixels

    def scores(self) -> Scores:
        """The scores of one image, see `scene_errors`."""
        count = self.count
        mean_square = float(self.square["all"].sum()) / (count["all"] * len(self.bands))
        return {
            "psnr": finite_signal_to_noise(mean_square),
            **{name: total / pixels if pixels else math.nan for name, (total, pixels) in self.weighted.items()},
            "regions": {
                region: {"share": count[region] / count["all"]}
                | _errors(self.absolute[region], self.square[region], count[region])
                for region in REGIONS
            },
            "bands": {
                band: _errors(self.absolute["all"][[i]], self.square["all"][[i]], count["all"])
                for i, band in enumerate(self.bands)
            },
        }


def _common(cloudy: Scene, clear: Scene, predicted: Scene) -> list[str]:
    grids = [(s.info.width, s.info.height, s.info.crs, s.info.transform) for s in (cloudy, clear, predicted)]
    for scene, grid in zip((cloudy, clear), grids, strict=False):
        if grid != grids[2]:
            raise InputError(
                f"{predicted.info.source}: is not on the grid of {scene.info.source} "
                f"({grids[2][0]}x{grids[2][1]} against {grid[0]}x{grid[1]} pixels, their places compared too)"
            )
    bands = list(predicted.info.bands)
    for scene in (cloudy, clear):
        if lacking := [band for band in bands if band not in scene.info.bands]:
            raise InputError(
                f"{predicted.info.source}: has {', '.join(lacking)}, which {scene.info.source} lacks; "
                "compare images of the same bands, or name the bands to take with --bands"
            )
    return bands


def _blocks(scenes: Sequence[Scene], bands: Sequence[str]) -> Iterator[list[NDArray[np.float64]]]:
    """Blocks of the scenes in reflectance, clipped to [0, 1], NaN where there is no data."""
    info = scenes[0].info
    for row in range(0, info.height, _BLOCK):
        for column in range(0, info.width, _BLOCK):
            height, width = min(_BLOCK, info.height - row), min(_BLOCK, info.width - column)
            blocks = []
            for scene in scenes:
                dn = scene.read(row, column, height, width)
                reflectance, valid = to_reflectance(dn, scene.info.encoding)
                block = np.clip(reflectance[[scene.info.bands.index(band) for band in bands]].astype(np.float64), 0, 1)
                block[:, ~valid] = np.nan
                blocks.append(block)
            yield blocks


def _regions(
    x: NDArray[np.float64], y: NDArray[np.float64], bands: list[str], valid: NDArray[np.bool_]
) -> dict[str, NDArray[np.bool_]]:
    visible = [i for i, band in enumerate(bands) if band in _VISIBLE] or list(range(len(bands)))
    infrared = [i for i, band in enumerate(bands) if band in _INFRARED] or list(range(len(bands)))
    cloud = valid & (x[visible].mean(0) - y[visible].mean(0) > _BRIGHTER)
    shadow = valid & ~cloud & (x[infrared].mean(0) < _DARKER * y[infrared].mean(0))
    return {"all": valid, "cloud": cloud, "shadow": shadow, "clear": valid & ~cloud & ~shadow}


def _errors(absolute: NDArray[np.float64], square: NDArray[np.float64], count: int) -> dict[str, float]:
    if not count:
        return {"mae": math.nan, "rmse": math.nan}
    values = count * len(absolute)
    return {"mae": float(absolute.sum() / values), "rmse": math.sqrt(float(square.sum()) / values)}
