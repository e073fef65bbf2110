"""Scenes in memory and a generator that does something, for the tests of clearing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from affine import Affine
from rasterio.crs import CRS

from unclouded.bands import L1C
from unclouded.clearing import clear
from unclouded.clearing.inputs import SceneInputs
from unclouded.clearing.options import ClearOptions, TileOptions
from unclouded.models.context_generator import ContextGenerator
from unclouded.models.weights import save_generator
from unclouded.models.weights_header import Header
from unclouded.reading.info import SceneInfo
from unclouded.reflectance import Encoding
from unclouded.sizes import GeneratorSettings

SMALL = GeneratorSettings(widths=(8, 12, 16), context_widths=(8, 12, 16), features=4, code=16)
"""Of a network that has every layer and takes little time."""


class MemoryScene:
    """DN (C, H, W) in memory, read like a file."""

    def __init__(self, dn, bands, level="L1C", encoding=None, **changes):
        self.dn = dn
        count, height, width = dn.shape
        self.info = replace(
            SceneInfo(
                source="scene.tif",
                stem="scene",
                width=width,
                height=height,
                crs=CRS.from_epsg(32632),
                transform=Affine(10, 0, 600000, 0, -10, 5400000),
                bands=tuple(bands),
                level=level,
                encoding=encoding or Encoding(10000.0, (0.0,) * count, 0.0),
                dtype=dn.dtype,
                descriptions=tuple(bands),
                scales=(1.0,) * count,
                gdal_offsets=(0.0,) * count,
                tags={},
                notes=(),
            ),
            **changes,
        )

    def read(self, row, column, height, width):
        assert min(row, column) >= 0
        assert row + height <= self.info.height
        assert column + width <= self.info.width
        return self.dn[:, row : row + height, column : column + width].copy()


class MemoryMask:
    """Classes (H, W) in memory, read like a file."""

    name = "mask"

    def __init__(self, classes):
        self.classes = classes

    def read(self, row, column, height, width):
        return self.classes[row : row + height, column : column + width]


def options_of(*, tile=512, batch=1, tile_offset=(0, 0), crop=128, precision="fp32", **options):
    """Options for clearing, and how the scene is cut; exact unless said otherwise."""
    return ClearOptions(precision=precision, **options), TileOptions(tile, batch, tile_offset, crop)


def clear_scene(scene, generator, output, *, radar=None, mask=None, progress=None, **options):
    """Clear a scene into files, with the options of `options_of`."""
    return clear.clear_scene(
        SceneInputs(scene, radar, mask), generator, output, *options_of(**options), progress=progress
    )


def used_as(generator, **changes):
    """The same network with other words about its use."""
    made = ContextGenerator(generator.settings, replace(generator.inference, **changes))
    made.load_state_dict(generator.state_dict())
    return made.eval().requires_grad_(False)


def active_generator(seed=0):
    """A random generator in which every layer has a say, and which finds about half of the pixels opaque."""
    torch.manual_seed(seed)
    generator = ContextGenerator(SMALL).eval().requires_grad_(False)
    for name, parameter in generator.named_parameters():
        if name.endswith("second.weight") or name in ("leave.weight", "context.leave.weight"):
            torch.nn.init.normal_(parameter, std=0.15)
    generator.error.initialise(torch.Generator().manual_seed(seed))
    return generator


def save_active(path, seed=0, **use):
    """Write `active_generator` as weights that say this of their use; return the path."""
    save_generator(active_generator(seed), Header("active", **use), path)
    return path


def ground(count, height, width, seed=0):
    """Smooth DN (count, height, width) uint16 with bright blobs, none of them 0."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    image = np.stack(
        [1500 + 800 * np.sin(rows / (9 + band) + band) * np.cos(columns / (7 + band)) for band in range(count)]
    )
    image += 6000 * (np.sin(rows / 40) * np.sin(columns / 55) > 0.4)
    return (image + rng.normal(0, 60, image.shape)).clip(1, 16000).astype(np.uint16)


CLOUDS = ((90, 90, 30), (200, 60, 22))
"""Row, column and radius of the clouds over `fields` in pixels."""

_VEGETATION = dict(zip(L1C, (1200, 950, 800, 550, 850, 2000, 2500, 2700, 2900, 900, 20, 1600, 800), strict=True))
_SOIL = dict(zip(L1C, (1350, 1150, 1150, 1250, 1450, 1700, 1850, 1950, 2100, 700, 20, 2500, 1900), strict=True))
_CLOUD = dict(zip(L1C, (6000, 6200, 6100, 6300, 6400, 6600, 6700, 6500, 6800, 3000, 60, 4500, 3300), strict=True))


def fields(bands, height, width, clouds=CLOUDS, field=24):
    """DN (C, height, width) uint16 of fields, as a detector that has seen the world takes them for, under clouds."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:height, 0:width]
    share = rng.random((height // field + 9, width // field + 9))
    share = share[(rows + columns // 3 % 5) // field, (columns + rows // 7) // field]
    image = _spectrum(_VEGETATION, bands) * (1 - share) + _spectrum(_SOIL, bands) * share
    image *= 1 + 0.08 * rng.normal(0, 1, (height, width))
    for row, column, radius in clouds:
        veil = (1.5 - np.hypot(rows - row, columns - column) / radius).clip(0, 1)
        shadow = (1.5 - np.hypot(rows - row + 1.35 * radius, columns - column - 0.9 * radius) / radius).clip(0, 1)
        image = image * (1 - 0.6 * shadow) * (1 - veil) + _spectrum(_CLOUD, bands) * veil
    return image.clip(1, 16000).round().astype(np.uint16)


def _spectrum(known, bands):
    return np.array([known[band] for band in bands], np.float64)[:, None, None]
