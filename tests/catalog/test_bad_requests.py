"""What cannot be had from a catalogue: one line that says why and what to do, exit code 2, and nothing written."""

import json
import socket

import pytest
from catalogue import bbox_of, listed
from command_line import run

from unclouded.catalog.presets import PRESETS, Catalogue

BOX = bbox_of(300, 280, 60, 70)
PERIOD = "2024-05-01/2024-06-30"


@pytest.fixture
def refused(catalogue, tmp_path, monkeypatch):
    """Run a series that is refused; return the line that says why."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setenv("GDAL_HTTP_RETRY_DELAY", "0.01")

    def run_it(*changes, command="series", **options):
        given = {"catalog": catalogue.address, "dates": PERIOD, "bbox": BOX, "output": tmp_path / "out"} | options
        arguments = [word for name, value in given.items() if value is not None for word in (f"--{name}", value)]
        result = run(command, *arguments, *changes)
        assert result.exit_code == 2, (result.stdout, result.stderr)
        assert not list((tmp_path / "out").glob("*.tif"))
        lines = [line for line in result.stderr.splitlines() if not line.startswith("note: ")]
        assert len(lines) == 1 and lines[0].startswith("error: "), lines
        return lines[0]

    return run_it


def test_nothing_at_that_time_names_the_nearest_dates(refused):
    line = refused(dates="2024-07-01/2024-07-31")
    assert f"nothing of --bbox {BOX} in 2024-07-01/2024-07-31 in sentinel-2-l2a" in line
    assert "the nearest dates are 2024-06-12: give other --dates" in line
    assert "2024-05-13, 2024-05-23, 2024-06-12" in refused(dates="2024-09-01/2024-09-30")
    assert "nor in the year before and after" in refused(dates="2019-01-01/2019-02-01")


def test_a_place_that_is_not_covered(refused):
    assert "at any time; give an area that it covers" in refused(bbox="5,51,5.1,51.1")
    west, south, east, north = BOX.split(",")
    assert "longitude and latitude seem to be swapped" in refused(bbox=f"{south},{west},{north},{east}")
    assert "it has no such collection" in refused(collection="sentinel-2-l9z")


@pytest.mark.parametrize(
    ("box", "why"),
    [
        ("179.9,51,-179.9,51.1", "west is beyond east: it crosses 180 degrees"),
        ("179.9,51,180.1,51.1", "crosses 180 degrees; give the part on either side by itself"),
        ("51,120,51.1,120.1", "latitude beyond 90 degrees; longitude and latitude seem to be swapped"),
        ("600000,5300000,610000,5310000", "in degrees, not metres"),
    ],
)
def test_boxes_that_are_none(refused, catalogue, box, why):
    assert why in refused(bbox=box)
    assert catalogue.requests == []


@pytest.mark.parametrize("command", ["series", "mask", "clear"])
def test_an_invalid_grid_is_refused_before_any_request(refused, catalogue, tmp_path, command):
    asked = {"date": "2024-05-13", "dates": None} if command == "clear" else {}
    asked |= {"command": command, "output": f"{tmp_path / 'out'}/"}
    assert "needs --resolution, in degrees" in refused(crs="EPSG:4326", **asked)
    assert "is no coordinate reference system" in refused(crs="EPSG:99999", **asked)
    assert catalogue.requests == []


def test_a_polygon_that_crosses_itself(refused, tmp_path):
    bow = {"type": "Polygon", "coordinates": [[[10, 48], [10.2, 48.2], [10.2, 48], [10, 48.2], [10, 48]]]}
    (tmp_path / "bow.geojson").write_text(json.dumps(bow))
    assert "bow.geojson: crosses itself near" in refused(bbox=None, geometry=tmp_path / "bow.geojson")


def test_too_many_items(refused, catalogue, tmp_path):
    items = [item | {"id": f"{item['id']}_{n}"} for n in range(1250) for item in catalogue.items]
    behind = catalogue.api
    try:
        with listed(catalogue, items, tmp_path / "api"):
            line = refused()
            assert (
                "has more than 1,000 items" in line and "narrow the area or --dates" in line and "--max-items" in line
            )
            # Pages of 100, and no more of them than are needed.
            assert 10 <= sum(path == "/search" for path, _ in catalogue.requests) <= 12
    finally:
        catalogue.api = behind


def test_all_dates_under_more_cloud(refused):
    assert "all 4 dates have more cloud; the clearest, 2024-05-03, has 10%" in refused("--max-cloud", 5)
    assert "one date alone, 2024-05-03; a series needs at least two" in refused("--max-cloud", 15)


def test_a_signature_that_has_expired(refused, catalogue):
    catalogue.query = "signature=valid"
    line = refused()
    assert "B02.tif: may not be read (HTTP 403): its signature has expired or is missing" in line
    assert "0 of 4 dates are read and kept in" in line and "signature=valid" not in line
    # Nobody insists: each of the bands that are read at once asks once, and then why.
    assert sum(path.startswith("/files/") for path, _ in catalogue.requests) < 12


def test_signatures_are_requested_when_they_are_needed(catalogue, tmp_path, monkeypatch):
    planetary_computer = pytest.importorskip("planetary_computer", reason="planetary-computer is not installed")
    signed = []

    def sign(item):
        signed.append(item["id"])
        assets = {key: asset | {"href": asset["href"] + "?signature=valid"} for key, asset in item["assets"].items()}
        return item | {"assets": assets}

    monkeypatch.setattr(planetary_computer, "sign", sign)
    monkeypatch.setitem(PRESETS, "planetary-computer", Catalogue(catalogue.address, signed=True))
    catalogue.query = "signature=valid"
    arguments = ["--catalog", "planetary-computer", "--date", "2024-05-13", "--days", 10, "--bbox", BOX]
    result = run("clear", *arguments, "--bands", "B02,B03,B04,B08", "--output", tmp_path / "may.tif")
    assert result.exit_code == 0, result.stderr
    assert signed == [item["id"] for item in catalogue.items[:3]]
    kept = "".join(path.read_text() for path in tmp_path.rglob("*.json"))
    assert "signature" not in kept


def test_a_signature_that_nobody_gives(refused, catalogue, monkeypatch):
    planetary_computer = pytest.importorskip("planetary_computer", reason="planetary-computer is not installed")
    requests = pytest.importorskip("requests")

    def sign(item):
        raise requests.ConnectionError("nobody there")

    monkeypatch.setattr(planetary_computer, "sign", sign)
    monkeypatch.setitem(PRESETS, "planetary-computer", Catalogue(catalogue.address, signed=True))
    line = refused(catalog="planetary-computer")
    assert f"gives no signature for {catalogue.items[0]['id']} (nobody there)" in line and "0 of 4 dates" in line


def test_an_extra_that_is_missing_is_named(refused, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pystac_client", None)
    line = refused()
    assert "needs pystac_client, which is not installed" in line and "unclouded[catalog]" in line


def test_all_that_a_catalogue_needs_is_named_at_once(refused, catalogue, monkeypatch):
    monkeypatch.setitem(PRESETS, "planetary-computer", Catalogue(catalogue.address, signed=True))
    monkeypatch.setitem(__import__("sys").modules, "pystac_client", None)
    monkeypatch.setitem(__import__("sys").modules, "planetary_computer", None)
    line = refused(catalog="planetary-computer")
    assert "needs pystac_client and planetary_computer, which are not installed" in line
    assert "pip install 'unclouded[planetary-computer]'" in line


def test_credentials_that_are_missing_are_named(refused, catalogue, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(PRESETS, "cdse", Catalogue(catalogue.address, credentials=PRESETS["cdse"].credentials))
    assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment" in refused(catalog="cdse")


def test_what_is_no_stac_api(refused, catalogue):
    (catalogue.folder / "page").write_text("<html>Welcome</html>")
    (catalogue.folder / "list").write_text('["a", "b"]')
    static = {"type": "Catalog", "stac_version": "1.0.0", "id": "static", "description": "Files.", "links": []}
    (catalogue.folder / "static").write_text(json.dumps(static))
    files = f"{catalogue.address}/files"
    assert "does not answer as a STAC API" in refused(catalog=f"{files}/page")
    assert "does not answer as a STAC API" in refused(catalog=f"{files}/list")
    assert "a catalogue without search, no STAC API" in refused(catalog=f"{files}/static")
    assert "does not understand the search (HTTP 404" in refused(catalog=f"{files}/nothing")
    assert "is not known; accepted are earth-search, planetary-computer, cdse" in refused(catalog="sentinel")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert "does not answer, after 6 tries (Connection refused)" in refused(catalog=f"http://127.0.0.1:{port}/")


def test_days_that_are_none(refused, tmp_path):
    assert "'2024-13-01' is not a day" in refused(dates="2024-13-01/2024-06-30")
    assert "ends before it begins" in refused(dates="2024-06-30/2024-05-01")
    line = refused(command="clear", dates=None, date="2024-05-15", output=tmp_path / "out" / "may.tif")
    assert "nothing was taken on that day; the nearest dates are 2024-05-03, 2024-05-13, 2024-05-23" in line


def test_options_that_do_not_go_together(catalogue, tmp_path):
    asked = ["--catalog", catalogue.address, "--bbox", BOX]
    for arguments, why in (
        (["series", "scene.tif", *asked, "--dates", PERIOD], "looks for the images; give it or inputs"),
        (["series", *asked[:2], "--dates", PERIOD], "give --bbox or --geometry"),
        (["series", *asked], "give --dates"),
        (["clear", *asked], "give --date"),
        (["mask", *asked], "give --dates"),
        (["series", "--dates", PERIOD], "--catalog to look for them"),
        (["mask"], "--catalog to look for them"),
        (["series", "a.tif", "b.tif", "--dates", PERIOD], "--dates, --date, --cache and --dry-run belong to it"),
    ):
        result = run(*arguments, "--output", tmp_path / "out")
        assert result.exit_code == 2 and why in " ".join(result.stderr.replace("│", " ").split()), result.stderr
    assert catalogue.requests == [] and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("command", "asked", "output", "code"),
    [
        ("series", ["--dates", PERIOD], "", 1),
        ("mask", ["--dates", "2024-05-20/2024-06-30"], "", 1),
        ("mask", ["--dates", "2024-06-12"], "june.tif", 2),
        ("clear", ["--date", "2024-05-23"], "may.tif", 1),
        ("clear", ["--date", "2024-06-12"], "june.tif", 2),
    ],
)
def test_a_file_that_is_not_there_costs_its_date_alone(catalogue, tmp_path, command, asked, output, code):
    gone = catalogue.folder / catalogue.items[3]["id"] / "B03.tif"
    gone.rename(gone.with_suffix(".gone"))
    try:
        arguments = ["--catalog", catalogue.address, "--bbox", BOX, *asked, "--output", tmp_path / output]
        result = run(command, *arguments, "--bands", "B02,B03,B04,B08")
    finally:
        gone.with_suffix(".gone").rename(gone)
    assert result.exit_code == code
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("error: "))
    assert "B03.tif: is not there (HTTP 404), though the catalogue lists it" in line
    made = [path for path in tmp_path.glob("*.tif") if not path.stem.endswith("_quality")]
    assert len(made) == (0 if code == 2 else 3 if command == "series" else 1)


def test_the_cache_holds_no_more_than_it_may(catalogue, tmp_path):
    kept, arguments = tmp_path / "kept", ["--catalog", catalogue.address, "--days", 0, "--bands", "B02,B03,B04,B08"]
    for day, size in (("2024-05-03", 1), ("2024-05-13", 1), ("2024-05-23", 1e-6)):
        rest = ["--cache", kept, "--cache-size", size, "--bbox", BOX, "--output", tmp_path / f"{day}.tif"]
        result = run("clear", *arguments, "--date", day, *rest)
        assert result.exit_code == 0, result.stderr
    assert [path.name.split("_")[2] for path in kept.iterdir()] == ["20240523"]
    assert "more than --cache-size" in result.stderr


def test_an_output_that_is_a_file_is_refused_before_any_request(tmp_path):
    there = tmp_path / "summer"
    there.write_bytes(b"")
    result = run(
        "series", "--catalog", "http://127.0.0.1:9/", "--bbox", "5,51,5.1,51.1", "--dates", PERIOD, "--output", there
    )
    assert result.exit_code == 2 and "summer/: is a file; several results go into a folder" in result.stderr


def test_a_file_for_several_dates_is_refused_before_they_are_read(refused, catalogue, tmp_path):
    line = refused(command="mask", output=tmp_path / "out" / "masks.tif")
    assert "masks.tif: is the name of a file; for 4 inputs give a folder" in line
    assert catalogue.of_files() == []
