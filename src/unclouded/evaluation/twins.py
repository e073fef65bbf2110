"""Errors of images against their clear twins in an archive: per image, and per region of cloud, shadow and clear."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unclouded.bands import NAMES
from unclouded.data.archive import Archive
from unclouded.data.batch import PatchReader
from unclouded.data.observations import to_observation
from unclouded.data.samplers import Rows
from unclouded.errors import InputError
from unclouded.evaluation.frechet import Float
from unclouded.evaluation.paired import INDICES, REGIONS, finite_signal_to_noise, whole_scores
from unclouded.models.observation import Observation

LEAST_FRACTION = 0.1
"""Opacity of cloud, and strength of shadow, from which on a pixel counts as cloud or shadow."""

_WHOLE = ("psnr", "ssim", "angle", *INDICES)
_COLUMNS = (
    *((name,) for name in _WHOLE),
    *(("regions", region, score) for region in REGIONS for score in ("share", "mae", "rmse")),
    *(("bands", band, score) for band in NAMES for score in ("mae", "rmse")),
)
_PLACE = {column: place for place, column in enumerate(_COLUMNS)}


class Twins:
    """The clear twins of some rows of an archive.

    Attributes:
        of: the row of the twin by row.
    """

    def __init__(self, archive: Archive, reader: PatchReader, rows: Rows, twins: Rows) -> None:
        """Store rows (N,) and the rows (N,) of their twins, -1 for none."""
        self.of = {int(row): int(twin) for row, twin in zip(rows, twins, strict=True) if twin >= 0}
        self._archive, self._reader = archive, reader

    def compare(self, predicted: Observation, rows: Rows) -> Float:
        """Scores (B, S) of images (B) against the twins of their rows, NaN for an image without one.

        Reflectance is clipped to [0, 1]; pixels and bands count that both the image and its twin have.

        Raises:
            InputError: an image and its twin are of different sizes.
        """
        scores = np.full((len(rows), len(_COLUMNS)), math.nan)
        places = [place for place, row in enumerate(rows) if int(row) in self.of]
        if not places:
            return scores
        clear = self._reader.read(np.array([self.of[int(rows[place])] for place in places], np.int64))
        truth = to_observation(clear, "cpu")
        for number, place in enumerate(places):
            if predicted.optical.shape[-2:] != truth.optical.shape[-2:]:
                sizes = ["x".join(map(str, x.optical.shape[-2:])) for x in (truth, predicted)]
                raise InputError(
                    f"{clear.ids[number]}: is {sizes[0]} pixels, its cloudy image {sizes[1]}; pack both at one size"
                )
            both = (predicted.present[place].cpu() * truth.present[number]).numpy() > 0
            valid = (predicted.valid[place, 0].cpu() * truth.valid[number, 0]).numpy() > 0
            one, other = predicted.optical[place].cpu().numpy()[both], truth.optical[number].numpy()[both]
            bands = [band for band, there in zip(NAMES, both, strict=True) if there]
            scores[place] = patch_scores(one, other, bands, valid, self._regions(int(rows[place]), valid))
        return scores

    def _regions(self, row: int, valid: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
        """Pixels of cloud, shadow and neither in a row's image, if the archive has the truth."""
        tensors = self._archive.read(self._archive.table["patch_id"][row].as_py())
        if any(name not in tensors or tensors[name].shape != valid.shape for name in ("opacity", "shadow")):
            return {}
        cloud, shadow = (tensors[name] >= LEAST_FRACTION * 255 for name in ("opacity", "shadow"))
        return {"cloud": cloud, "shadow": shadow & ~cloud, "clear": ~cloud & ~shadow}


def patch_scores(
    predicted: NDArray[np.float32],
    truth: NDArray[np.float32],
    bands: list[str],
    valid: NDArray[np.bool_],
    regions: dict[str, NDArray[np.bool_]],
) -> Float:
    """Scores (S,) of an image (C, h, w) against the truth (C, h, w), NaN where undefined; see `named_means`.

    Args:
        predicted: reflectance.
        truth: reflectance.
        bands: name of each band.
        valid: (h, w) pixels that count.
        regions: (h, w) pixels of cloud, of shadow and of neither; empty if not known.
    """
    scores = np.full(len(_COLUMNS), math.nan)
    if not bands or not valid.any():
        return scores
    x, y = (np.clip(image.astype(np.float64), 0, 1) for image in (predicted, truth))
    error = x - y
    mean_square = float(np.square(error[:, valid]).mean())
    for name, value in ({"psnr": finite_signal_to_noise(mean_square)} | whole_scores(x, y, bands, valid)).items():
        scores[_PLACE[(name,)]] = value
    for region, inside in ({"all": valid} | regions).items():
        counted = inside & valid
        scores[_PLACE["regions", region, "share"]] = counted.sum() / valid.sum()
        _errors(scores, ("regions", region), error[:, counted])
    for band, wrong in zip(bands, error, strict=True):
        _errors(scores, ("bands", band), wrong[valid])
    return scores


def named_means(scores: Float) -> dict[str, Any]:
    """Means of the scores (N, S), each over the images where it is not NaN, by name.

    Returns:
        psnr (dB, peak 1, at most 60), ssim, angle (degrees), ndvi and ndwi (mean absolute error); `regions`: share of
        the pixels, mae and rmse in reflectance, for each of `REGIONS`; `bands`: mae and rmse of each. Scores that no
        image has are left out.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        means = np.nanmean(scores, axis=0)
    found: dict[str, Any] = {}
    for column, mean in zip(_COLUMNS, means, strict=True):
        if not math.isnan(mean):
            inner = found
            for name in column[:-1]:
                inner = inner.setdefault(name, {})
            inner[column[-1]] = float(mean)
    return found


def _errors(scores: Float, group: tuple[str, str], error: Float) -> None:
    if error.size:
        scores[_PLACE[*group, "mae"]] = np.abs(error).mean()
        scores[_PLACE[*group, "rmse"]] = math.sqrt(float(np.square(error).mean()))
