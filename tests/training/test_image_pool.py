"""The pool of made images: what belongs together stays together, and a copy of its state goes on alike."""

import copy

import torch

from unclouded.training.image_pool import ImagePool


def batches(count: int):
    """Batches of two images whose level tells them apart."""
    for number in range(count):
        level = torch.tensor([2.0 * number, 2.0 * number + 1])
        yield level[:, None, None, None].expand(2, 3, 8, 8), level


def test_old_images_come_back_with_their_metadata() -> None:
    pool = ImagePool(4, torch.Generator().manual_seed(0))
    seen, returned_old = set(), False
    for image, level in batches(30):
        given, known = pool.exchange(image, level)
        assert torch.equal(given[:, 0, 0, 0], known)
        returned_old |= bool((known < level.min()).any())
        seen |= set(level.tolist())
        assert set(known.tolist()) <= seen
    assert returned_old


def test_a_pool_of_nothing_gives_back_what_it_gets() -> None:
    pool = ImagePool(0, torch.Generator().manual_seed(0))
    for image, level in batches(5):
        assert torch.equal(pool.exchange(image, level)[1], level)


def test_resumes_from_its_state() -> None:
    rng = torch.Generator().manual_seed(0)
    pool = ImagePool(3, rng)
    rest = list(batches(20))
    for image, level in rest[:10]:
        pool.exchange(image, level)
    state, position = copy.deepcopy(pool.state_dict()), rng.get_state()
    undisturbed = [pool.exchange(*batch)[1] for batch in rest[10:]]
    again = ImagePool(3, torch.Generator().set_state(position))
    again.load_state_dict(state)
    for batch, expected in zip(rest[10:], undisturbed, strict=True):
        assert torch.equal(again.exchange(*batch)[1], expected)


def test_images_of_another_size_start_anew() -> None:
    pool = ImagePool(2, torch.Generator().manual_seed(0))
    for side in (8, 16, 8):
        for _ in range(4):
            assert pool.exchange(torch.zeros(2, 3, side, side))[0].shape[-1] == side
