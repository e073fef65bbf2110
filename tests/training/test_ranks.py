"""Two processes train what one does: the same batch, of which each reads and works on its share."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from unclouded.errors import InputError
from unclouded.settings import TranslatorSettings
from unclouded.training.ranks import Ranks
from unclouded.training.translator import TranslatorTraining

_LAND_COVER = """
import sys
from pathlib import Path
import labelled_stub
from unclouded.models import land_cover as networks
from unclouded.settings import LandCoverSettings
from unclouded.training.land_cover import train
from unclouded.training.ranks import joined
networks.NETWORKS["resnet18"] = labelled_stub.Small
quick = {"steps": 6, "batch": 8, "validate_every": 3, "warmup": 2, "precision": "fp32"}
with joined("cpu") as ranks:
    data = labelled_stub.data()
    data.train.share = ranks.share_of
    train(LandCoverSettings(training=quick), data, Path(sys.argv[1]), ranks=ranks)
"""

_TRANSLATOR = """
import sys
from pathlib import Path
from unclouded.settings import TranslatorSettings
from unclouded.training.ranks import joined
from unclouded.training.translator_run import run
settings = TranslatorSettings.model_validate_json(sys.argv[3])
with joined("cpu") as ranks:
    run(settings, Path(sys.argv[2]), Path(sys.argv[1]), ranks=ranks)
"""


def _train(script: str, output: Path, count: int, *arguments: str) -> list[str]:
    """Run `script` in as many processes, as torchrun does, and return what those that failed say."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = os.environ | {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    common |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(output), *arguments],
            env=common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]
    said = [rank.communicate(timeout=240)[1] for rank in ranks]
    return [errors if rank.returncode else "" for rank, errors in zip(ranks, said, strict=True)]


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


def test_a_classifier_with_batch_normalisation(tmp_path: Path) -> None:
    for count in (1, 2):
        assert not any(_train(_LAND_COVER, tmp_path / str(count), count))
    _same(tmp_path / "1", tmp_path / "2")


def test_all_eight_networks(tmp_path: Path, made_up: Path, tiny: TranslatorSettings) -> None:
    # An odd batch is divided unevenly; the two halves that the CRPS takes of it do not fall together with it.
    changes = {"steps": 3, "batch": 5, "precision": "fp32"}
    settings = tiny.model_copy(
        update={
            "training": tiny.training.model_copy(update=changes),
            "unpaired": tiny.unpaired.model_copy(update={"batch": 2}),
        }
    )
    for count in (1, 2):
        assert not any(_train(_TRANSLATOR, tmp_path / str(count), count, str(made_up), settings.model_dump_json()))
    _same(tmp_path / "1", tmp_path / "2")


def test_fewer_images_than_processes_is_refused_with_the_number_to_give(tiny: TranslatorSettings) -> None:
    ranks = Ranks(number=1, count=2)
    with pytest.raises(InputError, match=r"unpaired\.batch is 1, and 2 processes .* give unpaired\.batch=2 or more"):
        TranslatorTraining(tiny, ranks)
