"""ONNX networks give what PyTorch gives, at any size and at one, and say how to be fed."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scenes import used_as
from typer.testing import CliRunner

from unclouded.clearing.options import ClearOptions
from unclouded.clearing.patch import clear_patch
from unclouded.cli import app
from unclouded.models.context_generator import ContextGenerator
from unclouded.models.observation import Observation
from unclouded.models.weights import load_generator, load_land_cover, save_generator
from unclouded.models.weights_header import Header
from unclouded.sizes import GeneratorSettings

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime, which runs the networks, is not installed")
pytest.importorskip("onnxscript", reason="onnxscript, of the extra `export`, is not installed")

FOUR = ("B02", "B03", "B04", "B08")


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # more would wait for each other in a loop that takes a core each
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def cloudy(bands: int, height: int, width: int) -> np.ndarray:
    """A cloud over ground, with a strip that holds no data."""
    image = np.random.default_rng(height + width).uniform(0.05, 0.15, (1, bands, height, width)).astype(np.float32)
    image[..., 20:50, 30:60] += 0.6
    image[..., :5, :] = 0
    return image


def export(*arguments: str) -> None:
    result = CliRunner().invoke(app, ["export", *arguments])
    assert result.exit_code == 0, result.output


def agrees(network, image: np.ndarray, generator, bands, threshold: float) -> None:
    (found,) = network.run(None, {"image": image})
    valid = (image[0] != 0).any(0)
    options = ClearOptions(precision="fp32", threshold=threshold)
    alone = used_as(generator, detector="none")  # the file holds the network, no detector
    cleared, opacity = clear_patch(image[0], bands, "L2A", alone, options, valid=valid)[:2]
    assert (opacity[valid] >= threshold).any()
    np.testing.assert_allclose(found[0, :-1], cleared, atol=1e-4)
    np.testing.assert_allclose(found[0, -1][valid], opacity[valid], atol=1e-4)
    assert not found[0, -1][~valid].any()


def test_the_bundled_weights_agree_at_any_size(tmp_path) -> None:
    export("default", "--output", str(tmp_path / "any.onnx"), "--bands", ",".join(FOUR))
    network = session(tmp_path / "any.onnx")
    generator, header = load_generator("default")
    for height, width in ((64, 64), (96, 160), (416, 64), (64, 1056)):
        agrees(network, cloudy(4, height, width), generator, FOUR, header.threshold)


@pytest.mark.parametrize("cover", [False, True])
def test_one_size_and_what_a_plugin_reads(tmp_path, cover: bool) -> None:
    torch.manual_seed(0)
    sizes = GeneratorSettings((8, 8, 8), (8, 8, 8), features=2, latent=2, code=8, cover=cover)
    small = ContextGenerator(sizes).eval()
    with torch.no_grad():
        small.leave.weight.normal_(std=0.2)
    weights = tmp_path / "small.safetensors"
    save_generator(small, Header("small", threshold=0.3), weights)
    given = ("--bands", ",".join(FOUR), "--size", "128", "--offset", "-1000")
    export(str(weights), "--output", str(tmp_path / "small.onnx"), *given)
    network = session(tmp_path / "small.onnx")
    assert [held.shape for held in (*network.get_inputs(), *network.get_outputs())] == [
        [1, 4, 128, 128],
        [1, 5, 128, 128],
    ]
    agrees(network, cloudy(4, 128, 128), load_generator(weights)[0], FOUR, 0.3)
    notes = {name: json.loads(text) for name, text in network.get_modelmeta().custom_metadata_map.items()}
    assert notes["model_type"] == "Regressor"
    assert notes["class_names"] == {str(place): name for place, name in enumerate((*FOUR, "opacity"))}
    assert (notes["tiles_size"], notes["resolution"]) == (128, 1000)
    # 1,600 in the file, as the plugin turns it: reflectance 0.06.
    mean, std = notes["standardization_mean"][0], notes["standardization_std"][0]
    assert (1600 / 255 - mean) / std == pytest.approx(0.06)


def test_land_cover_agrees(tmp_path) -> None:
    export("land-cover", "--output", str(tmp_path / "cover.onnx"))
    network = session(tmp_path / "cover.onnx")
    classifier, _ = load_land_cover("land-cover")
    for side in (64, 120):
        image = cloudy(12, side, side)
        (found,) = network.run(None, {"image": image})
        optical = torch.zeros(1, 13, side, side)
        optical[:, [place for place in range(13) if place != 10]] = torch.from_numpy(image)
        present = torch.tensor([[float(place != 10) for place in range(13)]])
        with torch.no_grad():
            valid = (optical != 0).any(1, keepdim=True).float()
            truth = classifier.probabilities(classifier(Observation.of(optical, present, torch.ones(1), valid)))
        np.testing.assert_allclose(found, truth.numpy(), atol=1e-4)
    names = json.loads(network.get_modelmeta().custom_metadata_map["class_names"])
    assert tuple(names.values()) == classifier.settings.classes
