"""Clearing that ends before its work does, at any moment and for any reason, goes on to the same bytes."""

from __future__ import annotations

import errno
import multiprocessing
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
from command_line import command
from scenes import clear_scene

from unclouded.errors import FileError, OutputExistsError
from unclouded.files import workplace_of
from unclouded.models.weights import load_generator
from unclouded.reading.reader import open_scene
from unclouded.writing.journal import JOURNAL, finished_rows
from unclouded.writing.writer import StripWriter

FORKS = multiprocessing.get_context("forkserver")
# Every fork would import them again.
FORKS.set_forkserver_preload(["unclouded.models.weights", "unclouded.clearing.clear", "unclouded.reading.reader"])


def clear(scene: Path, weights: Path, output: Path, **options) -> None:
    with open_scene(str(scene), level="L2A", offset=0) as opened:
        clear_scene(opened, load_generator(weights)[0], output, **({"tile": 128} | options))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("out*.tif"))}


@pytest.fixture(scope="module")
def undisturbed(scene_file, weights, tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed")
    clear(scene_file, weights, folder / "out.tif")
    assert not workplace_of(folder / "out.tif").exists()
    return contents(folder)


def started(scene: Path, weights: Path, output: Path):
    process = FORKS.Process(target=clear, args=(scene, weights, output))
    process.start()
    return process


@pytest.mark.parametrize("strips", [1, 3])
def test_killed_with_finished_strips_it_resumes_from_them(scene_file, weights, undisturbed, tmp_path, strips):
    output = tmp_path / "out.tif"
    process = started(scene_file, weights, output)
    while finished_rows(output) < strips and process.is_alive():
        time.sleep(0.005)
    process.kill()
    process.join()
    done = finished_rows(output)
    assert strips <= done < 5 and not contents(tmp_path)
    generator = load_generator(weights)[0]
    generator.translate_lazily = counting = Fails(generator.translate_lazily, 10_000, RuntimeError())
    with open_scene(str(scene_file), level="L2A", offset=0) as scene:
        clear_scene(scene, generator, output, tile=128)
    assert 10_000 - counting.left == (5 - done) * 6
    assert contents(tmp_path) == undisturbed


@pytest.mark.slow
def test_killed_at_any_moment(scene_file, weights, undisturbed, tmp_path):
    rng = random.Random(0)
    begun = time.monotonic()
    process = started(scene_file, weights, tmp_path / "out.tif")
    process.join()
    whole = time.monotonic() - begun
    resumed = 0
    for number in range(50):
        folder = tmp_path / str(number)
        folder.mkdir()
        process = started(scene_file, weights, folder / "out.tif")
        time.sleep(rng.uniform(0.2, 1) * whole)
        process.kill()
        process.join()
        there = contents(folder)
        assert all(undisturbed[name] == content for name, content in there.items())
        assert "out.tif" not in there or "out_quality.tif" in there
        if "out.tif" not in there:
            resumed += finished_rows(folder / "out.tif") > 0
            clear(scene_file, weights, folder / "out.tif")
        elif workplace_of(folder / "out.tif").exists():
            # Killed between the last rename and the removal of the strips.
            clear(scene_file, weights, folder / "out.tif", overwrite=True)
        assert contents(folder) == undisturbed
        assert not workplace_of(folder / "out.tif").exists()
        shutil.rmtree(folder)
    assert resumed >= 5, "hardly any run had finished a strip when it was killed"


class Fails:
    """Does what it wraps until it has been called some times, then raises."""

    def __init__(self, work, calls, error):
        self.work, self.left, self.error = work, calls, error

    def __call__(self, *arguments, **options):
        self.left -= 1
        if self.left < 0:
            raise self.error
        return self.work(*arguments, **options)


@pytest.fixture
def interrupted(scene_file, weights, tmp_path) -> Path:
    """An output of which a run has finished some strips, but not all."""
    output = tmp_path / "out.tif"
    generator = load_generator(weights)[0]
    generator.translate_lazily = Fails(generator.translate_lazily, 20, RuntimeError("the network failed"))
    with open_scene(str(scene_file), level="L2A", offset=0) as scene, pytest.raises(RuntimeError, match="network"):
        clear_scene(scene, generator, output, tile=128)
    assert 0 < finished_rows(output) < 5
    assert not contents(tmp_path)
    return output


def test_an_error_in_the_network_costs_only_what_was_not_finished(interrupted, scene_file, weights, undisturbed):
    done = finished_rows(interrupted)
    generator = load_generator(weights)[0]
    generator.translate_lazily = counting = Fails(generator.translate_lazily, 10_000, RuntimeError())
    with open_scene(str(scene_file), level="L2A", offset=0) as scene:
        clear_scene(scene, generator, interrupted, tile=128)
    assert 10_000 - counting.left == (5 - done) * 6
    assert contents(interrupted.parent) == undisturbed


def test_an_error_while_reading_keeps_what_is_finished(scene_file, weights, undisturbed, tmp_path):
    output = tmp_path / "out.tif"
    with open_scene(str(scene_file), level="L2A", offset=0) as scene:
        scene.read = Fails(scene.read, 15, FileError("scene.tif: cannot be read (input/output error)"))
        with pytest.raises(FileError, match="input/output error"):
            clear_scene(scene, load_generator(weights)[0], output, tile=128)
    assert finished_rows(output) > 0
    clear(scene_file, weights, output)
    assert contents(tmp_path) == undisturbed


def test_a_disk_that_is_full_for_a_while(scene_file, weights, undisturbed, tmp_path, monkeypatch):
    output = tmp_path / "out.tif"
    full = OSError(errno.ENOSPC, "No space left on device")
    with monkeypatch.context() as patch:
        patch.setattr(StripWriter, "finish", _method(Fails(StripWriter.finish, 5, full)))
        with pytest.raises(OSError, match="No space left"):
            clear(scene_file, weights, output)
    assert finished_rows(output) > 0
    clear(scene_file, weights, output)
    assert contents(tmp_path) == undisturbed


def _method(work):
    return lambda *arguments: work(*arguments)


@pytest.mark.parametrize(
    "options, named", [({"samples": 2}, "samples"), ({"threshold": 0.9}, "threshold"), ({"tile": 160}, "tile")]
)
def test_other_settings_are_refused(interrupted, scene_file, weights, options, named):
    done = finished_rows(interrupted)
    with pytest.raises(OutputExistsError, match=rf"interrupted run had begun it otherwise: {named}.*--overwrite"):
        clear(scene_file, weights, interrupted, **options)
    assert finished_rows(interrupted) == done
    clear(scene_file, weights, interrupted, overwrite=True, **options)
    assert set(contents(interrupted.parent)) == {"out.tif", "out_quality.tif"}


def test_other_pixels_are_refused(interrupted, scene_file, weights, tmp_path):
    other = tmp_path / "other" / scene_file.name
    other.parent.mkdir()
    shutil.copy(scene_file, other)
    with rasterio.open(other, "r+") as file:
        pixels = file.read()
        pixels[2, 500, 3] += 1
        file.write(pixels)
    with pytest.raises(OutputExistsError, match="begun it otherwise: pixels"):
        clear(other, weights, interrupted)


def test_other_weights_are_refused(interrupted, scene_file):
    with pytest.raises(OutputExistsError, match="begun it otherwise: weights"):
        clear(scene_file, "default", interrupted)


@pytest.mark.parametrize("damage", ["strip", "journal", "no strip"])
def test_damage_to_what_was_finished_is_found(interrupted, scene_file, weights, undisturbed, damage):
    folder = workplace_of(interrupted)
    path = folder / JOURNAL if damage == "journal" else sorted(folder.glob("*.tif"))[0]
    content = path.read_bytes()
    if damage == "no strip":
        path.unlink()
    elif damage == "journal":
        path.write_bytes(content[:-7])
    else:
        path.write_bytes(content[: len(content) // 2] + b"\0" * 16 + content[len(content) // 2 + 16 :])
    clear(scene_file, weights, interrupted)
    assert contents(interrupted.parent) == undisturbed


@pytest.mark.parametrize("how, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_keeps_finished_results_and_reports_them(scene_file, weights, tmp_path, how, code):
    arguments = ["clear", scene_file, "--output", tmp_path / "out.tif", "--model", weights, "--samples", 5]
    process = subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 270
    while not finished_rows(tmp_path / "out.tif"):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(how)
    _, message = process.communicate(timeout=180)
    assert process.returncode == code, message
    assert "Traceback" not in message
    assert "the same command resumes there" in message
    assert not contents(tmp_path)
    begun = (finished_rows(tmp_path / "out.tif"), time.monotonic())
    assert begun[0] == 1
    again = subprocess.run(command(*arguments), capture_output=True, text=True, check=False, timeout=360)
    assert again.returncode == 0, again.stderr
    with rasterio.open(tmp_path / "out.tif") as file:
        assert np.all(file.read() > 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "out.tif", "out_quality.tif"]
