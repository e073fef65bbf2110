"""Imports run downwards only (the contracts stand in pyproject.toml); files load no network, and none is long."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_imports_run_downwards():
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    words = [sys.executable, "-c", code, "--config", "pyproject.toml", "--no-cache"]
    result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_no_file_is_longer_than_400_lines():
    lines = {path: len(path.read_text().splitlines()) for path in (ROOT / "src").rglob("*.py")}
    assert lines and not {path.name: count for path, count in lines.items() if count > 400}


@pytest.mark.parametrize("package", ["reading", "writing", "catalog", "composites"])
def test_files_are_read_and_written_without_torch(package):
    files = (ROOT / "src" / "unclouded" / package).rglob("[!_]*.py")
    modules = sorted(".".join(path.relative_to(ROOT / "src").with_suffix("").parts) for path in files)
    imports = "\n".join(f"import {module}" for module in modules)
    code = f"{imports}\nimport sys\nloaded = sorted({{'torch', 'unclouded.models'}} & set(sys.modules))\nprint(*loaded)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout.split()) == (0, []), result.stderr
    assert modules


def test_clearing_without_other_dates_loads_nothing_for_them():
    code = "import unclouded.clearing.clear, sys\nprint(*{'scipy', 'unclouded.references'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not result.stdout.split()
