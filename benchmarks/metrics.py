"""The distances side by side with public implementations: do they agree, how much faster, how much memory.

    python benchmarks/metrics.py [--widths 512 2048] [--neighbours 20000] [--repeats 3] [--json FILE]

Needs torchmetrics (`pip install -c constraints.txt torchmetrics`); its metrics get the same features, through an
extractor that is the identity. All times are of one run, each implementation in turn, `--repeats` rounds,
the fastest of each; so what else the machine does hits all alike, but look at the load that is printed.

Fréchet distance: of 2.5 features per dimension, correlated, whose spectrum falls as 1 / rank. "distance" is the time
from means and covariances on, "whole" from the features on. `scipy.linalg.sqrtm` is what most FID code calls.
Neighbours: the formulas of Naeem et al. 2020 with whole distance matrices (scipy's cdist), at a size that these can
hold; then the memory of `--neighbours` features of 512 numbers each, in a process of its own that imports no torch:
the most that it held, less what it held before there were features.
Features: the rate of ResNet-18's convolutions while features are taken of 120 x 120 images, float32, against the best
rate that convolutions of its own layers' shapes reach here, alone.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import linalg
from scipy.spatial.distance import cdist
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from unclouded.bands import L2A, NAMES
from unclouded.evaluation.frechet import FeatureMoments, frechet_distance
from unclouded.evaluation.neighbours import kernel_distance, neighbourhood
from unclouded.models.land_cover import SIDE, ClassifierSettings, LandCover
from unclouded.models.observation import Observation

Float = NDArray[np.float64]
K = 5


class Identity(nn.Module):
    """Feature extractor for torchmetrics whose input is the features."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.num_features = width

    def forward(self, features: Tensor) -> Tensor:
        """Return the features."""
        return features


