"""CollectionSource: consistent with their truth, and the same again from the same state of the randomness."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from unclouded.bands import INDEX, L2A
from unclouded.data.collection import Collection, load_collection
from unclouded.data.patch import Patch
from unclouded.errors import FileError, SettingsError
from unclouded.training import collection_source
from unclouded.training.collection_source import SIDE, CollectionSource, recolour


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
    settings = Path(__file__).resolve().parents[2] / "settings"
    collection = load_collection(shared_data, settings / "collection.yaml")
    held_out = yaml.safe_load((settings / "places.yaml").read_text())["validation"]
    places = {patch.place for patch in collection.clear + collection.cloudy + collection.overcast}
    forbidden = {f"roi{roi}" for roi in held_out["sen12mscr"]} | {f"triplet_{name}" for name in held_out["triplets"]}
    assert len(forbidden) >= 10
    forbidden |= {"worldcereal"}
    assert not places & forbidden
    assert len(collection.clear) > 300
    chosen_by = load_collection(shared_data, settings / "collection.yaml", held_out=True)
    apart = {patch.place for patch in chosen_by.clear + chosen_by.cloudy}
    assert not places & apart
    of_archives = {
        place
        for source, listed in yaml.safe_load((settings / "collection.yaml").read_text()).items()
        if source.startswith("places/")
        for place in listed["places"]
    }
    assert apart < of_archives
    assert 0.12 < len(apart) / len(of_archives) < 0.2


def test_places_are_held_out_whole(made_up: Path, tmp_path: Path) -> None:
    listing = yaml.safe_load((made_up / "listing.yaml").read_text())
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(listing | {"held_out": ["roi146"]}))
    assert not load_collection(made_up, tmp_path / "a.yaml").clear
    assert len(load_collection(made_up, tmp_path / "a.yaml", held_out=True).clear) == 4
    (tmp_path / "b.yaml").write_text(yaml.safe_dump(listing | {"held_out": ["roi147"]}))
    with pytest.raises(SettingsError, match="roi147"):
        load_collection(made_up, tmp_path / "b.yaml")


def _patch(place: str, side: int, value: float) -> Patch:
    return Patch(f"{place}{side}", place, "L2A", np.full((13, side, side), value, np.float32), L2A)


def _brightness_of_clear(source: CollectionSource, count: int) -> list[float]:
    return [float(source.unpaired(1)[1].optical.max()) for _ in range(count)]


def test_no_place_rules_by_its_many_images() -> None:
    """A hundred dates of one place, one of another: in proportion ten to one, not a hundred."""
    many, one = [_patch("many", SIDE, 0.1)] * 100, [_patch("one", SIDE, 0.3)]
    source = CollectionSource(Collection(many + one, many[:1], [], []), torch.Generator().manual_seed(0))
    assert 12 <= sum(brightness > 0.2 for brightness in _brightness_of_clear(source, 300)) <= 50


def test_small_images_lend_their_spectrum_and_not_their_texture() -> None:
    bare = _patch("bare", 16, 0.4)
    field = _patch("field", SIDE, 0.1)
    source = CollectionSource(Collection([field, bare], [field], [], []), torch.Generator())
    assert max(_brightness_of_clear(source, 20)) < 0.2
    recoloured = recolour(_patch("field", SIDE, 0.2), bare, torch.Generator())
    present = [INDEX[name] for name in L2A]
    np.testing.assert_allclose(recoloured.optical[present], 0.4, rtol=1e-4)
    assert not recoloured.optical[INDEX["B10"]].any()
