"""How close simulated skies are to real ones: statistics, contact sheets, and a classifier that separates them.

    python benchmarks/skies.py [--data ../shared/data] [--pictures DIR] [--json FILE] [--seed N]
                               [--other satellite-cloud-generator]

Real crops of 64 pixels are cut from cloudy images of places that also show clear ground: on other dates, or elsewhere
in the same image. The simulation draws its skies over that clear ground of the same places, so that what is judged is
the sky; where cloudy and clear image are of other seasons, the clear one first takes the colours of the cloudy one's
clear ground. A pixel counts as covered if it is brighter in the blue than 99 % of the place's clear ground, and 0.02
more. Crops are 10 to 95 % covered, and each real crop is compared with a simulated one of the same place of which
about as much is covered, and as much thickly (0.1 more): how often skies are so is for the statistics to say.

The classifier is a small convolutional network on B02, B03, B04 and B08, trained on some places and tried on the
others, until each has been left out once. 50 % is chance: the skies are indistinguishable. `--other` measures the
public `satellite-cloud-generator` (Czerkawski et al. 2023; needs `pip install --no-deps satellite-cloud-generator
kornia kornia-rs`) in the same way.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from comparison import DATA, ROOT
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pairs import load_pairs, truly_clear
from pairs_l2a import load_site
from places import images
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional as F

from unclouded.bands import INDEX, L1C, NAMES, TEN
from unclouded.data.clouds import simulate
from unclouded.data.seasons import path_reflectance
from unclouded.detection.csmask import CloudShadowNetwork

Image = NDArray[np.float32]
Cover = tuple[float, float]
"""Share of a crop that is covered, and thickly covered."""
Simulator = Callable[[Tensor, Tensor, torch.Generator], Tensor]

SIDE, CROPS, POOL, FOLDS, STEPS = 64, 32, 96, 4, 240
COVERED = (0.10, 0.95)
FOUR = ("B02", "B03", "B04", "B08")
BLUE, NIR = INDEX["B02"], INDEX["B08"]


@dataclass(frozen=True)
class Place:
    """Images (13, H, W) of one place, absent bands 0: `clear` ones to simulate over, `cloudy` ones beside."""

    name: str
    level: str
    bands: tuple[str, ...]
    clear: list[Image]
    cloudy: list[Image]

    @property
    def threshold(self) -> float:
        """Reflectance in the blue above which a pixel counts as covered."""
        return float(np.quantile(np.concatenate([image[BLUE].ravel() for image in self.clear]), 0.99)) + 0.02


def load_places(data: Path) -> Iterator[Place]:
    """The places that show both cloud and clear ground."""
    listed = yaml.safe_load((ROOT / "settings" / "collection.yaml").read_text())["sen12mscr_ts_roi146.npz"]
    with np.load(data / "sen12mscr_ts_roi146.npz") as z:
        series = z["s2"] * np.float32(1e-4)
        here = set(np.flatnonzero(z["patch"] == z["patch"][3]).tolist())
    days = {state: [series[i] for i in listed[state] if i in here] for state in ("clear", "cloudy")}
    yield Place("ROI 146", "L1C", L1C, days["clear"], days["cloudy"])

    site = load_site(data / "worldcereal")
    stack = [_all_bands(image, TEN) for image in site.reflectance]
    yield Place("WorldCereal", "L2A", TEN, [stack[i] for i in site.clear], [stack[i] for i in site.partly])

    found = {name: [] for name in ("wright", "gfmap_mol", "csmask_cumulus", "geotrellis_mol")}
    for image in images(data / "places"):
        if image.place in found:
            found[image.place].append(image)
    for name in ("wright", "gfmap_mol"):
        full = [(image.state, _all_bands(image.reflectance, image.bands)) for image in found[name]]
        clear = [image for state, image in full if state == "clear"]
        first = found[name][0]
        yield Place(name, first.level, first.bands, clear, [image for state, image in full if state == "partly"])
    for name in ("csmask_cumulus", "geotrellis_mol"):
        (one,) = found[name]
        full = _all_bands(one.reflectance, one.bands)
        yield Place(name, one.level, one.bands, list(_clear_windows(full, one.level)), [full])

    by_roi: dict[str, Place] = {}
    for split in ("validation", "left_out"):  # of those for training the cloudy images show hardly any cloud
        for pair in load_pairs(data, split):
            roi = " ".join(pair.name.split()[:2])
            place = by_roi.setdefault(roi, Place(roi, "L1C", L1C, [], []))
            place.cloudy.append(pair.cloudy)
            if pair.name in truly_clear():
                place.clear.append(_that_day(pair.clear, pair.cloudy, "L1C"))
            else:
                place.clear.extend(_clear_windows(pair.cloudy, "L1C"))
    yield from (place for place in by_roi.values() if place.clear)


def _all_bands(image: Image, bands: tuple[str, ...]) -> Image:
    full = np.zeros((len(NAMES), *image.shape[1:]), np.float32)
    full[[INDEX[name] for name in bands]] = image
    return full


def _hidden(image: Image, level: str) -> NDArray[np.bool_]:
    """Where the detector sees cloud or shadow, or within 40 m of it, of an image whose sides are multiples of 4."""
    detector = CloudShadowNetwork(FOUR, level)
    found = detector.detect_small(image[[INDEX[name] for name in FOUR]], 4).max(0) > 0.2
    return ndimage.binary_dilation(found).repeat(4, axis=0).repeat(4, axis=1)


def _that_day(clear: Image, cloudy: Image, level: str) -> Image:
    """The clear image in the colours that the clear ground of the cloudy one has, if 3 % of it is clear."""
    clear_ground = ~_hidden(cloudy, level)
    if clear_ground.mean() < 0.03:
        return clear
    gain = np.median(cloudy[:, clear_ground], axis=1) / np.median(clear[:, clear_ground], axis=1).clip(min=1e-3)
    return clear * gain.clip(0.5, 2)[:, None, None].astype(np.float32)


def _clear_windows(image: Image, level: str) -> Iterator[Image]:
    """Crops of an image of which the detector sees nothing hidden."""
    hidden = _hidden(image, level)
    for row in range(0, image.shape[1] - SIDE + 1, SIDE // 2):
        for column in range(0, image.shape[2] - SIDE + 1, SIDE // 2):
            if hidden[row : row + SIDE, column : column + SIDE].mean() < 0.01:
                yield image[:, row : row + SIDE, column : column + SIDE]


def ours(ground: Tensor, path: Tensor, rng: torch.Generator) -> Tensor:
    """Our simulation, all of it made up: no borrowed texture, no cut-out clouds."""
    return simulate(ground, path, rng).cloudy


def satellite_cloud_generator(ground: Tensor, path: Tensor, rng: torch.Generator) -> Tensor:
    """One of the configurations that its authors publish, at random."""
    import random

    from satellite_cloud_generator import BIG_CONFIG, LOCAL_CONFIG, THIN_CONFIG, WIDE_CONFIG, CloudGenerator

    seed = int(torch.randint(2**31, (), generator=rng))
    torch.manual_seed(seed)
    random.seed(seed)
    configs = [WIDE_CONFIG, BIG_CONFIG, LOCAL_CONFIG, THIN_CONFIG]
    made: Tensor = CloudGenerator(configs, cloud_p=1.0, shadow_p=0.5)(ground[:, [INDEX[name] for name in FOUR]])
    full = ground.clone()
    full[:, [INDEX[name] for name in FOUR]] = made
    return full


def _square(image: Image, rng: torch.Generator) -> Image:
    """A random square of at most 192 pixels."""
    height, width = image.shape[1:]
    side = min(192, height, width)
    row, column = (int(torch.randint(length - side + 1, (), generator=rng)) for length in (height, width))
    return image[:, row : row + side, column : column + side]


def crops(image: Image, threshold: float, number: int, rng: torch.Generator) -> Iterator[tuple[Image, Cover]]:
    """Random crops that are partly covered, each with how far."""
    for _ in range(number):
        row, column = (int(torch.randint(length - SIDE + 1, (), generator=rng)) for length in image.shape[1:])
        crop = image[:, row : row + SIDE, column : column + SIDE]
        share, thick = (float((crop[BLUE] > threshold + more).mean()) for more in (0, 0.1))
        if COVERED[0] <= share <= COVERED[1]:
            yield crop, (share, thick)


def real_crops(place: Place, rng: torch.Generator) -> list[tuple[Image, Cover]]:
    """At most `CROPS` of a place, as many of each of its images as there are."""
    of_image = [list(crops(image, place.threshold, 60, rng)) for image in place.cloudy]
    of_image = [found for found in of_image if found]
    each = -(-CROPS // max(1, len(of_image)))
    return [crop for found in of_image for crop in found[:each]][:CROPS]


def simulated_crops(place: Place, simulator: Simulator, wanted: list[Cover], rng: torch.Generator) -> list[Image]:
    """For each cover wanted the crop of simulated skies that comes nearest; none is taken twice."""
    pool: list[tuple[Image, Cover]] = []
    for _ in range(4 * POOL):
        ground = torch.from_numpy(_square(place.clear[int(torch.randint(len(place.clear), (), generator=rng))], rng))
        path = path_reflectance(torch.tensor([float(place.level == "L2A")]), rng)
        path = path.minimum(ground.flatten(1).amin(1)[None])
        made = simulator(ground[None].contiguous(), path, rng)[0].numpy()
        made[[INDEX[name] for name in NAMES if name not in place.bands]] = 0
        # As many of each sky as a small image has room for.
        pool.extend(list(crops(made, place.threshold, 8, rng))[: 1 if made.shape[1] < 2 * SIDE else 4])
        if len(pool) >= POOL:
            break
    chosen = []
    for cover in wanted:
        nearest = int(np.abs(np.array([of for _, of in pool]) - cover).sum(axis=1).argmin())
        chosen.append(pool.pop(nearest)[0])
    return chosen


class Judge(nn.Module):
    """Tells real from simulated skies."""

    def __init__(self) -> None:
        super().__init__()
        widths = (len(FOUR), 24, 32, 48, 64)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, 2, 1), nn.GroupNorm(8, after), nn.SiLU()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(2 * widths[-1], 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B,) of crops (B, 4, 64, 64): above 0 for simulated."""
        found = self.body(x)
        return self.head(torch.cat([found.mean((2, 3)), found.amax((2, 3))], 1))[:, 0]


