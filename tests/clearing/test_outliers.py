"""Pixels that no mask covers and other dates do not predict."""

import numpy as np

from unclouded.clearing.context.outliers import outliers
from unclouded.references.statistics import Layout, Reference, block_statistics, merge
from unclouded.references.transfer import fit
from unclouded.tiles import Box

BANDS = ("B02", "B03", "B04", "B08")
SIDE = 120


def scene_and_reference():
    rng = np.random.default_rng(3)
    kinds = rng.uniform(0.05, 0.35, (9, 4))
    plots = rng.integers(0, 9, (SIDE // 10, SIDE // 10)).repeat(10, 0).repeat(10, 1)
    land = kinds[plots].transpose(2, 0, 1) + rng.normal(0, 0.004, (4, SIDE, SIDE))
    return land.astype(np.float32), (0.7 * land + 0.02).astype(np.float32)


def test_cloud_is_an_outlier_with_its_rim_and_ground_that_was_suspected_is_none():
    scene, reference = scene_and_reference()
    row, column = np.indices((SIDE, SIDE))
    distance = np.hypot(row - 60, column - 60)
    cloud, suspected = distance < 20, distance < 30
    scene[:, cloud] += 0.2
    everywhere = np.ones((SIDE, SIDE), np.bool_)
    layout = Layout(SIDE, SIDE, BANDS, (Reference("date", BANDS, -5),))
    clear = [everywhere]
    statistics = merge(layout, [block_statistics(layout, 0, 0, scene, ~suspected, [reference], clear)])
    shown = [(reference, everywhere)]
    found = outliers(fit(statistics, [0]), Box(0, 0, SIDE, SIDE), scene, shown, suspected)
    assert found[cloud].all()
    assert found[suspected & (distance < 20.5)].all()  # its rim
    assert found[suspected & (distance > 22)].mean() < 0.1
    assert not found[~suspected].any()


def test_what_no_other_date_shows_stays_suspected():
    scene, reference = scene_and_reference()
    suspected = np.zeros((SIDE, SIDE), np.bool_)
    suspected[40:80, 40:80] = True
    layout = Layout(SIDE, SIDE, BANDS, (Reference("date", BANDS, -5),))
    statistics = merge(layout, [block_statistics(layout, 0, 0, scene, ~suspected, [reference], [~suspected])])
    found = outliers(fit(statistics, [0]), Box(0, 0, SIDE, SIDE), scene, [(reference, ~suspected)], suspected)
    np.testing.assert_array_equal(found, suspected)
