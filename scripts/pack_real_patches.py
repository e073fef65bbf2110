"""Pack the real BigEarthNet v1 patches of a .npz file into an archive, with their official splits.

    python scripts/pack_real_patches.py bigearthnet_patches.npz --output archives/real

The file holds `name`, `version`, `labels` (JSON lists), `cloud`, `snow`, and the bands as DN: `b10` (B02 B03 B04 B08),
`b20` (B05 B06 B07 B8A B11 B12), `b60` (B01 B09), each (N, C, side, side), and `s1` (VV VH in dB, NaN where missing).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from unclouded.data.archive import encode
from unclouded.data.archive_writer import ArchiveWriter
from unclouded.data.batch import GROUPS
from unclouded.data.bigearthnet_lists import read_v1
from unclouded.files import refuse_existing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patches", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    refuse_existing(args.output)
    with np.load(args.patches) as arrays:
        real = {name: arrays[name] for name in arrays.files}
    chosen = np.flatnonzero(real["version"] == "v1")
    names = [str(name) for name in real["name"][chosen]]
    official = read_v1(args.patches.parent)
    listed = {
        row["patch_id"]: row for row in official.filter(pc.is_in(official["patch_id"], pa.array(names))).to_pylist()
    }
    with ArchiveWriter(args.output) as writer:
        for index, name in zip(chosen, names, strict=True):
            bands = {
                band: real[f"b{resolution}"][index, place]
                for resolution, group in GROUPS.items()
                for place, band in enumerate(band for band in group if band != "B10")
            }
            row = listed[name] | {"labels": json.loads(real["labels"][index]), "s1_name": None}
            writer.put({name: encode(bands)}, [row])
        writer.finish()
    splits = [listed[name]["split"] or "none" for name in names]
    print(f"{args.output}: {len(names)} patches; " + ", ".join(f"{splits.count(s)} {s}" for s in sorted(set(splits))))


if __name__ == "__main__":
    main()
