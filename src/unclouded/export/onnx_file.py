"""Export of networks to ONNX files, for GIS programs, browsers and other runtimes without Python."""

from __future__ import annotations

import json
import logging
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import torch

from unclouded.errors import InputError
from unclouded.export.graphs import LARGEST, SMALLEST, Graph
from unclouded.files import aside, publish

PIXEL = 10.0
"""Side of a pixel in metres."""

INPUT = "image"


def check_size(graph: Graph, size: int) -> None:
    """Check the size of a network's input images.

    Raises:
        InputError: it is too small, too large, or not a multiple of the network's step.
    """
    if not SMALLEST <= size <= LARGEST or size % graph.step:
        steps = f"multiples of {graph.step} " if graph.step > 1 else ""
        raise InputError(f"--size {size}: this network takes {steps}from {SMALLEST} to {LARGEST} pixels.")


def write_onnx(graph: Graph, bands: int, size: int | None, notes: Mapping[str, Any], output: Path) -> None:
    """Write a network as an ONNX file, which appears under its name when it is complete.

    Args:
        graph: the network; takes `INPUT` (1, bands, H, W) in reflectance.
        bands: of the image.
        size: of the image's sides in pixels; of any size unless given.
        notes: kept in the file's metadata, each as JSON.
        output: path of the file.

    Raises:
        InputError: the network cannot take that size.
        FileError: if the file cannot be written.
    """
    if size is not None:
        check_size(graph, size)
    # Sides that differ and that no level of the network reduces to 1, so that the traced graph holds for all sizes.
    example = torch.zeros(1, bands, size or 256, size or 320)
    free = {} if size else {2: _side("height", graph.step), 3: _side("width", graph.step)}
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(
        logging.ERROR
    )  # torchvision is not needed
    with aside(output) as folder:
        whole = folder / output.name
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of torch's exporter about itself.
            torch.onnx.export(
                graph.eval(),
                (example,),
                whole,
                dynamo=True,
                verbose=False,
                external_data=False,
                input_names=[INPUT],
                output_names=[graph.output],
                dynamic_shapes={INPUT: free},
            )
        model = onnx.load(whole)
        onnx.helper.set_model_props(model, {name: json.dumps(value) for name, value in notes.items()})
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, whole)
        publish({whole: output})


def plugin_notes(names: Sequence[str], size: int | None, margin: int, scale: float, offset: float) -> dict[str, Any]:
    """Metadata by which Deepness, a plugin of QGIS, configures itself for an image-to-image network.

    The plugin divides the file's DN by 255 and standardises them; mean and standard deviation give reflectance.

    Args:
        names: of the output's channels.
        size: of the tiles in pixels; needed for tiling in the plugin.
        margin: pixels at the edge of a tile that depend on what lies beyond it.
        scale: DN per 1.0 reflectance.
        offset: DN to add before dividing.
    """
    notes: dict[str, Any] = {
        "model_type": "Regressor",
        "class_names": dict(enumerate(names)),
        "resolution": 100 * PIXEL,
        "standardization_mean": [-offset / 255] * (len(names) - 1),
        "standardization_std": [scale / 255] * (len(names) - 1),
        "reg_output_scaling": 1.0,
    }
    if size is not None:
        notes |= {"tiles_size": size, "tiles_overlap": min(50, math.ceil(200 * margin / size))}
    return notes


def _side(name: str, step: int) -> Any:  # noqa: ANN401 (torch has no name for it)
    """A dynamic side of the image: `step` times a dynamic number."""
    steps = torch.export.Dim(f"_{name}", min=-(-SMALLEST // step), max=LARGEST // step)
    return step * steps if step > 1 else steps
