"""Clear what a path leads to: the scene, the weights, the radar and the device have to fit each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
import xarray as xr
from numpy.typing import NDArray

from unclouded.clearing.arrays import gather
from unclouded.clearing.clear import ClearedScene, clear_scene
from unclouded.clearing.passes import Clearing, Hands, Raster
from unclouded.errors import InputError
from unclouded.models.generator import Generator
from unclouded.models.weights import Header, load_generator
from unclouded.precision import PRECISIONS, fastest_precision
from unclouded.progress import Progress
from unclouded.reading.info import SceneInfo
from unclouded.reading.radar import Radar, open_radar
from unclouded.reflectance import to_reflectance


@dataclass(frozen=True)
class Model:
    """Weights ready for use.

    Attributes:
        generator: the network, on its device.
        header: what its file says of it.
        device: "cpu" or "cuda".
    """

    generator: Generator
    header: Header
    device: str

    @classmethod
    def load(cls, name: str | Path, device: str = "auto", precision: str = "auto") -> Model:
        """Load bundled weights by name or others by path.

        Args:
            name: of bundled weights, or the path of others.
            device: "auto", "cpu" or "cuda".
            precision: "fp32", "bf16", or "auto": that which the device computes fastest in.

        Raises:
            InputError: if the device is not there, or it or the precision not known.
            FileError: if the weights cannot be read.
            WeightsError: if they are not weights of this network.
        """
        if device not in ("auto", "cpu", "cuda"):
            raise InputError(f"--device {device}: is not known; auto, cpu and cuda are accepted")
        there = torch.cuda.is_available()
        if device == "cuda" and not there:
            raise InputError(
                "--device cuda: no CUDA device is there, or torch was built without CUDA; give --device cpu"
            )
        if precision not in PRECISIONS:
            raise InputError(f"--precision {precision}: is not known; {', '.join(PRECISIONS)} are accepted")
        generator, header = load_generator(name)
        chosen = "cuda" if there and device != "cpu" else "cpu"
        generator.precision = fastest_precision(torch.device(chosen)) if precision == "auto" else precision
        # Normalising over channels is quicker where they lie together.
        placed: Generator = generator.to(chosen, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return cls(placed, header, chosen)

    def threshold(self, asked: float | None) -> float:
        """Return the opacity under which the input is kept: what was asked for, else what the weights are made for.

        Raises:
            InputError: if it is not between 0 and 1.
        """
        chosen = self.header.threshold if asked is None else asked
        if not 0 <= chosen <= 1:
            raise InputError(f"--threshold {chosen}: is not an opacity; 0 to 1 is accepted")
        return chosen

    def check(self, info: SceneInfo) -> None:
        """Check that the weights are made for a scene.

        Raises:
            InputError: if they never saw its processing level or one of its bands.
        """
        name, levels, bands = self.header.name, self.header.levels, self.header.bands
        if info.level not in levels:
            raise InputError(
                f"{info.source}: is {info.level}; the weights {name} are for {', '.join(levels)}; choose --model"
            )
        unknown = [band for band in info.bands if band not in bands]
        if unknown:
            raise InputError(
                f"{info.source}: has {', '.join(unknown)}; the weights {name} are for {', '.join(bands)}; "
                "leave bands out with --bands or give other weights with --model"
            )


def clear_product(
    scene: Raster,
    output: Path,
    model: Model,
    *,
    radar: str | None = None,
    samples: int = 1,
    seed: int = 0,
    threshold: float | None = None,
    overwrite: bool = False,
    hands: Hands | None = None,
    progress: Progress | None = None,
) -> ClearedScene:
    """Clear a scene into `output`; `radar` is a path, the other arguments are those of `clear_scene`.

    Raises:
        InputError: if the scene has no place on the ground, or is nothing for these weights.
        FileError: if a file cannot be read or written.
        OutputExistsError: if an output is there and `overwrite` is not set.
    """
    if scene.info.crs is None:
        raise InputError(f"{scene.info.source}: has no coordinate reference system; clear it without an output file")
    with fitted(scene.info, model, radar, samples) as guide:
        return clear_scene(
            scene,
            model.generator,
            output,
            samples=samples,
            seed=seed,
            threshold=model.threshold(threshold),
            radar=guide,
            overwrite=overwrite,
            hands=hands,
            progress=progress,
        )


def gather_product(
    scene: Raster,
    model: Model,
    at: Mapping[str, Any],
    attributes: Mapping[str, Any],
    *,
    radar: str | None = None,
    samples: int = 1,
    seed: int = 0,
    threshold: float | None = None,
) -> xr.Dataset:
    """Clear a scene into memory: see `gather`; the other arguments are those of `clear_product`.

    Raises:
        InputError: if the scene is nothing for these weights, or too large.
        FileError: if a file cannot be read.
    """
    with fitted(scene.info, model, radar, samples) as guide:
        clearing = Clearing(
            scene,
            model.generator,
            samples=samples,
            seed=seed,
            threshold=model.threshold(threshold),
            radar=guide,
        )
        return gather(clearing, at, attributes)


def read_result(
    scene: Raster, cleared: ClearedScene
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Read a small scene and what became of it: reflectance (C, h, w) before and after, and the opacity (h, w)."""
    info = scene.info
    before, _ = to_reflectance(scene.read(0, 0, info.height, info.width), info.encoding)
    with rasterio.open(cleared.output) as file:
        after, _ = to_reflectance(file.read(), info.encoding)
    with rasterio.open(cleared.quality) as file:
        opacity = file.read(1)
    return before, after, opacity


@contextmanager
def fitted(info: SceneInfo, model: Model, radar: str | None, samples: int) -> Iterator[Radar | None]:
    """Check that everything fits a scene, and open the radar on its grid.

    Raises:
        InputError: if anything does not.
        FileError: if the radar cannot be read.
    """
    if samples < 1:
        raise InputError(f"--samples {samples}: at least 1 is accepted")
    model.check(info)
    if radar is None:
        yield None
        return
    with open_radar(radar, info) as guide:
        yield guide
