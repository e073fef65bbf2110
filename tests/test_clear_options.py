"""One set of options: no command, plugin or function lacks one, and what is not accepted is refused by name."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass, fields

import click
import numpy as np
import pytest
import typer
from click.testing import CliRunner
from scenes import ground, save_active
from test_cli import write
from typer.testing import CliRunner as TyperRunner

import unclouded
from unclouded.clearing.options import MAX_REFERENCES, ClearOptions, option, option_name
from unclouded.cli import app, rio
from unclouded.cli.derived_options import click_options, takes_options
from unclouded.reading.reader import ReadOptions, open_scene

CLEAR = typer.main.get_command(app).commands["clear"]


@pytest.mark.parametrize("field", fields(ClearOptions), ids=lambda field: field.name)
def test_every_field_is_an_option_everywhere_with_one_default(field):
    for command in (CLEAR, rio.unclouded):
        (found,) = (shown for shown in command.params if shown.name == field.name)
        assert option_name(field) in found.opts
        # A repeated option has a list where the field has a tuple.
        assert (tuple(found.default) if isinstance(found.default, list) else found.default) == field.default
        assert found.help == field.metadata["help"]
    parameter = inspect.signature(unclouded.clear).parameters[field.name]
    assert parameter.default == field.default
    assert f"{field.name}: " in (unclouded.clear.__doc__ or "")


@pytest.mark.parametrize("name", ["bands", "band_names", "variant", "level", "scale", "offset"])
def test_reading_options_have_the_same_help_everywhere(name):
    for command in ("clear", "mask", "series"):
        assert name in {shown.name for shown in typer.main.get_command(app).commands[command].params}
    assert name in {shown.name for shown in rio.unclouded.params}
    assert name in {field.name for field in fields(ReadOptions)}
    for function in (unclouded.clear, unclouded.clear_series, open_scene):
        assert inspect.signature(function).parameters[name].default is None
        assert f"{name}: " in (function.__doc__ or "")


def test_rio_lacks_no_option_for_one_scene():
    ours = {shown.name: set(shown.opts) for shown in CLEAR.params if shown.name not in (*rio.NOT_HERE, "help")}
    theirs = {shown.name: set(shown.opts) for shown in rio.unclouded.params if shown.name not in ("source", "output")}
    assert ours == theirs
    assert {"precision", "as_json", "quiet", "verbose", "debug"} <= theirs.keys()


@pytest.mark.parametrize("function", [unclouded.clear_series, unclouded.clear_area])
def test_as_many_dates_help_from_python_as_in_the_command(function):
    assert inspect.signature(function).parameters["max_references"].default == MAX_REFERENCES


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"samples": 0}, "--samples 0: 1 to 1000 is accepted"),
        ({"samples": 10**12}, "--samples 1000000000000: 1 to 1000 is accepted"),
        ({"samples": 2.0}, "--samples 2.0: a whole number is accepted"),
        ({"seed": None}, "--seed None: a whole number is accepted"),
        ({"seed": True}, "--seed True: a whole number is accepted"),
        ({"seed": 2**64}, f"--seed {2**64}: 0 to {2**64 - 1} is accepted"),
        ({"threshold": True}, "--threshold True: a number is accepted"),
        ({"threshold": "0.5"}, "--threshold '0.5': a number is accepted"),
        ({"resolution": [10, 10]}, "--resolution [10, 10]: a number is accepted"),
        ({"threshold": 1.5}, "--threshold 1.5: 0 to 1 is accepted"),
        ({"threshold": float("nan")}, "--threshold nan: 0 to 1 is accepted"),
        ({"device": "tpu"}, "--device tpu: is not known; auto, cpu, cuda are accepted"),
        ({"precision": "fp8"}, "--precision fp8: is not known; auto, fp32, bf16 are accepted"),
    ],
)
def test_what_is_not_accepted_is_refused_by_its_option(wrong, message):
    with pytest.raises(unclouded.InputError) as refused:
        ClearOptions(**wrong)
    assert str(refused.value) == message


def test_numbers_of_numpy_are_numbers():
    options = ClearOptions(samples=np.int64(2), threshold=np.float32(0.5))
    assert (options.samples, options.threshold) == (2, 0.5)


@pytest.mark.parametrize("wrong", [5, ["B02", 3]])
def test_bands_that_are_no_names_are_refused(wrong):
    with pytest.raises(unclouded.InputError, match=r'names are accepted, as "B02,B03" or \["B02", "B03"\]'):
        unclouded.clear("scene.tif", bands=wrong)


@pytest.mark.parametrize("wrong", [None, 5])
def test_references_that_are_none_are_refused(wrong):
    with pytest.raises(unclouded.InputError, match=f"references {wrong}: a path or an array is accepted"):
        unclouded.clear(ground(4, 64, 64), bands="B02,B03,B04,B08", level="L2A", references=wrong)


def test_rio_prints_json_in_the_requested_precision(tmp_path):
    weights, scene = tmp_path / "active.safetensors", write(tmp_path / "scene.tif")
    save_active(weights)
    given = ["--model", weights, "--level", "L2A", "--offset", 0, "--precision", "bf16", "--json", "--quiet"]
    group = click.Group("rio", commands=[rio.unclouded])
    result = CliRunner().invoke(group, ["unclouded", *map(str, [scene, tmp_path / "out.tif", *given])])
    assert result.exit_code == 0 and not result.stderr
    assert json.loads(result.stdout)["output"] == str(tmp_path / "out.tif")
    item = json.loads((tmp_path / "out.json").read_text())
    assert item["properties"]["unclouded:precision"] == "bf16"
    result = CliRunner().invoke(group, ["unclouded", str(scene), "x.tif", "--quiet", "--verbose"])
    assert result.exit_code == 2 and "is the opposite of --quiet" in result.stderr


@dataclass(frozen=True)
class Several:
    """Options of a kind that may be given again and again."""

    references: tuple[str, ...] = option((), "Other dates.", name="--reference", metavar="PATH")


def test_a_tuple_is_an_option_to_be_repeated():
    given = []

    @takes_options(Several)
    def command(*, options: Several, debug: bool = False) -> None:
        given.append(options)

    alone = typer.Typer()
    alone.command()(command)
    for arguments in ([], ["--reference", "a.tif", "--reference", "b.tif"]):
        assert TyperRunner().invoke(alone, arguments).exit_code == 0
    shown = click.Command("command", params=click_options(command, without=("debug",)), callback=command)
    shown.callback = lambda **options: command(debug=False, **options)
    assert CliRunner().invoke(shown, ["--reference", "c.tif"]).exit_code == 0
    assert given == [Several(), Several(("a.tif", "b.tif")), Several(("c.tif",))]
