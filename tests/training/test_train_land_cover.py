"""Training of a classifier: it learns, keeps its best, stops early, resumes to the bit, refuses what cannot work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from labelled_stub import CLASSES, Data, Small, Stub, data

from unclouded.errors import FileError, InputError, UncloudedError
from unclouded.models import land_cover as networks
from unclouded.models.weights import load_land_cover
from unclouded.settings import LandCoverSettings
from unclouded.training import land_cover


@pytest.fixture(autouse=True)
def small(monkeypatch) -> None:
    monkeypatch.setitem(networks.NETWORKS, "resnet18", Small)


def settings(**changes) -> LandCoverSettings:
    training = {"steps": 6, "batch": 8, "validate_every": 2, "warmup": 1, "precision": "fp32"}
    training |= changes.pop("training", {})
    return LandCoverSettings.model_validate({"training": training} | changes)


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_it_learns_to_separate_the_classes(output: str, tmp_path: Path) -> None:
    quick = {"steps": 300, "validate_every": 100, "learning_rate": 0.03, "average": 0.9}
    path = land_cover.train(settings(output=output, training=quick), data(), tmp_path / "run")
    classifier, header = load_land_cover(path, CLASSES)
    assert header.metrics["f1"] > 0.95
    assert header.metrics["images"] == 32
    assert header.data_sha256 == "c0ffee"
    assert (header.levels, classifier.settings.output) == (("L2A",), output)
    assert 0 < header.threshold < 1
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == [100, 200, 300]
    assert log[-1]["loss"] < log[0]["loss"]


RUN = """
import os, signal, sys
from pathlib import Path
tests, output, way = sys.argv[1:]
sys.path.insert(0, tests)
import test_train_land_cover as here
from unclouded.training import land_cover
here.networks.NETWORKS["resnet18"] = here.Small
saves = land_cover.write_checkpoint
def dies(state, output):
    saves(state, output)
    if state["step"] == 4:
        (output / "log.jsonl").open("a").write('{"step": 6, "lo')
        os.kill(os.getpid(), signal.SIGKILL)
if way == "killed":
    land_cover.write_checkpoint = dies
land_cover.train(here.settings(), here.data(), Path(output), resume=way == "resumed")
"""


def test_a_killed_run_resumes_to_the_bit(tmp_path: Path) -> None:
    # Each in a process of its own, as a user's are: what other tests did to this one's threads changes last bits.
    def ends(folder: str, way: str) -> int:
        command = [sys.executable, "-c", RUN, str(Path(__file__).parent), str(tmp_path / folder), way]
        return subprocess.run(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}).returncode

    assert ends("run", "killed") == -signal.SIGKILL
    assert ends("run", "resumed") == ends("whole", "undisturbed") == 0
    assert all((tmp_path / folder / "weights.safetensors").is_file() for folder in ("run", "whole"))
    first, second = (torch.load(tmp_path / folder / "checkpoint.pt", weights_only=True) for folder in ("run", "whole"))
    for part in ("classifier", "average"):
        assert first[part].keys() == second[part].keys()
        for name, tensor in first[part].items():
            assert torch.equal(tensor, second[part][name]), name
    assert (first["best"], first["best_step"]) == (second["best"], second["best_step"])
    steps = [json.loads(line)["step"] for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert steps == [2, 4, 6]


def test_patience_ends_a_run_and_the_best_weights_stay(tmp_path: Path, monkeypatch) -> None:
    scores = iter([0.5, 0.4, 0.3, 0.9])
    monkeypatch.setattr(land_cover, "image_f1", lambda predicted, labels: next(scores))
    path = land_cover.train(settings(training={"steps": 100, "patience": 2}), data(), tmp_path / "run")
    header = load_land_cover(path)[1]
    assert (header.steps, header.metrics["f1"]) == (2, 0.5)
    assert torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["step"] == 6


def test_a_threshold_that_is_given_is_kept(tmp_path: Path) -> None:
    path = land_cover.train(settings(threshold=0.5, output="sigmoid"), data(), tmp_path / "run")
    assert load_land_cover(path)[1].threshold == 0.5


class Spoilt(Stub):
    """Its fourth batch is not a number."""

    def shuffled(self):
        for number, images in enumerate(super().shuffled(), start=1):
            if number == 4:
                images.observation.optical.fill_(float("nan"))
            yield images


class Steep(Small):
    """Its fourth gradient is not finite, though the images and the loss are."""

    def __init__(self) -> None:
        super().__init__()
        self.learnt = 0

    def forward(self, image: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        found = super().forward(image, known)
        self.learnt += found.requires_grad and self.training
        if self.learnt == 4 and found.requires_grad:
            found.register_hook(lambda gradient: gradient * float("inf"))
        return found


@pytest.mark.parametrize("spoils", ["image", "gradient"])
def test_not_a_number_stops_and_keeps_the_last_checkpoint(tmp_path: Path, monkeypatch, spoils: str) -> None:
    images = data()
    if spoils == "image":
        images = Data(Spoilt(0), images.validation, images.sha256)
    else:
        monkeypatch.setitem(networks.NETWORKS, "resnet18", Steep)
    with pytest.raises(UncloudedError, match="not finite at step 3"):
        land_cover.train(settings(), images, tmp_path / "run")
    assert torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["step"] == 2


def test_refuses_one_class(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 class among the labels"):
        land_cover.train(settings(), Data(Stub(0, shown=1), Stub(1)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_refuses_images_without_the_bands(tmp_path: Path) -> None:
    poor = data()
    poor.validation.present[:, 2] = 0
    with pytest.raises(InputError, match="image 0: lacks B03"):
        land_cover.train(settings(), poor, tmp_path / "run")
    land_cover.train(settings(training={"drop_bands": 0.5}), poor, tmp_path / "run")


def test_refuses_to_overwrite_invent_or_misread_a_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run"):
        land_cover.train(settings(), data(), tmp_path / "run", resume=True)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"half a check")
    with pytest.raises(InputError, match="already holds a run"):
        land_cover.train(settings(), data(), tmp_path / "run")
    with pytest.raises(FileError, match="not a checkpoint"):
        land_cover.train(settings(), data(), tmp_path / "run", resume=True)


def test_refuses_a_checkpoint_of_another_network(tmp_path: Path, monkeypatch) -> None:
    land_cover.train(settings(), data(), tmp_path / "run")
    wider = type("Wider", (Small,), {"width": 9})
    monkeypatch.setitem(networks.NETWORKS, "resnet18", wider)
    with pytest.raises(InputError, match="does not fit"):
        land_cover.train(settings(), data(), tmp_path / "run", resume=True)


def test_resuming_with_other_settings_names_what_differs(tmp_path: Path) -> None:
    land_cover.train(settings(), data(), tmp_path / "run")
    with pytest.raises(InputError, match=r"run: label_reduction was 0\.5, is 0\.0; training\.batch was 8, is 4"):
        land_cover.train(settings(label_reduction=0.0, training={"batch": 4}), data(), tmp_path / "run", resume=True)
