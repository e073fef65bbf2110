"""Labelled clear patches: which are taken, in what order, and that a position is all there is to keep."""

from __future__ import annotations

from itertools import islice

import archives
import pytest
import torch

from unclouded.bands import INDEX
from unclouded.data.archive import Archive
from unclouded.data.labelled import LabelledPatches, checksum
from unclouded.data.observations import Augmentation
from unclouded.errors import InputError

VARIED = Augmentation(flip_rotate=True, drop_bands=0.5, drop_guides=1.0)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    rows = [
        archives.row(f"Y_{number:02d}", labels=[archives.LABELS[number % 3]] if number else []) for number in range(11)
    ]
    rows += [archives.row("X_00", domain="X"), archives.row("twin", domain="")]
    rows += [archives.row(f"V_{number}", split="validation", labels=list(archives.LABELS)) for number in range(5)]
    rows += [archives.row("bare", split="test", labels=[])]
    return Archive(archives.write(tmp_path_factory.mktemp("labelled") / "archive", rows))


def patches(archive, split="train", **options):
    return LabelledPatches(archive, split, **({"batch": 4, "seed": 3} | options))


def test_only_clear_patches_with_labels_are_taken(archive):
    seen = [name for batch in patches(archive).in_order() for name in batch.ids]
    assert seen == [f"Y_{number:02d}" for number in range(1, 11)]
    assert patches(archive).counts.sum() == 10
    assert int((patches(archive).counts > 0).sum()) == 3


def test_an_epoch_shows_patches_once_and_orders_differ(archive):
    shown = [batch.ids for batch in islice(patches(archive).shuffled(), 4)]
    first, second = shown[0] + shown[1], shown[2] + shown[3]
    assert len(set(first)) == len(set(second)) == 8
    assert first != second


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_position_gives_the_very_images_that_follow(archive, after):
    options = {"augmentation": VARIED}
    undisturbed, stopped, resumed = (patches(archive, **options) for _ in range(3))
    expected = list(islice(undisturbed.shuffled(), after + 3))[after:]
    list(islice(stopped.shuffled(), after))
    resumed.load_state_dict(stopped.state_dict())
    for mine, theirs in zip(islice(resumed.shuffled(), 3), expected, strict=True):
        assert mine.ids == theirs.ids
        assert torch.equal(mine.labels, theirs.labels)
        assert torch.equal(mine.observation.optical, theirs.observation.optical)


def test_the_images_are_those_of_the_archive(archive):
    batch = next(patches(archive).in_order())
    dn = torch.from_numpy(archives.pixels(batch.ids[1])["B04"].astype("float32"))
    image = batch.observation.optical[1, INDEX["B04"]]
    valid = batch.observation.valid[1, 0]
    assert torch.allclose(image, dn / 10000 * valid)
    assert valid.mean() > 0.9
    labels = [patches(archive).classes[index] for index in torch.nonzero(batch.labels[1]).flatten().tolist()]
    assert labels == [archives.LABELS[2]]


def test_statistics_are_those_of_the_bands(archive):
    mean, std = patches(archive).statistics()
    everything = torch.cat([torch.from_numpy(archives.pixels(f"Y_{n:02d}")["B11"] / 10000.0) for n in range(1, 11)])
    assert mean[INDEX["B11"]] == pytest.approx(float(everything.mean()), rel=1e-4)
    assert std[INDEX["B11"]] == pytest.approx(float(everything.std(correction=0)), rel=1e-4)
    assert (mean[INDEX["B10"]], std[INDEX["B10"]]) == (0, 1)


def test_a_limit_takes_some_and_always_the_same(archive):
    some = [patches(archive, "validation", limit=3).rows.tolist() for _ in range(2)]
    assert len(some[0]) == 3 and some[0] == some[1]
    assert patches(archive, "validation").levels() == ("L2A",)


def test_a_position_in_other_data_is_refused(archive):
    with pytest.raises(InputError, match="batch 4, this run's 5"):
        patches(archive, batch=5).load_state_dict(patches(archive).state_dict())


def test_a_split_without_labels_is_refused(archive):
    with pytest.raises(InputError, match="'test' have none of the 43 labels"):
        patches(archive, "test")


def test_the_checksum_is_of_the_table(archive, tmp_path):
    other = archives.write(tmp_path / "other", [archives.row("Y_00")])
    assert checksum(archive.path) == checksum(archive.path) != checksum(other)
