"""Packing: every patch once, broken ones listed, the same bytes with any number of processes and after any kill."""

import csv
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import archives
import numpy as np
import pytest

from unclouded.data.archive import Archive
from unclouded.data.packing import Job, PatchRecord, pack
from unclouded.errors import InputError, OutputExistsError

COUNT = 300


def jobs(count=COUNT):
    """Patches in order, one of which is broken."""
    return [Job(f"p{n:04d}", archives.row(f"p{n:04d}", s1_name=f"s{n:04d}"), n) for n in range(count)]


def load(job):
    if job.source == 77:
        raise InputError(f"{job.patch_id}: has no B02;\nfetch it again")
    radar = archives.decibels(job.patch_id)
    return PatchRecord({job.patch_id: archives.pixels(job.patch_id), job.row["s1_name"]: radar}, job.row)


def contents(archive):
    return {file.name: file.read_bytes() for file in archive.iterdir()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "archive"
    return pack(jobs(), load, path, origin="test", workers=1)


def test_every_patch_is_there_but_the_broken_one(undisturbed):
    assert (undisturbed.packed, undisturbed.broken) == (COUNT - 1, 1)
    with Archive(undisturbed.output) as archive:
        assert archive.table["patch_id"].to_pylist() == [job.patch_id for job in jobs() if job.source != 77]
        assert np.array_equal(archive.read("p0123")["B08"], archives.pixels("p0123")["B08"])
        assert np.array_equal(archive.read("s0123")["VV"], archives.decibels("p0123")["VV"])
    with (undisturbed.output / "broken.csv").open() as file:
        assert list(csv.DictReader(file)) == [{"patch_id": "p0077", "reason": "p0077: has no B02; fetch it again"}]


def test_more_processes_give_the_same_bytes(undisturbed, tmp_path):
    seen = []
    report = pack(
        jobs(), load, tmp_path / "a", origin="test", workers=2, progress=lambda stage, done, total: seen.append(done)
    )
    assert contents(report.output) == contents(undisturbed.output)
    assert seen == sorted(seen) and seen[-1] == COUNT


def test_a_patch_that_is_there_twice_is_packed_once_and_listed(tmp_path):
    report = pack([*jobs(3), *jobs(1)], load, tmp_path / "a", origin="test", workers=1)
    assert (report.packed, report.broken) == (3, 1)
    assert "more than once" in (report.output / "broken.csv").read_text()


def test_an_existing_archive_is_only_replaced_on_request(undisturbed, tmp_path):
    pack(jobs(2), load, tmp_path / "a", origin="test", workers=1)
    with pytest.raises(OutputExistsError):
        pack(jobs(3), load, tmp_path / "a", origin="test", workers=1)
    assert pack(jobs(3), load, tmp_path / "a", origin="test", workers=1, overwrite=True).packed == 3
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_nothing_but_broken_patches_is_an_error(tmp_path):
    with pytest.raises(InputError, match="not one patch"):
        pack(jobs()[77:78], load, tmp_path / "a", origin="test", workers=1)
    assert not (tmp_path / "a").exists()


def slow_load(job):
    time.sleep(0.03)  # 9 s for all of them: no three runs of up to 2.5 s get to the end
    return load(job)


def test_killed_at_random_moments_it_ends_in_the_same_bytes(undisturbed, tmp_path):
    """The kills come while a run works; each run goes on from the one before."""
    output, started = tmp_path / "a", tmp_path / ".a.partial" / "rows"
    code = f"import test_packing as t; t.pack(t.jobs(), t.slow_load, t.Path({str(output)!r}), origin='test', workers=1)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    rng, kills = random.Random(0), 0
    while not output.exists():
        process = subprocess.Popen([sys.executable, "-c", code], env=environment, start_new_session=True)
        while process.poll() is None and not started.exists():
            time.sleep(0.01)
        try:
            # From the fifth on the run may end.
            process.wait(rng.uniform(0.2, 2.5) if kills < 5 else 60)
            assert process.returncode == 0
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
    assert kills >= 3, "the runs ended before they could be killed"
    assert contents(output) == contents(undisturbed.output)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]
