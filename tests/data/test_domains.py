"""The two domains of an archive, unpaired and resumable."""

import itertools

import numpy as np
import pytest
import torch
from archives import decibels, made, pixels, row, write

from unclouded.bands import INDEX, L1C
from unclouded.data.archive import Archive
from unclouded.data.batch import GROUPS, PatchReader
from unclouded.data.domains import ClearLoader, Sampling, UnpairedLoader, select, to_observations
from unclouded.data.observations import Augmentation
from unclouded.data.validation_pairs import ValidationLoader, validation_pairs
from unclouded.errors import InputError


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    with Archive(made(tmp_path_factory.mktemp("data") / "archive", clear=40, cloudy=21)) as opened:
        yield opened


def shown(batches):
    return [(batch.x.ids, batch.y.ids, batch.seeds.tolist()) for batch in batches]


def ids(archive):
    return archive.table["patch_id"].to_pylist()


def test_a_batch_holds_the_archives_pixels_bit_for_bit(archive):
    rows = np.array([3, 60, 11])
    batch = PatchReader(archive).read(rows)
    for place, number in enumerate(rows):
        name = ids(archive)[number]
        assert batch.ids[place] == name
        for group, names in zip((batch.b10, batch.b20, batch.b60), GROUPS.values(), strict=True):
            for channel, band in enumerate(names):
                wanted = pixels(name).get(band, np.zeros(group.shape[-2:], np.uint16))
                assert np.array_equal(group[place, channel].numpy(), wanted)
        radar = archive.table["s1_name"][int(number)].as_py()
        assert batch.guided[place].tolist() == [float(radar is not None)] * 2
        if radar:
            assert np.array_equal(batch.radar[place, 0].numpy(), decibels(name)["VV"])
    assert batch.b10.dtype == torch.uint16
    assert batch.present.sum(1).tolist() == [12, 12, 12]
    assert batch.level.tolist() == [1, 1, 1]


def test_labels_of_43_classes_and_what_becomes_of_them_in_19(tmp_path):
    rows = [row("a", labels=["Peatbogs", "Airports"]), row("b", labels=["Sea and ocean", "Mixed forest"])]
    with Archive(write(tmp_path / "archive", rows)) as archive:
        assert PatchReader(archive, 43).labels.sum(1).tolist() == [2, 2]
        assert PatchReader(archive, 19).labels.sum(1).tolist() == [1, 2]
        with pytest.raises(InputError, match="43 or 19"):
            PatchReader(archive, 42)
    with (
        Archive(write(tmp_path / "merged", [row("a", labels=["Arable land"])])) as archive,
        pytest.raises(InputError, match=r"'Arable land' is not one of BigEarthNet's 43 .* one of the 19"),
    ):
        PatchReader(archive, 43)


def test_bands_that_some_patches_lack_are_zero_and_marked_absent(tmp_path):
    with Archive(write(tmp_path / "archive", [row("a"), row("b")], names=("B02", "B11"))) as archive:
        batch = PatchReader(archive).read(np.array([0, 1]))
    assert batch.present.sum(1).tolist() == [2, 2]
    assert batch.b60.shape == (2, 3, 1, 1)
    assert batch.b10[:, 1:].int().sum() == 0
    assert np.array_equal(batch.b20[1, 4].numpy(), pixels("b", ("B02", "B11"))["B11"])


def test_each_domain_keeps_to_its_own_and_y_varies_from_epoch_to_epoch(archive):
    loader = UnpairedLoader(archive, Sampling(batch=5))
    epochs = [list(loader), list(loader)]
    assert [len(epoch) for epoch in epochs] == [4, 4]
    assert loader.sampler.epoch == 2
    for batch in itertools.chain(*epochs):
        assert all(name.startswith("X_") for name in batch.x.ids)
        assert all(name.startswith("Y_") for name in batch.y.ids)
        assert not batch.paired.any()
    assert shown(epochs[0]) != shown(epochs[1])


@pytest.mark.parametrize("workers", [0, 2])
def test_resumed_in_mid_epoch_to_the_very_sample(archive, workers):
    sampling = Sampling(batch=3, seed=7)
    undisturbed = UnpairedLoader(archive, sampling)
    wanted = shown(itertools.chain(undisturbed, undisturbed))
    killed = UnpairedLoader(archive, sampling, workers=workers)
    for _ in zip(range(4), killed, strict=False):
        state = killed.sampler.state_dict()
    resumed = UnpairedLoader(archive, sampling, workers=workers)
    resumed.sampler.load_state_dict(state)
    assert (resumed.sampler.epoch, resumed.sampler.step) == (0, 4)
    assert shown(itertools.chain(resumed, resumed)) == wanted[4:]


@pytest.mark.parametrize("kind", [UnpairedLoader, ClearLoader])
def test_a_process_reads_its_share_alone_and_together_they_see_what_one_would(archive, kind, monkeypatch):
    def patches(batch):
        return [batch.x.ids, batch.y.ids] if kind is UnpairedLoader else [batch.patches.ids]

    read = []
    whole_read = PatchReader.read
    monkeypatch.setattr(PatchReader, "read", lambda self, rows: read.append(len(rows)) or whole_read(self, rows))
    alone = list(kind(archive, Sampling(batch=5)))
    read.clear()
    one = list(kind(archive, Sampling(batch=5), shard=lambda size: slice(0, 3)))
    assert set(read) == {3}
    two = list(kind(archive, Sampling(batch=5), shard=lambda size: slice(3, size)))
    for whole, first, second in zip(alone, one, two, strict=True):
        for wanted, *parts in zip(patches(whole), patches(first), patches(second), strict=True):
            assert wanted == parts[0] + parts[1]
        assert np.array_equal(whole.seeds, np.concatenate([first.seeds, second.seeds]))


