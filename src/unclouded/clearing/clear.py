"""Clear a scene of any size into files, with flat memory."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from numpy.typing import NDArray

from unclouded.allocator import give_back_freed_memory
from unclouded.clearing.background import BackgroundWriter
from unclouded.clearing.context.cover import describe_detection
from unclouded.clearing.executor import Executor
from unclouded.clearing.inputs import ReferenceOpener, SceneInputs, open_inputs
from unclouded.clearing.model import Model, caveats
from unclouded.clearing.options import ClearOptions, TileOptions
from unclouded.clearing.passes import Clearing
from unclouded.clearing.profiles import cleared_profile, mask_classes, mask_profile, quality_profile
from unclouded.errors import InputError
from unclouded.files import QUALITY_BANDS, mask_path, quality_path, workplace
from unclouded.models.generator import Generator
from unclouded.models.weights import checksum_of
from unclouded.precision import resolve_precision, torch_as_usual
from unclouded.progress import Progress, silent
from unclouded.reading.files.unchanged import refuse_changed, stamps_of
from unclouded.reading.grids.output_grid import as_written
from unclouded.reading.info import Raster, SceneInfo, check_north_up
from unclouded.reflectance import to_reflectance
from unclouded.sources import FIRST_REFERENCE, GUESSED
from unclouded.version import __version__
from unclouded.writing.journal import refuse_foreign
from unclouded.writing.stac_item import Shares, describe, item_path
from unclouded.writing.strips import Strips
from unclouded.writing.writer import CACHE, Profile


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
        sources: where the changed pixels come from, as shares of the valid ones: "guessed", or a reference's name.
        verdicts: what was assumed and found of the references, a line each.
        hazy: share of the scene that lies in areas under haze or cirrus, see `detection.haze`.
        covered: share of the scene on which the detector sees cloud or shadow, however little of it is replaced.
        dark: share of the scene that is land too dark to be sunlit, see `detection.shadow`.
        cloud: share of the valid pixels under cloud or haze.
        snow: share that the scene's classification calls snow; None without one.
        detection: what the detection of cloud and shadow is based on.
        caveats: what is to be known of the weights, a sentence each, see `clearing.model.caveats`.
        missing_bands: bands that are guessed since no other date has them, though the dates have the others.
        missing_share: share of the covered pixels on which these alone are guessed.
    """

    output: Path
    quality: Path
    pixels: int
    changed: float
    seconds: float
    seconds_network: float
    sources: Mapping[str, float] = field(default_factory=dict)
    verdicts: tuple[str, ...] = ()
    hazy: float = 0.0
    covered: float = 0.0
    dark: float = 0.0
    cloud: float = 0.0
    snow: float | None = None
    detection: str = ""
    caveats: tuple[str, ...] = ()
    missing_bands: tuple[str, ...] = ()
    missing_share: float = 0.0


