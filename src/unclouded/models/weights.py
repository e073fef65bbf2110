"""Saving and loading of networks: each kind of weights, with everything needed to build and use its networks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unclouded.errors import WeightsError
from unclouded.guides import GUIDES
from unclouded.models.generator import Generator
from unclouded.models.land_cover import ClassifierSettings, LandCover
from unclouded.models.translator import Translator, TranslatorSizes, build_generator
from unclouded.models.weights_file import (
    FORMAT,
    LAND_COVER_FORMAT,
    TRANSLATOR_FORMAT,
    as_tuples,
    format_of,
    read_weights,
    write_weights,
)
from unclouded.models.weights_header import Header, LandCoverHeader
from unclouded.precision import torch_as_usual
from unclouded.sizes import CloudSettings, GeneratorSettings, PublishedSettings

_NETWORKS: dict[str, type[GeneratorSettings] | type[PublishedSettings]] = {
    "context": GeneratorSettings,
    "published": PublishedSettings,
}
_TRANSLATOR_KEYS = ("cloud", "discriminator_scales")
"""Sizes in a translator's header in addition to those of its G_XY."""
_OBSOLETE_KEYS = ("encoder_width", "discriminator_width")
"""Sizes in the headers of some bundled weights that are constants now."""


_COVER_INPUTS = {"enter.weight": 4, "context.enter.weight": 1}
"""Convolutions whose last input channels are the cover, with their number: four for blocks of 2 x 2 pixels."""


def save_generator(generator: Generator, header: Header, path: Path) -> None:
    """Write weights and header; the file appears under its name only when it is complete.

    Raises:
        FileError: it cannot be written.
    """
    write_weights(generator.state_dict(), FORMAT, _sizes_of(generator), header, path)


def save_translator(translator: Translator, header: Header, path: Path, average: Generator | None = None) -> None:
    """Write all eight networks and one header; the file appears under its name only when it is complete.

    Matrices and kernels are stored in float16, as are a classifier's; training is resumed from the checkpoint.

    Args:
        translator: the networks.
        header: that of G_XY.
        path: the file.
        average: moving average of G_XY, to be stored instead of it.

    Raises:
        FileError: it cannot be written.
    """
    ground = average or translator.g_xy
    tensors = translator.state_dict() | {f"g_xy.{name}": tensor for name, tensor in ground.state_dict().items()}
    sizes = asdict(translator.sizes)
    model = _sizes_of(ground) | {name: sizes[name] for name in _TRANSLATOR_KEYS}
    write_weights(tensors, TRANSLATOR_FORMAT, model, header, path, kernels=torch.float16)


def save_land_cover(classifier: LandCover, header: LandCoverHeader, path: Path) -> None:
    """Write weights and header; the file appears under its name only when it is complete.

    Matrices and kernels are stored in float16: half of 45 MB, for probabilities that differ in the third decimal.

    Raises:
        FileError: it cannot be written.
    """
    tensors, model = classifier.state_dict(), asdict(classifier.settings)
    write_weights(tensors, LAND_COVER_FORMAT, model, header, path, kernels=torch.float16)


@torch_as_usual()
def load_generator(name: str | Path) -> tuple[Generator, Header]:
    """Load a generator G_XY: bundled weights by name, or a weights file by path, of a generator or a translator.

    Raises:
        FileError: there is no such file or it cannot be read.
        WeightsError: it is not safetensors, is cut short, or does not hold this network with the current guides.
    """
    path, record, tensors = _read_generator(name)
    try:
        settings, header = _ground_of(record.pop("model")), Header(**record)
        # Without initial values, so that loading does not advance the caller's random generator.
        with torch.device("meta"):
            generator = build_generator(settings, header)
        _fill(generator, {name: tensor.float() for name, tensor in tensors.items()}, path, assign=True)
    except (TypeError, ValueError, RuntimeError, AttributeError, KeyError) as error:
        raise _misfit(path, error) from error
    generator.measure_margin()
    return generator, header


def load_translator(name: str | Path) -> tuple[Translator, Header]:
    """Load all eight networks: bundled weights by name, or a weights file by path.

    Raises:
        FileError: there is no such file or it cannot be read.
        WeightsError: it is not safetensors, is cut short, or does not hold eight networks with the current guides.
    """
    path, record, tensors = read_weights(name, TRANSLATOR_FORMAT)
    model = record.pop("model")
    _check_guides(model, path)
    try:
        others = {key: model.pop(key) for key in _TRANSLATOR_KEYS}
        for key in _OBSOLETE_KEYS:
            model.pop(key, None)
        others["cloud"] = CloudSettings(**as_tuples(others["cloud"]))
        header = Header(**record)
        translator = Translator(TranslatorSizes(_ground_of(model), **others), header)
        _fill(translator, tensors, path)
    except (TypeError, ValueError, RuntimeError, AttributeError, KeyError) as error:
        raise _misfit(path, error) from error
    return translator, header


