"""GeoJSON as programs write it, and other files that people bring for it."""

import json
from pathlib import Path

import numpy as np
import pytest
from rasterio.warp import transform_geom

from unclouded.errors import FileError, InputError
from unclouded.reading.grids.geojson import area_of, file_area, geometry_area

SQUARE = {"type": "Polygon", "coordinates": [[[1, 2], [2, 2], [2, 3], [1, 3], [1, 2]]]}
MADE = "is accepted: run ogr2ogr -t_srs EPSG:4326"


@pytest.mark.parametrize("code", ["EPSG:25831", "EPSG:3857", "EPSG:4258", "EPSG:31370"])
def test_polygons_in_another_system_that_the_file_names_are_brought_to_degrees(code: str) -> None:
    fields = {"type": "Polygon", "coordinates": [[[5.2, 51.2], [5.3, 51.2], [5.3, 51.25], [5.2, 51.25], [5.2, 51.2]]]}
    authority, number = code.split(":")
    crs = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:{authority}::{number}"}}
    area = geometry_area({**transform_geom("EPSG:4326", code, fields), "crs": crs}, "fields.geojson")
    assert area.bounds == pytest.approx((5.2, 51.2, 5.3, 51.25), abs=1e-3)
    assert not area.is_box


def test_long_edges_in_another_system_stay_straight_there() -> None:
    ring = [[400000, 5700000], [700000, 5700000], [700000, 5800000], [400000, 5800000], [400000, 5700000]]
    crs = {"type": "name", "properties": {"name": "EPSG:32631"}}
    area = geometry_area({"type": "Polygon", "coordinates": [ring], "crs": crs}, "land.geojson")
    back = transform_geom("EPSG:4326", "EPSG:32631", {"type": "MultiPolygon", "coordinates": area.polygons})
    south = [y for x, y in back["coordinates"][0][0] if 400100 < x < 699900 and y < 5750000]
    assert len(south) > 100 and south == pytest.approx([5700000] * len(south), abs=1)


@pytest.mark.parametrize(
    "system", [{"type": "link", "properties": {"href": "x"}}, "EPSG:25831", {"properties": {"name": "mine"}}]
)
def test_an_unknown_reference_system_is_refused(system) -> None:
    with pytest.raises(InputError, match=r"^a\.json: its reference system .* is not known; run ogr2ogr"):
        geometry_area({**SQUARE, "crs": system}, "a.json")


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"rings": [[[1, 2]]], "spatialReference": {"wkid": 4326}}, "is JSON of Esri; give a Polygon"),
        ({"type": "Topology", "objects": {}}, "is TopoJSON; give a Polygon"),
        ({"some": "thing"}, "is no GeoJSON; give a Polygon"),
        (
            {"type": "GeometryCollection", "geometries": [SQUARE, {"type": "Point", "coordinates": [1, 2]}]},
            "holds a Point beside its polygons; these alone are accepted: take it out",
        ),
    ],
)
def test_what_is_no_area_is_called_by_its_name(found, message) -> None:
    with pytest.raises(InputError, match=f"^a.json: {message}"):
        geometry_area(found, "a.json")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("field.gpkg", b"SQLite format 3\0", f"is a GeoPackage; GeoJSON {MADE}"),
        ("field.kml", b"<?xml version='1.0'?>", f"is KML; GeoJSON {MADE}"),
        ("field.shp", b"\0\0", f"is a shapefile; GeoJSON {MADE}"),
        ("field.geojsonl", json.dumps(SQUARE).encode() + b"\n{}", f"is GeoJSON of a feature a line; one object {MADE}"),
        ("field.zip", b"PK", "is a zip; GeoJSON is accepted: unpack it"),
        ("field.txt", b"POLYGON((", "is not JSON; give a GeoJSON file, which ogr2ogr and QGIS make of others"),
        ("field.geojson", b" ", "is empty"),
    ],
)
def test_for_other_files_the_error_explains_the_conversion_to_geojson(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / "my fields" / name
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(FileError) as caught:
        file_area(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    # The command can be pasted, wherever the file lies.
    if MADE in message:
        assert f"'{path.with_suffix('.geojson')}' '{path}'" in str(caught.value)


@pytest.mark.parametrize("given", [7, None, [5, 51, 5.1], "5.2, 51.2, 5.3", "a,b,c,d"])
def test_what_python_gives_that_is_no_area_is_not_called_an_option(given) -> None:
    with pytest.raises((InputError, FileError)) as caught:
        area_of(given)
    assert "--bbox" not in str(caught.value)
    assert "four numbers" in str(caught.value) or given == "a,b,c,d"


def test_an_area_of_python_is_numbers_a_text_or_geojson() -> None:
    for given in ((1, 2, 3, 4), "1,2,3,4", "1.0, 2.0, 3.0, 4.0"):
        assert area_of(given).bounds == (1, 2, 3, 4)
    assert area_of({"type": "Feature", "geometry": SQUARE}).bounds == (1, 2, 2, 3)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:25831", None])
def test_a_table_of_geopandas_is_in_its_own_reference_system(crs) -> None:
    class Table:
        def __init__(self) -> None:
            self.crs, there = crs, transform_geom(4326, crs or 4326, SQUARE)
            self.__geo_interface__ = {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": there}]}

    np.testing.assert_allclose(area_of(Table()).bounds, area_of(SQUARE).bounds, atol=1e-3)
