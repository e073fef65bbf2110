"""The official lists: the published counts follow from them, and bad ones are refused by name."""

import importlib.util
from collections import Counter

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from bigearthnet_files import FILES, patch, write_v2

from unclouded.data import bigearthnet_lists as lists
from unclouded.data.archive import SCHEMA
from unclouded.errors import FileError, InputError


@pytest.fixture
def alone(monkeypatch):
    """No package with lists."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


@pytest.fixture
def folder(tmp_path):
    """Lists of a cloudy, a snowy and three clear patches, of which the last has no split."""
    contents = ([patch(0)], [patch(1)], [patch(2)], [patch(3)], [patch(5)])
    for name, rows in zip(FILES, contents, strict=False):
        (tmp_path / f"{name}.csv").write_text("".join(f"{row}\n" for row in rows))
    pairs = [f"S1A_{n},{patch(n)},Austria,Summer" for n in range(5)]
    (tmp_path / f"{lists.RADAR}.csv").write_text("\n".join(["s1_name,s2_name,country,season", *pairs]) + "\n")
    return tmp_path


def test_the_published_counts_of_v1_follow_from_the_lists_alone(tmp_path):
    if importlib.util.find_spec("bigearthnet_common") is None:
        pytest.skip("the official lists (pip install bigearthnet-common) are not here")
    table = lists.read_v1(tmp_path)
    assert len(table) == 590_326
    found = lists.counts(table)
    assert (found["X"], found["rest"], found["Y"]) == (9_280, 61_707, 519_339)
    assert (found["train"], found["validation"], found["test"]) == (269_695, 123_723, 125_866)
    cloudy = table.filter(pc.equal(table["domain"], "X"))
    assert len(cloudy["acquisition"].unique()) == 58
    by_split = Counter(cloudy["split"].to_pylist())
    assert by_split["train"] / 9_280 == pytest.approx(0.70, abs=0.01)
    assert by_split["validation"] / 9_280 == pytest.approx(0.15, abs=0.01)
    of = dict(zip(cloudy["acquisition"].to_pylist(), cloudy["split"].to_pylist(), strict=True))
    assert all(of[a] == s for a, s in zip(*(cloudy[c].to_pylist() for c in ("acquisition", "split")), strict=True))


def test_domains_splits_and_radar_of_v1(folder, alone):
    table = lists.read_v1(folder)
    assert table.schema.equals(SCHEMA)
    rows = {row["patch_id"]: row for row in table.to_pylist()}
    assert [rows[patch(n)]["domain"] for n in (0, 1, 2, 3, 4, 5)] == ["X", "", "Y", "Y", "Y", "Y"]
    assert [rows[patch(n)]["split"] for n in (0, 1, 2, 3, 4, 5)] == ["train", "", "train", "validation", "", "test"]
    assert rows[patch(2)]["s1_name"] == "S1A_2" and rows[patch(2)]["country"] == "Austria"
    assert rows[patch(5)]["s1_name"] is None and rows[patch(5)]["country"] == ""


def test_the_overpass_is_read_from_times_of_any_width():
    assert lists.acquisition_of("S2B_MSIL2A_20170924T93020_12_3") == "S2B_MSIL2A_20170924T93020"
    v2 = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_26_57"
    assert lists.acquisition_of(v2) == "S2A_MSIL2A_20170613T101031"


def test_no_overpass_is_in_two_splits_and_shares_are_kept():
    names = [patch(n, f"201706{day:02d}T101031") for day in range(1, 21) for n in range(day)]
    split = lists.split_by_overpass(names)
    assert split == lists.split_by_overpass(reversed(names))
    of = {}
    for name, chosen in split.items():
        assert of.setdefault(lists.acquisition_of(name), chosen) == chosen
    assert Counter(split.values())["train"] / len(names) == pytest.approx(0.7, abs=0.05)


def test_tiles_of_one_overpass_share_a_split_whatever_their_names():
    tiles = [f"S2B_MSIL2A_20180204{clock}_1_7" for clock in ("T094159", "T94160", "T94161")]
    v2 = "S2B_MSIL2A_20180204T094159_N9999_R036_T35VNJ_00_00"
    assert {lists.overpass_of(name) for name in [*tiles, v2]} == {"S2B_20180204T0941"}
    assert lists.overpass_of(tiles[1].replace("T94160", "T112160")) != lists.overpass_of(tiles[1])
    others = [patch(n, f"201706{day:02d}T101031") for day in range(1, 21) for n in range(day)]
    split = lists.split_by_overpass([*others, *tiles])
    assert len({split[name] for name in tiles}) == 1
    assert lists.overpass_of("S2A_broken") == "S2A_broken"


@pytest.mark.parametrize("name", FILES)
def test_a_missing_list_is_named_with_what_to_do(folder, alone, name):
    (folder / f"{name}.csv").unlink()
    with pytest.raises(FileError, match=rf"{name}\.csv.*unclouded\[data\]"):
        lists.read_v1(folder)


@pytest.mark.parametrize("content", ["<html>not found</html>\n", "a,b\n", "\x00\x01\n"])
def test_a_list_of_something_else_is_refused(folder, alone, content):
    (folder / f"{lists.CLOUDY}.csv").write_text(content)
    with pytest.raises((InputError, FileError), match=lists.CLOUDY):
        lists.read_v1(folder)


def test_v2_needs_and_takes_both_tables(tmp_path):
    write_v2(tmp_path)
    table = lists.read_v2(tmp_path)
    assert table["domain"].to_pylist() == ["Y", "X", ""]
    assert table["split"].to_pylist() == ["test", "train", "test"]
    assert table["labels"].to_pylist() == [["Pastures"]] * 3
    (tmp_path / lists.V2_OTHER).write_bytes(b"PAR1")
    with pytest.raises(FileError, match=lists.V2_OTHER):
        lists.read_v2(tmp_path)
    (tmp_path / lists.V2_OTHER).unlink()
    with pytest.raises(FileError, match="both"):
        lists.read_v2(tmp_path)


def test_a_table_without_a_column_is_refused(tmp_path):
    write_v2(tmp_path)
    pq.write_table(pq.read_table(tmp_path / lists.V2_CLEAR).drop_columns("split"), tmp_path / lists.V2_CLEAR)
    with pytest.raises(InputError, match="split"):
        lists.read_v2(tmp_path)
