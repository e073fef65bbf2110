"""Many inputs of which some are broken, and inputs damaged bit by bit."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest
import rasterio
from command_line import FOUR, command
from rasterio.transform import from_origin


def write(path, side=24, **options):
    pixels = np.random.default_rng(len(path.name)).integers(300, 3000, (4, side, side)).astype(np.uint16)
    place = {"crs": "EPSG:32632", "transform": from_origin(600000, 5400000, 10, 10)}
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 4, "dtype": "uint16", "nodata": 0}
    with rasterio.open(path, "w", **(profile | place | options)) as file:
        file.write(pixels)
        file.descriptions = FOUR


def test_seven_broken_of_a_hundred(weights, tmp_path):
    inputs = [tmp_path / f"scene_{number:03}.tif" for number in range(100)]
    for path in inputs:
        write(path)
    broken = inputs[5::14]
    assert len(broken) == 7
    for number, path in enumerate(broken):
        content = path.read_bytes()
        path.write_bytes(content[: [0, 4, 100, len(content) // 2, len(content) - 50, 8, 1][number]])
    broken[1].write_text("not an image")
    arguments = ["clear", *inputs, "--output", f"{tmp_path / 'cleared'}/", "--model", weights]
    result = subprocess.run(
        command(*arguments, "--level", "L2A", "--offset", 0), capture_output=True, text=True, check=False, timeout=300
    )
    assert result.returncode == 1, result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 7 and "Traceback" not in result.stderr
    for path in broken:
        assert sum(path.name in line for line in errors) == 1
    names = {path.stem for path in inputs if path not in broken}
    expected = {f"{name}.tif" for name in names} | {f"{name}_quality.tif" for name in names}
    assert {path.name for path in (tmp_path / "cleared").glob("*.tif")} == expected
    assert not list((tmp_path / "cleared").glob(".*"))


_FLIPS = """
import sys
from pathlib import Path
from unclouded.errors import UncloudedError
from unclouded.models.weights import load_generator
from unclouded.clearing.clear import clear_scene
from unclouded.clearing.inputs import SceneInputs
from unclouded.reading.reader import open_scene
import rasterio
generator = load_generator(sys.argv[1])[0]
done = refused = 0
for path in sorted(Path(sys.argv[2]).glob("flip_*.tif")):
    output = path.parent / "out" / path.name
    try:
        with open_scene(str(path), bands=("B02", "B03", "B04", "B08"), level="L2A", offset=0) as scene:
            clear_scene(SceneInputs(scene), generator, output)
    except UncloudedError:
        refused += 1
        assert not output.exists(), path
    else:
        done += 1
        for name in (output, output.with_name(f"{output.stem}_quality.tif")):
            with rasterio.open(name) as file:
                file.read()
            name.unlink()
        output.with_suffix(".json").unlink()
    assert not list(output.parent.iterdir()), path
print(done, refused)
"""


@pytest.mark.parametrize("flips", [40, pytest.param(500, marks=pytest.mark.slow)])
@pytest.mark.parametrize("where", ["anywhere", "header"])
def test_flipped_bits_give_an_error_or_a_whole_output(weights, tmp_path, flips, where):
    """In a process of its own: a crash in a library would be the test's end, and is its failure."""
    (tmp_path / "out").mkdir()
    write(tmp_path / "scene.tif", compress="deflate", tiled=True, blockxsize=16, blockysize=16)
    content = (tmp_path / "scene.tif").read_bytes()
    rng = random.Random(0)
    for number in range(flips):
        damaged = bytearray(content)
        bit = rng.randrange(8 * (len(content) if where == "anywhere" else 512))
        damaged[bit // 8] ^= 1 << bit % 8
        (tmp_path / f"flip_{number:03}.tif").write_bytes(damaged)
    result = subprocess.run(
        [sys.executable, "-c", _FLIPS, str(weights), str(tmp_path)], capture_output=True, text=True, timeout=590
    )
    assert result.returncode == 0, result.stderr[-2000:]
    whole, refused = map(int, result.stdout.split())
    assert whole + refused == flips
    print(f"{flips} flips {where}: {whole} whole outputs, {refused} errors, no crash")