def features_of(count: int, width: int, seed: int, shift: float = 0.0) -> Float:
    """Correlated features whose variances fall as 1 / rank; each seed has axes of its own."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(width, width)))[0]
    return rng.normal(size=(count, width)) / np.sqrt(np.arange(1, width + 1)) @ axes + shift / np.sqrt(width)


def race(runners: dict[str, Callable[[], Any]], repeats: int) -> tuple[dict[str, Any], dict[str, float]]:
    """Result and fastest time in seconds of each, taken in turn."""
    results: dict[str, Any] = {}
    times: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(repeats):
        for name, run in runners.items():
            start = time.perf_counter()
            results[name] = run()
            times[name].append(time.perf_counter() - start)
    return results, {name: min(took) for name, took in times.items()}


def by_square_root(mean_a: Float, covariance_a: Float, mean_b: Float, covariance_b: Float) -> float:
    """The usual code: the matrix square root of the product, its imaginary part dropped."""
    root = linalg.sqrtm(covariance_a @ covariance_b)
    step = mean_a - mean_b
    return float(step @ step + np.trace(covariance_a) + np.trace(covariance_b) - 2 * np.trace(root.real))


def torchmetrics_distance(width: int) -> Callable[[Float, Float], float]:
    from torchmetrics.image.fid import FrechetInceptionDistance

    def distance(a: Float, b: Float) -> float:
        metric = FrechetInceptionDistance(feature=Identity(width))
        metric.update(torch.from_numpy(a), real=True)
        metric.update(torch.from_numpy(b), real=False)
        return float(metric.compute())

    return distance


def frechet(width: int, repeats: int) -> dict[str, Any]:
    from torchmetrics.image.fid import _compute_fid

    count = width * 5 // 2
    a, b = features_of(count, width, 1), features_of(count, width, 2, shift=0.5)
    moments = FeatureMoments.of(a), FeatureMoments.of(b)
    means, covariances = (a.mean(0), b.mean(0)), (np.cov(a.T), np.cov(b.T))
    plain = (means[0], covariances[0], means[1], covariances[1])
    tensors = [torch.from_numpy(array) for array in plain]
    public = torchmetrics_distance(width)
    values, whole = race(
        {
            "ours": lambda: frechet_distance(a, b),
            "torchmetrics": lambda: public(a, b),
            "sqrtm": lambda: by_square_root(a.mean(0), np.cov(a.T), b.mean(0), np.cov(b.T)),
        },
        repeats,
    )
    _, apart = race(
        {
            "ours": lambda: frechet_distance(*moments),
            "torchmetrics": lambda: _compute_fid(*tensors),
            "sqrtm": lambda: by_square_root(*plain),
        },
        repeats,
    )
    print(f"\nFréchet distance, d = {width}, N = {count} + {count}")
    print(f"{'':14}{'value':>16}{'from ours':>12}{'distance s':>12}{'x ours':>9}{'whole s':>10}{'x ours':>9}")
    for name, value in values.items():
        off = abs(value / values["ours"] - 1)
        print(
            f"{name:14}{value:16.9f}{off:12.1e}{apart[name]:12.3f}{apart[name] / apart['ours']:9.1f}"
            f"{whole[name]:10.3f}{whole[name] / whole['ours']:9.1f}"
        )
    return {"d": width, "n": count, "values": values, "distance_s": apart, "whole_s": whole}


def plain_neighbourhood(real: Float, made: Float) -> tuple[float, ...]:
    """Precision, recall, density, coverage as their papers write them, with all distances at once."""
    own_real, own_made, between = cdist(real, real), cdist(made, made), cdist(real, made)
    reach_real = np.partition(own_real, K, axis=1)[:, K]
    reach_made = np.partition(own_made, K, axis=1)[:, K]
    near = between <= reach_real[:, None]
    recall = (between <= reach_made[None]).any(1).mean()
    return tuple(float(v) for v in (near.any(0).mean(), recall, near.sum(0).mean() / K, near.any(1).mean()))


def public_kernel_distance(a: Float, b: Float) -> float:
    from torchmetrics.image.kid import KernelInceptionDistance

    metric = KernelInceptionDistance(feature=Identity(a.shape[1]), subsets=1, subset_size=len(a))
    metric.update(torch.from_numpy(a), real=True)
    metric.update(torch.from_numpy(b), real=False)
    return float(metric.compute()[0])


def neighbours(count: int, repeats: int) -> dict[str, Any]:
    real, made = np.split(features_of(2 * count, 512, 1), 2)
    made = 0.95 * made + 0.02
    values, times = race(
        {"ours": lambda: neighbourhood(real, made, k=K), "formulas": lambda: plain_neighbourhood(real, made)}, repeats
    )
    # With one subset of all features there is nothing left to chance.
    kernel, kernel_times = race(
        {
            "ours": lambda: kernel_distance(real, made, subsets=1, size=count).mean,
            "torchmetrics": lambda: public_kernel_distance(real, made),
        },
        repeats,
    )
    print(f"\nNeighbours, d = 512, N = {count} + {count}, k = {K}")
    print(f"{'':14}{'precision':>11}{'recall':>9}{'density':>9}{'coverage':>10}{'s':>9}{'x ours':>9}")
    for name, found in values.items():
        row = f"{found[0]:11.6f}{found[1]:9.6f}{found[2]:9.6f}{found[3]:10.6f}"
        print(f"{name:14}{row}{times[name]:9.3f}{times[name] / times['ours']:9.1f}")
    print(f"{'':14}{'KID':>16}{'from ours':>12}{'s':>9}{'x ours':>9}")
    for name, value in kernel.items():
        off, took = abs(value / kernel["ours"] - 1), kernel_times[name]
        print(f"{name:14}{value:16.9f}{off:12.1e}{took:9.3f}{took / kernel_times['ours']:9.1f}")
    return {"n": count, "values": values, "s": times, "kid": kernel, "kid_s": kernel_times}


_IN_A_PROCESS = """
import json, resource, sys, time
import numpy as np
from unclouded.evaluation.neighbours import neighbourhood


def peak():
    # Where there is /proc: ru_maxrss begins with what the process that started this one held.
    try:
        lines = open("/proc/self/status").read().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


