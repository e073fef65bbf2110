"""Folders of cloudy and clear GeoTIFFs as jobs and patches."""

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from unclouded.data.folders import jobs, load
from unclouded.errors import FileError, InputError
from unclouded.reading.reader import ReadOptions

NAMES = ("B02", "B03", "B04", "B08")
L2A = ReadOptions(level="L2A")


def write(path, dn, *, names=NAMES, east=600_000, **options):
    """Write a GeoTIFF with named bands and return its pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "count": dn.shape[0], "height": dn.shape[1], "width": dn.shape[2], "dtype": dn.dtype}
    place = {"crs": "EPSG:32632", "transform": from_origin(east, 5_400_000, 10, 10)}
    with rasterio.open(path, "w", **(profile | place | options)) as file:
        file.write(dn)
        file.descriptions = names
    return dn


def dn(height=64, width=80, count=4, seed=0):
    return np.random.default_rng(seed).integers(200, 4000, (count, height, width)).astype(np.uint16)


def test_images_are_cut_into_patches_bit_for_bit(tmp_path):
    whole = write(tmp_path / "cloudy" / "a.tif", dn())
    write(tmp_path / "clear" / "b.tif", dn(seed=1))
    found = {job.patch_id: job for job in jobs(tmp_path, size=32, reading=L2A)}
    places = ("0_0", "0_32", "32_0", "32_32")
    assert sorted(found) == [f"{image}_{place}" for image in ("clear_b", "cloudy_a") for place in places]
    patch = load(found["cloudy_a_32_0"])
    assert list(patch.values) == ["cloudy_a_32_0"]
    assert np.array_equal(np.stack(list(patch.values["cloudy_a_32_0"].values())), whole[:, 32:64, :32])
    assert tuple(patch.values["cloudy_a_32_0"]) == NAMES
    assert (patch.row["domain"], patch.row["acquisition"], patch.row["level"]) == ("X", "a", "L2A")
    assert patch.row["clear_id"] is None and patch.row["s1_name"] is None
    assert load(found["clear_b_0_0"]).row["domain"] == "Y"


def test_patches_without_data_are_left_out(tmp_path):
    whole = dn()
    whole[:, :32, :40] = 0
    write(tmp_path / "clear" / "a.tif", whole)
    found = [job.patch_id for job in jobs(tmp_path, size=32, reading=L2A)]
    assert found == ["clear_a_0_32", "clear_a_32_0", "clear_a_32_32"]


def test_an_image_in_both_folders_on_one_grid_is_a_pair(tmp_path):
    for folder, east in (("cloudy", 600_000), ("clear", 600_000)):
        write(tmp_path / folder / "same.tif", dn(32, 32), east=east)
    write(tmp_path / "cloudy" / "moved.tif", dn(32, 32))
    write(tmp_path / "clear" / "moved.tif", dn(32, 32), east=700_000)
    found = {job.patch_id: job.row["clear_id"] for job in jobs(tmp_path, size=32, reading=L2A)}
    assert found["cloudy_same_0_0"] == "clear_same_0_0"
    assert found["cloudy_moved_0_0"] is None


def test_offsets_scales_and_no_data_are_brought_to_one_encoding(tmp_path):
    old = dn(32, 32)
    new = old + np.uint16(1000)
    new[:, :4, :4] = 0
    write(tmp_path / "old" / "clear" / "a.tif", new)
    reflectance = old.astype(np.float32) / 10_000
    reflectance[:, :4, :4] = np.nan
    write(tmp_path / "float" / "clear" / "a.tif", reflectance, nodata=np.nan)
    wanted = old.copy()
    wanted[:, :4, :4] = 0
    for folder, known in (("old", {"offset": -1000.0}), ("float", {"scale": 1.0})):
        (job,) = jobs(tmp_path / folder, size=32, reading=ReadOptions(level="L2A", **known))
        bands = np.stack(list(load(job).values[job.patch_id].values()))
        assert bands.dtype == np.uint16
        assert np.array_equal(bands, wanted)


def test_radar_comes_with_its_image_where_it_covers_it(tmp_path):
    write(tmp_path / "cloudy" / "a.tif", dn(32, 64))
    radar = np.random.default_rng(0).normal(-14, 2, (2, 32, 32)).astype(np.float32)
    write(tmp_path / "radar" / "a.tif", radar, names=("VV", "VH"))
    left, right = (load(job) for job in jobs(tmp_path, size=32, reading=L2A))
    assert left.row["s1_name"] == "cloudy_a_0_0_radar"
    assert np.array_equal(left.values["cloudy_a_0_0_radar"]["VH"], radar[1])
    assert right.row["s1_name"] is None and len(right.values) == 1


def test_splits_are_by_image_and_the_same_for_both_of_a_pair(tmp_path):
    for number in range(7):
        for folder in ("cloudy", "clear"):
            write(tmp_path / folder / f"i{number}.tif", dn(32, 64))
    found = jobs(tmp_path, size=32, reading=L2A)
    splits = {job.row["acquisition"]: set() for job in found}
    for job in found:
        splits[job.row["acquisition"]].add(job.row["split"])
    assert sorted(split for (split,) in splits.values()) == ["test"] + ["train"] * 5 + ["validation"]
    assert {job.row["split"] for job in jobs(tmp_path, size=32, reading=L2A, split="test")} == {"test"}


def test_assumptions_are_reported_and_the_level_is_never_guessed(tmp_path):
    write(tmp_path / "clear" / "a.tif", dn(32, 32))
    notes = []
    jobs(tmp_path, size=32, reading=L2A, note=notes.append)
    assert any("offset assumed" in text for text in notes)
    with pytest.raises(InputError, match="give --level"):
        jobs(tmp_path, size=32)


def test_folders_that_cannot_be_packed_are_refused(tmp_path):
    with pytest.raises(FileError, match="no such folder"):
        jobs(tmp_path / "absent")
    with pytest.raises(InputError, match="holds no GeoTIFF"):
        jobs(tmp_path)
    write(tmp_path / "clear" / "a.tif", dn(32, 32))
    with pytest.raises(InputError, match="smaller than a patch of 120; give a smaller --size"):
        jobs(tmp_path, reading=L2A)
    write(tmp_path / "clear" / "a.TIFF", dn(32, 32))
    with pytest.raises(InputError, match="has the same name"):
        jobs(tmp_path, size=32, reading=L2A)
