"""What is found for a SCENE: layers, stretch, notes and errors."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import rasterio
from map_scene import BANDS, PIXEL, WEST, ground, quality, write

from unclouded.errors import FileError, InputError

pytest.importorskip("rio_tiler", reason="the extra `view` is not installed")

from unclouded.clearing.plan import bundled_patches
from unclouded.view.scenes import open_map_scene


def paths(layer):
    return [os.path.basename(path) for path, _ in layer.bands]


def indexes(layer):
    return [index for _, index in layer.bands]


def test_a_scene_has_both_images_and_its_quality(scene):
    found = open_map_scene(f"{scene}/before.tif={scene}/clear.tif")
    assert set(found.layers) == {"before", "after", "opacity", "uncertainty"}
    assert found.notes == []
    assert paths(found.layers["before"]) == ["before.tif"] * 3
    assert paths(found.layers["opacity"]) == ["clear_quality.tif"]
    west, south, east, north = found.bounds
    assert west == pytest.approx(15.0, abs=0.01) and 0.05 < east - west < 0.06
    assert 48.7 < south < north < 48.8


def test_the_stretch_comes_from_the_cleared_image_and_holds_for_both(scene):
    layers = open_map_scene(f"{scene}/before.tif={scene}/clear.tif").layers
    assert layers["before"].ranges == layers["after"].ranges
    for low, high in layers["after"].ranges:
        assert (low, high) == pytest.approx((1020, 2980), abs=5)


@pytest.mark.parametrize(
    ("count", "names", "expected"),
    [
        (4, BANDS, [3, 2, 1]),
        (4, ("red", "green", "blue", "nir"), [1, 2, 3]),
        (12, None, [4, 3, 2]),
        (4, None, [1, 2, 3]),
        (2, None, [1, 1, 1]),
    ],
)
def test_true_colour_by_name_else_by_usual_order_else_the_first_three(tmp_path, count, names, expected):
    path = write(tmp_path / "clear.tif", np.resize(ground(), (count, 100, 100)), names)
    assert indexes(open_map_scene(str(path)).layers["after"]) == expected


def test_without_quality_its_layers_are_absent_and_that_is_said(scene):
    (scene / "clear_quality.tif").unlink()
    found = open_map_scene(f"{scene}/before.tif={scene}/clear.tif")
    assert set(found.layers) == {"before", "after"}
    assert found.notes == ["No opacity and uncertainty: clear_quality.tif is not beside clear.tif"]


def test_damaged_quality_is_said_and_the_images_are_shown(scene):
    (scene / "clear_quality.tif").write_bytes(b"II*\0 and nothing else")
    found = open_map_scene(f"{scene}/before.tif={scene}/clear.tif")
    assert set(found.layers) == {"before", "after"}
    assert "clear_quality.tif: cannot be opened" in found.notes[0]


def test_uncertainty_that_is_0_all_over_is_not_a_layer(scene):
    write(scene / "clear_quality.tif", quality(uncertainty=0), ("opacity", "uncertainty"), nodata=float("nan"))
    found = open_map_scene(f"{scene}/before.tif={scene}/clear.tif")
    assert "uncertainty" not in found.layers and "opacity" in found.layers
    assert "0 everywhere" in found.notes[0]


def test_without_the_image_before_it_says_how_to_name_it(scene):
    found = open_map_scene(f"{scene}/clear.tif")
    assert "before" not in found.layers
    (note,) = found.notes
    assert note.startswith("No image before clearing: ") and note.endswith("name its input: before.tif=clear.tif")


def test_the_stac_item_beside_the_scene_leads_to_the_image_before(scene):
    link = {"rel": "derived_from", "href": "./before.tif"}
    (scene / "clear.json").write_text(json.dumps({"type": "Feature", "links": [{"rel": "self", "href": "x"}, link]}))
    assert paths(open_map_scene(f"{scene}/clear.tif").layers["before"]) == ["before.tif"] * 3
    (scene / "before.tif").unlink()
    found = open_map_scene(f"{scene}/clear.tif")
    assert "before" not in found.layers and "links to no input that is there (./before.tif)" in found.notes[0]


def test_an_image_before_that_cannot_be_reached_is_said(scene):
    """Port 9 of this machine, at which nothing answers, stands for another machine."""
    link = {"rel": "derived_from", "href": "http://127.0.0.1:9/before.tif"}
    (scene / "clear.json").write_text(json.dumps({"type": "Feature", "links": [link]}))
    found = open_map_scene(f"{scene}/clear.tif")
    assert "before" not in found.layers and "http://127.0.0.1:9/before.tif: " in found.notes[0]


def test_the_file_of_the_quality_leads_to_the_scene(scene):
    write(scene / "clear_quality.tif", quality(), ("opacity", "uncertainty"), nodata=float("nan"))
    assert open_map_scene(f"{scene}/clear_quality.tif").layers.keys() == {"after", "opacity", "uncertainty"}


def test_another_json_beside_the_scene_is_no_error(scene):
    (scene / "clear.json").write_text("[]")
    assert "no STAC item" in open_map_scene(f"{scene}/clear.tif").notes[0]


def test_whatever_can_be_cleared_can_be_the_image_before(tmp_path):
    patch = bundled_patches()[0]
    red = next(patch.glob("*B04*.tif"))
    with rasterio.open(red) as file:
        write(
            tmp_path / "clear.tif",
            np.concatenate([file.read()] * 4),
            crs=file.crs,
            transform=file.transform,
        )
    before = open_map_scene(f"{patch}={tmp_path}/clear.tif").layers["before"]
    assert [path[-7:] for path in paths(before)] == ["B04.tif", "B03.tif", "B02.tif"]
    assert indexes(before) == [1, 1, 1]


def test_a_name_with_an_equals_sign_is_a_name_if_it_is_there(scene):
    (scene / "clear.tif").rename(scene / "a=b.tif")
    assert open_map_scene(f"{scene}/a=b.tif").name == "a=b.tif"


@pytest.mark.parametrize(
    ("argument", "error", "message"),
    [
        ("nothing.tif", FileError, "nothing.tif: no such file"),
        ("nothing.tif=clear.tif", FileError, "nothing.tif: no such file or folder"),
        ("before.tif=", InputError, "before.tif=clear.tif"),
        ("text.tif", FileError, "text.tif: is not a GeoTIFF"),
        ("unplaced.tif", InputError, "unplaced.tif: has no coordinate reference system"),
        ("local.tif", InputError, "local.tif: its coordinate reference system leads to no place on the Earth"),
        ("elsewhere.tif=clear.tif", InputError, "elsewhere.tif: lies elsewhere than the cleared image"),
        ("empty.tif", InputError, "empty.tif: holds no data to show"),
    ],
)
def test_errors_are_one_line_and_name_the_file(scene, monkeypatch, argument, error, message):
    monkeypatch.chdir(scene)
    (scene / "text.tif").write_text("not an image")
    write(scene / "unplaced.tif", ground(), crs=None)
    write(scene / "local.tif", ground(), crs='LOCAL_CS["building site",UNIT["metre",1]]')
    transform = rasterio.transform.from_origin(WEST + 100000, 5400000, PIXEL, PIXEL)
    write(scene / "elsewhere.tif", ground(), transform=transform)
    write(scene / "empty.tif", np.zeros((4, 50, 50), np.uint16))
    with pytest.raises(error, match=message) as caught:
        open_map_scene(argument)
    assert "\n" not in str(caught.value)


def test_a_large_image_without_overviews_is_said_to_be_slow(tmp_path):
    profile = {"crs": "EPSG:32633", "transform": rasterio.transform.from_origin(WEST, 5400000, 10, 10)}
    with rasterio.open(
        tmp_path / "clear.tif", "w", driver="GTiff", width=5000, height=20, count=3, dtype="uint16", **profile
    ) as file:
        file.write(np.full((3, 20, 5000), 1000, np.uint16))
    assert any("has no overviews" in note for note in open_map_scene(f"{tmp_path}/clear.tif").notes)
