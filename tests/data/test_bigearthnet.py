"""BigEarthNet as distributed: what is read, and what of it is refused by name."""

import json
import shutil

import lmdb
import numpy as np
import pytest
import rasterio
from affine import Affine
from bigearthnet_files import FILES, write_v2
from tifffile import TiffFile

from unclouded.bands import BANDS, L2A
from unclouded.data import bigearthnet, bigearthnet_lists, bigearthnet_patch
from unclouded.data.archive import Archive, encode
from unclouded.data.packing import pack
from unclouded.errors import FileError, InputError

NAME = "S2A_MSIL2A_20170613T101031_3_7"
RADAR = "S1A_IW_GRDH_1SDV_20170613T165043_33UUP_3_7"


def write_band(folder, band, side, dtype="uint16", value=None, left=600_000, **options):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(band))
    pixels = rng.integers(1, 9000, (side, side)).astype(dtype) if value is None else value
    profile = {
        "driver": "GTiff",
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "count": 1,
        "dtype": pixels.dtype,
    }
    grid = {"crs": "EPSG:32633", "transform": Affine(1200 / side, 0, left, 0, -1200 / side, 5_400_000)}
    with rasterio.open(folder / f"{folder.name}_{band}.tif", "w", **profile, **grid, **options) as file:
        file.write(pixels, 1)
    return pixels


