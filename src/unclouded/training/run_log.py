"""Log of a run: a line of JSON per validation, and the same for TensorBoard."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unclouded.errors import FileError


class RunLog:
    """One JSON line per validation in `log.jsonl`, and TensorBoard events beside it, if that is installed.

    Entries that an interrupted run wrote after its last checkpoint are removed.
    """

    def __init__(self, output: Path, step: int) -> None:
        """Log the run in the folder `output`, which starts or resumes at `step`."""
        self._path = path = output / "log.jsonl"
        self._events = _tensorboard_events(output, step)
        kept = []
        for line in path.read_text().splitlines() if path.exists() else []:
            with contextlib.suppress(json.JSONDecodeError):  # the last line may be incomplete
                if json.loads(line)["step"] <= step:
                    kept.append(line)
        path.write_text("".join(f"{line}\n" for line in kept))

    def write(self, entry: dict[str, float]) -> None:
        """Append an entry, which holds its `step`.

        Raises:
            FileError: it cannot be written.
        """
        self._events(entry)
        try:
            with self._path.open("a") as file:
                file.write(json.dumps({name: round(value, 6) for name, value in entry.items()}) + "\n")
        except OSError as error:
            raise FileError(
                f"{self._path}: cannot be written ({error.strerror}); make room, and go on with --resume"
            ) from error


def _tensorboard_events(output: Path, step: int) -> Callable[[dict[str, float]], None]:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return lambda entry: None
    writer: Any = SummaryWriter(str(output), purge_step=step)

    def write(entry: dict[str, float]) -> None:
        for name, value in entry.items():
            if name != "step":
                writer.add_scalar(name, value, entry["step"])
        writer.flush()

    return write
