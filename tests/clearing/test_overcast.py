"""A scene all under cloud, with other dates of the place: their ground as it is, said, and with its error."""

import dated_scenes
import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401 (gives arrays their `rio`)
import xarray as xr
from command_line import run
from dated_scenes import HEIGHT, PLAIN_BANDS, WIDTH, dated, plain_fields, plain_scene
from dates import FOUR, dn_of, name_of
from rasters import write

import unclouded
from unclouded.clearing.options import TileOptions


def clear(scene, references, covered=None, tiling=None):
    """Reflectance, quality, and the clearing, of a scene all under cloud if nothing else is said."""
    return dated_scenes.clear(scene, np.ones((HEIGHT, WIDTH), bool) if covered is None else covered, references, tiling)


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    return plain_fields()


@pytest.fixture(scope="module")
def overcast(truth):
    return dated(plain_scene(np.full_like(truth, 0.8), "scene.tif"), "2024-06-10T10:00:00Z")


@pytest.fixture(scope="module")
def others(truth):
    """The same fields ten days before and after, each a little otherwise."""
    noise = np.random.default_rng(5).normal(0, 0.005, (2, *truth.shape))
    days = ("2024-05-31T10:00:00Z", "2024-06-20T10:00:00Z")
    return [
        dated(plain_scene((truth + n).clip(0.001), f"{day[5:10]}.tif"), day) for n, day in zip(noise, days, strict=True)
    ]


def test_the_ground_of_other_dates_is_taken_as_it_is_and_reported(overcast, truth, others) -> None:
    result, quality, clearing = clear(overcast, others)
    shown = quality[2] >= 2
    assert shown.mean() > 0.99
    error = np.abs(result - truth)[:, shown]
    assert error.mean() < np.abs(others[0].dn / 1e4 - truth).mean()
    # Nine tenths of Laplace's errors are under 2.3 times their mean.
    expected = quality[1][shown].mean() * 1.645 / 2.3
    assert 0.5 * error.mean() < expected < 4 * error.mean()
    assert clearing.notes == (
        "scene.tif: nothing clear to fit to: ground of 05-31.tif (2024-05-31), 06-20.tif (2024-06-20) "
        "interpolated in time",
    )
    assert [verdict.fault for verdict in clearing.verdicts] == [None, None]


@pytest.mark.parametrize("count", [0, 2])
def test_tiles_agree_wherever_the_grid_starts(overcast, others, count) -> None:
    one, quality, _ = clear(overcast, others[:count], tiling=TileOptions(size=64))
    other, shifted, _ = clear(overcast, others[:count], tiling=TileOptions(size=96, offset=(32, 64)))
    np.testing.assert_allclose(other, one, atol=1.01e-4)
    np.testing.assert_allclose(shifted, quality, atol=1e-4)


def test_where_no_date_shows_the_ground_it_is_guessed(overcast, others) -> None:
    half = plain_scene(others[0].dn / 1e4, "half.tif")
    half.dn[:, :, 80:] = 0
    _, quality, _ = clear(overcast, [half])
    assert (quality[2][:, 100:] == 1).all()
    assert (quality[2][:, :70] == 2).all()


def test_another_level_is_not_taken_and_reported(overcast, others) -> None:
    other = dated(plain_scene(others[0].dn / 1e4, "l2a.tif"), "2024-06-09T10:00:00Z", level="L2A")
    without, _, _ = clear(overcast, [])
    result, quality, clearing = clear(overcast, [other])
    np.testing.assert_array_equal(result, without)
    assert quality[2].max() == 1
    assert len(clearing.notes) == 1 and "L2A" in clearing.notes[0]
    assert clearing.verdicts[0].fault == "not comparable"


def test_a_date_that_is_only_taken_for_one_like_the_scene_is_not_taken_as_it_is(overcast, others) -> None:
    unsure = dated(
        plain_scene(others[0].dn / 1e4, "unsure.tif"),
        "2024-06-09T10:00:00Z",
        notes=("taken for scale 10000, offset 0, as the scene is",),
    )
    _, quality, clearing = clear(overcast, [unsure])
    assert quality[2].max() == 1
    assert clearing.verdicts[0].fault == "not comparable"


def test_a_band_that_no_date_has_is_guessed_and_so_is_the_source(overcast, others) -> None:
    lacking = dated(plain_scene(others[0].dn[:5] / 1e4, "few.tif", PLAIN_BANDS[:5]), "2024-06-09T10:00:00Z")
    guessed, _, _ = clear(overcast, [])
    result, quality, clearing = clear(overcast, [lacking])
    assert (quality[2] == 1).all()
    assert clearing.notes[0].endswith("interpolated in time; no date has B12: guessed, and so is the source")
    np.testing.assert_array_equal(result[5], guessed[5])
    assert np.abs(result[0] - lacking.dn[0] / 1e4).mean() < 2e-3


