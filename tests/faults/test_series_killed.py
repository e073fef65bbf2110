"""A series that is killed at any moment goes on to the same files, and does nothing twice that was finished."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from command_line import run
from dates import write_dates
from scenes import save_active

from unclouded.files import workplace_of
from unclouded.writing.journal import finished_rows

FORKS = multiprocessing.get_context("forkserver")
# Every fork would import them again.
FORKS.set_forkserver_preload(["command_line", "unclouded.clearing.clear", "unclouded.clearing.series"])

pytest.importorskip("zarr")


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> list[object]:
    folder = tmp_path_factory.mktemp("given")
    save_active(folder / "a.safetensors", detector="csmask", threshold=0.2)
    return ["series", *write_dates(folder / "dates"), "--model", folder / "a.safetensors", "--zarr", "--output"]


def contents(folder: Path) -> dict[str, bytes]:
    """All that is there for a user, but the items, which say when they were made."""
    files = (path for path in folder.rglob("*") if path.is_file())
    names = {path: str(path.relative_to(folder)) for path in files}
    return {
        name: path.read_bytes()
        for path, name in sorted(names.items())
        if not name.startswith(".") and (path.suffix == ".tif" or name.startswith("series.zarr/"))
    }


@pytest.fixture(scope="module")
def undisturbed(words, tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("undisturbed")
    result = run(*words, folder)
    assert result.exit_code == 0, result.stderr
    return contents(folder)


def killed(words, folder: Path, when) -> None:
    """Run the command in a process of its own until `when` says so."""
    process = FORKS.Process(target=run, args=(*words, folder))
    process.start()
    with suppress(ProcessLookupError):  # it has ended since it was alive
        while process.is_alive():
            # Stopped while it is looked at, or the moment is over when it is killed.
            os.kill(process.pid, signal.SIGSTOP)
            if when():
                break
            os.kill(process.pid, signal.SIGCONT)
            time.sleep(0.005)
    process.kill()
    process.join()


def check(words, folder: Path, undisturbed: dict[str, bytes]) -> None:
    """What is there is right, and the same command makes the rest of it."""
    there = contents(folder)
    assert all(undisturbed[name] == content for name, content in there.items())
    stores = [name for name in there if name.startswith("series.zarr")]
    assert not stores or there == undisturbed
    result = run(*words, folder)
    assert result.exit_code == 0, result.stderr
    finished = [name for name in there if name.endswith(".tif") and "_quality" not in name]
    assert all(f"{folder / name}: exists and is kept" in result.stderr for name in finished)
    assert contents(folder) == undisturbed
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    "moment", ["a date is looked at", "a date is finished", "the store is begun", "the store is there"]
)
def test_killed_at_some_moments(words, undisturbed, tmp_path, moment):
    def there() -> bool:
        return any(folder.glob(pattern))

    kept = workplace_of(tmp_path / "series").name
    pattern = {
        "a date is looked at": f"{kept}/" + "?" * 64,
        "a date is finished": "S2A*T120000.tif",
        "the store is begun": ".series.zarr.partial/*",
        "the store is there": "series.zarr",
    }[moment]
    # On a busy machine a short moment may pass unseen.
    for folder in (tmp_path / str(number) for number in range(5)):
        killed(words, folder, there)
        if there():
            break
    assert there(), "the command ended before it was killed"
    check(words, folder, undisturbed)


def run_up_to_the_file(day: str, *arguments) -> None:
    """Run the command until all rows of a date are finished; there it dies."""
    from unclouded.writing import strips

    whole = strips.write_cog

    def dying(file, layout, parts, name, *more):
        if day in name:
            os._exit(9)
        return whole(file, layout, parts, name, *more)

    strips.write_cog = dying
    run(*arguments)


@pytest.mark.parametrize("day", ["20180503", "20180508"])
def test_killed_when_the_rows_of_a_date_are_finished(words, undisturbed, tmp_path, day):
    process = FORKS.Process(target=run_up_to_the_file, args=(day, *words, tmp_path))
    process.start()
    process.join()
    assert process.exitcode == 9
    assert [path for path in tmp_path.glob(f".*{day}*.partial") if finished_rows(tmp_path / path.name[1:-8])]
    check(words, tmp_path, undisturbed)


@pytest.mark.slow
def test_killed_at_any_moment(words, undisturbed, tmp_path):
    rng = random.Random(0)
    begun = time.monotonic()
    killed(words, tmp_path / "whole", lambda: False)
    whole = time.monotonic() - begun
    assert contents(tmp_path / "whole") == undisturbed
    for number in range(20):
        folder = tmp_path / str(number)
        end = time.monotonic() + rng.uniform(0.1, 1) * whole
        killed(words, folder, lambda end=end: time.monotonic() > end)
        folder.mkdir(exist_ok=True)
        check(words, folder, undisturbed)
        shutil.rmtree(folder)
