"""STAC items of models: valid, true of the weights, and those that are bundled are as the command writes them."""

from __future__ import annotations

import hashlib
import json

import pystac
import pytest
from stac_schemas import validate
from typer.testing import CliRunner

from unclouded.cli import app
from unclouded.models.weights import load_generator
from unclouded.models.weights_file import bundled


@pytest.mark.parametrize("name", sorted(bundled()))
def test_the_bundled_item_is_what_the_command_writes(name: str, tmp_path) -> None:
    result = CliRunner().invoke(app, ["export", name, "--output", str(tmp_path / "item.json")])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "item.json").read_text() == bundled()[name].with_suffix(".json").read_text()


@pytest.mark.parametrize("name", sorted(bundled()))
def test_the_item_is_true_of_the_weights(name: str) -> None:
    path = bundled()[name]
    record = json.loads(path.with_suffix(".json").read_text())
    validate(record)
    item = pystac.Item.from_dict(record)
    (asset,) = item.assets.values()
    assert asset.href == f"./{path.name}"
    assert asset.extra_fields["file:size"] == path.stat().st_size
    assert asset.extra_fields["file:checksum"] == "1220" + hashlib.sha256(path.read_bytes()).hexdigest()
    # What version 1.5 of the extension asks for: names, roles, and a dimension for every list of bands.
    assert {"mlm:name", "mlm:architecture", "mlm:tasks", "mlm:input", "mlm:output"} <= item.properties.keys()
    assert "mlm:model" in asset.roles
    assert asset.extra_fields["mlm:artifact_type"]
    known = {band["name"] for band in item.properties["bands"]}
    assert known == {band["name"] for band in asset.extra_fields["bands"]}
    for side, array in (("mlm:input", "input"), ("mlm:output", "result")):
        for part in item.properties[side]:
            held = [band["name"] for band in part.get("bands", [])]
            order, shape = part[array]["dim_order"], part[array]["shape"]
            assert len(order) == len(shape)
            assert ("bands" in order) == bool(held)
            assert set(held) <= known
            assert all(label["description"] for label in part.get("classification:classes", []))
            assert not held or shape[order.index("bands")] == len(held)


@pytest.mark.parametrize(("name", "takes_cover"), [("default", True), ("unpaired", False)])
def test_known_cover_is_an_input(name: str, takes_cover: bool) -> None:
    record = json.loads(bundled()[name].with_suffix(".json").read_text())
    inputs = [part["name"] for part in record["properties"]["mlm:input"]]
    assert load_generator(name)[0].takes_cover == takes_cover
    assert ("cover" in inputs) == takes_cover


def test_the_parameters_are_counted() -> None:
    generator, _ = load_generator("default")
    record = json.loads(bundled()["default"].with_suffix(".json").read_text())
    assert record["properties"]["mlm:total_parameters"] == sum(p.numel() for p in generator.parameters())
