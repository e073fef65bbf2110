"""Weights on disk: safetensors with a JSON header that holds everything needed to use them. Nothing is unpickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

from unclouded.errors import FileError, WeightsError
from unclouded.files import sha256_of, write_bytes
from unclouded.guides import GUIDES
from unclouded.inference import InferenceConfig
from unclouded.models.generator import Generator
from unclouded.models.land_cover import ClassifierSettings, LandCover
from unclouded.models.translator import Translator, TranslatorSizes, build_generator
from unclouded.precision import torch_as_usual
from unclouded.sizes import CloudSettings, GeneratorSettings, PublishedSettings

FORMAT = "unclouded-generator-1"
TRANSLATOR_FORMAT = "unclouded-translator-1"
LAND_COVER_FORMAT = "unclouded-land-cover-1"
_OF = {
    FORMAT: "a network that clears images",
    TRANSLATOR_FORMAT: "all eight networks, translator.safetensors of a run",
    LAND_COVER_FORMAT: "a network that tells land cover",
}
"""What weights of each format are of."""
_LARGEST = 512 * 2**20
_NETWORKS: dict[str, type[GeneratorSettings] | type[PublishedSettings]] = {
    "context": GeneratorSettings,
    "published": PublishedSettings,
}
_OTHERS = ("cloud", "discriminator_scales")
"""What a translator's header holds of its sizes beyond those of its G_XY."""
_FORMER = ("encoder_width", "discriminator_width")
"""What it held besides when these could be others."""


_TOLD = {"enter.weight": 4, "context.enter.weight": 1}
"""Convolutions whose last input channels are the cover, of which blocks of 2 x 2 pixels have four."""


@dataclass(frozen=True)
class Header(InferenceConfig):
    """What a weights file says of itself: how it is to be used, and where it comes from.

    Attributes:
        name: how people call it.
        settings: the settings of the training run.
        data: the data it learnt from, in words.
        steps: training steps taken, those of the weights that the run started from included.
        sha256: of the file; empty until it is read back.
    """

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    data: str = ""
    steps: int = 0
    sha256: str = ""


@dataclass(frozen=True)
class LandCoverHeader(Header):
    """What a classifier's weights say of themselves beyond `Header`. Its class list is in the network's settings.

    Attributes:
        scale: DN per 1.0 of the reflectance that the network takes.
        data_sha256: of the `metadata.parquet` of the archive it learnt from.
        metrics: label metrics on that archive's validation split, at `threshold`.
    """

    scale: float = 10000.0
    data_sha256: str = ""
    metrics: dict[str, float] = field(default_factory=dict)


def bundled() -> dict[str, Path]:
    """Names of the weights that come with the package, and where they lie."""
    folder = Path(str(files("unclouded") / "weights"))
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}


def save_generator(generator: Generator, header: Header, path: Path) -> None:
    """Write weights and header; the file appears under its name only when it is complete.

    Raises:
        FileError: it cannot be written.
    """
    _save(generator.state_dict(), FORMAT, _sizes_of(generator), header, path)


def save_translator(translator: Translator, header: Header, path: Path, average: Generator | None = None) -> None:
    """Write all eight networks and one header; the file appears under its name only when it is complete.

    Matrices and kernels are stored in float16, as are a classifier's: what goes on training is the checkpoint.

    Args:
        translator: the networks.
        header: that of G_XY.
        path: the file.
        average: stands in the place of G_XY, if given.

    Raises:
        FileError: it cannot be written.
    """
    ground = average or translator.g_xy
    tensors = translator.state_dict() | {f"g_xy.{name}": tensor for name, tensor in ground.state_dict().items()}
    sizes = asdict(translator.sizes)
    model = _sizes_of(ground) | {name: sizes[name] for name in _OTHERS}
    _save(tensors, TRANSLATOR_FORMAT, model, header, path, kernels=torch.float16)


def save_land_cover(classifier: LandCover, header: LandCoverHeader, path: Path) -> None:
    """Write weights and header; the file appears under its name only when it is complete.

    Matrices and kernels are stored in float16: half of 45 MB, for probabilities that differ in the third decimal.

    Raises:
        FileError: it cannot be written.
    """
    tensors, model = classifier.state_dict(), asdict(classifier.settings)
    _save(tensors, LAND_COVER_FORMAT, model, header, path, kernels=torch.float16)


