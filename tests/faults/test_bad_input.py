"""Each bad input through the command line: exit code 2, one line that says what to do, no output, no traceback."""

from __future__ import annotations

import pickle
import shutil

import numpy as np
import pytest
import rasterio
import torch
from rasters import OLD, pixels, safe, write
from safetensors.torch import save_file
from typer.testing import CliRunner

from unclouded.bands import L2A
from unclouded.cli import app
from unclouded.models.context_generator import ContextGenerator
from unclouded.models.weights_file import FORMAT
from unclouded.sizes import GeneratorSettings

FOUR = ("B02", "B03", "B04", "B08")
STACK = f"{OLD.format(level='L2A')}.tif"


def good(folder, dtype="uint16", names=FOUR, **options):
    return write(folder / STACK, pixels(4, 96, 128, dtype=dtype), names=names, tiled=True, **options)


def empty(folder):
    path = folder / "empty.tif"
    path.touch()
    return path


def text(folder):
    path = folder / "text.tif"
    path.write_text("B02,B03\n1,2\n")
    return path


def cut(share):
    def make(folder):
        path = good(folder)
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * share)])
        return path

    return make


def folder_without_bands(folder):
    path = folder / "photos"
    path.mkdir()
    (path / "readme.txt").write_text("nothing here")
    return path


def rotated(folder):
    turned = rasterio.Affine(9.4, 3.4, 600000, 3.4, -9.4, 5400000)
    return write(folder / STACK, pixels(4), names=FOUR, transform=turned)


def no_data_everywhere(value, dtype):
    def make(folder):
        return write(folder / STACK, np.full((4, 40, 50), value, dtype), names=FOUR, nodata=value, scales=[1e-4] * 4)

    return make


def per_cent(folder):
    return write(folder / "per_cent.tif", pixels(4, dtype="float32") / 100, names=FOUR)


def safe_without_10m(folder):
    return safe(folder, bands=[name for name in L2A if name not in FOUR])


def enormous(folder):
    path = folder / "enormous.tif"
    options = {"driver": "GTiff", "width": 200_000, "height": 200_000, "count": 13, "dtype": "uint16"}
    options |= {"tiled": True, "blockxsize": 8192, "blockysize": 8192, "interleave": "pixel", "sparse_ok": True}
    with rasterio.open(
        path, "w", bigtiff=True, crs="EPSG:32632", transform=rasterio.Affine(10, 0, 600000, 0, -10, 5400000), **options
    ):
        pass
    return path


BAD = {
    "empty": (empty, [], "is empty"),
    "text": (text, [], "is not a GeoTIFF"),
    "cut at 10 %": (cut(0.1), [], "cut short"),
    "cut at 50 %": (cut(0.5), [], "cut short"),
    "cut at 99 %": (cut(0.99), [], "cut short"),
    "missing": (lambda folder: folder / "missing.tif", [], "no such file"),
    "directory": (folder_without_bands, [], "photos"),
    "unnamed bands": (lambda folder: good(folder, names=None), [], "4 bands without names"),
    "unknown names": (lambda folder: good(folder, names=("B02", "B03", "B99", "B08")), [], "'B99'"),
    "unknown name given": (good, ["--bands", "B02,B03,B04,B88"], "'B88'"),
    "no georeference": (
        lambda folder: good(folder, crs=None, transform=rasterio.Affine.identity()),
        [],
        "coordinate reference system",
    ),
    "not a number everywhere": (no_data_everywhere(np.nan, "float32"), ["--scale", "10000"], "every pixel is no-data"),
    "no-data everywhere": (no_data_everywhere(0, "uint16"), [], "every pixel is no-data"),
    "rotated grid": (rotated, [], "rotated"),
    "per cent": (per_cent, ["--level", "L2A"], "the scale cannot be known"),
    "another level": (good, ["--level", "L1C"], "is L2A"),
    "SAFE without its 10 m bands": (safe_without_10m, [], "10 m"),
    "unknown offset": (
        lambda folder: write(folder / "new.tif", pixels(4, low=1100), names=FOUR),
        ["--level", "L2A"],
        "offset cannot be known",
    ),
    "enormous header": (enormous, [], "200000 x 200000"),
}


def refused(inputs, options, folder, weights):
    """Run `clear` on what is bad, check that it fails as it should, and return the one line said."""
    output = folder / "result" / "clear.tif"
    output.parent.mkdir()
    arguments = ["clear", inputs, "--output", output, "--model", weights, *options]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 2, result.output
    lines = [line for line in result.stderr.splitlines() if not line.startswith("note: ")]
    assert len(lines) == 1 and lines[0].startswith("error: "), result.output
    assert not list(output.parent.iterdir())
    return lines[0]


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_no_output(name, weights, tmp_path):
    make, options, message = BAD[name]
    path = make(tmp_path)
    line = refused(path, options, tmp_path, weights)
    assert path.name in line and message in line
    assert "; " in line, "the next step is missing"


def test_a_file_whose_name_is_no_utf_8_is_named(weights, tmp_path):
    path = good(tmp_path).rename(tmp_path / "\udce4.tif")
    line = refused(path, ["--level", "L2A"], tmp_path, weights)
    assert "\\udce4.tif': its name holds bytes that are no UTF-8" in line and "; rename it" in line


def pickled(path):
    path.write_bytes(pickle.dumps(ContextGenerator().state_dict()))


def torch_saved(path):
    torch.save(ContextGenerator().state_dict(), path)


def without_header(path):
    save_file({name: tensor.clone() for name, tensor in ContextGenerator().state_dict().items()}, path)


def other_shapes(path):
    header = f'{{"format": "{FORMAT}", "name": "other", "model": {{}}}}'
    small = ContextGenerator(GeneratorSettings(widths=(8, 8, 8)))
    save_file({name: tensor.clone() for name, tensor in small.state_dict().items()}, path, {"unclouded": header})


@pytest.mark.parametrize("make", [pickled, torch_saved, without_header, other_shapes, lambda path: path.touch()])
def test_bad_weights_are_one_line_and_no_output(make, tmp_path):
    path = tmp_path / "bad.safetensors"
    make(path)
    assert str(path) in refused(good(tmp_path), [], tmp_path, path)


def test_cut_weights_are_one_line_and_no_output(weights, tmp_path):
    path = tmp_path / "bad.safetensors"
    shutil.copy(weights, path)
    path.write_bytes(path.read_bytes()[:-1000])
    assert str(path) in refused(good(tmp_path), [], tmp_path, path)


def test_what_the_good_scene_of_these_tests_gives(weights, tmp_path):
    arguments = ["clear", good(tmp_path), "--output", tmp_path / "clear.tif", "--model", weights]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "clear.tif").is_file() and (tmp_path / "clear_quality.tif").is_file()
