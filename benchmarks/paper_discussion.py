"""What the paper's discussion asks, by numbers: on simulated patches, whose true ground is known.

    python benchmarks/paper_discussion.py --data ARCHIVE [--weights default unpaired ...] [--split train] [--limit N]
                                          [--repeats 20] [--seed N] [--pictures DIR] [--json FILE]

Rows: the cloudy patches as they are; what a mask and no model do; two collapsed translators, made on purpose; each of
the weights, also without the bands beyond 1 µm (SWIR; these bands of the result are then those of the row above, so
that only the others differ) and without radar, if the patches have any; the true ground.
Columns: distances in the features of a land-cover classifier, and errors against the truth under thick cloud (opacity
of 0.6 and more), thin cloud (0.1 to 0.6), in shadow (a tenth and more of the sunlight gone), and in the open.

Weights of all eight networks are also tested for steganography (Chu et al. 2017): x -> y -> x with noise on y.
"""

from __future__ import annotations

import argparse
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from unclouded.bands import INDEX, NAMES
from unclouded.data.archive import Archive
from unclouded.data.batch import CLASSES, PatchReader
from unclouded.data.observations import drop_guides, to_observation
from unclouded.data.samplers import Rows
from unclouded.evaluation.cycles import cycle_through
from unclouded.evaluation.features import Extractor, Tensors
from unclouded.evaluation.fills import mean_fill, smooth_fill
from unclouded.evaluation.frechet import bootstrap, floor
from unclouded.evaluation.inception_score import multi_label_inception_score
from unclouded.evaluation.land_cover import decide, image_f1
from unclouded.evaluation.neighbours import neighbourhood
from unclouded.evaluation.paired import finite_signal_to_noise
from unclouded.evaluation.sets import draw
from unclouded.evaluation.suite import translate
from unclouded.files import write_json
from unclouded.guides import GUIDES
from unclouded.models.generator import Generator
from unclouded.models.observation import Observation
from unclouded.models.weights import load_generator, load_land_cover, load_translator
from unclouded.models.weights_file import TRANSLATOR_FORMAT, format_of

SWIR = ("B10", "B11", "B12")
REGIONS = ("thick", "thin", "shadow", "clear")
THICK, LEAST = 0.6, 0.1
CLOUDY, TRUTH = "cloudy, as they are", "true ground"
SHOWN = 8

Method = Callable[[Observation, Rows], Observation]
"""Makes of cloudy images (B) of some rows what is measured."""
Spectrum = NDArray[np.float32]
Mask = NDArray[np.bool_]


class Ground:
    """The clear twins of cloudy rows of a simulated archive, and what hides them."""

    def __init__(self, archive: Archive, reader: PatchReader, cloudy: Rows, twins: Rows) -> None:
        self._archive, self._reader = archive, reader
        self._twin = dict(zip(cloudy.tolist(), twins.tolist(), strict=True))

    def truth(self, rows: Rows) -> Observation:
        """The clear twins of some rows."""
        return to_observation(self._reader.read(np.array([self._twin[int(row)] for row in rows], np.int64)), "cpu")

    def regions(self, row: int) -> dict[str, Mask]:
        """Masks (H, W) of each of `REGIONS`; together they are the image."""
        tensors = self._archive.read(self._archive.table["patch_id"][row].as_py())
        opacity, shadow = (tensors[name].astype(np.float32) / 255 for name in ("opacity", "shadow"))
        cloud = opacity >= LEAST
        shaded = (shadow >= LEAST) & ~cloud
        hidden = (opacity >= THICK, cloud & (opacity < THICK), shaded, ~cloud & ~shaded)
        return dict(zip(REGIONS, hidden, strict=True))

    def errors(self, made: Observation, rows: Rows) -> Tensors:
        """Of each image its PSNR and the mean absolute error of each region: `errors` (B, 5), NaN for no such pixel."""
        truth = self.truth(rows)
        there = (made.present * truth.present > 0).numpy()
        wrong = (made.optical.clamp(0, 1) - truth.optical.clamp(0, 1)).numpy()
        found = np.full((len(rows), 1 + len(REGIONS)), math.nan)
        for place, row in enumerate(rows):
            error = wrong[place][there[place]]
            found[place, 0] = finite_signal_to_noise(float(np.square(error, dtype=np.float64).mean()))
            for number, inside in enumerate(self.regions(int(row)).values(), start=1):
                if inside.any():
                    found[place, number] = np.abs(error[:, inside]).mean()
        return {"errors": found}


