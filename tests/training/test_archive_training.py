"""Training on an archive: it resumes to the bit, measures itself, draws its figures, and keeps the best weights."""

import json
from collections.abc import Iterator
from pathlib import Path

import archives
import pytest
import torch
from labelled_stub import Small
from PIL import Image
from tiny_run import UNPAIRED, at_draw, changed, interrupt
from typer.testing import CliRunner

from unclouded.cli import app
from unclouded.data.archive import Archive
from unclouded.data.collection import load_collection
from unclouded.data.domains import Sampling
from unclouded.data.labels import LABELS_43
from unclouded.errors import InputError
from unclouded.evaluation.records import TrainedNetwork
from unclouded.inference import InferenceConfig
from unclouded.models import land_cover as networks
from unclouded.models.land_cover import ClassifierSettings, LandCover
from unclouded.models.weights import load_generator, load_translator, save_land_cover
from unclouded.models.weights_header import LandCoverHeader
from unclouded.settings import TranslatorSettings
from unclouded.training import translator, validation
from unclouded.training.archive_source import ArchiveSource
from unclouded.training.collection_source import CollectionSource
from unclouded.training.translator_run import run
from unclouded.training.validation import collapsed, preference

GOOD = {"spread": 0.02, "colour_variety": 0.9, "coverage": 0.5, "coverage_cloudy": 0.4, "alarm": 0.0}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = []
    for split, cloudy, clear in (("train", 8, 12), ("validation", 5, 9)):
        for number in range(cloudy):
            name = f"x_{split}_{number}"
            rows.append(archives.row(name, domain="X", split=split, s1_name=f"{name}_S1", clear_id=f"{name}_clear"))
            rows.append(archives.row(f"{name}_clear", domain="", split=split))
        rows += [archives.row(f"y_{split}_{number}", split=split) for number in range(clear)]
    return archives.write(tmp_path_factory.mktemp("archives") / "archive", rows)


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(networks.NETWORKS, "resnet18", Small)
        yield


