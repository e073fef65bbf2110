"""Imports run downwards only (the contracts stand in pyproject.toml); reading and writing files loads no network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_imports_run_downwards():
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    words = [sys.executable, "-c", code, "--config", "pyproject.toml", "--no-cache"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("package", ["reading", "writing", "catalog", "composites"])
def test_files_are_read_and_written_without_torch(package):
    modules = sorted(path.stem for path in (ROOT / "src" / "unclouded" / package).glob("[!_]*.py"))
    imports = "\n".join(f"import unclouded.{package}.{module}" for module in modules)
    code = f"{imports}\nimport sys\nloaded = sorted({{'torch', 'unclouded.models'}} & set(sys.modules))\nprint(*loaded)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr
    assert modules


def test_clearing_without_other_dates_loads_nothing_for_them():
    code = "import unclouded.clearing.clear, sys\nprint(*{'scipy', 'unclouded.references'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not said.stdout.split()
