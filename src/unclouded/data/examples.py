"""Example patches of an archive for a contact sheet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unclouded.data.archive import Archive

Tensors = Mapping[str, NDArray[Any]]


class Examples(NamedTuple):
    """Rows of patches, each with a title.

    Attributes:
        patches: DN by band, by title.
        truth: (h, w) opacity and shadow of simulated skies, 0 to 1, by title.
    """

    patches: dict[str, list[Tensors]]
    truth: dict[str, list[NDArray[np.float32]]]


def examples(archive: Archive, count: int) -> Examples:
    """Up to `count` patches of each domain, evenly spaced through the archive, with the truth where it is known.

    Raises:
        FileError: if a value is damaged.
    """
    table = archive.table.select(["patch_id", "domain", "clear_id"]).to_pylist()
    twins = {row["clear_id"] for row in table}
    found = Examples({}, {})
    for domain, title in (("Y", "domain Y: clear"), ("X", "domain X: cloud or shadow"), ("", "in no domain")):
        here = [row for row in table if row["domain"] == domain and row["patch_id"] not in twins]
        chosen = here[:: max(1, len(here) // count)][:count]
        shown = [archive.read(row["patch_id"]) for row in chosen]
        found.patches[title] = list(shown)
        if domain == "X":
            known = [row["clear_id"] for row in chosen if row["clear_id"]]
            found.patches["the same places, clear"] = [archive.read(name) for name in known]
            for name, meaning in (("opacity", "opacity of the clouds, 0 to 1"), ("shadow", "their shadows, 0 to 1")):
                found.truth[meaning] = [
                    patch[name].astype(np.float32) / np.float32(255) for patch in shown if name in patch
                ]
    return found
