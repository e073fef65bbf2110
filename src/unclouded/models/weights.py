"""Weights on disk: safetensors with a JSON header that holds everything needed to use them. Nothing is unpickled."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from unclouded import bands
from unclouded.errors import FileError, WeightsError
from unclouded.models.generator import Generator, GeneratorSettings

FORMAT = "unclouded-generator-1"
_LARGEST = 512 * 2**20


@dataclass(frozen=True)
class Header:
    """What a weights file says of itself.

    Attributes:
        name: how people call it.
        bands: optical bands in the order of the network's channels.
        levels: processing levels it was trained on.
        threshold: opacity under which the input is kept, unless the user says otherwise.
        settings: the settings of the training run.
        data: the data it learnt from, in words.
        steps: training steps taken.
        sha256: of the file; empty until it is read back.
    """

    name: str
    bands: tuple[str, ...] = bands.NAMES
    levels: tuple[str, ...] = ("L1C", "L2A")
    threshold: float = 0.1
    settings: dict[str, Any] = field(default_factory=dict)
    data: str = ""
    steps: int = 0
    sha256: str = ""


def bundled() -> dict[str, Path]:
    """Names of the weights that come with the package, and where they lie."""
    folder = Path(str(files("unclouded") / "weights"))
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}


def save_generator(generator: Generator, header: Header, path: Path) -> None:
    """Write weights and header; the file appears under its name only when it is complete."""
    record = asdict(header) | {"format": FORMAT, "model": asdict(generator.settings)}
    del record["sha256"]
    tensors = {name: tensor.detach().float().contiguous().clone() for name, tensor in generator.state_dict().items()}
    aside = path.with_name(f".{path.name}.part")
    save_file(tensors, aside, metadata={"unclouded": json.dumps(record)})
    os.replace(aside, path)


def load_generator(name: str | Path) -> tuple[Generator, Header]:
    """Read bundled weights by name, or any weights file by path.

    Raises:
        FileError: there is no such file or it cannot be read.
        WeightsError: it is not safetensors, is cut short, or does not hold this network.
    """
    path = bundled().get(str(name), Path(name))
    if not path.is_file():
        known = ", ".join(bundled()) or "none"
        raise FileError(f"{name}: no such weights file; bundled weights are: {known}; give one of these or a path.")
    if path.stat().st_size > _LARGEST:
        raise WeightsError(f"{path}: {path.stat().st_size} bytes; weights of up to {_LARGEST} bytes are accepted.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (safe_open is not a mapping)
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path}: not a complete safetensors file ({error}); pickled weights are never read: "
            "give weights written by `unclouded train`."
        ) from error
    record = _record(path, metadata)
    try:
        settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in record.pop("model").items()}
        generator = Generator(GeneratorSettings(**settings))
        generator.load_state_dict(tensors)
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in record.items()}
        header = Header(**fields)
    except (TypeError, ValueError, RuntimeError, AttributeError) as error:
        what = " ".join(str(error).split())[:200]
        raise WeightsError(
            f"{path}: does not fit the network that its header names ({what}); train it again."
        ) from error
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
        raise WeightsError(f"{path}: holds values that are not finite; take an earlier checkpoint of the run.")
    generator.eval().requires_grad_(False)
    return generator, Header(**(asdict(header) | {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}))


def _record(path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    try:
        record = json.loads(metadata.get("unclouded", ""))
    except json.JSONDecodeError:
        record = {}
    if not isinstance(record, dict) or record.pop("format", None) != FORMAT or "model" not in record:
        raise WeightsError(
            f"{path}: safetensors, but without the header of `{FORMAT}`; give weights by `unclouded train`."
        )
    return record