def write_patch(folder, labels=("Pastures",), **options):
    pixels = {b.name: write_band(folder, b.name, 1200 // b.resolution, **options) for b in BANDS if b.name in L2A}
    if labels is not None:
        (folder / f"{folder.name}_labels_metadata.json").write_text(json.dumps({"labels": list(labels)}))
    return pixels


@pytest.fixture
def source(tmp_path):
    """A v1 folder of one clear patch with radar, and its lists."""
    for name in FILES:
        (tmp_path / f"{name}.csv").write_text(f"{NAME}\n" if name == "train" else "S2A_MSIL2A_20170101T101031_0_0\n")
    pairs = f"s1_name,s2_name,country,season\n{RADAR},{NAME},Austria,Summer\n"
    (tmp_path / f"{bigearthnet_lists.RADAR}.csv").write_text(pairs)
    write_patch(tmp_path / "BigEarthNet-v1.0" / NAME)
    for band in ("VV", "VH"):
        write_band(tmp_path / "BigEarthNet-S1-v1.0" / RADAR, band, 120, "float32")
    return tmp_path


def test_a_patch_in_two_folders_is_taken_once_and_reported(tmp_path, source):
    (source / "BigEarthNet-v1.0" / "S2A_MSIL2A_20170613T101031" / NAME).mkdir(parents=True)
    notes = []
    (job,) = bigearthnet.jobs(source / "BigEarthNet-v1.0", note=notes.append)
    assert job.source.optical == str(source / "BigEarthNet-v1.0")
    assert any("1 patches are in" in note and "twice" in note and NAME in note for note in notes)


def test_a_patch_of_v1_with_its_radar_labels_and_lists(source):
    notes = []
    (job,) = bigearthnet.jobs(source, note=notes.append)
    values, row = bigearthnet_patch.load(job)
    assert set(values) == {NAME, RADAR}
    assert {band: pixels.shape[0] for band, pixels in values[NAME].items()} == {
        b.name: 1200 // b.resolution for b in BANDS if b.name in L2A
    }
    with rasterio.open(source / "BigEarthNet-v1.0" / NAME / f"{NAME}_B8A.tif") as file:
        assert np.array_equal(values[NAME]["B8A"], file.read(1))
    assert values[RADAR]["VV"].dtype == np.float32
    assert (row["labels"], row["split"], row["country"], row["domain"]) == (["Pastures"], "train", "Austria", "Y")
    assert row["acquisition"] == "S2A_MSIL2A_20170613T101031"
    assert any("1 patches that are not in" in note for note in notes)


def test_compressed_and_plain_files_give_the_same(source):
    folder = source / "BigEarthNet-v1.0" / NAME
    plain = bigearthnet_patch.load(bigearthnet.jobs(source)[0]).values[NAME]
    write_patch(folder, compress="deflate", predictor=2)
    packed = bigearthnet_patch.load(bigearthnet.jobs(source)[0]).values[NAME]
    assert all(np.array_equal(plain[band], packed[band]) for band in L2A)


def test_patches_outside_of_the_lists_have_no_domain(source):
    extra = NAME.replace("_3_7", "_4_8")
    write_patch(source / "BigEarthNet-v1.0" / extra)
    notes = []
    jobs = bigearthnet.jobs(source, note=notes.append)
    row = bigearthnet_patch.load(jobs[1]).row
    assert (len(jobs), row["patch_id"], row["domain"], row["split"]) == (2, extra, "", "")
    assert any(extra in note for note in notes)


def break_missing_band(folder):
    (folder / f"{NAME}_B03.tif").unlink()


def break_truncated(folder):
    path = folder / f"{NAME}_B04.tif"
    path.write_bytes(path.read_bytes()[:3000])


def break_shape(folder):
    write_band(folder, "B05", 120)


def break_huge(folder):
    write_band(folder, "B06", 5000, value=np.ones((5000, 5000), np.uint16), compress="deflate")


def break_dtype(folder):
    write_band(folder, "B07", 60, "float32")


def break_grid(folder):
    write_band(folder, "B11", 60, left=700_000)


def break_label(folder):
    (folder / f"{NAME}_labels_metadata.json").write_text('{"labels": ["Moon"]}')


def break_json(folder):
    (folder / f"{NAME}_labels_metadata.json").write_text("{")


def break_no_labels(folder):
    (folder / f"{NAME}_labels_metadata.json").unlink()


def break_size(folder):
    with (folder / f"{NAME}_B02.tif").open("ab") as file:
        file.truncate(2**20 + 1)


def break_claim(folder):
    """Let a header claim 60,417 bands, for which GDAL would take 700 MB."""
    path = folder / f"{NAME}_B03.tif"
    with TiffFile(path) as file:
        place = file.pages.first.tags["SamplesPerPixel"].valueoffset
    whole = bytearray(path.read_bytes())
    whole[place : place + 2] = (60_417).to_bytes(2, "little")
    path.write_bytes(whole)


def break_text(folder):
    (folder / f"{NAME}_B12.tif").write_text("no TIFF at all")


def break_labels(folder):
    (folder / f"{NAME}_labels_metadata.json").write_text('{"labels": null}')


def break_nesting(folder):
    (folder / f"{NAME}_labels_metadata.json").write_text("[" * 200_000)


def break_crs(folder):
    """Without CRS, in a compressed file, as GDAL reads it."""
    with rasterio.open(folder / f"{NAME}_B01.tif", "r+") as file:
        profile = {**file.profile, "crs": None, "compress": "deflate"}
    with rasterio.open(folder / f"{NAME}_B01.tif", "w", **profile) as file:
        file.write(np.ones((1, 20, 20), np.uint16))


def break_header(folder):
    """No directory of the TIFF is where the header says."""
    (folder / f"{NAME}_B02.tif").write_bytes(b"II*\0" + bytes(1000))


def break_radar(folder):
    write_band(folder.parents[1] / "BigEarthNet-S1-v1.0" / RADAR, "VV", 120, "float32", left=700_000)
    write_band(folder.parents[1] / "BigEarthNet-S1-v1.0" / RADAR, "VH", 120, "float32", left=700_000)


@pytest.mark.parametrize(
    ("breaking", "message"),
    [
        (break_missing_band, "B03.tif: is missing"),
        (break_truncated, "B04.tif: is damaged"),
        (break_shape, "B05 is uint16 of 120x120"),
        (break_huge, "5000x5000"),
        (break_dtype, "B07 is float32"),
        (break_grid, "different grids"),
        (break_label, "'Moon'"),
        (break_json, "labels_metadata.json: is damaged"),
        (break_text, "B12.tif: is damaged"),
        (break_no_labels, "labels_metadata.json: is missing"),
        (break_size, "B02.tif: is damaged (1048577 bytes"),
        (break_claim, "B03.tif: is damaged"),
        (break_labels, "labels_metadata.json: is damaged"),
        (break_nesting, "labels_metadata.json: is damaged"),
        (break_crs, "has no EPSG code"),
        (break_header, "B02.tif: is damaged"),
        (break_radar, f"{RADAR}: is not on the grid of {NAME}"),
    ],
)
def test_a_broken_patch_is_listed_by_name_and_the_others_are_packed(source, tmp_path, breaking, message):
    whole = NAME.replace("_3_7", "_9_9")
    write_patch(source / "BigEarthNet-v1.0" / whole)
    breaking(source / "BigEarthNet-v1.0" / NAME)
    report = pack(bigearthnet.jobs(source), bigearthnet_patch.load, tmp_path / "archive", origin="t", workers=1)
    assert (report.packed, report.broken) == (1, 1)
    text = (report.output / "broken.csv").read_text()
    assert NAME in text and message in text


def test_v2_with_its_tables(tmp_path):
    write_v2(tmp_path)
    acquisition = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"
    folder = tmp_path / "BigEarthNet-S2" / acquisition
    write_patch(folder / f"{acquisition}_1_7", labels=None)
    (job,) = bigearthnet.jobs(tmp_path)
    row = bigearthnet_patch.load(job).row
    assert (row["domain"], row["labels"], row["s1_name"]) == ("X", ["Pastures"], None)


def test_an_encoded_lmdb_is_taken_with_the_same_pixels(tmp_path):
    write_v2(tmp_path)
    name = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_0_7"
    rng = np.random.default_rng(0)
    bands = {
        b.name: rng.integers(0, 9999, (1200 // b.resolution,) * 2).astype("uint16") for b in BANDS if b.name in L2A
    }
    with lmdb.open(str(tmp_path / "encoded"), map_size=2**24) as environment, environment.begin(write=True) as values:
        values.put(name.encode(), encode(bands))
        values.put(b"S2A_broken", b"\x80\x04N.")
    report = pack(bigearthnet.jobs(tmp_path / "encoded"), bigearthnet_patch.load, tmp_path / "a", origin="t", workers=1)
    assert (report.packed, report.broken) == (1, 1)
    with Archive(report.output) as archive:
        assert archive.table["domain"].to_pylist() == ["Y"]
        assert all(np.array_equal(archive.read(name)[band], bands[band]) for band in bands)
    assert "not safetensors" in (report.output / "broken.csv").read_text()


def test_what_is_not_the_data_set_is_refused(tmp_path, source):
    with pytest.raises(FileError, match="no such folder"):
        bigearthnet.jobs(tmp_path / "nowhere")
    (tmp_path / "BigEarthNet.tar").write_bytes(b"")
    with pytest.raises(FileError, match="unpack it first"):
        bigearthnet.jobs(tmp_path / "BigEarthNet.tar")
    (tmp_path / "empty").mkdir()
    shutil.rmtree(source / "BigEarthNet-v1.0")
    with pytest.raises(InputError, match="holds no patch"):
        bigearthnet.jobs(tmp_path / "empty")


def test_real_folders_as_distributed(shared_data, tmp_path):
    """The pixels of the archive are those of the files, whatever reads them."""
    source = shared_data / "bigearthnet_v1_layout"
    try:
        jobs = bigearthnet.jobs(source)
    except FileError as error:
        pytest.skip(f"the official lists are not here: {error}")
    report = pack(jobs, bigearthnet_patch.load, tmp_path / "archive", origin="t", workers=1)
    assert (report.packed, report.broken) == (11, 0)
    with Archive(report.output) as archive:
        assert archive.table["s1_name"].null_count == 8
        for name in archive.table["patch_id"].to_pylist():
            for band, pixels in archive.read(name).items():
                with rasterio.open(source / name / f"{name}_{band}.tif") as file:
                    assert np.array_equal(pixels, file.read(1))
