"""The documentation builds without the network and without a broken link, and its notebook runs."""

from __future__ import annotations

import json
import operator
import pkgutil
import re
import runpy
import subprocess
import sys

import pytest
from documented import PAGES, ROOT

from unclouded.settings import LandCoverSettings, TranslatorSettings, load_settings_of

TRANSLATOR = load_settings_of(TranslatorSettings, ROOT / "settings" / "default.yaml", [])
LAND_COVER = load_settings_of(LandCoverSettings, ROOT / "settings" / "land_cover.yaml", [])


@pytest.mark.slow
def test_the_documentation_builds_strictly(tmp_path):
    pytest.importorskip("mkdocs", reason="needs the extra `docs`")
    pytest.importorskip("mkdocstrings", reason="needs the extra `docs`")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
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


def test_cards_link_to_what_is_there():
    hook = runpy.run_path(str(ROOT / "scripts" / "documentation.py"))["on_page_markdown"]
    pages = {page.name: hook(page.read_text()) for page in (ROOT / "docs").glob("model_card_*.md")}
    links = {(name, link) for name, page in pages.items() for link in re.findall(r"\]\(([^)#:]+)\)", page)}
    assert ("model_card_paper.md", "model_card_unpaired.md") in links
    assert not [found for found in links if not (ROOT / "docs" / found[1]).exists()]


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


def is_there(name):
    """Whether a dotted name is something in the package, or a key of the settings."""
    for find in (
        lambda: pkgutil.resolve_name(f"unclouded.{name}"),
        lambda: operator.attrgetter(name)(TRANSLATOR),
        lambda: operator.attrgetter(name)(LAND_COVER),
    ):
        try:
            find()
        except (ImportError, AttributeError):
            continue
        return True
    return False


def test_the_code_that_pages_name_is_there():
    parts = {path.stem for path in (ROOT / "src" / "unclouded").iterdir()}
    named = {
        name: page.name
        for page in PAGES
        for name in re.findall(r"`([a-z_]+(?:\.[A-Za-z_]+)+)(?:=\S+)?`", page.read_text(encoding="utf-8"))
        if name.partition(".")[0] in parts and not name.endswith((".html", ".py", ".md", ".safetensors"))
    }
    assert len(named) >= 20
    assert not {name: page for name, page in named.items() if not is_there(name)}


def test_code_that_is_gone_is_found():
    assert is_there("tiles.Tile") and is_there("training.steps")
    assert not is_there("clearing.sampling.observe") and not is_there("training.step")
