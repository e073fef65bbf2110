from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
from command_line import FOUR, run, write
from scenes import active_generator

import unclouded
from unclouded.bands import L2A
from unclouded.clearing.clear import ClearedScene
from unclouded.clearing.plan import bundled_patches, plan
from unclouded.cli.reporter import Reporter, summary
from unclouded.errors import InputError
from unclouded.models.weights import save_generator
from unclouded.models.weights_file import bundled
from unclouded.models.weights_header import Header
from unclouded.reading.reader import ReadOptions


@pytest.fixture
def scene(tmp_path):
    return write(tmp_path / "S2A_MSIL2A_20180503T100031_N0207_R122_T32TQM_20180503T120000.tif")


def test_help_is_quick_and_loads_neither_torch_nor_gdal():
    code = (
        "import sys\nfrom unclouded.cli import app\n"
        "try: app(['--help'])\nexcept SystemExit as end: assert end.code in (0, None)\n"
        "assert not {'torch', 'rasterio', 'numpy', 'xarray'} & set(sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=False)
    assert result.returncode == 0, result.stderr
    assert "clear" in result.stdout and "demo" in result.stdout and "models" in result.stdout


def test_clear_names_its_outputs_the_share_changed_and_the_time(scene, weights, tmp_path):
    result = run("clear", scene, "--output", tmp_path / "clear.tif", "--model", weights)
    assert result.exit_code == 0, result.stderr
    line = result.stdout.splitlines()[-1]
    assert line.startswith(f"{tmp_path}/clear.tif, {tmp_path}/clear_quality.tif: ")
    assert "% of the pixels changed" in line and " s (" in line
    with rasterio.open(tmp_path / "clear.tif") as file:
        assert file.shape == (60, 70) and file.descriptions == FOUR


@pytest.mark.parametrize("option", ["--reference", "--mask", "--radar"])
def test_an_output_is_never_written_over_what_helps_to_make_it(scene, weights, tmp_path, option):
    other = write(tmp_path / "other.tif")
    held = other.read_bytes()
    done = run("clear", scene, option, other, "--output", other, "--model", weights, "--overwrite")
    assert done.exit_code == 2 and f"error: {other}: {other} would be written over" in done.stderr
    with pytest.raises(InputError, match="would be written over"):
        named = {"references": [other]} if option == "--reference" else {option[2:]: other}
        unclouded.clear(scene, output=other, model=weights, overwrite=True, **named)
    assert other.read_bytes() == held


def test_an_image_without_clear_ground_is_reported_as_a_guess(scene, weights, tmp_path):
    for threshold, message in ((0, True), (1, False)):
        output = tmp_path / f"{threshold}.tif"
        result = run("clear", scene, "--output", output, "--model", weights, "--threshold", threshold)
        assert result.exit_code == 0, result.stderr
        assert ("a guess at best" in result.stderr) == message


def test_assumptions_are_reported(weights, tmp_path):
    path = write(tmp_path / "stack.tif", L2A, names=False)
    result = run("clear", path, "--output", tmp_path / "clear.tif", "--model", weights, "--level", "L2A")
    assert result.exit_code == 0, result.stderr
    assert "note: " in result.stderr and "band order assumed: B01 B02" in result.stderr


def test_bands_level_scale_offset_and_threshold_reach_the_work(weights, tmp_path):
    path = write(tmp_path / "stack.tif", names=False)
    options = ["--bands", "B02, B03,B04,B08", "--level", "L1C", "--scale", 10000, "--offset", -1000]
    done = run("clear", path, "--output", tmp_path / "all.tif", "--model", weights, *options, "--threshold", 0)
    assert done.exit_code == 0, done.stderr
    assert "100.0% of the pixels changed" in done.stdout and "assumed" not in done.stderr
    done = run("clear", path, "--output", tmp_path / "none.tif", "--model", weights, *options, "--threshold", 1)
    assert "0.0% of the pixels changed" in done.stdout
    with rasterio.open(tmp_path / "none.tif") as result, rasterio.open(path) as given:
        np.testing.assert_array_equal(result.read(), given.read())


def test_samples_and_seed_reach_the_work(scene, weights, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        options = ["--samples", 2, "--seed", seed, "--model", weights]
        assert run("clear", scene, "--output", tmp_path / f"{name}.tif", *options).exit_code == 0
    a, b, c = ((tmp_path / f"{name}.tif").read_bytes() for name in "abc")
    assert a == b != c


def test_radar_reaches_the_work(scene, weights, tmp_path):
    with rasterio.open(scene) as file:
        options = {"crs": file.crs, "transform": file.transform, "height": 60, "width": 70}
    with rasterio.open(tmp_path / "s1.tif", "w", driver="GTiff", count=2, dtype="float32", **options) as file:
        file.write(np.random.default_rng(0).normal(-14, 4, (2, 60, 70)).astype("float32"))
    plain = run("clear", scene, "--output", tmp_path / "a.tif", "--model", weights)
    guided = run("clear", scene, "--output", tmp_path / "b.tif", "--model", weights, "--radar", tmp_path / "s1.tif")
    assert plain.exit_code == guided.exit_code == 0, guided.stderr
    assert (tmp_path / "a.tif").read_bytes() != (tmp_path / "b.tif").read_bytes()
    twice = run("clear", scene, scene, "--output", tmp_path, "--model", weights, "--radar", tmp_path / "s1.tif")
    assert twice.exit_code == 2 and "belongs to one scene" in twice.stderr


def test_several_inputs_go_into_a_folder(scene, weights, tmp_path):
    other = write(tmp_path / "other.tif")
    result = run("clear", scene, other, "--output", tmp_path / "new" / "folder", "--model", weights, "--level", "L2A")
    assert result.exit_code == 0, result.stderr
    names = {f"{path.stem}{end}" for path in (scene, other) for end in (".tif", "_quality.tif", ".json")}
    assert {path.name for path in (tmp_path / "new" / "folder").iterdir()} == names


@pytest.mark.parametrize("output", ["new/", "there"])
def test_one_input_goes_into_a_folder_that_exists_or_is_requested(scene, weights, tmp_path, output):
    (tmp_path / "there").mkdir()
    result = run("clear", scene, "--output", f"{tmp_path}/{output}", "--model", weights)
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / output / scene.name).is_file()


def test_broken_inputs_are_named_and_the_others_done(scene, weights, tmp_path):
    text = tmp_path / "text.tif"
    text.write_text("not an image")
    folder = tmp_path / "out"
    result = run("clear", text, scene, tmp_path / "missing.tif", "--output", folder, "--model", weights)
    assert result.exit_code == 1
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2
    assert any(str(text) in line for line in errors) and any("missing.tif" in line for line in errors)
    assert {path.name for path in folder.iterdir()} == {scene.name, f"{scene.stem}_quality.tif", f"{scene.stem}.json"}


def test_an_existing_output_is_refused_before_any_work_without_overwrite(scene, tmp_path, weights):
    output = tmp_path / "clear.tif"
    output.write_text("mine")
    result = run("clear", scene, "--output", output, "--model", "no-such-weights")
    assert result.exit_code == 2 and "is already there" in result.stderr and "--overwrite" in result.stderr
    assert output.read_text() == "mine"
    assert run("clear", scene, "--output", output, "--model", weights, "--overwrite").exit_code == 0
    with rasterio.open(output) as file:
        assert file.count == 4


def test_what_is_there_already_does_not_keep_the_others_from_being_done(scene, weights, tmp_path):
    other = write(tmp_path / "other.tif")
    folder = tmp_path / "out"
    assert run("clear", scene, "--output", f"{folder}/", "--model", weights).exit_code == 0
    again = ("clear", scene, other, "--output", folder, "--model", weights, "--level", "L2A")
    result = run(*again)
    assert result.exit_code == 1 and "is already there" in result.stderr and "--skip-existing" in result.stderr
    assert (folder / "other.tif").is_file()
    result = run(*again, "--skip-existing")
    assert result.exit_code == 0 and result.stderr.count("exists and is kept") == 2 and not result.stdout


def test_a_repeated_batch_of_masks_continues_with_missing_outputs(scene, weights, tmp_path):
    other, folder = write(tmp_path / "other.tif"), tmp_path / "out"
    assert run("mask", scene, "--output", f"{folder}/").exit_code == 0
    again = ("mask", scene, other, "--output", folder, "--level", "L2A")
    result = run(*again)
    assert result.exit_code == 1 and "is already there" in result.stderr and "--skip-existing" in result.stderr
    assert f"note: {scene}" not in result.stderr
    result = run(*again, "--skip-existing")
    assert result.exit_code == 0 and result.stderr.count("exists and is kept") == 2 and not result.stdout
    assert run(*again, "--skip-existing", "--overwrite").exit_code == 2


def test_a_folder_that_may_not_be_looked_into_fails_its_input_alone(tmp_path, monkeypatch):
    def look(*outputs):
        if outputs[0].stem == "shut":
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("unclouded.clearing.plan.refuse_foreign", look)
    shut, other = str(write(tmp_path / "shut.tif")), str(write(tmp_path / "other.tif"))
    found = plan([shut, other], f"{tmp_path / 'out'}/", ReadOptions(level="L2A"), overwrite=False)
    assert [*found.outputs] == [other] and [*found.failed] == [shut]
    assert str(found.failed[shut]).endswith("shut.tif: Permission denied; give another --output")
    assert found.notes and all("other.tif" in note for note in found.notes)


def test_the_input_is_never_overwritten(scene, weights, tmp_path):
    before = scene.read_bytes()
    link = tmp_path / "link.tif"
    link.symlink_to(scene)
    for output in (scene, link, f"{tmp_path}/"):
        result = run("clear", scene, "--output", output, "--model", weights, "--overwrite")
        assert result.exit_code == 2 and "written over or into it" in result.stderr
    assert scene.read_bytes() == before


def test_inputs_of_one_name_are_distinguished_by_their_folders(weights, tmp_path):
    days = [write(tmp_path / place / day / "scene.tif") for place in "ab" for day in ("2018-05-03", "2018-05-08")]
    found = plan(
        [*map(str, days), str(write(tmp_path / "c.tif"))], f"{tmp_path}/out/", ReadOptions(level="L2A"), overwrite=False
    )
    names = ["a_2018-05-03_scene", "a_2018-05-08_scene", "b_2018-05-03_scene", "b_2018-05-08_scene", "c"]
    assert [path.stem for path in found.outputs.values()] == names
    result = run("clear", *days[:2], "--output", tmp_path / "out", "--model", weights, "--level", "L2A")
    assert result.exit_code == 0, result.stderr
    made = json.loads((tmp_path / "out" / "2018-05-03_scene.json").read_text())
    assert made["properties"]["start_datetime"] == "2018-05-03T00:00:00Z"  # by the folder


def test_inputs_that_would_share_a_file_are_refused(weights, tmp_path):
    first, third = write(tmp_path / "a" / "scene.tif"), write(tmp_path / "b" / "scene_quality.tif")
    result = run("clear", first, third, "--output", tmp_path / "out", "--model", weights, "--level", "L2A")
    assert result.exit_code == 2 and "separate folders" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_missing_folder_is_not_made_for_a_file(scene, weights, tmp_path):
    result = run("clear", scene, "--output", tmp_path / "typo" / "clear.tif", "--model", weights)
    assert result.exit_code == 2 and "there is no such folder" in result.stderr
    assert not (tmp_path / "typo").exists()


def test_weights_for_another_level_are_refused(scene, tmp_path):
    path = tmp_path / "l1c.safetensors"
    save_generator(active_generator(), Header("toa", levels=("L1C",)), path)
    result = run("clear", scene, "--output", tmp_path / "clear.tif", "--model", path)
    assert result.exit_code == 2
    assert "is L2A; the weights toa are for L1C" in result.stderr


@pytest.mark.parametrize(
    "wrong", [["--samples", 0], ["--threshold", 1.5], ["--level", "L3"], ["--device", "tpu"], ["--nothing"]]
)
def test_wrong_usage_is_2(scene, tmp_path, wrong):
    assert run("clear", scene, "--output", tmp_path / "clear.tif", *wrong).exit_code == 2
    assert not (tmp_path / "clear.tif").exists()


def test_debug_shows_where(tmp_path):
    result = run("clear", tmp_path / "missing.tif", "--output", tmp_path / "clear.tif", "--debug")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr and result.stderr.splitlines()[-1].startswith("error: ")


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"changed": 0.0, "covered": 0.031}, "is not a clear scene: cover on 3.1% of it"),
        ({"changed": 0.0004, "hazy": 0.2}, "is not a clear scene: haze or cirrus on 20.0% of it"),
        ({"changed": 0.01, "covered": 0.031}, None),
        ({"changed": 0.0}, None),
    ],
)
def test_a_scene_with_visible_cover_is_never_called_clear(capsys, shares, message):
    cleared = ClearedScene(Path("a.tif"), Path("a_quality.tif"), 100, seconds=1, seconds_network=1, **shares)
    Reporter(as_json=False, debug=False).done("scene.tif", cleared)
    out, err = capsys.readouterr()
    assert (message is None and "clear scene" not in err) or f"note: scene.tif: {message}" in err
    assert (": under 0.1% of the pixels changed" in out) == (shares["changed"] == 0.0004)


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"changed": 0.0, "dark": 0.862}, "86% of it is land too dark to be sunlit"),
        ({"changed": 0.8, "dark": 0.862}, None),  # it is replaced
        ({"changed": 0.0, "dark": 0.1}, None),
    ],
)
def test_shadow_that_stays_over_most_of_a_scene_is_reported(capsys, shares, message):
    cleared = ClearedScene(Path("a.tif"), Path("a_quality.tif"), 100, seconds=1, seconds_network=1, **shares)
    Reporter(as_json=False, debug=False).done("scene.tif", cleared)
    err = capsys.readouterr().err
    assert (message is None and "sunlit" not in err) or f"note: scene.tif: {message}" in err


