"""An area in a catalogue on this machine: time, bytes read, memory; beside the whole scene; killed again and again.

    python benchmarks/catalog.py FOLDER [--side 10980] [--dates 12] [--kilometres 10] [--block 512] [--whole]
        [--kills N] [--data ../shared/data]

Makes dates of one tile with fields, noise and clouds as COGs in FOLDER (those of an earlier run stay), or with --data
dates of a whole tile of real pixels in 12 bands, of which three are made and used in turn; serves them with
ranges on the loopback, lists them in a STAC API (`rustac`), and runs `unclouded series --catalog` of a square in the
middle. Printed are the seconds, the bytes that were asked for beside those of the files, and the largest memory of the
process. With --whole the same dates are cleared whole, too, and the results compared where both are; with --kills the
command is killed that often, at random moments, and the files compared with those of the run that was left alone.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import from_bounds

from unclouded.files import QUALITY_BANDS

# The catalogue is that of the tests.
sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
import catalogue
import whole_tiles
from scenes import fields

PERIOD = "2024-05-01/2024-12-31"


def whole_tiles_of(front: catalogue.Front, data: Path, count: int, block: int) -> tuple[list[dict], int]:
    """Dates of a whole tile of real pixels, and the bytes of their files."""
    made = [whole_tiles.made_tile(front.folder, data, number, block) for number in range(min(3, count))]
    tiles = [made[number % len(made)] for number in range(count)]
    days = [str(date(2024, 5, 3) + timedelta(5 * number)) for number in range(count)]
    items = [whole_tiles.item_of(front, tile, day) for tile, day in zip(tiles, days, strict=True)]
    return items, sum(path.stat().st_size for tile in tiles for path in tile.glob("*.tif"))


def tiles(front: catalogue.Front, side: int, count: int, block: int) -> tuple[list[dict], int]:
    """Dates of a tile of `side` pixels, whose fields, clouds and noise repeat, and the bytes of their files."""
    small, items = 1098, []
    for number in range(count):
        day = date(2024, 5, 3) + timedelta(5 * number)
        name = f"S2A_32UPU_{day:%Y%m%d}_0_L2A"
        folder = front.folder / f"{side}_{block}" / name
        done = folder / "done"
        if not done.exists():
            rng = np.random.default_rng(number)
            clouds = [(int(r), int(c), small // 12) for r, c in rng.integers(0, small, (3, 2))]
            dn = fields(tuple(catalogue.BANDS.values()), small, small, clouds, field=small // 40) * (1 + 0.01 * number)
            dn = (dn + rng.normal(0, 20, dn.shape) + 1000).clip(1, 16000).astype(np.uint16)
            catalogue.write_tile(
                folder, (np.tile(band, (-(-side // small),) * 2)[:side, :side] for band in dn), 0, 0, block
            )
            done.touch()
        files = {key: folder / f"{band}.tif" for key, band in catalogue.BANDS.items()}
        left, top = catalogue.LEFT, catalogue.TOP
        outline = catalogue.outline_of(left, top, left + 10 * side, top - 10 * side)
        assets = catalogue.assets_of(front, files)
        items.append(catalogue.item(front.address, name, f"{day}T10:10:31Z", assets, outline))
    return items, sum(path.stat().st_size for path in (front.folder / f"{side}_{block}").rglob("B*.tif"))


def measured(arguments: list[str]) -> tuple[float, float]:
    """Run `unclouded`; seconds, and the peak memory of the process in GB."""
    start = time.monotonic()
    running = subprocess.Popen([sys.executable, "-m", "unclouded", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(running.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(arguments)} failed")
    return time.monotonic() - start, usage.ru_maxrss / 2**20


def killed(arguments: list[str], seconds: float) -> bool:
    """Run `unclouded` and kill it after some seconds; False if it ended before."""
    running = subprocess.Popen(
        [sys.executable, "-m", "unclouded", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        running.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        return True


def read_in(front: catalogue.Front) -> int:
    """Bytes of files requested since the last call."""
    total = sum(size for _, size in front.of_files())
    front.requests.clear()
    return total


def same_files(folder: Path, other: Path) -> bool:
    """Whether two folders hold the same results, to the byte."""
    names = sorted(path.name for path in folder.glob("*.tif"))
    if names != sorted(path.name for path in other.glob("*.tif")) or not names:
        return False
    for name in names:
        with rasterio.open(folder / name) as one, rasterio.open(other / name) as two:
            if one.read().tobytes() != two.read().tobytes():
                return False
    return True


def difference(part: Path, whole: Path) -> str:
    """Mean absolute difference of an area and the cut of the whole, in reflectance, and on which of its pixels."""
    images, sources = [], []
    for name in ("{}.tif", "{}_quality.tif"):
        with rasterio.open(part.with_name(name.format(part.stem))) as one:
            found, bounds = one.read(), one.bounds
        with rasterio.open(whole.with_name(name.format(whole.stem))) as two:
            expected = two.read(window=from_bounds(*bounds, two.transform))
        (sources if "quality" in name else images).extend((found, expected))
    apart = np.abs(images[0].astype(np.int64) - images[1]).mean(axis=0) / 1e4
    here, there = (quality[QUALITY_BANDS.index("source")] for quality in sources)
    kinds = {
        "replaced from one source": (here == there) & (here > 0),
        "from another source": (here != there) & (here > 0) & (there > 0),
        "replaced in one alone": (here > 0) != (there > 0),
    }
    said = (
        f"{name}: {mask.mean():.2%} of the pixels, {apart[mask].sum() / apart.size:.5f}" for name, mask in kinds.items()
    )
    return f"{apart.mean():.5f} from the cut of the whole on average ({'; '.join(said)} of it)"


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, default=10_980)
    parser.add_argument("--dates", type=int, default=12)
    parser.add_argument("--kilometres", type=float, default=10.0)
    parser.add_argument("--block", type=int, default=512)
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--make", action="store_true", help="make the files and nothing else")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    with catalogue.serving(args.folder) as front:
        if args.data is None:
            items, whole_bytes = tiles(front, args.side, args.dates, args.block)
        else:
            items, whole_bytes = whole_tiles_of(front, args.data, args.dates, args.block)
        if args.make:
            return
        pixels = round(args.kilometres * 100)
        corner = (args.side - pixels) // 2
        area = ["--bbox", catalogue.bbox_of(corner, corner, pixels, pixels)]
        out, kept = args.folder / "area", args.folder / "kept"
        for folder in (out, kept, args.folder / "killed", args.folder / "killed_kept"):
            shutil.rmtree(folder, ignore_errors=True)
        with catalogue.listed(front, items, args.folder / "api"):
            words = ["series", "--catalog", front.address, *area, "--dates", PERIOD]
            seconds, memory = measured([*words, "--output", str(out), "--cache", str(kept)])
            read = read_in(front)
            print(
                f"{args.dates} dates, {args.kilometres:g} km of {args.side} pixels, blocks of {args.block}: "
                f"{seconds:.0f} s, {read / 1e6:.0f} MB read, {read / whole_bytes:.1%} of {whole_bytes / 1e9:.2f} GB, "
                f"memory {memory:.2f} GB",
                flush=True,
            )
            if args.kills:
                again = [*words, "--output", str(args.folder / "killed"), "--cache", str(args.folder / "killed_kept")]
                rng = random.Random(0)
                # Later runs have less to do, and a run that is done cannot be killed.
                kills = sum(killed(again, rng.uniform(2, seconds / 3)) for _ in range(args.kills))
                measured(again)
                total, same = read_in(front), same_files(args.folder / "killed", out)
                print(
                    f"killed {kills} times: the same files: {same}; {total / read:.2f} times the bytes read", flush=True
                )
        if args.whole:
            folder = args.folder / "whole"
            shutil.rmtree(folder, ignore_errors=True)
            files = [str(args.folder / f"{item['id']}.json") for item in items]
            for path, item in zip(files, items, strict=True):
                Path(path).write_text(json.dumps(item))
            seconds, memory = measured(["series", *files, "--output", str(folder)])
            for path in sorted(out.glob("*_L2A.tif")):
                print(f"{path.stem}: {difference(path, folder / path.name)}")
            print(f"whole scenes: {seconds:.0f} s, memory {memory:.2f} GB")


if __name__ == "__main__":
    main()
