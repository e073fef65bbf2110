"""A series of a catalogue that is killed, and run again: the same files, and nothing that was kept is read again."""

import os
import random
import signal
import subprocess
import time
from collections import Counter

import pytest
import rasterio
from catalogue import bbox_of
from command_line import command
from scenes import save_active

KILLS = 4


def pixels(folder):
    made = {}
    for path in folder.glob("*.tif"):
        with rasterio.open(path) as file:
            made[path.name] = file.read().tobytes()
    return made


@pytest.mark.slow
def test_killed_at_random_and_run_again_it_gives_the_same_files(catalogue, tmp_path):
    weights = tmp_path / "active.safetensors"
    save_active(weights, detector="none", threshold=0.2)

    def words(name):
        asked = [
            "--catalog",
            catalogue.address,
            "--bbox",
            bbox_of(300, 280, 60, 70),
            "--dates",
            "2024-05-01/2024-06-30",
        ]
        further = ["--model", weights, "--output", tmp_path / name, "--cache", tmp_path / f"{name}_kept"]
        return command("series", *asked, *further, "--composite", "median", "--ndvi")

    start = time.monotonic()
    subprocess.run(words("once"), check=True, capture_output=True)
    seconds, expected = time.monotonic() - start, pixels(tmp_path / "once")
    assert len(expected) == 10
    rng, kept, killed = random.Random(1), set(), 0
    for _ in range(KILLS):
        catalogue.requests.clear()
        running = subprocess.Popen(words("again"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            running.wait(rng.uniform(0.3, 1) * seconds)
        except subprocess.TimeoutExpired:
            os.kill(running.pid, signal.SIGKILL)
            running.wait()
            killed += 1
        read = Counter("/".join(path.split("/")[2:4]) for path, _ in catalogue.of_files())
        # B02 is looked at, too, to find the window of a date of which another band is missing.
        assert not [band for band in read if band in kept and not band.endswith("B02.tif")]
        kept |= {
            f"{path.parent.name.rpartition('-')[0]}/{path.name}" for path in (tmp_path / "again_kept").glob("*/*.tif")
        }
    assert killed
    result = subprocess.run(words("again"), capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert pixels(tmp_path / "again") == expected
    assert (tmp_path / "again" / "ndvi.csv").read_bytes() == (tmp_path / "once" / "ndvi.csv").read_bytes()
    assert not [path for path in (tmp_path / "again").iterdir() if path.name.startswith(".")]
