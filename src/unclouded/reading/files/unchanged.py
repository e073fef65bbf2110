"""Whether files stay as they are while they are read, several times over."""

from __future__ import annotations

import os
from collections.abc import Iterable

from unclouded.errors import FileError

Stamps = dict[str, tuple[int, int]]
"""Size and time of the last change, by path."""


def stamps_of(files: Iterable[str]) -> Stamps:
    """The stamps of those files that lie on this machine and are there."""
    stamps = Stamps()
    for file in files:
        try:
            status = os.stat(file)
        except (OSError, ValueError):
            continue
        stamps[file] = status.st_size, status.st_mtime_ns
    return stamps


def refuse_changed(before: Stamps) -> None:
    """Check that files that are still there are those that they were.

    Raises:
        FileError: naming one that is not.
    """
    now = stamps_of(before)
    for file, stamp in now.items():
        if stamp != before[file]:
            raise FileError(
                f"{file}: was written to while it was read, so that the result would be made of two images; wait until "
                "it is complete, and run it again"
            )
