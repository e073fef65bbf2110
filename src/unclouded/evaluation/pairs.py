"""Errors of any tool's cleared GeoTIFFs against clear ones of the same places: per image, then averaged.

What was cloud and what was shadow is read from the images themselves, so that every tool is judged on the same pixels:
cloud where the cloudy image is brighter than the clear one by more than 0.04 in the mean of its visible bands, shadow
where it is darker than 0.7 times it in the mean of its infrared bands, clear elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unclouded.errors import FileError, InputError
from unclouded.evaluation.paired import INDICES, REGIONS, finite_signal_to_noise, whole_scores
from unclouded.files import mask_path, quality_path, sha256_of
from unclouded.progress import Progress, silent
from unclouded.reading.reader import ReadOptions
from unclouded.reading.scene import Scene
from unclouded.reading.series import find_series, is_series
from unclouded.reflectance import to_reflectance

Scores = dict[str, Any]

_VISIBLE, _INFRARED = ("B02", "B03", "B04"), ("B08", "B8A", "B11", "B12")
_BRIGHTER, _DARKER = 0.04, 0.7
_BLOCK = 1024
"""Side in pixels of what is compared at once."""


def evaluate_folders(
    cloudy: Path,
    clear: Path,
    predicted: Path,
    reading: ReadOptions | None = None,
    progress: Progress = silent,
) -> Scores:
    """Compare every GeoTIFF of `predicted` with those of its name in the other two folders.

    Where `predicted` holds a series by `unclouded series`, its dates are compared.

    Returns:
        `n`, `bands`, the `mean` of every score over the images, `sha256` of each image's three files, and `images`:
        the scores of each by name (see `compare`).

    Raises:
        FileError: a folder or file is missing or damaged.
        InputError: images of one name have other grids, a predicted image has bands that the others lack, predicted
            images differ in their bands, or a folder holds one name as .tif and as .tiff.
    """
    reading = replace(reading or ReadOptions(), level_needed=False)
    names = _stems(predicted)
    if not names:
        raise InputError(f"{predicted}: holds no .tif; give the folder of the cleared images")
    partners = {folder: _stems(folder) for folder in (cloudy, clear)}
    for folder, there in partners.items():
        if missing := sorted(names.keys() - there.keys()):
            raise FileError(f"{folder}: has no {missing[0]}.tif, which {predicted} has ({len(missing)} are missing)")
    if missing := sorted(partners[cloudy].keys() - names.keys()):
        raise FileError(f"{predicted}: has no {missing[0]}.tif, which {cloudy} has ({len(missing)} are missing)")
    images: dict[str, Scores] = {}
    checksums: dict[str, dict[str, str]] = {}
    bands: tuple[str, ...] = ()
    for done, (name, path) in enumerate(sorted(names.items())):
        progress("comparing", done, len(names))
        three = {"cloudy": partners[cloudy][name], "clear": partners[clear][name], "predicted": path}
        with ExitStack() as stack:
            scenes = [stack.enter_context(reading.open(str(file))) for file in three.values()]
            bands = bands or tuple(scenes[2].info.bands)
            if tuple(scenes[2].info.bands) != bands:
                raise InputError(
                    f"{path}: has bands {', '.join(scenes[2].info.bands)}, the images before it {', '.join(bands)}; "
                    "a mean takes images of the same bands"
                )
            images[name] = compare(*scenes)
            checksums[name] = {part: sha256_of(file) for part, file in three.items()}
    progress("comparing", len(names), len(names))
    return {
        "n": len(images),
        "bands": bands,
        "mean": average(list(images.values())),
        "sha256": checksums,
        "images": images,
    }


def compare(cloudy: Scene, clear: Scene, predicted: Scene) -> Scores:
    """Compare one cleared scene with the truth, block by block, on the bands of the predicted one.

    Returns:
        psnr (dB, peak 1, at most 60), ssim, angle (degrees), ndvi and ndwi (mean absolute error); `regions`: share of
        the pixels, mae and rmse in reflectance, for each of `REGIONS`; `bands`: mae and rmse of each. NaN where there
        is nothing. `cloudy`: the same of the cloudy image as it is, on the same pixels.

    Raises:
        InputError: the grids differ, a band is missing in the cloudy or the clear scene, or no pixel is valid in all.
    """
    bands = _common(cloudy, clear, predicted)
    made, untouched = _Tally(bands), _Tally(bands)
    for x, y, z in _blocks((cloudy, clear, predicted), bands):
        valid = ~np.isnan(x[0]) & ~np.isnan(y[0]) & ~np.isnan(z[0])
        if valid.any():
            regions = _regions(x, y, bands, valid)
            made.add(z, y, regions)
            untouched.add(x, y, regions)
    if not made.count["all"]:
        raise InputError(f"{predicted.info.source}: no pixel is valid in it, in the cloudy and in the clear image")
    return made.scores() | {"cloudy": untouched.scores()}


class _Tally:
    """Errors of an image against the truth, block by block."""

    def __init__(self, bands: Sequence[str]) -> None:
        self.bands = bands
        self.count = dict.fromkeys(REGIONS, 0)
        self.absolute, self.square = ({region: np.zeros(len(bands)) for region in REGIONS} for _ in range(2))
        self.weighted = {name: [0.0, 0] for name in ("ssim", "angle", *INDICES)}

    def add(self, z: NDArray[np.float64], y: NDArray[np.float64], regions: Mapping[str, NDArray[np.bool_]]) -> None:
        """Add a block `z` (C, h, w) and its truth `y`, of whose pixels `regions` says which count for what."""
        for region, inside in regions.items():
            error = z[:, inside] - y[:, inside]
            self.count[region] += int(inside.sum())
            self.absolute[region] += np.abs(error).sum(axis=1)
            self.square[region] += np.square(error).sum(axis=1)
        valid = regions["all"]
        held = int(valid.sum())
        for name, value in whole_scores(z, y, self.bands, valid).items():
            if math.isfinite(value):
                self.weighted[name][0] += value * held
                self.weighted[name][1] += held

    def scores(self) -> Scores:
        """What `compare` returns of one image."""
        count = self.count
        mean_square = float(self.square["all"].sum()) / (count["all"] * len(self.bands))
        return {
            "psnr": finite_signal_to_noise(mean_square),
            **{name: total / held if held else math.nan for name, (total, held) in self.weighted.items()},
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


def average(images: list[Scores]) -> Scores:
    """Mean of every score over the images that have it."""
    merged: Scores = {}
    for key in dict.fromkeys(key for image in images for key in image):
        values = [image[key] for image in images if key in image]
        if isinstance(values[0], Mapping):
            merged[key] = average(values)
        else:
            there = [value for value in values if not math.isnan(value)]
            merged[key] = float(np.mean(there)) if there else math.nan
    return merged


def _stems(folder: Path) -> dict[str, Path]:
    """The images of a folder by their names; of what `unclouded series` wrote, the dates."""
    if not folder.is_dir():
        raise FileError(f"{folder}: no such folder; check the path")
    if is_series(folder):
        return {pair.after.stem: pair.after for pair in find_series(folder)}
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".tif", ".tiff"))
    beside = {companion for path in files for companion in (quality_path(path), mask_path(path))}
    found: dict[str, Path] = {}
    for path in files:
        if path in beside:
            continue
        if path.stem in found:
            raise InputError(f"{path}: {found[path.stem].name} beside it has the same name; keep one of the two")
        found[path.stem] = path
    return found


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
    """Blocks of the scenes in reflectance within [0, 1], NaN where there is no data."""
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
