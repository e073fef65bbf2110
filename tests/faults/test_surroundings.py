"""What lies around a command and is no fault of its scene: standard output, pipes, and variables of other programs."""

from __future__ import annotations

import os
import subprocess

import pytest
import typer
from command_line import command, run, write

from unclouded.cli.console import faults, report


@pytest.fixture
def scene(tmp_path):
    return write(tmp_path / "S2A_MSIL2A_20180503T100031_N0207_R122_T32TQM.tif")


def errors(text):
    return [line for line in text.splitlines() if line.startswith(("error", "Traceback", "Exception"))]


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_full_standard_output_ends_the_command_and_is_no_fault_of_the_scene(scene, tmp_path, options):
    more = write(tmp_path / "more" / scene.name)
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            command("clear", scene, more, "--output", f"{tmp_path}/out/", *options),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert result.returncode == 2
    (message,) = errors(result.stderr)
    assert message.startswith("error: standard output: cannot be written to (No space left on device)")
    assert len(list((tmp_path / "out").rglob("*_quality.tif"))) == 1


def test_a_list_ends_where_its_output_does():
    with open("/dev/full", "w") as full:
        result = subprocess.run(command("models"), stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 2 and result.stderr.startswith("error: standard output: cannot be written to (No space")
    assert len(result.stderr.splitlines()) == 1
    read, written = os.pipe()
    os.close(read)
    result = subprocess.run(command("models"), stdout=written, stderr=subprocess.PIPE, text=True)
    os.close(written)
    assert (result.returncode, result.stderr) == (1, "")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "scene.tif")
    result = run("clear", tmp_path / "scene.tif", "--output", tmp_path / "out.tif")
    assert result.exit_code == 2 and "scene.tif: is a pipe or a device" in result.stderr


def test_data_of_another_programs_proj_are_named(scene, tmp_path):
    result = subprocess.run(
        command("clear", scene, "--output", tmp_path / "out.tif"),
        capture_output=True,
        text=True,
        env={**os.environ, "PROJ_LIB": str(tmp_path), "PROJ_DATA": str(tmp_path)},
    )
    assert result.returncode == 2
    (message,) = errors(result.stderr)
    assert message.endswith("`unset PROJ_LIB PROJ_DATA`, and run it again")


@pytest.mark.parametrize(
    "error", [MemoryError(), ImportError("libtorch_cpu.so: failed to map segment from shared object")]
)
def test_too_little_memory_to_load_libraries_is_said(capsys, error):
    with pytest.raises(typer.Exit) as ended, faults(debug=False):
        raise error
    assert ended.value.exit_code == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("error: libraries cannot be loaded (") and "there is too little memory" in said


@pytest.mark.parametrize("said", ["[ONNXRuntimeError] : 6 : std::bad_alloc", "can't start new thread"])
def test_too_little_memory_for_a_scene_is_said(said):
    assert report(RuntimeError(said), False, "scene.tif").startswith(f"scene.tif: RuntimeError {said}; there is too li")
    assert "--debug" in report(RuntimeError("else"), False, "scene.tif")


def test_a_folder_that_was_removed_around_the_command_is_named(scene, tmp_path):
    lost = tmp_path / "lost"
    lost.mkdir()
    within = ["sh", "-c", 'cd "$0" && rmdir "$0" && exec "$@"', lost, *command("clear", scene, "--output", "out.tif")]
    result = subprocess.run(within, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr == "error: the folder that this runs in is no longer there; change to one that is\n"
