"""The page of a series: what it holds, how large it is, and what happens where it cannot be made."""

import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from typer.testing import CliRunner

from unclouded.cli import app
from unclouded.reading.reader import ReadOptions
from unclouded.reading.series import find_series
from unclouded.reading.series_points import read_points_of

BANDS = ("B02", "B03", "B04", "B08")
DAYS = ("2024-05-01", "2024-05-11", "2024-06-02")
SIDE = 96


def write(path: Path, pixels: np.ndarray, names, nodata, corner=(600000, 5400000), **tags) -> None:
    count, height, width = pixels.shape
    place = {"crs": "EPSG:32632", "transform": Affine(10, 0, corner[0], 0, -10, corner[1])}
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=height, width=width, dtype=pixels.dtype, nodata=nodata, **place
    ) as file:
        file.write(pixels)
        file.descriptions = names
        file.update_tags(**tags)


def write_date(folder: Path, number: int, day: str, corner=(600000, 5400000)) -> None:
    """NDVI is 0.1, 0.2, … 0.9 from west to east, and 0.05 more every date; the north is filled, the south observed."""
    red = np.full((SIDE, SIDE), 1000.0)
    ndvi = np.linspace(0.1, 0.8, SIDE)[None] + 0.05 * number
    dn = np.stack([red, red, red, red * (1 + ndvi) / (1 - ndvi)]).round().astype(np.uint16)
    quality = np.zeros((3, SIDE, SIDE), np.float32)
    quality[:, : SIDE // 2] = np.array([1, 0.02, 2 - (number == 2)])[:, None, None]
    cloudy = dn.copy()
    cloudy[:, : SIDE // 2] = 8000
    (folder / "in").mkdir(exist_ok=True)
    write(folder / "in" / f"{day}.tif", cloudy, BANDS, 0, corner)
    write(folder / f"{day}.tif", dn, BANDS, 0, corner)
    write(folder / f"{day}_quality.tif", quality, ("opacity", "uncertainty", "source"), np.nan, corner,
          SOURCE_2=f"{DAYS[1 if number == 0 else 0]}.tif")  # fmt: skip
    bands = [{"name": name, "raster:scale": 1e-4, "raster:offset": 0.0} for name in BANDS]
    item = {
        "type": "Feature",
        "properties": {"datetime": f"{day}T10:00:00Z", "processing:level": "L2A", "unclouded:threshold": 0.1},
        "links": [{"rel": "derived_from", "href": f"./in/{day}.tif"}],
        "assets": {"cleared": {"bands": bands}},
    }
    (folder / f"{day}.json").write_text(json.dumps(item))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "cleared"
    made.mkdir()
    for number, day in enumerate(DAYS):
        # The last date lies 200 m further east.
        write_date(made, number, day, (600000 + 200 * (number == 2), 5400000))
    links = [{"rel": "item", "href": f"./{day}.json"} for day in reversed(DAYS)]
    (made / "collection.json").write_text(json.dumps({"type": "Collection", "links": links}))
    return made


def page_of(folder: Path, *options: str) -> str:
    output = folder.parent / "series.html"
    result = CliRunner().invoke(app, ["report", str(folder), "--output", str(output), *options])
    assert result.exit_code == 0, result.output
    return output.read_text()


def data_of(html: str) -> dict:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    return json.loads(text)


def test_dates_are_in_order_of_time_with_shares_by_source(folder: Path) -> None:
    html = page_of(folder)
    dates = data_of(html)["dates"]
    assert [date["label"] for date in dates] == list(DAYS)
    assert [date["replaced"] for date in dates] == [0.5, 0.5, 0.5]
    assert [share["label"] for date in dates for share in date["shares"]] == [
        "from 2024-05-11",
        "from 2024-05-01",
        "guessed",
    ]
    assert all(set(date["images"]) == {"before", "after", "source"} for date in dates)
    assert not re.search(r"(?:src|href)=\"?https?:|url\(|@import", html)


def test_ndvi_of_points_is_that_of_the_pixels_and_filled_ones_are_marked(folder: Path) -> None:
    data = data_of(page_of(folder))
    shape = (3, data["rows"], data["columns"])
    assert shape == (3, 64, 64)
    ndvi, error, source = (
        np.frombuffer(base64.b64decode(data[name]), np.uint8).reshape(shape).astype(int)
        for name in ("ndvi", "error", "source")
    )
    column = int((10 + 0.5) * SIDE / 64)
    expected = 0.1 + 0.7 * column / (SIDE - 1)
    for number in range(2):
        assert 2 * ndvi[number, 40, 10] / 250 - 1 == pytest.approx(expected + 0.05 * number, abs=0.005)
    # The last date begins 20 pixels further east: what lies west of it is unknown there.
    assert (ndvi[2, :, :13] == 255).all()
    assert 2 * ndvi[2, 40, 30] / 250 - 1 == pytest.approx(
        0.1 + 0.7 * (int(30.5 * SIDE / 64) - 20) / (SIDE - 1) + 0.1, abs=0.005
    )
    assert (source[:2, :32] == 2).all() and (source[:, 33:, 20:] == 0).all() and (source[2, :32, 20:] == 1).all()
    assert (error[:, 33:, 20:] == 0).all() and (error[:, :32, 20:] > 0).all()


def test_the_error_of_ndvi_follows_from_that_of_the_bands(folder: Path) -> None:
    x, y = np.array([600005.0]), np.array([5399995.0])
    found = read_points_of(
        folder / f"{DAYS[0]}.tif", rasterio.CRS.from_epsg(32632), x, y, ReadOptions(level="L2A", offset=0)
    )
    red, infrared = 0.1, 0.1 * 1.1 / 0.9
    rng = np.random.default_rng(0)
    reds, infrareds = red + 0.002 * rng.normal(size=10**5), infrared + 0.002 * rng.normal(size=10**5)
    spread = np.std((infrareds - reds) / (infrareds + reds))
    assert found.error[0] == pytest.approx(10 * spread, rel=0.02)


def test_places_are_found_by_longitude_and_latitude(folder: Path) -> None:
    place = data_of(page_of(folder))["place"]
    (east, north) = place["centre"][0]
    x, y = rasterio.warp.transform("EPSG:4326", "EPSG:32632", [east + 0.001], [north - 0.002])

    def terms(u, v):
        return np.array([1, u, v, u * u, u * v, v * v])

    across, down = np.array(place["shares"]) @ terms(0.001, -0.002)
    assert 600000 + across * SIDE * 10 == pytest.approx(x[0], abs=0.1)
    assert 5400000 - down * SIDE * 10 == pytest.approx(y[0], abs=0.1)
    assert np.array(place["degrees"]) @ terms(across, down) == pytest.approx([0.001, -0.002], abs=1e-6)


def test_an_input_that_is_gone_is_no_obstacle(folder: Path) -> None:
    (folder / "in" / f"{DAYS[0]}.tif").unlink()
    dates = data_of(page_of(folder))["dates"]
    assert set(dates[0]["images"]) == {"after", "source"} and "before" in dates[1]["images"]


def test_a_result_may_be_a_part_of_its_input(folder: Path) -> None:
    whole = np.full((4, SIDE + 30, SIDE + 40), 7000, np.uint16)
    write(folder / "in" / f"{DAYS[0]}.tif", whole, BANDS, 0, (600000 - 200, 5400000 + 100))
    assert "before" in data_of(page_of(folder))["dates"][0]["images"]


def test_other_bands_and_another_stretch_are_shown(folder: Path) -> None:
    usual, other = page_of(folder), page_of(folder, "--overwrite", "--composite", "infrared", "--stretch", "fixed")
    assert "near infrared" in other and "B08 B04 B03" in other and "0 to 0.3 reflectance" in other
    assert data_of(usual)["dates"][0]["images"]["after"] != data_of(other)["dates"][0]["images"]["after"]


def test_without_near_infrared_there_are_pictures_alone(folder: Path) -> None:
    for day in DAYS:
        with rasterio.open(folder / f"{day}.tif", "r+") as file:
            file.descriptions = ("B02", "B03", "B04", "B05")
    data = data_of(page_of(folder))
    assert data["ndvi"] == "" and len(data["dates"]) == 3


def test_names_are_escaped(folder: Path) -> None:
    for end in (".tif", "_quality.tif", ".json"):
        (folder / f"{DAYS[0]}{end}").rename(folder / f"<script>alert(1){end}")
    (folder / "collection.json").write_text(json.dumps({"links": [{"rel": "item", "href": "./<script>alert(1).json"}]}))
    assert "<script>alert" not in page_of(folder)


def test_what_is_no_series_is_one_line(folder: Path) -> None:
    (folder / "collection.json").write_text("{}")
    result = CliRunner().invoke(app, ["report", str(folder), "--output", str(folder / "page.html")])
    assert result.exit_code == 2 and "no STAC collection" in result.output
    assert len(result.output.strip().splitlines()) == 1
    both = CliRunner().invoke(app, ["report", str(folder), str(folder), "x.json", "--output", str(folder / "p.html")])
    assert both.exit_code == 2 and "give it alone" in both.output


def test_a_hundred_dates_are_a_few_megabytes(folder: Path) -> None:
    links = []
    rng = np.random.default_rng(0)
    for number in range(100):
        name = f"d{number:03}"
        for end in ("_quality.tif", ".json"):
            (folder / f"{name}{end}").write_bytes((folder / f"{DAYS[0]}{end}").read_bytes())
        write(folder / f"{name}.tif", rng.integers(300, 3000, (4, SIDE, SIDE)).astype(np.uint16), BANDS, 0)
        links.append({"rel": "item", "href": f"./{name}.json"})
    (folder / "collection.json").write_text(json.dumps({"links": links}))
    assert len(find_series(folder)) == 100
    assert len(page_of(folder)) < 8_000_000


@pytest.mark.parametrize("module", ["jinja2", "matplotlib"])
def test_without_the_extra_a_line_names_it(folder: Path, module: str) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        f"sys.modules[{module!r}] = None\n"
        "from unclouded.cli.series_page import try_series_page\nfrom unclouded.reading.reader import ReadOptions\n"
        f"try_series_page(Path({str(folder)!r}), ReadOptions())"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0
    (line,) = result.stderr.strip().splitlines()
    assert "make report" in line and f"unclouded report {folder}" in line
    assert not (folder / "series.html").exists()
