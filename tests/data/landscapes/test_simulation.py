"""A simulated archive: planned from its seed, with the truth of its clouds, and no truth among the training images."""

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from unclouded.bands import BANDS, INDEX, L1C, L2A
from unclouded.data.archive import Archive
from unclouded.data.labels import LABELS_43
from unclouded.data.landscapes.simulation import jobs, load, simulate_archive
from unclouded.errors import InputError


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    output = tmp_path_factory.mktemp("simulated") / "archive"
    simulate_archive(output, 12, 4, cloudy=0.25, workers=1)
    return Archive(output)


def test_rows_and_values(archive: Archive) -> None:
    rows = archive.table.to_pylist()
    assert Counter(row["domain"] for row in rows) == {"Y": 9, "X": 3, "": 3}
    for row in rows:
        assert set(row["labels"]) <= set(LABELS_43)
        assert row["labels"]
        assert row["acquisition"].startswith("SIM_MSIL2A_")
        patch, radar = archive.read(row["patch_id"]), archive.read(row["s1_name"])
        for name in L2A:
            side = 1200 // BANDS[INDEX[name]].resolution
            assert patch[name].shape == (side, side)
            assert patch[name].dtype == np.uint16
            assert patch[name].min() > 0
        assert "B10" not in patch
        assert {name: (values.shape, values.dtype) for name, values in radar.items()} == {
            name: ((120, 120), np.float32) for name in ("VV", "VH")
        }


def test_the_truth_explains_the_cloudy_image(archive: Archive) -> None:
    rows = {row["patch_id"]: row for row in archive.table.to_pylist()}
    cloudy = [row for row in rows.values() if row["domain"] == "X"]
    assert len(cloudy) == 3
    for row in cloudy:
        twin = rows[row["clear_id"]]
        assert twin["domain"] == ""
        assert (twin["split"], twin["acquisition"]) == (row["split"], row["acquisition"])
        assert not twin["contains_cloud_or_shadow"]
        image, clear = archive.read(row["patch_id"]), archive.read(row["clear_id"])
        hidden = np.maximum(image["opacity"], image["shadow"])
        assert hidden.max() > 25
        for name in ("B02", "B08"):
            assert np.abs(image[name].astype(int) - clear[name])[hidden > 60].mean() > 100


def test_far_from_clouds_a_cloudy_image_is_its_clear_twin() -> None:
    planned = {job.patch_id: job for job in jobs(40, 4, cloudy=1.0)}
    cloudy = [job for job in planned.values() if job.row["domain"] == "X"][12]  # much of which is clear
    twin = planned[cloudy.row["clear_id"]]
    image, clear = (load(job).values[job.patch_id] for job in (cloudy, twin))
    hidden = np.maximum(image["opacity"], image["shadow"])
    # Bands see a cloud up to fifteen pixels apart.
    near = np.lib.stride_tricks.sliding_window_view(np.pad(hidden, 20, mode="edge"), (41, 41)).max((2, 3))
    assert (hidden > 60).sum() > 1000 < (near == 0).sum()
    for name in ("B02", "B08"):
        assert np.abs(image[name].astype(int) - clear[name])[near == 0].max() <= 20


def test_nothing_depends_on_the_number_of_processes(archive: Archive, tmp_path: Path) -> None:
    simulate_archive(tmp_path / "again", 12, 4, cloudy=0.25, workers=2)
    for name in ("data.mdb", "metadata.parquet"):
        assert (tmp_path / "again" / name).read_bytes() == (archive.path / name).read_bytes()


def test_level_1c_has_thirteen_bands_and_is_bluer() -> None:
    surface, top = (jobs(3, 2, level=level, cloudy=0.0)[0] for level in ("L2A", "L1C"))
    below, above = load(surface).values[surface.patch_id], load(top).values[top.patch_id]
    assert set(below) == set(L2A)
    assert set(above) == set(L1C)
    assert above["B10"].shape == (20, 20)
    assert above["B02"].mean() > below["B02"].mean() + 300


def test_plan_of_an_archive() -> None:
    planned = jobs(4000, 1)
    rows = [job.row for job in planned]
    assert len({row["patch_id"] for row in rows}) == len(rows) == 4400
    domain = Counter(row["domain"] for row in rows)
    assert domain == {"Y": 3600, "X": 400, "": 400}
    # Finland has 39.5 per cent of BigEarthNet's patches.
    assert 0.2 < Counter(row["country"] for row in rows)["Finland"] / len(rows) < 0.6
    splits = defaultdict(set)
    for row in rows:
        if row["domain"] == "X":
            splits[row["acquisition"]].add(row["split"])
    assert all(len(there) == 1 for there in splits.values())
    cloudy = Counter(row["split"] for row in rows if row["domain"] == "X")
    assert cloudy["train"] > cloudy["validation"] > 0
    assert cloudy["test"] > 0
    assert len(splits) < len({row["acquisition"] for row in rows})


def test_other_arguments_do_not_resume_an_interrupted_run(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(stage: str, done: int, total: int) -> None:
        raise Stop

    with pytest.raises(Stop):
        simulate_archive(tmp_path / "archive", 3, 1, cloudy=0.0, workers=1, progress=stop)
    with pytest.raises(InputError, match="interrupted"):
        simulate_archive(tmp_path / "archive", 3, 2, cloudy=0.0, workers=1)
    assert not (tmp_path / "archive").exists()
