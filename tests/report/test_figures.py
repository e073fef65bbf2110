"""The before/after figure: written whole, in natural colour where there is one."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unclouded.report.before_after import before_after
from unclouded.report.figures import draw_classes

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("bands", [("B02", "B03", "B04", "B08"), ("B08",)])
def test_a_png_and_nothing_else(tmp_path: Path, bands: tuple[str, ...]) -> None:
    image = RNG.random((len(bands), 30, 40)).astype(np.float32)
    path = tmp_path / "figure.png"
    before_after(image, image * 0.5, image[0], image[0] / 9, bands, path, "a patch")
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    assert width > 2 * height > 200
    assert [entry.name for entry in tmp_path.iterdir()] == ["figure.png"]


def test_before_after_opacity_and_uncertainty_stand_side_by_side(tmp_path: Path) -> None:
    image = np.full((3, 40, 40), 0.3, np.float32)
    image[:, :, :20] = 0.02
    opacity = np.zeros((40, 40), np.float32)
    opacity[:, 20:] = 1
    before_after(image * 0.1, image, opacity, opacity / 9, ("B04", "B03", "B02"), tmp_path / "figure.png", "a patch")
    with Image.open(tmp_path / "figure.png") as file:
        row = np.asarray(file.convert("L"))[file.height // 2].astype(int)
    quarter = len(row) // 4
    dark, bright = ([row[n * quarter + place] for n in range(4)] for place in (quarter // 4, quarter * 3 // 4))
    # What is far darker before is nearly black there, white after; black where kept, bright where replaced.
    assert dark[0] < 30 and bright[0] < 130 and dark[1] < 30 and bright[1] > 240
    assert max(dark[2:]) < 40 and min(bright[2:]) > 190


def size(path: Path) -> tuple[int, int]:
    width, height = struct.unpack(">II", path.read_bytes()[16:24])
    return width, height


def test_classes_are_drawn_with_a_row_for_each_that_is_there(tmp_path: Path) -> None:
    names, scores = ["Pastures", "Glaciers", "Sea and ocean"], {"precision": [0.5, 0.0, 0.9], "recall": [0.4, 0.0, 1.0]}
    for path, support in ((tmp_path / "two.png", [12, 0, 3456]), (tmp_path / "three.png", [12, 1, 3456])):
        draw_classes(names, support, scores, path, "test split")
    assert size(tmp_path / "three.png")[0] == size(tmp_path / "two.png")[0] > 500
    assert size(tmp_path / "three.png")[1] > size(tmp_path / "two.png")[1]
