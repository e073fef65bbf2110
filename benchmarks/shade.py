"""Clear images of many places laid in the shadow of a cloud all over: how near to the sunlit image they are cleared.

    python benchmarks/shade.py [--weights default] [--data ../shared/data] [--light 0.2 0.35 0.5]

Images of at most 3 km with short-wave infrared, of the folder places and the clear ones of the validation pairs. Shadow
leaves a share of the light, the same in all bands; the air above scatters what it did, and the sensor adds noise of
0.002. Means of places, each of its images.
"""

from __future__ import annotations

import argparse
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from comparison import DATA
from detected import clear
from pairs import load_pairs, truly_clear
from places import Image, images
from rasterio.errors import NotGeoreferencedWarning

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
    given = parser.parse_args()
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    generator, header = load_generator(given.weights)
    print(f"weights {header.name}, {header.steps} steps, SHA-256 {header.sha256[:16]}")
    found = list(sunlit(given.data))
    print(f"{'light':>6s}{'places':>8s}{'as it is':>10s}{'cleared':>9s}{'better':>8s}{'within 90 %':>13s}")
    for light in given.light:
        errors: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
        for image in found:
            air = np.array([air_reflectance(band, image.level) for band in image.bands], np.float32)[:, None, None]
            noise = np.random.default_rng(0).normal(0, _NOISE, image.reflectance.shape).astype(np.float32)
            shaded = Image(
                image.name,
                image.place,
                air + light * (image.reflectance - air) + noise,
                image.bands,
                image.level,
                image.metres,
            )
            made = clear(shaded, generator)
            apart = np.abs(made.reflectance - image.reflectance)
            held = float((apart <= 1.645 * made.uncertainty).mean())
            errors[image.place].append(
                (float(np.abs(shaded.reflectance - image.reflectance).mean()), apart.mean(), held)
            )
        means = np.array([np.mean(values, axis=0) for values in errors.values()])
        better = int((means[:, 1] < means[:, 0]).sum())
        before, after, held = means.mean(axis=0)
        print(f"{light:6.2f}{len(means):8d}{before:10.4f}{after:9.4f}{better:8d}{held:13.2f}", flush=True)


if __name__ == "__main__":
    main()
