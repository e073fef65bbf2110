"""A STAC item for a model, by the Machine Learning Model extension: input, output and weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from unclouded.bands import BANDS
from unclouded.files import multihash_of
from unclouded.guides import CHANNELS, GUIDES
from unclouded.models.generator import Generator
from unclouded.models.land_cover import LandCover
from unclouded.models.weights_header import Header, LandCoverHeader

EXTENSIONS = (
    "https://stac-extensions.github.io/mlm/v1.5.2/schema.json",
    "https://stac-extensions.github.io/eo/v2.0.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
)
_CLASSIFICATION = "https://stac-extensions.github.io/classification/v2.0.0/schema.json"


def describe_model(network: Generator | LandCover, header: Header, weights: Path) -> dict[str, Any]:
    """Describe a model as a STAC 1.1 item with the Machine Learning Model extension 1.5.

    Args:
        network: the model.
        header: of its weights.
        weights: their file; the item lies beside it.

    Raises:
        FileError: if the file cannot be read.
    """
    if isinstance(network, LandCover):
        assert isinstance(header, LandCoverHeader)
        own = _land_cover(network, header)
    else:
        own = _generator(network, header)
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [*EXTENSIONS, *([_CLASSIFICATION] if isinstance(network, LandCover) else [])],
        "id": f"unclouded-{header.name}",
        "geometry": None,
        "properties": {
            # A model has no acquisition date; its interval begins with the launch of Sentinel-2.
            "datetime": None,
            "start_datetime": "2015-06-23T00:00:00Z",
            "end_datetime": "9999-12-31T23:59:59Z",
            "description": own.pop("description"),
            "license": "Apache-2.0",
            "mlm:name": f"unclouded {header.name}",
            "mlm:framework": "PyTorch",
            "mlm:total_parameters": _parameters(network),
            "mlm:pretrained": True,
            "mlm:pretrained_source": header.data or None,
            "mlm:accelerator": None,
            **own,
            "bands": [
                {
                    "name": band.name,
                    "eo:common_name": band.common_name,
                    "eo:center_wavelength": band.wavelength / 1000,
                }
                for band in BANDS
                if band.name in header.bands
            ],
            "mlm:hyperparameters": {
                "steps": header.steps,
                "threshold": header.threshold,
                "levels": list(header.levels),
                "unfit": list(header.unfit),
            },
        },
        "links": [],
        "assets": {
            "weights": {
                "href": f"./{weights.name}",
                "type": "application/octet-stream; framework=safetensors",
                "title": "Weights, as safetensors",
                "roles": ["mlm:model", "mlm:weights", "data"],
                "mlm:artifact_type": "safetensors.torch.save_file",
                "file:size": weights.stat().st_size,
                "file:checksum": multihash_of(weights),
                # The core schema accepts bands among the properties only if an asset has some, too.
                "bands": [{"name": band.name} for band in BANDS if band.name in header.bands],
            },
        },
    }


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _generator(network: Generator, header: Header) -> dict[str, Any]:
    latent = network.settings.latent
    bands = [{"name": name} for name in header.bands]
    return {
        "description": "Translates cloudy and shaded Sentinel-2 images into clear ones, from any subset of the bands, "
        "with Sentinel-1 where it is there.",
        "mlm:architecture": "Augmented CycleGAN",
        "mlm:tasks": ["generative", "regression"],
        "mlm:input": [
            {
                "name": "optical",
                "description": "Reflectance; absent bands and pixels without data are 0.",
                "bands": bands,
                "input": _array("bands", [-1, len(header.bands), -1, -1]),
                "value_scaling": [{"type": "scale", "value": 10000}],
            },
            {
                "name": "guides",
                "description": "Sentinel-1 backscatter in dB; 0 where a guide is not valid.",
                "bands": [],
                "variables": [{"name": name} for name in CHANNELS],
                "input": _array("variables", [-1, len(CHANNELS), -1, -1]),
            },
            {
                "name": "guide_valid",
                "description": "1 where a guide holds data in all its channels, else 0.",
                "bands": [],
                "variables": [{"name": guide.name} for guide in GUIDES],
                "input": _array("variables", [-1, len(GUIDES), -1, -1]),
            },
            *([_cover()] if network.takes_cover else []),
            {
                "name": "z",
                "description": "Latent: 0 for the most typical result, else standard normal.",
                "bands": [],
                "input": {"shape": [-1, latent], "dim_order": ["batch", "channel"], "data_type": "float32"},
            },
        ],
        "mlm:output": [
            {
                "name": "ground",
                "description": "Reflectance of the ground without clouds and shadows.",
                "tasks": ["generative"],
                "bands": bands,
                "result": _array("bands", [-1, len(header.bands), -1, -1]),
            },
            {
                "name": "opacity",
                "description": "0 where the image is kept, 1 where it is replaced entirely.",
                "tasks": ["regression"],
                "result": _array("channel", [-1, 1, -1, -1]),
            },
        ],
    }


def _land_cover(network: LandCover, header: LandCoverHeader) -> dict[str, Any]:
    settings = network.settings
    return {
        "description": f"Tells {len(settings.classes)} land-cover classes apart on Sentinel-2 patches of 1.2 km.",
        "mlm:architecture": {"resnet18": "ResNet-18", "s_cnn_all": "S-CNN-All"}[settings.network],
        "mlm:tasks": ["classification"],
        "mlm:input": [
            {
                "name": "optical",
                "description": "Reflectance; absent bands are 0.",
                "bands": [{"name": name} for name in header.bands],
                "input": _array("bands", [-1, len(header.bands), 120, 120]),
                "value_scaling": [{"type": "scale", "value": header.scale}],
            }
        ],
        "mlm:output": [
            {
                "name": "probabilities",
                "tasks": ["classification"],
                "result": {
                    "shape": [-1, len(settings.classes)],
                    "dim_order": ["batch", "class"],
                    "data_type": "float32",
                },
                "classification:classes": [
                    {"value": value, "name": f"class_{value}", "title": title, "description": title}
                    for value, title in enumerate(settings.classes)
                ],
            }
        ],
    }


def _cover() -> dict[str, Any]:
    return {
        "name": "cover",
        "description": "Cloud or shadow by a detector or a mask: 1 covered, -1 clear, 0 unknown.",
        "bands": [],
        "input": _array("channel", [-1, 1, -1, -1]),
    }


def _array(channels: str, shape: list[int]) -> dict[str, Any]:
    return {"shape": shape, "dim_order": ["batch", channels, "height", "width"], "data_type": "float32"}
