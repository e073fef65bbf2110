from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rio_cogeo.cogeo import cog_validate
from scenes import MemoryScene, active_generator, clear_scene, ground, options_of, used_as

from unclouded.bands import INDEX, L1C, L2A, NAMES
from unclouded.clearing.inputs import SceneInputs
from unclouded.clearing.options import ClearOptions
from unclouded.clearing.passes import Clearing
from unclouded.clearing.patch import clear_patch
from unclouded.clearing.tiles.ground_composition import smooth_error
from unclouded.clearing.tiles.latent_sampling import latents
from unclouded.errors import InputError, OutputExistsError
from unclouded.files import QUALITY_BANDS
from unclouded.models.generator import compose
from unclouded.models.heads import UNTRAINED_BIAS
from unclouded.models.observation import Observation, pad_to_cells
from unclouded.reflectance import Encoding

FOUR = ("B02", "B03", "B04", "B08")


@pytest.fixture(scope="module")
def active():
    return active_generator()


def clearing_of(scene, generator, radar=None, **options):
    return Clearing(SceneInputs(scene, radar), generator, *options_of(**options))


def in_memory(scene, generator, **options):
    """The cleared DN, and opacity and uncertainty, of all tiles."""
    dn = np.zeros_like(scene.dn)
    quality = np.zeros((2, *scene.dn.shape[1:]), np.float32)
    for tile in clearing_of(scene, generator, **options).tiles():
        dn[(slice(None), *tile.box.slices)] = tile.dn
        quality[(slice(None), *tile.box.slices)] = tile.quality[:2]
    return dn, quality


def forward(generator, dn, z, bands=L1C, level=0.0):
    """The composed reflectance (C, H, W), opacity and smoothed expected error (H, W) of the network alone."""
    present = [INDEX[band] for band in bands]
    optical = torch.zeros(1, len(NAMES), *dn.shape[1:])
    optical[0, present] = torch.from_numpy(dn.astype(np.float32)) / 10000
    there = torch.zeros(1, len(NAMES))
    there[0, present] = 1
    height, width = dn.shape[1:]
    x = pad_to_cells(Observation.of(optical, there, torch.tensor([level])))
    translation = generator(x, z[None])
    cleared = compose(x.optical, translation)[0, present, :height, :width]
    opacity, error = translation.opacity[0, 0], smooth_error(translation.expected_error)[0, 0]
    return cleared.numpy(), opacity[:height, :width].numpy(), error[:height, :width].numpy()


def test_tiles_agree_wherever_the_grid_starts(active):
    scene = MemoryScene(ground(13, 300, 420), L1C)
    dn, quality = in_memory(scene, active, tile=64)
    shifted, shifted_quality = in_memory(scene, active, tile=64, tile_offset=(32, 32))
    difference = np.abs(dn.astype(float) - shifted) / 10000
    assert difference.mean() <= 1e-6 and np.quantile(difference, 0.99) <= 1e-4
    assert np.abs(quality - shifted_quality).max() <= 1e-5
    assert (dn != scene.dn).any(0).mean() > 0.5


@pytest.mark.parametrize("bands, level", [(L1C, "L1C"), (L2A, "L2A"), (FOUR, "L2A")])
def test_tiles_agree_with_the_network_on_the_whole(active, bands, level):
    scene = MemoryScene(ground(len(bands), 133, 210), bands, level)
    dn, quality = in_memory(scene, active, tile=64, batch=2)
    composed, *expected = forward(active, scene.dn, torch.zeros(16), bands, float(level == "L2A"))
    opacity = expected[0]
    np.testing.assert_allclose(quality, np.stack([opacity, np.where(opacity < 0.1, 0, expected[1])]), atol=1e-5)
    expected = np.where(opacity < 0.1, scene.dn, np.clip(composed * 10000, 1, None))
    np.testing.assert_allclose(dn, expected, atol=1)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 75),
    st.integers(1, 75),
    st.sampled_from(["uint16", "int16", "uint32", "float32", "float64"]),
    st.integers(0, 2**32 - 1),
)
def test_identity_gives_every_dn_back(identity_generator, height, width, dtype, seed):
    rng = np.random.default_rng(seed)
    dn = rng.integers(0, 16000, (4, height, width)).astype(dtype)
    dn[:, rng.random((height, width)) < 0.1] = 0
    dn[0, 0, 0] = np.nan if dtype.startswith("float") else 0
    dn[:, -1, -1] = 700  # a scene holds data somewhere
    result, quality = in_memory(MemoryScene(dn, FOUR, "L2A"), identity_generator, tile=32)
    assert result.tobytes() == dn.tobytes()
    valid = (dn != 0).all(0) & np.isfinite(dn).all(0)
    assert np.array_equal(np.isfinite(quality[0]), valid)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.floats(0, 1), st.integers(0, 1000), st.sampled_from([1, 2]))
