"""Which patches meet in which batch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unclouded.data.samplers import ClearPool, UnpairedSampler, class_balanced
from unclouded.errors import InputError

ROWS = np.arange(100, 137)
PLACES = np.arange(37) % 5


def sampler(batch=4, *, seed=3, matched=False, rank=0, world_size=1, clear=200):
    pool = ClearPool(np.arange(1000, 1000 + clear), np.arange(clear) % 4, np.ones(clear))
    return UnpairedSampler(ROWS, PLACES, pool, batch, seed=seed, matched=matched, rank=rank, world_size=world_size)


def shown(draws):
    return [(draw.x.tolist(), draw.y.tolist(), draw.seed) for draw in draws]


def test_an_epoch_shows_each_cloudy_patch_at_most_once_and_all_but_a_step_of_them():
    rows = np.concatenate([draw.x for draw in sampler()])
    assert len(rows) == 36 == len(set(rows))
    assert set(rows) <= set(ROWS)


def test_epochs_differ_and_seeds_differ():
    first = sampler()
    second = sampler()
    second.epoch = 1
    assert shown(first) != shown(second)
    assert shown(first) != shown(sampler(seed=4))
    assert shown(first) == shown(sampler())


@given(st.integers(0, 40))
def test_resumed_at_any_step_the_rest_is_what_it_would_have_been(steps):
    undisturbed, killed, resumed = sampler(), sampler(), sampler()
    wanted = []
    for _ in range(8):
        for draw in undisturbed:
            wanted.append(draw)
            undisturbed.advance()
    for _ in range(steps):
        killed.advance()
    resumed.load_state_dict(killed.state_dict())
    assert shown(resumed) == shown(wanted)[steps : steps - steps % 9 + 9]


def test_processes_share_out_what_one_alone_would_see():
    alone = list(sampler(8))
    parts = [list(sampler(2, rank=rank, world_size=4)) for rank in range(4)]
    for step, draw in enumerate(alone):
        assert np.array_equal(draw.x, np.concatenate([part[step].x for part in parts]))
        assert np.array_equal(draw.y, np.concatenate([part[step].y for part in parts]))
    assert len({part[0].seed for part in parts}) == 4


def test_a_checkpoint_of_other_data_is_refused():
    state = sampler().state_dict()
    with pytest.raises(InputError, match="clear 200, this run's 150"):
        sampler(clear=150).load_state_dict(state)
    with pytest.raises(InputError, match="seed"):
        sampler(seed=9).load_state_dict(state)


def test_matched_clear_patches_are_of_the_same_acquisition_where_it_has_any():
    for draw in sampler(matched=True):
        for x, y in zip(draw.x, draw.y, strict=True):
            acquisition = PLACES[x - 100]
            if acquisition < 4:
                assert (y - 1000) % 4 == acquisition


def test_fewer_patches_than_a_batch_are_shown_again():
    draws = list(sampler(50))
    assert len(draws) == 1
    assert set(draws[0].x) == set(ROWS)


@given(st.lists(st.floats(0, 3), min_size=1, max_size=20).filter(any), st.integers(0, 99))
def test_every_draw_has_a_chance_and_lies_in_its_acquisition(chances, seed):
    chances = np.array(chances)
    codes = np.random.default_rng(seed).integers(0, 3, len(chances))
    pool = ClearPool(np.arange(len(chances)), codes, chances)
    uniform = np.append(np.random.default_rng(seed).random(50), [0, np.nextafter(1, 0)])
    assert (chances[pool.draw(uniform)] > 0).all()
    for code in range(3):
        drawn = pool.draw(uniform, np.full(len(uniform), code))
        if chances[codes == code].sum() > 1e-9:
            assert (codes[drawn] == code).all()


def test_draws_follow_the_chances():
    pool = ClearPool(np.arange(3), np.zeros(3, int), np.array([1.0, 0.0, 3.0]))
    drawn = pool.draw((np.arange(1000) + 0.5) / 1000)
    assert np.bincount(drawn, minlength=3).tolist() == [250, 0, 750]


def test_class_balanced_chances_give_every_class_the_same_weight():
    labels = np.zeros((100, 3), bool)
    labels[:, 0] = True
    labels[:5, 1] = True
    chances = class_balanced(labels)
    assert chances[labels[:, 1]].sum() == pytest.approx(1 + 5 / 100)
    assert chances.sum() == pytest.approx(2)
    with pytest.raises(InputError, match="labels"):
        class_balanced(np.zeros((4, 3), bool))


def test_an_empty_domain_is_refused():
    empty = ClearPool(np.arange(0), np.arange(0), np.ones(0))
    with pytest.raises(InputError, match="0 clear"):
        UnpairedSampler(ROWS, PLACES, empty, 4, seed=0)