def untrained(ground: Ground, mean: Spectrum) -> dict[str, Method]:
    """What needs no network; `mean` (13,) is the mean spectrum of clear ground."""

    def by_mask(fill: Callable[[Spectrum, Mask], Spectrum]) -> Method:
        def method(x: Observation, rows: Rows) -> Observation:
            masks = (~ground.regions(int(row))["clear"] for row in rows)
            made = [fill(image, mask) for image, mask in zip(x.optical.numpy(), masks, strict=True)]
            return x._replace(optical=torch.from_numpy(np.stack(made)) * x.present[:, :, None, None])

        return method

    def one_image(x: Observation, rows: Rows) -> Observation:
        return x._replace(optical=torch.from_numpy(mean)[None, :, None, None].expand_as(x.optical).contiguous())

    return {
        "true mask, mean of the image": by_mask(mean_fill),
        "true mask, smooth fill": by_mask(smooth_fill),
        "collapsed: one colour under each cloud": by_mask(
            lambda image, mask: np.where(mask, mean[:, None, None], image)
        ),
        "collapsed: one colour for each image": one_image,
    }


def trained(names: Sequence[str], radar: bool) -> dict[str, Method]:
    """The methods of each of the weights, with the whole input and with a part of it."""

    def by_network(generator: Generator, threshold: float, reduce: Callable[[Observation], Observation]) -> Method:
        def method(x: Observation, rows: Rows) -> Observation:
            reduced = reduce(x)
            made = translate(generator, reduced, threshold)
            if bool((reduced.present == x.present).all()):
                return made._replace(guides=x.guides, guide_valid=x.guide_valid)
            # The classifier needs all bands: absent ones are taken from the result of the whole input.
            whole = translate(generator, x, threshold)
            given = reduced.present[:, :, None, None] > 0
            return whole._replace(optical=torch.where(given, made.optical, whole.optical))

        return method

    found: dict[str, Method] = {}
    for name in names:
        generator, header = load_generator(name)
        found[header.name] = by_network(generator, header.threshold, lambda x: x)
        found[f"{header.name}, without SWIR"] = by_network(generator, header.threshold, without_swir)
        if radar:
            found[f"{header.name}, without radar"] = by_network(generator, header.threshold, without_radar)
    return found


def without_swir(x: Observation) -> Observation:
    kept = torch.tensor([float(name not in SWIR) for name in NAMES])
    return x._replace(optical=x.optical * kept[:, None, None], present=x.present * kept)


def without_radar(x: Observation) -> Observation:
    return drop_guides(x, torch.zeros(len(x.level), len(GUIDES)))


def cycle_errors(name: str, reader: PatchReader, rows: Rows, batch: int = 32) -> dict[str, float]:
    """Mean absolute error of x -> y -> x, and of the same with noise of 0.01 on y, over the patches of `rows`."""
    translator, _ = load_translator(name)
    sums = np.zeros(3)
    for start in range(0, len(rows), batch):
        x = to_observation(reader.read(rows[start : start + batch]), "cpu")
        side = x.optical.shape[-1] // 8 * 8
        x = x._replace(optical=x.optical[..., :side, :side], valid=x.valid[..., :side, :side])
        cycle, there = cycle_through(translator, x), x.present[:, :, None, None] * x.valid
        for number, image in enumerate((cycle.back, cycle.noisy)):
            sums[number] += float(((image - x.optical).abs() * there).sum())
        sums[2] += float(there.sum())
    return {"x -> y -> x": sums[0] / sums[2], "with noise on y": sums[1] / sums[2]}


def row(real: Tensors, made: Tensors, f1: float, lost: float, args: argparse.Namespace) -> dict[str, Any]:
    """All columns of one method; `real` is of the clear patches that are compared with."""
    interval = bootstrap(real["features"], made["features"], repeats=args.repeats, seed=args.seed)
    near = neighbourhood(real["features"], made["features"])
    errors = np.nanmean(made["errors"], axis=0)
    return {
        "frechet": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "coverage": near.coverage,
        "recall": near.recall,
        "inception": multi_label_inception_score(np.clip(made["probabilities"].astype(np.float64), 0, 1)),
        "won_back": f1 / lost if lost > 0 else math.nan,
        "psnr": errors[0],
        **dict(zip(REGIONS, errors[1:], strict=True)),
    }


