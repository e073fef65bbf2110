"""Clear a patch that is its own scene, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from affine import Affine
from numpy.typing import NDArray

from unclouded.bands import LEVELS, NAMES
from unclouded.clearing.executor import LocalExecutor
from unclouded.clearing.inputs import SceneInputs
from unclouded.clearing.options import ClearOptions
from unclouded.clearing.passes import Clearing
from unclouded.clearing.scene_reader import SceneReader
from unclouded.clearing.tiles.known_cover import KnownCover
from unclouded.clearing.tiles.latent_sampling import Sampled, Sampling, latents
from unclouded.guides import CHANNELS, GUIDES, RADAR
from unclouded.models.generator import Generator
from unclouded.models.observation import Observation
from unclouded.reading.info import SceneInfo
from unclouded.reflectance import Encoding
from unclouded.tiles import Box

T = TypeVar("T", bound=np.generic)


def clear_patch(
    reflectance: NDArray[np.float32],
    bands: Sequence[str],
    level: str,
    generator: Generator,
    options: ClearOptions | None = None,
    *,
    radar: NDArray[np.float32] | None = None,
    valid: NDArray[np.bool_] | None = None,
    mask: NDArray[np.uint8] | None = None,
    classification: NDArray[np.int32] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Clear a patch of 10 m pixels that is its own scene, in memory, on the generator's device.

    Args:
        reflectance: (C, h, w), 1.0 = 100 %.
        bands: the name of each.
        level: "L1C" or "L2A".
        generator: the network, on its device.
        options: samples, threshold and precision; its model, device and paths are not used.
        radar: (2, h, w) VV and VH in dB; a pixel where one of them is NaN is without radar.
        valid: (h, w) where the patch holds data; everywhere unless given.
        mask: (h, w) classes of the user's mask, see `detection.classes`.
        classification: (h, w) the scene classification (SCL) that comes with it, see `detection.scl`.

    Returns:
        The cleared reflectance (C, h, w), the opacity (h, w), and the uncertainty (h, w), see
        `clearing.tiles.latent_sampling.Sampling`. The last two are NaN where the patch is not valid.

    Raises:
        InputError: if nothing in it is valid, or clouds cannot be detected with its bands.
    """
    image = reflectance.astype(np.float32)
    if valid is not None:
        image[:, ~valid] = np.nan
    inputs = _inputs(image, bands, level, radar, mask, classification)
    opacity, uncertainty = (np.empty(image.shape[1:], np.float32) for _ in range(2))
    for tile in Clearing(inputs, generator, options).tiles():
        image[(slice(None), *tile.box.slices)] = tile.dn
        opacity[tile.box.slices], uncertainty[tile.box.slices] = tile.quality[:2]
    return np.where(np.isnan(image), reflectance, image), opacity, uncertainty


@torch.no_grad()
def sample_patch(
    image: Observation,
    generator: Generator,
    options: ClearOptions | None = None,
    *,
    mask: NDArray[np.uint8] | None = None,
) -> Sampled:
    """Clear an image that is its own scene as `clear_patch` does, but under z = 0, and all of it at once.

    Args:
        image: of one image; its sides are multiples of `CELL`, and its cover is not used.
        generator: the network, on the image's device.
        options: threshold and precision; its model, device, paths, samples and seed are not used.
        mask: as of `clear_patch`.

    Raises:
        InputError: as of `clear_patch`.
    """
    options = options or ClearOptions()
    there, valid = image.present[0].cpu().numpy() > 0, image.valid[0, 0].cpu().numpy() > 0
    reflectance = np.where(valid, image.optical[0].cpu().numpy()[there], np.float32("nan"))
    shown = (image.guide_valid[0, GUIDES.index(RADAR)] > 0).expand(valid.shape).cpu().numpy()
    channels = [CHANNELS.index(name) for name in RADAR.channels]
    radar = np.where(shown, image.guides[0, channels].cpu().numpy(), np.float32("nan"))
    bands = tuple(name for name, is_there in zip(NAMES, there, strict=True) if is_there)
    level = LEVELS[int(image.level[0])]
    inputs = _inputs(reflectance, bands, level, radar if shown.any() else None, mask, None)
    reader, whole = SceneReader(inputs, generator.device), Box(0, 0, *valid.shape)
    clearing, local = Clearing(inputs, generator, options), LocalExecutor(inputs, generator, options)
    grids = clearing.grids(local.summarise(clearing.blocks()))
    known, mask_cover = None, reader.read_mask_cover(whole)
    context, cover = grids.crop(whole)
    if cover is not None:
        evidence, fill = (torch.tensor(values, device=generator.device) for values in cover)
        covered, classes = (None, None) if mask_cover is None else (part.to(generator.device) for part in mask_cover)
        known = KnownCover(evidence, fill, covered, classes, None, grids.factor)
    x = reader.observe(*reader.read_dn(whole), whole, whole)
    threshold = options.threshold_for(generator.inference)
    around = torch.tensor(context, device=generator.device)
    z = latents(generator, samples=1, seed=0)
    return Sampling(generator, x, around, known, z, whole, threshold, options.precision).sample(whole)[0]


def _inputs(
    image: NDArray[np.float32],
    bands: Sequence[str],
    level: str,
    radar: NDArray[np.float32] | None,
    mask: NDArray[np.uint8] | None,
    classification: NDArray[np.int32] | None,
) -> SceneInputs:
    """A patch (C, h, w), NaN where it holds no data, as a scene."""
    return SceneInputs(
        _PatchRaster(image, _described(image, tuple(bands), level)),
        None if radar is None else _RadarRaster(radar),
        None if mask is None else _ClassRaster(mask, "mask"),
        classification=None if classification is None else _ClassRaster(classification, "SCL"),
    )


@dataclass(frozen=True)
class _PatchRaster:
    """A patch, read as a scene."""

    image: NDArray[np.float32]
    info: SceneInfo

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[np.float32]:
        return self.image[:, row : row + height, column : column + width].copy()


@dataclass(frozen=True)
class _RadarRaster:
    """Radar, read window by window."""

    values: NDArray[np.float32]

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[np.float32]:
        return self.values[:, row : row + height, column : column + width]


@dataclass(frozen=True)
class _ClassRaster(Generic[T]):
    """A mask or a classification, read window by window."""

    values: NDArray[T]
    name: str

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[T]:
        return self.values[row : row + height, column : column + width]


def _described(image: NDArray[np.float32], bands: tuple[str, ...], level: str) -> SceneInfo:
    count, height, width = image.shape
    return SceneInfo(
        source="patch",
        stem="patch",
        width=width,
        height=height,
        crs=None,
        transform=Affine.identity(),
        bands=bands,
        level=level,
        encoding=Encoding(1.0, (0.0,) * count, None),
        dtype=image.dtype,
        descriptions=bands,
        scales=(1.0,) * count,
        gdal_offsets=(0.0,) * count,
        tags={},
        notes=(),
    )
