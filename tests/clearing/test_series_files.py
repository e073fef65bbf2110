"""A series of files: each date looked at once, with the results of clearing each by itself with the others."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from command_line import run
from dates import CLOUDS, FOUR, HEIGHT, WIDTH, dn_of, name_of
from rasterio.transform import from_origin
from rasterio.warp import transform_bounds
from rasters import write
from scenes import used_as

import unclouded
from unclouded.clearing.context import other_dates
from unclouded.clearing.detector.cover_detector import FOUND, CoverDetector
from unclouded.clearing.detector.detection_cache import Detection, DetectionCache, DetectionKey
from unclouded.clearing.grid_file import GridFile
from unclouded.detection.csmask import CloudShadowNetwork
from unclouded.errors import FileError
from unclouded.files import workplace
from unclouded.models.weights import load_generator
from unclouded.reading.reader import ReadOptions, open_scene


@pytest.fixture(scope="module")
def weights(detecting_weights):
    return detecting_weights


@pytest.fixture(scope="module")
def one_by_one(dates, weights, tmp_path_factory):
    """The date in the middle last, as its neighbours are equally far from the others in number, not in days."""
    folder = tmp_path_factory.mktemp("alone")
    nearest = {0: (1, 2), 1: (0, 2), 2: (1, 0)}
    for number, others in nearest.items():
        references = [word for other in others for word in ("--reference", dates[other])]
        output = folder / dates[number].name
        result = run("clear", dates[number], "--output", output, "--model", weights, *references)
        assert result.exit_code == 0, result.stderr
    return {path.name: path.read_bytes() for path in folder.glob("*.tif")}


def made_in(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.tif")}


@pytest.fixture
def looks(monkeypatch):
    """How often the detector looked at a whole image."""
    calls = []
    detect = CloudShadowNetwork.detect_small
    monkeypatch.setattr(
        CloudShadowNetwork, "detect_small", lambda self, *given: calls.append(1) or detect(self, *given)
    )
    return calls


def test_each_date_is_looked_at_once_and_becomes_what_it_would_by_itself(dates, weights, one_by_one, looks, tmp_path):
    result = run("series", *dates, "--output", tmp_path / "out", "--model", weights)
    assert result.exit_code == 0, result.stderr
    assert len(looks) == len(dates)
    assert made_in(tmp_path / "out") == one_by_one
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.suffix != ".tif") == sorted(
        ["collection.json", *(f"{path.stem}.json" for path in dates), "series.html"]
    )
    assert "from S2A_MSIL2A_20180508" in result.stdout


def test_quality_checks_are_kept_for_the_resumed_run(dates, weights, one_by_one, looks, tmp_path, monkeypatch):
    fit = other_dates.OtherDates.fit
    monkeypatch.setattr(other_dates.OtherDates, "fit", lambda self, *given: raised(KeyboardInterrupt))
    result = run("series", *dates, "--output", tmp_path, "--model", weights)
    assert result.exit_code == 130 and len(looks) == len(dates)
    monkeypatch.setattr(other_dates.OtherDates, "fit", fit)
    result = run("series", *dates, "--output", tmp_path, "--model", weights)
    assert result.exit_code == 0, result.stderr
    assert len(looks) == len(dates)
    assert made_in(tmp_path) == one_by_one
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_an_area_of_every_date_is_what_it_is_of_one(dates, weights, tmp_path):
    with rasterio.open(dates[0]) as file:
        west, south, east, north = transform_bounds(file.crs, "EPSG:4326", *file.bounds)
    box = ["--bbox", f"{west},{(south + north) / 2},{(west + east) / 2},{north}", "--model", weights]
    result = run("series", *dates, "--output", tmp_path / "out", *box, "--max-references", 1)
    assert result.exit_code == 0, result.stderr
    one = tmp_path / dates[0].name
    result = run("clear", dates[0], "--reference", dates[1], "--output", one, *box)
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "out" / one.name).read_bytes() == one.read_bytes()


def raised(error):
    raise error


def test_a_second_series_in_the_same_folder_is_refused(dates, weights, tmp_path):
    with workplace(tmp_path / "series"):
        result = run("series", *dates, "--output", tmp_path, "--model", weights)
    assert result.exit_code == 2 and "another run is writing it" in result.stderr
    assert not list(tmp_path.glob("*.tif"))


@pytest.mark.parametrize("covered", [False, True])
def test_no_ground_is_transferred_to_a_date_that_nothing_covers(dates, weights, tmp_path, monkeypatch, covered):
    monkeypatch.setattr(other_dates.OtherDates, "fit", lambda self, *given: raised(FileError("looked at others")))
    scene = dates[list(CLOUDS).index("20180503" if covered else "20180508")]
    given = ["--model", weights, "--threshold", 0.9, "--reference", dates[2]]
    result = run("clear", scene, "--output", tmp_path / "out.tif", *given)
    assert result.exit_code == (2 if covered else 0), result.stderr
    assert ("looked at others" in result.stderr) == covered
    if not covered:
        with rasterio.open(scene) as before, rasterio.open(tmp_path / "out.tif") as after:
            assert (before.read() == after.read()).all()


def test_a_date_is_looked_at_where_a_mask_alone_covers_it(dates, weights, tmp_path):
    mask = np.zeros((1, HEIGHT, WIDTH), np.uint8)
    mask[:, 100:110, 20:40] = 1
    write(tmp_path / "mask.tif", mask)
    given = ["--model", weights, "--threshold", 0.9, "--reference", dates[0], "--mask", tmp_path / "mask.tif"]
    result = run("clear", dates[1], "--output", tmp_path / "out.tif", *given)
    assert result.exit_code == 0, result.stderr
    with rasterio.open(tmp_path / "out_quality.tif") as file:
        assert (file.read(3)[mask[0] > 0] == 2).all()


@pytest.mark.parametrize("damage", ["cut", "bits", "seen bits", "checksum", "pixels", "weights", "detector", None])
def test_an_answer_is_given_again_only_if_all_that_it_follows_from_is_the_same(dates, weights, tmp_path, damage):
    generator = load_generator(weights)[0]
    copy = shutil.copy(dates[0], tmp_path / dates[0].name)
    (tmp_path / "kept").mkdir()
    with open_scene(copy) as scene:
        info, files = scene.info, scene.files
    key = DetectionKey(info, files, info, CoverDetector(info, info.bands, generator=generator))
    calls = []

    def make():
        calls.append(1)
        grids = []
        for channels in (FOUND, len(key.detector.bands)):
            grids.append(GridFile(33, 38, tmp_path))
            for channel in np.random.default_rng(channels).random((channels, 33, 38), np.float32):
                grids[-1].add(channel)
        return Detection(*grids, 7)

    first = DetectionCache(tmp_path / "kept").get(key, tmp_path, make)
    (kept,) = (tmp_path / "kept").iterdir()
    content = kept.read_bytes()
    seen = 7
    if damage == "cut":
        kept.write_bytes(content[:-200])
    elif damage == "bits":
        kept.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    elif damage == "seen bits":
        kept.write_bytes(content[:-100] + bytes([content[-100] ^ 1]) + content[-99:])
    elif damage == "checksum":
        seen = 8
    elif damage == "pixels":
        os.utime(copy, (1, 1))
    elif damage == "weights":
        other = used_as(generator, detector="csmask", threshold=0.3)
        key = replace(key, detector=CoverDetector(info, info.bands, generator=other))
    elif damage == "detector":
        key = replace(
            key,
            detector=CoverDetector(info, info.bands, "L1C", generator=generator),
            image=replace(info, level="L1C"),
        )
    again = DetectionCache(tmp_path / "kept").get(key, tmp_path, make, seen)
    assert len(calls) == (1 if damage is None else 2)
    assert (again.probabilities.rows(0, 33) == first.probabilities.rows(0, 33)).all() and again.checksum == 7
    assert (again.reflectance.rows(0, 33) == first.reflectance.rows(0, 33)).all()


def untold(folder, *, names=("a_20180503", "b_20180508", "c_20180518")):
    """Three dates whose names tell no level: the first all under cloud, the others with dark corners."""
    rng = np.random.default_rng(3)
    made = []
    for number, name in enumerate(names):
        dn = rng.uniform(3500, 6000, (4, 40, 50))
        if number:
            dn[:, :20] = 200 + 100 * rng.random((4, 20, 50))
        made.append(write(folder / f"{name}.tif", dn.astype("u2"), names=FOUR, nodata=0))
    return made


@pytest.mark.parametrize("workers", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_an_overcast_date_has_the_level_of_the_others_and_it_is_reported_once(weights, tmp_path, workers):
    overcast, *others = untold(tmp_path)
    more = ["--offset", 0, "--model", weights, *(["--workers", 1] if workers else [])]
    result = run("series", overcast, *others, "--output", tmp_path / "out", *more)
    assert result.exit_code == 0, result.stderr
    lines = [line for line in result.stderr.splitlines() if "as of its other dates" in line]
    assert lines == [f"note: {overcast}: level assumed: L2A, as of its other dates; give --level if it is not"]
    # What is assumed of the others, in one line, is not said anew wherever they help another.
    assert result.stderr.count("level assumed") == 2
    with pytest.warns(UserWarning, match="as of its other dates"):
        cleared = unclouded.clear_series([overcast, *others], offset=0, model=weights)
    assert cleared.attrs["level"] == "L2A"


def test_an_overcast_date_has_the_offset_of_others_without_metadata_but_not_of_those_before_offsets_came(tmp_path):
    for last, known in (("a_20180503", True), ("a_20240503", False)):
        overcast, *others = untold(tmp_path / last, names=(last, "b_20180508", "c_20180518"))
        reading = ReadOptions().completed_by_other_dates([str(overcast), *map(str, others)])
        assert bool(reading.offsets) is known
        if not known:
            with pytest.raises(unclouded.InputError, match="offset cannot be known"):
                reading.open(str(overcast))
            continue
        with reading.open(str(overcast)) as scene:
            assert scene.info.level == "L2A" and scene.info.encoding.offsets == (0.0,) * 4
            assert sum("as of its other dates" in note for note in scene.info.notes) == 2
    # Dates of whom a name or a tag says it are of another kind.
    named = [
        overcast,
        *(other.rename(other.with_name(name_of(day) + ".tif")) for other, day in zip(others, CLOUDS, strict=False)),
    ]
    assert not ReadOptions().completed_by_other_dates(list(map(str, named))).offsets


def test_an_overcast_date_is_refused_where_the_others_differ_in_level_or_have_none(weights, tmp_path):
    dates = untold(tmp_path, names=("a_20180503", "b_L1C_20180508", "c_20180518"))
    more = ["--output", tmp_path / "out", "--offset", 0, "--model", weights]
    for given, code in ((dates, 1), ([dates[0], shutil.copy(dates[0], tmp_path / "d_20180511.tif")], 2)):
        result = run("series", *given, *more, "--overwrite")
        assert result.exit_code == code
        (asked,) = (line for line in result.stderr.splitlines() if line.startswith(f"error: {dates[0]}"))
        assert "nothing says whether it is L1C or L2A" in asked and "have its name hold it" in asked
        assert not (tmp_path / "out" / dates[0].name).exists()


def test_a_date_of_another_place_is_cleared_by_itself_and_spoils_none(weights, tmp_path):
    near = [tmp_path / f"{name_of(day)}.tif" for day in CLOUDS]
    corners = (600_000, 600_000, 700_000)
    for path, day, east in zip(near, CLOUDS, corners, strict=True):
        write(path, dn_of(day)[:, :64, :64], names=FOUR, nodata=0, transform=from_origin(east, 5_200_000, 10, 10))
    result = run("series", *near, "--output", tmp_path / "out", "--model", weights)
    assert result.exit_code == 0, result.stderr
    assert f"note: {near[2]}: no other date overlaps it, so it has no reference" in result.stderr
    assert len(list((tmp_path / "out").glob("*_quality.tif"))) == 3


@pytest.mark.parametrize("workers", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_date_that_is_damaged_fails_alone_and_helps_none(dates, weights, tmp_path, workers):
    """Its damage is found where its pixels are read, after the plan was made."""
    given = []
    for path in dates:
        with rasterio.open(path) as file:
            # So many rows that no sample sees all of them.
            dn = np.tile(file.read(), (1, 5, 1))
        blocks = {"compress": "deflate", "tiled": True, "blockxsize": 64, "blockysize": 64}
        given.append(write(tmp_path / path.name, dn, names=FOUR, nodata=0, **blocks))
    bad, *good = given
    with rasterio.open(bad) as file:
        offset, length = (int(file.get_tag_item(f"BLOCK_{what}_1_3", "TIFF", 1)) for what in ("OFFSET", "SIZE"))
    content = bytearray(bad.read_bytes())
    content[offset : offset + length] = bytes(length)
    bad.write_bytes(content)
    more = ["--model", weights, *(["--workers", 1] if workers else [])]
    result = run("series", bad, *good, "--output", tmp_path / "out", *more)
    assert result.exit_code == 1, result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and str(bad) in errors[0]
    assert sum("it is no reference for other dates" in line for line in result.stderr.splitlines()) == 1
    alone = run("series", *good, "--output", tmp_path / "alone", "--model", weights)
    assert alone.exit_code == 0, alone.stderr
    assert made_in(tmp_path / "out") == made_in(tmp_path / "alone")


def test_the_folder_of_a_series_is_not_called_as_a_file(weights, tmp_path):
    result = run("series", *untold(tmp_path), "--output", tmp_path / "out.tif", "--model", weights)
    assert result.exit_code == 2 and "out.tif: is the name of a file; give a folder" in result.stderr
    assert not (tmp_path / "out.tif").exists()
