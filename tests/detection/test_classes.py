import numpy as np
import pytest

from unclouded.detection.classes import (
    CLEAR,
    NO_DATA,
    SCL,
    SHADOW,
    THICK_CLOUD,
    THIN_CLOUD,
    covered,
    guess_scheme,
    parse_scheme,
    read_classes,
)
from unclouded.errors import InputError

ALL_SCL = np.arange(12, dtype=np.uint8).reshape(3, 4)


def test_scl_separates_cloud_cirrus_and_shadow_from_ground_snow_and_no_data():
    mask = read_classes(ALL_SCL, "scl", "scl.tif")
    assert mask.tolist() == [
        [NO_DATA, NO_DATA, CLEAR, SHADOW],
        [CLEAR, CLEAR, CLEAR, CLEAR],
        [THICK_CLOUD, THICK_CLOUD, THIN_CLOUD, CLEAR],
    ]
    assert np.argwhere(covered(mask).ravel()).ravel().tolist() == [3, 8, 9, 10]


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_qa60_has_opaque_cloud_in_bit_10_and_cirrus_in_bit_11(dtype):
    values = np.array([[0, 1 << 10, 1 << 11, 3 << 10, 1]], dtype)
    classes = read_classes(values, "qa60", "qa60.tif")
    assert classes.tolist() == [[CLEAR, THICK_CLOUD, THIN_CLOUD, THICK_CLOUD, CLEAR]]


def test_booleans_and_floats_with_gaps_are_read():
    assert covered(read_classes(np.array([[True, False]]), "boolean", "m")).tolist() == [[True, False]]
    mask = read_classes(np.array([[1.0, np.nan, 0.0]]), "boolean", "m")
    assert mask.tolist() == [[THICK_CLOUD, NO_DATA, CLEAR]]
    assert covered(mask).tolist() == [[True, False, False]]


def test_all_clear_all_covered_and_all_silent_masks_are_read():
    assert not covered(read_classes(np.zeros((2, 2), np.uint8), "omnicloudmask", "m")).any()
    assert covered(read_classes(np.full((2, 2), 3, np.uint8), "omnicloudmask", "m")).all()
    assert (read_classes(np.full((2, 2), np.nan), "scl", "m") == NO_DATA).all()


def test_no_data_is_unknown_unless_the_scheme_names_its_value():
    values = np.array([[0, 1, 99]], np.uint8)
    assert read_classes(values, "boolean", "m", nodata=99).tolist() == [[CLEAR, THICK_CLOUD, NO_DATA]]
    assert read_classes(values[:, :2], "boolean", "m", nodata=0).tolist() == [[CLEAR, THICK_CLOUD]]


def test_a_value_that_nobody_named_is_refused_by_file_and_value():
    with pytest.raises(InputError, match=r"mask\.tif.*17.*--mask-classes"):
        read_classes(np.array([[0, 17]]), SCL, "mask.tif")
    with pytest.raises(InputError, match="no such classes"):
        read_classes(np.zeros((1, 1)), "fmask", "mask.tif")
    with pytest.raises(InputError, match=r"0\.5"):
        read_classes(np.array([[0, 0.5]]), "boolean", "mask.tif")


@pytest.mark.parametrize(
    ("values", "scheme"),
    [
        (np.array([True, False]), "boolean"),
        (np.array([0, 1], np.uint8), "boolean"),
        (np.array([0, 3], np.uint8), "omnicloudmask"),
        (np.array([0, 1024], np.uint16), "qa60"),
        (np.array([4, 8, 9], np.uint8), "scl"),
    ],
)
def test_the_scheme_is_known_by_the_values(values, scheme):
    assert guess_scheme(values, "m") == scheme


def test_values_of_no_scheme_are_refused():
    with pytest.raises(InputError, match=r"m\.tif: a mask with the values 0, 200;.*--mask-classes"):
        guess_scheme(np.array([0, 200]), "m.tif")


