"""The step between the values of reflectance, which tells by what DN were divided."""

from __future__ import annotations

import numpy as np
import pytest
from rasters import pixels, write

from unclouded.errors import InputError
from unclouded.reading.products.array import ArrayScene
from unclouded.reading.reader import open_scene

FOUR = ["B02", "B03", "B04", "B08"]


@pytest.mark.parametrize(
    ("divisor", "scale"), [(3000.0, "3.33333"), (6810.0, "1.46843"), (65535.0, "0.15259"), (255.0, "39.2157")]
)
@pytest.mark.parametrize("array", [False, True])
def test_reflectance_whose_step_is_not_that_of_dn_is_refused_and_its_scale_named(tmp_path, divisor, scale, array):
    dn = pixels(4, low=6000 if divisor == 65535 else 20).astype("float32")
    values = np.rint(dn / 3220 * 255).clip(1) / np.float32(255) if divisor == 255 else dn / np.float32(divisor)

    def opened(**options):
        if array:
            return ArrayScene(values, FOUR, "L2A", **options).info
        with open_scene(write(tmp_path / "a.tif", values, names=FOUR), level="L2A", **options) as scene:
            return scene.info

    with pytest.raises(
        InputError, match=rf"divided by {divisor:.0f}\b.*--scale {scale}\d* if they were, or --scale 1 "
    ):
        opened()
    assert opened(scale=1.0).encoding.scale == 1
    assert opened(scale=float(scale)).encoding.scale == float(scale)


@pytest.mark.parametrize(
    "made",
    [
        lambda dn: dn / 10000,
        lambda dn: dn * np.float32(1e-4),
        lambda dn: (dn - 1000) / 10000,
        lambda dn: (dn + np.roll(dn, 1, axis=2)) / 20000,
        lambda dn: (dn / 10000).astype("float16"),
        lambda dn: np.round(dn / 10000, 3),
        lambda dn: np.rint(dn * 6.5535) / 65535,
        lambda dn: dn * 0.9778 / 10000 + 0.0041,
    ],
)
def test_reflectance_of_the_usual_step_its_parts_and_others_near_it_is_taken_as_it_is(made):
    values = made(pixels(4, low=1020).astype("float32")).astype("float32")
    assert ArrayScene(values, FOUR, "L2A", offset=0).info.encoding.scale == 1
