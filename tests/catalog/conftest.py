"""Dates of a place in a catalogue of this machine."""

import pytest
from catalogue import listed, serving, write_dates

DAYS = ["2024-05-03", "2024-05-13", "2024-05-23", "2024-06-12"]


@pytest.fixture(scope="module", autouse=True)
def narrow():
    """Fewer surroundings than usual, so that small tiles hold them; no longer than a file's tests take."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("reading.grids.area", "catalog.cache"):
            patch.setattr(f"unclouded.{module}.SURROUNDINGS", 960.0)
            patch.setattr(f"unclouded.{module}.EXTENT", 0.0)
        yield


@pytest.fixture(scope="package")
def place(tmp_path_factory):
    """A server of four dates of one tile, and the API that lists them; it counts what is asked for."""
    with serving(tmp_path_factory.mktemp("files")) as front:
        items = write_dates(front, DAYS)
        with listed(front, items, tmp_path_factory.mktemp("api")):
            front.items = items
            yield front


@pytest.fixture
def catalogue(place):
    place.reset()
    yield place
    place.reset()
