"""Benchmarks are not run by the tests, but what they import must be there: a renamed class fails here."""

from __future__ import annotations

import subprocess
import sys

from documented import ROOT

IMPORT_ALL = """
import importlib, sys
failed = []
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        print(f"{name}: {error.name} is not installed")
    except ImportError as error:
        failed.append(f"{name}: {error}")
sys.exit("\\n".join(failed) or 0)
"""


def test_what_every_benchmark_imports_is_there():
    folder = ROOT / "benchmarks"
    names = sorted(path.stem for path in folder.glob("*.py"))
    assert "scene" in names
    result = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *names], cwd=folder, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
