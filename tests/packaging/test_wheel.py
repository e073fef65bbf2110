"""What is installed: the wheel holds what the commands need, and runs in an environment that holds nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LARGEST = 40 * 2**20
"""Bytes that a wheel may have: indexes refuse large ones, and people wait for them."""


def build(target: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("wheel"))


def tracked(*folders: str) -> set[str]:
    """Files that are under version control, so that a stray file of a developer's makes no difference."""
    result = subprocess.run(["git", "ls-files", *folders], cwd=ROOT, check=True, capture_output=True, text=True)
    return set(result.stdout.splitlines())


def test_the_wheel_holds_the_package_its_licence_weights_cards_and_sample(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {info.filename: info.file_size for info in archive.infolist()}
        licence = next(name for name in held if name.endswith(".dist-info/licenses/LICENSE"))
        assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()
        commands = next(name for name in held if name.endswith(".dist-info/entry_points.txt"))
        assert "unclouded = unclouded.cli:main" in archive.read(commands).decode()
    package = {name.removeprefix("src/") for name in tracked("src/unclouded")}
    assert package <= set(held)
    # Listed again by hand: were the weights no longer under version control, the line above would not notice.
    for name in ("default", "land-cover"):
        assert held[f"unclouded/weights/{name}.safetensors"] > 2**20
        assert held[f"unclouded/weights/{name}.md"] > 1000
        assert held[f"unclouded/weights/{name}.json"] > 1000
    assert "unclouded/py.typed" in held
    patches = {Path(name).parent for name in held if name.startswith("unclouded/sample/") and name.endswith(".tif")}
    assert len(patches) == 2
    assert not [name for name in held if not name.startswith(("unclouded/", "unclouded-"))]


def test_the_wheel_is_small(wheel):
    assert wheel.stat().st_size <= LARGEST


def test_the_source_archive_holds_what_its_tests_and_documentation_need(tmp_path):
    with tarfile.open(build("sdist", tmp_path)) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert tracked() - held <= {".gitignore", ".ci/run", ".pre-commit-config.yaml"}


@pytest.mark.slow
@pytest.mark.parametrize("what", ["wheel", "checkout"])
def test_it_runs_in_an_empty_environment(wheel, tmp_path, what):
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    there = tmp_path / "venv" / "bin"

    def run(*command: str | Path) -> str:
        result = subprocess.run(
            [str(part) for part in command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    run(sys.executable, "-m", "venv", tmp_path / "venv")
    install = (there / "python", "-m", "pip", "install", "--quiet", "--no-cache-dir", "-c", ROOT / "constraints.txt")
    # torch goes first, by its exact version, as in the Makefile.
    run(*install, "torch==2.13.0")
    run(*install, wheel if what == "wheel" else ROOT)
    assert "unclouded 0." in run(there / "unclouded", "--version")
    printed = run(there / "unclouded", "demo", "--output", "demo")
    assert printed.count("of the pixels changed") == 2
    assert len(list((tmp_path / "demo").glob("*_quality.tif"))) == 2
    location = run(there / "python", "-c", "import unclouded; print(unclouded.__file__)")
    assert Path(location.strip()).is_relative_to(tmp_path)
