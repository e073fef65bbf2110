"""Fields on several dates in memory, and a scene of them cleared under a mask with the others at hand."""

from dataclasses import replace
from datetime import datetime

import numpy as np
import torch
from scenes import MemoryScene, active_generator

from unclouded.bands import L1C
from unclouded.clearing.inputs import OpenReference, SceneInputs
from unclouded.clearing.options import ClearOptions
from unclouded.clearing.passes import Clearing
from unclouded.detection.classes import THICK_CLOUD

HEIGHT, WIDTH = 150, 170


def land(seed: int = 0) -> np.ndarray:
    """Fields of several kinds of ground: reflectance (13, h, w)."""
    rng = np.random.default_rng(seed)
    kinds = rng.uniform(0.05, 0.35, (9, 13))
    plots = rng.integers(0, 9, (HEIGHT // 10, WIDTH // 10)).repeat(10, 0).repeat(10, 1)
    return kinds[plots].transpose(2, 0, 1) + rng.normal(0, 0.004, (13, HEIGHT, WIDTH))


def scene_of(reflectance: np.ndarray, name: str) -> MemoryScene:
    made = MemoryScene(np.rint(reflectance * 1e4).clip(1, 65535).astype(np.uint16), L1C)
    made.info = replace(made.info, source=name)
    return made


PLAIN_BANDS = ("B05", "B06", "B07", "B8A", "B11", "B12")
"""By which the detector tells nothing, so that all of a date is ground."""


def plain_scene(reflectance: np.ndarray, name: str, bands=PLAIN_BANDS) -> MemoryScene:
    made = MemoryScene(np.rint(reflectance * 1e4).clip(0, 65535).astype(np.uint16), bands)
    made.info = replace(made.info, source=name)
    return made


def plain_fields() -> np.ndarray:
    """Fields of several kinds of ground: reflectance (6, h, w)."""
    kinds = np.random.default_rng(4).uniform(0.1, 0.4, (9, 6))
    plots = np.random.default_rng(6).integers(0, 9, (HEIGHT // 10, WIDTH // 10)).repeat(10, 0).repeat(10, 1)
    return kinds[plots].transpose(2, 0, 1)


def dated(scene: MemoryScene, day: str, **changes) -> MemoryScene:
    scene.info = replace(scene.info, acquired=datetime.fromisoformat(day), **changes)
    return scene


class Mask:
    """A mask of classes in memory."""

    name = "mask"

    def __init__(self, covered: np.ndarray) -> None:
        self.classes = np.where(covered, THICK_CLOUD, 0).astype(np.uint8)

    def read(self, row: int, column: int, height: int, width: int) -> np.ndarray:
        return self.classes[row : row + height, column : column + width]


def clear(scene, covered, references, tiling=None):
    """The result in reflectance, its quality, and the clearing."""
    opened = tuple(OpenReference(reference, scene.info) for reference in references)
    options = ClearOptions(precision="fp32", mask="mask", mask_only=True)
    torch.manual_seed(0)
    clearing = Clearing(SceneInputs(scene, None, Mask(covered), opened), active_generator(), options, tiling)
    result, quality = np.empty(scene.dn.shape), np.empty((3, HEIGHT, WIDTH))
    for tile in clearing.tiles():
        result[(slice(None), *tile.box.slices)] = tile.dn / 1e4
        quality[(slice(None), *tile.box.slices)] = tile.quality
    return result, quality, clearing
