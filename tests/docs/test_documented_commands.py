"""Every command in the README and the documentation is run, or at least understood: a renamed option fails here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from documented import PAGES, ROOT, blocks, check, inline, lines

NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_is_valid(page):
    for block in blocks(page):
        for words in lines(block.text):
            try:
                check(words)
            except Exception as error:
                pytest.fail(f"{page.name}: {' '.join(words)}: {type(error).__name__} {error}")
    for words in inline(page):
        try:
            check(words, whole=False)
        except AssertionError as error:
            pytest.fail(f"{page.name}: `{' '.join(words)}`: {error}")


@pytest.mark.parametrize(
    "line",
    [
        "unclouded clear scene.tif --output clear.tif --sample 8",
        "unclouded clear scene.tif --output clear.tif --samples none",
        "unclouded clear scene.tif",
        "unclouded tidy scene.tif",
        "unclouded train translator settings/missing.yaml --data a --output b",
        "unclouded train translator settings/paper.yaml --data a --output b training.step=3",
        "unclouded train land-cover settings/paper.yaml --data a --output b",
        "python benchmarks/pairs.py --no-such-option",
        "python benchmarks/missing.py",
        "make nothing",
        "pip install 'unclouded[nothing]'",
        "frobnicate",
    ],
)
def test_invalid_commands_are_found(line):
    (words,) = lines(line)
    with pytest.raises(Exception):  # noqa: B017 (usage errors of the command line, settings errors, assertions)
        check(words)


def test_there_are_commands_to_check():
    assert sum(len(list(lines(block.text))) for page in PAGES for block in blocks(page)) > 20
    assert any(inline(page) for page in PAGES)


def test_a_comment_a_continuation_and_what_is_fed_in_are_no_commands():
    text = "a --b  # c\nd \\\n  --e\nX=$(f g)\npython - <<'END'\nh i\nEND\nY=1 j\n"
    assert list(lines(text)) == [["a", "--b"], ["d", "--e"], ["python", "-"], ["j"]]


def run_blocks(page: Path, mark: str, folder: Path) -> str:
    """Run the blocks of a page that are marked so, in order, in a folder with the programs of `.venv/bin`."""
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, words in (("python", ""), ("unclouded", "-m unclouded")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        (programs / name).chmod(0o755)
    (folder / "settings").symlink_to(ROOT / "settings")
    script = "set -euo pipefail\n" + "\n".join(block.text for block in blocks(page) if block.mark == mark)
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    result = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=1800, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.slow
def test_the_commands_of_the_first_scene_run(tmp_path):
    printed = run_blocks(ROOT / "docs" / "first_scene.md", "run", tmp_path)
    assert printed.count("of the pixels changed") == 4
    assert '"name": "default"' in printed
    for name in ("clear.tif", "clear_quality.tif", "sampled.tif"):
        assert (tmp_path / name).is_file()


def test_the_commands_of_the_catalogue_page_run(tmp_path):
    assert "of the pixels changed" in run_blocks(ROOT / "docs" / "stac.md", "run", tmp_path)
    assert (tmp_path / "from_item.tif").is_file()


@pytest.mark.slow
def test_the_commands_of_the_page_on_other_programs_run(tmp_path):
    pytest.importorskip("onnxscript", reason="needs the extra `export`")
    assert "default.onnx" in run_blocks(ROOT / "docs" / "other_programs.md", "run", tmp_path)
    assert (tmp_path / "land_cover.onnx").stat().st_size > 40e6


@pytest.mark.slow
def test_the_commands_of_the_training_page_run_on_simulated_patches(tmp_path):
    pytest.importorskip("lmdb", reason="needs the extra `data`")
    printed = run_blocks(ROOT / "docs" / "training.md", "run slow", tmp_path)
    # 40 patches and the clear twins of the 20 cloudy ones among them.
    assert "60 patches" in printed
    assert {"archives", "runs", "small.json"} <= {path.name for path in tmp_path.iterdir()}
    assert (tmp_path / "runs" / "small" / "weights.safetensors").is_file()
