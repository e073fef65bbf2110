"""Clear images of many places laid in the shadow of a cloud outside of them: how near to the sunlit image they come.

    python benchmarks/shade.py [--weights default] [--data ../shared/data] [--light 0.2 0.35 0.5] [--part 1]

Images of at most 3 km with short-wave infrared, of the folder places and the clear ones of the validation pairs. Shadow
leaves a share of the light, the same in all bands; the air above scatters what it did, and the sensor adds noise of
0.002. `--part` is the share of the image's width that lies in shadow, whose edge is 60 m wide. Errors are those in
shadow; means of places, each of its images.
"""

from __future__ import annotations

import argparse
import warnings
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from comparison import DATA
from detected import clear
from numpy.typing import NDArray
from pairs import load_pairs, truly_clear
from places import Image, images
from rasterio.errors import NotGeoreferencedWarning
from scipy import ndimage

from unclouded.atmosphere import air_reflectance
from unclouded.bands import L1C
from unclouded.models.weights import load_generator

_MOST_METRES, _NOISE = 3000, 0.002


def sunlit(data: Path) -> Iterator[Image]:
    """The images."""
    for image in images(data / "places"):
        small = image.metres * max(image.reflectance.shape[1:]) <= _MOST_METRES
        if image.state == "clear" and small and {"B08", "B11"} <= {*image.bands}:
            yield image
    known = truly_clear()
    for pair in load_pairs(data, "validation"):
        if pair.name in known:
            yield Image(pair.name, " ".join(pair.name.split()[:2]), pair.clear, L1C, "L1C")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--light", type=float, nargs="+", default=[0.2, 0.35, 0.5])
    parser.add_argument("--part", type=float, default=1.0)
    args = parser.parse_args()
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    generator, header = load_generator(args.weights)
    print(f"weights {header.name}, {header.steps} steps, SHA-256 {header.sha256[:16]}")
    found = list(sunlit(args.data))
    print(" light  places  as it is  cleared  better  within 90 %  sunlit replaced")
    for light in args.light:
        measured: dict[str, list[tuple[float, float, float, float]]] = defaultdict(list)
        for image in found:
            shade = in_shadow(image, args.part)
            air = np.array([air_reflectance(band, image.level) for band in image.bands], np.float32)[:, None, None]
            noise = np.random.default_rng(0).normal(0, _NOISE, image.reflectance.shape).astype(np.float32)
            seen = air + (1 - (1 - light) * shade) * (image.reflectance - air) + noise
            made = clear(replace(image, reflectance=seen), generator)
            dark = shade > 0.5
            apart = np.abs(made.reflectance - image.reflectance)[:, dark]
            held = float((apart <= 1.645 * made.uncertainty[dark]).mean())
            replaced = float((made.opacity[~dark] > 0).mean()) if args.part < 1 else np.nan
            before = float(np.abs(seen - image.reflectance)[:, dark].mean())
            measured[image.place].append((before, float(apart.mean()), held, replaced))
        means = np.array([np.mean(values, axis=0) for values in measured.values()])
        better = int((means[:, 1] < means[:, 0]).sum())
        before, after, held, replaced = means.mean(axis=0)
        print(
            f"{light:6.2f}{len(means):8d}{before:10.4f}{after:9.4f}{better:8d}{held:13.2f}{replaced:17.3f}", flush=True
        )


def in_shadow(image: Image, part: float) -> NDArray[np.float32]:
    """How far each pixel (h, w) of an image lies in shadow, from the left as far as that part of its width."""
    height, width = image.reflectance.shape[1:]
    shade = np.zeros((height, width), np.float32)
    shade[:, : round(part * width)] = 1
    return np.asarray(ndimage.gaussian_filter(shade, 30 / image.metres), np.float32)


if __name__ == "__main__":
    main()
