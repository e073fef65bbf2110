"""Peak memory and speed of `unclouded clear` on a scene of the size of a Sentinel-2 tile, made by tiling real patches.

    python benchmarks/scene.py [--size 10980] [--model default] [--samples 1] [--cloud 0.6] [--alone] [--json FILE]
    python benchmarks/scene.py --size 5490 --references 0,1,4

The scene has 12 bands (L2A) of uint16. The command runs as a process of its own, whose peak memory is measured. A
second run, with a mask without any cover, does all the reading and writing, and neither detects nor
translates: what it takes without its own time in the network is the time of input and output alone. Beside it stands
what GDAL takes to copy the scene into a COG with the same options and 1 GiB of cache, which nobody can do without;
with `--alone` that is all that stands beside it. `--cloud` is the share of the scene's patches that are drawn from the
cloudy ones; without it all patches are drawn with equal probability.

`--references` instead clears the scene with so many other dates (the same ground, darker or brighter), and prints the
time of the processors, which others at work on the machine change little, and the peak memory of each.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.shutil import copy
from rasterio.transform import from_origin
from rasterio.windows import Window

from unclouded.bands import L2A
from unclouded.clearing.plan import bundled_patches
from unclouded.reading.reader import open_scene
from unclouded.writing.writer import COG

_SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "bigearthnet_patches.npz"
_SIDE = 120


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=10980, help="side of the scene in pixels")
    parser.add_argument("--model", default="default", help="bundled weights by name, or others by path")
    parser.add_argument("--samples", type=int, default=1, help="latent samples")
    parser.add_argument("--cloud", type=float, help="share of cloudy patches")
    parser.add_argument("--alone", action="store_true", help="no second run that only reads and writes")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--references", help="numbers of references to compare, 0,1,4; nothing else is measured")
    args = parser.parse_args()
    if args.references:
        return compare_references(args.size, args.model, [int(n) for n in args.references.split(",")])
    # Few blocks are kept here, because the memory that this process holds hides what is measured: see `measure`.
    with tempfile.TemporaryDirectory() as folder, rasterio.Env(GDAL_CACHEMAX=64 * 2**20):
        scene, output = Path(folder) / "scene.tif", Path(folder) / "clear.tif"
        patches, cloudy = real_patches()
        if args.cloud is not None and cloudy.all():
            parser.error(f"--cloud needs clear patches too, of {_SHARED}")
        write_scene(scene, patches, args.size, chances=None if args.cloud is None else chances(cloudy, args.cloud))
        figures = measure(scene, output, args.model, args.samples)
        untouched = check(scene, output)
        figures |= copy_by_gdal(scene, Path(folder) / "copy.tif")
        figures["times_the_copy"] = round(figures["seconds"] / figures["seconds_copy"], 2)
        figures["times_the_copy_cpu"] = round(figures["cpu_seconds"] / figures["cpu_seconds_copy"], 2)
        figures["seconds_network"] = round(figures["seconds"] * figures["network_percent"] / 100, 1)
        if not args.alone:
            mask = Path(folder) / "nothing.tif"
            write_clear_mask(scene, mask)
            without = measure(scene, output, args.model, 1, "--mask", str(mask), "--mask-only")
            figures["seconds_io_alone"] = round(without["seconds"] * (1 - without["network_percent"] / 100), 1)
            larger = max(figures["seconds_network"], figures["seconds_io_alone"])
            figures["times_the_larger"] = round(figures["seconds"] / larger, 2)
        figures |= {"size": args.size, "bands": len(L2A), "patches": len(patches), "samples": args.samples}
        figures["pixels_per_second"] = round(args.size**2 / figures["seconds"])
        figures |= untouched
    for name, value in figures.items():
        print(f"{name:24} {value:,}" if isinstance(value, int | float) else f"{name:24} {value}")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


def real_patches() -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
    """Return real L2A patches (N, 12, 120, 120), and which of them are cloudy: the shared ones, else the bundled."""
    if not _SHARED.is_file():
        patches = []
        for path in bundled_patches():
            with open_scene(path) as scene:
                patches.append(scene.read(0, 0, _SIDE, _SIDE)[[scene.info.bands.index(band) for band in L2A]])
        return np.stack(patches), np.ones(len(patches), np.bool_)
    bands: dict[str, NDArray[np.uint16]] = {}
    with np.load(_SHARED) as archive:
        for key, names in (
            ("b10", ("B02", "B03", "B04", "B08")),
            ("b20", ("B05", "B06", "B07", "B8A", "B11", "B12")),
            ("b60", ("B01", "B09")),
        ):
            stored = archive[key]
            factor = _SIDE // stored.shape[-1]
            enlarged = stored.repeat(factor, axis=2).repeat(factor, axis=3)
            bands |= {name: enlarged[:, position] for position, name in enumerate(names)}
        cloudy = archive["cloud"].astype(bool)
    return np.stack([bands[band] for band in L2A], axis=1), cloudy


def chances(cloudy: NDArray[np.bool_], share: float) -> NDArray[np.float64]:
    """How likely each patch is drawn, so that a share of the draws are cloudy ones."""
    return np.where(cloudy, share / cloudy.sum(), (1 - share) / (~cloudy).sum())


def compare_references(size: int, model: str, counts: list[int]) -> None:
    """Print time and peak memory with so many references."""
    with tempfile.TemporaryDirectory() as name, rasterio.Env(GDAL_CACHEMAX=64 * 2**20):
        folder, (patches, _) = Path(name), real_patches()
        write_scene(folder / "scene.tif", patches, size)
        references = [folder / f"date{number}.tif" for number in range(max(counts))]
        for number, path in enumerate(references):
            write_scene(path, patches, size, gain=0.75 + 0.1 * number)
        for count in counts:
            more = [word for path in references[:count] for word in ("--reference", str(path))]
            made = measure(folder / "scene.tif", folder / "clear.tif", model, 1, *more)
            names = ("cpu_seconds", "seconds", "peak_memory_gib")
            print(f"{count} references:", ", ".join(f"{name} {made[name]}" for name in names), flush=True)


def write_scene(
    path: Path,
    patches: NDArray[np.uint16],
    size: int,
    gain: float = 1.0,
    chances: NDArray[np.float64] | None = None,
) -> None:
    """Write a scene of `size` x `size` pixels, every 120 of which are a patch drawn at random, times `gain`."""
    random = np.random.default_rng(0)
    profile = {"driver": "GTiff", "count": len(L2A), "dtype": "uint16", "nodata": 0, "interleave": "pixel"}
    profile |= {"tiled": True, "compress": "deflate", "zlevel": 1, "bigtiff": "if_safer"}
    place = {"crs": "EPSG:32632", "transform": from_origin(600000, 5400020, 10, 10)}
    with rasterio.open(path, "w", width=size, height=size, blockxsize=512, blockysize=512, **profile, **place) as file:
        file.descriptions = L2A
        for row in range(0, size, _SIDE):
            count = -(-size // _SIDE)
            drawn = (
                random.integers(len(patches), size=count)
                if chances is None
                else random.choice(len(patches), count, p=chances)
            )
            strip = np.concatenate(list(patches[drawn]), axis=2)[:, : size - row, :size]
            if gain != 1:
                strip = np.rint(strip * gain).astype(np.uint16)
            file.write(strip, window=Window(0, row, size, strip.shape[1]))


def write_clear_mask(scene: Path, mask: Path) -> None:
    """Write a mask of a scene that says of every pixel that it is clear."""
    with rasterio.open(scene) as file:
        grid = {"width": file.width, "height": file.height, "crs": file.crs, "transform": file.transform}
    options = {"count": 1, "dtype": "uint8", "compress": "deflate", "tiled": True, "sparse_ok": True}
    with rasterio.open(mask, "w", driver="GTiff", **grid, **options):
        pass


def measure(scene: Path, output: Path, model: str, samples: int, *more: str) -> dict[str, float]:
    """Run the command in a process of its own; return its wall time, peak memory and share of time in the network."""
    printed = output.with_suffix(".txt")
    arguments = ["clear", str(scene), "--output", str(output), "--model", model, "--samples", str(samples)]
    arguments += ["--level", "L2A", "--offset", "0", "--device", "cpu", "--overwrite", *more]
    start = time.perf_counter()
    # The peak of a program begins with what the process held that became it: a spawned one all that this one ever held,
    # a forked one what this one holds now.
    child = os.fork()
    if not child:
        os.dup2(os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 1)
        os.execv(sys.executable, [sys.executable, "-m", "unclouded", *arguments])
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - start
    if code := os.waitstatus_to_exitcode(status):
        raise SystemExit(f"unclouded clear ended with {code}")
    line = printed.read_text().strip().splitlines()[-1]
    share = re.search(r"\((\d+)% in the network\)", line)
    # The peak is in KiB on Linux, in bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 2**10
    return {
        "peak_memory_gib": round(usage.ru_maxrss * unit / 2**30, 3),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "network_percent": int(share[1]) if share else 0,
        "cores": len(os.sched_getaffinity(0)),
    }


def copy_by_gdal(scene: Path, output: Path) -> dict[str, float]:
    """Have GDAL copy a scene into a COG as those of the command are made; return its wall and processor time."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    with rasterio.Env(GDAL_CACHEMAX=2**30, COG_TMP_COMPRESSION="NONE"):
        copy(scene, output, **COG, OVERVIEW_RESAMPLING="AVERAGE")
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds_copy": round(seconds, 1), "cpu_seconds_copy": round(cpu, 1)}


def check(scene: Path, output: Path) -> dict[str, float]:
    """Read input and output whole: same grid, no valid pixel lost; return the share of pixels left untouched."""
    untouched = valid = 0
    with rasterio.open(scene) as before, rasterio.open(output) as after:
        same = ("width", "height", "count", "crs", "transform", "dtypes", "descriptions", "nodata")
        if differing := [name for name in same if getattr(before, name) != getattr(after, name)]:
            raise SystemExit(f"the output differs from the input in {', '.join(differing)}")
        for _, window in after.block_windows(1):
            old, new = before.read(window=window), after.read(window=window)
            held = (old != 0).all(axis=0)
            if not new[:, held].all():
                raise SystemExit(f"the output has lost pixels in {window}")
            untouched += int(((old == new).all(axis=0) & held).sum())
            valid += int(held.sum())
    return {"untouched_percent": round(100 * untouched / valid, 1)}


if __name__ == "__main__":
    main()
