"""Lists and tables of BigEarthNet as they are distributed, with a few patches each."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from unclouded.data import bigearthnet_lists as lists

FILES = (lists.CLOUDY, lists.SNOWY, "train", "val", "test", lists.RADAR)


def patch(row, date="20170613T101031"):
    return f"S2A_MSIL2A_{date}_{row}_7"


def write_v2(folder: Path) -> None:
    def row(n, **known):
        return {
            "patch_id": f"S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_{n}_7",
            "labels": ["Pastures"],
            "split": "test",
            "country": "Austria",
            "s1_name": f"S1A_{n}",
            "s2v1_name": patch(n),
            "contains_seasonal_snow": False,
            "contains_cloud_or_shadow": False,
        } | known

    others = [row(1, contains_cloud_or_shadow=True), row(2, contains_seasonal_snow=True)]
    pq.write_table(pa.Table.from_pylist([row(0)]), folder / lists.V2_CLEAR)
    pq.write_table(pa.Table.from_pylist(others), folder / lists.V2_OTHER)