def test_findings_on_a_date_are_reported_once(capsys):
    reporter = Reporter(as_json=False, debug=False)
    for verdicts in (("may.tif: shows no ground", "june.tif: is hazy"), ("may.tif: shows no ground",)):
        cleared = ClearedScene(
            Path("a.tif"), Path("q.tif"), 100, changed=0, seconds=1, seconds_network=1, verdicts=verdicts
        )
        reporter.done("scene.tif", cleared)
    assert capsys.readouterr().err.count("may.tif") == 1


def test_the_seconds_reported_are_those_that_the_user_has_waited(capsys, monkeypatch):
    clock = iter((100.0, 107.0, 109.5))
    monkeypatch.setattr("unclouded.cli.reporter.time", SimpleNamespace(perf_counter=lambda: next(clock)))
    cleared = ClearedScene(Path("a.tif"), Path("q.tif"), 100, changed=0.1, seconds=2, seconds_network=1)
    reporter = Reporter(as_json=False, debug=False)
    for elsewhere in (False, False, True):
        reporter.done("scene.tif", cleared, elsewhere=elsewhere)
    first, second, of_others = capsys.readouterr().out.splitlines()
    assert first.endswith(", 7.0 s (14% in the network)") and second.endswith(", 2.5 s (40% in the network)")
    assert of_others.endswith(", 2.0 s")


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (
            {"guessed": 0.02, "may.tif": 0.1, "june.tif": 0.0},
            " (2.0% guessed, 10.0% from may.tif, nothing from june.tif),",
        ),
        (
            {"guessed": 0.0, "a.tif": 0.1, "b.tif": 0.0, "c.tif": 0.0},
            " (10.0% from a.tif, nothing from 2 other dates),",
        ),
    ],
)
def test_dates_that_nothing_was_taken_from_are_not_listed_one_by_one(sources, message):
    cleared = ClearedScene(
        Path("a.tif"), Path("q.tif"), 100, seconds=1, seconds_network=1, changed=0.1, sources=sources
    )
    assert message in summary(cleared)


