"""Weights whose tiles would differ clear what they can take whole, and refuse what is larger."""

import numpy as np
import pytest
import rasterio
import torch
from rasterio.transform import from_origin
from typer.testing import CliRunner

from unclouded.cli import app
from unclouded.models.published import PublishedGenerator
from unclouded.models.weights import save_generator
from unclouded.models.weights_header import Header
from unclouded.sizes import PublishedSettings

GRID = from_origin(600000, 5400000, 10, 10)


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "published.safetensors"
    sizes = PublishedSettings(width=4, blocks=1, latent=3, side=48)
    save_generator(PublishedGenerator(sizes), Header(name="published", threshold=0.0), path)
    return path


def ground_of(height: int, width: int) -> np.ndarray:
    return (1400 + np.arange(height * width) % 101).reshape(1, height, width).repeat(4, 0).astype(np.uint16)


def clear(tmp_path, weights, height: int, width: int):
    scene = tmp_path / "scene.tif"
    size = {"count": 4, "height": height, "width": width, "dtype": "uint16", "nodata": 0}
    with rasterio.open(scene, "w", driver="GTiff", crs="EPSG:32632", transform=GRID, **size) as file:
        file.write(ground_of(height, width))
        file.descriptions = ("B02", "B03", "B04", "B08")
    how = ["--model", str(weights), "--level", "L2A", "--offset", "0", "--overwrite"]
    return CliRunner().invoke(app, ["clear", str(scene), "--output", str(tmp_path / "clear.tif"), *how])


def test_a_patch_is_cleared(tmp_path, weights) -> None:
    done = clear(tmp_path, weights, 48, 40)
    assert done.exit_code == 0, done.output
    with rasterio.open(tmp_path / "clear.tif") as file:
        assert (file.read() != ground_of(file.height, file.width)).mean() > 0.9


def test_a_larger_scene_is_refused_with_the_reason(tmp_path, weights) -> None:
    done = clear(tmp_path, weights, 40, 56)
    assert done.exit_code != 0
    assert "is 56 x 40 pixels; the weights published take up to 48 x 48" in done.stderr
    assert "neighbouring tiles differ" in done.stderr
    assert not (tmp_path / "clear.tif").exists()


def test_the_bundled_weights_as_published_take_a_patch_of_bigearthnet_and_nothing_larger(tmp_path) -> None:
    done = clear(tmp_path, "paper", 120, 120)
    assert done.exit_code == 0, done.output
    with rasterio.open(tmp_path / "clear.tif") as file:
        assert (file.read() != ground_of(file.height, file.width)).mean() > 0.9
    done = clear(tmp_path, "paper", 40, 128)
    assert done.exit_code != 0
    assert "is 128 x 40 pixels; the weights paper take up to 120 x 120" in done.stderr
