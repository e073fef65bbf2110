"""`unclouded train translator`: trains, resumes, and names what is wrong with its settings."""

from pathlib import Path

import yaml
from typer.testing import CliRunner

from unclouded.cli import app
from unclouded.models.weights import load_generator
from unclouded.settings import TranslatorSettings


def test_trains_resumes_and_refuses(tiny: TranslatorSettings, made_up: Path, tmp_path: Path) -> None:
    settings, run = tmp_path / "tiny.yaml", tmp_path / "run"
    settings.write_text(yaml.safe_dump(tiny.model_dump(mode="json")))
    command = ["train", "translator", str(settings), "--data", str(made_up), "--output", str(run)]

    wrong = CliRunner().invoke(app, [*command, "training.stepz=4"])
    assert wrong.exit_code == 2
    assert not run.exists()

    first = CliRunner().invoke(app, [*command, "training.steps=2", "threshold=0.3"])
    assert first.exit_code == 0, first.output
    generator, header = load_generator(run / "weights.safetensors")
    assert (header.name, header.steps, header.threshold) == ("run", 2, 0.3)
    assert generator.settings.widths == (8, 8, 8)

    assert CliRunner().invoke(app, command).exit_code == 2
    assert CliRunner().invoke(app, [*command, "--resume", "training.steps=4", "threshold=0.3"]).exit_code == 0
    assert load_generator(run / "weights.safetensors")[1].steps == 4
