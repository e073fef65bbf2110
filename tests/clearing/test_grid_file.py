from __future__ import annotations

import errno
import os

import numpy as np
import pytest

from unclouded.clearing.grid_file import GridFile
from unclouded.errors import FileError


def test_what_is_written_by_rows_comes_back_by_channels_and_the_other_way_round(tmp_path):
    values = np.random.default_rng(0).random((3, 11, 7)).astype(np.float32)
    grid = GridFile(11, 7, tmp_path, channels=3)
    for start in (0, 4, 8):
        grid.write_rows(start, values[:, start : start + 4])
    grid.add(values[1])
    assert grid.channels == 4
    np.testing.assert_array_equal(grid.channel(2), values[2])
    np.testing.assert_array_equal(grid.rows(3, 9), values[[0, 1, 2, 1], 3:9])
    assert grid.rows(5, 5).shape == (4, 0, 7)
    assert not list(tmp_path.iterdir())
    grid.close()


def test_a_grid_without_channels_has_none():
    assert GridFile(5, 6).rows(0, 5).shape == (0, 5, 6)


def test_a_full_disk_is_an_error(tmp_path, monkeypatch):
    grid = GridFile(40, 40, tmp_path)

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(FileError, match=r"No space left on device.*free space"):
        grid.add(np.ones((40, 40), np.float32))


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileError, match="cannot be written"):
        GridFile(5, 6, tmp_path / "missing")
