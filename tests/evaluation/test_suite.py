"""`unclouded evaluate translator`: what it measures on which patches, and what it cannot measure."""

import json
import math

import archives
import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from unclouded.bands import INDEX
from unclouded.cli import app
from unclouded.data.archive import Archive, encode
from unclouded.data.archive_writer import ArchiveWriter
from unclouded.data.batch import PatchReader
from unclouded.data.labels import LABELS_19, LABELS_43
from unclouded.data.observations import to_observation
from unclouded.errors import InputError
from unclouded.evaluation import suite
from unclouded.evaluation.records import EvaluationConfig, TrainedNetwork
from unclouded.evaluation.sets import draw
from unclouded.evaluation.twins import Twins
from unclouded.models import land_cover as networks
from unclouded.models.context_generator import ContextGenerator
from unclouded.models.generator import Translation
from unclouded.models.land_cover import ClassifierSettings, LandCover
from unclouded.models.observation import Observation
from unclouded.models.weights import save_generator, save_land_cover
from unclouded.models.weights_header import Header, LandCoverHeader
from unclouded.report.tables import translator_table
from unclouded.sizes import GeneratorSettings

SMALL = GeneratorSettings(widths=(4, 4, 4), context_widths=(4, 4, 4), features=2, latent=2, code=4)
FEW = EvaluationConfig(repeats=5, least=3, batch=4)


class Means(nn.Module):
    """Takes the place of ResNet-18: the mean of each band."""

    width = 13

    def forward(self, image, known):
        return image.mean(dim=(2, 3))


