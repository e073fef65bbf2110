"""Which patches meet in which batch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unclouded.data.samplers import ClearPool, EpochSampler, UnpairedSampler
from unclouded.errors import InputError

ROWS = np.arange(100, 137)
PLACES = np.arange(37) % 5


def sampler(batch=4, *, seed=3, matched=False, clear=200):
    pool = ClearPool(np.arange(1000, 1000 + clear), np.arange(clear) % 4)
    return UnpairedSampler(ROWS, PLACES, pool, batch, seed=seed, matched=matched)


def shown(draws):
    return [(draw.x.tolist(), draw.y.tolist(), draw.seeds.tolist()) for draw in draws]


def test_an_epoch_shows_each_cloudy_patch_at_most_once_and_all_but_a_step_of_them():
    rows = np.concatenate([draw.x for draw in sampler().pairs()])
    assert len(rows) == 36 == len(set(rows))
    assert set(rows) <= set(ROWS)


def test_epochs_differ_and_seeds_differ():
    first = sampler()
    second = sampler()
    second.epoch = 1
    assert shown(first.pairs()) != shown(second.pairs())
    assert shown(first.pairs()) != shown(sampler(seed=4).pairs())
    assert shown(first.pairs()) == shown(sampler().pairs())


@given(st.integers(0, 40))
def test_resumed_at_any_step_the_rest_is_what_it_would_have_been(steps):
    undisturbed, killed, resumed = sampler(), sampler(), sampler()
    wanted = []
    for _ in range(8):
        for draw in undisturbed.pairs():
            wanted.append(draw)
            undisturbed.advance()
    for _ in range(steps):
        killed.advance()
    resumed.load_state_dict(killed.state_dict())
    assert shown(resumed.pairs()) == shown(wanted)[steps : steps - steps % 9 + 9]


def test_every_patch_of_a_batch_has_a_seed_of_its_own_and_a_part_keeps_it():
    for draw in sampler(8).pairs():
        assert len(set(draw.seeds.tolist())) == 8
        part = draw.take(slice(2, 5))
        assert part.x.tolist() == draw.x.tolist()[2:5]
        assert part.seeds.tolist() == draw.seeds.tolist()[2:5]


def test_both_domains_or_one_follow_the_same_order():
    one, both = EpochSampler(ROWS, 4, seed=3), sampler()
    assert [draw.rows.tolist() for draw in one] == [draw.x.tolist() for draw in both.pairs()]


def test_a_checkpoint_of_other_data_is_refused():
    state = sampler().state_dict()
    with pytest.raises(InputError, match="clear 200, this run's 150"):
        sampler(clear=150).load_state_dict(state)
    with pytest.raises(InputError, match="seed"):
        sampler(seed=9).load_state_dict(state)


def test_matched_clear_patches_are_of_the_same_acquisition_where_it_has_any():
    pairs = [(x, y) for draw in sampler(matched=True).pairs() for x, y in zip(draw.x, draw.y, strict=True)]
    known = [(PLACES[x - 100], (y - 1000) % 4) for x, y in pairs if PLACES[x - 100] < 4]
    assert 0 < len(known) < len(pairs)
    assert not [(wanted, drawn) for wanted, drawn in known if wanted != drawn]


def test_fewer_patches_than_a_batch_are_shown_again():
    draws = list(sampler(50).pairs())
    assert len(draws) == 1
    assert set(draws[0].x) == set(ROWS)


@given(st.integers(1, 20), st.integers(0, 99))
def test_every_draw_lies_in_its_acquisition(count, seed):
    codes = np.random.default_rng(seed).integers(0, 3, count)
    pool = ClearPool(np.arange(count), codes)
    uniform = np.append(np.random.default_rng(seed).random(50), [0, np.nextafter(1, 0)])
    assert set(pool.draw(uniform)) <= set(range(count))
    for code in set(codes.tolist()):
        assert (codes[pool.draw(uniform, np.full(len(uniform), code))] == code).all()


def test_all_are_drawn_as_often():
    pool = ClearPool(np.arange(4), np.zeros(4, int))
    drawn = pool.draw((np.arange(1000) + 0.5) / 1000)
    assert np.bincount(drawn, minlength=4).tolist() == [250] * 4


def test_an_empty_domain_is_refused():
    empty = ClearPool(np.arange(0), np.arange(0))
    with pytest.raises(InputError, match="0 clear"):
        UnpairedSampler(ROWS, PLACES, empty, 4, seed=0)
