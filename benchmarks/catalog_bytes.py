"""Bytes that are read of whole tiles for an area: of all of them, and what they are needed for.

    python benchmarks/catalog_bytes.py FOLDER [--data ../shared/data] [--block 1024] [--places 10] [--kilometres 10]

Makes a date of a tile of real pixels in FOLDER (12 bands at their own resolution and SCL, 1.1 GB; one of an earlier run
stays), serves it with ranges on the loopback, and reads squares at random places as `--catalog` does. Printed are means
over the places, as shares of all bytes of the tile: what was read; what the blocks that touch the area alone hold; and
by resolution.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from unclouded.catalog.cache import Extract, store
from unclouded.catalog.overpasses import overpasses
from unclouded.catalog.retry import RetryPolicy
from unclouded.reading.grids.area import box_area

# The catalogue is that of the tests.
sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
import catalogue
from whole_tiles import KEYS, SIDE, bytes_of_blocks, item_of, made_tile

_FINE = ("B02", "B03", "B04", "B08")
_COARSEST = ("B01", "B09")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--block", type=int, default=1024)
    parser.add_argument("--places", type=int, default=10)
    parser.add_argument("--kilometres", type=float, default=10.0)
    args = parser.parse_args()
    tile = made_tile(args.folder, args.data, 0, args.block)
    files = [tile / f"{band}.tif" for band in KEYS.values()]
    whole, pixels = sum(file.stat().st_size for file in files), round(args.kilometres * 100)
    shares = []
    with catalogue.serving(args.folder) as front, tempfile.TemporaryDirectory() as kept:
        item = item_of(front, tile, "2024-05-03")
        for row, column in np.random.default_rng(5).integers(0, SIDE - pixels, (args.places, 2)):
            area = box_area(catalogue.bbox_of(int(row), int(column), pixels, pixels))
            front.requests.clear()
            (date,) = overpasses([item], area)
            store(date, Extract(area, None, False, lambda item: item, RetryPolicy()), Path(kept))
            read = Counter()
            for path, size in front.of_files():
                band = Path(path).stem
                read["10 m" if band in _FINE else "60 m" if band in _COARSEST else "20 m"] += size
            left, top = catalogue.LEFT + 10 * column, catalogue.TOP - 10 * row
            bounds = left, top - 10 * pixels, left + 10 * pixels, top
            alone = sum(bytes_of_blocks(file, bounds) for file in files)
            shares.append([sum(read.values()), alone, read["10 m"], read["20 m"], read["60 m"]])
            for folder in Path(kept).iterdir():
                shutil.rmtree(folder)
    found = np.array(shares) / whole
    read, alone, fine, coarse, coarsest = found.mean(0)
    print(f"{args.places} places, {args.kilometres:g} km, blocks of {args.block}, tile of {whole / 1e9:.2f} GB:")
    print(f"read {read:.1%} ({found[:, 0].min():.1%} to {found[:, 0].max():.1%}), blocks of the area alone {alone:.1%}")
    print(f"of what was read 10 m {fine / read:.0%}, 20 m {coarse / read:.0%}, 60 m {coarsest / read:.0%}")


if __name__ == "__main__":
    main()
