"""Counts of an archive's patches by their metadata."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa

_COLUMNS = ("domain", "split", "country", "acquisition", "level")
_NAMES = {"domain": {"": "neither X nor Y"}, "split": {"": "none"}, "country": {"": "unknown"}}


def counts(table: pa.Table) -> dict[str, dict[str, int]]:
    """Count the patches of an archive's table by domain, split, country, acquisition, level and label, most first.

    A patch with several labels counts under each. "domain and split" counts their combinations.
    """
    counted = {}
    for column in _COLUMNS:
        names = _NAMES.get(column, {})
        counted[column] = Counter(names.get(value, value) for value in table[column].to_pylist())
    pairs = zip(table["domain"].to_pylist(), table["split"].to_pylist(), strict=True)
    counted["domain and split"] = Counter(f"{domain or '-'} {split or '-'}" for domain, split in pairs)
    counted["label"] = Counter(label for labels in table["labels"].to_pylist() for label in labels or ())
    return {name: dict(counter.most_common()) for name, counter in counted.items()}
