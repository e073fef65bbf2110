"""The STAC item beside a cleared scene: valid by the specification's own schema, and true of the files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import datetime

import pystac
import pytest
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.transform import from_origin
from rasterio.warp import transform_bounds
from scenes import MemoryScene, active_generator, clear_scene, ground
from stac_schemas import validate

from unclouded.bands import L2A
from unclouded.reflectance import Encoding
from unclouded.writing.stac_item import Shares, describe

DAY = "2023-06-13"
NAME = "S2A_MSIL2A_20180503T100031_N0207_R122_T32TQM_20180503T120000"


@pytest.fixture(scope="module")
def generator():
    return active_generator()


def clear(scene, generator, folder):
    folder.mkdir(exist_ok=True)
    clear_scene(scene, generator, folder / "out.tif", samples=2, seed=7, threshold=0.2)
    return json.loads((folder / "out.json").read_text())


def test_it_is_valid_and_describes_the_files(generator, tmp_path):
    source = tmp_path / "in" / f"{NAME}.tif"
    scene = MemoryScene(ground(12, 60, 90), L2A, "L2A", source=str(source))
    record = clear(scene, generator, tmp_path)
    validate(record)
    item = pystac.Item.from_dict(record)
    assert item.id == "out"
    assert item.datetime == datetime.fromisoformat("2018-05-03T10:00:31Z")
    with rasterio.open(tmp_path / "out.tif") as file:
        assert record["bbox"] == pytest.approx(transform_bounds(file.crs, "EPSG:4326", *file.bounds), abs=1e-6)
        assert item.properties["proj:shape"] == [file.height, file.width]
        assert Affine(*item.properties["proj:transform"]) == file.transform
        assert item.properties["proj:code"] == f"EPSG:{file.crs.to_epsg()}"
        assert [band["name"] for band in record["assets"]["cleared"]["bands"]] == list(file.descriptions)
    assert (item.properties["unclouded:samples"], item.properties["unclouded:seed"]) == (2, 7)
    assert len(item.properties["unclouded:weights"]) == 64
    # Which of the satellites it was, nobody told.
    assert item.properties["constellation"] == "sentinel-2" and "platform" not in item.properties
    for name, path in (("cleared", "out.tif"), ("quality", "out_quality.tif")):
        asset = record["assets"][name]
        content = (tmp_path / path).read_bytes()
        assert asset["href"] == f"./{path}"
        assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()
        assert asset["file:size"] == len(content)
    blue = record["assets"]["cleared"]["bands"][1]
    assert (blue["eo:common_name"], blue["raster:scale"], blue["data_type"]) == ("blue", 1e-4, "uint16")
    (link,) = [link for link in record["links"] if link["rel"] == "derived_from"]
    assert (tmp_path / link["href"]).resolve() == source


def test_a_date_that_is_not_known_is_not_invented(generator, tmp_path):
    record = clear(MemoryScene(ground(12, 40, 40), L2A, "L2A"), generator, tmp_path)
    assert not [key for key in record["properties"] if key.endswith("datetime") and key != "processing:datetime"]
    # The standard asks for a date: so it is no item, but a GeoJSON feature that says all the rest.
    assert record["type"] == "Feature" and "stac_version" not in record
    assert record["assets"]["cleared"]["href"] == "./out.tif"


def test_it_names_the_extensions_of_its_own_fields_alone(generator, tmp_path):
    scene = MemoryScene(ground(12, 40, 40), L2A, "L2A", stem=DAY)
    record = describe(scene.info, tmp_path / "out.tif", {}, {}, Shares(0.0, 0.0), [])
    validate(record)
    # The schema of raster refuses an item without any of its fields, as a mask's is; of eo there is the cloud cover.
    assert {schema.split("/")[3] for schema in record["stac_extensions"]} == {"projection", "processing", "eo"}
    named = {schema.split("/")[3] for schema in clear(scene, generator, tmp_path / "cleared")["stac_extensions"]}
    assert named == {"projection", "eo", "raster", "processing", "file"}


def test_the_date_of_the_files_own_tag(generator, tmp_path):
    scene = MemoryScene(ground(12, 40, 40), L2A, "L2A", tags={"TIFFTAG_DATETIME": "2021:07:01 10:20:30"})
    assert clear(scene, generator, tmp_path)["properties"]["datetime"] == "2021-07-01T10:20:30Z"


def test_an_address_stays_an_address(generator, tmp_path):
    scene = MemoryScene(ground(12, 40, 40), L2A, "L2A")
    scene.info = replace(scene.info, source="https://example.org/items/a.json")
    assert clear(scene, generator, tmp_path)["links"][0]["href"] == "https://example.org/items/a.json"


@pytest.mark.parametrize(
    ("crs", "corner"),
    [
        (CRS.from_wkt('LOCAL_CS["building site",UNIT["metre",1]]'), 600_000),
        (CRS.from_epsg(32632), 1e30),
    ],
    ids=["a local system", "beyond the projection"],
)
def test_a_scene_that_lies_nowhere_on_the_earth_has_no_outline(generator, tmp_path, crs, corner):
    scene = MemoryScene(ground(12, 40, 40), L2A, "L2A", stem=DAY)
    scene.info = replace(scene.info, crs=crs, transform=from_origin(corner, corner, 10, 10))
    record = clear(scene, generator, tmp_path)
    validate(record)
    assert record["geometry"] is None and "bbox" not in record
    assert record["properties"]["proj:transform"][2] == corner


@pytest.mark.parametrize(
    ("crs", "transform", "crosses"),
    [
        ("EPSG:32660", from_origin(616500, 7701000, 10, 10), True),
        ("EPSG:32601", from_origin(380900, 7701000, 10, 10), True),
        ("EPSG:4326", from_origin(179.995, -17, 0.0001, 0.0001), True),
        ("EPSG:4326", from_origin(-180.002, -17, 0.0001, 0.0001), True),
        ("EPSG:4326", from_origin(179.98, -17, 0.0001, 0.0001), False),
    ],
)
def test_across_180_degrees_the_outline_is_cut(generator, tmp_path, crs, transform, crosses):
    side = 256
    scene = MemoryScene(ground(4, side, side), L2A[:4], "L2A", crs=CRS.from_string(crs), transform=transform, stem=DAY)
    scene.dn = scene.dn[:, :60, :90] if not crosses else scene.dn
    scene.info = replace(scene.info, height=scene.dn.shape[1], width=scene.dn.shape[2])
    record = clear(scene, generator, tmp_path)
    validate(record)
    west, _, east, _ = record["bbox"]
    geometry = record["geometry"]
    assert geometry["type"] == ("MultiPolygon" if crosses else "Polygon")
    assert (west > east) == crosses
    rings = [part[0] for part in geometry["coordinates"]] if crosses else geometry["coordinates"]
    for ring in rings:
        longitudes = [x for x, _ in ring]
        assert ring[0] == ring[-1] and -180 <= min(longitudes) < max(longitudes) <= 180
        assert max(longitudes) - min(longitudes) < 1
    assert len(rings) == (2 if crosses else 1)


@pytest.mark.parametrize(("nodata", "message"), [(float("-inf"), "-inf"), (float("nan"), "nan"), (-9999.0, -9999.0)])
def test_it_is_strict_json(generator, tmp_path, nodata, message):
    encoding = Encoding(1.0, (0.0,) * 4, nodata)
    dn = (ground(4, 60, 90) / 1e4).astype("float32")
    dn[:, :9, :9] = nodata
    clear(MemoryScene(dn, L2A[:4], "L2A", encoding), generator, tmp_path)

    def refuse(constant):
        raise AssertionError(constant)

    record = json.loads((tmp_path / "out.json").read_text(), parse_constant=refuse)
    assert record["assets"]["cleared"]["bands"][0]["nodata"] == message


def test_a_day_in_the_name_is_the_time_and_no_more(generator, tmp_path):
    record = clear(MemoryScene(ground(4, 60, 90), L2A[:4], "L2A", stem="T33UUP_20230613_x"), generator, tmp_path)
    validate(record)
    assert record["properties"]["datetime"] is None
    assert record["properties"]["start_datetime"] == "2023-06-13T00:00:00Z"
    assert record["properties"]["end_datetime"] == "2023-06-13T23:59:59Z"
