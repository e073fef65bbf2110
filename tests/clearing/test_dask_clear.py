"""Scenes on a cluster: the files are those of one machine, whatever happens to the workers."""

from __future__ import annotations

import os
from contextlib import closing, nullcontext
from pathlib import Path

import numpy as np
import pytest
from dates import write_dates
from rasters import write
from scenes import ground, save_active
from typer.testing import CliRunner

from unclouded.clearing.batch import Batch
from unclouded.clearing.cluster import dask_clear, dask_pool
from unclouded.clearing.model import Model
from unclouded.clearing.options import ClearOptions
from unclouded.cli import app
from unclouded.reading.reader import ReadOptions

distributed = pytest.importorskip("distributed")

FOUR = ("B02", "B03", "B04", "B08")
NAME = "S2A_MSIL2A_2018050{}T100031_N0207_R122_T32TQM_20180503T120000"


class Deadly(distributed.WorkerPlugin):
    """Kills the worker that clears the tile at column 512, as often as there are files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def setup(self, worker) -> None:
        from unclouded.clearing.cluster import dask_clear

        clear, folder = dask_clear._clear, self.folder

        def _clear(job, task):
            if task[0].inner.column == 512 and (left := sorted(folder.iterdir())):
                left[0].unlink()
                os._exit(1)
            return clear(job, task)

        dask_clear._clear = _clear


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Two scenes of two tiles: one beside the other, with a strip of no-data, and one below the other."""
    folder = tmp_path_factory.mktemp("scenes")
    dn = ground(4, 60, 560)
    dn[:, :, 300:320] = 0
    first = write(folder / f"{NAME.format(1)}.tif", dn, names=FOUR, nodata=0)
    return first, write(folder / f"{NAME.format(2)}.tif", ground(4, 545, 40, seed=1), names=FOUR, nodata=0)


@pytest.fixture(scope="module")
def local(scenes, weights, tmp_path_factory):
    """What one machine makes of them."""
    folder = tmp_path_factory.mktemp("local")
    result = run("clear", *scenes, "--output", f"{folder}/", "--model", weights)
    assert result.exit_code == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def deaths(tmp_path_factory):
    return tmp_path_factory.mktemp("deaths")


@pytest.fixture(scope="module")
def pool(deaths):
    with dask_pool.DaskPool(2) as pool:
        pool.client.register_plugin(Deadly(deaths))
        yield pool


@pytest.fixture
def on_cluster(pool, weights, tmp_path):
    def clear(*inputs):
        address = pool.client.scheduler.address
        options = ["--model", weights, "--scheduler", address]
        return run("clear", *inputs, "--output", f"{tmp_path}/out/", *options)

    return clear


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def same_files(one, other):
    names = sorted(path.name for path in one.iterdir())
    assert names == sorted(path.name for path in other.iterdir())
    # The STAC items say when each run was.
    files = [name for name in names if name.endswith(".tif")]
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in files)


def test_the_files_are_those_of_one_machine_and_failures_come_last(scenes, local, on_cluster, tmp_path):
    empty = write(tmp_path / f"{NAME.format(3)}.tif", np.zeros((4, 20, 30), np.uint16), names=FOUR, nodata=0)
    missing = tmp_path / "missing.tif"
    done = on_cluster(empty, *scenes, missing)
    assert done.exit_code == 1
    assert [line.split(",")[0] for line in done.stdout.splitlines()] == [f"{tmp_path}/out/{s.name}" for s in scenes]
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2
    assert errors[0].startswith(f"error: {missing}: ") and f"{empty}: every pixel is no-data" in errors[1]
    assert same_files(local, tmp_path / "out")


def test_a_worker_that_dies_is_replaced(scenes, local, on_cluster, deaths, tmp_path):
    (deaths / "1").touch()
    done = on_cluster(*scenes)
    assert not list(deaths.iterdir())
    assert done.exit_code == 0, done.stderr
    assert same_files(local, tmp_path / "out")


