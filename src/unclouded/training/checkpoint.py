"""Checkpoints of a run: everything that it needs to go on, in one file that is whole or not there."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from unclouded.errors import FileError, InputError
from unclouded.files import write_bytes

CHECKPOINT = "checkpoint.pt"


def check_start(output: Path, resume: bool) -> None:
    """Check that a run's folder holds a checkpoint if it is to be resumed, and none if it is not.

    Raises:
        InputError: it is the other way round.
    """
    there = (output / CHECKPOINT).exists()
    if there != resume:
        found, advice = ("already holds a run", "add --resume") if there else ("holds no run", "drop --resume")
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


def write_checkpoint(state: dict[str, Any], output: Path) -> None:
    """Write the checkpoint of a run's folder; the one before stays until this one is complete.

    Raises:
        FileError: it cannot be written.
    """
    data = io.BytesIO()
    torch.save(state, data)
    write_bytes(data.getvalue(), output / CHECKPOINT, "make room, and go on with --resume")
