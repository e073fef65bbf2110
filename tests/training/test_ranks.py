"""Two processes train what one does: the same batch, of which each reads and works on its share."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import labelled_stub
import pytest
import torch
from safetensors.torch import load_file
from tiny_run import changed, tiny_settings

from unclouded.errors import InputError
from unclouded.models import land_cover as networks
from unclouded.settings import LandCoverSettings, TranslatorSettings
from unclouded.training import land_cover
from unclouded.training.ranks import Ranks
from unclouded.training.translator_run import run
from unclouded.training.translator_state import TranslatorTraining

_SCRIPT = """
import sys
from pathlib import Path
import test_ranks
from unclouded.settings import TranslatorSettings
from unclouded.training.ranks import joined
settings = TranslatorSettings.model_validate_json(sys.argv[2])
with joined("cpu") as ranks:
    test_ranks.train_both(Path(sys.argv[1]), settings, Path(sys.argv[3]), ranks)
"""


def train_both(output: Path, settings: TranslatorSettings, images: Path, ranks: Ranks) -> None:
    """Train a classifier and a translator, as one of the processes that do it together."""
    quick = {"steps": 6, "batch": 8, "validate_every": 3, "warmup": 2, "precision": "fp32"}
    data = labelled_stub.data()
    data.train.shard = ranks.shard_of
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(networks.NETWORKS, "resnet18", labelled_stub.Small)
        land_cover.train(LandCoverSettings(training=quick), data, output / "land_cover", ranks=ranks)
        run(settings, images, output / "translator", ranks=ranks)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, made_up: Path) -> tuple[Path, Path]:
    """What one process has trained, and what two have, started as torchrun does."""
    # An odd batch is divided unevenly; the two halves that the CRPS takes of it do not fall together with it.
    settings = changed(
        tiny_settings(made_up), training={"steps": 3, "batch": 5, "precision": "fp32"}, unpaired={"batch": 2}
    )
    folder = tmp_path_factory.mktemp("ranks")
    one, two = folder / "1", folder / "2"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    common["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", _SCRIPT, str(two), settings.model_dump_json(), str(made_up)],
            env=common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    train_both(one, settings, made_up, Ranks())
    errors_of = [rank.communicate(timeout=240)[1] for rank in ranks]
    assert not [errors for rank, errors in zip(ranks, errors_of, strict=True) if rank.returncode], errors_of
    return one, two


def _same(one: Path, two: Path) -> None:
    weights = [load_file(run / "weights.safetensors") for run in (one, two)]
    assert weights[0].keys() == weights[1].keys()
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, rtol=1e-3, atol=2e-5)
    logs = [[json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()] for run in (one, two)]
    assert len(logs[0]) == len(logs[1])
    for left, right in zip(*logs, strict=True):
        assert left.keys() == right.keys()
        for name in left.keys() - {"seconds"}:
            assert right[name] == pytest.approx(left[name], rel=1e-3, abs=2e-5), name


def test_a_classifier_with_batch_normalisation(trained: tuple[Path, Path]) -> None:
    _same(*(folder / "land_cover" for folder in trained))


def test_all_eight_networks(trained: tuple[Path, Path]) -> None:
    _same(*(folder / "translator" for folder in trained))


@pytest.mark.parametrize(("section", "size"), [("training", 2), ("unpaired", 1)])
def test_fewer_images_than_processes_is_refused_with_the_number_to_give(
    section: str, size: int, tiny: TranslatorSettings
) -> None:
    settings = changed(tiny, training={"batch": 8}, unpaired={"batch": 8})
    ranks = Ranks(rank=1, world_size=8)
    TranslatorTraining(settings, Ranks())
    message = rf"{section}\.batch is {size}, and 8 processes .* give {section}\.batch=8 or more"
    with pytest.raises(InputError, match=message):
        TranslatorTraining(changed(settings, **{section: {"batch": size}}), ranks)


def test_a_classifier_with_fewer_patches_than_processes_is_refused_likewise(tmp_path: Path) -> None:
    settings = LandCoverSettings(training={"steps": 1, "batch": 4})
    with pytest.raises(InputError, match=r"training\.batch is 4, and 8 processes .* give training\.batch=8 or more"):
        land_cover.train(settings, labelled_stub.data(), tmp_path / "run", ranks=Ranks(rank=0, world_size=8))
    assert not (tmp_path / "run").exists()
