"""Weights ready to clear with: loaded, on their device, and checked against what a scene holds."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from unclouded.clearing.options import UNFIT, UNTOLD_ERROR, ClearOptions
from unclouded.errors import InputError
from unclouded.models.generator import Generator
from unclouded.models.weights import load_generator
from unclouded.models.weights_header import Header
from unclouded.reading.info import SceneInfo
from unclouded.threads import compute_alone_when_forked


@dataclass(frozen=True)
class Model:
    """Weights ready for use.

    Attributes:
        generator: the network, on its device.
        header: what its file says of it.
    """

    generator: Generator
    header: Header

    @classmethod
    def load(cls, options: ClearOptions) -> Model:
        """Load the weights that the options name to the device that they name.

        Raises:
            InputError: if the device is not there.
            FileError: if the weights cannot be read.
            WeightsError: if they are not weights of this network.
        """
        compute_alone_when_forked()
        there = torch.cuda.is_available()
        if options.device == "cuda" and not there:
            raise InputError(
                "--device cuda: no CUDA device is there, or torch was built without CUDA; give --device cpu"
            )
        generator, header = load_generator(options.model)
        chosen = "cuda" if there and options.device != "cpu" else "cpu"
        # Normalising over channels is quicker where they lie together.
        placed: Generator = generator.to(chosen, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return cls(placed, header)

    def check(self, info: SceneInfo) -> None:
        """Check that the weights are made for a scene.

        Raises:
            InputError: if they never saw its processing level or one of its bands, or it is too large for them.
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
        largest = self.generator.largest
        if largest is not None and max(info.width, info.height) > largest:
            raise InputError(
                f"{info.source}: is {info.width} x {info.height} pixels; the weights {name} take up to {largest} x "
                f"{largest}, since their instance normalisation makes neighbouring tiles differ; cut the scene to that "
                "size, or give other weights with --model"
            )


def caveats(generator: Generator, level: str, *, changed: bool = True) -> tuple[str, ...]:
    """What is to be known of what a network makes of scenes of a level, a sentence each.

    Args:
        generator: the network.
        level: "L1C" or "L2A".
        changed: whether any pixel is of its making.
    """
    unfit = (UNFIT.format(level=level),) if level in generator.inference.unfit else ()
    return unfit if generator.error_learnt or not changed else (*unfit, UNTOLD_ERROR)
