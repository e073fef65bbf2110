"""The area that is wanted of scenes: boxes and polygons in longitude and latitude, on any grid, and what is none."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from rasterio.warp import transform, transform_bounds
from scenes import MemoryScene

from unclouded.errors import FileError, InputError
from unclouded.reading.grids.area import ALIGNMENT, box_area, inside
from unclouded.reading.grids.geojson import file_area, geometry_area
from unclouded.tiles import Box

SCENE = MemoryScene(np.ones((2, 3000, 2800), np.uint16), ("B02", "B03")).info


def box_of(pixels: Box) -> str:
    """`--bbox` of some pixels' middle, which is in no pixel around them."""
    t = SCENE.transform
    left, top = t @ (pixels.column + 0.5, pixels.row + 0.5)
    right, bottom = t @ (pixels.right - 0.5, pixels.bottom - 0.5)
    return ",".join(map(str, transform_bounds(SCENE.crs, "EPSG:4326", left, bottom, right, top)))


def test_an_area_is_snapped_outwards_and_its_surroundings_start_at_whole_cells_and_coarse_pixels() -> None:
    wanted = Box(1500, 1400, 120, 100)
    crop, part = box_area(box_of(wanted)).crop(SCENE)
    assert crop.row % ALIGNMENT == 0 and crop.column % ALIGNMENT == 0
    placed = Box(part.box.row + crop.row, part.box.column + crop.column, part.box.height, part.box.width)
    # A box along meridians is a little turned on the grid: it holds all of the wanted pixels and few others.
    assert placed.row <= wanted.row and placed.column <= wanted.column
    assert placed.bottom >= wanted.bottom and placed.right >= wanted.right
    assert placed.height * placed.width < 1.2 * wanted.height * wanted.width


@pytest.mark.parametrize("row", [4000, 4047, 4048, 4049, 4080])
@pytest.mark.parametrize(("side", "around"), [(60, 482), (500, 262), (1000, 256)])
def test_what_is_read_holds_10_km_and_more_on_each_side_and_is_found_again_in_a_part(row, side, around) -> None:
    tile = replace(SCENE, width=10_980, height=10_980)
    area = box_area(box_of(Box(row, 4000, side, side)))
    crop, part = area.crop(tile)
    for before, after in (
        (part.box.row, crop.height - part.box.bottom),
        (part.box.column, crop.width - part.box.right),
    ):
        # To the nearest whole cell; a box along meridians is a little turned on the grid.
        assert around - 48 - side // 20 <= min(before, after) and max(before, after) <= around + 48
    # What is kept of a tile is a grid of its own, of which just as much is looked at.
    corner = tile.transform @ Affine.translation(crop.column, crop.row)
    kept = replace(tile, width=crop.width, height=crop.height, transform=corner)
    again, found = area.crop(kept)
    assert (again, found.box, found.outline) == (Box(0, 0, crop.height, crop.width), part.box, part.outline)


@pytest.mark.parametrize("at", ["row", "column"])
@pytest.mark.parametrize("start", [0, 30, 10_700, 10_919])
def test_at_an_edge_10_km_are_read_all_the_same_and_found_again_in_a_part(at, start) -> None:
    tile = replace(SCENE, width=10_980, height=10_980)
    place = {"row": 4000, "column": 4000} | {at: start}
    area = box_area(box_of(Box(**place, height=60, width=60)))
    crop, part = area.crop(tile)
    assert min(crop.height, crop.width) >= 1024 - ALIGNMENT
    corner = tile.transform @ Affine.translation(crop.column, crop.row)
    again, found = area.crop(replace(tile, width=crop.width, height=crop.height, transform=corner))
    assert (again, found.box) == (Box(0, 0, crop.height, crop.width), part.box)


def test_at_the_scene_s_edge_there_is_what_there_is() -> None:
    west, south, east, north = transform_bounds(SCENE.crs, "EPSG:4326", 599000, 5399000, 600500, 5401000)
    area = box_area(f"{west},{south},{east},{north}")
    crop, part = area.crop(SCENE)
    assert (crop.row, crop.column, part.box.row, part.box.column) == (0, 0, 0, 0)
    assert area.reaches_beyond(SCENE)


