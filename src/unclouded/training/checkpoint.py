"""Checkpoints of a run: its complete state in one file, written atomically."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel

from unclouded.errors import FileError, InputError
from unclouded.files import write_bytes

CHECKPOINT = "checkpoint.pt"

_CHANGEABLE = ("data", "training.steps", "training.checkpoint_every", "training.patience")
"""Settings that may differ in a resumed run: the description of the data, and when to save and to end."""


def check_start(output: Path, resume: bool) -> None:
    """Check that a run's folder holds a checkpoint if it is to be resumed, and none if it is not.

    Raises:
        InputError: it is the other way round.
    """
    exists = (output / CHECKPOINT).exists()
    if exists != resume:
        found, advice = ("already holds a run", "add --resume") if exists else ("holds no run", "drop --resume")
        raise InputError(f"{output}: {found}; {advice} or choose another folder.")


def read_checkpoint(output: Path) -> dict[str, Any]:
    """Read the checkpoint in a run's folder; nothing in it is executed.

    Raises:
        FileError: it cannot be read.
    """
    path = output / CHECKPOINT
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True)
    except Exception as error:  # torch raises whatever its readers raise
        raise FileError(
            f"{path}: not a checkpoint that can be read ({type(error).__name__}); start a new run."
        ) from error
    return state


def check_settings(output: Path, state: dict[str, Any], settings: BaseModel) -> None:
    """Check that a run is resumed with the settings of its checkpoint, except `_CHANGEABLE` ones.

    Args:
        output: folder of the run.
        state: of the checkpoint.
        settings: of the resumed run.

    Raises:
        InputError: naming each setting that differs, with both values.
    """
    saved, current = _flat(json.loads(state["settings"])), _flat(settings.model_dump(mode="json"))
    differing = [
        f"{name} was {saved.get(name)}, is {current.get(name)}"
        for name in sorted(saved.keys() | current.keys())
        if saved.get(name) != current.get(name) and name not in _CHANGEABLE
    ]
    if differing:
        raise InputError(f"{output}: {'; '.join(differing)}: resume with the settings of the run, or start a new one")


@contextmanager
def restoring() -> Iterator[None]:
    """Turn the errors of loading state dicts into one line.

    Raises:
        InputError: it is of other networks, classes or data.
    """
    try:
        yield
    except (RuntimeError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        what = " ".join(str(error).split())[:200]
        raise InputError(f"the checkpoint does not fit these settings and data ({what}); start a new run") from error


def _flat(settings: dict[str, Any], parent: str = "") -> dict[str, Any]:
    """Flatten nested settings to dotted names, such as `training.steps`."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{parent}{name}.") if isinstance(value, dict) else {f"{parent}{name}": value}
    return flat


def write_checkpoint(state: dict[str, Any], output: Path) -> None:
    """Write the checkpoint of a run; the one before is kept until this one is complete.

    Raises:
        FileError: it cannot be written.
    """
    data = io.BytesIO()
    torch.save(state, data)
    write_bytes(data.getvalue(), output / CHECKPOINT, "make room, and go on with --resume")
