"""A disk that fills up while a network is trained: one line, and the last state that was complete stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import tiny_run
import torch

from unclouded.data.collection import load_collection
from unclouded.errors import FileError
from unclouded.models.weights import load_generator, save_generator
from unclouded.models.weights_header import Header
from unclouded.training import collection_source
from unclouded.training.checkpoint import read_checkpoint, write_checkpoint
from unclouded.training.collection_source import CollectionSource
from unclouded.training.simulated_clouds import SimulatedBatch
from unclouded.training.translator import train


class Filling(CollectionSource):
    """Fills the disk of `filler` before a batch is drawn."""

    filler: Path
    batches_left = 3

    def simulated(self, size: int) -> SimulatedBatch:
        self.batches_left -= 1
        if not self.batches_left:
            fill(self.filler)
        return super().simulated(size)


def fill(filler: Path) -> None:
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def test_training_stops_with_one_line_and_resumes_from_the_last_checkpoint(small_disk, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(collection_source, "SIDE", tiny_run.SIDE)
    disk, data = small_disk("size=200m"), tiny_run.write_collection(tmp_path)
    settings = tiny_run.tiny_settings(data, steps=4)
    images = load_collection(data, data / "listing.yaml")

    def filling(rng: torch.Generator) -> CollectionSource:
        source = Filling(images, rng)
        source.filler = disk / "filler"
        return source

    with pytest.raises(FileError, match=r"cannot be written .*No space left"):
        train(settings, filling, disk / "run")
    assert read_checkpoint(disk / "run")["step"] == 2
    assert load_generator(disk / "run" / "weights.safetensors")[1].steps == 2
    assert not [path for path in (disk / "run").iterdir() if path.name.startswith(".")]
    (disk / "filler").unlink()
    train(settings, lambda rng: CollectionSource(images, rng), disk / "run", resume=True)
    assert load_generator(disk / "run" / "weights.safetensors")[1].steps == 4


def test_weights_on_a_full_disk_are_one_line_and_the_old_ones_stay(small_disk, weights: Path) -> None:
    generator, _ = load_generator(weights)
    path = small_disk("size=8m") / "weights.safetensors"
    save_generator(generator, Header("first"), path)
    fill(path.with_name("filler"))
    with pytest.raises(FileError, match=r"weights\.safetensors: cannot be written .*No space left"):
        save_generator(generator, Header("second"), path)
    assert load_generator(path)[1].name == "first"


def test_what_is_written_is_on_the_disk_before_it_has_its_name(tmp_path: Path, weights: Path, monkeypatch) -> None:
    generator, _ = load_generator(weights)
    synced: list[int] = []
    sync = os.fsync

    def noting(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    path = tmp_path / "weights.safetensors"
    save_generator(generator, Header("whole"), path)
    write_checkpoint({"step": 1}, tmp_path)
    for written in (path, tmp_path / "checkpoint.pt"):
        assert written.stat().st_ino in synced
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