def test_pixels_that_a_polygon_touches_are_inside() -> None:
    t = SCENE.transform
    corners = [t @ place for place in ((1000, 1000), (1040, 1000), (1000, 1040))]
    ring = [[*place] for place in zip(*transform(SCENE.crs, "EPSG:4326", *zip(*corners, strict=True)), strict=True)]
    _, part = geometry_area({"type": "Polygon", "coordinates": [[*ring, ring[0]]]}, "field").crop(SCENE)
    corner = t @ Affine.translation(1000, 1000)
    hit = inside(part, Box(0, 0, 40, 40), corner)
    assert hit is not None
    assert hit[0, 0] and not hit[39, 39]
    assert abs(int(hit.sum()) - 820) <= 80
    # A window says the same of its pixels.
    assert (inside(part, Box(8, 4, 16, 16), corner) == hit[8:24, 4:20]).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3", "four numbers"),
        ("a,b,c,d", "four numbers"),
        ("nan,1,2,3", "no number"),
        ("179,10,-179,12", "crosses 180 degrees"),
        ("10,49,11,48", "south is not below north"),
        ("10,48,10,49", "no width"),
        ("600000,5390000,601000,5391000", "latitude beyond 90"),
        ("179,10,181,12", "crosses 180 degrees"),
        ("10,100,11,170", "swapped"),
    ],
)
def test_invalid_boxes_are_refused(text, message) -> None:
    with pytest.raises(InputError, match=message):
        box_area(text)


def test_an_area_elsewhere_is_refused_with_the_bounds_and_a_hint_at_swapped_axes() -> None:
    west, south, east, north = box_area(box_of(Box(1000, 1000, 100, 100))).bounds
    with pytest.raises(InputError, match="give an area in it"):
        box_area(f"{west + 5},{south},{east + 5},{north}").crop(SCENE)
    with pytest.raises(InputError, match="swapped"):
        box_area(f"{south},{west},{north},{east}").crop(SCENE)
    with pytest.raises(InputError, match=r"outside of it: it covers \d+\.\d+,"):
        box_area("-120,-40,-119,-39").crop(SCENE)


def polygon(*corners, **more):
    return {"type": "Polygon", "coordinates": [[list(corner) for corner in corners]], **more}


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (polygon((0, 0), (1, 1), (1, 0), (0, 1), (0, 0)), "crosses itself"),
        (polygon((0, 0), (1, 0), (1, 1)), "fewer than four"),
        (polygon((0, 0), (1, 0), (1, 1), (0, 1)), "not closed"),
        (polygon((179, 0), (-179, 0), (-179, 1), (179, 0)), "crosses 180"),
        (polygon((48, 100), (49, 100), (49, 101), (48, 100)), "swapped"),
        (polygon((0, 0), (1, 0), (1, 1), (0, 0), crs={"properties": {"name": "ESRI:0"}}), "ogr2ogr"),
        ({"type": "Point", "coordinates": [1, 2]}, "holds a Point"),
        ({"type": "FeatureCollection", "features": []}, "no polygon"),
        ({"type": "Polygon"}, "not GeoJSON"),
        ({"type": "Polygon", "coordinates": []}, "no polygon"),
        ({"type": "Feature", "geometry": None, "properties": {}}, "no polygon"),
        ([1], "not GeoJSON"),
    ],
)
def test_invalid_polygons_are_refused(found, message) -> None:
    with pytest.raises(InputError, match=message):
        geometry_area(found, "area.json")


def test_a_point_is_geojson_but_no_area():
    with pytest.raises(InputError, match=r"^area\.json: holds a Point and no polygon; give a Polygon"):
        geometry_area({"type": "Point", "coordinates": [1, 2]}, "area.json")


def test_a_file_of_features_is_the_area_of_all(tmp_path: Path) -> None:
    path = tmp_path / "fields.geojson"
    square = polygon((1, 2), (2, 2), (2, 3), (1, 3), (1, 2))
    other = {"type": "MultiPolygon", "coordinates": [[[[4, 5, 7], [5, 5, 7], [4, 6, 7], [4, 5, 7]]]]}
    features = [{"type": "Feature", "geometry": one} for one in (None, square, other)]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    assert file_area(path).bounds == (1, 2, 5, 6)
    path.write_text("{")
    with pytest.raises(FileError, match="not JSON"):
        file_area(path)
    with pytest.raises(FileError, match="cannot be read"):
        file_area(tmp_path / "none.geojson")


def test_a_long_outline_that_does_not_cross_itself_is_taken() -> None:
    angle = np.linspace(0, 2 * np.pi, 5001)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1) * (1 + 0.1 * np.sin(40 * angle))[:, None]
    ring[-1] = ring[0]
    assert geometry_area(polygon(*ring.tolist()), "coast").bounds[0] == pytest.approx(-1.1, abs=0.01)