def test_models_lists_every_bundled_card():
    result = run("models")
    assert result.exit_code == 0
    for name in bundled():
        assert f"{name}: B01 B02" in result.stdout
    assert result.stdout.count("sha256") == len(bundled())


@pytest.mark.skipif("default" not in bundled(), reason="the default weights are not in this checkout")
def test_demo_clears_every_bundled_patch_and_shows_it(tmp_path):
    result = run("demo", "--output", tmp_path / "demo")
    assert result.exit_code == 0, result.stderr
    patches = [path.name for path in bundled_patches()]
    assert patches
    names = {path.name for path in (tmp_path / "demo").iterdir()}
    assert names == {f"{patch}{end}" for patch in patches for end in (".tif", "_quality.tif", ".json", ".png")}
    for patch in patches:
        assert f"{patch}.tif" in result.stdout
        assert (tmp_path / "demo" / f"{patch}.png").read_bytes().startswith(b"\x89PNG")
    again = run("demo", "--output", tmp_path / "demo")
    assert again.exit_code == 2 and "is already there" in again.stderr
    assert run("demo", "--output", tmp_path / "demo", "--overwrite").exit_code == 0


def run_without(extra: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own in which an extra's modules cannot be found."""
    modules = {"data": ("lmdb", "pyarrow", "tifffile", "bigearthnet_common"), "report": ("jinja2", "matplotlib")}
    block = f"import sys; sys.modules.update(dict.fromkeys({modules[extra]}))"
    words = [sys.executable, "-c", f"{block}\nfrom unclouded.cli import main; main()", *arguments]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("extra", "arguments"),
    [
        ("data", ["data", "show", "archive"]),
        ("data", ["data", "simulate", "--patches", "1", "--output", "archive"]),
        ("data", ["train", "land-cover", "settings/land_cover.yaml", "--data", "archive", "--output", "run"]),
        ("data", ["evaluate", "land-cover", "default", "--data", "archive"]),
        ("report", ["report", "clear.tif", "--output", "page.html"]),
    ],
)
def test_a_missing_extra_is_named(extra: str, arguments: list[str], tmp_path: Path) -> None:
    result = run_without(extra, *arguments, folder=tmp_path)
    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert f"`make {extra}` in a checkout, or pip install 'unclouded[{extra}]'" in result.stderr


