"""What hides the ground and what does not: detectors side by side, by place.

    python benchmarks/detection.py [--weights default] [--data ../shared/data] [--pictures DIR] [--json FILE]

Detectors: `ours` (the opacity composed of csmask's answer and the network's), `network` (its opacity alone, above 0.2),
`csmask` (its answer alone, brought to the pixels), `s2cloudless` (where the input has its bands) and the product's own
scene classification `SCL`. Recall and precision in percent, per place (all its images taken together), against

- the triplets' masks of SEN12MS-CR: cloud alone, so shadow that is found counts as wrong;
- the mask of csmask's own test image, which may be an answer of its earlier version: no independent judge of it;
- SCL of three Belgian sites, which misses haze and calls snow cloud: agreement, not truth;
- simulated skies over images by eye clear, where the truth is exact and the clouds are not real.

Then the visible pairs, as in `pairs.py`; the share of clear images that stays untouched; how much of hazy images is
found; and the steps of opacity along the borders of the 8 x 8 cells, relative to those elsewhere.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from comparison import DATA, OURS, Candidates, table
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pairs import cloud_masks, load_pairs, place, truly_clear
from pairs_l2a import load_site
from places import Image, images
from unclouded.clearing.sampling import observe

from unclouded.bands import INDEX, L1C, TEN
from unclouded.data.clouds import simulate
from unclouded.data.seasons import path_reflectance
from unclouded.detection.classes import SCL, SHADOW, read_classes
from unclouded.detection.csmask import SMALL, CloudShadowNetwork, coarsen, pixels_along
from unclouded.detection.opacity import THRESHOLD, classify, compose_opacity, contrast, enlarge, evidence, trusted
from unclouded.models.generator import CELL, Generator, pad_to_cells
from unclouded.models.weights import load_generator

Mask = NDArray[np.bool_]


class Cleared(NamedTuple):
    """What became of an image: reflectance (C, h, w), the rest (h, w); csmask's probabilities are (2, h, w)."""

    reflectance: NDArray[np.float32]
    opacity: NDArray[np.float32]
    classes: NDArray[np.uint8]
    network: NDArray[np.float32]
    csmask: NDArray[np.float32]


@torch.inference_mode()
def clear(image: Image, generator: Generator, threshold: float = THRESHOLD) -> Cleared:
    """Clear an image that is its own scene."""
    height, width = image.reflectance.shape[1:]
    detector = _detector(image.bands, image.level)
    seen = image.reflectance[[image.bands.index(name) for name in detector.bands]]
    factor = pixels_along(image.metres)
    small = max(height, width) <= SMALL
    made = detector.detect_small(seen, factor) if small else detector.detect_patch(coarsen(seen, factor))
    probabilities = torch.from_numpy(made)[None]
    found = enlarge(evidence(probabilities), factor, 0, 0, height, width)

    valid = np.ones((height, width), np.bool_)
    x = pad_to_cells(observe(image.reflectance, valid, image.bands, image.level, None, torch.device("cpu")))
    statistics = generator.summarise(x)
    survey = generator.context(statistics, x.known)
    survey = survey._replace(trust=trusted(survey.trust, probabilities))
    translated = generator.translate(x, generator.spread(statistics, survey), torch.zeros(1, generator.settings.latent))
    optical, ground, network = (
        part[..., :height, :width] for part in (x.optical, translated.ground, translated.opacity)
    )
    departs = contrast(optical, ground, image.bands)
    opacity = compose_opacity(network, found, departs, threshold)
    classes = classify(opacity, network, found, departs, torch.ones_like(opacity))
    cleared = torch.lerp(optical, ground, opacity)[0, [INDEX[name] for name in image.bands]]
    cleared = torch.where(opacity[0] > 0, cleared, torch.from_numpy(image.reflectance))
    return Cleared(
        cleared.numpy(),
        opacity[0, 0].numpy(),
        classes[0, 0].numpy(),
        network[0, 0].numpy(),
        enlarge(probabilities, factor, 0, 0, height, width)[0].numpy(),
    )


_detector = cache(CloudShadowNetwork)


class Reference(NamedTuple):
    """An image with what is known of its cloud and shadow; None if the reference does not tell."""

    kind: str
    image: Image
    cloud: Mask
    shadow: Mask | None


