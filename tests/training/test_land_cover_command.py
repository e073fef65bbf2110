"""`unclouded train land-cover`: trains on an archive, resumes, and names what is wrong with settings or data."""

from __future__ import annotations

import json
from pathlib import Path

import archives
import pytest
import torch
import yaml
from labelled_stub import Small
from typer.testing import CliRunner

from unclouded.cli import app
from unclouded.data.labels import LABELS_19, LABELS_43
from unclouded.models import land_cover as networks
from unclouded.models.land_cover import ClassifierSettings, LandCover
from unclouded.models.weights import load_land_cover, save_land_cover
from unclouded.models.weights_header import LandCoverHeader
from unclouded.settings import LandCoverSettings, load_settings_of

RECIPES = Path(__file__).parents[2] / "settings"
FEW = ["training.batch=4", "training.validate_every=2", "training.precision=fp32"]


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    rows = [
        archives.row(f"{split}_{number}", split=split, labels=[archives.LABELS[number % 3]])
        for split in ("train", "validation")
        for number in range(6)
    ]
    return archives.write(tmp_path_factory.mktemp("command") / "archive", rows)


@pytest.fixture(autouse=True)
def small(monkeypatch) -> None:
    monkeypatch.setitem(networks.NETWORKS, "resnet18", Small)


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def error(done) -> str:
    assert done.exit_code == 2, done.output
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), done.output
    return lines[0]


def test_trains_and_resumes(archive: Path, tmp_path: Path) -> None:
    command = ("train", "land-cover", RECIPES / "land_cover.yaml", "--data", archive, "--output", tmp_path / "run")
    assert run(*command, *FEW, "training.steps=2").exit_code == 0
    result = run(*command, "--resume", *FEW, "training.steps=4")
    assert result.exit_code == 0, result.output
    assert result.stdout.split() == [str(tmp_path / "run" / "weights.safetensors")]
    classifier, header = load_land_cover(tmp_path / "run" / "weights.safetensors", LABELS_43)
    assert classifier.settings.subsets
    assert (header.name, header.levels) == ("run", ("L2A",))
    assert header.settings["label_reduction"] == 0.5
    assert header.metrics["images"] == 6
    assert 0.1 < classifier.centre[1] < 0.9
    log = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert len(log) == 2


@pytest.fixture
def weights(archive: Path, tmp_path: Path) -> Path:
    command = ("train", "land-cover", RECIPES / "land_cover.yaml", "--data", archive, "--output", tmp_path / "run")
    assert run(*command, *FEW, "training.steps=2", "training.drop_bands=0").exit_code == 0
    return tmp_path / "run" / "weights.safetensors"


def test_evaluates_into_a_table_a_record_and_a_picture(archive: Path, weights: Path, tmp_path: Path) -> None:
    record, picture = tmp_path / "scores.json", tmp_path / "scores.png"
    command = ("evaluate", "land-cover", weights, "--data", archive, "--split", "validation", "--json", record)
    result = run(*command, "--figure", picture)
    assert result.exit_code == 0, result.output
    scores, header = json.loads(record.read_text()), load_land_cover(weights)[1]
    assert scores["images"] == 6
    assert scores["samples"]["f1"] == pytest.approx(header.metrics["f1"]), "the same as in training"
    assert scores["weights"]["sha256"] == header.sha256
    assert scores["archive"]["sha256"] == header.data_sha256
    assert scores["per_class"]["Pastures"]["support"] == 2
    lines = result.stdout.splitlines()
    assert "6 images" in lines[0] and lines[0].split()[-4:] == ["precision", "recall", "f1", "f2"]
    assert "0.850" in result.stdout and sum(line.endswith("2 images") for line in lines) == 3
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert "already there" in error(run(*command))


