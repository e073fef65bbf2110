"""Which input goes where: names of outputs, what is there already, and faults that are one input's alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from unclouded.clearing.plan import cleared_and_mask, folder_named, mask_files, plan
from unclouded.errors import FileError, InputError, OutputExistsError
from unclouded.files import mask_path, quality_path
from unclouded.reading import reader
from unclouded.reading.reader import ReadOptions
from unclouded.writing.stac_item import item_path

OPTIONS = ReadOptions(level="L2A")


@pytest.fixture
def inputs(tmp_path):
    paths = [tmp_path / f"{name}.tif" for name in "ab"]
    for path in paths:
        profile = {"driver": "GTiff", "width": 20, "height": 20, "count": 1, "dtype": "uint16", "crs": "EPSG:32632"}
        with rasterio.open(path, "w", transform=from_origin(600000, 5400000, 10, 10), **profile) as file:
            file.write(np.random.default_rng(0).integers(200, 3000, (1, 20, 20)).astype("uint16"))
            file.descriptions = ("B02",)
    return [str(path) for path in paths]


@pytest.mark.parametrize("name", ["x.png", "x", "x.jp2", "x.nc"])
def test_an_output_is_named_as_a_geotiff(inputs, tmp_path, name):
    with pytest.raises(InputError, match=r"is not the name of a GeoTIFF; accepted are names that end in \.tif"):
        plan(inputs[:1], str(tmp_path / name), OPTIONS, overwrite=False)


@pytest.mark.parametrize("name", ["", " "])
def test_an_output_without_a_name_is_not_this_folder(inputs, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    for refuse in (lambda: plan(inputs[:1], name, OPTIONS, overwrite=False), lambda: folder_named(name)):
        with pytest.raises(InputError, match="--output is empty; give the name of a file or folder"):
            refuse()
    assert folder_named(".") == Path()


def test_an_output_of_a_name_that_is_too_long_is_refused(inputs, tmp_path):
    with pytest.raises(FileError, match="File name too long; give another --output"):
        plan(inputs[:1], f"{tmp_path}/{'folder/' * 1000}x.tif", OPTIONS, overwrite=False)


def test_an_output_of_a_name_that_is_no_utf_8_is_refused(inputs, tmp_path):
    with pytest.raises(InputError, match=r"udce4\.tif': holds bytes that are no UTF-8.*give another --output"):
        plan(inputs[:1], f"{tmp_path}/\udce4.tif", OPTIONS, overwrite=False)


@pytest.mark.parametrize("name", ["x.tif", "x.png"])
def test_several_inputs_go_into_no_file(inputs, tmp_path, name):
    with pytest.raises(InputError, match="is the name of a file; for 2 inputs give a folder"):
        plan(inputs, str(tmp_path / name), OPTIONS, overwrite=False)
    assert not (tmp_path / name).exists()
    assert len(plan(inputs, str(tmp_path / "cleared.v2"), OPTIONS, overwrite=False).outputs) == 2


def test_a_repeated_batch_continues_with_missing_outputs(inputs, tmp_path):
    folder = tmp_path / "cleared"
    folder.mkdir()
    for path in (folder / "a.tif", quality_path(folder / "a.tif"), item_path(folder / "a.tif")):
        path.touch()
    plain = plan(inputs, f"{folder}/", OPTIONS, overwrite=False)
    assert isinstance(plain.failed[inputs[0]], OutputExistsError)
    assert "--skip-existing" in str(plain.failed[inputs[0]])
    todo = plan(inputs, f"{folder}/", OPTIONS, overwrite=False, skip_existing=True)
    assert list(todo.outputs) == inputs[1:] and list(todo.skipped) == inputs[:1] and not todo.failed
    quality_path(folder / "a.tif").unlink()
    todo = plan(inputs, f"{folder}/", OPTIONS, overwrite=False, skip_existing=True)
    assert not todo.skipped and list(todo.failed) == inputs[:1]


def test_any_fault_of_one_input_is_its_alone(inputs, tmp_path, monkeypatch):
    opened = reader.open_scene

    def fail(path, **options):
        if path == inputs[0]:
            raise ZeroDivisionError("by accident")
        return opened(path, **options)

    monkeypatch.setattr(reader, "open_scene", fail)
    todo = plan(inputs, f"{tmp_path}/cleared/", OPTIONS, overwrite=False)
    assert list(todo.outputs) == inputs[1:] and isinstance(todo.failed[inputs[0]], ZeroDivisionError)


def test_only_what_is_written_is_in_the_way(inputs, tmp_path):
    output = tmp_path / "x.tif"
    quality_path(output).touch()
    assert isinstance(plan(inputs[:1], str(output), OPTIONS, overwrite=False).failed[inputs[0]], OutputExistsError)
    assert plan(inputs[:1], str(output), OPTIONS, overwrite=False, written=mask_files).outputs == {inputs[0]: output}
    item_path(output).touch()
    assert plan(inputs[:1], str(output), OPTIONS, overwrite=False, written=mask_files).failed


def test_a_mask_output_is_checked_too(inputs, tmp_path):
    folder = tmp_path / "cleared"
    folder.mkdir()
    mask_path(folder / "a.tif").touch()
    options = {"overwrite": False, "written": cleared_and_mask}
    assert "a_mask.tif" in str(plan(inputs, f"{folder}/", OPTIONS, **options).failed[inputs[0]])
    with pytest.raises(InputError, match=r"b_mask\.tif would be written over"):
        (tmp_path / "b_mask.tif").write_bytes((tmp_path / "b.tif").read_bytes())
        plan([str(tmp_path / "b_mask.tif")], str(tmp_path / "b.tif"), OPTIONS, overwrite=True, written=cleared_and_mask)


def test_what_is_read_beside_the_inputs_is_not_written_over(inputs, tmp_path):
    for beside in (inputs[1], str(tmp_path / "b_quality.tif"), str(tmp_path / "b.json")):
        shutil.copy(inputs[0], beside)
        with pytest.raises(InputError, match=rf"^{beside}: .* would be written over or into it; give another --output"):
            plan(inputs[:1], inputs[1], OPTIONS, overwrite=True, beside=[beside])
    assert plan(inputs[:1], f"{tmp_path}/c.tif", OPTIONS, overwrite=True, beside=inputs[1:]).outputs


@pytest.mark.parametrize(("count", "named"), [(2, "a.tif, {0}/b.tif: "), (4, "a.tif and 3 other inputs: ")])
def test_assumptions_shared_by_several_inputs_are_reported_once(inputs, tmp_path, count, named):
    more = [shutil.copy(inputs[0], str(tmp_path / f"{name}.tif")) for name in "cd"]
    (note,) = plan([*inputs, *more][:count], f"{tmp_path / 'out'}/", OPTIONS, overwrite=False).notes
    assert note.startswith(f"{tmp_path}/{named.format(tmp_path)}offset assumed: 0")


def test_an_option_that_a_command_lacks_is_not_advised(inputs, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.tif").touch()
    folder = f"{tmp_path / 'out'}/"
    for skip_existing, advised in ((False, True), (None, False)):
        found = plan(inputs, folder, OPTIONS, overwrite=False, skip_existing=skip_existing).failed
        assert ("--skip-existing" in str(found[inputs[0]])) == advised


def test_bands_of_a_scene_that_are_given_one_by_one_belong_into_a_folder(inputs, tmp_path):
    bands = [
        str(shutil.copy(inputs[0], tmp_path / f"T32TQM_20180601T101031_{band}_10m.tif")) for band in ("B02", "B03")
    ]
    with pytest.raises(InputError, match=r"single bands \(B02, B03\); give the folder that holds the bands of a scene"):
        plan(bands, str(tmp_path / "cleared"), OPTIONS, overwrite=False)
    assert not (tmp_path / "cleared").exists()
    later = str(shutil.copy(inputs[0], tmp_path / "T32TQM_20180611T101031_B02_10m.tif"))
    assert set(plan([bands[0], later], str(tmp_path / "cleared"), OPTIONS, overwrite=False).outputs) == {
        bands[0],
        later,
    }
