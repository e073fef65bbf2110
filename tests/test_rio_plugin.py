"""`rio unclouded` does what `unclouded clear` does."""

from __future__ import annotations

import tomllib
from importlib import import_module
from pathlib import Path

import click
from click.testing import CliRunner
from command_line import run, write

from unclouded.cli.rio import unclouded


def rio(*arguments):
    """Run as a command of a group, as `rio` does."""
    group = click.Group("rio", commands=[unclouded])
    return CliRunner().invoke(group, ["unclouded", *map(str, arguments)])


def test_rasterio_finds_it():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    module, _, name = project["entry-points"]["rasterio.rio_plugins"]["unclouded"].partition(":")
    assert getattr(import_module(module), name) is unclouded and isinstance(unclouded, click.Command)


def test_it_writes_the_files_of_clear(weights, tmp_path):
    scene = write(tmp_path / "scene.tif")
    options = ["--model", weights, "--level", "L2A", "--offset", -1000, "--samples", 2, "--threshold", 0.2]
    result = rio(scene, tmp_path / "rio.tif", *options)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(f"{tmp_path}/rio.tif, {tmp_path}/rio_quality.tif: ")
    assert run("clear", scene, "--output", tmp_path / "clear.tif", *options).exit_code == 0
    for ending in (".tif", "_quality.tif"):
        assert (tmp_path / f"rio{ending}").read_bytes() == (tmp_path / f"clear{ending}").read_bytes()


def test_errors_and_exit_codes_are_those_of_clear(weights, tmp_path):
    missing = tmp_path / "missing.tif"
    result = rio(missing, tmp_path / "out.tif", "--model", weights)
    same = run("clear", missing, "--output", tmp_path / "out.tif", "--model", weights)
    assert result.exit_code == same.exit_code == 2
    assert result.stderr == same.stderr and result.stderr.startswith(f"error: {missing}: ")
    scene = write(tmp_path / "scene.tif")
    (tmp_path / "out.tif").touch()
    result = rio(scene, tmp_path / "out.tif", "--level", "L2A", "--offset", 0, "--model", weights)
    assert result.exit_code == 2 and "is already there" in result.stderr
    assert rio(scene, tmp_path / "out2.tif", "--samples", 0).exit_code == 2
    assert not (tmp_path / "out2.tif").exists()