@torch_as_usual()
def load_generator(name: str | Path) -> tuple[Generator, Header]:
    """Read bundled weights by name, or any weights file by path; of all eight networks, G_XY.

    Raises:
        FileError: there is no such file or it cannot be read.
        WeightsError: it is not safetensors, is cut short, or does not hold this network with the guides of today.
    """
    path, record, tensors = _read_generator(name)
    try:
        settings, header = _ground_of(record.pop("model")), Header(**record)
        # Without values of its own, so that nothing is drawn from the random numbers of whoever loads it.
        with torch.device("meta"):
            generator = build_generator(settings, header)
        _fill(generator, {name: tensor.float() for name, tensor in tensors.items()}, path, assign=True)
    except (TypeError, ValueError, RuntimeError, AttributeError, KeyError) as error:
        raise _misfit(path, error) from error
    generator.measure_margin()
    return generator, header


def load_translator(name: str | Path) -> tuple[Translator, Header]:
    """Read all eight networks, of bundled weights by name or any by path.

    Raises:
        FileError: there is no such file or it cannot be read.
        WeightsError: it is not safetensors, is cut short, or does not hold eight networks with the guides of today.
    """
    path, record, tensors = _read(name, TRANSLATOR_FORMAT)
    model = record.pop("model")
    _check_guides(model, path)
    try:
        others = {key: model.pop(key) for key in _OTHERS}
        for key in _FORMER:
            model.pop(key, None)
        others["cloud"] = CloudSettings(**_tuples(others["cloud"]))
        header = Header(**record)
        translator = Translator(TranslatorSizes(_ground_of(model), **others), header)
        _fill(translator, tensors, path)
    except (TypeError, ValueError, RuntimeError, AttributeError, KeyError) as error:
        raise _misfit(path, error) from error
    return translator, header


def start_from(generator: Generator, name: str | Path) -> int:
    """Give a generator the values of weights, bundled by name or any by path; what they lack keeps its own.

    A generator with the cover as input starts from weights without it by ignoring that input.

    Returns:
        The training steps that the weights have behind them.

    Raises:
        FileError: there is no such file or it cannot be read.
        WeightsError: it is not safetensors, is cut short, is for other guides, or holds values that are not finite or
            have no place in the generator.
    """
    path, record, tensors = _read_generator(name)
    _check_finite(tensors, path)
    if generator.takes_cover and not record["model"].get("cover"):
        for name, planes in _TOLD.items():
            tensors[name] = F.pad(tensors[name], (0, 0, 0, 0, 0, planes))
    try:
        strange = generator.load_state_dict(tensors, strict=False).unexpected_keys
    except RuntimeError as error:
        raise _misfit(path, error) from error
    if strange:
        raise WeightsError(
            f"{path}: holds {strange[0]}, which the network of the settings does not have; "
            "give weights of that network, or the settings that these were trained with."
        )
    return int(record.get("steps", 0))


def load_land_cover(name: str | Path, *vocabularies: Sequence[str]) -> tuple[LandCover, LandCoverHeader]:
    """Read a classifier's bundled weights by name, or any by path.

    Args:
        name: of bundled weights, or the path of others.
        *vocabularies: class lists that the caller's labels may follow; any unless given.

    Raises:
        FileError: there is no such file or it cannot be read.
        WeightsError: it is not safetensors, is cut short, does not hold a classifier, or is of another class list.
    """
    path, record, tensors = _read(name, LAND_COVER_FORMAT)
    try:
        classifier = LandCover(ClassifierSettings(**record.pop("model")))
        header = LandCoverHeader(**record)
        _fill(classifier, tensors, path)
    except (TypeError, ValueError, RuntimeError, AttributeError, KeyError) as error:
        raise _misfit(path, error) from error
    own = classifier.settings.classes
    if vocabularies and own not in {tuple(names) for names in vocabularies}:
        strange = next((name for name in own if all(name not in names for names in vocabularies)), None)
        raise WeightsError(
            f"{path}: weights for another class list: {len(own)} classes, "
            + (f"among them {strange!r}" if strange else "in another order or not all")
            + f"; give weights for one of {', '.join(str(len(names)) for names in vocabularies)} classes."
        )
    return classifier, header