def test_a_band_that_another_date_has_is_from_dates(overcast, others) -> None:
    lacking = dated(plain_scene(others[0].dn[:5] / 1e4, "few.tif", PLAIN_BANDS[:5]), "2024-06-09T10:00:00Z")
    _, quality, clearing = clear(overcast, [lacking, others[1]])
    assert (quality[2] >= 2).mean() > 0.99
    assert clearing.notes[0].endswith("interpolated in time")


def test_a_little_clear_ground_draws_the_rest_towards_it(truth, others) -> None:
    covered = np.ones((HEIGHT, WIDTH), bool)
    covered[40:50, 60:70] = False
    scene = dated(plain_scene(np.where(covered, 0.8, 0.85 * truth), "scene.tif"), "2024-06-10T10:00:00Z")
    result, quality, clearing = clear(scene, others, covered)
    shown = covered & (quality[2] >= 2)
    assert "too little clear to fit to" in clearing.notes[0]
    assert np.abs(result - 0.85 * truth)[:, shown].mean() < 0.7 * np.abs(truth - 0.85 * truth).mean()
    kept = ~covered & (quality[0] == 0)
    np.testing.assert_array_equal(result[:, kept], scene.dn[:, kept] / 1e4)


def test_thin_cloud_over_all_of_an_image_does_not_pass_for_ground_to_fit_to(shared_data) -> None:
    """1 April 2018 at the Belgian fields: white all over, and here and there thinner than elsewhere."""
    days = ("2018-03-25", "2018-04-01", "2018-04-06")
    (path,) = (shared_data / "worldcereal").glob("S2_L2A_10m_*.nc")
    layers = []
    for band in ("B02", "B03", "B04", "B08"):
        with rasterio.open(f"netcdf:{path}:{band}") as file:
            start = np.datetime64(file.tags()["timestamp#units"].removeprefix("seconds since ")[:19])
            seconds = file.tags()["NETCDF_DIM_timestamp_VALUES"].strip("{}").split(",")
            found = [str(start + np.timedelta64(int(s), "s"))[:10] for s in seconds]
            layers.append(file.read([found.index(day) + 1 for day in days]))
    cube = xr.DataArray(np.stack(layers, 1), dims=("time", "band", "y", "x")).assign_coords(
        band=["B02", "B03", "B04", "B08"], y=5_600_000 - 10 * np.arange(64), x=500_000 + 10 * np.arange(64)
    )
    before, overcast, after = (
        one.assign_attrs(datetime=day).rio.write_crs(32631) for one, day in zip(cube, days, strict=True)
    )
    with pytest.warns(UserWarning, match="clear to fit to"):
        cleared = unclouded.clear(overcast, references=[before, after], level="L2A", offset=0)
    assert float((cleared.source >= 2).mean()) > 0.9
    np.testing.assert_allclose(cleared.reflectance.mean(("y", "x")), after.mean(("y", "x")) / 1e4, atol=0.03)


def test_a_date_in_a_name_is_not_repeated(overcast, others) -> None:
    first = dated(plain_scene(others[0].dn / 1e4, "cube.nc@2024-05-31T10:00:00"), "2024-05-31T10:00:00Z")
    second = dated(plain_scene(others[1].dn / 1e4, "S2A_20240620.tif"), "2024-06-20T10:00:00Z")
    _, _, clearing = clear(overcast, [first, second])
    assert "ground of cube.nc@2024-05-31T10:00:00, S2A_20240620.tif interpolated" in clearing.notes[0]


@pytest.mark.parametrize(("shown", "message"), [(1.0, "on 100.0% of that in B12 alone"), (0.3, "a guess at best")])
def test_a_date_with_one_guessed_band_is_reported_as_such(tmp_path, detecting_weights, shown, message) -> None:
    bands = (*FOUR, "B12")
    scene = write(tmp_path / f"{name_of('20180503')}.tif", np.full((5, 130, 150), 8000, "u2"), names=bands, nodata=0)
    dn = dn_of("20180508")
    dn[:, :, round(shown * 150) :] = 0
    other = write(tmp_path / f"{name_of('20180508')}.tif", dn, names=FOUR, nodata=0)
    mask = write(tmp_path / "mask.tif", np.ones((1, 130, 150), "u1"))
    given = ["--reference", other, "--mask", mask, "--mask-only", "--model", detecting_weights]
    result = run("clear", scene, "--output", tmp_path / "clear.tif", *given)
    assert result.exit_code == 0, result.stderr
    (note,) = (line for line in result.stderr.splitlines() if "nearly all of it lies under cloud" in line)
    assert message in note and ("at best" in note) == (shown < 0.5)
    assert "100.0% guessed, on " in result.stdout and "of that in B12 alone" in result.stdout
