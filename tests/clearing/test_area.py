"""An area of a scene: as it is cleared in the whole scene, written alone, in the scene's grid."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from command_line import run
from rasterio.warp import calculate_default_transform, reproject, transform_bounds, transform_geom
from rasterio.windows import from_bounds
from scenes import MemoryScene, active_generator, fields, options_of, used_as

from unclouded.clearing import clear
from unclouded.clearing.context.scene_cover import pixels_of_interest
from unclouded.clearing.detector.cover_detector import detector_factor
from unclouded.clearing.inputs import SceneInputs, open_inputs
from unclouded.clearing.options import ClearOptions
from unclouded.detection.classes import covered
from unclouded.errors import InputError
from unclouded.files import mask_path, quality_path
from unclouded.reading.grids.area import box_area
from unclouded.reading.grids.geojson import geometry_area
from unclouded.reading.reader import ReadOptions

BANDS = ("B02", "B03", "B04", "B08")
SIDE = 1200
LEFT, TOP = 600000, 5400000
CLOUDS = ((600, 600, 40), (660, 640, 25), (300, 900, 50))


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A stack of which the upper left corner holds no data."""
    path = tmp_path_factory.mktemp("area") / "S2A_MSIL2A_20180510T101031_N0206_R022_T32UNU_20180510T120000.tif"
    dn = fields(BANDS, SIDE, SIDE, CLOUDS, field=32)
    dn[:, :203, :203] = 0
    profile = {"driver": "GTiff", "height": SIDE, "width": SIDE, "count": 4, "dtype": "uint16", "tiled": True}
    place = {"crs": "EPSG:32632", "transform": rasterio.transform.from_origin(LEFT, TOP, 10, 10), "nodata": 0}
    with rasterio.open(path, "w", **profile, **place) as file:
        file.write(dn)
        file.descriptions = BANDS
    return path


def box(row, column, height, width):
    bounds = LEFT + 10 * column, TOP - 10 * (row + height), LEFT + 10 * (column + width), TOP - 10 * row
    return ",".join(map(str, transform_bounds("EPSG:32632", "EPSG:4326", *bounds)))


def clear_area(source, output, area, **options):
    with ReadOptions(level="L2A", area=area).open(str(source)) as opened:
        inputs = SceneInputs(opened, None, None)
        return clear.clear_scene(inputs, GENERATOR, output, *options_of(**options))


GENERATOR = used_as(active_generator(), detector="none")


def test_an_area_is_what_it_is_in_the_whole_scene(scene, tmp_path: Path, monkeypatch) -> None:
    """With surroundings that reach to the scene's edges the two are the same but for the last bits."""
    monkeypatch.setattr("unclouded.reading.grids.area.EXTENT", 20_480.0)
    clear_area(scene, tmp_path / "whole.tif", None)
    clear_area(scene, tmp_path / "part.tif", box_area(box(560, 560, 130, 140)))
    with rasterio.open(tmp_path / "whole.tif") as whole, rasterio.open(tmp_path / "part.tif") as part:
        assert 130 <= part.height < 150 and 140 <= part.width < 160
        window = from_bounds(*part.bounds, whole.transform)
        expected, found = whole.read(window=window), part.read()
        assert part.descriptions == BANDS
    assert np.abs(expected.astype(int) - found).max() <= 1
    with rasterio.open(quality_path(tmp_path / "part.tif")) as quality:
        assert (quality.read(1) > 0.2).any()


def test_around_polygons_there_is_no_data_and_a_repeated_run_gives_the_same(scene, tmp_path: Path) -> None:
    ring = [[LEFT + 5500, TOP - 5500], [LEFT + 6900, TOP - 5500], [LEFT + 5500, TOP - 6900], [LEFT + 5500, TOP - 5500]]
    field = transform_geom("EPSG:32632", "EPSG:4326", {"type": "Polygon", "coordinates": [ring]})
    output = tmp_path / "field.tif"
    done = clear_area(scene, output, geometry_area(field, "field"), write_mask=True)
    with rasterio.open(output) as file, rasterio.open(quality_path(output)) as quality:
        pixels, opacity = file.read(), quality.read(1)
    with rasterio.open(mask_path(output)) as file:
        mask = file.read(1)
    nothing = (pixels == 0).all(axis=0)
    assert 0.45 < nothing.mean() < 0.55
    assert (nothing == np.isnan(opacity)).all() and (nothing == (mask == 255)).all()
    assert done.changed == pytest.approx(((mask > 0) & (mask < 255)).sum() / (~nothing).sum())
    first = output.read_bytes()
    clear_area(scene, output, geometry_area(field, "field"), write_mask=True, overwrite=True)
    assert output.read_bytes() == first


def warped_to(path, crs, source):
    """The scene on a grid of another reference system."""
    with rasterio.open(source) as file:
        transform, width, height = calculate_default_transform(
            file.crs, crs, file.width, file.height, *file.bounds, resolution=10
        )
        there = {"crs": crs, "transform": transform, "width": width, "height": height}
        dn = np.zeros((len(BANDS), height, width), np.uint16)
        reproject(rasterio.band(file, list(file.indexes)), dn, dst_transform=transform, dst_crs=crs, dst_nodata=0)
        with rasterio.open(path, "w", **(file.profile | there)) as made:
            made.write(dn)
            made.descriptions = BANDS
    return path


