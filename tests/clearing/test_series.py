"""Which dates help which, and the collection of what became of them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stac_schemas import validate

from unclouded.clearing.options import ReferenceLimits
from unclouded.clearing.series import nearest_dates, write_collection

DAYS = {name: datetime(2024, 6, day, tzinfo=UTC) for name, day in {"a": 1, "b": 5, "c": 6, "d": 20, "e": 28}.items()}


def test_the_nearest_dates_help_first_on_both_sides_or_earlier_ones_alone() -> None:
    assert nearest_dates("c", DAYS) == ("b", "a", "d", "e")
    assert nearest_dates("c", DAYS, ReferenceLimits(max_references=2)) == ("b", "a")
    assert nearest_dates("c", DAYS, ReferenceLimits(only_earlier=True)) == ("b", "a")
    assert nearest_dates("a", DAYS, ReferenceLimits(only_earlier=True)) == ()


def test_an_image_of_the_same_time_shows_the_same_clouds_and_does_not_help() -> None:
    dates = DAYS | {"c again": DAYS["c"]}
    assert nearest_dates("c", dates) == ("b", "a", "d", "e")
    assert nearest_dates("b", dates, ReferenceLimits(max_references=2)) == ("c", "c again")


def test_scenes_minutes_apart_or_of_one_day_without_times_are_one_overpass() -> None:
    at = datetime(2024, 6, 1, 10, 30, 21, tzinfo=UTC)
    dates = {"scene": at, "of its tile": at + timedelta(minutes=9), "day alone": at.replace(hour=0, minute=0, second=0)}
    dates |= {"next orbit": at + timedelta(minutes=50), "next day": at.replace(day=2, hour=0, minute=0, second=0)}
    assert nearest_dates("scene", dates) == ("next orbit", "next day")
    assert nearest_dates("day alone", dates) == ("next day",)


def test_of_two_dates_as_near_the_earlier_helps_first_whatever_they_are_called() -> None:
    for before, after in (("10", "9"), ("9", "10")):
        dates = {before: datetime(2024, 6, 1, tzinfo=UTC), "c": datetime(2024, 6, 6, tzinfo=UTC)}
        assert nearest_dates("c", dates | {after: datetime(2024, 6, 11, tzinfo=UTC)}) == (before, after)


def test_dates_that_nobody_knows_help_last_and_never_as_earlier_ones() -> None:
    dates = DAYS | {"x": None}
    assert nearest_dates("c", dates, ReferenceLimits(max_references=5)) == ("b", "a", "d", "e", "x")
    assert nearest_dates("c", dates, ReferenceLimits(only_earlier=True)) == ("b", "a")
    assert nearest_dates("x", dates, ReferenceLimits(max_references=2)) == ("a", "b")


def test_the_collection_spans_its_items_and_links_those_that_are_there(tmp_path: Path) -> None:
    for name, west, day in (("one", 11.0, "2024-06-01"), ("two", 12.0, "2024-06-20")):
        item = {
            "stac_version": "1.1.0",
            "bbox": [west, 46.0, west + 0.5, 47.0],
            "properties": {"datetime": f"{day}T10:00:00Z"},
        }
        (tmp_path / f"{name}.json").write_text(json.dumps(item))
    (tmp_path / "undated.json").write_text(json.dumps({"bbox": [11.0, 46.0, 11.5, 47.0], "properties": {}}))
    path = write_collection(tmp_path, [tmp_path / f"{name}.tif" for name in ("one", "two", "undated", "failed")])
    made = json.loads(path.read_text())
    validate(made)
    assert made["type"] == "Collection"
    assert made["extent"]["spatial"]["bbox"] == [[11.0, 46.0, 12.5, 47.0]]
    assert made["extent"]["temporal"]["interval"] == [["2024-06-01T10:00:00Z", "2024-06-20T10:00:00Z"]]
    assert [link["href"] for link in made["links"] if link["rel"] == "item"] == ["./one.json", "./two.json"]
    assert [link["href"] for link in made["links"] if link["rel"] == "related"] == ["./undated.json"]
