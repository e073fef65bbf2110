"""How much quicker two scenes are cleared by two workers than by one: `unclouded clear --workers 1` and `--workers 2`.

    python benchmarks/cluster.py [--size 10980] [--rounds 1] [--json FILE]

The scenes are those of benchmarks/scene.py. Every run is a process of its own with its start and that of its workers;
runs with one and with two workers take turns. The images of all runs must be the same, byte for byte.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from scene import real_patches, write_scene

_WORKERS = (1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=10980, help="side of the scenes in pixels")
    parser.add_argument("--rounds", type=int, default=1, help="runs with each number of workers; their median counts")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    args = parser.parse_args()
    seconds: dict[int, list[float]] = {workers: [] for workers in _WORKERS}
    checksums = set()
    with tempfile.TemporaryDirectory() as folder:
        scenes = [Path(folder) / name for name in ("one.tif", "two.tif")]
        patches, _ = real_patches()
        for scene in scenes:
            write_scene(scene, patches, args.size)
        for _ in range(args.rounds):
            for workers in _WORKERS:
                output = Path(folder) / "clear"
                seconds[workers].append(measure(scenes, output, workers))
                checksums.add(checksum(output))
    if len(checksums) > 1:
        raise SystemExit("the files depend on the number of workers")
    one, two = (median(seconds[workers]) for workers in _WORKERS)
    figures = {
        "size": args.size,
        "cores": len(os.sched_getaffinity(0)),
        "seconds_1_worker": round(one, 1),
        "seconds_2_workers": round(two, 1),
        "times_as_quick": round(one / two, 2),
    }
    for name, value in figures.items():
        print(f"{name:24} {value:,}")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


def measure(scenes: list[Path], output: Path, workers: int) -> float:
    """Clear the scenes into a folder and return the seconds that the command took."""
    arguments = ["clear", *map(str, scenes), "--output", f"{output}/", "--workers", str(workers)]
    arguments += ["--level", "L2A", "--offset", "0", "--device", "cpu", "--overwrite"]
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "unclouded", *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def checksum(folder: Path) -> str:
    """SHA-256 of all images of a folder; STAC items hold the time of day."""
    total = hashlib.sha256()
    for path in sorted(folder.glob("*.tif")):
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


if __name__ == "__main__":
    main()
