"""Roofs: some clear images get some, all others stay as they are."""

import torch

from unclouded.bands import INDEX
from unclouded.data.roofs import put_roofs


def test_some_images_get_bright_roofs_and_the_others_stay() -> None:
    ground = torch.full((40, 13, 96, 96), 0.06)
    path = torch.zeros(40, 13)
    built = put_roofs(ground, path, torch.Generator().manual_seed(0))
    assert torch.equal(ground, torch.full_like(ground, 0.06))
    changed = (built != ground).flatten(1).any(1)
    assert 4 <= int(changed.sum()) <= 18
    brighter = (built - ground)[changed][:, INDEX["B04"]]
    assert float(brighter.max()) > 0.2
    assert 0.002 < float((brighter > 0.05).float().mean()) < 0.5
    # Cirrus shines in B10, roofs do not.
    assert float(built[:, INDEX["B10"]].max()) <= 0.06


def test_roofs_are_seen_through_the_air() -> None:
    ground, path = torch.full((40, 13, 64, 64), 0.06), torch.full((40, 13), 0.05)
    without, with_air = (put_roofs(ground, air, torch.Generator().manual_seed(0)) for air in (0 * path, path))
    covered = (without != ground).all(1)
    gained = (with_air - without).amax(1)[covered]
    torch.testing.assert_close(gained.max(), torch.tensor(0.05))
