"""CollectionSource: consistent with their truth, and the same again from the same state of the randomness."""

from pathlib import Path

import pytest
import torch

from unclouded.bands import INDEX
from unclouded.data.collection import load_collection
from unclouded.errors import FileError, SettingsError
from unclouded.training import collection_source
from unclouded.training.collection_source import CollectionSource


@pytest.fixture(scope="module")
def batches(made_up: Path) -> CollectionSource:
    return CollectionSource(load_collection(made_up, made_up / "listing.yaml"), torch.Generator().manual_seed(0))


def test_what_is_absent_is_zero(batches: CollectionSource) -> None:
    for _ in range(6):
        x, truth, cloud_shadow_fraction = batches.simulated(4)
        assert x.optical.shape == truth.shape == (4, 13, collection_source.SIDE, collection_source.SIDE)
        absent = (x.present == 0)[:, :, None, None].expand_as(truth)
        assert (x.optical[absent] == 0).all()
        assert (truth[absent] == 0).all()
        assert (x.optical[(x.valid == 0).expand_as(truth)] == 0).all()
        assert (x.present.sum(1) > 0).all()
        assert (x.present[x.level == 1][:, INDEX["B10"]] == 0).all()
        assert ((cloud_shadow_fraction >= 0) & (cloud_shadow_fraction <= 1)).all()


def test_same_state_same_batch(batches: CollectionSource) -> None:
    state = batches.rng.get_state()
    first = batches.simulated(2)
    batches.rng.set_state(state)
    assert torch.equal(batches.simulated(2).observation.optical, first.observation.optical)


def test_unpaired_images_share_bands(batches: CollectionSource) -> None:
    x, y = batches.unpaired(4)
    assert torch.equal(x.present, y.present)
    assert torch.equal(x.level, y.level)
    absent = (x.present == 0)[:, :, None, None].expand_as(y.optical)
    assert (y.optical[absent] == 0).all()
    assert float(x.optical.max()) > 0.6 > float(y.optical.max())


def test_collection_errors(made_up: Path, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="not found"):
        load_collection(tmp_path, made_up / "listing.yaml")
    other = tmp_path / "other.yaml"
    other.write_text("somewhere.npz: {clear: [0]}\n")
    with pytest.raises(SettingsError, match="unknown source"):
        load_collection(made_up, other)


def test_the_real_collection_keeps_validation_places_out(shared_data: Path) -> None:
    import yaml

    settings = Path(__file__).resolve().parents[2] / "settings"
    collection = load_collection(shared_data, settings / "collection.yaml")
    held_out = yaml.safe_load((settings / "places.yaml").read_text())["validation"]
    places = {patch.place for patch in collection.clear + collection.cloudy + collection.overcast}
    forbidden = {f"roi{roi}" for roi in held_out["sen12mscr"]} | {f"triplet_{name}" for name in held_out["triplets"]}
    assert len(forbidden) >= 10
    assert not places & forbidden
    assert len(collection.clear) > 100
