"""Any tool's images against the truth: what is measured where, and what cannot be compared."""

import hashlib
import json
import math
import subprocess
import sys

import numpy as np
import pytest
import rasterio
from affine import Affine
from command_line import run

from unclouded.errors import FileError, InputError
from unclouded.evaluation.paired import compare
from unclouded.evaluation.pairs import average, evaluate_folders
from unclouded.reading.reader import ReadOptions
from unclouded.report.tables import pairs_table

BANDS = ("B02", "B03", "B04", "B08")
READING = ReadOptions(level="L2A", offset=0)
RNG = np.random.default_rng(0)


def write(folder, name, dn, bands=BANDS, left=600_000):
    folder.mkdir(exist_ok=True)
    count, height, width = dn.shape
    profile = {"driver": "GTiff", "count": count, "height": height, "width": width, "dtype": "uint16", "nodata": 0}
    grid = {"crs": "EPSG:32632", "transform": Affine(10, 0, left, 0, -10, 5_400_000)}
    with rasterio.open(folder / f"{name}.tif", "w", **profile, **grid) as file:
        file.write(dn)
        file.descriptions = bands


def write_place(tmp_path, stretch=1):
    """One place whose upper left is cloud and lower right shadow; a tool that is off by 100 DN in the cloud.

    Each row is there `stretch` times.
    """
    clear = RNG.integers(1000, 3000, (4, 60, 80)).astype(np.uint16)
    cloudy, made = clear.copy(), clear.copy()
    cloudy[:, :30, :40] += 4000
    cloudy[:, 30:, 40:] //= 2
    made[:, :30, :40] += 100
    made[:, 40:, 60:] = 0
    for name, dn in (("cloudy", cloudy), ("clear", clear), ("made", made)):
        write(tmp_path / name, "a", dn.repeat(stretch, axis=1))
    return tmp_path / "cloudy", tmp_path / "clear", tmp_path / "made"


@pytest.fixture
def folders(tmp_path):
    return write_place(tmp_path)


@pytest.mark.parametrize("stretch", [1, 20])
def test_errors_by_region_and_band_of_images_of_any_size(tmp_path, stretch):
    scores = evaluate_folders(*write_place(tmp_path, stretch), READING)
    mean, valid = scores["mean"], 60 * 80 - 20 * 20
    assert scores["n"] == 1
    assert mean["regions"]["cloud"]["share"] == pytest.approx(1200 / valid)
    assert mean["regions"]["shadow"]["share"] == pytest.approx(800 / valid)
    assert mean["regions"]["cloud"]["mae"] == pytest.approx(0.01, abs=1e-6)
    assert mean["regions"]["shadow"]["mae"] == mean["regions"]["clear"]["mae"] == 0
    assert mean["bands"]["B08"]["mae"] == pytest.approx(0.01 * 1200 / valid, abs=1e-6)
    assert mean["psnr"] == pytest.approx(-10 * math.log10(0.01**2 * 1200 / valid), abs=1e-3)
    assert 0 < mean["ndvi"] < 0.05


def test_psnr_ssim_and_angle_are_those_of_the_benchmark(tmp_path):
    clear, made = RNG.integers(1, 9000, (2, 4, 40, 50)).astype(np.uint16)
    for name, dn in (("cloudy", clear), ("clear", clear), ("made", made)):
        write(tmp_path / name, "a", dn)
    scores = evaluate_folders(*(tmp_path / name for name in ("cloudy", "clear", "made")), READING)["images"]["a"]
    expected = compare(made / 10000, clear / 10000, np.zeros((40, 50), bool))
    assert scores["psnr"] == pytest.approx(expected.psnr, rel=1e-5)
    assert scores["ssim"] == pytest.approx(expected.ssim, rel=1e-5)
    assert scores["angle"] == pytest.approx(expected.angle, rel=1e-5)


def test_the_cloudy_image_as_it_is_stands_beside_it_on_the_same_pixels(tmp_path):
    cloudy, clear, made = RNG.integers(1, 9000, (3, 4, 40, 50)).astype(np.uint16)
    made[:, :10] = 0
    for name, dn in (("cloudy", cloudy), ("clear", clear), ("made", made)):
        write(tmp_path / name, "a", dn)
    scores = evaluate_folders(*(tmp_path / name for name in ("cloudy", "clear", "made")), READING)
    error = np.abs(cloudy[:, 10:] / 10000 - clear[:, 10:] / 10000)
    assert scores["mean"]["cloudy"]["regions"]["all"]["mae"] == pytest.approx(float(error.mean()), rel=1e-5)
    (line,) = [line for line in pairs_table(scores, each=True).splitlines() if line.startswith("a ")]
    assert line.split()[-1] == f"{error.mean():.4f}"


