"""What was cleared already, and what is given twice: refused or said, as guessed pixels would pass for observed."""

from __future__ import annotations

import pytest
import rasterio
import rioxarray
from command_line import FOUR, run, write

import unclouded
from unclouded.errors import InputError

GIVEN = ("--level", "L2A", "--offset", "0", "--scale", "10000", "--mask", "none")
AS_GIVEN = {"level": "L2A", "offset": 0, "scale": 10000}


@pytest.fixture
def cleared(tmp_path, weights):
    """An image, and what `unclouded clear` made of it."""
    write(tmp_path / "S2_2024-06-01.tif")
    output = tmp_path / "out" / "S2_2024-06-01.tif"
    output.parent.mkdir()
    result = run("clear", tmp_path / "S2_2024-06-01.tif", "--output", output, "--model", weights, *GIVEN)
    assert result.exit_code == 0, result.stderr
    return output


@pytest.mark.parametrize("alone", [False, True])
def test_a_result_is_not_cleared_again(cleared, tmp_path, weights, alone):
    given = cleared
    if alone:
        given = tmp_path / "elsewhere.tif"
        cleared.rename(given)  # away from its quality and its item: the tag tells
    # Its level and offset are not asked for first: it is not wanted, whatever they are.
    result = run("clear", given, "--output", tmp_path / "again.tif", "--model", weights)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert f"error: {given}: is a result of `unclouded clear` (cleared from S2_2024-06-01.tif)" in result.stderr
    assert not (tmp_path / "again.tif").exists()


def test_a_result_without_the_tag_is_known_by_the_quality_beside_it(cleared, tmp_path, weights):
    with rasterio.open(cleared, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:
        file.update_tags(UNCLOUDED="")
    result = run("clear", cleared, "--output", tmp_path / "again.tif", "--model", weights, *GIVEN)
    assert result.exit_code == 2 and "(S2_2024-06-01_quality.tif is beside it)" in result.stderr


@pytest.mark.parametrize("ending", [".jp2", ".vrt", ".tiff"])
def test_a_scene_is_cleared_again_though_its_result_lies_beside_it(tmp_path, weights, ending):
    scene = tmp_path / f"a{ending}"
    write(tmp_path / "made.tif").rename(scene)
    for _ in range(2):
        result = run("clear", scene, "--output", tmp_path / "a.tif", "--model", weights, "--overwrite", *GIVEN)
        assert result.exit_code == 0, result.stderr


def test_a_result_is_no_other_date(cleared, tmp_path, weights):
    write(tmp_path / "S2_2024-06-11.tif")
    result = run(
        *("clear", tmp_path / "S2_2024-06-11.tif", "--output", tmp_path / "b.tif", "--model", weights, *GIVEN),
        *("--reference", cleared),
    )
    assert result.exit_code == 2 and "is a result of `unclouded clear`" in result.stderr


def test_what_is_left_to_hide_the_ground_of_a_result_may_be_looked_for(cleared, tmp_path):
    result = run("mask", cleared, "--output", tmp_path / "mask.tif", *GIVEN)
    assert result.exit_code == 0, result.stderr


def test_results_in_python(cleared, weights):
    with pytest.raises(InputError, match="is a result of"):
        unclouded.clear(cleared, model=weights, **AS_GIVEN)
    with rioxarray.open_rasterio(cleared) as array, pytest.raises(InputError, match="is a result of"):
        unclouded.clear(array, model=weights, band_names=FOUR, **AS_GIVEN)
    with pytest.raises(InputError, match="it holds opacity and uncertainty"):
        unclouded.clear(unclouded.clear(cleared.parents[1] / cleared.name, model=weights, **AS_GIVEN), model=weights)


def test_a_date_that_is_given_twice_is_no_series(tmp_path, weights):
    path = write(tmp_path / "a.tif")
    (tmp_path / "b").mkdir()
    result = run("series", path, f"{tmp_path}/b/../a.tif", "--output", tmp_path / "out", "--model", weights)
    assert result.exit_code == 2 and not (tmp_path / "out").exists()
    assert f"note: {tmp_path}/b/../a.tif: is given more than once, and taken once" in result.stderr
    assert "a series needs at least two dates" in result.stderr


def test_an_image_that_is_given_twice_is_cleared_once(tmp_path, weights):
    path = write(tmp_path / "a.tif")
    result = run("clear", path, path, "--output", tmp_path / "out", "--model", weights, *GIVEN)
    assert result.exit_code == 0, result.stderr
    assert result.stderr.count("is given more than once, and taken once") == 1
    assert (tmp_path / "out" / "a.tif").exists()


@pytest.mark.parametrize("command", ["view", "report"])
def test_a_mask_is_no_result_to_look_at(tmp_path, command):
    path = write(tmp_path / "a.tif")
    assert run("mask", path, "--output", tmp_path / "mask.tif", *GIVEN).exit_code == 0
    more = ("--output", tmp_path / "page.html") if command == "report" else ("--no-browser",)
    result = run(command, tmp_path / "mask.tif", *more)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1 and "is a mask by `unclouded mask`" in result.stderr
