"""`unclouded.clear_area`: what `unclouded series --catalog` writes, as a dataset."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from catalogue import bbox_of
from command_line import run
from rasterio.crs import CRS
from scenes import active_generator

import unclouded
from unclouded.models.weights import save_generator
from unclouded.models.weights_header import Header

BANDS = ("B02", "B03", "B04", "B08", "B11", "B12")
BOX = bbox_of(300, 280, 60, 70)
GIVEN = {"bands": BANDS, "precision": "fp32"}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "active.safetensors"
    save_generator(active_generator(), Header("active", detector="none", threshold=0.2), path)
    return path


def test_it_is_the_series_of_the_command_in_memory(catalogue, weights, tmp_path):
    kept = tmp_path / "kept"
    cleared = unclouded.clear_area(
        BOX, "2024-05-01/2024-05-20", catalog=catalogue.address, model=weights, cache=kept, **GIVEN
    )
    assert cleared.reflectance.dims == ("time", "band", "y", "x") and list(cleared.band.values) == list(BANDS)
    assert list(cleared.item.values) == [item["id"] for item in catalogue.items[:2]]
    assert [str(time)[:10] for time in cleared.time.values] == ["2024-05-03", "2024-05-13"]
    assert CRS.from_wkt(cleared.spatial_ref.attrs["crs_wkt"]) == "EPSG:32632"
    catalogue.requests.clear()
    words = ["--catalog", catalogue.address, "--dates", "2024-05-01/2024-05-20", "--bbox", BOX, "--cache", kept]
    further = ["--bands", ",".join(BANDS), "--model", weights, "--precision", "fp32", "--output", tmp_path / "out"]
    result = run("series", *words, *further)
    assert result.exit_code == 0, result.stderr
    assert catalogue.of_files() == []  # the same windows
    for number, item in enumerate(cleared.item.values):
        with (
            rasterio.open(tmp_path / "out" / f"{item}.tif") as file,
            file,
            rasterio.open(tmp_path / "out" / f"{item}_quality.tif") as quality,
        ):
            dn, (opacity, uncertainty, source) = file.read(), quality.read()
            assert (cleared.x.values[0], cleared.y.values[0]) == file.xy(0, 0)
        np.testing.assert_allclose(cleared.reflectance[number] * 1e4 + 1000, dn, atol=0.51)
        np.testing.assert_array_equal(cleared.opacity[number], opacity)
        np.testing.assert_array_equal(cleared.uncertainty[number], uncertainty)
        np.testing.assert_array_equal(cleared.source[number], source)
        assert (source >= 1).mean() > 0.02


def test_an_area_may_be_a_polygon_around_which_is_no_data(catalogue, weights, tmp_path):
    west, south, east, north = map(float, BOX.split(","))
    corners = [[west, south], [east, south], [west, north], [west, south]]
    outline = {"type": "Polygon", "coordinates": [corners]}
    (tmp_path / "field.geojson").write_text(json.dumps(outline))

    class Shape:
        __geo_interface__ = outline

    asked = {"catalog": catalogue.address, "model": weights, "cache": tmp_path / "kept", **GIVEN}
    first = unclouded.clear_area(outline, "2024-05-01/2024-05-20", **asked)
    assert 0.4 < np.isnan(first.opacity).mean() < 0.6
    for area in (tmp_path / "field.geojson", str(tmp_path / "field.geojson"), Shape()):
        assert first.identical(unclouded.clear_area(area, "2024-05-01/2024-05-20", **asked))


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pystac_client", None)
    monkeypatch.setitem(__import__("sys").modules, "planetary_computer", None)
    for catalog, extra in (("earth-search", "catalog"), ("planetary-computer", "planetary-computer")):
        with pytest.raises(ModuleNotFoundError, match=rf"pip install 'unclouded\[{extra}\]'") as caught:
            unclouded.clear_area(BOX, "2024-05-01/2024-05-20", catalog=catalog)
        assert isinstance(caught.value, unclouded.UncloudedError)


def test_what_cannot_be_had_is_an_error_or_a_warning(catalogue, weights, tmp_path):
    asked = {"catalog": catalogue.address, "model": weights, **GIVEN}
    with pytest.raises(unclouded.InputError, match="the nearest dates are 2024-06-12"):
        unclouded.clear_area(BOX, "2024-07-01/2024-07-31", **asked)
    with pytest.raises(unclouded.InputError, match="1 dates can be read; a series needs at least two"):
        unclouded.clear_area(BOX, "2024-05-01/2024-05-05", **asked)
    for area in (5, (5, 51, 5.1), {"type": "Point", "coordinates": [5, 51]}, (51, 120, 51.1, 120.1)):
        with pytest.raises(unclouded.InputError):
            unclouded.clear_area(area, "2024-05-01/2024-05-20", **asked)
    gone = catalogue.folder / catalogue.items[3]["id"] / "B03.tif"
    gone.rename(gone.with_suffix(".gone"))
    try:
        with pytest.warns(UserWarning, match=r"B03.tif: is not there .*S2A_32UPU_20240612_0_L2A is left out"):
            cleared = unclouded.clear_area(BOX, "2024-05-10/2024-06-30", **asked)
    finally:
        gone.with_suffix(".gone").rename(gone)
    assert cleared.sizes["time"] == 2
