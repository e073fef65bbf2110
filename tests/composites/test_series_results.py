"""What is made of the dates of a series besides: composites, the table of NDVI and the animation."""

import csv
import shutil

import numpy as np
import pytest
import rasterio
from command_line import run
from dates import FOUR, write_dates
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from rasters import write

from unclouded.composites.composite import KINDS, days_path, weighted_median, write_composite
from unclouded.composites.dates import open_dates
from unclouded.composites.vegetation import COLUMNS, write_ndvi
from unclouded.errors import InputError
from unclouded.reading.reader import ReadOptions
from unclouded.report.animation import write_animation
from unclouded.tiles import Box


@pytest.fixture(scope="module")
def weights(detecting_weights):
    return detecting_weights


@pytest.fixture(scope="module")
def made(weights, tmp_path_factory):
    """A series of three dates with all that is made of them, in a folder, and what was said."""
    folder = tmp_path_factory.mktemp("series")
    dates = write_dates(folder / "dates")
    words = ["--composite", "ndvi-max", "--ndvi", "--gif", "--output", folder / "out", "--model", weights]
    result = run("series", *dates, *words)
    assert result.exit_code == 0, result.stderr
    return folder / "out", result.stdout


@pytest.fixture(scope="module")
def results(made):
    return sorted(path for path in made[0].glob("S2A*.tif") if not path.stem.endswith("_quality"))


def stacked(results):
    """DN (T, C, h, w), uncertainty and source (T, h, w) of all dates."""
    images, qualities = [], []
    for path in results:
        with rasterio.open(path) as file:
            images.append(file.read())
        with rasterio.open(path.with_name(f"{path.stem}_quality.tif")) as file:
            qualities.append(file.read())
    quality = np.stack(qualities)
    return np.stack(images), np.where(quality[:, 2] == 0, 0, quality[:, 1]), quality[:, 2]


def test_all_of_it_is_present_and_documented(made):
    folder, printed = made
    for name in ("composite_ndvi-max.tif", "composite_ndvi-max_days.tif", "ndvi.csv", "series.gif"):
        assert (folder / name).is_file() and f"{folder / name}" in printed
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_composite_is_no_image_to_clear(made, weights, tmp_path):
    result = run("clear", made[0] / "composite_ndvi-max.tif", "--output", tmp_path / "a.tif", "--model", weights)
    assert result.exit_code == 2 and "(composite NDVI-max of 3 dates)" in result.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_a_composite_is_of_its_dates(results, tmp_path, kind):
    path = write_composite(tmp_path, results, kind, ReadOptions())
    dn, uncertainty, source = stacked(results)
    with rasterio.open(path) as file, rasterio.open(days_path(path)) as days:
        found, (observed, filled) = file.read(), days.read()
        assert file.descriptions == FOUR and file.dtypes[0] == "uint16" and days.descriptions == ("observed", "filled")
        with rasterio.open(results[0]) as first:
            assert (file.transform, file.crs, file.nodata) == (first.transform, first.crs, first.nodata)
    assert (observed == (source == 0).sum(axis=0)).all() and (observed + filled == len(results)).all()
    assert filled.any() and (observed == len(results)).any()
    away = np.abs(dn.astype(int) - found)
    if kind == "median":
        # Where all were observed all weigh the same.
        seen = observed == 3
        assert np.abs(np.median(dn, axis=0)[:, seen] - found[:, seen]).max() <= 1
        assert (away.min(axis=0) <= 1).all()
        return
    whole = (away.max(axis=1) <= 1).any(axis=0)
    assert whole.all(), "all bands of a pixel are of one date"
    if kind == "NDVI-max":
        red, infrared = (dn[:, FOUR.index(band)].astype(float) for band in ("B04", "B08"))
        ndvi = (infrared - red) / (infrared + red)
        seen = observed == 3
        reached = (found[3] * 1.0 - found[2]) / (found[3] * 1.0 + found[2])
        assert np.abs(ndvi.max(axis=0) - reached)[seen].max() < 1e-3
        # Under a large uncertainty nobody trusts a high NDVI.
        assert (reached[filled > 0] <= ndvi.max(axis=0)[filled > 0] + 1e-3).all()
    assert uncertainty.max() > 0


def test_what_is_uncertain_weighs_little():
    values = np.array([0.1, 0.2, 0.9], np.float32).reshape(3, 1, 1, 1)
    weights = np.array([1.0, 1.0, 5.0], np.float32).reshape(3, 1, 1)
    assert weighted_median(values, weights).item() == np.float32(0.9)
    assert weighted_median(values, weights[::-1]).item() == np.float32(0.1)
    assert np.isnan(weighted_median(values, weights * 0)).all()


@given(arrays(np.float32, (5, 2, 3, 4), elements=st.floats(0, 1, width=32)))
def test_of_equal_weights_it_is_the_median(values):
    assert np.allclose(weighted_median(values, np.ones((5, 3, 4), np.float32)), np.median(values, axis=0))
    part = values.copy()
    part[3:] = np.nan
    weights = np.ones((5, 3, 4), np.float32)
    weights[3:] = 0
    assert np.allclose(weighted_median(part, weights), np.median(values[:3], axis=0))