def test_under_the_threshold_every_dn_stays(active, height, width, threshold, seed, samples):
    dn = ground(4, height, width, seed)
    dn[:, :1, :1] = 0
    dn[:, -1:, -1:] = 900
    scene = MemoryScene(dn, FOUR, "L2A", Encoding(10000.0, (-1000.0,) * 4, 0.0))
    result, quality = in_memory(scene, active, threshold=threshold, samples=samples, tile=32)
    kept = ~(quality[0] >= np.float32(threshold))
    assert result[:, kept].tobytes() == dn[:, kept].tobytes()


def test_mean_and_uncertainty_are_those_of_the_mixture_of_the_samples(active):
    dn = ground(4, 70, 90)
    typical, *zs = torch.zeros(16), *latents(active, 5, seed=3)
    _, opacity, error = forward(active, dn, typical, FOUR, 1.0)
    composed, opacities, _ = map(np.stack, zip(*(forward(active, dn, z, FOUR, 1.0) for z in zs), strict=True))
    assert np.abs(opacities - opacity).max() > 1e-3
    # Each sample's ground is laid under the image as far as the most typical one says.
    composed = dn / 10000 + (composed - dn / 10000) * (opacity / opacities)[:, None]
    kept = opacity < 0.1
    expected = np.where(kept, dn / 10000, composed.mean(0))

    uncertainty = np.where(kept, 0, error)

    options = ClearOptions(precision="fp32", samples=5, seed=3)
    cleared, shown, found = clear_patch(dn.astype(np.float32) / 10000, FOUR, "L2A", active, options)
    np.testing.assert_allclose(cleared, expected, atol=1e-5)
    np.testing.assert_allclose(shown, opacity, atol=1e-5)
    np.testing.assert_allclose(found, uncertainty, atol=1e-5)
    assert composed.std(0).max() > 1e-3 and error.max() > 1e-3

    result, quality = in_memory(MemoryScene(dn, FOUR, "L2A"), active, samples=5, seed=3, tile=32)
    np.testing.assert_allclose(result, np.where(kept, dn, np.clip(expected * 10000, 1, None)), atol=1)
    np.testing.assert_allclose(quality, np.stack([opacity, uncertainty]), atol=1e-5)

    untold = copy.deepcopy(active)
    torch.nn.init.constant_(untold.error.leave.bias, UNTRAINED_BIAS)
    found = clear_patch(dn.astype(np.float32) / 10000, FOUR, "L2A", untold, options)[2]
    np.testing.assert_allclose(found, np.where(kept, 0, np.sqrt(composed.var(0).mean(0))), atol=1e-5)


@pytest.mark.parametrize("samples", [1, 3])
def test_the_uncertainty_is_calibrated(active, samples):
    reflectance = ground(4, 64, 64).astype(np.float32) / 10000
    options = ClearOptions(precision="fp32", samples=samples)
    plain = clear_patch(reflectance, FOUR, "L2A", active, options)[2]
    uncertainty = clear_patch(reflectance, FOUR, "L2A", used_as(active, calibration=3.0), options)[2]
    assert plain.max() > 0
    np.testing.assert_allclose(uncertainty, 3 * plain, rtol=1e-5)


def test_one_sample_needs_no_seed_and_has_the_error_that_is_predicted(active):
    scene = MemoryScene(ground(4, 40, 50), FOUR, "L2A")
    first, quality = in_memory(scene, active, seed=1)
    second, _ = in_memory(scene, active, seed=2)
    assert first.tobytes() == second.tobytes()
    _, opacity, error = forward(active, scene.dn, torch.zeros(16), FOUR, 1.0)
    np.testing.assert_allclose(quality[1], np.where(opacity < 0.1, 0, error), atol=1e-5)


