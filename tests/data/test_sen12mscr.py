"""SEN12MS-CR's folders as jobs and patches."""

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from unclouded.bands import L1C
from unclouded.data.sen12mscr import jobs, load
from unclouded.errors import FileError, InputError

EAST = 505810.25


def write(root, kind, patch="p100", *, dn=None, east=EAST, season="ROIs1158_spring", region=26):
    """Write one file of the data set's kind, 256 x 256, and return its pixels."""
    count, dtype = (2, "float32") if kind == "s1" else (13, "uint16")
    if dn is None:
        dn = np.random.default_rng(len(kind) + len(patch)).integers(1, 9000, (count, 256, 256)).astype(dtype)
    path = root / f"{season}_{kind}" / f"{kind}_{region}" / f"{season}_{kind}_{region}_{patch}.tif"
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "count": dn.shape[0], "height": dn.shape[1], "width": dn.shape[2], "dtype": dn.dtype}
    with rasterio.open(path, "w", **profile, crs="EPSG:32613", transform=from_origin(east, 6741445, 10, 10)) as file:
        file.write(dn)
    return dn


def test_a_pair_becomes_a_cloudy_and_a_clear_patch_with_the_radar_of_both(tmp_path):
    cloudy, clear = write(tmp_path, "s2_cloudy"), write(tmp_path, "s2")
    radar = write(tmp_path, "s1", dn=np.random.default_rng(0).normal(-12, 4, (2, 256, 256)).astype(np.float32))
    first, second = (load(job) for job in jobs(tmp_path))
    assert first.row["patch_id"] == "ROIs1158_spring_s2_26_p100"
    assert first.row["domain"] == "Y" and first.row["clear_id"] is None
    assert second.row["domain"] == "X" and second.row["clear_id"] == first.row["patch_id"]
    assert second.row["contains_cloud_or_shadow"] and not first.row["contains_cloud_or_shadow"]
    for patch, dn in ((first, clear), (second, cloudy)):
        assert patch.row["split"] == "validation" and patch.row["level"] == "L1C"
        assert patch.row["acquisition"] == "ROIs1158_spring_26"
        bands = patch.values[patch.row["patch_id"]]
        assert tuple(bands) == L1C
        assert np.array_equal(np.stack(list(bands.values())), dn)
        channels = patch.values[patch.row["s1_name"]]
        assert np.array_equal(channels["VV"], radar[0]) and np.array_equal(channels["VH"], radar[1])
        assert channels["VH"].dtype == np.float32


def test_an_image_without_its_pair_or_radar_is_kept_and_other_files_are_not(tmp_path):
    write(tmp_path, "s2_cloudy")
    write(tmp_path, "s2", "p200")
    (tmp_path / "ROIs1158_spring_s2" / "s2_26" / "notes.tif").write_bytes(b"")
    found = jobs(tmp_path, split="train")
    assert [job.patch_id for job in found] == ["ROIs1158_spring_s2_26_p200", "ROIs1158_spring_s2_cloudy_26_p100"]
    assert [job.row["clear_id"] for job in found] == [None, None]
    assert {job.row["split"] for job in found} == {"train"}
    assert list(load(found[0]).values) == [found[0].patch_id]


def test_files_that_are_not_the_data_sets_are_refused_by_name(tmp_path):
    write(tmp_path, "s2", dn=np.ones((12, 256, 256), np.uint16))
    with pytest.raises(InputError, match=r"p100.tif: holds 12 bands .* hold 13 bands of 256 x 256 uint16"):
        load(jobs(tmp_path)[0])
    write(tmp_path, "s2")
    write(tmp_path, "s1", dn=np.zeros((2, 256, 256), np.float32), east=EAST + 2560)
    with pytest.raises(InputError, match=r"s1_26_p100\.tif: is not on the grid of"):
        load(jobs(tmp_path)[0])
    path = tmp_path / "ROIs1158_spring_s2" / "s2_26" / "ROIs1158_spring_s2_26_p100.tif"
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(FileError, match="cut short"):
        load(jobs(tmp_path)[0])


def test_a_folder_without_the_data_set_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no file like ROIs1158"):
        jobs(tmp_path)
    with pytest.raises(FileError, match="no such folder"):
        jobs(tmp_path / "absent")
    with pytest.raises(InputError, match="no such split"):
        jobs(tmp_path, split="val")


def test_the_real_pairs(shared_data):
    found = jobs(shared_data / "sen12mscr")
    assert len(found) == 42
    assert sum(job.row["domain"] == "X" for job in found) == 21
    names = {job.patch_id for job in found}
    assert all(job.row["clear_id"] in names for job in found if job.row["domain"] == "X")
    patch = load(found[-1])
    assert patch.values[found[-1].patch_id]["B8A"].shape == (256, 256)