def clear_scene(
    inputs: SceneInputs,
    generator: Generator,
    output: Path,
    options: ClearOptions | None = None,
    tiling: TileOptions | None = None,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
    mask_alone: bool = False,
) -> ClearedScene:
    """Clear a scene into a COG with its grid, bands, data type and metadata, and a quality COG beside it.

    Both appear only when complete and read back. A run that is interrupted leaves the strips of tiles that it finished
    in a hidden folder beside `output`; the next run with the same arguments goes on from there to the same bytes. Where
    the opacity is under the threshold the DN are those of the input, unless the options name another grid, which the
    finished result is brought to: reflectance bilinear, quality and mask from the nearest pixel.

    Args:
        inputs: what to clear, and what helps to.
        generator: the network, on its device.
        output: the GeoTIFF to write; its folder must be there.
        options: samples, threshold, precision, grid of the result and the like; the model, device and paths that they
            name are `generator` and `inputs` already.
        tiling: the tiles that the scene is cut into.
        executor: who works on the tasks of the scene, if others do; their inputs and options must be the same.
        progress: see `Progress`.
        mask_alone: write the mask of what would be replaced to `output`, and nothing else.

    Raises:
        InputError: if no pixel holds data.
        FileError: if the scene cannot be read, or is changed meanwhile, or the outputs cannot be written.
        OutputExistsError: if an output is there, or was begun with other settings or from other pixels, and `overwrite`
            is not set; or if another run is writing it.
    """
    options, tiling = options or ClearOptions(), tiling or TileOptions()
    start = time.perf_counter()
    quality = quality_path(output)
    companions = () if mask_alone else (quality, mask_path(output)) if options.write_mask else (quality,)
    if not options.overwrite:
        refuse_foreign(output, *companions, item_path(output))
    info = inputs.scene.info.of_region()
    grid = as_written(inputs.scene.info, options.crs, options.resolution)
    references = [reference.name for reference in inputs.references]
    settings = _settings(inputs, generator, options, tiling, grid)
    outputs, written, kinds = _files_to_write(output, info, references, options, mask_alone=mask_alone)
    other = None if grid == info else {name: profile.on(grid) for name, profile in outputs.items()}
    stamps = stamps_of([*inputs.files, *(file for reference in inputs.references for file in reference.files)])
    # An interrupted run that wrote other files is another run.
    settings["files"] = kinds
    report = progress or silent
    detection = describe_detection(inputs, generator, options)

    def shares() -> Shares:
        return Shares(strips.changed / strips.valid, strips.cloud / strips.valid, clearing.snow)

    def describe_files(files: Mapping[Path, Path]) -> dict[Path, str]:
        recorded = {name: settings[name] for name in ("weights", "samples", "seed", "threshold", "precision", "radar")}
        recorded["detection"] = detection
        if other is not None:
            recorded["resampled"] = True
        item = describe(grid, output, files, recorded, shares(), kinds, mask_classes())
        return {item_path(output): json.dumps(item, indent=1, allow_nan=False) + "\n"}

    with workplace(output) as folder, rasterio.Env(GDAL_CACHEMAX=CACHE):
        if not options.overwrite:
            refuse_foreign(output, *companions, item_path(output))  # of a run that has just ended
        clearing = Clearing(inputs, generator, options, tiling, executor=executor, folder=folder, progress=progress)
        with Strips(folder, outputs, settings, report, written=other, overwrite=options.overwrite) as strips:
            finished = strips.resume(clearing.summarise())
            with closing(clearing.tiles(finished)) as tiles, BackgroundWriter() as writer:
                for cleared in tiles:
                    writer(strips.write, replace(cleared, written=written))
            refuse_changed(stamps)
            give_back_freed_memory()  # the network's, which GDAL's would come on top of
            strips.publish(describe_files)
            found = shares()
    seconds = time.perf_counter() - start
    sources = {}
    if references and not mask_alone:
        sources = shares_of_sources(quality, references)
    missing_bands, missing_share = clearing.missing_bands
    return ClearedScene(
        output,
        quality,
        pixels=info.height * info.width,
        changed=found.changed,
        seconds=seconds,
        seconds_network=clearing.seconds_network,
        sources=sources,
        verdicts=clearing.notes,
        hazy=clearing.cover_shares.hazy,
        covered=clearing.cover_shares.covered,
        dark=clearing.cover_shares.dark,
        cloud=found.cloud,
        snow=found.snow,
        detection=detection,
        caveats=caveats(generator, info.level, changed=found.changed > 0),
        missing_bands=missing_bands,
        missing_share=missing_share,
    )


