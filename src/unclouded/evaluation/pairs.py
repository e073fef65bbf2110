"""Evaluation of any tool's cleared GeoTIFFs against clear ones of the same places: errors per image, and their mean."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from unclouded.errors import FileError, InputError
from unclouded.evaluation.scene_errors import Scores, scene_errors
from unclouded.files import mask_path, quality_path, sha256_of
from unclouded.progress import Progress, silent
from unclouded.reading.reader import ReadOptions
from unclouded.reading.series import find_series, is_series


def evaluate_folders(
    cloudy: Path,
    clear: Path,
    predicted: Path,
    reading: ReadOptions | None = None,
    progress: Progress = silent,
) -> Scores:
    """Compare every GeoTIFF of `predicted` with those of the same name in the other two folders.

    If `predicted` is the folder of a series by `unclouded series`, its dates are compared.

    Returns:
        `n`, `bands`, the `mean` of every score over the images, `sha256` of each image's three files, and `images`:
        the scores of each by name (see `scene_errors`).

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
    for folder, stems in partners.items():
        if missing := sorted(names.keys() - stems.keys()):
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
            images[name] = scene_errors(*scenes)
            checksums[name] = {part: sha256_of(file) for part, file in three.items()}
    progress("comparing", len(names), len(names))
    return {
        "n": len(images),
        "bands": bands,
        "mean": average(list(images.values())),
        "sha256": checksums,
        "images": images,
    }


def average(images: list[Scores]) -> Scores:
    """Mean of every score over the images that have it."""
    merged: Scores = {}
    for key in dict.fromkeys(key for image in images for key in image):
        values = [image[key] for image in images if key in image]
        if isinstance(values[0], Mapping):
            merged[key] = average(values)
        else:
            known = [value for value in values if not math.isnan(value)]
            merged[key] = float(np.mean(known)) if known else math.nan
    return merged


def _stems(folder: Path) -> dict[str, Path]:
    """The images of a folder by stem, without quality and mask files; of a series, its dates."""
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
