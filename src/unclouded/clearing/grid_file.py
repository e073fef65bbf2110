"""Arrays over a whole scene's cells that stay on the disk, so that memory does not grow with the scene."""

from __future__ import annotations

import os
import tempfile
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from unclouded.errors import FileError


class GridFile:
    """An array (K, h, w) of float32 in a file without a name, which ends with the process.

    Attributes:
        channels: K, which grows as channels are added.
        height: h.
        width: w.
    """

    def __init__(self, height: int, width: int, folder: Path | None = None, channels: int = 0) -> None:
        """Make a file in `folder`, or where temporary files go, of so many channels to begin with.

        Raises:
            FileError: if that is not possible.
        """
        self.channels, self.height, self.width = channels, height, width
        self._row = 4 * width
        self._folder = folder or Path(tempfile.gettempdir())
        try:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 (lives as long as the grid)
        except OSError as error:
            raise self._unwritable(error) from error

    def add(self, channel: NDArray[np.float32]) -> None:
        """Add a channel (h, w).

        Raises:
            FileError: if the disk is full.
        """
        self._write(self.channels * self.height * self._row, channel)
        self.channels += 1

    def write_rows(self, start: int, rows: NDArray[np.float32]) -> None:
        """Write some rows (K, n, w) of all channels.

        Raises:
            FileError: if the disk is full.
        """
        for channel, values in enumerate(rows):
            self._write((channel * self.height + start) * self._row, values)

    def channel(self, number: int) -> NDArray[np.float32]:
        """Read a channel (h, w)."""
        return self._read(number * self.height * self._row, self.height)

    def rows(self, start: int, stop: int) -> NDArray[np.float32]:
        """Read some rows (K, n, w) of all channels."""
        made = np.empty((self.channels, stop - start, self.width), np.float32)
        for channel in range(self.channels):
            made[channel] = self._read((channel * self.height + start) * self._row, stop - start)
        return made

    def copy_to(self, stream: BinaryIO) -> int:
        """Write all channels to a file, one after the other; return their CRC-32. OSError if the disk is full."""
        found = 0
        for number in range(self.channels):
            values = self.channel(number).tobytes()
            found = zlib.crc32(values, found)
            stream.write(values)
        return found

    def copy_from(self, stream: BinaryIO, channels: int) -> int:
        """Add so many channels of a file, as `copy_to` wrote them; return their CRC-32.

        Raises:
            EOFError: the file ends before.
            FileError: if the disk is full.
        """
        found = 0
        for _ in range(channels):
            values = stream.read(self.height * self._row)
            if len(values) < self.height * self._row:
                raise EOFError
            found = zlib.crc32(values, found)
            self.add(np.frombuffer(values, np.float32).reshape(self.height, self.width))
        return found

    def close(self) -> None:
        """Delete the temporary files."""
        self._file.close()

    def _read(self, place: int, rows: int) -> NDArray[np.float32]:
        made = np.empty((rows, self.width), np.float32)
        left = made.reshape(-1).view(np.uint8).data
        while left:
            count = os.preadv(self._file.fileno(), [left], place)
            if not count:
                raise FileError(f"{self._folder}: a temporary file in it has lost its end; check the disk")
            place, left = place + count, left[count:]
        return made

    def _write(self, place: int, values: NDArray[np.float32]) -> None:
        left = np.ascontiguousarray(values, np.float32).reshape(-1).view(np.uint8).data
        try:
            while left:
                count = os.pwrite(self._file.fileno(), left, place)
                place, left = place + count, left[count:]
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> FileError:
        return FileError(
            f"{self._folder}: a temporary file in it cannot be written ({error.strerror}); "
            "check the disk and its free space"
        )


class RowBuffer:
    """Collects blocks of a grid, and writes them as whole rows.

    Attributes:
        grid: to which it writes.
    """

    def __init__(self, grid: GridFile) -> None:
        self.grid = grid
        self._rows = np.empty((grid.channels, 0, 0), np.float32)

    def add(self, row: int, column: int, values: NDArray[np.float32]) -> None:
        """Add the values (C, h, w) of a block; blocks come row by row, from left to right."""
        high, wide = values.shape[1:]
        if column == 0:
            self._rows = np.empty((self.grid.channels, high, self.grid.width), np.float32)
        self._rows[..., column : column + wide] = values
        if column + wide == self.grid.width:
            self.grid.write_rows(row, self._rows)


class RowCache:
    """Reads windows of a grid, and keeps the rows that were read last in memory."""

    def __init__(self, grid: GridFile) -> None:
        self._grid = grid
        self._first, self._rows = 0, grid.rows(0, 0)

    def window(self, row: int, column: int, height: int, width: int) -> NDArray[np.float32]:
        """Read a window (C, height, width)."""
        # Several threads may ask for windows at once: each works on the rows that it has seen, whatever replaces them.
        first, rows = self._first, self._rows
        if not first <= row <= row + height <= first + rows.shape[1]:
            first, rows = row, self._grid.rows(row, row + height)
            self._first, self._rows = first, rows
        return rows[:, row - first : row - first + height, column : column + width]
