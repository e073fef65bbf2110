"""Counts of an archive's table."""

import pyarrow as pa

from unclouded.data.counts import counts


def test_counts_by_column_and_label() -> None:
    rows = [
        {"domain": "X", "split": "train", "country": "", "acquisition": "a", "level": "L2A", "labels": ["Pastures"]},
        {"domain": "X", "split": "test", "country": "Serbia", "acquisition": "a", "level": "L2A", "labels": None},
        {
            "domain": "",
            "split": "",
            "country": "Serbia",
            "acquisition": "b",
            "level": "L2A",
            "labels": ["Pastures", "B"],
        },
    ]
    counted = counts(pa.Table.from_pylist(rows))
    assert counted["domain"] == {"X": 2, "neither X nor Y": 1}
    assert counted["split"] == {"train": 1, "test": 1, "none": 1}
    assert counted["country"] == {"Serbia": 2, "unknown": 1}
    assert counted["acquisition"] == {"a": 2, "b": 1}
    assert counted["domain and split"] == {"X train": 1, "X test": 1, "- -": 1}
    assert counted["label"] == {"Pastures": 2, "B": 1}
