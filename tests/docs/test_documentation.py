"""The documentation builds without the network and without a broken link, and its notebook runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_documentation_builds_strictly(tmp_path):
    pytest.importorskip("mkdocs", reason="needs the extra `docs`")
    pytest.importorskip("mkdocstrings", reason="needs the extra `docs`")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    reference = (tmp_path / "site" / "api.html").read_text()
    # Of a docstring: that the page is more than its headings.
    assert "latent samples; with more than one the result is their mean" in reference
    # And that it holds what people call, not what that is made of.
    assert 'id="unclouded.clear_series"' in reference and "unclouded.training" not in reference
    front = (tmp_path / "site" / "index.html").read_text()
    assert 'id="install"' in front and 'data-md-color-scheme="slate"' in front
    assert not re.search(r'(?:src|href)="https?:', front)
    assert "397 real images" in (tmp_path / "site" / "model_card_default.html").read_text()
    assert (tmp_path / "site" / "first_scene.ipynb").is_file()


def printed(cells):
    """The numbers that the cells of a notebook print."""
    texts = [output["text"] for cell in cells for output in cell.get("outputs", []) if "text" in output]
    return [float(number) for text in texts for number in re.findall(r"\d+\.\d+", text)]


@pytest.mark.slow
def test_the_notebook_runs(tmp_path, monkeypatch):
    monkeypatch.delenv("MPLBACKEND", raising=False)
    nbformat = pytest.importorskip("nbformat", reason="needs the extra `docs`")
    nbclient = pytest.importorskip("nbclient", reason="needs the extra `docs`")
    notebook = nbformat.read(ROOT / "docs" / "first_scene.ipynb", as_version=4)
    kept = printed(notebook.cells)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert any("of the pixels were replaced" in output.get("text", "") for output in outputs)
    # Machines differ a little, versions whose notebook was not run again much.
    assert len(kept) == 5 and printed(notebook.cells) == pytest.approx(kept, abs=0.005, rel=0.03)


def test_the_notebook_shows_what_it_printed_and_drew():
    cells = json.loads((ROOT / "docs" / "first_scene.ipynb").read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert all(cell["outputs"] for cell in code)
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 1
    # Text alone otherwise, and nothing of the machine that it ran on.
    texts = [
        text for output in outputs for text in (*output.get("text", []), *output.get("data", {}).get("text/plain", []))
    ]
    assert all("text/html" not in output.get("data", {}) for output in outputs)
    assert not [text for text in texts if re.search(r"/(tmp|home|root|usr|work)/|Traceback|Warning", text)]


def test_every_page_is_in_the_navigation():
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    settings = (ROOT / "mkdocs.yml").read_text()
    assert pages and not [page for page in pages if f" {page}\n" not in settings]


def test_the_glossary_names_files_that_are_there():
    lines = (ROOT / "docs" / "glossary.md").read_text().splitlines()
    files = [found[1] for line in lines if (found := re.search(r"\| `([\w/]+\.py)` \|$", line))]
    assert len(files) == sum(line.startswith("| ") for line in lines) - 1 >= 15
    assert not [file for file in files if not (ROOT / "src" / "unclouded" / file).is_file()]