def test_a_baseline_stands_beside_in_table_1(archive: Path, weights: Path, tmp_path: Path) -> None:
    record, other = tmp_path / "scores.json", tmp_path / "theirs.safetensors"
    torch.manual_seed(1)
    theirs = LandCover(ClassifierSettings(tuple(LABELS_43), output="sigmoid"))
    save_land_cover(theirs, LandCoverHeader("theirs", threshold=0.5), other)
    command = ("evaluate", "land-cover", weights, "--data", archive, "--split", "validation")
    result = run(*command, "--baseline", other, "--json", record)
    assert result.exit_code == 0, result.output
    table = [line.split("|")[1:-1] for line in result.stdout.splitlines() if line.startswith("|")]
    rows = {row[0].strip(): [cell.strip() for cell in row[1:]] for row in table}
    assert next(iter(rows)) == "N = 6 images"
    ours, baseline = json.loads(record.read_text()), json.loads(record.read_text())["baseline"]
    assert rows["run"] == [f"{value:.3f}" for value in ours["samples"].values()]
    assert rows["theirs, the baseline"] == [f"{value:.3f}" for value in baseline["samples"].values()]
    assert rows["paper, on BigEarthNet: the first above the second"] == ["+0.15", "+0.00", "+0.09", "+0.03"]
    assert baseline["weights"]["name"] == "theirs"
    few = tmp_path / "few.safetensors"
    save_land_cover(LandCover(ClassifierSettings(tuple(LABELS_19))), LandCoverHeader("few"), few)
    assert "few.safetensors: 19 classes" in error(run(*command, "--baseline", few))


def test_what_cannot_be_evaluated_is_one_line(weights: Path, tmp_path: Path) -> None:
    def line(rows, **options) -> str:
        data = archives.write(tmp_path / f"data{len(list(tmp_path.iterdir()))}", rows, **options)
        return error(run("evaluate", "land-cover", weights, "--data", data))

    two = [archives.row(f"t{n}", split="test", labels=[archives.LABELS[n]]) for n in range(2)]
    assert "t0: lacks B01, B05" in line(two, names=("B02", "B03", "B04", "B08"))
    assert "1 class among" in line(two[:1])
    assert "none of the 43 labels" in line([archives.row("bare", split="test", labels=[])])
    assert "'Quicksand' is not one of" in line([archives.row("odd", split="test", labels=["Quicksand"])])
    other = tmp_path / "other.safetensors"
    save_land_cover(LandCover(ClassifierSettings(("Quicksand", "Bog"))), LandCoverHeader("other"), other)
    data = archives.write(tmp_path / "data", two)
    assert "another class list: 2 classes, among them 'Quicksand'" in error(
        run("evaluate", "land-cover", other, "--data", data)
    )


def test_what_is_wrong_is_one_line(archive: Path, tmp_path: Path) -> None:
    recipe, output = RECIPES / "land_cover.yaml", tmp_path / "run"

    def line(data: Path, *overrides: str) -> str:
        return error(run("train", "land-cover", recipe, "--data", data, "--output", output, *FEW, *overrides))

    assert "did you mean 'label_reduction'" in line(archive, "label_reductoin=0")
    assert "give each band once" in line(archive, "bands=[B02,B99]")
    assert "softmax" in line(archive, "output=hardmax")
    assert "did you mean 'patience'" in line(archive, "training.patiense=3")
    assert "lacks B10" in line(archive, "bands=[B02,B10]", "training.drop_bands=0")
    assert "no metadata.parquet" in line(tmp_path / "nothing")
    one = archives.write(tmp_path / "one", [archives.row("a"), archives.row("b", split="validation")])
    assert "1 class" in line(one)
    unlabelled = archives.write(tmp_path / "unlabelled", [archives.row("a", labels=[])])
    assert "none of the 43 labels" in line(unlabelled)
    assert not output.exists()


@pytest.mark.parametrize("name", ["land_cover", "s_cnn_all"])
def test_recipes_are_whole(name: str) -> None:
    """A recipe shows every setting there is, so that nothing is left to look up."""
    path = RECIPES / f"{name}.yaml"
    values = yaml.safe_load(path.read_text())
    assert values.keys() == LandCoverSettings.model_fields.keys()
    assert values["training"].keys() == LandCoverSettings.model_fields["training"].annotation.model_fields.keys()
    assert load_settings_of(LandCoverSettings, path).network == {"land_cover": "resnet18"}.get(name, name)
