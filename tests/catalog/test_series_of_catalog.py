"""`unclouded series --catalog` and `clear --catalog`: what the files themselves give, from a place and a period."""

import json

import pytest
import rasterio
from catalogue import bbox_of, dn_of, listed, write_tile
from command_line import run
from scenes import save_active

PERIOD = "2024-05-01/2024-06-30"
BOX = bbox_of(300, 280, 60, 70)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save_active(tmp_path_factory.mktemp("weights") / "active.safetensors", detector="none", threshold=0.2)


def from_catalog(catalogue, *arguments, box=BOX):
    return ["--catalog", catalogue.address, "--bbox", box, *arguments]


def made_in(folder):
    """Pixels of the results; the quality file names the references besides, which lie elsewhere."""
    made = {}
    for path in folder.glob("*.tif"):
        with rasterio.open(path) as file:
            made[path.name] = file.read().tobytes(), tuple(file.transform)
    return made


@pytest.fixture(scope="module")
def of_files(place, weights, tmp_path_factory):
    """The series of the same items, read where they lie."""
    place.reset()
    items = [link["href"] for item in place.items for link in item["links"]]
    folder = tmp_path_factory.mktemp("files") / "out"
    result = run("series", *items, "--bbox", BOX, "--output", folder, "--model", weights)
    assert result.exit_code == 0, result.stderr
    return made_in(folder)


def test_it_gives_what_the_files_give_and_reads_each_window_once(catalogue, of_files, weights, tmp_path):
    catalogue.reset()
    words = from_catalog(catalogue, "--dates", PERIOD, "--output", tmp_path, "--model", weights)
    result = run("series", *words)
    assert result.exit_code == 0, result.stderr
    assert made_in(tmp_path) == of_files and len(of_files) == 8
    item = json.loads((tmp_path / "S2A_32UPU_20240513_0_L2A.json").read_text())
    kept = tmp_path / item["links"][0]["href"]
    assert json.loads(kept.read_text())["links"] == [{"rel": "via", "href": catalogue.items[1]["links"][0]["href"]}]
    read = catalogue.of_files()
    # Windows of 4 bands at 10 m and one at 20 m, in blocks of 256 pixels; headers come on top.
    assert sum(size for _, size in read) < 0.9 * sum(path.stat().st_size for path in catalogue.folder.rglob("*.tif"))
    catalogue.requests.clear()
    for ending in (".tif", "_quality.tif", ".json"):
        (tmp_path / f"S2A_32UPU_20240513_0_L2A{ending}").unlink()
    assert run("series", *words).exit_code == 0
    assert made_in(tmp_path) == of_files
    assert catalogue.of_files() == []


def test_a_day_is_cleared_with_its_neighbours(catalogue, of_files, weights, tmp_path):
    words = from_catalog(
        catalogue, "--date", "2024-05-13", "--days", 12, "--model", weights, "--cache", tmp_path / "kept"
    )
    result = run("clear", *words, "--output", tmp_path / "may.tif")
    assert result.exit_code == 0, result.stderr
    assert not (tmp_path / "inputs").exists() and len(list((tmp_path / "kept").iterdir())) == 3
    before, day, after = (link["href"] for item in catalogue.items[:3] for link in item["links"])
    words = ["--bbox", BOX, "--model", weights, "--reference", before, "--reference", after]
    (tmp_path / "files").mkdir()
    assert run("clear", day, *words, "--output", tmp_path / "files" / "may.tif").exit_code == 0
    assert made_in(tmp_path) == made_in(tmp_path / "files") and len(made_in(tmp_path)) == 2


def test_masks_of_a_period_are_those_of_the_files(catalogue, tmp_path):
    words = ["--dates", "2024-05-01/2024-05-20", "--bands", "B02,B03,B04,B08,B11,B12", "--output"]
    result = run("mask", *from_catalog(catalogue, *words, f"{tmp_path}/masks/"))
    assert result.exit_code == 0, result.stderr
    items = [link["href"] for item in catalogue.items[:2] for link in item["links"]]
    assert run("mask", *items, "--bbox", BOX, "--output", tmp_path / "files").exit_code == 0
    made = made_in(tmp_path / "masks")
    assert made == made_in(tmp_path / "files") and len(made) == 2
    one = run("mask", *from_catalog(catalogue, "--dates", "2024-05-13", "--output", tmp_path / "may.tif"))
    assert one.exit_code == 0, one.stderr
    assert made_in(tmp_path)["may.tif"] == made["S2A_32UPU_20240513_0_L2A.tif"]


