"""Draw simulated landscapes beside real BigEarthNet patches, for the documentation.

    python scripts/draw_landscapes.py bigearthnet_patches.npz --output docs/landscapes.png

The file holds `b10`, real patches' bands B02, B03, B04, B08 as DN (N, 4, 120, 120), with the flags `cloud` and `snow`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from unclouded.data.landscapes.simulation import jobs, load
from unclouded.report.contact_sheet import contact_sheet, in_colour

_BANDS = ("B02", "B03", "B04")
_REAL = (4, 16, 19, 22, 32, 36, 41, 45, 47, 56, 57, 58, 66, 71, 73, 76, 89, 95, 101, 121)
_SHOWN = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("real", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with np.load(args.real) as arrays:
        real = [dict(zip(_BANDS, patch, strict=False)) for patch in arrays["b10"][list(_REAL)]]
    # The open sea looks the same in both.
    simulated = []
    for job in jobs(4 * _SHOWN, args.seed, cloudy=0.0):
        loaded = load(job)
        if len(simulated) < _SHOWN and loaded.row["labels"] != ["Sea and ocean"]:
            simulated.append(loaded.values[job.patch_id])
    rows = {"simulated": simulated, "real (BigEarthNet, CDLA-Permissive-1.0)": real}
    contact_sheet({title: [in_colour(patch) for patch in patches] for title, patches in rows.items()}, args.output)


if __name__ == "__main__":
    main()