def test_a_tile_at_which_three_workers_die_fails_its_scene_alone(scenes, local, on_cluster, deaths, tmp_path):
    for number in range(3):
        (deaths / str(number)).touch()
    done = on_cluster(*scenes)
    assert not list(deaths.iterdir())
    assert done.exit_code == 1
    assert [line for line in done.stderr.splitlines() if line.startswith("error: ")] == [
        f"error: {scenes[0]}: 3 workers died at the same tile; see their logs, "
        "and if they lack memory start fewer of them on a machine"
    ]
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == [NAME.format(2) + end for end in (".json", ".tif", "_quality.tif")]
    assert all((tmp_path / "out" / name).read_bytes() == (local / name).read_bytes() for name in written[1:])


def test_no_more_tasks_run_than_there_are_threads_and_results_keep_their_order(pool):
    most = 0
    pool.client.wait_for_workers(2, timeout=60)
    submit = pool.client.submit

    def counted(*arguments, **options):
        nonlocal most
        most = max(most, pool.running)
        return submit(*arguments, **options)

    pool.client.submit = counted
    try:
        with closing(pool.each((0, 0), lambda n: n * n, "scene.tif", range(40))) as results:
            assert list(results) == [n * n for n in range(40)]
    finally:
        del pool.client.submit
    assert most == 2


def test_workers_refuse_other_weights_of_the_same_name(pool, scenes, weights, tmp_path):
    other = tmp_path / "active.safetensors"
    save_active(other, seed=1)
    outputs = {str(scenes[1]): tmp_path / "out.tif"}
    loaded = Model.load(ClearOptions(model=str(weights)))
    work = dask_clear.clear_scenes(Batch(outputs, ReadOptions(), loaded, ClearOptions(model=str(other))), pool)
    [(source, error)] = list(work)
    assert source == str(scenes[1]) and "a worker has other weights" in str(error)
    assert not (tmp_path / "out.tif").exists()


def test_the_number_of_workers_is_as_requested(scenes, local, weights, pool, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(dask_pool, "DaskPool", lambda *given: asked.append(given) or nullcontext(pool))
    result = run("clear", scenes[1], "--output", tmp_path / scenes[1].name, "--model", weights, "--workers", 2)
    assert result.exit_code == 0, result.stderr
    assert asked == [(2, None)]
    assert (tmp_path / scenes[1].name).read_bytes() == (local / scenes[1].name).read_bytes()


def test_a_series_on_a_cluster_is_that_of_one_machine(pool, tmp_path):
    path = tmp_path / "detecting.safetensors"
    save_active(path, detector="csmask", threshold=0.2)
    inputs = write_dates(tmp_path / "dates")
    given = ["series", *inputs, "--model", path, "--output"]
    for folder, more in (("one", []), ("many", ["--scheduler", pool.client.scheduler.address])):
        result = run(*given, tmp_path / folder, *more)
        assert result.exit_code == 0, result.stderr
        assert "collection.json: 3 dates" in result.stdout
    assert same_files(tmp_path / "one", tmp_path / "many")
    assert run(*given, tmp_path / "two", "--workers", 2, "--scheduler", "tcp://127.0.0.1:1").exit_code == 2
    assert not (tmp_path / "two").exists()


def test_a_scheduler_that_is_not_there_is_one_line(scenes, weights, tmp_path, monkeypatch):
    monkeypatch.setattr(dask_pool, "_PATIENCE", 1.0)
    options = ["--model", weights, "--scheduler", "tcp://127.0.0.1:1"]
    result = run("clear", scenes[1], "--output", tmp_path / "out.tif", *options)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("error: --scheduler tcp://127.0.0.1:1: cannot be reached")
    assert run("clear", scenes[1], "--output", tmp_path / "out.tif", *options, "--workers", 2).exit_code == 2
    assert not list(tmp_path.iterdir())