def test_a_dry_run_prints_what_would_be_read_and_reads_nothing(catalogue, tmp_path):
    result = run(
        "series", *from_catalog(catalogue, "--dates", PERIOD, "--max-cloud", 30, "--output", tmp_path, "--dry-run")
    )
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["2024-05-03", "2024-05-13", "2024-05-23", "3"]
    assert "cloud 20%  100% of the area  about" in lines[1] and lines[1].endswith("S2A_32UPU_20240513_0_L2A")
    assert "1 of 4 dates have over 30% cloud" in result.stderr
    assert catalogue.of_files() == [] and list(tmp_path.iterdir()) == []


@pytest.fixture
def hurried(monkeypatch):
    """Nothing waits before it is tried again."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setenv("GDAL_HTTP_RETRY_DELAY", "0.01")


def test_every_third_request_may_fail(catalogue, of_files, weights, hurried, tmp_path):
    catalogue.fail_every = 3
    result = run("series", *from_catalog(catalogue, "--dates", PERIOD, "--output", tmp_path, "--model", weights))
    assert result.exit_code == 0, result.stderr
    assert made_in(tmp_path) == of_files


def test_after_a_lost_connection_the_run_resumes_from_what_was_read(catalogue, of_files, weights, hurried, tmp_path):
    words = from_catalog(catalogue, "--dates", PERIOD, "--output", tmp_path, "--model", weights)
    catalogue.away_after = 70
    result = run("series", *words)
    assert result.exit_code == 2
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("error: "))
    assert "cannot be reached" in line and "dates are read and kept in" in line and made_in(tmp_path) == {}
    kept = {path for path in (tmp_path / "inputs").rglob("*.tif")}
    assert kept
    catalogue.reset()
    result = run("series", *words)
    assert result.exit_code == 0, result.stderr
    assert made_in(tmp_path) == of_files
    again = {path.split("/")[2] + "/" + path.split("/")[3] for path, _ in catalogue.of_files()}
    assert not again & {f"{path.parent.name.rpartition('-')[0]}/{path.name}" for path in kept if path.name != "B02.tif"}


def test_tiles_of_an_overpass_are_joined(catalogue, weights, tmp_path_factory, tmp_path):
    """The second tile lies to the east of the first and overlaps it; the area lies across the seam."""
    front, items = catalogue, []
    from catalogue import LEFT, SIDE, TOP, assets_of, item, outline_of

    wide = dn_of(0, width=SIDE + 192)
    for day in ("2024-07-01", "2024-07-06"):
        for letter, column in (("A", 0), ("B", 192)):
            name = f"S2A_{letter}_{day}"
            files = write_tile(front.folder / name, wide[:, :, column : column + SIDE], 0, column)
            left = LEFT + 10 * column
            outline = outline_of(left, TOP, left + 10 * SIDE, TOP - 10 * SIDE)
            items.append(item(front.address, name, f"{day}T10:10:31Z", assets_of(front, files), outline))
    before, api = front.items, front.api
    with listed(front, items, tmp_path_factory.mktemp("api")):
        box = bbox_of(300, SIDE - 60, 60, 110)
        words = ["--dates", "2024-07-01/2024-07-31", "--output", tmp_path, "--model", weights]
        result = run("series", *from_catalog(front, *words, box=box))
    front.items, front.api = before, api
    assert result.exit_code == 0, result.stderr
    (kept,) = (tmp_path / "inputs").glob("S2A_*_2024-07-01-*")
    with rasterio.open(kept / "B02.tif") as file:
        row, column = round((TOP - file.transform.f) / 10), round((file.transform.c - LEFT) / 10)
        expected = wide[0, row : row + file.height, column : column + file.width]
        assert (file.read(1) == expected).all()
        assert column < SIDE < column + file.width
    with rasterio.open(kept / "B11.tif") as file:
        row, column = round((TOP - file.transform.f) / 20), round((file.transform.c - LEFT) / 20)
        expected = wide[4, ::2, ::2][row : row + file.height, column : column + file.width]
        assert (file.read(1) == expected).all()
