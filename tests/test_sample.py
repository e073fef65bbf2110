"""The bundled sample is what its README says."""

import pytest

from unclouded import bands
from unclouded.clearing.plan import bundled_patches
from unclouded.reading.reader import open_scene


@pytest.mark.parametrize("patch", bundled_patches(), ids=lambda patch: patch.name[-5:])
def test_sample_is_a_georeferenced_l2a_patch_with_cloud(patch) -> None:
    with open_scene(patch) as scene:
        info = scene.info
        blue = scene.read(0, 0, 120, 120)[info.bands.index("B02")]
    assert set(info.bands) == set(bands.L2A)
    assert info.level == "L2A"
    assert (info.height, info.width) == (120, 120)
    assert info.crs.to_epsg() == 32633
    assert info.transform.a == -info.transform.e == 10
    assert 300_000 < info.transform.c < 409_800
    assert (blue > 3000).mean() > 0.01
    assert (blue < 1000).mean() > 0.3


def test_there_is_a_sample() -> None:
    assert len(bundled_patches()) == 2
