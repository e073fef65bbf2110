"""`make paper`: a step runs once, resumes where it stopped, and is repeated when its inputs have changed."""

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
def args(tmp_path):
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


def test_a_step_is_done_once_it_has_succeeded_and_until_its_inputs_change(paper, args, tmp_path) -> None:
    weights, made = tmp_path / "weights", tmp_path / "made"
    weights.write_text("1")
    write = [sys.executable, "-c", f"open({str(made)!r}, 'a').write('x')"]
    step = paper.Step("figures", write, lambda: 1, inputs=[weights])
    assert not paper.is_done(step, args)
    paper.run(step, args)
    assert paper.is_done(step, args)
    assert not paper.is_done(paper.Step("figures", [*write, "more"], lambda: 1, inputs=[weights]), args)
    weights.write_text("2")
    assert not paper.is_done(step, args)
    failing = paper.Step("table", [sys.executable, "-c", "raise SystemExit(3)"], lambda: 1)
    with pytest.raises(SystemExit):
        paper.run(failing, args)
    assert not paper.is_done(failing, args)


def test_training_resumes_from_its_checkpoint_and_estimates_its_time_by_the_log(paper, args, tmp_path) -> None:
    data, ours, baseline, eight = paper.training(args)
    assert "--resume" not in eight.command
    assert all("--resume" not in step.command for step in (data, ours, baseline))
    run = tmp_path / "translator"
    run.mkdir()
    (run / "checkpoint.pt").touch()
    entries = [{"step": step, "seconds": 10 * step} for step in (1, 2)]
    (run / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    assert "--resume" in eight.command
    steps = int(next(word for word in eight.arguments if word.startswith("training.steps=")).partition("=")[2])
    assert eight.seconds() == pytest.approx(10 * (steps - 2))


def test_the_commands_are_valid(paper, args) -> None:
    from documented import check

    for step in (*paper.training(args)[1:], *paper.evaluation(args)):
        check(["python", "-m", "unclouded", *step.command[3:]] if step.command[1] == "-m" else step.command)


def test_figures_of_the_bundled_weights_are_written_beside_the_requested_run(paper, args, tmp_path, capsys) -> None:
    args.output = tmp_path / "run"
    paper.lay_out_bundled(args)
    assert "nothing was trained there" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()
    eight = tmp_path / "run_bundled" / "translator"
    assert (eight / "translator.safetensors").read_bytes() == (paper.WEIGHTS / "paper.safetensors").read_bytes()
    assert len((eight / "log.jsonl").read_text().splitlines()) == 100  # epochs
    table, figures = paper.evaluation(args)[:2]
    assert "--baseline" not in table.command
    assert str(eight / "translator.safetensors") in figures.command


def test_too_few_patches_are_refused_before_anything_is_trained(paper, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["paper.py", "--output", str(tmp_path / "run"), "--patches", "80"])
    with pytest.raises(SystemExit, match="2"):
        paper.main()
    assert "--patches 80: at least 160 are accepted" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_moved_run_goes_on_and_one_of_other_data_is_refused(paper, args, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(paper, "epoch_of", lambda archive: 10)
    args.output, moved = tmp_path / "run", tmp_path / "moved"
    (args.output / "archive").mkdir(parents=True)
    paper.write_json({"data": paper.mark(paper.training(args)[0], args.output)}, args.output / paper.FINISHED)
    args.output.rename(moved)
    args.output = moved
    assert paper.is_done(paper.training(args)[0], args)
    argv = ["paper.py", "--output", str(moved), "--patches", "200", "--data", str(args.data)]
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(SystemExit, match="2"):
        paper.main()
    assert "was packed with other --patches, --seed or --data" in capsys.readouterr().err


def test_a_folder_that_is_no_archive_is_named(paper, tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / "archive").mkdir()
    monkeypatch.setattr(sys, "argv", ["paper.py", "--output", str(tmp_path)])
    with pytest.raises(SystemExit, match="2"):
        paper.main()
    assert f"{tmp_path / 'archive'}: holds no metadata.parquet" in capsys.readouterr().err