def show(rows: Mapping[str, Mapping[str, Any]]) -> None:
    print(
        f"\n{'':40s}{'FD':>7s}{'95 %':>15s}{'cover':>7s}{'recall':>7s}{'incept':>7s}{'F1 back':>8s}{'PSNR':>7s}", end=""
    )
    print("".join(f"{name:>8s}" for name in REGIONS))
    for name, one in rows.items():
        interval = f"{one['low']:.0f} to {one['high']:.0f}"
        print(f"{name:40s}{one['frechet']:7.1f}{interval:>15s}{one['coverage']:7.3f}{one['recall']:7.3f}", end="")
        print(f"{one['inception']:7.2f}{one['won_back']:8.0%}{one['psnr']:7.2f}", end="")
        print("".join(f"{one[region]:8.4f}" for region in REGIONS))


def draw_methods(methods: Mapping[str, Method], reader: PatchReader, rows: Rows, path: Path) -> None:
    """A PNG: a row for each of some cloudy patches, a column for each method, in natural colour from 0 to 0.3."""
    x = to_observation(reader.read(rows), "cpu")
    colour = [INDEX[name] for name in ("B04", "B03", "B02")]
    figure = Figure(figsize=(2.2 * len(methods), 2.3 * len(rows)), layout="constrained")
    panels = figure.subplots(len(rows), len(methods), squeeze=False)
    for column, (name, method) in enumerate(methods.items()):
        with torch.inference_mode():
            images = method(x, rows).optical[:, colour].permute(0, 2, 3, 1).numpy()
        for axis, image in zip(panels[:, column], images, strict=True):
            axis.imshow(np.clip(image / 0.3, 0, 1))
            axis.set_axis_off()
        panels[0, column].set_title(name.replace(": ", ":\n").replace(", ", ",\n"), fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=70)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", nargs="+", default=["default", "unpaired"])
    parser.add_argument("--land-cover", default="land-cover")
    parser.add_argument("--split", default="train", choices=("train", "validation", "test"))
    parser.add_argument("--limit", type=int)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()

    # Said in the docs, and shown by the floor: so few patches do not settle 512 features.
    warnings.filterwarnings("ignore", ".* do not settle a covariance", UserWarning)
    classifier, header = load_land_cover(args.land_cover, *CLASSES.values())
    with Archive(args.data) as archive:
        sets = draw(archive, args.split, limit=args.limit, seed=args.seed)
        known = sets.twins >= 0
        cloudy, twins = sets.cloudy[known], sets.twins[known]
        extract = Extractor(archive, classifier, header.sha256)
        ground = Ground(archive, extract.reader, cloudy, twins)
        clear = sets.clear[: len(cloudy)]
        sample = to_observation(extract.reader.read(clear[:64]), "cpu")
        mean = sample.optical.mean(dim=(0, 2, 3)).numpy()
        radar = bool(to_observation(extract.reader.read(cloudy[:1]), "cpu").guide_valid.any())
        methods: dict[str, Method] = {CLOUDY: lambda x, rows: x} | untrained(ground, mean)
        methods |= trained(args.weights, radar) | {TRUTH: lambda x, rows: ground.truth(rows)}
        real = extract(clear, "clear")
        truth = extract.reader.labels[cloudy] | extract.reader.labels[twins]
        made: dict[str, Tensors] = {}
        for name, method in methods.items():

            def change(x: Observation, rows: Rows, method: Method = method) -> tuple[Observation, Tensors]:
                with torch.inference_mode():
                    result = method(x, rows)
                return result, ground.errors(result, rows)

            made[name] = extract(cloudy, name, change=change)
            print(f"measured: {name}", flush=True)
        f1 = {
            name: image_f1(decide(one["probabilities"], header.threshold, classifier.settings.output), truth)
            for name, one in made.items()
        }
        lost = f1[TRUTH] - f1[CLOUDY]
        rows = {name: row(real, one, f1[name] - f1[CLOUDY], lost, args) for name, one in made.items()}
        print(f"\n{len(cloudy)} cloudy patches, {args.split}, against {len(clear)} clear ones; ", end="")
        print(f"floor {floor(real['features'], seed=args.seed):.1f}; radar: {'yes' if radar else 'none'}")
        show(rows)
        eight = [name for name in args.weights if format_of(name) == TRANSLATOR_FORMAT]
        cycles = {name: cycle_errors(name, extract.reader, cloudy) for name in eight}
        for name, errors in cycles.items():
            print(f"{name}: " + ", ".join(f"{label} {error:.4f}" for label, error in errors.items()))
        if args.pictures is not None:
            draw_methods(methods, extract.reader, cloudy[:SHOWN], args.pictures / "paper_discussion.png")
        if args.json is not None:
            record = {"n": len(cloudy), "split": args.split, "seed": args.seed, "rows": rows, "cycles": cycles}
            write_json(record, args.json)


if __name__ == "__main__":
    main()