def test_one_missing_pixel_takes_no_more_than_its_windows_from_ssim(tmp_path):
    clear = RNG.integers(1, 9000, (4, 40, 50)).astype(np.uint16)
    holed = clear.copy()
    holed[:, 5, 5] = 0
    for name, dn in (("cloudy", clear), ("clear", clear), ("made", holed)):
        write(tmp_path / name, "a", dn)
    mean = evaluate_folders(*(tmp_path / name for name in ("cloudy", "clear", "made")), READING)["mean"]
    assert mean["ssim"] == pytest.approx(1) and mean["psnr"] == 60


def test_an_image_without_a_region_does_not_count_for_it():
    assert average([{"r": {"mae": math.nan}}, {"r": {"mae": 0.2}}]) == {"r": {"mae": 0.2}}


def test_what_cannot_be_compared_is_named(folders, tmp_path):
    cloudy, clear, made = folders
    with pytest.raises(FileError, match="no such folder"):
        evaluate_folders(cloudy, tmp_path / "nowhere", made, READING)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no \.tif"):
        evaluate_folders(cloudy, clear, tmp_path / "empty", READING)
    write(cloudy, "b", np.full((4, 9, 9), 1500, np.uint16))
    with pytest.raises(FileError, match=r"made: has no b\.tif"):
        evaluate_folders(cloudy, clear, made, READING)
    write(made, "b", np.full((4, 9, 9), 1500, np.uint16))
    with pytest.raises(FileError, match=r"clear: has no b\.tif"):
        evaluate_folders(cloudy, clear, made, READING)
    for folder in (cloudy, clear):
        write(folder, "b", np.full((4, 9, 9), 1500, np.uint16), left=700_000)
    with pytest.raises(InputError, match="not on the grid"):
        evaluate_folders(cloudy, clear, made, READING)
    for folder in (cloudy, clear):
        write(folder, "b", np.full((1, 9, 9), 1500, np.uint16), ("B11",))
    with pytest.raises(InputError, match=r"made/b\.tif: has B02, B03, B04, B08, which .*cloudy/b\.tif lacks"):
        evaluate_folders(cloudy, clear, made, READING)


def test_the_command_prints_a_table_and_writes_json(folders, tmp_path):
    names = [f"--{name}={folder}" for name, folder in zip(("cloudy", "clear", "predicted"), folders, strict=True)]
    command = [sys.executable, "-m", "unclouded", "evaluate", "pairs", *names, "--level=L2A", "--offset=0"]
    result = subprocess.run([*command, f"--json={tmp_path / 'a.json'}"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "N = 1 images" in result.stdout and "B08" in result.stdout
    assert "PSNR dB" in result.stdout and "\ncloudy, as it is" in result.stdout and "\na " not in result.stdout
    assert json.loads((tmp_path / "a.json").read_text())["images"]["a"]["regions"]["cloud"]["mae"] == pytest.approx(
        0.01
    )
    again = subprocess.run([*command, f"--json={tmp_path / 'a.json'}"], capture_output=True, text=True, check=False)
    assert again.returncode == 2 and "already there" in again.stderr


def test_images_of_other_bands_have_no_common_mean(folders):
    cloudy, clear, made = folders
    for folder in folders:
        write(folder, "b", np.full((1, 16, 16), 1500, np.uint16), ("B02",))
    with pytest.raises(InputError, match=r"b\.tif: has bands B02, the images before it B02, B03, B04, B08"):
        evaluate_folders(cloudy, clear, made, READING)


def test_one_name_twice_is_refused(folders):
    cloudy, clear, made = folders
    next(made.glob("*.tif")).with_suffix(".tiff").write_bytes(b"")
    with pytest.raises(InputError, match="beside it has the same name"):
        evaluate_folders(cloudy, clear, made, READING)


def test_the_record_names_its_files(folders):
    record = evaluate_folders(*folders, READING)
    assert record["bands"] == BANDS
    assert record["sha256"].keys() == {"a"}
    for part, folder in zip(("cloudy", "clear", "predicted"), folders, strict=True):
        assert record["sha256"]["a"][part] == hashlib.sha256((folder / "a.tif").read_bytes()).hexdigest()


def test_what_lies_beside_a_cleared_image_is_none(folders):
    for name in ("a_quality", "a_mask"):
        write(folders[2], name, np.ones((1, 60, 80), np.uint16), ("opacity",))
    assert evaluate_folders(*folders, READING)["images"].keys() == {"a"}


def test_of_a_series_the_dates_are_compared(dates, weights, tmp_path):
    made = run("series", *dates, "--composite", "median", "--output", tmp_path / "cleared", "--model", weights)
    assert made.exit_code == 0, made.stderr
    given = ("--cloudy", dates[0].parent, "--clear", dates[0].parent, "--predicted", tmp_path / "cleared")
    result = run("evaluate", "pairs", *given, "--each")
    assert result.exit_code == 0, result.stderr
    assert "N = 3 images" in result.stdout
    assert [line.split()[0] for line in result.stdout.splitlines() if line.startswith("S2A")] == [d.stem for d in dates]
