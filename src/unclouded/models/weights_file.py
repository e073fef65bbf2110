"""Weights files: reading and writing safetensors with a JSON header. Nothing is ever unpickled."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from unclouded.errors import FileError, WeightsError
from unclouded.files import sha256_of, write_bytes
from unclouded.models.weights_header import Header

FORMAT = "unclouded-generator-1"

TRANSLATOR_FORMAT = "unclouded-translator-1"

LAND_COVER_FORMAT = "unclouded-land-cover-1"

_CONTENTS = {
    FORMAT: "a network that clears images",
    TRANSLATOR_FORMAT: "all eight networks, translator.safetensors of a run",
    LAND_COVER_FORMAT: "a network that tells land cover",
}
"""What weights of each format hold, for errors."""

_LARGEST = 512 * 2**20


def bundled() -> dict[str, Path]:
    """The weights that come with the package: paths by name."""
    folder = Path(str(files("unclouded") / "weights"))
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}


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


def write_weights(
    network: dict[str, Tensor],
    kind: str,
    model: dict[str, Any],
    header: Header,
    path: Path,
    kernels: torch.dtype = torch.float32,
) -> None:
    """Write tensors and header; the file appears under its name only when it is complete.

    Args:
        network: tensors by name.
        kind: format, such as `FORMAT`.
        model: sizes of the network.
        header: of the weights.
        path: of the file.
        kernels: type of tensors of two and more dimensions; the others are float32.

    Raises:
        FileError: the file cannot be written.
    """
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


def read_weights(name: str | Path, kind: str) -> tuple[Path, dict[str, Any], dict[str, Tensor]]:
    """Read weights of the format `kind`: their path, header with checksum (lists as tuples), and tensors.

    Raises:
        FileError: there is no such file.
        WeightsError: the file is not safetensors, too large, or of another format.
    """
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
    if found in _CONTENTS and found != kind:
        raise WeightsError(
            f"{path}: holds `{found}`, not `{kind}`; give weights of {_CONTENTS[kind]}; `unclouded models` lists some"
        )
    if found != kind or not isinstance(record.get("model"), dict):
        raise WeightsError(
            f"{path}: safetensors, but without the header of `{kind}`; give weights by `unclouded train`."
        )
    return as_tuples(record) | {"model": as_tuples(record["model"])}


def as_tuples(record: dict[str, Any]) -> dict[str, Any]:
    """Convert the lists of a record to tuples, which JSON does not have."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in record.items()}


def _not_safetensors(path: Path, error: Exception) -> WeightsError:
    return WeightsError(
        f"{path}: not a complete safetensors file ({error}); pickled weights are never read: "
        "give weights written by `unclouded train`."
    )
