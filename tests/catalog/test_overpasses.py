"""Items of a catalogue by overpass: which tiles are taken, and what is said of those that are not."""

import numpy as np
import pytest

from unclouded.catalog.estimate import estimate
from unclouded.catalog.overpasses import less_cloudy, overpasses
from unclouded.catalog.period import Period, day_of, period_of
from unclouded.catalog.search import nearest_days
from unclouded.errors import InputError
from unclouded.reading.grids.area import box_area
from unclouded.reading.grids.geojson import geometry_area

AREA = box_area("10.0,48.0,10.2,48.1")


def tile(name, west, east, time="2024-05-03T10:10:31Z", **properties):
    ring = [[west, 47.5], [east, 47.5], [east, 48.5], [west, 48.5], [west, 47.5]]
    given = {"datetime": time, "platform": "sentinel-2a", "proj:code": "EPSG:32632", "eo:cloud_cover": 10.0}
    geometry = {"type": "Polygon", "coordinates": [ring]}
    assets = {band: {"href": f"https://example.org/{name}/{band}.tif"} for band in ("B02", "B11")}
    properties = given | {"s2:processing_baseline": "05.10"} | properties
    return {"id": name, "geometry": geometry, "properties": properties, "assets": assets, "links": []}


def taken(*items):
    return [[tile.name for tile in one.tiles] for one in overpasses(items, AREA)]


def test_tiles_of_one_overpass_are_one_date_and_the_one_that_holds_all_is_enough():
    later = "2024-05-03T10:10:46Z"
    assert taken(tile("half", 9, 10.1), tile("all", 9.9, 11, later)) == [["all"]]
    assert taken(tile("west", 9, 10.1), tile("east", 10.08, 11, later)) == [["east", "west"]]
    assert taken(tile("a", 9, 11), tile("b", 9, 11, "2024-05-03T10:30:00Z")) == [["a"], ["b"]]
    assert taken(tile("a", 9, 11), tile("b", 9, 11, later, platform="sentinel-2b")) == [["a"], ["b"]]


def test_of_the_same_tile_twice_the_newest_is_taken():
    old = tile("old", 9, 11, **{"s2:processing_baseline": "02.14"})
    assert taken(old, tile("new", 9, 11)) == taken(tile("new", 9, 11), old) == [["new"]]
    first = tile("first", 9, 11, created="2024-05-04T00:00:00Z")
    assert taken(first, tile("again", 9, 11, created="2024-05-05T00:00:00Z")) == [["again"]]


def test_dates_lie_in_one_reference_system_where_there_is_a_choice():
    other = {"proj:code": "EPSG:32633"}
    days = ["2024-05-03T10:10:31Z", "2024-05-08T10:10:31Z", "2024-05-13T10:10:31Z"]
    both = [
        item for n, day in enumerate(days) for item in (tile(f"x{n}", 9, 11, day, **other), tile(f"y{n}", 9, 11, day))
    ]
    assert {name[0] for (name,) in taken(*both, tile("y9", 9, 11, "2024-05-18T10:10:31Z"))} == {"y"}


def test_a_tile_in_another_reference_system_is_left_out_and_reported():
    found = overpasses([tile("west", 9, 10.15), tile("east", 10.1, 11, **{"proj:code": "EPSG:32633"})], AREA)
    assert [one.name for one in found[0].tiles] == ["west"] and found[0].coverage == pytest.approx(0.75, abs=0.02)
    assert found[0].notes == ("east would add 25% of the area, but is in EPSG:32633, not in EPSG:32632: left out",)


def test_an_overpass_without_data_in_the_area_is_no_date():
    assert taken(tile("all", 9, 11), tile("edge", 9, 10.001, "2024-05-08T10:10:31Z")) == [["all"]]
    with pytest.raises(InputError, match="hold next to nothing of it"):
        overpasses([tile("aside", 8, 9)], AREA)
    triangle = {"type": "Polygon", "coordinates": [[[10, 48], [10.2, 48], [10, 48.1], [10, 48]]]}
    found = overpasses([tile("west", 9, 10.1)], geometry_area(triangle, "triangle"))
    assert found[0].coverage == pytest.approx(0.75, abs=0.03)


def test_cloud_is_that_of_the_tiles_and_what_is_not_known_is_kept():
    cloudy = tile("a", 9, 11, **{"eo:cloud_cover": 90.0})
    unknown = tile("b", 9, 11, "2024-05-08T10:10:31Z", **{"eo:cloud_cover": None})
    assert [one.name for one in less_cloudy(overpasses([cloudy, unknown], AREA), 80)] == ["b"]
    halves = [tile("w", 9, 10.1), tile("e", 10.1, 11, **{"eo:cloud_cover": 50.0})]
    assert overpasses(halves, AREA)[0].cloud == pytest.approx(30.0)


def test_the_estimate_grows_with_the_area_and_uses_declared_sizes():
    (one,) = overpasses([tile("a", 9, 11)], AREA)
    both, blue = estimate(one, AREA, None), estimate(one, AREA, ("B02",))
    assert blue.read < both.read < blue.read * 1.5 and blue.whole == round(1.6 * 10_980**2)
    tile_item = tile("a", 9, 11)
    tile_item["assets"]["B02"]["file:size"] = 10**8
    assert estimate(overpasses([tile_item], AREA)[0], AREA, ("B02",)).whole == 10**8
    assert estimate(one, box_area("10.0,48.0,10.1,48.05"), ("B02",)).read < blue.read


def test_periods():
    assert str(period_of("2024-05-01/2024-07-31")) == "2024-05-01/2024-07-31"
    assert period_of("2024-05-01") == Period(day_of("2024-05-01"), day_of("2024-05-01"))
    assert period_of("0001-01-05").wider(30).first == day_of("0001-01-01")
    assert period_of("2024-05-01").wider(10**11) == Period(day_of("0001-01-01"), day_of("9999-12-31"))
    period = period_of("2024-05-10/2024-05-20")
    days = [day_of(f"2024-05-{day:02d}") for day in (1, 8, 9, 22, 28)]
    assert nearest_days(days, period) == [days[1], days[2], days[3]]


def test_cells_that_no_tile_holds_are_none():
    (one,) = overpasses([tile("west", 9, 10.1)], AREA)
    holds = one.tiles[0].covers
    assert holds[:, :60].all() and not holds[:, 68:].any() and np.isclose(one.coverage, holds.mean())
