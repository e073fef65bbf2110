"""The before/after figure: written whole, in natural colour where there is one."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unclouded.report.before_after import before_after
from unclouded.report.colour import natural_colour, white_point
from unclouded.report.figures import draw_classes

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("bands", [("B02", "B03", "B04", "B08"), ("B08",)])
def test_a_png_and_nothing_else(tmp_path: Path, bands: tuple[str, ...]) -> None:
    image = RNG.random((len(bands), 30, 40)).astype(np.float32)
    path = tmp_path / "figure.png"
    before_after(image, image * 0.5, image[0], bands, path, "a patch")
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    assert width > 2 * height > 200
    assert [entry.name for entry in tmp_path.iterdir()] == ["figure.png"]


def test_before_after_and_opacity_stand_side_by_side(tmp_path: Path) -> None:
    image = np.ones((3, 40, 40), np.float32)
    opacity = np.zeros((40, 40), np.float32)
    opacity[:, 20:] = 1
    before_after(0.25 * image, image, opacity, ("B04", "B03", "B02"), tmp_path / "figure.png", "a patch")
    with Image.open(tmp_path / "figure.png") as file:
        row = np.asarray(file.convert("L"))[file.height // 2].astype(int)
    third = len(row) // 3
    # Half of the root of white, for the square root is shown; white; black where kept and white where replaced.
    assert row[third // 2] == round(255 * 0.25**0.5) and row[third + third // 2] == 255
    assert row[2 * third + third // 4] == 0 and row[2 * third + 3 * third // 4] == 255


def test_natural_colour_orders_red_green_blue() -> None:
    image = np.stack([np.full((2, 2), value, np.float32) for value in (0.1, 0.2, 0.4)])
    colour = natural_colour(image, ("B02", "B03", "B04"), 0.4)
    np.testing.assert_allclose(colour[0, 0], np.sqrt([1, 0.5, 0.25]), rtol=1e-5)


def test_white_point_keeps_water_dark() -> None:
    assert white_point(np.full((1, 4, 4), 0.02, np.float32), ("B08",)) == pytest.approx(0.1)
    assert white_point(np.full((1, 4, 4), 0.6, np.float32), ("B08",)) == pytest.approx(0.6)


def size(path: Path) -> tuple[int, int]:
    width, height = struct.unpack(">II", path.read_bytes()[16:24])
    return width, height


def test_classes_are_drawn_with_a_row_for_each_that_is_there(tmp_path: Path) -> None:
    names, scores = ["Pastures", "Glaciers", "Sea and ocean"], {"precision": [0.5, 0.0, 0.9], "recall": [0.4, 0.0, 1.0]}
    for path, support in ((tmp_path / "two.png", [12, 0, 3456]), (tmp_path / "three.png", [12, 1, 3456])):
        draw_classes(names, support, scores, path, "test split")
    assert size(tmp_path / "three.png")[0] == size(tmp_path / "two.png")[0] > 500
    assert size(tmp_path / "three.png")[1] > size(tmp_path / "two.png")[1]
