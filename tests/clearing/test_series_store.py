"""A series as a Zarr store: what its files hold, there only when whole, and made anew only when they change."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import xarray as xr
from command_line import run
from dates import CLOUDS, FOUR
from rasters import pixels, write

from unclouded.files import QUALITY_BANDS
from unclouded.reading.reader import open_scene

zarr = pytest.importorskip("zarr")
time_cube = pytest.importorskip("unclouded.writing.time_cube")


@pytest.fixture(scope="module")
def weights(detecting_weights):
    return detecting_weights


def test_the_store_holds_what_the_files_do(dates, weights, tmp_path, monkeypatch):
    monkeypatch.setattr(time_cube, "BLOCK", 64)
    given = ["series", *reversed(dates), "--output", tmp_path, "--model", weights, "--zarr"]
    result = run(*given)
    assert result.exit_code == 0, result.stderr
    assert f"{tmp_path}/series.zarr: 3 dates" in result.stdout.splitlines()
    with xr.open_zarr(tmp_path / "series.zarr") as cube:
        assert cube.reflectance.dims == ("time", "band", "y", "x") and list(cube.band.values) == list(FOUR)
        assert [str(time)[:19] for time in cube.time.values] == [f"2018-05-{d[-2:]}T10:00:31" for d in CLOUDS]
        for number, date in enumerate(dates):
            with open_scene(tmp_path / date.name, level="L2A", offset=0) as made:
                dn = made.read(0, 0, made.info.height, made.info.width)
                assert cube.reflectance.rio.crs == made.info.crs
                assert cube.reflectance.rio.transform().almost_equals(made.info.transform)
            np.testing.assert_allclose(cube.reflectance[number], dn / 1e4, atol=1e-6)
            with rasterio.open(tmp_path / f"{date.stem}_quality.tif") as file:
                np.testing.assert_array_equal(np.stack([cube[name][number] for name in QUALITY_BANDS]), file.read())
        np.testing.assert_array_equal(cube.reference_time[0], cube.time[[1, 2]])
    monkeypatch.setattr(time_cube, "_write_date", lambda *given: pytest.fail("is there"))
    result = run(*given)
    assert result.exit_code == 0, result.stderr
    assert "series.zarr: exists and is kept" in result.stderr


def test_it_appears_when_it_is_whole_and_follows_its_files(dates, weights, tmp_path, monkeypatch):
    given = ["--output", tmp_path, "--model", weights, "--zarr"]
    write_date = time_cube._write_date

    def fails(group, number, date):
        if number:
            raise OSError(28, "No space left on device")
        write_date(group, number, date)

    monkeypatch.setattr(time_cube, "_write_date", fails)
    result = run("series", *dates[:2], *given)
    assert result.exit_code == 2 and "series.zarr: cannot be written (No space left on device)" in result.stderr
    assert not [path.name for path in tmp_path.iterdir() if "zarr" in path.name]
    monkeypatch.setattr(time_cube, "_write_date", write_date)
    for count in (2, 3):
        result = run("series", *dates[:count], *given)
        assert result.exit_code == 0, result.stderr
        with xr.open_zarr(tmp_path / "series.zarr") as cube:
            assert cube.sizes["time"] == count
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_makes_no_store_is_refused_before_any_work(dates, weights, tmp_path):
    small = write(tmp_path / dates[1].name, pixels(4, 60, 60), names=FOUR, nodata=0)
    undated = write(tmp_path / "S2_L2A_scene.tif", pixels(4, 130, 150), names=FOUR, nodata=0)
    given = ["--output", tmp_path / "out", "--model", weights, "--zarr", "--level", "L2A", "--offset", 0]
    for other, message in ((small, "its size is (60, 60), that of"), (undated, "nothing says when it was taken")):
        result = run("series", dates[0], other, *given)
        assert result.exit_code == 2 and message in result.stderr
    (tmp_path / "out" / "series.zarr").mkdir(parents=True)
    result = run("series", *dates, *given)
    assert result.exit_code == 2 and "is already there and of no series" in result.stderr
    assert not list((tmp_path / "out").glob("*.tif"))
