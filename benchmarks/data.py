"""Reading and packing side by side: the archive against GeoTIFFs and against a plain copy of the same bytes.

    python benchmarks/data.py [--patches 500] [--pack 2000] [--workers 1] [--folder DIR] [--json FILE]

Reading: random patches, S2 and S1, ready as tensors. One round takes the same patches in the same order from each
source, so that what else the machine does hits all alike; the figure is the median of the rounds. "Warm": read before,
so in the page cache; given by the clock, and by this process's CPU time, which other work on the machine delays less.
"Cold": the files were given up with POSIX_FADV_DONTNEED just before; whether the kernel obeyed is measured (mincore)
and said. GeoTIFFs are 14 files a patch, as BigEarthNet v1 distributes them, read by rasterio.

Packing: `--pack N` patches of BigEarthNet v1 from the same few folders under N names (the loader's work and the writing
are all there, the disk's reading is not), with the memory of all processes sampled meanwhile: anonymous and shared
memory, without the page cache that LMDB maps.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import mmap
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio
import torch
from numpy.typing import NDArray
from synthetic_v1 import files_of, make_folders

from unclouded.data import bigearthnet, bigearthnet_patch
from unclouded.data.archive import VALUES, Archive
from unclouded.data.batch import PatchReader
from unclouded.data.packing import pack

BIGEARTHNET = 590_326
BATCH = 32
Read = Callable[[list[int]], object]


def read_geotiffs(files: list[list[Path]]) -> Read:
    def read(rows: list[int]) -> list[torch.Tensor]:
        tensors = []
        for row in rows:
            for path in files[row]:
                with rasterio.open(path) as file:
                    tensors.append(torch.from_numpy(file.read(1)))
        return tensors

    return read


def read_batches(reader: PatchReader) -> Read:
    return lambda rows: [reader.read(np.array(rows[start : start + BATCH])) for start in range(0, len(rows), BATCH)]


def copy_memory(values: list[NDArray[np.uint8]]) -> Read:
    """Copy each patch's bytes from memory into a new tensor of a batch, as `read_batches` must at the least."""

    def read(rows: list[int]) -> list[torch.Tensor]:
        batches = []
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            batch = torch.empty(len(part), len(values[0]), dtype=torch.uint8)
            for target, row in zip(batch.numpy(), part, strict=True):
                target[:] = values[row]
            batches.append(batch)
        return batches

    return read


def forget(paths: list[Path]) -> float:
    """Ask the kernel to drop the files from its cache; the share of their pages that it kept."""
    kept = total = 0
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            here, all_ = resident(file.fileno(), path.stat().st_size)
            kept, total = kept + here, total + all_
    return kept / max(total, 1)


