"""What `unclouded export` refuses: each a line that says what is taken, and no file."""

from __future__ import annotations

import pytest
from command_line import run
from typer.testing import CliRunner

from unclouded.cli import app

REFUSED = [
    (["default", "--output", "{}/net.pt"], "net.pt: .onnx for a network, or .json for a STAC item"),
    (["default", "--output", "{}/net.onnx", "--size", "100"], "--size 100: this network takes multiples of 32 from 64"),
    (["default", "--output", "{}/net.onnx", "--size", "4096"], "to 2048 pixels"),
    (["default", "--output", "{}/net.onnx", "--bands", "B02,B99"], "'B99' is none of them; default takes B01, B02"),
    (["default", "--output", "{}/net.onnx", "--bands", "B02,B02"], "one is named twice"),
    (["land-cover", "--output", "{}/net.onnx", "--level", "L1C"], "land-cover was trained on L2A"),
    (["nothing", "--output", "{}/net.onnx"], "nothing: no such weights file"),
    (["default", "--output", "{}/none/net.json"], "none"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_it_refuses(arguments: list[str], message: str, tmp_path) -> None:
    result = CliRunner().invoke(app, ["export", *(argument.format(tmp_path) for argument in arguments)])
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
    assert not list(tmp_path.iterdir())


def test_it_does_not_write_over_a_file(tmp_path) -> None:
    (tmp_path / "item.json").write_text("mine")
    result = CliRunner().invoke(app, ["export", "default", "--output", str(tmp_path / "item.json")])
    assert result.exit_code == 2
    assert (tmp_path / "item.json").read_text() == "mine"
    again = ["export", "default", "--output", str(tmp_path / "item.json"), "--overwrite"]
    assert CliRunner().invoke(app, again).exit_code == 0
    assert (tmp_path / "item.json").read_text().startswith("{")


@pytest.mark.parametrize(("level", "count"), [("L1C", 1), ("L2A", 0)])
def test_a_level_that_weights_are_of_no_use_on_is_named(level, count, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("unclouded.export.onnx_file.write_onnx", lambda graph, bands, size, notes, path: path.touch())
    result = run("export", "unpaired", "--output", tmp_path / "a.onnx", "--level", level)
    assert result.exit_code == 0 and result.stderr.count("these weights are of no use") == count