def test_the_table_has_observed_and_filled_apart(made, results):
    with (made[0] / "ndvi.csv").open() as file:
        lines = list(csv.DictReader(file))
    dn, _, source = stacked(results)
    assert tuple(lines[0]) == COLUMNS and [line["file"] for line in lines] == [path.name for path in results]
    assert [line["date"] for line in lines] == [f"2018-05-{day}T10:00:31Z" for day in ("03", "08", "18")]
    red, infrared = (dn[:, FOUR.index(band)].astype(float) for band in ("B04", "B08"))
    ndvi = (infrared - red) / (infrared + red)
    for line, one, origin in zip(lines, ndvi, source, strict=True):
        for name, which in (("observed", origin == 0), ("filled", origin > 0)):
            assert float(line[f"{name}_share"]) == pytest.approx(which.mean(), abs=1e-4)
            if which.any():
                assert float(line[f"{name}_ndvi"]) == pytest.approx(one[which].mean(), abs=1e-3)
                assert float(line[f"{name}_spread"]) == pytest.approx(one[which].std(), abs=1e-3)
        if (origin > 0).any():
            assert 0 < float(line["filled_error"]) < 1
    assert {line["pixels"] for line in lines} == {str(source[0].size)}


def test_progress_names_the_step_and_not_the_file_again(made, results, tmp_path):
    stages = []

    def progress(stage, done, total):
        stages.append(stage)

    write_composite(tmp_path, results, "median", ReadOptions(), progress)
    write_ndvi(tmp_path / "ndvi.csv", results, ReadOptions(), progress)
    write_animation(made[0], tmp_path / "series.gif", ReadOptions(), progress=progress)
    assert set(stages) == {"combining", "reading dates"}


def test_the_animation_shows_each_date(made):
    with Image.open(made[0] / "series.gif") as gif:
        assert (gif.n_frames, gif.format) == (3, "GIF")
        frames = []
        for number in range(3):
            gif.seek(number)
            frames.append(np.asarray(gif.convert("RGB"), int))
    width = frames[0].shape[1]
    assert width > 2 * 150 and all(np.abs(frame - frames[0]).max() > 30 for frame in frames[1:])
    # The first date lies under a cloud on the left, and not on the right.
    left, right = frames[0][18:, : width // 2 - 2], frames[0][18:, width // 2 + 2 :]
    assert left.mean() > right.mean() + 5


def test_dates_on_other_grids_and_without_red_are_refused_before_any_work(results, weights, tmp_path):
    dates = write_dates(tmp_path / "dates")
    with rasterio.open(dates[0]) as file:
        small = write(
            tmp_path / "dates" / "S2A_MSIL2A_20180601T100031_N0207_R122_T32TQM_x.tif", file.read()[:, :99], names=FOUR
        )
    for words, why in (
        ([*dates, small, "--composite", "best"], "its size is"),
        ([*dates, "--bands", "B02,B03,B08", "--ndvi"], "NDVI is made of B04 and B08"),
    ):
        result = run("series", *words, "--output", tmp_path / "out", "--model", weights)
        assert result.exit_code == 2 and why in result.stderr, result.stderr
        assert not list((tmp_path / "out").glob("*.tif"))
    with pytest.raises(InputError, match="its bands is"):
        _other_bands(results, tmp_path)


def _other_bands(results, folder):
    """A result of fewer bands beside the others."""
    other = folder / "S2A_other.tif"
    with rasterio.open(results[0]) as file, rasterio.open(results[0].with_name(f"{results[0].stem}_quality.tif")) as q:
        write(other, file.read([1, 2, 3]), names=FOUR[:3], nodata=0)
        write(folder / "S2A_other_quality.tif", q.read(), names=q.descriptions)
    write_ndvi(folder / "ndvi.csv", [results[0], other], ReadOptions(level="L2A", offset=0))


def test_a_fill_of_unknown_error_does_not_weigh_as_an_observation(results, tmp_path):
    quality = results[0].with_name(f"{results[0].stem}_quality.tif")
    for path in (results[0], quality):
        shutil.copy(path, tmp_path / path.name)
    with rasterio.open(tmp_path / quality.name, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:
        made = file.read()
        made[1] = np.where(np.isfinite(made[1]), 1e-13, np.nan)  # softplus of -30
        made[2, :8] = np.where(np.isfinite(made[2, :8]), 1, np.nan)
        file.write(made)
    with open_dates([tmp_path / results[0].name], ReadOptions()) as dates:
        shown = dates[0].read(Box(0, 0, 8, made.shape[2]))
    assert np.isfinite(shown.uncertainty).any() and (shown.uncertainty[np.isfinite(shown.uncertainty)] >= 1).all()