count, k = int(sys.argv[1]), int(sys.argv[2])
before = peak()
rng = np.random.default_rng(0)
real, made = (rng.standard_normal((count, 512), dtype=np.float32) for _ in range(2))
start = time.perf_counter()
found = neighbourhood(real, made, k=k)
seconds = time.perf_counter() - start
print(json.dumps({"n": count, "values": found, "s": seconds, "bytes": peak() - before, "peak_bytes": peak()}))
"""


def memory(count: int) -> dict[str, Any]:
    command = [sys.executable, "-c", _IN_A_PROCESS, str(count), str(K)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(
        f"\nNeighbours, d = 512, N = {count} + {count}: {found['s']:.1f} s, {found['bytes'] / 1e6:.0f} MB for the"
        f" features and the work ({found['peak_bytes'] / 1e6:.0f} MB with Python and its libraries)"
    )
    return found


def extraction(batch: int, repeats: int) -> dict[str, Any]:
    """Rate of the convolutions while features are extracted, against that of the same convolutions alone."""
    torch.manual_seed(0)
    network = LandCover(ClassifierSettings(tuple("abc"))).eval()
    present = torch.tensor([[float(name in L2A) for name in NAMES]]).expand(batch, -1)
    images = Observation.of(torch.rand(batch, len(NAMES), SIDE, SIDE), present, torch.ones(batch))
    inputs: list[tuple[nn.Conv2d, Tensor]] = []

    def note(module: nn.Module, arguments: tuple[Tensor, ...], _: Tensor) -> None:
        assert isinstance(module, nn.Conv2d)
        inputs.append((module, arguments[0].detach()))

    hooks = [m.register_forward_hook(note) for m in network.modules() if isinstance(m, nn.Conv2d)]
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network.features(images)
    for hook in hooks:
        hook.remove()
    work = counter.get_total_flops()

    def alone() -> None:
        with torch.inference_mode():
            for module, x in inputs:
                module(x)

    def take() -> None:
        with torch.inference_mode():
            network.features(images)

    race({"take": take, "alone": alone}, 1)  # the first call plans the convolutions
    _, times = race({"take": take, "alone": alone}, repeats)
    with torch.inference_mode():
        peak = max(_rate(module, x, repeats) for module, x in inputs)
    rates = {"features": work / times["take"], "convolutions": work / times["alone"], "best_layer": peak}
    print(f"\nFeatures of {SIDE} x {SIDE} images, float32, batch {batch}: {batch / times['take']:.1f} images/s")
    print(f"  {rates['features'] / 1e9:8.1f} GFLOP/s while features are taken")
    for name, title in (("convolutions", "its convolutions alone"), ("best_layer", "the fastest of them alone")):
        print(f"  {rates[name] / 1e9:8.1f} GFLOP/s {title}: features reach {rates['features'] / rates[name]:.0%} of it")
    return {"batch": batch, "flop": work, "images_per_s": batch / times["take"], "flop_per_s": rates}


def _rate(module: nn.Conv2d, x: Tensor, repeats: int) -> float:
    with FlopCounterMode(display=False) as counter:
        module(x)
    return counter.get_total_flops() / race({"": lambda: module(x)}, repeats)[1][""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="*", default=[512, 2048])
    parser.add_argument("--neighbours", type=int, default=20_000)
    parser.add_argument("--formulas", type=int, default=3000, help="features for which the formulas are compared")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning, module="torchmetrics")
    print(
        f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}, "
        f"numpy {np.__version__}, torch {torch.__version__}; the fastest of {arguments.repeats}"
    )
    report = {
        "load": os.getloadavg()[0],
        "threads": torch.get_num_threads(),
        "frechet": [frechet(width, arguments.repeats) for width in arguments.widths],
        "neighbours": neighbours(arguments.formulas, arguments.repeats),
        "memory": memory(arguments.neighbours),
        "features": extraction(arguments.batch, arguments.repeats),
    }
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