@pytest.mark.parametrize("closed", [(2,), (0, 1, 2)])
def test_streams_that_are_closed_are_no_matter(closed: tuple[int, ...], tmp_path: Path) -> None:
    words = [sys.executable, "-m", "unclouded", "export", "default", "--output", "item.json"]
    close = f"import os, sys; [os.close(n) for n in {closed}]; os.execv(sys.argv[1], sys.argv[1:])"
    result = subprocess.run([sys.executable, "-c", close, *words], cwd=tmp_path, stdout=subprocess.PIPE, check=False)
    assert result.returncode == 0 and (tmp_path / "item.json").is_file()
    assert (b"item.json" in result.stdout) == (1 not in closed)


@pytest.mark.parametrize("name", ["Süd.safetensors", "fehlt.safetensors"])
def test_names_that_a_terminal_cannot_show_are_no_matter(name: str, tmp_path: Path) -> None:
    shutil.copy(bundled()["paper"], tmp_path / "Süd.safetensors")
    words = [sys.executable, "-m", "unclouded", "export", name, "--output", "Größe.json"]
    plain = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = subprocess.run(words, cwd=tmp_path, env=plain, capture_output=True, check=False)
    assert (result.returncode, result.stderr.count(b"\n")) == ((0, 0) if (tmp_path / name).exists() else (2, 1))


def test_the_demo_needs_no_extra(tmp_path: Path) -> None:
    result = run_without("report", "demo", folder=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert len(list((tmp_path / "demo").glob("*.png"))) == len(bundled_patches())


def test_a_module_of_no_extra_is_not_hidden() -> None:
    from unclouded.cli.console import faults

    with pytest.raises(ModuleNotFoundError, match="nowhere"), faults(False):
        raise ModuleNotFoundError("No module named 'nowhere'", name="nowhere")