@pytest.fixture(scope="module")
def land_cover(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    classifier = LandCover(ClassifierSettings(tuple(LABELS_43), subsets=True)).eval()
    path = tmp_path_factory.mktemp("land_cover") / "land_cover.safetensors"
    save_land_cover(classifier, LandCoverHeader("land_cover", threshold=0.1), path)
    return path


@pytest.fixture(params=["context", "published"])
def settings(request, tiny: TranslatorSettings) -> TranslatorSettings:
    model = tiny.model_dump(mode="json")
    model["networks"] = request.param
    model["published"] = {"width": 4, "blocks": 1, "latent": 3}
    model["unpaired"]["batch"] = 3
    model["training"] |= {"collection": None, "steps": 4, "validate_every": 3, "validation_patches": 4}
    if request.param == "published":
        model["loss"] |= dict.fromkeys(
            ("reconstruction", "ground", "spectral_angle", "detection", "trust", "change"), 0
        )
        model["unpaired"]["start"] = 0
    return TranslatorSettings.model_validate(model)


def test_measures_draws_and_resumes_to_the_bit(
    settings: TranslatorSettings, archive: Path, land_cover: Path, tmp_path: Path
) -> None:
    whole = run(settings, archive, tmp_path / "whole", land_cover=str(land_cover))
    with pytest.raises(KeyboardInterrupt), at_draw(3, ArchiveSource, "unpaired", interrupt):
        run(settings, archive, tmp_path / "killed", land_cover=str(land_cover))
    run(settings, archive, tmp_path / "killed", land_cover=str(land_cover), resume=True)
    one, other = (torch.load(tmp_path / name / "checkpoint.pt", weights_only=True) for name in ("whole", "killed"))
    for part in ("translator", "average"):
        assert one[part].keys() == other[part].keys()
        assert all(torch.equal(tensor, other[part][name]) for name, tensor in one[part].items())
    assert one["source"] == other["source"]
    texts = [(tmp_path / name / "log.jsonl").read_text() for name in ("whole", "killed")]
    logs = [[json.loads(line) for line in text.splitlines()] for text in texts]
    without_time = [[{k: v for k, v in entry.items() if k != "seconds"} for entry in log] for log in logs]
    assert without_time[0] == without_time[1]
    measured = [entry for entry in logs[0] if "frechet" in entry]
    assert [entry["step"] for entry in measured] == [3, 4]
    assert {"floor", "recall", "coverage", "inception", "spread", "psnr", "cycle_error_noisy"} <= measured[-1].keys()
    drawn = {path.name for path in (tmp_path / "whole").glob("*.png")}
    assert drawn == {"distances.png", "cycle_000003.png", "cycle_000004.png"}
    assert load_generator(whole)[1].steps == 4
    assert load_generator(tmp_path / "whole" / "best.safetensors")[1].steps in (3, 4)


def test_simulated_clouds_lie_over_clear_patches_each_shown_once(archive: Path) -> None:
    with Archive(archive) as opened:
        source = ArchiveSource(opened, simulated=Sampling(4, seed=1), unpaired=Sampling(3, seed=1), radar=False)
        seen = [source.simulated(4) for _ in range(5)]
        x, y = source.unpaired(3)
        epoch = source.state_dict()
    assert all((batch.observation.guide_valid == 0).all() for batch in seen)
    assert x.optical.shape == y.optical.shape == (3, 13, archives.SIDE, archives.SIDE)
    levels = torch.cat([batch.observation.level for batch in seen])
    b10 = torch.cat([batch.observation.present[:, 10] for batch in seen])
    assert set(levels.tolist()) == {0.0, 1.0}
    assert (b10[levels == 1] == 0).all()
    assert (b10[levels == 0] == 1).any()
    # Neither kind has used up what the other shows: 12 clear patches in threes of 4, 8 cloudy ones in twos of 3.
    assert (epoch["simulated"]["epoch"], epoch["simulated"]["step"]) == (1, 2)
    assert (epoch["unpaired"]["epoch"], epoch["unpaired"]["step"]) == (0, 1)


def test_clear_patches_alone_can_train_and_keep_the_bands_that_cloudy_ones_lack(
    settings: TranslatorSettings, tmp_path: Path
) -> None:
    clear = archives.write(tmp_path / "clear", [archives.row(f"y_{number}") for number in range(4)])
    with Archive(clear) as opened:
        source = ArchiveSource(opened, simulated=Sampling(4))
        shown = torch.stack([source.simulated(4).observation.present for _ in range(5)])
    assert (shown.sum((0, 1)) > 0).all()
    if settings.networks == "context":
        off = dict.fromkeys(UNPAIRED, 0)
        run(changed(settings, loss=off, training={"steps": 1}), clear, tmp_path / "run")
    with pytest.raises(InputError, match="no cloudy patch"):
        run(changed(settings, loss={"cycle": 1.0}), clear, tmp_path / "other")


@pytest.mark.parametrize("crop", [None, 16])
def test_radar_that_ends_within_a_patch_is_valid_pixel_by_pixel(crop: int | None, tmp_path: Path) -> None:
    rows = [archives.row(f"{d}{n}", domain=d, s1_name=f"{d}{n}_S1" if n % 2 else None) for d in "XY" for n in range(4)]
    halved = ("X1", "Y1")
    with Archive(archives.write(tmp_path / "archive", rows, half_radar=halved)) as opened:
        source = ArchiveSource(opened, simulated=Sampling(4), unpaired=Sampling(4), crop=crop)
        drawn = [source.simulated(4).observation, *source.unpaired(4)] * 2
        drawn += [seen for _ in range(3) for seen in source.unpaired(4)]
    shares = set()
    for x in drawn:
        there = x.guide_valid.expand(-1, -1, *x.guides.shape[2:])
        assert x.guides.shape[2:] == x.optical.shape[2:] and x.guides.isfinite().all()
        assert not (x.guides * (1 - there)).any() and (x.guides.abs().sum(1, keepdim=True) > 0).equal(there > 0)
        shares |= set(there.mean((1, 2, 3)).tolist())
    assert {0.0, 1.0} < shares


def test_patches_are_cropped_at_random(archive: Path) -> None:
    with Archive(archive) as opened:
        source = ArchiveSource(opened, simulated=Sampling(4), unpaired=Sampling(3), crop=16)
        assert source.simulated(4).truth.shape == (4, 13, 16, 16)
        first, _ = source.unpaired(3)
        assert first.optical.shape == (3, 13, 16, 16)
        whole, _ = ArchiveSource(opened, unpaired=Sampling(3)).unpaired(3)
        windows = whole.optical.unfold(2, 16, 1).unfold(3, 16, 1)
        for patch, places in zip(first.optical, windows, strict=True):
            assert (places == patch[:, None, None]).all((0, 3, 4)).any()
        with pytest.raises(InputError, match=r"is 24x24 pixels, and training\.crop is 64; give 24"):
            ArchiveSource(opened, unpaired=Sampling(3), crop=64).unpaired(3)


def test_a_collapse_is_detected_by_its_outputs_and_is_never_the_best() -> None:
    assert not collapsed(GOOD)
    assert collapsed(GOOD | {"spread": 1e-4})
    assert collapsed(GOOD | {"colour_variety": 0.1})
    assert collapsed(GOOD | {"coverage": 0.1})
    brown = GOOD | {"frechet": 1.0, "alarm": 1.0, "coverage": 0.1}
    fair = GOOD | {"frechet": 50.0}
    better = GOOD | {"frechet": 20.0}
    narrow = GOOD | {"frechet": 5.0, "coverage": 0.35}
    assert sorted([brown, fair, narrow, better], key=preference) == [better, fair, narrow, brown]


def test_what_cannot_be_learnt_from_is_refused(tiny: TranslatorSettings, made_up: Path, tmp_path: Path) -> None:
    homeless = tiny.model_copy(update={"training": tiny.training.model_copy(update={"collection": None})})
    with pytest.raises(InputError, match="not an archive"):
        run(homeless, made_up, tmp_path / "run")
    with pytest.raises(InputError, match="only an archive has validation patches"):
        run(tiny, made_up, tmp_path / "run", land_cover="land-cover")
    with pytest.raises(InputError, match="only patches of an archive are cropped"):
        run(changed(tiny, training={"crop": 64}), made_up, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_cycle_is_drawn_without_a_classifier(settings: TranslatorSettings, archive: Path, tmp_path: Path) -> None:
    run(settings, archive, tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").glob("*.png")} == {"cycle_000003.png", "cycle_000004.png"}
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert {"epoch", "spread", "cycle_error"} <= log[-1].keys() and "frechet" not in log[-1]
    # 8 cloudy training patches in threes make an epoch of two steps.
    assert log[-1]["epoch"] == pytest.approx((4 - settings.unpaired.start) / 2)
    assert not (tmp_path / "run" / "best.safetensors").exists()


def test_the_eight_networks_are_kept_and_drawn(
    settings: TranslatorSettings, archive: Path, land_cover: Path, tmp_path: Path
) -> None:
    run(settings, archive, tmp_path / "run", land_cover=str(land_cover))
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    kept = load_translator(tmp_path / "run" / "translator.safetensors")[0].state_dict()
    others = {name: value for name, value in state["translator"].items() if not name.startswith("g_xy.")}
    for name, value in ({f"g_xy.{name}": value for name, value in state["average"].items()} | others).items():
        torch.testing.assert_close(kept[name], value.half().float() if value.ndim > 1 else value)

    def draw(weights: str, figure: str):
        named = ["evaluate", "translator", str(tmp_path / "run" / weights), "--figure", str(tmp_path / figure)]
        rest = ["--data", str(archive), "--land-cover", str(land_cover), "--repeats", "0"]
        return CliRunner().invoke(app, [*named, *rest], catch_exceptions=False)

    whole, alone = draw("translator.safetensors", "eight"), draw("weights.safetensors", "one")
    assert whole.exit_code == alone.exit_code == 0, whole.output
    names = {"figure_1a.png", "figure_1b.png", "figure_2a.png", "figure_2b.png"}
    for figure in ("eight", "one"):
        assert {path.name for path in (tmp_path / figure).iterdir()} == names
    assert "x to y to x is not known" in alone.output and "is not known" not in whole.output
    widths = [Image.open(tmp_path / figure / "figure_1a.png").width for figure in ("eight", "one")]
    assert widths[0] > widths[1]
    assert "already there" in draw("weights.safetensors", "one").stderr


@pytest.mark.parametrize("name", ["paper", "paper_64", "unpaired"])
def test_the_papers_settings_are_read_and_run(name: str, archive: Path, tmp_path: Path) -> None:
    paper = Path(__file__).resolve().parents[2] / "settings" / f"{name}.yaml"
    short = ["training.steps=1", "unpaired.batch=2", "published.width=4", "published.blocks=1", "training.batch=2"]
    short += [] if name == "paper" else ["training.crop=16"]
    arguments = ["train", "translator", str(paper), *short, "--data", str(archive), "--output", str(tmp_path / "paper")]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    generator, header = load_generator(tmp_path / "paper" / "weights.safetensors")
    assert header.settings["loss"]["latent_cycle"] == (0.5 if name == "unpaired" else 0.025)
    assert header.settings["loss"]["reconstruction"] == 0
    assert generator.settings.latent == 16


def test_the_best_weights_have_learnt_their_errors_and_are_chosen_as_they_ship(
    settings: TranslatorSettings, archive: Path, land_cover: Path, tmp_path: Path, monkeypatch
) -> None:
    shipped = settings.model_copy(update={"threshold": 0.25, "calibration": 1.7})
    chosen = []
    evaluate = validation.evaluate

    def noting(archive: Archive, translator: TrainedNetwork, *arguments, **options):
        chosen.append(translator.network.inference)
        return evaluate(archive, translator, *arguments, **options)

    monkeypatch.setattr(validation, "evaluate", noting)
    run(shipped, archive, tmp_path / "run", land_cover=str(land_cover))
    best, header = load_generator(tmp_path / "run" / "best.safetensors")
    assert set(chosen) == {InferenceConfig(threshold=0.25, calibration=1.7)}
    used = best.inference
    assert (used.threshold, used.calibration) == (0.25, 1.7)
    assert header.data == shipped.data
    if settings.networks == "context":
        fresh = translator.TranslatorTraining(shipped).average.state_dict()
        heads = {name: value for name, value in best.state_dict().items() if name.startswith("error.")}
        assert not all(torch.equal(value, fresh[name]) for name, value in heads.items())


def test_weights_of_an_unfinished_run_record_that_their_errors_are_not_trained(
    tiny: TranslatorSettings, made_up: Path, tmp_path: Path
) -> None:
    def validate(training: translator.TranslatorTraining) -> dict[str, float]:
        if training.step == 3:
            raise KeyboardInterrupt
        return {}

    settings = changed(tiny, training={"steps": 3, "validate_every": 3})
    images = load_collection(made_up, made_up / "listing.yaml")
    with pytest.raises(KeyboardInterrupt):
        translator.train(settings, lambda rng: CollectionSource(images, rng), tmp_path / "run", validate=validate)
    assert "uncertainty has not been learnt" in load_generator(tmp_path / "run" / "weights.safetensors")[1].data
