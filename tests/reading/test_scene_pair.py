"""A cleared scene and its input, as `unclouded report` and `unclouded view` are told of them: alike."""

from __future__ import annotations

import json

import pytest

from unclouded.errors import FileError, InputError
from unclouded.reading.scene_pair import ScenePair, find_pair, is_pair


@pytest.fixture
def cleared(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("clear.tif", "clear_quality.tif", "before.tif"):
        (tmp_path / name).touch()
    return tmp_path / "clear.tif"


def link(cleared, *targets):
    links = [{"rel": "self", "href": "x"}, *({"rel": "derived_from", "href": target} for target in targets)]
    cleared.with_suffix(".json").write_text(json.dumps({"type": "Feature", "links": links}))


@pytest.mark.parametrize("before", ["before.tif", "https://somewhere.org/scene?key=a=b", "missing.tif"])
def test_the_input_stands_before_the_last_equals_sign(cleared, before):
    assert is_pair(f"{before}={cleared}")
    assert find_pair(f"{before}={cleared}") == ScenePair(before, cleared)


def test_names_may_hold_an_equals_sign(cleared):
    other = cleared.rename(cleared.with_name("a=b.tif"))
    assert not is_pair("a=b.tif")
    assert find_pair(f"before.tif={other}") == ScenePair("before.tif", other)


@pytest.mark.parametrize("name", ["clear.tif", "clear.json", "clear_quality.tif"])
def test_any_file_of_a_result_leads_to_its_input(cleared, name):
    link(cleared, "./missing.tif", "./before.tif")
    assert find_pair(str(cleared.with_name(name))) == ScenePair(str(cleared.with_name("before.tif")), cleared)


@pytest.mark.parametrize("target", ["https://somewhere.org/scene.tif", "s3://bucket/scene.tif"])
def test_the_input_may_lie_elsewhere(cleared, target):
    link(cleared, target)
    assert find_pair(str(cleared)) == ScenePair(target, cleared)


@pytest.mark.parametrize(
    ("argument", "error", "message"),
    [
        ("before.tif=", InputError, "as before.tif=clear.tif"),
        ("=clear.tif", InputError, "as before.tif=clear.tif"),
        ("nothing.tif", FileError, "nothing.tif: no such file"),
        (".", InputError, r"\.: is a folder that `unclouded series` did not write"),
        ("clear.tif", InputError, "nothing beside it says what it was made of; name its input: before.tif=clear.tif"),
    ],
)
def test_what_is_no_pair_is_refused_by_name(cleared, argument, error, message):
    with pytest.raises(error, match=message):
        find_pair(argument)


@pytest.mark.parametrize("text", ["", "[]", '{"links": [{"rel": "derived_from"}]}', '{"links": null}'])
def test_another_json_beside_the_scene_is_reported(cleared, text):
    cleared.with_suffix(".json").write_text(text)
    with pytest.raises(InputError, match=r"clear\.json: is no STAC item with links"):
        find_pair(str(cleared))
