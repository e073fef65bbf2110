"""The values of `source` and the tags that name them."""

from __future__ import annotations

from unclouded.sources import FIRST_REFERENCE, named_references, source_tags


def test_tags_name_the_references_they_were_made_of():
    names = [f"{number}.tif" for number in range(11)]
    tags = source_tags(names)
    assert (tags["SOURCE_0"], tags["SOURCE_1"], tags["SOURCE_2"]) == ("observed", "guessed", "0.tif")
    read = named_references(dict(sorted(tags.items())))  # as text 10 goes before 2
    assert list(read.values()) == names and min(read) == FIRST_REFERENCE


def test_without_references_there_is_nothing_to_name():
    assert source_tags([]) == {}
    assert named_references({"SOURCE_X": "a", "AREA_OR_POINT": "Area", "SOURCE_1": "guessed"}) == {}