def test_the_seed_decides_every_byte(active, tmp_path):
    scene = MemoryScene(ground(4, 40, 50), FOUR, "L2A")
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        clear_scene(scene, active, tmp_path / f"{name}.tif", samples=2, seed=seed)
    a, b, c = ((tmp_path / f"{name}.tif").read_bytes() for name in "abc")
    assert a == b != c
    assert (tmp_path / "a_quality.tif").read_bytes() == (tmp_path / "b_quality.tif").read_bytes()


def test_radar_changes_the_result_and_tiles_agree_about_its_gaps(active):
    dn = ground(4, 64, 64)
    radar = np.random.default_rng(0).normal(-12, 4, (2, 64, 64)).astype(np.float32)
    radar[0, 5:9, 5:9] = np.nan
    radar[:, :, 40:] = np.nan

    class Radar:
        def read(self, row, column, height, width):
            return radar[:, row : row + height, column : column + width]

    scene = MemoryScene(dn, FOUR, "L2A")
    without, _ = in_memory(scene, active, tile=32)
    result, quality = in_memory(scene, active, tile=32, radar=Radar())
    assert (result != without).any()
    options = ClearOptions(precision="fp32")
    reflectance, opacity, _ = clear_patch(dn.astype(np.float32) / 10000, FOUR, "L2A", active, options, radar=radar)
    np.testing.assert_allclose(opacity, quality[0], atol=1e-5)
    np.testing.assert_allclose(np.clip(reflectance * 10000, 1, None), result, atol=1)


def test_the_output_is_like_the_input(active, tmp_path):
    dn = ground(4, 200, 560)
    dn[:, :, :30] = 0
    scene = MemoryScene(
        dn,
        FOUR,
        "L2A",
        Encoding(10000.0, (-1000.0,) * 4, 0.0),
        descriptions=("blue", "green", "red", "nir"),
        scales=(1e-4,) * 4,
        gdal_offsets=(-0.1,) * 4,
        tags={"acquired": "2018-05-03"},
    )
    stages = []
    done = clear_scene(
        scene, active, tmp_path / "out.tif", progress=lambda stage, part, whole: stages.append((stage, part / whole))
    )
    assert done.output == tmp_path / "out.tif" and done.quality == tmp_path / "out_quality.tif"
    assert done.pixels == 200 * 560 and 0 < done.seconds_network < done.seconds
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "out.tif", "out_quality.tif"]
    for path in (done.output, done.quality):
        valid, errors, _ = cog_validate(path)
        assert valid and not errors
        with rasterio.open(path) as file:
            assert (file.crs, file.transform, file.shape) == (scene.info.crs, scene.info.transform, (200, 560))
            assert file.overviews(1) == [2]
    with rasterio.open(done.output) as file:
        assert file.descriptions == scene.info.descriptions and set(file.dtypes) == {"uint16"}
        assert file.scales == scene.info.scales and file.offsets == scene.info.gdal_offsets
        assert file.nodata == 0 and file.tags()["acquired"] == "2018-05-03"
        result = file.read()
    with rasterio.open(done.quality) as file:
        assert file.descriptions == QUALITY_BANDS and set(file.dtypes) == {"float32"}
        assert np.isnan(file.nodata)
        opacity = file.read(1)
    assert not result[:, :, :30].any() and np.isnan(opacity[:, :30]).all()
    assert result[:, :, 30:].all(), "a valid pixel never becomes no-data"
    changed = (opacity >= 0.1).sum() / (200 * 530)
    assert done.changed == pytest.approx(changed)
    for stage in ("summarising", "encoding the scene", "spreading ground", "clearing", "writing"):
        parts = [part for name, part in stages if name == stage]
        assert parts == sorted(parts) and parts[-1] == 1


@pytest.mark.parametrize("empty", [0, np.nan])
def test_a_scene_without_data_is_refused_and_nothing_written(active, tmp_path, empty):
    scene = MemoryScene(np.full((4, 20, 30), empty, np.float32), FOUR, "L2A")
    with pytest.raises(InputError, match=r"scene\.tif: every pixel is no-data"):
        clear_scene(scene, active, tmp_path / "out.tif")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["out.tif", "out_quality.tif", "out.json"])
