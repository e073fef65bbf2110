"""An area of a scene: as it is cleared in the whole scene, written alone, in the scene's grid."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from command_line import run
from rasterio.warp import transform_bounds, transform_geom
from rasterio.windows import from_bounds
from scenes import active_generator, fields, options_of, used_as

from unclouded.clearing import clear
from unclouded.clearing.inputs import SceneInputs
from unclouded.errors import InputError
from unclouded.files import mask_path, quality_path
from unclouded.reading.grids.area import box_area, geometry_area
from unclouded.reading.reader import ReadOptions

BANDS = ("B02", "B03", "B04", "B08")
SIDE = 1200
LEFT, TOP = 600000, 5400000


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A stack of which the upper left corner holds no data."""
    path = tmp_path_factory.mktemp("area") / "S2A_MSIL2A_20180510T101031_N0206_R022_T32UNU_20180510T120000.tif"
    dn = fields(BANDS, SIDE, SIDE, [(600, 600, 40), (660, 640, 25), (300, 900, 50)], field=32)
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


def test_an_area_without_data_is_said(scene, tmp_path: Path) -> None:
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
