"""What the commands say, to people, to logs and to scripts."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

import pytest
from typer.testing import CliRunner

import unclouded
from unclouded.clearing.plan import bundled_patches
from unclouded.cli import app, console
from unclouded.cli.voice import VOICE
from unclouded.models.weights_file import bundled
from unclouded.progress import HUNDREDTHS

HEAVY = ("torch", "matplotlib", "scipy", "rasterio", "numpy", "xarray")


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def commands(typer_app=app, path=()):
    """Every command of the application, as the words that call it."""
    for info in typer_app.registered_commands:
        yield (*path, info.name or info.callback.__name__)
    for group in typer_app.registered_groups:
        yield from commands(group.typer_instance, (*path, group.name))


@pytest.fixture(autouse=True)
def _normal_voice():
    yield
    VOICE.quiet = VOICE.verbose = False


@pytest.mark.parametrize(
    "arguments", [["--help"], ["clear", "--help"], ["--version"], ["train", "translator", "--help"]]
)
def test_commands_that_only_print_load_nothing_heavy(arguments):
    code = (
        f"import sys\nsys.argv = ['unclouded', *{arguments!r}]\nfrom unclouded.cli import main\n"
        f"try: main()\nexcept SystemExit as end: assert not end.code, end.code\n"
        f"loaded = set({HEAVY!r}) & set(sys.modules)\nassert not loaded, loaded"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    assert "unclouded" in result.stdout


def test_public_names_are_there_without_anything_heavy():
    code = (
        "import sys\nfrom unclouded import clear, frechet_distance, load_model, UncloudedError\n"
        f"loaded = set({HEAVY!r}) & set(sys.modules)\nassert not loaded, loaded"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
    assert all(hasattr(unclouded, name) for name in unclouded.__all__)


def test_the_version_is_that_of_the_package():
    assert run("--version").stdout.strip() == f"unclouded {unclouded.__version__}"


@pytest.mark.parametrize("arguments", list(commands()), ids=" ".join)
def test_every_command_is_quiet_or_verbose_and_can_be_debugged(arguments):
    message = run(*arguments, "--help").stdout
    for option in ("--quiet", "--verbose", "--debug"):
        assert option in message, f"{' '.join(arguments)} has no {option}"


def test_completion_knows_the_commands(monkeypatch):
    monkeypatch.setenv("_UNCLOUDED_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "unclouded ev")
    monkeypatch.setenv("COMP_CWORD", "1")
    message = CliRunner().invoke(app, [], prog_name="unclouded").stdout
    assert message.split() == ["evaluate"]


def test_clear_prints_json_for_each_input(tmp_path):
    patches = [str(patch) for patch in bundled_patches()]
    result = run("clear", *patches, tmp_path / "missing.tif", "--output", tmp_path / "out", "--json")
    assert result.exit_code == 1
    records = {record["input"]: record for record in map(json.loads, result.stdout.splitlines())}
    assert set(records) == {*patches, str(tmp_path / "missing.tif")}
    assert "missing.tif" in records[str(tmp_path / "missing.tif")]["error"]
    for patch in patches:
        record = records[patch]
        assert record["output"].startswith(str(tmp_path)) and record["quality"].endswith("_quality.tif")
        assert os.path.exists(record["output"]) and os.path.exists(record["quality"])
        assert record["pixels"] == 120 * 120 and 0 < record["changed"] < 1
        assert 0 < record["seconds_network"] < record["seconds"]


def test_models_prints_json_of_the_weights():
    records = [json.loads(line) for line in run("models", "--json").stdout.splitlines()]
    assert {record["name"]: record["path"] for record in records} == {n: str(p) for n, p in bundled().items()}
    for record in records:
        assert os.path.exists(record["card"]) and os.path.getsize(record["path"]) == record["bytes"]
        assert record["sha256"] and record["bands"] and record["levels"]


def test_quiet_prints_only_errors(tmp_path):
    patch = bundled_patches()[0]
    result = run("clear", patch, "--output", tmp_path / "clear.tif", "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    result = run("clear", patch, "--output", tmp_path / "clear.tif", "--quiet")
    assert result.exit_code == 2 and result.stderr.startswith("error: ") and len(result.stderr.splitlines()) == 1
    assert run("clear", patch, "--output", tmp_path / "other.tif", "--quiet", "--verbose").exit_code == 2
    result = run("export", "default", "--output", tmp_path / "weights.json", "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert run("models", "--quiet").stdout == run("models").stdout


def test_verbose_names_the_weights(tmp_path):
    patch = bundled_patches()[0]
    plain = run("clear", patch, "--output", tmp_path / "plain.tif", "--device", "cpu")
    verbose = run("clear", patch, "--output", tmp_path / "verbose.tif", "--device", "cpu", "--verbose")
    assert "weights: default, on cpu" in verbose.stderr and "weights:" not in plain.stderr


def test_progress_in_a_log_is_a_line_now_and_then(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    with console.Bar("scene") as bar:
        for done in range(100):
            now[0] = float(done)
            bar("clearing", done, 200)
    message = capsys.readouterr().err
    assert "\r" not in message and "\x1b" not in message
    assert message.splitlines() == [f"scene: clearing: {at} of 200, {at // 2}%, {at} s" for at in (2, 32, 62, 92)]
    with console.Bar("2 inputs") as bar:
        now[0] += 40
        # Where a share alone is known, there is nothing to count.
        bar("clearing", 17, HUNDREDTHS)
    assert capsys.readouterr().err == "2 inputs: clearing: 17%, 40 s\n"


def test_the_bar_has_no_colours_and_lines_stand_above_it():
    """On a terminal of its own: a pseudo-terminal."""
    code = (
        "from unclouded.cli import console\nconsole.PATIENCE = -1\n"
        "with console.Bar('scene') as bar:\n bar('reading', 0, 0)\n bar('clearing', 1, 3)\n"
        " console.say('note: a line')\n bar('clearing', 3, 3)"
    )
    environment = os.environ | {"TERM": "xterm-256color"}
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-c", code], env=environment, stderr=theirs, timeout=60, check=True)
    os.close(theirs)
    message = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "scene: clearing" in message and "\x1b[3" not in message
    assert "note: a line\r\n" in message.replace("\x1b[A", "\r")
