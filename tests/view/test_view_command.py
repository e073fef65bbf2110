"""`unclouded view` from the command line: errors, exit codes, and a server that ends when interrupted."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest
from typer.testing import CliRunner

from unclouded.cli import app

pytest.importorskip("rio_tiler", reason="the extra `view` is not installed")
pytest.importorskip("maplibre", reason="the extra `view` is not installed")

from unclouded.view.server import MapServer


def run(*arguments):
    return CliRunner().invoke(app, ["view", "--no-browser", *map(str, arguments)])


def test_a_missing_scene_is_one_line_and_exit_code_2(tmp_path):
    result = run(tmp_path / "clear.tif")
    assert result.exit_code == 2
    assert result.stderr == f"error: {tmp_path}/clear.tif: no such file; give a result of `unclouded clear`\n"
    assert result.stdout == ""


def test_a_port_that_is_taken_is_one_line(scene):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = run(scene / "clear.tif", "--port", port)
    assert result.exit_code == 2
    assert result.stderr == f"error: port {port}: Address already in use; give another --port, or none for a free one\n"


@pytest.mark.parametrize("module", ["rio_tiler", "maplibre"])
def test_a_missing_extra_is_one_line(scene, module):
    # Finders that do not know the module, as if it were not installed.
    code = (
        "import sys\n"
        "class Without:\n"
        "    def __init__(self, finder): self.finder = finder\n"
        "    def __getattr__(self, name): return getattr(self.finder, name)\n"
        "    def find_spec(self, name, *more):\n"
        f"        return None if name == {module!r} else self.finder.find_spec(name, *more)\n"
        "sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]\n"
        f"from unclouded.cli import app\napp(['view', '--no-browser', {str(scene / 'clear.tif')!r}])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 2
    assert result.stderr == (
        f"error: this command needs {module}, which is not installed; run `make view` in a checkout, "
        "or pip install 'unclouded[view]'\n"
    )


def test_it_shows_what_it_can_until_interrupted_and_then_names_what_failed(scene):
    arguments = [f"{scene}/before.tif={scene}/clear.tif", f"{scene}/nothing.tif", "--level", "L2A", "--offset", "0"]
    command = [sys.executable, "-m", "unclouded", "view", "--no-browser", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        address = process.stdout.readline().split()[0]
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{address}scenes.json", timeout=30) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors == f"error: {scene}/nothing.tif: no such file; give a result of `unclouded clear`\n"


def test_a_series_is_all_of_its_dates(scene, monkeypatch):
    for name in ("other.tif", "other_quality.tif"):
        (scene / name).write_bytes((scene / name.replace("other", "clear")).read_bytes())
    links = [{"rel": "item", "href": f"./{name}.json"} for name in ("clear", "other")]
    (scene / "collection.json").write_text(json.dumps({"type": "Collection", "links": links}))
    served = []
    monkeypatch.setattr(MapServer, "serve_forever", lambda server: served.extend(server.scenes))
    result = run(scene, "--level", "L2A", "--offset", "0")
    assert result.exit_code == 0, result.stderr
    assert [one.name for one in served] == ["clear.tif", "other.tif"]
    assert {one.level for one in served} == {"L2A"}
