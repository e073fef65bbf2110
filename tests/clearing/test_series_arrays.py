"""Other dates and series as arrays: what becomes of them is what becomes of the same in files."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import xarray as xr
from command_line import run
from dates import FOUR, HEIGHT, WIDTH, cube_of_dates, dn_of

import unclouded
from unclouded.clearing.memory import series_arrays
from unclouded.clearing.memory.series_arrays import series_of
from unclouded.detection.csmask import CloudShadowNetwork
from unclouded.files import QUALITY_BANDS
from unclouded.reading.reader import ReadOptions, open_scene

QUALITY = list(QUALITY_BANDS)


@pytest.fixture(scope="module")
def weights(detecting_weights):
    return detecting_weights


@pytest.fixture(scope="module")
def cube():
    return cube_of_dates()


@pytest.fixture(scope="module")
def cleared(cube, weights):
    return unclouded.clear_series(cube, level="L2A", model=weights, precision="fp32", max_references=2)


def test_references_may_be_arrays_or_paths_in_any_order(dates, cube, weights):
    given = {"level": "L2A", "model": weights, "precision": "fp32"}
    arrays = [cube[1], cube[2].chunk() if _has_dask() else cube[2]]
    expected = unclouded.clear(cube[0], references=dates[1:], **given)
    assert (expected.source == 2).mean() > 0.05
    for references in (arrays, [arrays[0], dates[2]], [dates[1], arrays[1]]):
        cleared = unclouded.clear(cube[0], references=references, **given)
        np.testing.assert_allclose(cleared.reflectance, expected.reflectance, atol=1e-4)
        assert (cleared.source == expected.source).mean() > 0.999


def _has_dask():
    try:
        import dask.array  # noqa: F401
    except ImportError:
        return False
    return True


def test_a_reference_without_names_and_place_has_those_of_the_scene(cube, weights):
    given = {"level": "L2A", "model": weights, "precision": "fp32"}
    expected = unclouded.clear(cube[0], references=[cube[1]], **given)
    for reference in (cube[1].values, cube[1].drop_vars(["spatial_ref"])):
        cleared = unclouded.clear(cube[0], references=[reference], **given)
        np.testing.assert_array_equal(cleared.reflectance, expected.reflectance)


def test_a_reference_on_another_grid_is_warped_to_the_scene_s(cube, weights):
    given = {"level": "L2A", "model": weights, "precision": "fp32"}
    expected = unclouded.clear(cube[0, :, 20:120, 20:120], references=[cube[1, :, 20:120, 20:120]], **given)
    cleared = unclouded.clear(cube[0, :, 20:120, 20:120], references=[cube[1]], **given)
    assert (cleared.source == 2).mean() > 0.05
    np.testing.assert_allclose(cleared.reflectance, expected.reflectance, atol=0.05)
    away = cube[1].assign_coords(x=cube.x + 1e5)
    with pytest.raises(unclouded.InputError, match="reference 1: does not overlap"):
        unclouded.clear(cube[0], references=[away], **given)
    nowhere = cube[0].drop_vars("spatial_ref")
    with pytest.raises(unclouded.InputError, match=r"reference 1: its coordinates are not those of .*write_crs"):
        unclouded.clear(nowhere, references=[away.drop_vars("spatial_ref")], **given)


def test_dn_are_no_reference_of_reflectance_without_an_encoding(cube, weights):
    dn = (cube[1] * 10_000).round().astype("uint16").assign_attrs({})
    with pytest.raises(unclouded.InputError, match="reference 1: the DN offset cannot be known"):
        unclouded.clear(cube[0], references=[dn + np.uint16(1000)], level="L2A", model=weights)


def test_a_reference_of_another_encoding_is_refused_unless_it_declares_it(cube, weights):
    given = {"level": "L2A", "model": weights, "precision": "fp32"}
    per_cent = cube[1] * 100
    for reference in (per_cent, per_cent.values, cube[1].assign_attrs(scale_factor=1e-4)):
        with pytest.raises(unclouded.InputError, match="scale_factor and add_offset"):
            unclouded.clear((cube[0] * 1e4).astype("u2"), references=[reference], offset=0, **given)
    cleared = unclouded.clear(cube[0], references=[per_cent.assign_attrs(scale_factor=0.01)], **given)
    expected = unclouded.clear(cube[0], references=[cube[1]], **given)
    np.testing.assert_allclose(cleared.reflectance, expected.reflectance, atol=1e-3)


def test_notes_on_references_are_warnings_once_each(cube, weights):
    with pytest.warns(UserWarning, match="reference 1: is of the scene's own overpass, .*; give another date"):
        unclouded.clear(cube[0], references=[cube[0]], level="L2A", model=weights)
    twice = xr.concat([cube, cube[1:2].assign_coords(time=cube.time[1:2] + np.timedelta64(1, "h"))], "time")
    with pytest.warns(UserWarning) as caught:
        unclouded.clear_series(twice, level="L2A", model=weights, precision="fp32")
    notes = [str(one.message) for one in caught if one.category is UserWarning]
    assert any("the same image as" in note for note in notes)
    assert len(set(notes)) == len(notes)


def test_a_chunked_scene_takes_no_references(cube, weights):
    pytest.importorskip("dask.array")
    with pytest.raises(unclouded.InputError, match="is in chunks, which take no references"):
        unclouded.clear(cube[0].chunk(), references=[cube[1]], level="L2A", model=weights)


def test_a_series_is_its_dates_each_with_the_nearest_others(cube, cleared, weights):
    assert cleared.reflectance.dims == ("time", "band", "y", "x") and cleared.source.dims == ("time", "y", "x")
    assert (cleared.time == cube.time).all() and list(cleared.band.values) == list(FOUR)
    assert cleared.rio.crs == cube.rio.crs and cleared.reflectance.rio.crs == cube.rio.crs
    nearest = {0: (1, 2), 1: (0, 2), 2: (1, 0)}
    for number, others in nearest.items():
        one = unclouded.clear(
            cube[number], references=[cube[other] for other in others], level="L2A", model=weights, precision="fp32"
        )
        for name in ("reflectance", *QUALITY):
            np.testing.assert_array_equal(cleared[name][number], one[name])
        assert list(cleared.reference_time[number].values) == list(cube.time.values[list(others)])


def test_a_date_that_is_not_known_leaves_the_others_theirs(cube, weights):
    times = cube.time.values.copy()
    times[1] = np.datetime64("NaT")
    with_gap = cube.assign_coords(time=times)
    cleared = unclouded.clear_series(with_gap, level="L2A", model=weights, precision="fp32", max_references=1)
    np.testing.assert_array_equal(cleared.time, times)
    np.testing.assert_array_equal(cleared.reference_time[:, 0], times[[2, 0, 0]])
    assert (
        "time"
        not in unclouded.clear_series(cube.drop_vars("time"), level="L2A", model=weights, max_references=1).coords
    )


def test_earlier_dates_alone_may_help(cube, weights):
    cleared = unclouded.clear_series(
        cube, level="L2A", model=weights, precision="fp32", only_earlier=True, max_references=1
    )
    assert cleared.source[0].max() <= 1 and np.isnat(cleared.reference_time[0].values).all()
    assert cleared.reference_time[2].values == cube.time[1].values and cleared.reference.values == [2]


def test_files_cubes_and_chunks_are_the_same_series(cube, cleared, dates, weights, tmp_path, monkeypatch):
    pytest.importorskip("zarr")
    looks = []
    detect = CloudShadowNetwork.detect_small
    monkeypatch.setattr(
        CloudShadowNetwork, "detect_small", lambda self, *given: looks.append(1) or detect(self, *given)
    )
    cube.to_dataset(name="place").to_zarr(tmp_path / "place.zarr")
    by_band = cube.to_dataset("band")
    given = {"model": weights, "precision": "fp32", "max_references": 2}
    more = [(by_band, {"level": "L2A"}), (str(tmp_path / "place.zarr"), {"level": "L2A"}), (dates, {})]
    if _has_dask():
        more.append((cube.chunk({"time": 1}), {"level": "L2A"}))
    for source, how in more:
        made = unclouded.clear_series(source, **given, **how)
        np.testing.assert_allclose(made.reflectance, cleared.reflectance, atol=1e-4)
        assert (made.source == cleared.source).mean() > 0.999
    assert len(looks) == len(more) * len(cube)


def test_masks_come_date_by_date(cube, weights):
    masks = np.zeros((3, HEIGHT, WIDTH), bool)
    masks[0, 30:90, 20:80] = True
    given = {"level": "L2A", "model": weights, "precision": "fp32", "mask_only": True}
    placed = xr.DataArray(masks, dims=("time", "y", "x"), coords={"y": cube.y, "x": cube.x, "time": cube.time})
    of_days = placed.assign_coords(time=placed.time.dt.floor("D"))
    for mask in (masks, placed, placed[[2, 0, 1]], of_days[::-1], [masks[0], None, None]):
        cleared = unclouded.clear_series(cube, mask=mask, **given)
        assert (cleared.opacity[0].values[masks[0]] == 1).all() and (cleared.source[0].values[masks[0]] >= 1).all()
        if not isinstance(mask, list):
            assert (cleared.source[1:] == 0).all()
    with pytest.raises(unclouded.InputError, match="mask: is 2 of them; one for each of the 3 dates"):
        unclouded.clear_series(cube, mask=masks[:2], **given)
    with pytest.raises(unclouded.InputError, match="mask: is of other dates than the series"):
        unclouded.clear_series(cube, mask=placed.assign_coords(time=placed.time + np.timedelta64(9, "D")), **given)


def test_dates_without_data_stay_so_and_help_nobody(cube, weights):
    holed = cube.copy()
    holed[1] = np.nan
    with pytest.warns(UserWarning, match="2018-05-08T10:00:31.: holds no data"):
        cleared = unclouded.clear_series(holed, level="L2A", model=weights, precision="fp32")
    assert cleared.reflectance[1].isnull().all() and cleared.source[1].isnull().all()
    assert cube.time.values[1] not in cleared.reference_time.values
    expected = unclouded.clear(cube[0], references=[cube[2]], level="L2A", model=weights, precision="fp32")
    np.testing.assert_array_equal(cleared.reflectance[0], expected.reflectance)


def test_what_is_no_series_is_refused_in_a_line(cube, dates, weights, tmp_path, monkeypatch):
    given = {"level": "L2A", "model": weights}
    with pytest.raises(unclouded.InputError, match="two dates or more is accepted"):
        unclouded.clear_series(cube[0], **given)
    with pytest.raises(unclouded.InputError, match="a series needs at least two dates"):
        unclouded.clear_series([dates[0]], **given)
    with pytest.raises(unclouded.InputError, match=r"series: is a float; an xarray\.DataArray"):
        unclouded.clear_series(1.5, **given)
    with pytest.raises(unclouded.InputError, match="--max-references 0: at least 1"):
        unclouded.clear_series(cube, max_references=0, **given)
    with pytest.raises(unclouded.InputError, match=r"--max-references 2\.0: a whole number is accepted"):
        unclouded.clear_series(cube, max_references=2.0, **given)
    from rasters import write

    small = write(tmp_path / dates[1].name, dn_of("20180508")[:, :100], names=FOUR, nodata=0)
    with pytest.raises(unclouded.InputError, match=r"its size is \(150, 100\), that of .* \(150, 130\)"):
        unclouded.clear_series([dates[0], small], **given)
    monkeypatch.setattr(series_arrays, "LARGEST", 1000)
    with pytest.raises(unclouded.InputError, match="3 dates of 150 x 130 x 4 do not fit"):
        unclouded.clear_series(cube, **given)


def test_a_cube_is_a_series_for_the_command(cube, dates, weights, tmp_path):
    dn = (cube * 10_000).round().astype("int16").assign_attrs(scale_factor=1e-4, add_offset=0.0)
    dn.to_dataset("band").to_netcdf(tmp_path / "place.nc", engine="scipy", format="NETCDF3_64BIT")
    given = ["--model", weights, "--level", "L2A", "--precision", "fp32"]
    result = run("series", tmp_path / "place.nc", "--output", tmp_path / "out", *given)
    assert result.exit_code == 0, result.stderr
    stems = [f"place_201805{day}T100031" for day in ("03", "08", "18")]
    assert sorted(path.name for path in (tmp_path / "out").glob("*_quality.tif")) == [f"{s}_quality.tif" for s in stems]
    result = run("series", *dates, "--output", tmp_path / "files", *given)
    for stem, file in zip(stems, dates, strict=True):
        with (
            rasterio.open(tmp_path / "out" / f"{stem}.tif") as made,
            rasterio.open(tmp_path / "files" / file.name) as f,
        ):
            np.testing.assert_array_equal(made.read(), f.read())
    one = f"{tmp_path / 'place.nc'}@2018-05-08T10:00:31"
    assert run("clear", one, "--output", tmp_path / "one.tif", *given).exit_code == 0
    result = run("clear", f"{tmp_path / 'place.nc'}@2018", "--output", tmp_path / "two.tif", *given)
    assert result.exit_code == 2 and "holds no '2018'; accepted after the @: 2018-05-03T10:00:31" in result.stderr
    twice = xr.concat([dn, dn[:1]], "time")
    twice.to_dataset("band").to_netcdf(tmp_path / "twice.nc", engine="scipy", format="NETCDF3_64BIT")
    result = run("series", tmp_path / "twice.nc", "--output", tmp_path / "twice", *given)
    assert result.exit_code == 2 and "holds 2018-05-03T10:00:31 more than once along 'time'" in result.stderr


def overcast_cube(bands=FOUR, ground=0.02):
    """Two dates of one place: the first all under cloud, the second with a dark corner."""
    rng = np.random.default_rng(3)
    values = rng.uniform(0.35, 0.6, (2, len(bands), 40, 50)).astype("f4")
    values[1, :, :20] = ground + 0.01 * rng.random((len(bands), 20, 50))
    at = {"time": np.array(["2018-05-03", "2018-05-08"], "datetime64[ns]"), "band": list(bands)}
    place = {"y": 5199995.0 - 10 * np.arange(40), "x": 600005.0 + 10 * np.arange(50)}
    array = xr.DataArray(values, dims=("time", "band", "y", "x"), coords=at | place)
    return array.rio.write_crs("EPSG:32631")


def test_an_overcast_date_has_the_level_of_the_others(tmp_path):
    array = overcast_cube()
    array.to_dataset("band").to_netcdf(tmp_path / "place.nc", engine="scipy", format="NETCDF3_64BIT")
    series = series_of(array, ReadOptions(), 2)
    for name in (series.names[0], f"{tmp_path / 'place.nc'}@2018-05-03"):
        with series.open(name) if name in series.names else open_scene(name) as scene:
            assert scene.info.level == "L2A"
            assert [note for note in scene.info.notes if "as of its other dates" in note]
    with series.open(series.names[1]) as scene:
        assert not [note for note in scene.info.notes if "as of its other dates" in note]
    with pytest.raises(unclouded.InputError, match="nothing says whether it is L1C or L2A"):
        series_of(overcast_cube(ground=0.3), ReadOptions(), 2).images[series.names[0]]


def test_an_overcast_date_has_the_offset_of_the_others(tmp_path):
    array = (overcast_cube() * 1e4).astype("u2")
    array.to_dataset("band").astype("i4").to_netcdf(tmp_path / "place.nc", engine="scipy", format="NETCDF3_64BIT")
    series = series_of(array, ReadOptions(level="L2A"), 2)
    for name in (series.names[0], f"{tmp_path / 'place.nc'}@2018-05-03"):
        with series.open(name) if name in series.names else open_scene(name, level="L2A") as scene:
            assert scene.info.encoding.offsets == (0.0,) * 4
            assert [note for note in scene.info.notes if "as of its other dates" in note]
    later = array.assign_coords(time=np.array(["2024-05-03", "2018-05-08"], "datetime64[ns]"))
    with pytest.raises(unclouded.InputError, match="offset cannot be known"):
        series_of(later, ReadOptions(level="L2A"), 2).images["array 0 (2024-05-03)"]


@pytest.mark.parametrize("times", [[1588329031, 1588761031, 1589193031], ["2020-05", "2020-06", "2020-07"]])
def test_times_that_are_no_dates_are_reported(cube, times):
    with pytest.warns(UserWarning, match=rf"series: its time \({times[0]}, …\) tells no dates.*; give datetime64"):
        made = series_of(cube[: len(times)].assign_coords(time=times[: len(cube)]), ReadOptions(level="L2A"), 4)
    assert not any(made.times)