@torch_as_usual()
def clear_to_file(
    scene: Raster,
    output: Path,
    model: Model,
    options: ClearOptions,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
    mask_alone: bool = False,
    opener: ReferenceOpener | None = None,
) -> ClearedScene:
    """Clear a scene into `output` with all that the options name, see `clear_scene`.

    Args:
        scene: what to clear.
        output: the GeoTIFF to write; its folder must be there.
        model: with which weights.
        options: see `ClearOptions`; the references, the mask and the radar that they name are opened here.
        executor: see `clear_scene`.
        progress: see `Progress`.
        mask_alone: see `clear_scene`.
        opener: what is known already of the references that the options name.

    Raises:
        InputError: if the scene has no place on the ground, is not north up, or does not suit these weights.
        FileError: if a file cannot be read or written.
        OutputExistsError: if an output is there and `overwrite` is not set.
    """
    if scene.info.crs is None:
        raise InputError(f"{scene.info.source}: has no coordinate reference system; clear it without an output file")
    check_north_up(scene.info)
    model.check(scene.info)
    with open_inputs(scene, options, opener) as inputs:
        return clear_scene(
            inputs, model.generator, output, options, executor=executor, progress=progress, mask_alone=mask_alone
        )


def read_result(
    scene: Raster, cleared: ClearedScene
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Read a small scene and what became of it: reflectance (C, h, w) before and after, opacity and uncertainty (h, w).

    The uncertainty is in units of reflectance.
    """
    info = scene.info
    before, _ = to_reflectance(scene.read(0, 0, info.height, info.width), info.encoding)
    with rasterio.open(cleared.output) as file:
        after, _ = to_reflectance(file.read(), info.encoding)
    with rasterio.open(cleared.quality) as file:
        opacity, uncertainty = file.read((1, 2))
    return before, after, opacity, uncertainty


def shares_of_sources(quality: Path, references: Sequence[str]) -> dict[str, float]:
    """Shares of the valid pixels that were guessed, or taken from each of the references."""
    counts = np.zeros(FIRST_REFERENCE + len(references), np.int64)
    with rasterio.open(quality) as file:
        band = QUALITY_BANDS.index("source") + 1
        for _, window in file.block_windows(band):
            values = file.read(band, window=window)
            values = values[np.isfinite(values)].astype(np.int64)
            counts += np.bincount(values, minlength=len(counts))[: len(counts)]
    shares = counts / max(counts.sum(), 1)
    made: dict[str, float] = {}
    for name, share in zip(("guessed", *references), shares[GUESSED:], strict=True):
        made[name] = made.get(name, 0.0) + float(share)  # one may be given twice
    return made


def _files_to_write(
    output: Path, info: SceneInfo, references: Sequence[str], options: ClearOptions, *, mask_alone: bool
) -> tuple[dict[Path, Profile], tuple[str, ...], list[str]]:
    """The profile of each file, the attribute of `ClearedTile` that it holds, and its kind in the item."""
    if mask_alone:
        return {output: mask_profile(info)}, ("mask",), ["mask"]
    outputs = {output: cleared_profile(info), quality_path(output): quality_profile(info, references)}
    if not options.write_mask:
        return outputs, ("dn", "quality"), ["cleared", "quality"]
    return outputs | {mask_path(output): mask_profile(info)}, ("dn", "quality", "mask"), ["cleared", "quality", "mask"]


def _settings(
    inputs: SceneInputs, generator: Generator, options: ClearOptions, tiling: TileOptions, grid: SceneInfo
) -> dict[str, Any]:
    """What the pixels of a result depend on, under names for people: a run that is resumed has to have the same."""
    info = inputs.scene.info.of_region()
    return {
        "weights": checksum_of(generator),
        "calibration": generator.inference.calibration,
        "detector": generator.inference.detector,
        "mask": inputs.mask and inputs.mask.name,
        "classification": inputs.classification and inputs.classification.name,
        "references": [reference.name for reference in inputs.references],
        "mask only": options.mask_only,
        "precision": resolve_precision(options.precision, generator.device),
        "samples": options.samples,
        "seed": options.seed,
        "device": str(generator.device),
        "threshold": options.threshold_for(generator.inference),
        "radar": inputs.radar is not None,
        "tile": tiling.size,
        "batch": tiling.batch,
        "tile offset": tiling.offset,
        "crop": tiling.crop,
        **_described(info),
        "area": repr(inputs.scene.info.region),
        "grid of the result": repr((grid.crs, grid.transform, grid.width, grid.height)),
        "version": f"{__version__}, torch {torch.__version__}",
    }


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
