"""Polygons as GeoJSON has them, in a file or in memory: what of it is an area, and what else a file may be."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform_geom

from unclouded.errors import FileError, InputError
from unclouded.reading.files.raster import FAULTS
from unclouded.reading.grids.area import CHORD, LONLAT, Area, between, box_area, frozen
from unclouded.reading.grids.rings import check_ring
from unclouded.reading.info import Polygons

_LARGEST_FILE = 64 * 2**20
_VECTORS = {
    ".gpkg": "a GeoPackage",
    ".kml": "KML",
    ".shp": "a shapefile",
    ".gml": "GML",
    ".gpx": "GPX",
    ".fgb": "FlatGeobuf",
    ".parquet": "GeoParquet",
    ".geojsonl": "GeoJSON of a feature a line",
    ".geojsons": "GeoJSON of a feature a line",
    ".ndjson": "GeoJSON of a feature a line",
}
"""Endings of other files that polygons come in."""

_ZIPS = (".zip", ".kmz")
_LONLAT_NAMES = ("CRS84", "EPSG::4326", "EPSG:4326")
_NO_AREAS = ("Point", "MultiPoint", "LineString", "MultiLineString")
"""Geometries that are no areas."""

_NUMBERS = re.compile(r"[-+.\d\s]*(,[-+.\d\s]*)+")
"""A text that is meant for a box."""

_METRES = 2000.0
"""Between the corners that straight edges get in a projected system, for they are bent in longitude and latitude."""


def file_area(path: Path) -> Area:
    """The area of `--geometry`: all polygons of a GeoJSON file.

    They are in longitude and latitude unless the file names another reference system in its member `crs`.

    Raises:
        FileError: the file cannot be read.
        InputError: it holds no polygon, one that crosses itself or 180 degrees, or other coordinates.
    """
    try:
        with path.open("rb") as stream:
            text = stream.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror or error}); give a GeoJSON file") from error
    if len(text) > _LARGEST_FILE:
        raise FileError(f"{path}: is larger than {_LARGEST_FILE // 2**20} MB; give a simpler outline")
    if not text.strip():
        raise FileError(f"{path}: is empty; give a GeoJSON file")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path}: {_other_file(path)}") from error
    return geometry_area(found, str(path))


def _other_file(path: Path) -> str:
    """What a file is that is not JSON, and how to make GeoJSON of it."""
    ending = path.suffix.lower()
    if ending in _ZIPS:
        return "is a zip; GeoJSON is accepted: unpack it, and make GeoJSON of what is in it, with ogr2ogr or QGIS"
    if kind := _VECTORS.get(ending):
        made = shlex.quote(str(path.with_suffix(".geojson")))
        advice = f"run ogr2ogr -t_srs EPSG:4326 {made} {shlex.quote(str(path))}, or save it so from QGIS, and give that"
        wanted = "one object" if kind.startswith("GeoJSON") else "GeoJSON"
        return f"is {kind}; {wanted} is accepted: {advice}"
    return "is not JSON; give a GeoJSON file, which ogr2ogr and QGIS make of others"


def geometry_area(found: Any, name: str, system: CRS | None = None) -> Area:  # noqa: ANN401 (whatever JSON holds)
    """The area of a GeoJSON object, which errors call `name`; errors as of `file_area`.

    Its coordinates are in the `system`, unless given in that which it names, else in degrees.
    """
    if not isinstance(found, dict):
        raise InputError(f"{name}: is not GeoJSON; give a Polygon, a Feature or a FeatureCollection")
    system = system or _system(found, name)
    others: list[str] = []
    try:
        polygons = frozen(list(_polygons(found, name, others)))
    except InputError:
        raise
    except (TypeError, ValueError, KeyError, RecursionError) as error:
        raise InputError(f"{name}: is not GeoJSON ({error}); give a Polygon, Feature or FeatureCollection") from error
    if not polygons:
        held = f"a {others[0]} and no polygon" if others else "no polygon"
        raise InputError(f"{name}: holds {held}; give a Polygon or MultiPolygon{', around it' if others else ''}")
    if others:
        raise InputError(f"{name}: holds a {others[0]} beside its polygons; these alone are accepted: take it out")
    if system is not None:
        polygons = _in_degrees(polygons, system, name)
    for polygon in polygons:
        for ring in polygon:
            check_ring(name, np.array(ring, np.float64))
    return Area(name, polygons, is_box=False)


def area_of(area: Any) -> Area:  # noqa: ANN401 (any argument of a user)
    """The area of an argument in Python; errors as of `box_area` and `file_area`.

    Args:
        area: four numbers or a text W,S,E,N; the path of a GeoJSON file; or GeoJSON as a mapping, or an object with
            `__geo_interface__`, such as the geometries of shapely or a table of geopandas, in its own `crs`.
    """
    if isinstance(area, str | os.PathLike):
        text = os.fspath(area)
        numbers = _NUMBERS.fullmatch(text) and not Path(text).exists()
        return box_area(text, "area") if numbers else file_area(Path(text))
    found = getattr(area, "__geo_interface__", area)
    if isinstance(found, dict):
        return geometry_area(found, "area", _system_beside(area))
    return box_area(",".join(map(str, area)) if isinstance(area, Iterable) else str(area), "area")


def _system_beside(area: Any) -> CRS | None:  # noqa: ANN401 (any argument of a user)
    """The reference system of a table of geopandas, whose `__geo_interface__` leaves it out."""
    crs = None if isinstance(area, dict) else getattr(area, "crs", None)
    try:
        return None if crs is None else CRS.from_user_input(crs)
    except CRSError as error:
        raise InputError(f"area: its crs ({str(crs)[:80]}) is not known; give it .to_crs(4326)") from error


def _system(found: dict[str, Any], name: str) -> CRS | None:
    """The reference system that the member `crs` names, as GeoJSON had it before RFC 7946; None of degrees."""
    member = found.get("crs")
    if member is None:
        return None
    try:
        system = str(member["properties"]["name"])
        return None if system.endswith(_LONLAT_NAMES) else CRS.from_user_input(system)
    except (TypeError, KeyError, CRSError) as error:
        raise InputError(
            f"{name}: its reference system ({str(member)[:80]}) is not known; run ogr2ogr -t_srs EPSG:4326 first, or "
            "save it from QGIS in EPSG:4326"
        ) from error


def _in_degrees(polygons: Polygons, system: CRS, name: str) -> Polygons:
    longest = _METRES if system.is_projected else CHORD
    dense = [[list(between(ring, longest)) for ring in polygon] for polygon in polygons]
    try:
        moved = transform_geom(system, LONLAT, {"type": "MultiPolygon", "coordinates": dense})
    except (CRSError, *FAULTS) as error:
        raise InputError(f"{name}: lies nowhere in {system.to_string()}, which it names; check both") from error
    return frozen(moved["coordinates"])


def _polygons(found: dict[str, Any] | None, name: str, others: list[str]) -> Iterator[list[Any]]:
    """Polygons of a GeoJSON object; the names of geometries that are none are added to `others`."""
    if found is None:
        return  # a feature that is nowhere
    kind = found.get("type")
    if kind == "FeatureCollection":
        for feature in found["features"]:
            yield from _polygons(feature, name, others)
    elif kind == "Feature":
        yield from _polygons(found["geometry"], name, others)
    elif kind == "GeometryCollection":
        for geometry in found["geometries"]:
            yield from _polygons(geometry, name, others)
    elif kind == "Polygon":
        yield from [found["coordinates"]] if found["coordinates"] else []
    elif kind == "MultiPolygon":
        yield from filter(None, found["coordinates"])
    elif kind in _NO_AREAS:
        others.append(str(kind))
    else:
        of_esri = bool({"rings", "geometryType"} & set(found))
        found_kind = "TopoJSON" if kind == "Topology" else "JSON of Esri" if of_esri else "no GeoJSON"
        raise InputError(
            f"{name}: is {found_kind}; give a Polygon, a Feature or a FeatureCollection in GeoJSON, as QGIS makes it"
        )
