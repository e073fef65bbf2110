"""`kill -9` while a network is trained: the run goes on from its checkpoint, to the weights of an undisturbed one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_run import write_collection

_TRAINING = Path(__file__).parents[1] / "training"
_CODES = {
    "translator": """
from tiny_run import tiny_settings
from unclouded.training.translator_run import run
begins()
run(tiny_settings(data, steps=40), data, output, resume=resume)""",
    "land cover": """
import test_train_land_cover as t
t.networks.NETWORKS["resnet18"] = t.Small
changes = {"steps": 600, "validate_every": 30}
begins()
t.land_cover.train(t.settings(training=changes), t.data(), output, resume=resume)""",
}
_START = """
from pathlib import Path
data, output = Path({data!r}), Path({output!r})
resume = (output / "checkpoint.pt").is_file()
def begins():
    print("begins", flush=True)
"""


def start(kind: str, data: Path, output: Path) -> subprocess.Popen[str]:
    """Start or go on with a run, and wait until it trains."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(_TRAINING), *sys.path])}
    code = _START.format(data=str(data), output=str(output)) + _CODES[kind]
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begins\n"
    return process


def weights(output: Path) -> bytes:
    return (output / "weights.safetensors").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(_CODES))
def test_killed_at_25_random_moments_it_ends_in_the_same_weights(kind: str, tmp_path: Path) -> None:
    # A folder's name goes into the weights' header, so that of every run is the same.
    data = tmp_path / "collection"
    data.mkdir()
    write_collection(data)
    whole = tmp_path / "whole" / "run"
    process = start(kind, data, whole)
    began = time.monotonic()
    process.communicate(timeout=300)
    assert process.returncode == 0
    seconds = time.monotonic() - began
    rng, kills, finished = random.Random(0), 0, 0
    while kills < 25:
        output = tmp_path / str(finished) / "run"
        process = start(kind, data, output)
        time.sleep(rng.random() * seconds * 0.6)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        process.communicate()
        if process.returncode == 0:
            assert weights(output) == weights(whole)
            finished += 1
        else:
            assert process.returncode == -signal.SIGKILL
    output = tmp_path / str(finished) / "run"
    process = start(kind, data, output)
    process.communicate(timeout=300)
    assert process.returncode == 0
    assert weights(output) == weights(whole)
    print(f"{kind}: {kills} kills, {finished + 1} runs finished")
