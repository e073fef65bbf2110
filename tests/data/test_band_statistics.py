"""Mean and standard deviation of every band."""

import numpy as np
import pytest
from archives import made, pixels

from unclouded.data.archive import Archive
from unclouded.data.band_statistics import BandStatistics, band_statistics


@pytest.mark.parametrize("sizes", [[5], [1, 1], [0, 3, 0, 40], [30, 1, 7]])
@pytest.mark.parametrize("offset", [0.0, -3.5, 1e7])
def test_parts_together_are_the_whole(sizes, offset):
    rng = np.random.default_rng(0)
    parts = [rng.normal(offset, 1.0, size) for size in sizes]
    moments = BandStatistics()
    for part in parts:
        moments.add(part)
    whole = np.concatenate(parts)
    assert moments.count == whole.size
    assert moments.mean == pytest.approx(whole.mean(), rel=1e-12)
    assert moments.std == pytest.approx(whole.std(), rel=1e-6, abs=1e-9)


def test_statistics_of_an_archive_leave_no_data_out(tmp_path):
    path = made(tmp_path / "archive", clear=3)
    with Archive(path) as archive:
        found = band_statistics(archive, np.array([0, 2]))
        ids = archive.table["patch_id"].to_pylist()
    for name in ("B02", "B11", "B09"):
        values = np.concatenate([pixels(ids[row])[name].ravel() for row in (0, 2)])
        assert (values == 0).any() == (name == "B02")
        assert found[name].mean == pytest.approx(values[values > 0].mean())
        assert found[name].std == pytest.approx(values[values > 0].std())
    assert found["VV"].mean < 0
    assert "B10" not in found