def _seen(crops: list[Image]) -> Tensor:
    four = torch.from_numpy(np.stack(crops)[:, [INDEX[name] for name in FOUR]])
    return four.clamp(min=0).sqrt() * 2 - 1


def judge(real: dict[str, list[Image]], simulated: dict[str, list[Image]], seed: int) -> dict[str, NDArray[np.float64]]:
    """Logits by place left out: first of its real crops, then of its simulated ones; above 0 is "simulated"."""
    names = sorted(real)
    torch.manual_seed(seed)
    order = torch.randperm(len(names)).tolist()
    logits = {}
    for fold in range(FOLDS):
        out = [names[i] for i in order[fold::FOLDS]]
        kept = [name for name in names if name not in out]
        x = torch.cat([_seen(real[name] + simulated[name]) for name in kept])
        y = torch.cat([torch.tensor([0.0] * len(real[name]) + [1.0] * len(simulated[name])) for name in kept])
        weight = torch.cat([torch.full((2 * len(real[name]),), 1 / len(real[name])) for name in kept])
        net = Judge()
        optimizer = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.05)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, STEPS)
        for _ in range(STEPS):
            index = torch.multinomial(weight, 48, replacement=True)
            batch = torch.rot90(x[index], int(torch.randint(4, ())), (2, 3))
            batch = batch.flip(3) if torch.rand(()) < 0.5 else batch
            loss = F.binary_cross_entropy_with_logits(net(batch), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        with torch.inference_mode():
            for name in out:
                logits[name] = net.eval()(_seen(real[name] + simulated[name])).double().numpy()
    return logits


def _structure(image: Image, inside: NDArray[np.bool_], lag: int) -> float:
    """Mean square of the difference between pixels `lag` columns apart, both inside; NaN if there are none."""
    both = inside[:, lag:] & inside[:, :-lag]
    return float(((image[:, lag:] - image[:, :-lag])[both] ** 2).mean()) if both.any() else float("nan")


def statistics(crops: list[Image], threshold: float) -> dict[str, float]:
    """Statistics of edges, texture, thin cover and brightness in crops of one place, as means or medians."""
    found: dict[str, list[float]] = {}

    def add(name: str, value: float) -> None:
        if np.isfinite(value):
            found.setdefault(name, []).append(value)

    for crop in crops:
        blue = crop[BLUE]
        over = blue - threshold
        low, high = np.quantile(blue, [0.05, 0.98])
        if over.max() > 0.1:
            slope = np.hypot(*np.gradient(blue)) / (high - low)
            add("edge: steepest 5 % of slopes (1/px)", float(np.quantile(slope, 0.95)))
            cloud = ndimage.binary_erosion(over > 0.02)
            if cloud.sum() > 200:
                steps = [_structure(blue, cloud, lag) for lag in (1, 2, 4, 8)]
                for lag, (near, far) in zip((1, 2, 4), pairwise(steps), strict=True):
                    add(f"texture: structure at {lag} px of that at {2 * lag}", near / far)
                add("texture: spread inside of mean", float(blue[cloud].std() / blue[cloud].mean()))
            thick = over > 0.6 * over.max()
            for name in ("B03", "B04", "B08", "B11", "B12"):
                if crop[INDEX[name]].any():
                    add(f"thick: {name} of B02", float(crop[INDEX[name]][thick].mean() / blue[thick].mean()))
            add("brightest: B02", float(high))
            count = ndimage.label(over > 0.02)[1]
            add("clouds apart in a crop", count)
        add("thin: share of cover less than 0.1 over", float((over[over > 0] < 0.1).mean()))
        dark = np.quantile(crop[NIR], 0.02) / np.median(crop[NIR][over <= 0]) if (over <= 0).any() else np.nan
        add("shadow: darkest 2 % of B08, of clear median", float(dark))
    return {name: float(np.median(values)) for name, values in found.items()}


def draw(real: dict[str, list[Image]], simulated: dict[str, list[Image]], path: Path) -> None:
    """A contact sheet: eight real crops of each place, and eight simulated ones of the same cover beside them."""
    figure = Figure(figsize=(17, 1.05 * len(real)), layout="constrained")
    panels = figure.subplots(len(real), 16, squeeze=False)
    for row, name in zip(panels, sorted(real), strict=True):
        spread = np.linspace(0, len(real[name]) - 1, 8).round().astype(int)
        shown = [real[name][i] for i in spread] + [simulated[name][i] for i in spread]
        for axis, crop in zip(row, shown, strict=True):
            axis.set_axis_off()
            colour = crop[[INDEX[band] for band in ("B04", "B03", "B02")]].transpose(1, 2, 0)
            axis.imshow(np.clip(colour / 0.6, 0, 1) ** 0.7)
        row[0].set_title(f"{name}: real", fontsize=7)
        row[8].set_title("simulated", fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--other", choices=["satellite-cloud-generator"], help="what to judge in place of ours")
    args = parser.parse_args()
    rng = torch.Generator().manual_seed(args.seed)
    simulator = satellite_cloud_generator if args.other else ours
    real, simulated, found = {}, {}, []
    for place in load_places(args.data):
        found = real_crops(place, rng)
        if len(found) < 8:
            continue
        real[place.name] = [crop for crop, _ in found]
        simulated[place.name] = simulated_crops(place, simulator, [cover for _, cover in found], rng)
        found.append([statistics(side[place.name], place.threshold) for side in (real, simulated)])
    if args.pictures:
        draw(real, simulated, args.pictures / "skies.png")
    report: dict[str, Any] = {"statistics": {}}
    print(f"{len(real)} places, {sum(map(len, real.values()))} real crops, as many simulated; median over places")
    for name in sorted({name for pair in found for side in pair for name in side}):
        both = np.array([[side[name] for side in pair] for pair in found if all(name in side for side in pair)])
        middle, spread = np.median(both, axis=0), np.median(abs(both[:, 0] - np.median(both[:, 0])))
        print(f"  {name:48s} real {middle[0]:7.3f} (+-{spread:.3f})  simulated {middle[1]:7.3f}  N = {len(both)}")
        report["statistics"][name] = middle.tolist()
    logits = judge(real, simulated, args.seed)
    right = {n: np.array([(z[: z.size // 2] < 0).mean(), (z[z.size // 2 :] > 0).mean()]) for n, z in logits.items()}
    print("Told right, at places left out (%): real, simulated")
    for name, shares in right.items():
        print(f"  {name:18s}{100 * shares[0]:6.0f}{100 * shares[1]:6.0f}   N = {logits[name].size}")
    accuracy = float(np.mean([shares.mean() for shares in right.values()]))
    error = float(np.std([shares.mean() for shares in right.values()], ddof=1) / len(right) ** 0.5)
    print(f"Mean over places {100 * accuracy:.1f} % (standard error {100 * error:.1f}), chance 50 %")
    if args.json:
        args.json.write_text(json.dumps(report | {"accuracy": accuracy, "error": error}, indent=1))


if __name__ == "__main__":
    main()