@pytest.mark.parametrize(
    ("label", "values", "message"),
    [
        ("place_cs.tif ", [0, 1], "high where the ground is seen, and masks are true where it is covered"),
        ("a.tif dataMask", [0, 1], "high where the ground is seen"),
        ("HLS.S30.T32UNU.2024164T101031.v2.0.Fmask.tif ", [0, 1], r"other bits or classes \(Fmask\)"),
        ("L1C_T22JBQ_20240405_Fmask4.tif ", [0, 2, 4], r"other bits or classes \(Fmask\)"),
        ("SENTINEL2A_20180615-104022-457_L2A_T31TCJ_C_V2-2_CLM_R1.tif ", [0, 2, 3], r"other bits or classes \(CLM\)"),
        ("SENTINEL2A_20180615-104022-457_L2A_T31TCJ_C_V2-2_MG2_R1.tif ", [0, 1], r"other bits or classes \(MG2\)"),
        ("20180615_LEVEL2_SEN2A_QAI.tif ", [0, 1], r"other bits or classes \(QAI\)"),
        ("MSK_CLDPRB_20m.jp2 ", [0, 1], r"\(CLDPRB\) is that of a probability"),
        ("T31TCJ_20180615T104022_CLD_20m.jp2 ", [0, 3, 8, 9], r"\(CLD\) is that of a probability"),
        ("s2.tif probability", [0, 4, 7], r"\(PROBABILITY\) is that of a probability"),
    ],
)
def test_a_mask_whose_name_contradicts_its_values_is_refused(label, values, message):
    with pytest.raises(InputError, match=rf"m\.tif: .*{message}.*--mask-classes"):
        guess_scheme(np.array(values), "m.tif", label)


@pytest.mark.parametrize(
    ("label", "values", "scheme"),
    [
        ("T32UNU_20240612T101031_SCL_20m.jp2 ", [2, 3], "scl"),
        ("scl.tif ", [0, 7], "scl"),
        ("browser_CLM.tif ", [0, 1], "boolean"),
        ("my_cld.tif ", [0, 1], "boolean"),
        ("HLS.S30.T32UNU.2024164T101031.v2.0.Fmask.tif ", [64, 66, 72, 255], "hls"),
        ("clear_mask.tif cloud_mask", [0, 1, 3], "omnicloudmask"),
    ],
)
def test_the_encoding_of_a_mask_is_taken_from_its_name(label, values, scheme):
    assert guess_scheme(np.array(values), "m.tif", label) == scheme


@pytest.mark.parametrize("values", [[1, 2, 3, 5], [0, 1, 2, 3, 4], [4, 5], [1, 2], [0, 7], [9]])
def test_values_of_several_encodings_are_refused(values):
    with pytest.raises(InputError, match=r"m\.tif: .*may mean several things.*--mask-classes scl"):
        guess_scheme(np.array(values), "m.tif")


def test_the_bits_of_hls_fmask_are_decoded():
    """64 to 192 are levels of aerosol; 4 is beside cloud, 16 snow, 32 water; 255 is nothing."""
    values = np.array([[64, 66, 72, 128 | 4, 192 | 16, 32, 255, 74]])
    cloud, shadow, clear, none = THICK_CLOUD, SHADOW, CLEAR, NO_DATA
    assert read_classes(values, "hls", "m").tolist() == [[clear, cloud, shadow, clear, clear, clear, none, cloud]]


def test_a_scheme_is_read_by_its_name():
    assert read_classes(np.array([[2, 3]]), parse_scheme("SCL"), "m").tolist() == [[CLEAR, SHADOW]]


def test_a_mapping_is_read_from_text():
    scheme = parse_scheme("0=clear, 2=Cloud,4=shadow,255=nodata")
    assert scheme == {0: CLEAR, 2: THICK_CLOUD, 4: SHADOW, 255: NO_DATA}
    assert read_classes(np.array([[4, 255]]), scheme, "m").tolist() == [[SHADOW, NO_DATA]]


@pytest.mark.parametrize("text", ["", "clear", "1=fog", "x=cloud", "1=cloud,1=shadow", "1.5=cloud"])
def test_a_mapping_that_cannot_be_read_is_refused(text):
    with pytest.raises(InputError, match="classes of the mask"):
        parse_scheme(text)
