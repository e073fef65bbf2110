"""What a run tells while it goes on: a line of JSON per validation, and the same for TensorBoard."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


class RunLog:
    """One JSON line per validation; what a killed run wrote after its last checkpoint is taken back."""

    def __init__(self, path: Path, step: int) -> None:
        self._path = path
        kept = []
        for line in path.read_text().splitlines() if path.exists() else []:
            with contextlib.suppress(json.JSONDecodeError):  # the last line of a killed run may be half a line
                if json.loads(line)["step"] <= step:
                    kept.append(line)
        path.write_text("".join(f"{line}\n" for line in kept))

    def write(self, entry: dict[str, float]) -> None:
        """Append an entry."""
        with self._path.open("a") as file:
            file.write(json.dumps({name: round(value, 6) for name, value in entry.items()}) + "\n")


def tensorboard_events(output: Path, step: int) -> Callable[[dict[str, float], int], None]:
    """Where the entries of the log also go: TensorBoard's events, if it is installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return lambda entry, step: None
    writer: Any = SummaryWriter(str(output), purge_step=step)

    def write(entry: dict[str, float], step: int) -> None:
        for name, value in entry.items():
            writer.add_scalar(name, value, step)
        writer.flush()

    return write
