"""The values of the band `source`, which says where a pixel of a result comes from, and the tags that name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

OBSERVED, GUESSED, FIRST_REFERENCE = 0, 1, 2
"""Values of the band; the second reference is one more than the first, and so on."""

_TAG = "SOURCE_"


def source_tags(references: Sequence[str]) -> dict[str, str]:
    """The tags of a quality file that say what the values of its `source` mean; none without `references`."""
    if not references:
        return {}
    named = {f"{_TAG}{code}": name for code, name in enumerate(references, start=FIRST_REFERENCE)}
    return {f"{_TAG}{OBSERVED}": "observed", f"{_TAG}{GUESSED}": "guessed", **named}


def named_references(tags: Mapping[str, str]) -> dict[int, str]:
    """The names of references by their value of `source`, in rising order, by the tags of a quality file."""
    codes = (tag.removeprefix(_TAG) for tag in tags if tag.startswith(_TAG))
    numbers = sorted(int(code) for code in codes if code.isdigit())
    return {number: tags[f"{_TAG}{number}"] for number in numbers if number >= FIRST_REFERENCE}
