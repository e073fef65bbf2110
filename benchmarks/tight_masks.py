"""What a mask that is too small costs with other dates at hand, against exact truth.

    python benchmarks/tight_masks.py [--data ../shared/data] [--count 4] [--sites roi146,…] [--pixels 3]

The cases are those of `own_mask.py`. Rows: each site with one earlier date and with the three nearest. Columns: mean
absolute error under the cover with the true mask, with the mask eroded by so many pixels, and the second in the first.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
from comparison import DATA
from conditions import image
from date_cases import Array, Case, cases
from numpy.typing import NDArray
from own_mask import DAY, OF_L1C, PASTED, with_clouds
from scipy.ndimage import binary_erosion

import unclouded

SITES = ("worldcereal", "mol", "roi146", "bark beetle", "antwerp", "monthly")


def error(case: Case, mask: NDArray[np.bool_], others: list[tuple[Array, int]], level: str) -> float:
    references = [image(values, case.bands, DAY + apart) for values, apart in others]
    scene = image(case.scene, case.bands, DAY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        made = unclouded.clear(
            scene, references=references, mask=mask.astype(np.uint8), level=level, scale=1, precision="fp32"
        )
    return float(abs(made.reflectance.values - case.truth)[:, case.mask].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--count", type=int, default=4, help="cases of each site")
    parser.add_argument("--sites", default=",".join(SITES))
    parser.add_argument("--pixels", type=int, default=3, help="by which the mask is eroded")
    args = parser.parse_args()
    for site in args.sites.split(","):
        rng, level = np.random.default_rng(0), "L1C" if site in OF_L1C else "L2A"
        rows: dict[str, list[tuple[float, float]]] = {"one earlier": [], "three nearest": []}
        for case in cases(args.data, site, args.count):
            covered = with_clouds(case, args.data, rng) if site in PASTED else case
            small = binary_erosion(covered.mask, iterations=args.pixels)
            if not small.any():
                continue
            earlier = list(zip(covered.earlier[:1], covered.earlier_days[:1], strict=True))
            nearest = list(zip(covered.near, covered.near_days, strict=True))
            for kind, others in zip(rows, (earlier, nearest), strict=True):
                rows[kind].append(tuple(error(covered, mask, others, level) for mask in (covered.mask, small)))  # type: ignore[arg-type]
        for kind, errors in rows.items():
            true, tight = np.mean(errors, axis=0)
            print(f"{site + ', ' + kind:28} N={len(errors):2} {true:.4f} {tight:.4f} {tight / true:.2f}", flush=True)


if __name__ == "__main__":
    main()
