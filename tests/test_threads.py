"""Settings of the libraries' threads, before the libraries are loaded, and of garbage collection."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from unclouded.threads import ENVIRONMENT

_PROGRAM = """
import json, os, sys

import unclouded.cli

loaded = [name for name in ("numpy", "torch") if name in sys.modules]
sys.argv = ["unclouded", "--version"]
try:
    unclouded.cli.main()
except SystemExit:
    pass
print(json.dumps([loaded, dict(os.environ)]))
"""


def started(**given: str) -> tuple[list[str], dict[str, str]]:
    """What a command finds loaded when it begins, and the environment that it leaves to the libraries."""
    bare = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
    path = {"PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-c", _PROGRAM]
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=bare | path | given)
    loaded, environment = json.loads(result.stdout.splitlines()[-1])
    return loaded, environment


def test_a_command_sets_how_threads_wait_before_the_libraries_are_loaded() -> None:
    loaded, environment = started()
    assert not loaded
    assert environment.items() >= ENVIRONMENT.items()


def test_a_process_that_is_forked_after_a_scene_was_cleared_clears_another(weights) -> None:
    program = (
        "import multiprocessing, sys, numpy, unclouded\n"
        "dn = numpy.random.default_rng(0).integers(500, 3000, (4, 256, 256)).astype('uint16')\n"
        "given = dict(bands='B02,B03,B04,B08', level='L2A', offset=0, model=sys.argv[1])\n"
        "unclouded.clear(dn, **given)\n"
        "child = multiprocessing.get_context('fork').Process(target=unclouded.clear, args=(dn,), kwargs=given)\n"
        "child.start(); child.join(60); print(child.exitcode); child.kill()\n"
    )
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, weights],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "2"},
    )
    assert result.stdout == "0\n", result.stderr


def test_an_environment_variable_of_the_user_is_kept() -> None:
    _, environment = started(OPENBLAS_NUM_THREADS="7")
    assert environment["OPENBLAS_NUM_THREADS"] == "7"


def test_python_seldom_looks_through_what_libraries_leave_and_not_at_all_on_the_way_out() -> None:
    program = _PROGRAM.replace("print(", "import gc; print(gc.get_threshold()[0], gc.get_freeze_count()) #")
    command, path = [sys.executable, "-c", program], {"PYTHONPATH": ":".join(sys.path)}
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | path)
    threshold, frozen = result.stdout.splitlines()[-1].split()
    assert int(threshold) >= 10_000
    assert int(frozen) > 1000
