"""What hides the ground of a scene: found by the detector or given as a mask, and replaced whatever the tiles."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import xarray as xr
from command_line import run
from rasters import EAST, NORTH, write
from scenes import CLOUDS, MemoryMask, MemoryScene, active_generator, fields, options_of, used_as

import unclouded
from unclouded.bands import L1C
from unclouded.clearing.detector import cover_detector
from unclouded.clearing.detector.cover_detector import CoverDetector
from unclouded.clearing.inputs import SceneInputs
from unclouded.clearing.passes import Clearing
from unclouded.detection.classes import SHADOW, THICK_CLOUD
from unclouded.detection.csmask import SIX_BANDS, CloudShadowNetwork
from unclouded.errors import InputError
from unclouded.models.weights import save_generator
from unclouded.models.weights_header import Header
from unclouded.progress import silent

pytestmark = pytest.mark.usefixtures("unasked")

NAME = "S2A_MSIL1C_20180503T100031_N0206_R122_T32TQM_20180503T120000.tif"
INFRARED = ("B8A", "B11", "B12")
COVERED = np.ones((1, 300, 560), np.uint8)


@pytest.fixture(scope="module")
def active():
    return used_as(active_generator(), detector="csmask", threshold=0.2)


@pytest.fixture(scope="module")
def weights(active, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "active.safetensors"
    save_generator(active, Header("active", detector="csmask", threshold=0.2), path)
    return path


@pytest.fixture(scope="module")
def scene():
    return MemoryScene(fields(L1C, 300, 560), L1C)


@pytest.fixture(scope="module")
def file(scene, tmp_path_factory):
    return write(tmp_path_factory.mktemp("scene") / NAME, scene.dn, names=L1C)


@pytest.fixture(scope="module")
def square():
    """A mask of what is covered, far from all that is found."""
    mask = np.zeros((300, 560), np.uint8)
    mask[200:240, 400:450] = THICK_CLOUD
    return mask


def in_memory(scene, generator, given=None, detection=None, **options):
    """The cleared DN, and opacity and uncertainty, of all tiles."""
    dn = np.zeros_like(scene.dn)
    quality = np.zeros((2, *scene.dn.shape[1:]), np.float32)
    inputs = SceneInputs(scene, mask=None if given is None else MemoryMask(given), detection=detection)
    for tile in Clearing(inputs, generator, *options_of(**options)).tiles():
        dn[(slice(None), *tile.box.slices)] = tile.dn
        quality[(slice(None), *tile.box.slices)] = tile.quality[:2]
    return dn, quality


def read(path):
    with rasterio.open(path) as opened:
        return opened.read()


def distance(row, column, height=300, width=560):
    rows, columns = np.mgrid[0:height, 0:width]
    return np.hypot(rows - row, columns - column)


def test_clouds_are_detected_and_opacity_of_the_generator_alone_is_not(scene, active):
    dn, quality = in_memory(scene, active)
    for row, column, radius in CLOUDS:
        assert quality[0][distance(row, column) < 0.5 * radius].min() > 0.5
    assert (dn[:, :, 400:] == scene.dn[:, :, 400:]).all()
    assert not quality[:, :, 400:].any()
    alone, _ = in_memory(scene, used_as(active, detector="none"))
    assert (alone[:, :, 400:] != scene.dn[:, :, 400:]).any()


@pytest.mark.parametrize(("width", "left"), [(1040, 0), (64, 1)])
def test_networks_of_the_detector_make_room_for_the_tiles_of_a_large_scene(active, width, left):
    cover_detector._network.cache_clear()
    tiles = Clearing(SceneInputs(MemoryScene(fields(L1C, 32, width), L1C)), active, *options_of()).tiles()
    next(tiles)
    assert cover_detector._network.cache_info().currsize == left
    tiles.close()


def test_how_much_land_is_too_dark_to_be_sunlit_is_known(scene, active):
    shaded = scene.dn.copy()
    shaded[:, :, :280] = 400
    shaded[L1C.index("B08"), :, :280] = 750
    for dn, share in ((scene.dn, 0.0), (shaded, 0.5)):
        clearing = Clearing(SceneInputs(MemoryScene(dn, L1C)), active, *options_of())
        for _ in clearing.tiles():
            pass
        assert clearing.cover_shares.dark == pytest.approx(share, abs=0.01)


def test_sunlit_vegetation_is_not_covered(scene, active, monkeypatch):
    monkeypatch.setattr(
        CloudShadowNetwork, "detect_small", lambda self, seen, factor: np.full((2, 75, 140), 0.4, np.float32)
    )
    detector = CoverDetector(scene.info, SIX_BANDS, generator=active)
    seen = np.empty((6, 150, 280), np.float32)
    seen[:] = np.array([0.085, 0.08, 0.05, 0.35, 0.2, 0.1], np.float32)[:, None, None]
    seen[:3, :, 140:] += np.array([0.05, 0.05, 0.15], np.float32)[:, None, None]
    reduced = detector.grid(None)
    reduced.write_rows(0, seen)
    cloud, shadow, _, _ = detector.detect(reduced, None, silent).rows(0, 75)
    assert (cloud[:, :70] == 0).all() and (cloud[:, 70:] == np.float32(0.4)).all()
    assert (shadow[:, :70] == 0).all() and (shadow[:, 70:] == np.float32(0.4)).all()


@pytest.mark.parametrize("veil", [0.0, 0.06])
def test_water_is_no_shadow_unless_haze_makes_it_ambiguous(scene, active, monkeypatch, veil):
    monkeypatch.setattr(
        CloudShadowNetwork, "detect_small", lambda self, seen, factor: np.full((2, 75, 140), 0.4, np.float32)
    )
    land, lake = ([0.12, 0.12, 0.14, 0.3, 0.2, 0.1], [0.12, 0.10, 0.07, 0.05, 0.015, 0.01])
    detector = CoverDetector(scene.info, (*SIX_BANDS, "B10"), generator=active)
    seen = np.empty((7, 150, 280), np.float32)
    seen[:6] = np.array(land, np.float32)[:, None, None] + np.array([veil, veil / 2, 0, 0, 0, 0])[:, None, None]
    seen[:6, :, 240:] = np.array(lake, np.float32)[:, None, None]
    seen[6] = 0.001  # B10
    reduced = detector.grid(None)
    reduced.write_rows(0, seen)
    cloud, shadow, hazy, _ = detector.detect(reduced, None, silent).rows(0, 75)
    assert (cloud == np.float32(0.4)).all() and (shadow[:, :120] == np.float32(0.4)).all()
    assert (hazy.min() > 0.2) == (veil > 0)
    assert (shadow[:, 120:] == 0).all() if not veil else (shadow[:, 120:] > 0.05).all()


def test_the_tiles_decide_nothing_and_one_where_nothing_is_found_is_not_looked_at(scene, active, monkeypatch):
    whole, whole_quality = in_memory(scene, active)
    observations, translate = [], active.translate_lazily
    monkeypatch.setattr(active, "translate_lazily", lambda x, *more: observations.append(x) or translate(x, *more))
    dn, quality = in_memory(scene, active, tile=64, crop=16)
    assert 0 < len(observations) < 0.8 * 5 * 9
    assert (quality[0] > 0).mean() > 0.02
    for others, others_quality in (
        (whole, whole_quality),
        in_memory(scene, active, tile=64, tile_offset=(32, 32)),
    ):
        np.testing.assert_allclose(dn, others.astype(float), atol=1)
        np.testing.assert_allclose(quality, others_quality, atol=1e-5)
    kept = quality[0] == 0
    np.testing.assert_array_equal(dn[:, kept], scene.dn[:, kept])


def test_clouds_far_apart_in_a_tile_are_looked_at_one_by_one_to_the_same_result(active, monkeypatch):
    scene = MemoryScene(fields(L1C, 160, 1000, clouds=((80, 80, 24), (80, 920, 24))), L1C)
    observations, translate = [], active.translate_lazily
    monkeypatch.setattr(active, "translate_lazily", lambda x, *more: observations.append(x) or translate(x, *more))
    dn, quality = in_memory(scene, active, tile=1024, crop=32)
    assert len(observations) == 2
    whole, whole_quality = in_memory(scene, active, tile=1024, crop=1024)
    assert len(observations) == 3
    np.testing.assert_allclose(dn, whole.astype(float), atol=1)
    np.testing.assert_allclose(quality, whole_quality, atol=1e-5)
    for column in (80, 920):
        assert (quality[0][distance(80, column, 160, 1000) < 12] > 0.5).all()


def test_the_uncertainty_is_0_where_nothing_is_replaced_and_shows_no_blocks(scene, active):
    # Bluer land, since vegetation, which is kept, would leave holes in what is replaced.
    scene = MemoryScene(scene.dn + np.array([0, 400, *[0] * 11], scene.dn.dtype)[:, None, None], L1C)
    dn, quality = in_memory(scene, active, samples=2)
    replaced = (dn != scene.dn).any(axis=0)
    assert not quality[1][~replaced & (quality[0] == 0)].any()
    inside = np.logical_and.reduce([np.roll(quality[0] > 0, step, axis) for step in (-1, 0, 1) for axis in (0, 1)])
    assert (quality[1][inside] > 0).all()
    for axis in (0, 1):
        steps = np.abs(np.diff(quality[1], axis=axis))
        both = np.minimum(*(np.delete(inside, end, axis) for end in (0, -1)))
        place = np.indices(steps.shape)[axis]
        for side in (2, 4):
            means = [steps[both & (place % side == phase)].mean() for phase in range(side)]
            assert max(means) < 1.15 * min(means)


def test_more_samples_change_the_ground_but_not_what_is_replaced(scene, active):
    (alone, quality), (several, others) = (in_memory(scene, active, samples=samples, seed=5) for samples in (1, 6))
    np.testing.assert_allclose(others[0], quality[0], atol=1e-6)
    kept = quality[0] == 0
    assert 0.2 < kept.mean() < 0.97
    np.testing.assert_array_equal(several[:, kept], scene.dn[:, kept])
    assert (several[:, ~kept] != alone[:, ~kept]).any()


def test_a_given_mask_is_replaced_entirely_whatever_the_opacity(scene, active, identity_generator, square):
    for generator in (active, used_as(identity_generator, detector="csmask", threshold=0.2)):
        dn, quality = in_memory(scene, generator, given=square)
        assert (quality[0][square > 0] == 1).all()
        assert (dn[:, square > 0] != scene.dn[:, square > 0]).mean() > 0.9
        for row, column, radius in CLOUDS:  # joined with what is found
            assert quality[0][distance(row, column) < 0.4 * radius].min() > 0.5
    softly = quality[0][190:250, 390:460]
    assert np.abs(np.diff(softly, axis=0)).max() < 0.4 and np.abs(np.diff(softly, axis=1)).max() < 0.4


@pytest.mark.parametrize("threshold", [None, 0.0, 0.05])
@pytest.mark.parametrize("detector", ["none", "csmask"])
def test_outside_a_complete_mask_nothing_changes(scene, active, square, threshold, detector):
    generator = used_as(active, detector=detector)
    dn, quality = in_memory(scene, generator, given=square, mask_only=True, mask="given", threshold=threshold)
    changed = (dn != scene.dn).any(axis=0)
    far = np.ones(square.shape, bool)
    far[190:250, 390:460] = False
    assert not changed[far].any() and not quality[:, far].any()
    assert changed[square > 0].all()


def test_the_same_mask_comes_in_many_ways(file, weights, square, tmp_path):
    boolean = square > 0
    scl = np.where(boolean, 9, 4).astype(np.uint8)
    coarse = scl[::10, ::10]
    own = np.where(boolean, 7, 2).astype(np.int16)
    write(tmp_path / "boolean.tif", boolean[None].astype(np.uint8))
    write(tmp_path / "scl.tif", scl[None])
    write(tmp_path / "coarse.tif", coarse[None], metres=100)
    write(tmp_path / "own.tif", own[None])
    at = {"y": NORTH - 50 - 100.0 * np.arange(30), "x": EAST + 50 + 100.0 * np.arange(56)}
    array = xr.DataArray(coarse, at, ("y", "x"))
    options = {"model": weights, "mask_only": True}
    expected = unclouded.clear(file, mask=tmp_path / "boolean.tif", **options)
    assert (expected.opacity.values[boolean] == 1).all()
    ways = [
        {"mask": str(tmp_path / "scl.tif")},
        {"mask": tmp_path / "coarse.tif", "mask_classes": "scl"},
        {"mask": tmp_path / "own.tif", "mask_classes": "2=clear,7=cloud"},
        {"mask": boolean},
        {"mask": scl, "mask_classes": "scl"},
        {"mask": array, "mask_classes": "scl"},
    ]
    for way in ways:
        xr.testing.assert_equal(unclouded.clear(file, **way, **options), expected)


def test_shadow_of_a_mask_is_replaced_and_unknown_pixels_are_kept(scene, active, square):
    mask = np.where(square > 0, SHADOW, np.uint8(255))
    dn, quality = in_memory(scene, active, given=mask)
    assert (quality[0][square > 0] == 1).all()
    assert (dn[:, 270:, 500:] == scene.dn[:, 270:, 500:]).all()


def test_a_mask_that_is_all_clear_or_all_covered_is_done(file, weights, tmp_path):
    options = ["--model", weights, "--mask-only"]
    for name, values in (("clear", 0 * COVERED), ("covered", COVERED)):
        mask = write(tmp_path / f"{name}_mask.tif", values)
        result = run("clear", file, "--output", tmp_path / f"{name}.tif", "--mask", mask, *options)
        assert result.exit_code == 0, result.stderr
    assert (
        "0.0% of the pixels changed"
        in run(
            "clear", file, "--output", tmp_path / "again.tif", "--mask", tmp_path / "clear_mask.tif", *options
        ).stdout
    )
    np.testing.assert_array_equal(read(tmp_path / "clear.tif"), read(file))
    assert (read(tmp_path / "covered_quality.tif")[0] == 1).all()
    assert "nearly all of it lies under cloud or shadow" in result.stderr


@pytest.mark.parametrize(
    "values, place, more, message",
    [
        (
            np.ones((1, 300, 560), np.uint8),
            {"transform": rasterio.Affine(10, 0, 9e5, 0, -10, 5e6)},
            [],
            "does not overlap",
        ),
        (
            np.ones((1, 30, 56), np.uint8),
            {"crs": None, "transform": None},
            [],
            "has no place on the ground and 56 x 30",
        ),
        (np.full((1, 300, 560), 42, np.uint8), {}, [], "say what its values mean with --mask-classes"),
        (
            np.ones((1, 300, 560), np.uint8),
            {},
            ["--mask-classes", "0=clear"],
            "holds the values 1, which have no class",
        ),
        (np.ones((1, 300, 560), np.uint8), {}, ["--mask-classes", "1=fog"], "one of clear, cloud, thick, thin"),
        (np.full((1, 300, 560), 0.3, np.float32), {}, [], "apply a threshold to a probability first"),
        (np.ones((2, 300, 560), np.uint8), {}, [], "a mask of one band is accepted"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused_in_one_line(file, weights, tmp_path, values, place, more, message):
    mask = write(tmp_path / "mask.tif", values, **place)
    result = run("clear", file, "--output", f"{tmp_path}/out/", "--model", weights, "--mask", mask, *more)
    assert result.exit_code == 2
    assert message in result.stderr and len(result.stderr.strip().splitlines()) == 1, result.stderr
    assert not list(tmp_path.glob("out/*"))


def test_mask_options_without_a_mask_or_for_several_scenes_are_refused(file, weights, tmp_path):
    result = run("clear", file, "--output", tmp_path / "out.tif", "--model", weights, "--mask-only")
    assert result.exit_code == 2 and "no scene classification (SCL) comes with it; give --mask a file" in result.stderr
    for more in (["--mask", "none", "--mask-only"], ["--mask-classes", "0=clear"]):
        result = run("clear", file, "--output", tmp_path / "out.tif", "--model", weights, *more)
        assert result.exit_code == 2 and "are about --mask; give that a file" in result.stderr
    result = run("clear", file, tmp_path, "--output", f"{tmp_path}/out/", "--mask", file)
    assert result.exit_code == 2 and "belongs to one scene" in result.stderr


def test_bands_too_few_for_detection_need_a_mask(scene, weights, square, tmp_path):
    dn = scene.dn[[L1C.index(band) for band in INFRARED]]
    file = write(tmp_path / NAME, dn, names=INFRARED)
    result = run("clear", file, "--output", tmp_path / "out.tif", "--model", weights)
    assert result.exit_code == 2 and len(result.stderr.strip().splitlines()) == 1
    assert (
        "clouds cannot be distinguished from ground with B8A, B11, B12; give --mask, or add B02, B03, B04, B08"
        in result.stderr
    )
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    mask = write(tmp_path / "mask.tif", square[None])
    result = run("clear", file, "--output", tmp_path / "out.tif", "--model", weights, "--mask", mask)
    assert result.exit_code == 0, result.stderr
    changed = (read(tmp_path / "out.tif") != dn).any(axis=0)
    assert changed[square > 0].all()
    changed[190:250, 390:460] = False
    assert not changed.any()
    with pytest.raises(InputError, match="give --mask, or add B02"):
        in_memory(MemoryScene(dn, INFRARED), used_as(active_generator(), detector="csmask"))


def test_bands_that_are_not_written_serve_detection(scene, file, weights, active, tmp_path):
    how = ["--model", weights, "--bands", ",".join(INFRARED), "--precision", "fp32"]
    result = run("clear", file, "--output", tmp_path / "out.tif", *how)
    assert result.exit_code == 0, result.stderr
    picked = [L1C.index(band) for band in INFRARED]
    with rasterio.open(tmp_path / "out.tif") as cleared:
        assert cleared.descriptions == INFRARED
    opacity = read(tmp_path / "out_quality.tif")[0]
    for row, column, radius in CLOUDS:
        assert opacity[distance(row, column) < 0.5 * radius].min() > 0.5
    assert (read(tmp_path / "out.tif")[:, :, 400:] == scene.dn[picked][:, :, 400:]).all()
    detection = MemoryScene(scene.dn[[L1C.index(band) for band in SIX_BANDS]], SIX_BANDS)
    expected, _ = in_memory(MemoryScene(scene.dn[picked], INFRARED), active, detection=detection)
    np.testing.assert_allclose(read(tmp_path / "out.tif"), expected.astype(float), atol=1)


def test_what_is_found_is_the_same_in_chunks_of_dask(scene, weights, square, file, tmp_path):
    pytest.importorskip("dask.array")
    at = {"band": list(L1C), "y": NORTH - 5 - 10.0 * np.arange(300), "x": EAST + 5 + 10.0 * np.arange(560)}
    array = xr.DataArray(scene.dn, at, ("band", "y", "x"), name="fields")
    options = {"level": "L1C", "offset": 0, "model": weights, "mask": write(tmp_path / "mask.tif", square[None])}
    eager = unclouded.clear(array, **options)
    lazy = unclouded.clear(array.chunk({"band": 5, "y": 128, "x": 200}), **options)
    xr.testing.assert_identical(lazy.compute(scheduler="synchronous"), eager)
    assert (eager.opacity.values[square > 0] == 1).all() and (eager.opacity > 0).values[:150, :150].any()
    with pytest.raises(InputError, match="fields: is in chunks; give a mask for it as a file"):
        unclouded.clear(array.chunk(), **options | {"mask": square > 0})


def test_weights_without_a_detector_join_a_mask_with_what_they_see(scene, active, square):
    alone = used_as(active, detector="none")
    expected, _ = in_memory(scene, alone)
    dn, quality = in_memory(scene, alone, given=square)
    assert (quality[0][square > 0] == 1).all()
    far = (dn[:, :100, 300:] != scene.dn[:, :100, 300:]).any(axis=0)
    assert far.any() and (expected[:, :100, 300:] != scene.dn[:, :100, 300:]).any(axis=0).any()
