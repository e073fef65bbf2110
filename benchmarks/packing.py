"""Pack synthetic BigEarthNet v1 patches and print rate and memory as JSON; `benchmarks/data.py` runs it and explains.

python benchmarks/packing.py FOLDER ARCHIVE --patches 100000 --workers 2
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from unclouded.data import bigearthnet, bigearthnet_patch
from unclouded.data.archive import VALUES
from unclouded.data.packing import Job, PatchRecord, pack


def load_copy(job: Job) -> PatchRecord:
    """Load a patch under another name."""
    original, number = job.source
    loaded = bigearthnet_patch.load(original)
    renamed = {key: f"{key}_{number}" for key in loaded.values}
    row = dict(loaded.row)
    row["patch_id"] = job.patch_id
    if row["s1_name"] is not None:
        row["s1_name"] = renamed[str(row["s1_name"])]
    return PatchRecord({renamed[key]: tensors for key, tensors in loaded.values.items()}, row)


def copies(originals: list[Job], count: int) -> list[Job]:
    return [
        replace(job, patch_id=f"{job.patch_id}_{number}", row={}, source=(job, number))
        for number in range(count)
        for job in [originals[number % len(originals)]]
    ]


def memory_of(process: int) -> int:
    """Anonymous and shared bytes of a process and those it started."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
        children = " ".join(path.read_text() for path in Path(f"/proc/{process}/task").glob("*/children")).split()
    except OSError:
        return 0
    own = sum(int(line.split()[1]) for line in status.splitlines() if line.startswith(("RssAnon", "RssShmem")))
    return own * 1024 + sum(memory_of(int(child)) for child in children)


@contextmanager
def watched_memory() -> Iterator[list[int]]:
    """Sample the memory of this process and its children; the list grows by one figure every 0.2 s."""
    found: list[int] = [memory_of(os.getpid())]
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.2):
            found.append(memory_of(os.getpid()))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def cpu_seconds() -> float:
    """CPU time of this process and of those it started that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="patches in the layout of v1")
    parser.add_argument("archive", type=Path, help="archive to write")
    parser.add_argument("--patches", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    jobs = copies(list(bigearthnet.jobs(arguments.folder)), arguments.patches)
    with watched_memory() as memory:
        started, used = time.perf_counter(), cpu_seconds()
        report = pack(jobs, load_copy, arguments.archive, origin="benchmark", workers=arguments.workers)
        seconds = time.perf_counter() - started
        # Their CPU time is known once they have ended.
        for child in multiprocessing.active_children():
            child.join()
        used = cpu_seconds() - used
    if report.broken:
        raise SystemExit(f"{report.output}: {report.broken} patches were refused; see broken.csv there")
    result = {
        "patches": report.packed,
        "workers": arguments.workers,
        "seconds": seconds,
        "per_second_per_core": report.packed / seconds / arguments.workers,
        "per_cpu_second": report.packed / used,
        "memory_before": memory[0],
        "memory_first_quarter": max(memory[: len(memory) // 4 + 1]),
        "memory_highest": max(memory),
        "bytes_per_patch": (report.output / VALUES).stat().st_size / report.packed,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