class Lifting(nn.Module):
    """A translator that takes off 0.4 where a patch is cloudy, its left half, and 0.2 elsewhere, unseen."""

    settings = SMALL

    def forward(self, x, z):
        assert z.shape == (len(x.level), 2) and not z.any()
        left = torch.zeros_like(x.valid)
        left[..., : archives.SIDE // 2] = 1
        ground = (x.optical - 0.2 - 0.2 * left) * x.present[:, :, None, None]
        return Translation(ground, 0.05 + 0.95 * left, torch.zeros_like(left), torch.zeros_like(ground), ground)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setitem(networks.NETWORKS, "resnet18", Means)


def classifier(classes=LABELS_43, output="softmax"):
    """Take what is dark in B08 for forest, and what is bright for pastures; other classes it does not know."""
    network = LandCover(ClassifierSettings(tuple(classes), output=output)).eval().requires_grad_(False)
    network.head.weight.zero_()
    network.head.bias.fill_(-20)
    for name, sign in zip(archives.LABELS[:2], (-1, 1), strict=True):
        if name in classes:
            network.head.weight[classes.index(name), INDEX["B08"]] = sign * 100
            network.head.bias[classes.index(name)] = -sign * 27
    return network


def trained(network=None):
    return TrainedNetwork(network or Lifting(), Header("lifting", threshold=0.1, sha256="1")), TrainedNetwork(
        classifier(), LandCoverHeader("means", threshold=0.5, sha256="2")
    )


def ground(name, labels):
    """Bands without cloud, up to 5000 DN; forest is half as bright in B08."""
    bands = {band: np.minimum(dn, 5000) for band, dn in archives.pixels(name).items()}
    bands["B08"] = bands["B08"] // (1 + (labels[0] == "Mixed forest")) + 1
    return bands


def written(path, cloudy=12, clear=30, split="validation", twins=True):
    """Write patches of the six acquisitions A0 to A5, the cloudy ones of A0 and A1; cloud on their left half."""
    half = np.zeros((archives.SIDE, archives.SIDE), np.uint8)
    half[:, : archives.SIDE // 2] = 255
    rows, values = [], {}
    for n in range(clear):
        name, labels = f"y{n:02d}", [archives.LABELS[n % 3]]
        rows.append(archives.row(name, split=split, labels=labels, acquisition=f"A{n % 6}"))
        values[name] = ground(name, labels)
    for n in range(cloudy):
        name, labels, acquisition = f"x{n:02d}", [archives.LABELS[n % 2]], f"A{n % 2}"
        known = {"split": split, "labels": labels, "acquisition": acquisition}
        under = ground(name, labels)
        seen = {band: dn.copy() for band, dn in under.items()}
        for dn in seen.values():
            dn[:, : dn.shape[1] // 2][dn[:, : dn.shape[1] // 2] > 0] += 4000
        values[name] = seen | {"opacity": half, "shadow": np.zeros_like(half)}
        rows.append(archives.row(name, domain="X", clear_id=f"{name}_clear" if twins else None, **known))
        if twins:
            values[f"{name}_clear"] = under
            rows.append(archives.row(f"{name}_clear", domain="", **known))
    with ArchiveWriter(path) as writer:
        writer.put({name: encode(tensors) for name, tensors in values.items()}, rows)
        writer.finish()
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return written(tmp_path_factory.mktemp("translator") / "archive")


@pytest.fixture
def archive(data):
    with Archive(data) as opened:
        yield opened


def test_sets_are_of_one_size_and_share_no_clear_patch(archive):
    sets = draw(archive, "validation", seed=3)
    assert len(sets.cloudy) == len(sets.clear) == len(sets.other) == 12
    assert not set(sets.clear) & (set(sets.other) | set(sets.same))
    table = archive.table.to_pylist()
    assert {table[row]["acquisition"] for row in sets.same} == {"A0", "A1"}
    assert [table[row]["patch_id"] for row in sets.twins] == [table[row]["clear_id"] for row in sets.cloudy]
    again, another = draw(archive, "validation", seed=3), draw(archive, "validation", seed=4)
    assert all(np.array_equal(one, other) for one, other in zip(sets, again, strict=True))
    assert not np.array_equal(sets.clear, another.clear)
    assert set(draw(archive, "validation", limit=5, seed=3).cloudy) < set(sets.cloudy)


def test_scores_of_a_translator_that_removes_every_cloud(archive):
    record = suite.evaluate(archive, *trained(), FEW)
    distances = record["distances"]
    assert record["n"] == distances["cleared"]["n"] == distances["cloudy"]["n"] == 12
    assert list(distances) == ["cleared", "cloudy", "truth", "same", "other"]
    truth = distances["truth"]["frechet"]
    assert distances["cleared"]["frechet"] == pytest.approx(truth, rel=0.05)
    assert distances["cloudy"]["frechet"] > 5 * truth
    assert distances["cleared"]["low"] <= distances["cleared"]["frechet"] <= distances["cleared"]["high"]
    assert record["floor"]["n"] == 6
    assert any("12 features of width 13" in note for note in record["notes"])
    paired = record["paired"]
    assert paired["n"] == 12
    regions = paired["cloudy"]["regions"]
    assert regions["cloud"]["share"] == pytest.approx(0.5, abs=0.01) and "mae" not in regions["shadow"]
    assert regions["clear"]["mae"] < regions["cloud"]["mae"] / 10, "bilinear 20 m bands alone spread the cloud"
    assert paired["cleared"]["regions"]["cloud"]["mae"] < regions["cloud"]["mae"] / 10
    assert paired["cleared"]["regions"]["clear"] == regions["clear"], "under the threshold nothing changes"
    assert paired["cloudy"]["bands"]["B02"]["mae"] == pytest.approx(0.2, abs=0.002)
    assert paired["cleared"]["bands"]["B02"]["mae"] == pytest.approx(0, abs=1e-6)
    assert "B10" not in paired["cleared"]["bands"]
    for scores in record["inception"].values():
        assert 1 <= scores["multi_label"] <= scores["highest"]
    assert set(record["labels"]) == set(archives.LABELS[:2])
    assert record["labels"]["Pastures"]["n_cloudy"] == 6


class Perfect(Lifting):
    """Knows the ground under every cloud of the archive."""

    def __init__(self, archive):
        super().__init__()
        twins = draw(archive, "validation").twins
        self.truth = iter(to_observation(PatchReader(archive).read(twins), "cpu").optical.split(FEW.batch))

    def forward(self, x, z):
        truth = next(self.truth)
        return Translation(truth, torch.ones_like(x.valid), torch.zeros_like(x.valid), torch.zeros_like(truth), truth)


def test_a_perfect_translator_wins_back_all_that_clouds_cost(archive):
    record = suite.evaluate(archive, *trained(Perfect(archive)), FEW)
    assert record["distances"]["cleared"] == record["distances"]["truth"]
    assert record["paired"]["cleared"]["psnr"] == 60
    assert record["paired"]["cleared"]["ssim"] == pytest.approx(1)
    assert record["downstream"]["n"] == 12
    # Under cloud every forest is as bright as a pasture.
    assert record["downstream"]["samples"] == {"clear": 1, "cloudy": 0.5, "cleared": 1, "won_back": 1}


def test_without_truth_and_labels_there_are_distances_alone(tmp_path):
    rows = [archives.row(f"x{n}", domain="X", split="test", labels=[]) for n in range(3)]
    rows += [archives.row(f"y{n}", split="test", labels=[]) for n in range(3)]
    with Archive(archives.write(tmp_path / "archive", rows)) as bare:
        record = suite.evaluate(bare, *trained(), EvaluationConfig(split="test", repeats=0))
    assert record["labels"] is record["paired"] is record["downstream"] is record["floor"] is None
    assert list(record["distances"]) == ["cleared", "cloudy"]
    assert math.isnan(record["distances"]["cleared"]["low"])
    lines = translator_table(record).splitlines()
    assert lines[0].endswith("3 cloudy and 3 clear patches of test, seed 0")
    assert [line.split()[0] for line in lines[2:5]] == ["against", "cleared", "cloudy,"]


def test_a_twin_of_another_size_is_named(archive):
    sets = draw(archive, "validation")
    twins = Twins(archive, PatchReader(archive), sets.cloudy, sets.twins)
    small = Observation.of(torch.zeros(1, 13, 8, 8), torch.ones(1, 13), torch.ones(1))
    with pytest.raises(InputError, match=r"_clear: is 24x24 pixels, its cloudy image 8x8"):
        twins.compare(small, sets.cloudy[:1])


def test_features_are_computed_once_for_the_same_images_and_weights(archive, tmp_path, monkeypatch):
    record = suite.evaluate(archive, *trained(), FEW, cache=tmp_path / "new" / "cache")
    files = sorted((tmp_path / "new" / "cache").iterdir())
    assert len(files) == 6
    calls = []
    whole = Means.forward
    monkeypatch.setattr(Means, "forward", lambda self, *known: calls.append(1) or whole(self, *known))
    assert suite.evaluate(archive, *trained(), FEW, cache=tmp_path / "new" / "cache") == record
    assert not calls
    other = trained()[0]._replace(header=Header("lifting", threshold=0.1, sha256="3"))
    suite.evaluate(archive, other, trained()[1], FEW, cache=tmp_path / "new" / "cache")
    assert len(calls) == 3, "12 patches in batches of 4: only what was cleared is seen again"
    files[0].write_bytes(files[0].read_bytes()[:100])
    assert suite.evaluate(archive, *trained(), FEW, cache=tmp_path / "new" / "cache") == record
    assert len(calls) > 3


def test_other_pixels_under_the_same_table_are_other_images(tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    for name in ("one", "two"):
        with Archive(written(tmp_path / name, twins=False)) as opened:
            suite.evaluate(opened, *trained(), FEW, cache=cache)
        whole = archives.pixels
        monkeypatch.setattr(archives, "pixels", lambda name, whole=whole: whole(f"{name} again"))
    assert (tmp_path / "one/metadata.parquet").read_bytes() == (tmp_path / "two/metadata.parquet").read_bytes()
    assert len(list(cache.iterdir())) == 10


def run(*arguments):
    return CliRunner().invoke(app, ["evaluate", "translator", *(str(argument) for argument in arguments)])


def error(done):
    assert done.exit_code == 2, done.output
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), done.output
    return lines[0]


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    generator, means = tmp_path / "translator.safetensors", tmp_path / "means.safetensors"
    save_generator(ContextGenerator(SMALL), Header("translator"), generator)
    save_land_cover(classifier(), LandCoverHeader("means", threshold=0.5), means)
    return generator, means


def test_the_command_prints_a_table_and_writes_json(data, weights, tmp_path):
    command = (weights[0], "--land-cover", weights[1], "--data", data, "--json", tmp_path / "a.json", "--repeats", 5)
    result = run(*command)
    assert result.exit_code == 0, result.output
    assert "12 cloudy and 12 clear patches of validation, seed 0" in result.stdout
    for line in ("cloudy, as they are", "floor: halves", "MAE cloud (50%", "MAE B12", "F1 of the classifier, N = 12"):
        assert line in result.stdout
    record = json.loads((tmp_path / "a.json").read_text())
    assert record["n"] == 12 and record["seed"] == 0
    assert all(len(record[part]["sha256"]) == 64 for part in ("translator", "land_cover", "archive"))
    assert "already there" in error(run(*command))


def test_what_cannot_be_measured_is_one_line(data, weights, tmp_path):
    def line(archive, *more, land_cover=weights[1], translator=weights[0]):
        return error(run(translator, "--land-cover", land_cover, "--data", archive, *more))

    assert "no cloudy patch (domain X) in split 'test'; it has 12 in X validation" in line(data, "--split", "test")
    one = written(tmp_path / "one", cloudy=1)
    assert "1 cloudy and 30 clear patches in split 'validation'; distances take at least two" in line(one)
    save_land_cover(classifier(("Quicksand", "Bog")), LandCoverHeader("other"), other := tmp_path / "other.safetensors")
    assert "another class list: 2 classes, among them 'Quicksand'" in line(data, land_cover=other)
    merged = [archives.row(f"{d}{n}", domain=d, split="validation", labels=["Arable land"]) for d in "XY" for n in "12"]
    merged = archives.write(tmp_path / "merged", merged)
    assert "'Arable land' is not one of BigEarthNet's 43 classes" in line(merged)
    save_land_cover(classifier(LABELS_19), LandCoverHeader("19"), nineteen := tmp_path / "19.safetensors")
    assert run(weights[0], "--land-cover", nineteen, "--data", merged, "--repeats", 2).exit_code == 0
    four = [archives.row(f"{d}{n}", domain=d, split="validation") for d in "XY" for n in "12"]
    four = archives.write(tmp_path / "four", four, names=("B02", "B03", "B04", "B08"))
    assert "lacks B01, B05" in line(four)
    message = line(data, translator=weights[1])
    assert (
        "holds `unclouded-land-cover-1`, not `unclouded-generator-1`; give weights of a network that clears" in message
    )
    assert "give another --cache" in line(data, "--cache", weights[0])