def test_existing_outputs_are_refused_without_overwrite(active, tmp_path, name):
    (tmp_path / name).write_text("mine")
    scene = MemoryScene(ground(4, 20, 30), FOUR, "L2A")
    with pytest.raises(OutputExistsError, match=f"{name}: is already there.*--overwrite"):
        clear_scene(scene, active, tmp_path / "out.tif")
    assert (tmp_path / name).read_text() == "mine" and len(list(tmp_path.iterdir())) == 1
    clear_scene(scene, active, tmp_path / "out.tif", overwrite=True)
    assert (tmp_path / name).read_bytes() != b"mine"
    for written in ("out.tif", "out_quality.tif"):
        with rasterio.open(tmp_path / written) as file:
            assert file.shape == (20, 30)


def test_a_patch_keeps_what_is_not_valid(active):
    reflectance = ground(4, 30, 41).astype(np.float32) / 10000
    valid = np.ones((30, 41), bool)
    valid[3:9, 4:12] = False
    cleared, opacity, uncertainty = clear_patch(reflectance, FOUR, "L2A", active, valid=valid)
    assert np.isnan(opacity[~valid]).all() and np.isnan(uncertainty[~valid]).all()
    assert np.isfinite(opacity[valid]).all()
    np.testing.assert_array_equal(cleared[:, ~valid], reflectance[:, ~valid])
    assert (cleared != reflectance).any()


@pytest.mark.parametrize("nodata", [0.0, 9.0])
def test_what_fills_all_bands_of_a_hole_becomes_no_data(active, nodata):
    dn = ground(4, 70, 80)
    dn[:, 20:40, 30:50] = 5000
    dn[1, 60, 60] = 5000  # a number like others
    scene = MemoryScene(dn, FOUR, encoding=Encoding(10000.0, (0.0,) * 4, nodata, (5000.0,) * 4))
    made, quality = in_memory(scene, active)
    hole = np.zeros((70, 80), np.bool_)
    hole[20:40, 30:50] = True
    assert (made[:, hole] == nodata).all() and np.isnan(quality[:, hole]).all()
    assert np.isfinite(quality[:, ~hole]).all()


def test_tiles_that_do_not_fit_the_cells_are_refused(active):
    scene = MemoryScene(ground(4, 20, 30), FOUR, "L2A")
    with pytest.raises(ValueError, match="multiples of 32"):
        clearing_of(scene, active, tile=48)


def test_scenes_cleared_at_once_by_one_generator_are_those_cleared_alone(active):
    scene = MemoryScene(ground(4, 100, 140), FOUR, "L2A")
    alone = in_memory(scene, active)
    places = [parameter.data_ptr() for parameter in active.parameters()]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda _: in_memory(scene, active), range(8)))
    # Clearing once moved the network, tensor by tensor, under the hands of others.
    assert places == [parameter.data_ptr() for parameter in active.parameters()]
    for one in together:
        for ours, expected in zip(one, alone, strict=True):
            np.testing.assert_array_equal(ours, expected)


def test_bfloat16_differs_by_little(active):
    scene = MemoryScene(ground(13, 100, 140), L1C)
    exact, opacity = in_memory(scene, active)
    fast, fast_opacity = in_memory(scene, active, precision="bf16")
    difference = np.abs(exact.astype(float) - fast) / 10000
    assert 0 < difference.mean() < 5e-3
    assert np.abs(opacity - fast_opacity)[0].mean() < 1e-2


def test_the_threshold_is_that_of_the_weights_unless_given(active):
    scene = MemoryScene(ground(4, 40, 50), FOUR, "L2A")
    careful = used_as(active, threshold=0.6)
    expected, _ = in_memory(scene, active, threshold=0.6)
    result, quality = in_memory(scene, careful)
    assert result.tobytes() == expected.tobytes() != in_memory(scene, active)[0].tobytes()
    kept = quality[0] < 0.6
    reflectance = scene.dn.astype(np.float32) / 10000
    cleared = clear_patch(reflectance, FOUR, "L2A", careful, ClearOptions(precision="fp32"))[0]
    np.testing.assert_array_equal(cleared[:, kept], reflectance[:, kept])
    assert (quality[0][~kept] >= 0.6).all() and (cleared != reflectance).any()
    assert (in_memory(scene, careful, threshold=0.0)[0] != result).any()