def checksum_of(generator: Generator) -> str:
    """SHA-256, in hexadecimal, of a generator's values: of the weights themselves, wherever they came from."""
    digest = hashlib.sha256(repr(generator.settings).encode())
    for name, tensor in generator.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def format_of(name: str | Path) -> str:
    """The format of weights, such as `LAND_COVER_FORMAT`, read from the header alone; empty if there is none.

    Raises:
        FileError: there is no such file.
        WeightsError: it is not safetensors.
    """
    path = _path(name)
    try:
        with safe_open(path, framework="pt") as file:
            record = json.loads((file.metadata() or {}).get("unclouded", "{}"))
    except (SafetensorError, OSError) as error:
        raise _not_safetensors(path, error) from error
    except json.JSONDecodeError:
        return ""
    return str(record.get("format", "")) if isinstance(record, dict) else ""


def _sizes_of(generator: Generator) -> dict[str, Any]:
    network = next(name for name, kind in _NETWORKS.items() if isinstance(generator.settings, kind))
    return {"network": network, "guides": [guide.name for guide in GUIDES]} | asdict(generator.settings)


def _ground_of(model: dict[str, Any]) -> GeneratorSettings | PublishedSettings:
    # Weights from before there were two networks do not say which.
    return _NETWORKS[model.pop("network", "context")](**model)


def _save(
    network: dict[str, Tensor],
    kind: str,
    model: dict[str, Any],
    header: Header,
    path: Path,
    kernels: torch.dtype = torch.float32,
) -> None:
    record = asdict(header) | {"format": kind, "model": model}
    del record["sha256"]
    tensors = {
        name: tensor.detach().to(kernels if tensor.ndim > 1 else torch.float32).contiguous().clone()
        for name, tensor in network.items()
    }
    write_bytes(save(tensors, metadata={"unclouded": json.dumps(record)}), path)


def _path(name: str | Path) -> Path:
    path = bundled().get(str(name), Path(name))
    if not path.is_file():
        known = ", ".join(bundled()) or "none"
        raise FileError(f"{name}: no such weights file; bundled weights are: {known}; give one of these or a path.")
    return path


def _read_generator(name: str | Path) -> tuple[Path, dict[str, Any], dict[str, Tensor]]:
    """`_read` weights of a G_XY, alone or among the eight, without the guides that it is checked to be made for."""
    whole = format_of(name) == TRANSLATOR_FORMAT
    path, record, tensors = _read(name, TRANSLATOR_FORMAT if whole else FORMAT)
    _check_guides(record["model"], path)
    if whole:
        record["model"] = {key: value for key, value in record["model"].items() if key not in (*_OTHERS, *_FORMER)}
        tensors = {key[5:]: tensor for key, tensor in tensors.items() if key.startswith("g_xy.")}
    return path, record, tensors


def _read(name: str | Path, kind: str) -> tuple[Path, dict[str, Any], dict[str, Tensor]]:
    """The path of weights, their header (lists made tuples) with its checksum, and their tensors."""
    path = _path(name)
    if path.stat().st_size > _LARGEST:
        raise WeightsError(f"{path}: {path.stat().st_size} bytes; weights of up to {_LARGEST} bytes are accepted.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (safe_open is not a mapping)
    except (SafetensorError, OSError) as error:
        raise _not_safetensors(path, error) from error
    record = _record(path, metadata, kind)
    record["sha256"] = sha256_of(path)
    record.pop("doubt", None)  # of weights from before there were detectors
    return path, record, tensors


def _record(path: Path, metadata: dict[str, str], kind: str) -> dict[str, Any]:
    try:
        record = json.loads(metadata.get("unclouded", ""))
    except json.JSONDecodeError:
        record = {}
    found = record.pop("format", None) if isinstance(record, dict) else None
    if found in _OF and found != kind:
        raise WeightsError(
            f"{path}: holds `{found}`, not `{kind}`; give weights of {_OF[kind]}; `unclouded models` lists some"
        )
    if found != kind or not isinstance(record.get("model"), dict):
        raise WeightsError(
            f"{path}: safetensors, but without the header of `{kind}`; give weights by `unclouded train`."
        )
    return _tuples(record) | {"model": _tuples(record["model"])}


def _tuples(record: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in record.items()}


def _check_guides(model: dict[str, Any], path: Path) -> None:
    """Take the guides out of a generator's sizes; refuse weights that were made for others than today's."""
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


def _not_safetensors(path: Path, error: Exception) -> WeightsError:
    return WeightsError(
        f"{path}: not a complete safetensors file ({error}); pickled weights are never read: "
        "give weights written by `unclouded train`."
    )