def references(data: Path, clear_images: list[Image]) -> Iterator[Reference]:
    """All images that something is known of."""
    with np.load(data / "sen12mscr_triplets.npz") as z:
        for name, dn, mask in zip(z["name"], z["cloudy"], z["mask"], strict=True):
            image = Image(f"triplet {name}", f"triplet {name}", dn / np.float32(1e4), L1C, "L1C", state="partly")
            yield Reference("triplets (cloud alone)", image, mask > 0, None)
    for image in images(data / "places"):
        if image.classes is not None and image.place == "csmask_cumulus":
            yield Reference("csmask's test image", image, image.classes == 4, image.classes == 0)
        elif image.classes is not None:
            yield _by_scl(image, image.classes)
    site = load_site(data / "worldcereal")
    for day in site.partly:
        image = Image(f"worldcereal {site.days[day]}", "worldcereal", site.reflectance[day], TEN, "L2A", state="partly")
        # The site's reader keeps of SCL only what is covered.
        yield Reference("SCL, cloud and shadow as one", image, site.cloudy[day], None)
    rng = torch.Generator().manual_seed(0)
    for image in clear_images:
        if image.bands == L1C:
            ground = torch.from_numpy(image.reflectance)[None, :, :256, :256]
            sky = simulate(ground, path_reflectance(1, rng) if image.level == "L1C" else torch.zeros(1, 13), rng)
            cloud, shadow = sky.cloud[0, 0].numpy() > 0.3, sky.shadow[0, 0].numpy() > 0.3
            made = Image(image.name, image.place, sky.cloudy[0].numpy(), L1C, image.level)
            yield Reference("simulated skies", made, cloud, shadow & ~cloud)


def _by_scl(image: Image, values: NDArray[np.uint8]) -> Reference:
    mask = read_classes(values, SCL, image.name)
    return Reference("SCL", image, mask.covered & (mask.classes != SHADOW), mask.classes == SHADOW)


def detected(image: Image, cleared: Cleared) -> dict[str, tuple[Mask, Mask | None]]:
    """Cloud and shadow by each detector; None from those that do not tell them apart, with both in the first."""
    cloud, shadow = cleared.csmask
    found: dict[str, tuple[Mask, Mask | None]] = {
        "ours": ((cleared.classes != 0) & (cleared.classes != SHADOW), cleared.classes == SHADOW),
        "network": (cleared.network >= THRESHOLD, None),
        "csmask": ((cloud > shadow) & (cloud + shadow > 0.5), (shadow >= cloud) & (cloud + shadow > 0.5)),
    }
    if image.bands == L1C:
        found["s2cloudless"] = cloud_masks([image.reflectance])[0], None
    return found


def print_references(data: Path, clear_images: list[Image], generator: Generator) -> dict[str, Any]:
    """Print, and return, how well each detector finds what is known."""
    counts: dict[tuple[str, str, str], NDArray[np.int64]] = {}
    numbers: dict[tuple[str, str], int] = {}
    for kind, image, cloud, shadow in references(data, clear_images):
        numbers[kind, image.place] = numbers.get((kind, image.place), 0) + 1
        for name, (found, dark) in detected(image, clear(image, generator)).items():
            every = found if dark is None else found | dark
            # What does not tell shadow from cloud is judged by both; so is all where the reference does not.
            pairs = [(every, cloud if shadow is None else cloud | shadow)]
            pairs += [(found, cloud), (dark, shadow)] if shadow is not None and dark is not None else [(None, None)] * 2
            row = [n for f, t in pairs for n in (_count(f, t))]
            counts[kind, image.place, name] = counts.get((kind, image.place, name), 0) + np.array(row)
    print("\nRecall and precision in percent: cloud or shadow; cloud; shadow")
    report: dict[str, Any] = {}
    for (kind, where, name), row in counts.items():
        scores = [_percent(row[i], row[i + part]) for i in (0, 3, 6) for part in (1, 2)]
        report.setdefault(kind, {}).setdefault(where, {})[name] = scores
    for kind, by_place in report.items():
        total = sum(number for (k, _), number in numbers.items() if k == kind)
        print(f"\n{kind}: {total} images of {len(by_place)} places, mean over the places")
        for name in dict.fromkeys(name for scores in by_place.values() for name in scores):
            rows = np.array([scores[name] for scores in by_place.values() if name in scores], np.float64)
            shown = (
                f"{column[np.isfinite(column)].mean():7.1f}" if np.isfinite(column).any() else "      -"
                for column in rows.T
            )
            print(f"  {name:12s} {''.join(shown)}   N = {len(rows)}")
    return report


def _count(found: Mask | None, truth: Mask | None) -> tuple[int, int, int]:
    """Right finds, all that is there, all that was found."""
    if found is None or truth is None:
        return 0, 0, 0
    return int((found & truth).sum()), int(truth.sum()), int(found.sum())


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else float("nan")


def print_pairs(data: Path, generator: Generator, folder: Path | None) -> dict[str, Any]:
    """Print, and return, the errors on the visible pairs."""
    pairs = list(load_pairs(data, "validation"))
    masks = cloud_masks([pair.cloudy for pair in pairs])
    rows: dict[str, list[Any]] = {}
    sheet = []
    for pair, mask in zip(pairs, masks, strict=True):
        image = Image(pair.name, place(pair), pair.cloudy, L1C, "L1C")
        cleared = clear(image, generator)
        sheet.append((image, cleared))
        candidates = Candidates.of(
            pair.name, pair.cloudy, pair.clear, mask, {OURS: cleared.reflectance}, cleared.opacity
        )
        for name, errors in candidates.errors().items():
            rows.setdefault(name, []).append(errors)
    if folder:
        draw_sheet(sheet, folder / "detection_pairs.png")
    return table(rows, np.ones(len(pairs), bool), "Visible pairs")


