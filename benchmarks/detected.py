"""What is found in an image that is its own scene: by the whole pipeline as it ships, and by other detectors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from affine import Affine
from numpy.typing import NDArray
from pairs import cloud_masks
from places import Image
from rasterio.crs import CRS

from unclouded.bands import L1C
from unclouded.clearing.inputs import SceneInputs
from unclouded.clearing.options import ClearOptions
from unclouded.clearing.passes import Clearing
from unclouded.detection.classes import CLOUDS, SHADOW
from unclouded.detection.csmask import SMALL, CloudShadowNetwork, coarsen, grid_factor
from unclouded.detection.opacity import enlarge
from unclouded.models.generator import Generator
from unclouded.reading.info import SceneInfo
from unclouded.reflectance import Encoding

Mask = NDArray[np.bool_]

USUAL = ClearOptions()


class Found(NamedTuple):
    """Cloud and shadow (h, w) by one detector; `shadow` is None if it does not see it."""

    cloud: Mask
    shadow: Mask | None

    @property
    def either(self) -> Mask:
        """Where it finds something."""
        return self.cloud if self.shadow is None else self.cloud | self.shadow


class Cleared(NamedTuple):
    """What becomes of an image: reflectance (C, h, w), opacity and uncertainty (h, w), and what was found."""

    reflectance: NDArray[np.float32]
    opacity: NDArray[np.float32]
    uncertainty: NDArray[np.float32]
    found: Found


@dataclass(frozen=True)
class _Layers:
    """An image, or a layer beside it, read as a scene is."""

    values: NDArray[np.generic]
    info: SceneInfo | None = None
    name: str = "SCL"

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[np.generic]:
        return self.values[..., row : row + height, column : column + width].copy()


def clear(image: Image, generator: Generator, scl: NDArray[np.uint8] | None = None) -> Cleared:
    """Clear an image as `unclouded clear` does, with a scene classification if one is given."""
    scene = _Layers(image.reflectance.astype(np.float32), _described(image))
    classification = None if scl is None else _Layers(scl.astype(np.int32))
    made = scene.values.copy()
    height, width = made.shape[1:]
    quality, classes = np.zeros((2, height, width), np.float32), np.zeros((height, width), np.uint8)
    inputs = SceneInputs(scene, classification=classification)
    for tile in Clearing(inputs, generator, USUAL).tiles():
        at = tile.box.slices
        made[(slice(None), *at)], quality[(slice(None), *at)], classes[at] = tile.dn, tile.quality[:2], tile.mask[0]
    return Cleared(made, *quality, Found(np.isin(classes, CLOUDS), classes == SHADOW))


def csmask(image: Image) -> Found:
    """What the networks of `ukis-csmask` find alone, run as here."""
    detector = _detector(image.bands, image.level)
    seen = image.reflectance[[image.bands.index(name) for name in detector.bands]]
    factor, (height, width) = grid_factor(image.metres), seen.shape[1:]
    small = max(height, width) <= SMALL
    found = detector.detect_small(seen, factor) if small else detector.detect_patch(coarsen(seen, factor))
    cloud, shadow = enlarge(torch.from_numpy(found)[None], factor, 0, 0, height, width)[0].numpy()
    hidden = cloud + shadow > 0.5
    return Found((cloud > shadow) & hidden, (shadow >= cloud) & hidden)


_detector = cache(CloudShadowNetwork)


def others(image: Image, scl: NDArray[np.uint8] | None = None) -> dict[str, Found]:
    """What detectors that people use find; `s2cloudless` needs all bands of L1C and sees no shadow."""
    found = {"csmask alone": csmask(image)}
    if image.bands == L1C and image.level == "L1C":
        found["s2cloudless"] = Found(cloud_masks([image.reflectance])[0], None)
    if scl is not None:
        found["SCL"] = Found(np.isin(scl, (8, 9, 10)), scl == 3)
    return found


def _described(image: Image) -> SceneInfo:
    count, height, width = image.reflectance.shape
    return SceneInfo(
        source=image.name,
        stem="image",
        width=width,
        height=height,
        # Anywhere, so that the size of a pixel is known.
        crs=CRS.from_epsg(32632),
        transform=Affine(image.metres, 0, 5e5, 0, -image.metres, 5e6),
        bands=image.bands,
        level=image.level,
        encoding=Encoding(1.0, (0.0,) * count, None),
        dtype=np.dtype(np.float32),
        descriptions=image.bands,
        scales=(1.0,) * count,
        gdal_offsets=(0.0,) * count,
        tags={},
        notes=(),
    )
