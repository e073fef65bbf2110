"""`kill -9` while an archive is packed: nothing under its name before the end, and at the end the same bytes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

_DATA = Path(__file__).parents[1] / "data"
_CODE = """import test_packing as t
t.pack(t.jobs(2560), t.{load}, t.Path({output!r}), origin="test", workers=1,
       progress=lambda stage, done, total: print(done, flush=True))"""


def start(output: Path, load: str) -> subprocess.Popen[str]:
    """Pack 40 groups; the run prints how many patches are done."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(_DATA), *sys.path])}
    code = _CODE.format(load=load, output=str(output))
    return subprocess.Popen(
        [sys.executable, "-c", code], env=environment, start_new_session=True, stdout=subprocess.PIPE, text=True
    )


def contents(archive: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in archive.iterdir()}


@pytest.mark.slow
def test_killed_at_20_random_moments_it_ends_in_the_same_bytes(tmp_path):
    """Every second run is killed as it takes up the work, the others after they added to the archive."""
    whole, output = tmp_path / "whole", tmp_path / "killed"
    start(whole, "load").communicate(timeout=120)
    rng, done = random.Random(0), 0
    for kill in range(20):
        process = start(output, "slow_load")
        lines = iter(process.stdout.readline, "")
        reached = next(int(line) for line in lines if kill % 2 or int(line) > done)
        done = max(done, reached)
        time.sleep(rng.random() * (0.7 if reached else 1.5))
        assert process.poll() is None, "the run ended before it could be killed"
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert not output.exists()
    assert done >= 640
    start(output, "load").communicate(timeout=120)
    assert contents(output) == contents(whole)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["killed", "whole"]
