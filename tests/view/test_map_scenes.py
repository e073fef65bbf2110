"""What is found for a SCENE: layers, stretch, notes and errors."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import rasterio
from map_scene import BANDS, DN, PIXEL, WEST, ground, quality, write

from unclouded.colour import Stretch, fit_stretch
from unclouded.errors import FileError, InputError
from unclouded.files import QUALITY_BANDS
from unclouded.reading.reader import ReadOptions

pytest.importorskip("rio_tiler", reason="the extra `view` is not installed")

from unclouded.clearing.plan import bundled_patches
from unclouded.reading.preview import read_preview
from unclouded.reading.scene_pair import ScenePair
from unclouded.report.previews import SIDE as SIDE_OF_PAGES
from unclouded.view.scenes import open_map_scene, places


def paths(scene, image):
    return [
        os.path.basename(path) for path, _ in scene.layer(f"{image}-{next(iter(scene.images.composites))}-scene").bands
    ]


def indexes(scene):
    return [index for _, index in scene.layer(f"after-{next(iter(scene.images.composites))}-scene").bands]


def test_a_scene_has_both_images_and_its_quality(scene):
    found = open_map_scene(f"{scene}/before.tif={scene}/clear.tif", DN)
    assert found.quality.layers.keys() == {"opacity", "uncertainty", "source"}
    assert found.notes == []
    assert (found.level, found.acquired, found.quality.replaced) == ("L2A", None, 0.5)
    assert paths(found, "before") == ["before.tif"] * 3
    assert found.layer("opacity").bands[0][0].endswith("clear_quality.tif")
    west, south, east, north = found.bounds
    assert west == pytest.approx(15.0, abs=0.01) and 0.05 < east - west < 0.06
    assert 48.7 < south < north < 48.8


def test_the_stretch_is_that_of_the_cleared_image_for_both_and_as_everywhere(scene):
    found = open_map_scene(f"{scene}/before.tif={scene}/clear.tif", DN)
    expected = fit_stretch(ground()[[2, 1, 0]].astype(np.float32) / 10_000)
    for image in ("before", "after"):
        stretch = found.layer(f"{image}-natural-scene").stretch
        assert stretch.exponent == expected.exponent
        np.testing.assert_allclose(stretch.white, np.multiply(expected.white, 10_000), rtol=0.01)
    assert found.layer("after-natural-fixed").stretch.white == (3000.0,) * 3


def test_offsets_of_the_bands_count_in_the_stretch(scene):
    found = open_map_scene(f"{scene}/clear.tif", ReadOptions(level="L2A", offset=-1000))
    assert found.layer("after-natural-fixed").stretch == Stretch((1000.0,) * 3, (4000.0,) * 3, 1.0)


def test_composites_are_those_that_both_images_have(scene):
    assert list(open_map_scene(f"{scene}/clear.tif", DN).images.composites) == ["natural", "infrared"]
    write(scene / "rgb.tif", ground()[:3], BANDS[:3])
    found = open_map_scene(f"{scene}/rgb.tif={scene}/clear.tif", DN)
    assert list(found.images.composites) == ["natural"]
    assert found.images.describe("natural") == "natural colour: B04 B03 B02"
    for layer in ("after-infrared-scene", "after-natural-none", "middle-natural-scene", "source-natural", "nothing"):
        with pytest.raises(KeyError):
            found.layer(layer)


@pytest.mark.parametrize(
    ("count", "names", "expected"),
    [
        (4, BANDS, [3, 2, 1]),
        (4, ("red", "green", "blue", "nir"), [1, 2, 3]),
        (12, None, [4, 3, 2]),
        (4, None, [1, 2, 3]),
        (2, None, [1]),
    ],
)
def test_true_colour_by_name_else_by_usual_order_else_the_first_three(tmp_path, count, names, expected):
    path = write(tmp_path / "clear.tif", np.resize(ground(), (count, 100, 100)), names)
    assert indexes(open_map_scene(str(path))) == expected


def test_an_unnamed_input_has_the_bands_of_its_result(scene):
    write(scene / "before.tif", ground(), None)
    found = open_map_scene(f"{scene}/before.tif={scene}/clear.tif", DN)
    assert [index for _, index in found.layer("before-natural-scene").bands] == [3, 2, 1]


def test_what_the_dn_mean_may_be_unknown_and_they_are_shown_as_they_are(scene):
    found = open_map_scene(f"{scene}/before.tif={scene}/clear.tif")
    assert found.images.unit == "DN" and found.level == ""
    assert found.images.stretches == ("scene", "bands")
    assert "the DN offset cannot be known" in found.notes[0] and "--offset" in found.notes[0]


def test_the_stac_item_gives_date_level_and_threshold(scene):
    bands = [{"name": name, "raster:scale": 1e-4, "raster:offset": 0.0} for name in BANDS]
    properties = {"datetime": "2024-05-01T10:00:00Z", "processing:level": "L1C", "unclouded:threshold": 0.2}
    (scene / "clear.json").write_text(json.dumps({"properties": properties, "assets": {"cleared": {"bands": bands}}}))
    found = open_map_scene(f"{scene}/clear.tif")
    assert found.acquired is not None and f"{found.acquired:%Y-%m-%d}" == "2024-05-01"
    assert found.level == "L1C"
    assert found.quality.legends["opacity"]["mark"] == 0.2


def test_sources_have_their_share_and_are_called_by_the_day_in_their_name(scene):
    layers = quality()
    layers[2, 100:200] = 2
    path = scene / "clear_quality.tif"
    write(path, layers, QUALITY_BANDS, nodata=float("nan"))
    with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:
        file.update_tags(SOURCE_2="../S2B_MSIL2A_20240430T100029_N0510_R122_T33UUP_20240430T132345.SAFE")
    entries = open_map_scene(f"{scene}/clear.tif", DN).quality.legends["source"]["entries"]
    assert [(entry["label"], entry["share"]) for entry in entries] == [
        ("guessed by the network", 0.25),
        ("from 2024-04-30", 0.25),
    ]


def test_scenes_of_one_place_lie_over_half_of_each_other():
    here, shifted, there = (15.0, 48.0, 15.2, 48.1), (15.05, 48.0, 15.25, 48.1), (15.15, 48.0, 15.35, 48.1)
    assert places([here, there, shifted, here]) == [0, 1, 0, 0]
    # Across the antimeridian.
    assert places([(179.9, -17.0, -179.9, -16.8), (179.92, -17.0, -179.88, -16.8)]) == [0, 0]
    assert places([(179.5, -17.0, -179.9, -16.8), (-179.9, -17.0, -179.5, -16.8)]) == [0, 1]


def test_without_quality_its_layers_are_absent_which_is_reported(scene):
    (scene / "clear_quality.tif").unlink()
    found = open_map_scene(f"{scene}/before.tif={scene}/clear.tif", DN)
    assert found.quality.layers == {} and found.quality.replaced is None
    assert found.notes == ["No opacity and uncertainty: clear_quality.tif is not beside clear.tif"]


def test_damaged_quality_is_reported_and_the_images_are_shown(scene):
    (scene / "clear_quality.tif").write_bytes(b"II*\0 and nothing else")
    found = open_map_scene(f"{scene}/before.tif={scene}/clear.tif", DN)
    assert found.quality.layers == {} and paths(found, "before") == ["before.tif"] * 3
    assert "clear_quality.tif: cannot be opened" in found.notes[0]


def test_uncertainty_that_is_0_all_over_is_not_a_layer(scene):
    write(scene / "clear_quality.tif", quality(uncertainty=0), QUALITY_BANDS, nodata=float("nan"))
    found = open_map_scene(f"{scene}/before.tif={scene}/clear.tif", DN)
    assert found.quality.layers.keys() == {"opacity", "source"}
    assert "0 everywhere" in found.notes[0]


def test_results_of_before_there_was_a_source_have_the_other_layers(scene):
    write(scene / "clear_quality.tif", quality()[:2], QUALITY_BANDS[:2], nodata=float("nan"))
    assert open_map_scene(f"{scene}/clear.tif", DN).quality.layers.keys() == {"opacity", "uncertainty"}


def test_where_nothing_was_replaced_there_is_nothing_to_note(scene):
    write(scene / "clear_quality.tif", quality(0, 0, 0), QUALITY_BANDS, nodata=float("nan"))
    found = open_map_scene(f"{scene}/before.tif={scene}/clear.tif", DN)
    assert found.quality.layers.keys() == {"opacity"} and found.quality.replaced == 0
    assert found.notes == []


def test_without_the_image_before_a_note_explains_how_to_name_it(scene):
    found = open_map_scene(f"{scene}/clear.tif", DN)
    assert not found.images.before
    (note,) = found.notes
    assert note.startswith("No image before clearing: ") and note.endswith("name its input: before.tif=clear.tif")


def test_the_stac_item_beside_the_scene_leads_to_the_image_before(scene):
    link = {"rel": "derived_from", "href": "./before.tif"}
    (scene / "clear.json").write_text(json.dumps({"type": "Feature", "links": [{"rel": "self", "href": "x"}, link]}))
    assert paths(open_map_scene(f"{scene}/clear.tif"), "before") == ["before.tif"] * 3
    (scene / "before.tif").unlink()
    found = open_map_scene(f"{scene}/clear.tif", DN)
    assert not found.images.before and "links to no input that is there (./before.tif)" in found.notes[0]


def test_an_image_before_that_cannot_be_reached_is_reported(scene):
    """Port 9 of this machine, at which nothing answers, stands for another machine."""
    link = {"rel": "derived_from", "href": "http://127.0.0.1:9/before.tif"}
    (scene / "clear.json").write_text(json.dumps({"type": "Feature", "links": [link]}))
    found = open_map_scene(f"{scene}/clear.tif", DN)
    assert not found.images.before and "http://127.0.0.1:9/before.tif: " in found.notes[0]


def test_the_file_of_the_quality_leads_to_the_scene(scene):
    write(scene / "clear_quality.tif", quality(), QUALITY_BANDS, nodata=float("nan"))
    assert open_map_scene(f"{scene}/clear_quality.tif").quality.layers.keys() == {"opacity", "uncertainty", "source"}


def test_another_json_beside_the_scene_is_no_error(scene):
    (scene / "clear.json").write_text("[]")
    assert "no STAC item" in open_map_scene(f"{scene}/clear.tif", DN).notes[0]


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
    before = open_map_scene(f"{patch}={tmp_path}/clear.tif").layer("before-natural-scene").bands
    assert [(path[-7:], index) for path, index in before] == [("B04.tif", 1), ("B03.tif", 1), ("B02.tif", 1)]


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


def test_a_large_image_without_overviews_is_reported_as_slow(tmp_path):
    profile = {"crs": "EPSG:32633", "transform": rasterio.transform.from_origin(WEST, 5400000, 10, 10)}
    with rasterio.open(
        tmp_path / "clear.tif", "w", driver="GTiff", width=5000, height=20, count=3, dtype="uint16", **profile
    ) as file:
        file.write(np.full((3, 20, 5000), 1000, np.uint16))
    assert any("has no overviews" in note for note in open_map_scene(f"{tmp_path}/clear.tif").notes)


def test_a_scene_has_one_stretch_on_the_map_and_on_pages(tmp_path):
    noise = np.random.default_rng(0).normal(0, 400, (4, 1800, 1200))
    write(tmp_path / "clear.tif", (2000 + noise).clip(1, 9000).astype(np.uint16))
    layer = open_map_scene(str(tmp_path / "clear.tif"), DN).layer("after-natural-scene")
    write(tmp_path / "clear_quality.tif", np.zeros((3, 1800, 1200), np.float32), QUALITY_BANDS, nodata=float("nan"))
    shown = read_preview(ScenePair(None, tmp_path / "clear.tif"), SIDE_OF_PAGES, DN).after
    stretch = fit_stretch(shown)
    assert np.array(layer.stretch.black) / 10000 == pytest.approx(np.array(stretch.black), rel=1e-3)
    assert np.array(layer.stretch.white) / 10000 == pytest.approx(np.array(stretch.white), rel=1e-3)
