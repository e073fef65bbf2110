"""Masks whose guessed meaning the pixels contradict."""

import numpy as np
import pytest
import rasterio
from rasters import write
from scenes import MemoryScene

from unclouded.clearing.inputs import open_inputs
from unclouded.clearing.options import ClearOptions
from unclouded.detection.classes import CLASS_NAMES, class_tag
from unclouded.detection.mask_plausibility import implausibility
from unclouded.errors import InputError

BANDS = ("B02", "B03", "B04", "B08")
GROUND, THICK, THIN, DARK, HOLE = range(5)
BLUE = np.array([350, 4000, 1500, 200, 0], np.uint16)
OMNICLOUDMASK = np.array([0, 1, 2, 3, 0], np.uint8)
PYTHON_FMASK = np.array([1, 2, 2, 3, 0], np.uint8)


def kinds(*left_out):
    """Classes of a scene (60, 80): ground, clouds, shadow, and the edge of the swath."""
    found = np.full((60, 80), GROUND)
    for kind, place in ((THICK, np.s_[5:25, 10:30]), (THIN, np.s_[30:50, 5:25]), (DARK, np.s_[30:50, 40:60])):
        if kind not in left_out:
            found[place] = kind
    found[:, 70:] = HOLE
    return found


def opened(tmp_path, values, there, name="mask.tif", tags=None, level="L2A", nodata=None, **options):
    """The scheme found for a mask of a scene that has one reflectance in all bands for each of the kinds."""
    noise = np.random.default_rng(0).integers(0, 100, (4, 60, 80)).astype(np.uint16)
    scene = MemoryScene(np.where(there == HOLE, 0, BLUE[there] + noise), BANDS, level)
    path = write(tmp_path / name, values[None], nodata=nodata)
    with rasterio.open(path, "r+") as file:
        file.update_tags(**(tags or {}))
    with open_inputs(scene, ClearOptions(mask=str(path), **options)) as inputs:
        return inputs.mask.scheme


@pytest.mark.parametrize("left_out", [(), (THIN,), (THICK, THIN), (THICK, THIN, DARK)])
def test_a_mask_of_python_fmask_is_refused_and_one_of_omnicloudmask_is_not(tmp_path, left_out):
    there = kinds(*left_out)
    with pytest.raises(InputError, match=r"mask\.tif: .*may mean several things .*--mask-classes .*1=clear,2=cloud"):
        opened(tmp_path, PYTHON_FMASK[there], there)
    assert opened(tmp_path, OMNICLOUDMASK[there], there) in ("omnicloudmask", "boolean")
    assert opened(tmp_path, PYTHON_FMASK[there], there, mask_classes="0=nodata,1=clear,2=cloud,3=shadow")


def test_a_mask_whose_tags_name_or_arguments_state_its_classes_is_not_checked(tmp_path):
    there = kinds()
    own = {class_tag(value): name for value, name in CLASS_NAMES.items()}
    values = PYTHON_FMASK[there]  # refused without such a statement
    assert opened(tmp_path, values, there, tags=own) == "omnicloudmask"
    assert opened(tmp_path, values, there, "S2A_T32UNU_OCM_v1_5_0.tif") == "omnicloudmask"
    assert opened(tmp_path, values, there, mask_classes="omnicloudmask")


@pytest.mark.parametrize("level", ["L1C", "L2A"])
def test_masks_that_are_true_where_it_is_clear_or_valid_are_refused(tmp_path, level):
    there = kinds()
    there[:, :35] = THICK
    clear = (there != THICK).astype(np.uint8)
    with pytest.raises(InputError, match="less than half as bright as what is 0"):
        opened(tmp_path, clear, there, level=level)
    assert opened(tmp_path, 1 - clear, there, level=level) == "boolean"
    dark = np.where(there == HOLE, HOLE, DARK)
    with pytest.raises(InputError, match="as dark as clear ground"):
        opened(tmp_path, (dark != HOLE).astype(np.uint8), dark, level=level)


def test_0_is_clear_also_where_it_is_the_masks_no_data_value(tmp_path):
    there = kinds(THICK, THIN)
    assert opened(tmp_path, (there == DARK).astype(np.uint8), there, nodata=0) == "boolean"


def test_classes_of_the_land_that_are_numbers_of_scl_are_refused_and_scl_is_not(tmp_path):
    there = kinds()
    scl = np.array([4, 9, 10, 3, 0], np.uint8)[there]
    scl[there == GROUND] = np.tile([4, 5], 4800)[: (there == GROUND).sum()]
    scl[40:, 60:70] = 6
    assert opened(tmp_path, scl, there) == "scl"
    land = np.add.outer(np.arange(60) // 6, np.arange(80) // 8).astype(np.uint8) % 9
    with pytest.raises(InputError, match=r"its cloud, 8 and 9, is no brighter.*--mask-classes scl if that is it"):
        opened(tmp_path, land, there)
    assert opened(tmp_path, land, there, "SCL.tif") == "scl"


def test_a_mask_without_a_value_where_there_is_cloud_is_refused(tmp_path):
    there = kinds(THIN, DARK)
    for values, nodata in ((np.where(there == THICK, np.nan, 0).astype("float32"), None), (there, 1)):
        with pytest.raises(InputError, match=r"covers nothing, and has no value .*write 1 there"):
            opened(tmp_path, np.where(there == HOLE, 0, values).astype(values.dtype), there, nodata=nodata)
    assert opened(tmp_path, np.where(there == HOLE, np.nan, 0).astype("float32"), there) == "boolean"


def test_an_overcast_scene_may_have_nothing_clear():
    values = np.repeat([1, 2, 3], 100)
    assert implausibility(values, np.repeat([0.4, 0.2, 0.1], 100), "L2A") is None
    assert "nothing would be clear" in str(implausibility(values, np.repeat([0.1, 0.4, 0.05], 100), "L2A"))
    assert "nothing would be clear" in str(implausibility(values, None, "L2A"))


@pytest.mark.parametrize(
    ("order", "message"), [((0.06, 0.08, 0.4, 0.03), "darker than thin cloud"), ((0.06, 0.4, 0.2, 0.5), "3, outshines")]
)
def test_classes_with_the_brightness_of_other_classes_are_implausible(order, message):
    assert message in str(implausibility(np.repeat([0, 1, 2, 3], 100), np.repeat(order, 100), "L2A"))
    assert implausibility(np.repeat([0, 1, 2, 3], 100), np.repeat([0.06, 0.4, 0.2, 0.03], 100), "L2A") is None


def test_a_few_pixels_make_no_mask_implausible():
    assert implausibility(np.repeat([0, 1], [1000, 20]), np.repeat([0.3, 0.05], [1000, 20]), "L2A") is None
    assert implausibility(np.array([], np.int32), np.array([], np.float32), "L2A") is None
