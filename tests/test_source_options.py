"""What is said of images that do not say it themselves: the same options in every command that reads some."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
import typer
from command_line import run
from map_scene import ground, quality, write

from unclouded.cli import app
from unclouded.cli.source_options import AREA
from unclouded.files import QUALITY_BANDS

OF_IMAGES = ("--bands", "--band-names", "--variant", "--level", "--scale", "--offset")
NAMES = ("--band-names", "B02,B03,B04,B08,-", "--level", "L2A", "--offset", "0")


@pytest.fixture
def folder(tmp_path):
    """An image of five bands without names, the last of them a mask, and what was made of it: four bands with names."""
    cloudy = ground()
    cloudy[:, :200] = 9000
    write(tmp_path / "before.tif", np.concatenate([cloudy, np.ones_like(cloudy[:1])]), names=None)
    write(tmp_path / "clear.tif", ground())
    write(tmp_path / "clear_quality.tif", quality(), QUALITY_BANDS, nodata=float("nan"))
    return tmp_path


@pytest.mark.parametrize(
    "command",
    ["clear", "series", "mask", "view", "report", "evaluate pairs", "data pack folders"],
)
def test_every_command_that_reads_images_takes_them(command):
    found = typer.main.get_command(app)
    for word in command.split():
        found = found.commands[word]
    options = {name for parameter in found.params for name in parameter.opts}
    assert options.issuperset(OF_IMAGES)
    cuts = command in ("clear", "series", "mask")
    assert {f"--{name}" in options for name in AREA} == {cuts}


def test_a_report_names_the_bands_of_the_image_before_alone(folder):
    pair = f"{folder}/before.tif={folder}/clear.tif"
    result = run("report", pair, "--output", folder / "page.html", *NAMES)
    assert result.exit_code == 0, result.stderr
    assert "before" in (folder / "page.html").read_text()
    result = run("report", pair, "--output", folder / "other.html", *NAMES[2:])
    assert result.exit_code == 2 and "--band-names" in result.stderr


def test_the_map_shows_the_image_before_by_the_names_that_are_given(folder):
    pytest.importorskip("rio_tiler", reason="the extra `view` is not installed")
    from unclouded.reading.reader import ReadOptions
    from unclouded.view.scenes import open_map_scene

    reading = ReadOptions(level="L2A", offset=0, band_names=("B08", "B03", "B04", "B02", "-"))
    scene = open_map_scene(f"{folder}/before.tif={folder}/clear.tif", reading)
    assert not scene.notes
    assert {band: index for band, (_, index) in scene.images.before.items()} == {"B08": 1, "B03": 2, "B04": 3, "B02": 4}
    assert {band: index for band, (_, index) in scene.images.after.items()} == {"B02": 1, "B03": 2, "B04": 3, "B08": 4}


def test_pairs_are_measured_by_the_names_that_are_given(folder):
    for name, file in (("cloudy", "before"), ("clear", "clear"), ("made", "clear")):
        (folder / name).mkdir()
        (folder / name / "a.tif").write_bytes((folder / f"{file}.tif").read_bytes())
    folders = [word for name in ("cloudy", "clear") for word in (f"--{name}", folder / name)]
    result = run("evaluate", "pairs", *folders, "--predicted", folder / "made", "--json", folder / "a.json", *NAMES)
    assert result.exit_code == 0, result.stderr
    scores = json.loads((folder / "a.json").read_text())
    assert scores["bands"] == ["B02", "B03", "B04", "B08"]
    assert scores["mean"]["regions"]["cloud"]["share"] == pytest.approx(0.5)


def test_images_are_packed_by_the_names_that_are_given(folder):
    (folder / "images" / "cloudy").mkdir(parents=True)
    (folder / "before.tif").rename(folder / "images" / "cloudy" / "a.tif")
    words = ("--size", "200", "--workers", "1", "--output", folder / "archive")
    result = run("data", "pack", "folders", folder / "images", *words, *NAMES)
    assert result.exit_code == 0, result.stderr
    assert "4 patches" in result.stdout


def test_the_bands_of_another_stack_are_no_names_for_one_that_has_its_own(folder):
    write(folder / "named.tif", ground())
    result = run("clear", folder / "named.tif", "--output", folder / "a.tif", "--mask", "none", *NAMES)
    assert result.exit_code == 0, result.stderr
    assert "its own band names are taken: it has 4 bands, --band-names names 5" in result.stderr
    with rasterio.open(folder / "a.tif") as file:
        assert file.descriptions == ("B02", "B03", "B04", "B08")
