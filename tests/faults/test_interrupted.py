"""Runs that end before their work does: killed, interrupted, out of disk."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
from command_line import command

from unclouded.clearing.clear import clear_to_file
from unclouded.clearing.model import Model
from unclouded.clearing.options import ClearOptions
from unclouded.errors import FileError, OutputExistsError
from unclouded.files import aside
from unclouded.reading.reader import ReadOptions
from unclouded.report.before_after import before_after


def start(arguments, **options):
    return subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def run(arguments, **options):
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False, timeout=360, **options)


def stop_in_mid_work(arguments, folder, how):
    """Start a run, wait until it writes into `folder`, and send it a signal."""
    process = start(arguments)
    deadline = time.monotonic() + 180
    while not list(folder.glob(".*.partial/*")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(how)
    out, error = process.communicate(timeout=180)
    return process.returncode, out, error


def test_a_killed_run_leaves_no_output_and_the_next_succeeds(scene_file, weights, tmp_path):
    arguments = ["clear", scene_file, "--output", tmp_path / "out.tif", "--model", weights]
    code, _, _ = stop_in_mid_work([*arguments, "--samples", 200], tmp_path, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert not list(tmp_path.glob("*.tif")) and list(tmp_path.glob(".*"))
    result = run(arguments)
    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "out.tif", "out_quality.tif"]
    with rasterio.open(tmp_path / "out.tif") as file:
        assert file.shape == (600, 700) and file.read().all()


@pytest.mark.parametrize("how, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_leaves_nothing(scene_file, weights, tmp_path, how, code):
    arguments = ["clear", scene_file, "--output", tmp_path / "out.tif", "--model", weights, "--samples", 200]
    returned, out, error = stop_in_mid_work(arguments, tmp_path, how)
    assert returned == code
    assert not list(tmp_path.iterdir())
    assert "Traceback" not in error and out == ""


def test_two_runs_do_not_write_the_same_output(scene_file, weights, tmp_path):
    with aside(tmp_path / "out.tif") as folder:
        with pytest.raises(OutputExistsError, match="another run is writing"), aside(tmp_path / "out.tif"):
            pass
        result = run(["clear", scene_file, "--output", tmp_path / "out.tif", "--model", weights])
        assert result.returncode == 2
        assert result.stderr.splitlines()[-1].startswith(f"error: {tmp_path}/out.tif: another run is writing it")
        assert folder.is_dir()
    assert not list(tmp_path.iterdir())


def one_error(done):
    """The only line of a failed run that is not a note."""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("note: ")]
    assert len(lines) == 1 and lines[0].startswith("error: "), done.stderr
    return lines[0]


def test_a_full_disk_is_one_line_and_no_output(scene_file, weights, small_disk):
    disk = small_disk("size=1m")
    result = run(["clear", scene_file, "--output", disk / "out.tif", "--model", weights])
    assert result.returncode == 2
    assert "free space" in one_error(result)
    assert not list(disk.iterdir())


def test_a_file_size_limit_is_one_line_and_no_output(scene_file, weights, tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))

    arguments = ["clear", scene_file, "--output", tmp_path / "out.tif", "--model", weights]
    result = run(arguments, preexec_fn=limit)
    assert result.returncode == 2
    assert "out" in one_error(result)
    assert not list(tmp_path.iterdir())


def test_a_read_only_folder_is_one_line(scene_file, weights, tmp_path, request):
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):  # root may write anywhere but on a read-only file system
        folder = request.getfixturevalue("small_disk")("size=1m,ro")
    result = run(["clear", scene_file, "--output", folder / "out.tif", "--model", weights])
    assert result.returncode == 2
    assert "cannot be written to" in one_error(result)
    assert not list(folder.iterdir())


def test_a_folder_that_takes_no_names_is_one_line_and_not_tried_for_ever(scene_file, weights):
    if not Path("/proc/self").is_dir():
        pytest.skip("only Linux has a folder in which nothing can be made and which says that nothing is there")
    result = run(["clear", scene_file, "--output", "/proc/out.tif", "--model", weights])
    assert result.returncode == 2
    assert "cannot be written to" in one_error(result)


def test_a_picture_on_a_full_disk_is_an_error_that_names_it(small_disk):
    disk = small_disk("size=8k")
    image = np.random.default_rng(0).random((3, 200, 200), np.float32)
    with pytest.raises(FileError, match=r"picture\.png: cannot be written"):
        before_after(image, image, image[0], image[0], ("B02", "B03", "B04"), disk / "picture.png", "a patch")
    assert not list(disk.iterdir())


@pytest.mark.parametrize("changed", ["scene", "reference"])
def test_a_file_that_is_written_to_while_it_is_read_makes_no_result(scene_file, weights, tmp_path, changed):
    files = {
        name: Path(shutil.copy(scene_file, tmp_path / f"{name}_{scene_file.name}")) for name in ("scene", "reference")
    }
    with rasterio.open(files["reference"], "r+") as file:
        file.write(file.read() + np.uint16(1))
    output = tmp_path / "results" / "out.tif"
    output.parent.mkdir()
    options = ClearOptions(model=str(weights), references=(str(files["reference"]),))

    def write_to(stage, done, total):
        os.utime(files[changed], ns=(0, 0))

    with (
        ReadOptions().open(str(files["scene"])) as scene,
        pytest.raises(FileError, match=rf"{files[changed]}: was written to while it was read"),
    ):
        clear_to_file(scene, output, Model.load(options), options, progress=write_to)
    assert not list(output.parent.glob("*.tif"))