def start_from(generator: Generator, name: str | Path) -> int:
    """Initialise a generator from weights, bundled by name or any by path; what they lack keeps its values.

    A generator with the cover as input starts from weights without it with zero weights for that input.

    Returns:
        The number of training steps of the weights.

    Raises:
        FileError: there is no such file or it cannot be read.
        WeightsError: it is not safetensors, is cut short, is for other guides, or holds values that are not finite or
            have no place in the generator.
    """
    path, record, tensors = _read_generator(name)
    _check_finite(tensors, path)
    if generator.takes_cover and not record["model"].get("cover"):
        for name, planes in _COVER_INPUTS.items():
            tensors[name] = F.pad(tensors[name], (0, 0, 0, 0, 0, planes))
    try:
        unexpected = generator.load_state_dict(tensors, strict=False).unexpected_keys
    except RuntimeError as error:
        raise _misfit(path, error) from error
    if unexpected:
        raise WeightsError(
            f"{path}: holds {unexpected[0]}, which the network of the settings does not have; "
            "give weights of that network, or the settings that these were trained with."
        )
    return int(record.get("steps", 0))


def load_land_cover(name: str | Path, *vocabularies: Sequence[str]) -> tuple[LandCover, LandCoverHeader]:
    """Load a classifier: bundled weights by name, or a weights file by path.

    Args:
        name: of bundled weights, or a path.
        *vocabularies: accepted class lists; any by default.

    Raises:
        FileError: there is no such file or it cannot be read.
        WeightsError: it is not safetensors, is cut short, does not hold a classifier, or is of another class list.
    """
    path, record, tensors = read_weights(name, LAND_COVER_FORMAT)
    try:
        classifier = LandCover(ClassifierSettings(**record.pop("model")))
        header = LandCoverHeader(**record)
        _fill(classifier, tensors, path)
    except (TypeError, ValueError, RuntimeError, AttributeError, KeyError) as error:
        raise _misfit(path, error) from error
    own = classifier.settings.classes
    if vocabularies and own not in {tuple(names) for names in vocabularies}:
        unexpected = next((name for name in own if all(name not in names for names in vocabularies)), None)
        raise WeightsError(
            f"{path}: weights for another class list: {len(own)} classes, "
            + (f"among them {unexpected!r}" if unexpected else "in another order or not all")
            + f"; give weights for one of {', '.join(str(len(names)) for names in vocabularies)} classes."
        )
    return classifier, header


def checksum_of(generator: Generator) -> str:
    """SHA-256, in hexadecimal, of a generator's settings and values, wherever they were loaded from."""
    digest = hashlib.sha256(repr(generator.settings).encode())
    for name, tensor in generator.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _sizes_of(generator: Generator) -> dict[str, Any]:
    network = next(name for name, kind in _NETWORKS.items() if isinstance(generator.settings, kind))
    return {"network": network, "guides": [guide.name for guide in GUIDES]} | asdict(generator.settings)


def _ground_of(model: dict[str, Any]) -> GeneratorSettings | PublishedSettings:
    return _NETWORKS[model.pop("network", "context")](**model)


def _read_generator(name: str | Path) -> tuple[Path, dict[str, Any], dict[str, Tensor]]:
    """Read the weights of a G_XY, alone or of a translator, and check that they are for the current guides."""
    of_translator = format_of(name) == TRANSLATOR_FORMAT
    path, record, tensors = read_weights(name, TRANSLATOR_FORMAT if of_translator else FORMAT)
    _check_guides(record["model"], path)
    if of_translator:
        others = (*_TRANSLATOR_KEYS, *_OBSOLETE_KEYS)
        record["model"] = {key: value for key, value in record["model"].items() if key not in others}
        tensors = {key[5:]: tensor for key, tensor in tensors.items() if key.startswith("g_xy.")}
    return path, record, tensors


def _check_guides(model: dict[str, Any], path: Path) -> None:
    """Remove the guides from a generator's sizes; refuse weights for other guides than the current ones."""
    found, wanted = model.pop("guides", None), tuple(guide.name for guide in GUIDES)
    if found != wanted:
        made = f"made for the guides {', '.join(map(str, found))}" if found else "from before guides had a validity"
        raise WeightsError(
            f"{path}: {made}; weights for {', '.join(wanted)}, valid pixel by pixel, are accepted: "
            "convert it with scripts/convert_weights.py of the source."
        )


def _fill(network: nn.Module, tensors: dict[str, Tensor], path: Path, *, assign: bool = False) -> None:
    network.load_state_dict(tensors, assign=assign)
    _check_finite(tensors, path)
    network.eval().requires_grad_(False)


def _check_finite(tensors: dict[str, Tensor], path: Path) -> None:
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
        raise WeightsError(f"{path}: holds values that are not finite; take an earlier checkpoint of the run.")


def _misfit(path: Path, error: Exception) -> WeightsError:
    if isinstance(error, WeightsError):
        return error
    what = " ".join(str(error).split())[:200]
    return WeightsError(f"{path}: does not fit the network that its header names ({what}); train it again.")
