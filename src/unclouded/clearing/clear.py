"""Clear a scene of any size into files with flat memory, or a patch in memory."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from numpy.typing import NDArray

from unclouded.allocator import give_back_freed_memory
from unclouded.bands import INDEX
from unclouded.clearing.overlap import Behind
from unclouded.clearing.passes import THRESHOLD, TILE, Clearing, Guide, Hands, Raster
from unclouded.clearing.sampling import latents, observe, sample
from unclouded.files import QUALITY_BANDS, quality_path, workplace
from unclouded.models.generator import Generator, pad_to_cells
from unclouded.models.weights import checksum_of
from unclouded.progress import Progress, silent
from unclouded.reading.info import SceneInfo
from unclouded.tiles import Box
from unclouded.version import __version__
from unclouded.writing.journal import refuse_foreign
from unclouded.writing.stac_item import describe, item_path
from unclouded.writing.strips import Strips
from unclouded.writing.writer import CACHE, Layout


@dataclass(frozen=True)
class ClearedScene:
    """What became of a scene.

    Attributes:
        output: the cleared scene, a COG like the input.
        quality: the COG of `QUALITY_BANDS` beside it.
        pixels: of the scene.
        changed: share of the valid pixels that were changed.
        seconds: that it took.
        seconds_network: of these, in the network.
    """

    output: Path
    quality: Path
    pixels: int
    changed: float
    seconds: float
    seconds_network: float


def clear_scene(
    scene: Raster,
    generator: Generator,
    output: Path,
    *,
    samples: int = 1,
    seed: int = 0,
    threshold: float = THRESHOLD,
    radar: Guide | None = None,
    overwrite: bool = False,
    tile: int = TILE,
    batch: int = 1,
    tile_offset: tuple[int, int] = (0, 0),
    hands: Hands | None = None,
    progress: Progress | None = None,
) -> ClearedScene:
    """Clear a scene into a COG with its grid, bands, data type and metadata, and a quality COG beside it.

    Both appear only when complete and read back. A run that is interrupted leaves the strips of tiles that it finished
    in a hidden folder beside `output`; the next run with the same arguments goes on from there to the same bytes. Where
    the opacity is under `threshold` the DN are those of the input.

    Args:
        scene: what to clear.
        generator: the network, on its device.
        output: the GeoTIFF to write; its folder must be there.
        samples: latent samples; with one the latent is zero, with more the result is their mean.
        seed: of the latent samples.
        threshold: opacity under which a pixel stays as it is.
        radar: VV and VH on the same grid.
        overwrite: replace outputs that are already there, and what an interrupted run with other arguments left.
        tile: side of the tiles in pixels, a multiple of 32.
        batch: tiles that the network takes at once.
        tile_offset: rows and columns by which the tiles start before the scene's corner, multiples of 32.
        hands: who works on the parts of the scene, if others do; their scene and arguments must be the same.
        progress: see `Progress`.

    Raises:
        InputError: if no pixel holds data.
        FileError: if the scene cannot be read or the outputs cannot be written.
        OutputExistsError: if an output is there, or was begun with other settings or from other pixels, and `overwrite`
            is not set; or if another run is writing it.
    """
    start = time.perf_counter()
    quality = quality_path(output)
    if not overwrite:
        refuse_foreign(output, quality, item_path(output))
    info = scene.info
    settings = {
        "weights": checksum_of(generator),
        "calibration": generator.calibration,
        "doubt": generator.doubt,
        "precision": generator.precision,
        "samples": samples,
        "seed": seed,
        "device": str(generator.device),
        "threshold": threshold,
        "radar": radar is not None,
        "tile": tile,
        "batch": batch,
        "tile offset": tile_offset,
        **_described(info),
        "version": f"{__version__}, torch {torch.__version__}",
    }
    outputs = {output: _layout(info), quality: _quality_layout(info)}
    report = progress or silent

    def describe_files(files: Mapping[Path, Path]) -> dict[Path, str]:
        said = {name: settings[name] for name in ("weights", "samples", "seed", "threshold", "precision", "radar")}
        item = describe(info, output, files, said)
        return {item_path(output): json.dumps(item, indent=1, allow_nan=False) + "\n"}

    with workplace(output) as folder, rasterio.Env(GDAL_CACHEMAX=CACHE):
        if not overwrite:
            refuse_foreign(output, quality, item_path(output))  # of a run that has just ended
        clearing = Clearing(
            scene,
            generator,
            samples=samples,
            seed=seed,
            threshold=threshold,
            radar=radar,
            tile=tile,
            batch=batch,
            tile_offset=tile_offset,
            hands=hands,
            folder=folder,
            progress=progress,
        )
        with Strips(folder, outputs, settings, report, overwrite=overwrite) as strips:
            finished = strips.resume(clearing.survey())
            with closing(clearing.tiles(finished)) as tiles, Behind() as behind:
                for cleared in tiles:
                    behind(strips.write, cleared)
            give_back_freed_memory()  # the network's, which GDAL's would come on top of
            strips.publish(describe_files)
            share = strips.changed / strips.valid
    seconds = time.perf_counter() - start
    return ClearedScene(output, quality, info.height * info.width, share, seconds, clearing.seconds_network)


def clear_patch(
    reflectance: NDArray[np.float32],
    bands: Sequence[str],
    level: str,
    generator: Generator,
    *,
    samples: int = 1,
    seed: int = 0,
    threshold: float = THRESHOLD,
    radar: NDArray[np.float32] | None = None,
    valid: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Clear a patch that is its own scene, in memory, on the generator's device.

    Args:
        reflectance: (C, h, w), 1.0 = 100 %.
        bands: the name of each.
        level: "L1C" or "L2A".
        generator: the network, on its device.
        samples: as in `clear_scene`.
        seed: of the latent samples.
        threshold: opacity under which a pixel stays as it is.
        radar: (2, h, w) VV and VH in dB, NaN where there is none.
        valid: (h, w) where the patch holds data; everywhere unless given.

    Returns:
        The cleared reflectance (C, h, w), the opacity (h, w), and the uncertainty (h, w), see
        `clearing.sampling.sample`. The last two are NaN where the patch is not valid.
    """
    height, width = reflectance.shape[1:]
    if valid is None:
        valid = np.ones((height, width), np.bool_)
    whole = Box(0, 0, height, width)
    with torch.inference_mode():
        x = pad_to_cells(observe(reflectance, valid, bands, level, radar, generator.device))
        statistics = generator.summarise(x)
        context = generator.spread(statistics, generator.context(statistics, x.known))
        drawn = sample(generator, x, context, latents(generator, samples, seed), whole)[0]
    present = [INDEX[band] for band in bands]
    kept = ~valid | (drawn.opacity < threshold)
    cleared = np.where(kept, reflectance, drawn.reflectance[present])
    return (
        cleared.astype(np.float32, copy=False),
        np.where(valid, drawn.opacity, np.float32(np.nan)),
        np.where(valid, drawn.uncertainty, np.float32(np.nan)),
    )


def _described(info: SceneInfo) -> dict[str, Any]:
    """What is known of a scene beside its pixels, under names for people."""
    return {
        "bands": info.bands,
        "level": info.level,
        "scale": info.encoding.scale,
        "offset": info.encoding.offsets,
        "no-data value": repr(info.encoding.nodata),
        "size": (info.width, info.height),
        "data type": str(info.dtype),
        "coordinate reference system": info.crs and info.crs.to_wkt(),
        "position": tuple(info.transform),
        "metadata": (info.descriptions, info.scales, info.gdal_offsets, info.tags),
    }


def _layout(info: SceneInfo) -> Layout:
    return Layout(
        info.width,
        info.height,
        info.crs,
        info.transform,
        info.dtype,
        info.encoding.nodata,
        info.descriptions,
        info.scales,
        info.gdal_offsets,
        info.tags,
    )


def _quality_layout(info: SceneInfo) -> Layout:
    return Layout(info.width, info.height, info.crs, info.transform, np.dtype(np.float32), float("nan"), QUALITY_BANDS)
