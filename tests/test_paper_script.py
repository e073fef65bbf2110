"""`make paper`: a step is done once, goes on where it stopped, and is done again when what it reads has changed."""

import argparse
import importlib.util
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def paper():
    spec = importlib.util.spec_from_file_location("paper", ROOT / "scripts" / "paper.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["paper"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def given(tmp_path):
    return argparse.Namespace(
        output=tmp_path,
        data=tmp_path / "none",
        patches=80,
        epochs=2,
        classifier_steps=32,
        seed=0,
        figures=False,
        bundled=False,
    )


def test_a_step_is_noted_when_it_has_ended_well_and_until_its_inputs_change(paper, given, tmp_path) -> None:
    weights, made = tmp_path / "weights", tmp_path / "made"
    weights.write_text("1")
    write = [sys.executable, "-c", f"open({str(made)!r}, 'a').write('x')"]
    step = paper.Step("figures", write, lambda: 1, inputs=[weights])
    assert not paper.is_done(step, given)
    paper.run(step, given)
    assert paper.is_done(step, given)
    assert not paper.is_done(paper.Step("figures", [*write, "more"], lambda: 1, inputs=[weights]), given)
    weights.write_text("2")
    assert not paper.is_done(step, given)
    failing = paper.Step("table", [sys.executable, "-c", "raise SystemExit(3)"], lambda: 1)
    with pytest.raises(SystemExit):
        paper.run(failing, given)
    assert not paper.is_done(failing, given)


def test_training_goes_on_from_its_checkpoint_and_tells_its_time_by_the_log(paper, given, tmp_path) -> None:
    data, ours, baseline, eight = paper.training(given)
    assert "--resume" not in eight.words
    assert all("--resume" not in step.words for step in (data, ours, baseline))
    run = tmp_path / "translator"
    run.mkdir()
    (run / "checkpoint.pt").touch()
    entries = [{"step": step, "seconds": 10 * step} for step in (1, 2)]
    (run / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    assert "--resume" in eight.words
    steps = int(next(word for word in eight.command if word.startswith("training.steps=")).partition("=")[2])
    assert eight.seconds() == pytest.approx(10 * (steps - 2))


def test_the_commands_are_understood(paper, given) -> None:
    from documented import check

    for step in (*paper.training(given)[1:], *paper.measuring(given)):
        check(["python", "-m", "unclouded", *step.words[3:]] if step.words[1] == "-m" else step.words)


def test_figures_of_the_bundled_weights_stand_beside_the_run_that_was_asked_for(paper, given, tmp_path, capsys) -> None:
    given.output = tmp_path / "run"
    paper.lay_out_bundled(given)
    assert "nothing was trained there" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()
    eight = tmp_path / "run_bundled" / "translator"
    assert (eight / "translator.safetensors").read_bytes() == (paper.WEIGHTS / "paper.safetensors").read_bytes()
    assert len((eight / "log.jsonl").read_text().splitlines()) == 100  # epochs
    table, figures = paper.measuring(given)[:2]
    assert "--baseline" not in table.command
    assert str(eight / "translator.safetensors") in figures.command


def test_too_few_patches_are_refused_before_anything_is_trained(paper, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["paper.py", "--output", str(tmp_path / "run"), "--patches", "80"])
    with pytest.raises(SystemExit, match="2"):
        paper.main()
    assert "--patches 80: at least 160 are accepted" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
