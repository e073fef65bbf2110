"""Of a result that is kept it is told in what it was made otherwise than is asked for now."""

from command_line import run, write

NAME = "S2A_MSIL2A_20180503T100031_N0207_R122_T32TQM_20180503T120000.tif"


def test_options_that_differ_are_named_and_others_are_not(weights, tmp_path):
    scene = write(tmp_path / NAME)
    again = ["clear", scene, "--output", f"{tmp_path / 'out'}/", "--model", weights, "--skip-existing"]
    assert run(*again).exit_code == 0
    kept = run(*again)
    assert kept.exit_code == 0 and kept.stderr.rstrip().endswith("exists and is kept")
    told = run(*again, "--threshold", 0.7, "--samples", 3, "--offset", -1000, "--bands", "B02,B03,B04", "--seed", 0)
    assert told.exit_code == 0
    for words in (
        ", not 0.7;",
        "samples 1, not 3",
        "bands B02,B03,B04,B08, not B02,B03,B04;",
        "offset 0, not -1000",
        "--overwrite",
    ):
        assert words in told.stderr
    assert not any(word in told.stderr for word in ("seed", "scale", "resampled", "radar"))
    assert "resampled False, not True" in run(*again, "--crs", "EPSG:3035").stderr


def test_dates_of_a_series_and_masks_too(weights, tmp_path):
    dates = [write(tmp_path / NAME.replace("20180503", day)) for day in ("20180503", "20180508")]
    series = ["series", *dates, "--output", tmp_path / "series", "--model", weights]
    assert run(*series).exit_code == 0
    told = run(*series, "--samples", 2)
    assert told.exit_code == 0 and told.stderr.count("made with samples 1, not 2: --overwrite") == 2
    masks = ["mask", *dates, "--output", tmp_path / "masks", "--skip-existing"]
    assert run(*masks).exit_code == 0
    told = run(*masks, "--threshold", 0.9)
    assert told.exit_code == 0 and told.stderr.count(", not 0.9: --overwrite") == 2
    assert "made with" not in run(*masks).stderr


def test_an_item_that_says_nothing_is_no_fault(weights, tmp_path):
    scene, folder = write(tmp_path / NAME), tmp_path / "out"
    again = ["clear", scene, "--output", f"{folder}/", "--model", weights, "--skip-existing"]
    assert run(*again).exit_code == 0
    (item,) = folder.glob("*.json")
    for text in ("", "[]", "{}", '{"properties": {"unclouded:threshold": null}, "assets": {"cleared": 5}}'):
        item.write_text(text)
        kept = run(*again, "--bands", "B02,B03,B04")
        assert kept.exit_code == 0 and kept.stderr.rstrip().endswith("exists and is kept")