@pytest.fixture(scope="module")
def beside(scene, tmp_path_factory):
    """A mask of the scene, with and without a place, and other dates: on its grid, on half of it, in the next zone."""
    folder = tmp_path_factory.mktemp("beside")
    made = {name: folder / f"{name}_L2A.tif" for name in ("same", "half", "zone", "mask", "bare")}
    rows, columns = np.indices((SIDE, SIDE))
    hidden = np.zeros((SIDE, SIDE), np.bool_)
    for row, column, radius in CLOUDS:  # and its shadow
        hidden |= np.hypot(rows - row, columns - column) < 1.5 * radius
        hidden |= np.hypot(rows - row + 1.35 * radius, columns - column - 0.9 * radius) < 1.5 * radius
    with rasterio.open(scene) as file:
        dn, profile = file.read(), file.profile
    other = np.where(dn > 0, 0.9 * fields(BANDS, SIDE, SIDE, [], field=32) + 100, 0).astype(np.uint16)
    for name, width in (("same", SIDE), ("half", 640)):
        with rasterio.open(made[name], "w", **(profile | {"width": width})) as file:
            file.write(other[..., :width])
            file.descriptions = BANDS
    warped_to(made["zone"], "EPSG:32633", made["same"])
    for name in ("mask", "bare"):
        nowhere = {"crs": None, "transform": None} if name == "bare" else {}
        classes = {"count": 1, "dtype": "uint8", "nodata": None}
        with rasterio.open(made[name], "w", **(profile | classes | nowhere)) as file:
            file.write(hidden.astype(np.uint8), 1)
    return made


@pytest.mark.parametrize(("mask", "references"), [("mask", ["half", "zone"]), ("bare", ["same"])])
def test_so_it_is_with_masks_and_other_dates_on_any_grid(
    scene, beside, tmp_path, monkeypatch, mask, references
) -> None:
    monkeypatch.setattr("unclouded.reading.grids.area.EXTENT", 20_480.0)
    for name, area in (("whole", None), ("part", box_area(box(560, 560, 130, 140)))):
        options = ClearOptions(
            precision="fp32",
            mask=str(beside[mask]),
            mask_only=True,
            references=tuple(str(beside[reference]) for reference in references),
        )
        with ReadOptions(level="L2A", area=area).open(str(scene)) as opened, open_inputs(opened, options) as inputs:
            clear.clear_scene(inputs, GENERATOR, tmp_path / f"{name}.tif", options, options_of()[1])
    with rasterio.open(tmp_path / "part.tif") as part, rasterio.open(quality_path(tmp_path / "part.tif")) as quality:
        found, source, bounds = part.read(), quality.read(3), part.bounds
    with rasterio.open(tmp_path / "whole.tif") as whole:
        expected = whole.read(window=from_bounds(*bounds, whole.transform))
    assert 0.2 < (source > 0).mean() < 0.9
    assert np.abs(expected.astype(int) - found).mean() < 0.5
    assert (source > 1).mean() > 0.5 * (source > 0).mean()


def test_the_encoding_of_a_mask_is_detected_on_all_of_it_not_on_the_area(scene, tmp_path) -> None:
    classes = np.full((SIDE, SIDE), 2, np.uint8)  # dark ground in SCL, thin cloud of OmniCloudMask
    classes[:3, :3] = 9
    with rasterio.open(scene) as file:
        profile = file.profile | {"count": 1, "dtype": "uint8", "nodata": None}
    with rasterio.open(tmp_path / "classes.tif", "w", **profile) as file:
        file.write(classes, 1)
    options = ClearOptions(mask=str(tmp_path / "classes.tif"), mask_only=True)
    area = box_area(box(560, 560, 130, 140))
    with ReadOptions(level="L2A", area=area).open(str(scene)) as opened, open_inputs(opened, options) as inputs:
        assert opened.info.width < SIDE
        assert inputs.mask is not None
        assert not covered(inputs.mask.read(0, 0, opened.info.height, opened.info.width)).any()


def test_shares_reported_of_an_area_are_its_own() -> None:
    area = box_area(box(560, 560, 130, 140))
    info = MemoryScene(np.ones((4, SIDE, SIDE), np.uint16), BANDS).info
    crop, region = area.crop(info)
    part = replace(info, width=crop.width, height=crop.height, region=region)
    cells = pixels_of_interest(part)
    factor = detector_factor(part)
    assert cells.shape == (-(-crop.height // factor), -(-crop.width // factor))
    assert cells.sum() * factor**2 == pytest.approx(region.box.height * region.box.width, rel=0.1)
    assert cells[(region.box.row + 60) // factor, (region.box.column + 60) // factor]
    assert pixels_of_interest(info).all()


def test_an_area_without_data_is_reported(scene, tmp_path: Path) -> None:
    for column in (20, 101):  # the second ends within a cell that holds data beyond it
        with pytest.raises(InputError, match="no data in the area"):
            clear_area(scene, tmp_path / "x.tif", box_area(box(20, column, 100, 98)))
        assert not list(tmp_path.iterdir())


def test_commands_take_an_area_and_refuse_what_is_none_in_one_line(scene, tmp_path: Path) -> None:
    made = run("mask", scene, "--output", tmp_path / "mask.tif", "--bbox", box(560, 560, 130, 140))
    assert made.exit_code == 0, made.output
    with rasterio.open(tmp_path / "mask.tif") as file:
        assert file.width < 160
    for arguments in (("--bbox", "5,6,7"), ("--bbox", "5,6,7,8"), ("--bbox", "5,6,7,8", "--geometry", "x.json")):
        for command in ("clear", "mask"):
            failed = run(command, scene, "--output", tmp_path / "no.tif", *arguments)
            assert failed.exit_code == 2
    assert failed.stderr.count("Error") <= 1
    assert not (tmp_path / "no.tif").exists()