def test_an_epoch_of_clear_patches_needs_no_cloudy_one(tmp_path):
    with Archive(made(tmp_path / "archive", clear=9, cloudy=0)) as clear_alone:
        loader = ClearLoader(clear_alone, Sampling(batch=3))
        shown = [name for batch in loader for name in batch.patches.ids]
    assert len(loader) == 3
    assert sorted(shown) == [f"Y_train_{number:03d}" for number in range(9)]


def test_matched_draws(archive):
    acquisition = dict(zip(ids(archive), archive.table["acquisition"].to_pylist(), strict=True))
    for batch in UnpairedLoader(archive, Sampling(batch=7, matched=True)):
        assert [acquisition[name] for name in batch.x.ids] == [acquisition[name] for name in batch.y.ids]


def test_a_state_of_another_sampling_is_refused(archive):
    state = UnpairedLoader(archive, Sampling(batch=5)).sampler.state_dict()
    for other in (Sampling(batch=4), Sampling(batch=5, seed=1)):
        with pytest.raises(InputError, match="the checkpoint's data has"):
            UnpairedLoader(archive, other).sampler.load_state_dict(state)


def test_an_empty_split_names_what_there_is(archive):
    with pytest.raises(InputError, match=r"no cloudy patch .* 'test'; it has 21 in X train, 40 in Y train"):
        UnpairedLoader(archive, split="test")


def test_validation_pairs_are_fixed_and_use_the_truth_where_it_is_known(tmp_path):
    with Archive(made(tmp_path / "archive", clear=9, cloudy=11, truth=4, split="validation")) as archive:
        x, y, paired = validation_pairs(archive)
        names = np.array(ids(archive))
        assert paired.sum() == 4
        assert all(names[y][paired] == [f"{name}_clear" for name in names[x][paired]])
        assert all(name.startswith("Y_") for name in names[y][~paired])
        assert names[select(archive.table, "Y", "validation")].tolist() == [f"Y_validation_{n:03d}" for n in range(9)]
        loader = ValidationLoader(archive, Sampling(batch=4))
        assert shown(loader) == shown(loader) == shown(ValidationLoader(archive, Sampling(batch=4), workers=1))
        assert [len(batch.x.ids) for batch in loader] == [4, 4, 3] and len(loader) == 3
        few = ValidationLoader(archive, Sampling(batch=4), limit=5)
        assert sum(len(batch.x.ids) for batch in few) == 5


def test_observations_of_both_domains_share_bands_and_follow_the_batchs_seed(tmp_path):
    rows = [row(f"x{n}", domain="X") for n in range(6)] + [row(f"y{n}", level="L1C") for n in range(6)]
    with Archive(write(tmp_path / "archive", rows, names=L1C)) as archive:
        batch = next(iter(UnpairedLoader(archive, Sampling(batch=6))))
    x, y = to_observations(batch, "cpu", Augmentation(drop_bands=0.9))
    again, _ = to_observations(batch, "cpu", Augmentation(drop_bands=0.9))
    assert torch.equal(x.optical, again.optical)
    assert torch.equal(x.present, y.present)
    assert x.level.tolist() == [1] * 6 and y.level.tolist() == [0] * 6
    x, _ = to_observations(batch, "cpu")
    assert x.optical[0, INDEX["B03"]].max() > 0


def test_a_pair_is_augmented_identically_and_loses_the_same_bands(tmp_path):
    with Archive(made(tmp_path / "archive", clear=1, cloudy=12, truth=12, split="validation")) as archive:
        batch = next(iter(ValidationLoader(archive, Sampling(batch=12))))
        twin = batch._replace(y=batch.x)
    x, y = to_observations(twin, "cpu", Augmentation())
    assert torch.equal(x.optical, y.optical)
    still, _ = to_observations(twin, "cpu", Augmentation(flip_rotate=False))
    assert not torch.equal(x.optical, still.optical)
    assert len(set(x.present.sum(1).tolist())) > 1


def test_patches_of_different_sizes_are_refused_by_name(tmp_path, monkeypatch):
    with Archive(write(tmp_path / "archive", [row("a"), row("b")])) as archive:
        reader = PatchReader(archive)
        whole = archive.read
        monkeypatch.setattr(
            archive, "read", lambda key: {n: t[: 12 if key == "b" else None] for n, t in whole(key).items()}
        )
        with pytest.raises(InputError, match="b: B02 is 12x24 pixels, a's are 24x24"):
            reader.read(np.array([0, 1]))


def test_an_error_in_a_worker_arrives_as_the_one_line_it_is(archive, monkeypatch):
    def refuse(self, rows):
        raise InputError("Y_1: is broken; pack it again")

    monkeypatch.setattr(PatchReader, "read", refuse)
    with pytest.raises(InputError, match=r"^Y_1: is broken; pack it again$"):
        next(iter(UnpairedLoader(archive, workers=1)))