def print_untouched(clear_images: Iterable[Image], generator: Generator, folder: Path | None) -> dict[str, Any]:
    """Print, and return, the share of pixels of clear images that stay as they are, and the steps along cells."""
    shares: dict[str, list[float]] = {}
    worst = []
    for image in clear_images:
        cleared = clear(image, generator)
        shares.setdefault(image.place, []).append(float((cleared.opacity == 0).mean()))
        worst.append((shares[image.place][-1], image, cleared))
    worst = sorted(worst, key=lambda one: one[0])[:16]
    means = {where: float(np.mean(found)) for where, found in shares.items()}
    number = sum(map(len, shares.values()))
    print(f"\nClear images untouched: mean of {len(means)} places {np.mean(list(means.values())):.4f}, {number} images")
    print("worst places: " + ", ".join(f"{w} {s:.3f}" for w, s in sorted(means.items(), key=lambda one: one[1])[:6]))
    print("worst images: " + ", ".join(f"{image.name} {share:.3f}" for share, image, _ in worst[:6]))
    if folder:
        draw_sheet([one[1:] for one in worst], folder / "detection_clear.png")
    return means


def print_cloudy(cloudy: Iterable[Image], generator: Generator, folder: Path | None) -> dict[str, Any]:
    """Print, and return, how much is found by place and state; and the steps of opacity along the cells' borders."""
    shares: dict[tuple[str, str], list[float]] = {}
    sheet, borders, others = [], [], []
    for image in cloudy:
        cleared = clear(image, generator)
        sheet.append((image, cleared))
        shares.setdefault((image.state, image.place), []).append(float((cleared.opacity > 0).mean()))
        for steps in (np.abs(np.diff(cleared.opacity, axis=0)).T, np.abs(np.diff(cleared.opacity, axis=1))):
            at = np.arange(1, steps.shape[1] + 1) % CELL == 0
            borders.append(steps[:, at].mean())
            others.append(steps[:, ~at].mean())
    print("\nShare of cloudy and hazy images that is replaced, wholly or in part")
    for (state, where), found in shares.items():
        print(f"  {state:10s}{where:32s}{np.mean(found):6.2f}   N = {len(found)}")
    ratio = float(np.sum(borders) / np.sum(others))
    print(f"Steps of opacity along the borders of cells, of those elsewhere: {ratio:.3f}, {len(sheet)} images")
    if folder:
        draw_sheet(sheet[:: max(1, len(sheet) // 24)], folder / "detection_cloudy.png")
    return {"steps": ratio} | {f"{state} {where}": float(np.mean(found)) for (state, where), found in shares.items()}


def draw_sheet(rows: list[tuple[Image, Cleared]], path: Path) -> None:
    """A PNG: image, opacity, classes and result, two images side by side."""
    high = -(-len(rows) // 2)
    figure = Figure(figsize=(17, 2.3 * high), layout="constrained")
    panels = figure.subplots(high, 8, squeeze=False).reshape(-1, 4)
    for axis in panels.flat:
        axis.set_axis_off()
    for row, (image, cleared) in zip(panels, rows, strict=False):
        colour = [image.bands.index(name) for name in ("B04", "B03", "B02")]
        bright = 0.3 if np.median(image.reflectance[colour]) < 0.2 else 0.6
        for axis, made in zip(row[::3], (image.reflectance, cleared.reflectance), strict=True):
            axis.imshow(np.clip(made[colour].transpose(1, 2, 0) / bright, 0, 1))
        row[1].imshow(cleared.opacity, vmin=0, vmax=1)
        row[2].imshow(cleared.classes, vmin=0, vmax=3, cmap="viridis")
        row[0].set_title(image.name[:36], fontsize=9)
        row[1].set_title(f"opacity: {(cleared.opacity > 0).mean():.2f}", fontsize=9)
        row[2].set_title("clear, thick, thin, shadow", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=50)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--pictures", type=Path)
    given = parser.parse_args()
    generator, header = load_generator(given.weights)
    generator.eval()
    print(f"weights {header.name}, {header.steps} steps, SHA-256 {header.sha256[:16]}")

    everything = list(images(given.data / "places"))
    pairs, names = list(load_pairs(given.data, "validation")), truly_clear()
    clear_images = [Image(pair.name, place(pair), pair.clear, L1C, "L1C") for pair in pairs if pair.name in names]
    clear_images += [image for image in everything if image.state == "clear"]
    report = {
        "pairs": print_pairs(given.data, generator, given.pictures),
        "untouched": print_untouched(clear_images, generator, given.pictures),
        "cloudy": print_cloudy((one for one in everything if one.state != "clear"), generator, given.pictures),
        "references": print_references(given.data, clear_images, generator),
    }
    if given.json:
        given.json.write_text(json.dumps({"weights": header.sha256, **report}, indent=1))


if __name__ == "__main__":
    main()