def resident(descriptor: int, size: int) -> tuple[int, int]:
    """Pages of a file in memory, and all its pages."""
    pages = -(-size // mmap.PAGESIZE)
    with mmap.mmap(descriptor, size, prot=mmap.PROT_READ | mmap.PROT_WRITE, flags=mmap.MAP_PRIVATE) as mapped:
        address = ctypes.addressof(ctypes.c_char.from_buffer(mapped))
        found = (ctypes.c_ubyte * pages)()
        if ctypes.CDLL(None, use_errno=True).mincore(ctypes.c_void_p(address), ctypes.c_size_t(size), found):
            raise OSError(ctypes.get_errno(), "mincore")
        return int((np.frombuffer(found, np.uint8) & 1).sum()), pages


def rates(read: Read, rows: list[int]) -> tuple[float, float]:
    """Patches per second by the clock, and of CPU time."""
    clock, own = time.perf_counter(), time.process_time()
    read(rows)
    return len(rows) / (time.perf_counter() - clock), len(rows) / (time.process_time() - own)


def compare_reading(root: Path, archive_path: Path, rounds: int, sample: int) -> dict[str, object]:
    """Patches per second from each source, warm and cold."""
    with Archive(archive_path) as archive:
        names = list(zip(*(archive.table[c].to_pylist() for c in ("patch_id", "s1_name")), strict=True))
        size = sum(array.nbytes for key in names[0] for array in archive.read(key).values())
    files = [files_of(root, *name) for name in names]
    # As much memory as patches: a copy within the processor's cache would not be one of random patches.
    memory = list(np.random.default_rng(1).integers(0, 256, (len(names), size), dtype=np.uint8))
    rng = np.random.default_rng(0)
    warm: dict[str, list[float]] = {}
    own: dict[str, list[float]] = {}
    cold: dict[str, list[float]] = {}
    kept: dict[str, float] = {}
    with Archive(archive_path) as archive:
        sources = {
            "14 GeoTIFFs, rasterio": read_geotiffs(files),
            "archive, batches of 32": read_batches(PatchReader(archive)),
            "memory copy, same bytes": copy_memory(memory),
        }
        for number in range(rounds + 1):
            rows = rng.integers(0, len(names), sample).tolist()
            for name, read in sources.items():
                # GeoTIFFs take a hundred times as long: a tenth of the patches is enough of them.
                by_clock, by_cpu = rates(read, rows[: max(1, sample // 10)] if "GeoTIFF" in name else rows)
                if number:
                    warm.setdefault(name, []).append(by_clock)
                    own.setdefault(name, []).append(by_cpu)
    for _ in range(3):
        rows = rng.permutation(len(names))[: max(1, sample // 10)].tolist()
        kept["GeoTIFFs"] = forget([path for row in rows for path in files[row]])
        cold.setdefault("14 GeoTIFFs, rasterio", []).append(rates(read_geotiffs(files), rows)[0])
        # Mapped pages are not given up: the archive is closed meanwhile.
        kept["archive"] = forget([archive_path / VALUES])
        with Archive(archive_path) as archive:
            reader = PatchReader(archive)
            cold.setdefault("archive, batches of 32", []).append(rates(read_batches(reader), rows)[0])
    median = {
        kind: {name: statistics.median(values) for name, values in found.items()}
        for kind, found in (("warm", warm), ("warm_cpu", own), ("cold", cold))
    }
    return {"bytes": size, "patches": len(names), "kept_in_cache": kept, **median}


def print_reading(result: dict) -> None:
    print(f"\nReading {result['patches']} patches at random, {result['bytes'] / 1e6:.3f} MB each (S2 and S1)")
    kept = ", ".join(f"{share:.0%} of the {name}" for name, share in result["kept_in_cache"].items())
    print(f"(cold: the kernel still held {kept})")
    print(f"{'':26s}{'warm /s':>10s}{'of copy':>9s}{'warm /CPU s':>13s}{'of copy':>9s}{'cold /s':>10s}")
    for name in result["warm"]:
        line = f"{name:26s}"
        for kind, width in (("warm", 10), ("warm_cpu", 13)):
            speed, copy = (result[kind][source] for source in (name, "memory copy, same bytes"))
            line += f"{speed:{width},.0f}{speed / copy:9.3f}"
        print(line + (f"{result['cold'][name]:10,.0f}" if name in result["cold"] else ""))
    for kind in ("warm", "warm_cpu", "cold"):
        ratio = result[kind]["archive, batches of 32"] / result[kind]["14 GeoTIFFs, rasterio"]
        print(f"archive in batches against GeoTIFFs, {kind}: {ratio:.0f} times")


def print_packing(result: dict[str, float]) -> None:
    print(f"\nPacking {result['patches']:,} v1 patches (S2 and S1) with {result['workers']} processes")
    print(f"{result['per_second_per_core']:.0f} patches/s per core by the clock ({result['seconds']:.0f} s), ", end="")
    print(f"{result['per_cpu_second']:.0f} per CPU second")
    names = ("memory_before", "memory_first_quarter", "memory_highest")
    before, first, highest = (result[name] / 1e6 for name in names)
    print(f"memory of all processes: {before:.0f} MB before, {first:.0f} in the first quarter, {highest:.0f} at most")
    hours, size = BIGEARTHNET / result["per_cpu_second"] / 3600, BIGEARTHNET * result["bytes_per_patch"] / 1e9
    print(f"at this rate {BIGEARTHNET:,} patches take {hours:.2f} CPU hours and {size:.0f} GB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patches", type=int, default=500, help="patches to read, as folders and in an archive")
    parser.add_argument("--pack", type=int, default=2000, help="patches to pack; 0 leaves packing out")
    parser.add_argument("--workers", type=int, default=1, help="processes that pack")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where to put the files meanwhile; needs 0.6 MB a patch")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp(prefix="unclouded_", dir=arguments.folder))
    try:
        make_folders(folder / "v1", arguments.patches)
        pack(bigearthnet.jobs(folder / "v1"), bigearthnet_patch.load, folder / "archive", origin="benchmark")
        result = {"reading": compare_reading(folder / "v1", folder / "archive", arguments.rounds, arguments.patches)}
        print_reading(result["reading"])
        if arguments.pack:
            # In a process of its own, which holds no images and no torch: its memory is measured.
            command = [sys.executable, str(Path(__file__).with_name("packing.py")), folder / "v1", folder / "packed"]
            options = [f"--patches={arguments.pack}", f"--workers={arguments.workers}"]
            done = subprocess.run([*command, *options], check=True, stdout=subprocess.PIPE, text=True)
            result["packing"] = json.loads(done.stdout)
            print_packing(result["packing"])
    finally:
        shutil.rmtree(folder)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
