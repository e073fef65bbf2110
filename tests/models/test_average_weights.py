"""The mean of two networks' weights, as the script for it makes it."""

import runpy
import sys
from pathlib import Path

import pytest
import torch

from unclouded.models.context_generator import ContextGenerator
from unclouded.models.weights import load_generator, save_generator
from unclouded.models.weights_header import Header
from unclouded.sizes import GeneratorSettings

SCRIPT = Path(__file__).parents[2] / "scripts" / "average_weights.py"


def saved(path: Path, steps: int, cover: bool) -> ContextGenerator:
    torch.manual_seed(steps)
    generator = ContextGenerator(GeneratorSettings(widths=(8, 8, 8), cover=cover))
    save_generator(generator, Header(name=path.stem, steps=steps), path)
    return generator


def average(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
    runpy.run_path(str(SCRIPT), run_name="__main__")


def test_the_mean_lies_between_both_and_a_missing_input_gets_zero_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after, mean = (tmp_path / f"{name}.safetensors" for name in ("before", "after", "mean"))
    first, second = saved(before, 3, cover=False).state_dict(), saved(after, 5, cover=True).state_dict()
    average(monkeypatch, before, after, "--share", 0.75, "--output", mean)
    made, header = load_generator(mean)
    assert (header.name, header.steps) == ("after", 5)
    for name, value in made.state_dict().items():
        start = torch.zeros_like(second[name])
        start[tuple(map(slice, first[name].shape))] = first[name]
        assert torch.allclose(value, 0.25 * start + 0.75 * second[name], atol=1e-6), name


def test_weights_that_are_none_are_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        average(monkeypatch, tmp_path / "none.safetensors", "default", "--output", tmp_path / "mean.safetensors")
    assert "none.safetensors: no such weights file" in capsys.readouterr().err
    assert not (tmp_path / "mean.safetensors").exists()
