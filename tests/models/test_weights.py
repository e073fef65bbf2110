"""Weights files: what is written comes back; what is not a weights file is refused in one line."""

import json
import pickle
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from unclouded.errors import FileError, UncloudedError, WeightsError
from unclouded.inference import InferenceConfig
from unclouded.models.context_generator import ContextGenerator
from unclouded.models.weights import load_generator, save_generator
from unclouded.models.weights_file import FORMAT, bundled
from unclouded.models.weights_header import Header
from unclouded.sizes import GeneratorSettings


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "small.safetensors"
    header = Header(name="small", steps=3, calibration=2.5)
    save_generator(ContextGenerator(GeneratorSettings(widths=(8, 8, 8))), header, path)
    return path


def test_round_trip(saved: Path) -> None:
    generator, header = load_generator(saved)
    assert generator.settings.widths == (8, 8, 8)
    assert header.name == "small"
    assert header.steps == 3
    assert generator.inference.calibration == header.calibration == 2.5
    with pytest.raises(AttributeError):
        generator.inference = InferenceConfig()
    with pytest.raises(FrozenInstanceError):
        generator.inference.calibration = 1.0
    assert len(header.sha256) == 64
    again = saved.with_name("again.safetensors")
    save_generator(generator, header, again)
    for mine, theirs in zip(generator.parameters(), load_generator(again)[0].parameters(), strict=True):
        assert torch.equal(mine, theirs)
    assert sorted(path.name for path in saved.parent.iterdir()) == ["again.safetensors", "small.safetensors"]


def _pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps({"weight": [1.0]}))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _other_shapes(path: Path) -> None:
    record = {"format": FORMAT, "name": "other", "model": {"widths": [16, 16, 16]}}
    save_file({"prior": torch.zeros(13)}, path, metadata={"unclouded": json.dumps(record)})


def _headless(path: Path) -> None:
    save_file({"prior": torch.zeros(13)}, path)


def _header_not_json(path: Path) -> None:
    save_file({"prior": torch.zeros(13)}, path, metadata={"unclouded": "{"})


def _unknown_key(path: Path) -> None:
    record = {"format": FORMAT, "name": "other", "model": {"depth": 3}}
    save_file({"prior": torch.zeros(13)}, path, metadata={"unclouded": json.dumps(record)})


def _not_finite(path: Path) -> None:
    generator = ContextGenerator(GeneratorSettings(widths=(8, 8, 8)))
    torch.nn.init.constant_(generator.prior, float("nan"))
    save_generator(generator, Header(name="nan"), path)


@pytest.mark.parametrize(
    "spoil", [_pickled, _cut, _other_shapes, _headless, _header_not_json, _unknown_key, _not_finite]
)
def test_refuses(saved: Path, spoil) -> None:
    spoil(saved)
    with pytest.raises(WeightsError) as caught:
        load_generator(saved)
    assert str(saved) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_names_what_is_bundled(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="bundled weights are"):
        load_generator(tmp_path / "none.safetensors")


def test_errors_are_also_builtins() -> None:
    assert issubclass(WeightsError, ValueError)
    assert issubclass(FileError, OSError)
    assert issubclass(WeightsError, UncloudedError)


def test_default_weights_are_bundled_small_and_loadable() -> None:
    path = bundled()["default"]
    assert path.stat().st_size <= 25 * 2**20
    generator, header = load_generator("default")
    assert header.name == "default"
    assert set(header.levels) == {"L1C", "L2A"}
    assert header.data
    assert path.with_suffix(".md").is_file()
    assert generator.settings.latent > 0


@pytest.mark.parametrize(("name", "learnt"), [("default", True), ("unpaired", False), ("paper", False)])
def test_weights_record_whether_they_predict_their_errors(name: str, learnt: bool) -> None:
    assert load_generator(name)[0].error_learnt is learnt
