"""What is measured of a translator while it learns, on the fixed validation pairs of an archive; and which is best."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unclouded.data.archive import Archive
from unclouded.data.domains import Sampling, ValidationLoader, to_observations
from unclouded.evaluation.suite import EvaluationConfig, TrainedNetwork, evaluate
from unclouded.models.generator import Generator, Observation, compose
from unclouded.models.land_cover import LandCover
from unclouded.models.translator import Translator
from unclouded.models.weights import save_generator
from unclouded.report.training_figures import draw_cycles, draw_distances
from unclouded.training import objectives
from unclouded.training.translator import BEST, TranslatorTraining, header_of

_SHOWN = 8
"""Pairs in the grid of x -> y -> x, and in what is measured over latents."""
_LATENTS = 4
_NOISE = 0.01
"""Reflectance: too little to see, enough to blur what a network hides in an image's last decimals."""
_LEAST_SPREAD = 1e-3
_LEAST_VARIETY = 0.25


class Validation:
    """Measures a run on an archive, draws its figures into the run's folder, and keeps the best weights.

    `best.safetensors` is, among the measurings that raise no alarm of collapse and whose coverage is no lower than that
    of the cloudy images themselves, the one with the smallest Fréchet distance; until there is one, the one with the
    highest coverage. A collapsed model, whose distance may be small, has a low coverage and so cannot win.
    """

    def __init__(
        self, archive: Archive, land_cover: TrainedNetwork[LandCover], output: Path, limit: int, seed: int
    ) -> None:
        """Measure on up to `limit` validation patches of each domain of `archive`, drawn by `seed`."""
        self._archive, self._land_cover, self._output = archive, land_cover, output
        self._config = EvaluationConfig(limit=limit, seed=seed, repeats=0)
        loader = ValidationLoader(archive, Sampling(batch=_SHOWN, seed=seed), limit=_SHOWN)
        self._pairs = to_observations(next(iter(loader)), "cpu")

    def __call__(self, training: TranslatorTraining) -> dict[str, float]:
        """Measure the moving average of G_XY, and the other networks as they are; the numbers by name."""
        header = replace(header_of(training, self._output.name), sha256=f"step {training.step}")
        record = evaluate(
            self._archive,
            TrainedNetwork(training.average.eval(), header),
            self._land_cover,
            self._config,
            device=training.device.type,
        )
        cleared, cloudy = record["distances"]["cleared"], record["distances"]["cloudy"]
        found = {
            "frechet": cleared["frechet"],
            "frechet_cloudy": cloudy["frechet"],
            "floor": record["floor"]["frechet"] if record["floor"] else math.nan,
            **{name: cleared[name] for name in ("precision", "recall", "density", "coverage")},
            "coverage_cloudy": cloudy["coverage"],
            "inception": record["inception"]["cleared"]["multi_label"],
        }
        if record["paired"]:
            mean = record["paired"]["cleared"]
            found |= {name: mean[name] for name in ("psnr", "ssim", "angle")}
        x, y = (Observation(*(part.to(training.device) for part in side)) for side in self._pairs)
        found |= latent_measures(training.average, x, y, seed=self._config.seed)
        if training.settings.loss.unpaired:
            images, cycle_errors = _cycle(training.translator, x)
            found |= cycle_errors
            draw_cycles(images, self._output / f"cycle_{training.step:06d}.png")
        found["alarm"] = float(collapsed(found))
        self._keep(training, found)
        draw_distances(self._history() | {training.step: found}, self._output / "distances.png")
        return found

    def _keep(self, training: TranslatorTraining, found: dict[str, float]) -> None:
        if not training.best or preference(found) < preference(training.best):
            training.best = found
            save_generator(training.average, header_of(training, self._output.name), self._output / BEST)

    def _history(self) -> dict[int, dict[str, float]]:
        log = self._output / "log.jsonl"
        entries = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return {entry["step"]: entry for entry in entries if "frechet" in entry}


def collapsed(found: dict[str, float]) -> bool:
    """Tell whether measurings show a mode collapse; the Fréchet distance, which it may lower, is not asked.

    Alarm if the latents change nothing (spread under 0.001 reflectance), if the results' mean colours vary less than a
    quarter as much as those of clear images do (one brown fill for all), or if the results cover less than half as many
    of the clear images' surroundings as the cloudy ones do.
    """
    return (
        found["spread"] < _LEAST_SPREAD
        or found["colour_variety"] < _LEAST_VARIETY
        or found["coverage"] < 0.5 * found["coverage_cloudy"]
    )


def preference(found: dict[str, float]) -> tuple[float, ...]:
    """Order measurings, the best one lowest; see `Validation`."""
    fair = not found["alarm"] and found["coverage"] >= found["coverage_cloudy"]
    return (0.0, found["frechet"]) if fair else (1.0, -found["coverage"])


@torch.inference_mode()
def latent_measures(generator: Generator, x: Observation, y: Observation, *, seed: int = 0) -> dict[str, float]:
    """Measure what the latents do, on cloudy images x and clear ones y.

    Returns:
        `spread`: standard deviation of the results over latents (reflectance), where at least half of the pixel is
        redrawn. `colour_variety`: the spread between the results' mean colours relative to that between clear images'.
    """
    rng = torch.Generator().manual_seed(seed)
    results, opacities = [], []
    for _ in range(_LATENTS):
        z = torch.randn(len(x.level), generator.settings.latent, generator=rng).to(x.optical.device)
        made = generator(x, z)
        results.append(compose(x.optical, made))
        opacities.append(made.opacity)
    drawn = torch.stack(results)
    redrawn = (torch.stack(opacities).mean(0) >= 0.5) * x.valid * x.present[:, :, None, None]
    deviation = drawn.std(0)
    spread = float((deviation * redrawn).sum() / redrawn.sum().clamp(min=1))
    return {"spread": spread, "colour_variety": _variety(drawn[0], x) / max(_variety(y.optical, y), 1e-9)}


def _variety(images: Tensor, like: Observation) -> float:
    """Standard deviation of the images' mean spectra (reflectance), over the bands together."""
    seen = like.valid * like.present[:, :, None, None]
    means = (images * seen).sum((2, 3)) / seen.sum((2, 3)).clamp(min=1)
    return float(means.std(0).square().sum().sqrt())


@torch.inference_mode()
def _cycle(translator: Translator, x: Observation) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Take images through x -> y -> x: what to draw, and how far noise on y keeps the cycle from closing.

    Returns:
        Images (B, 13, H, W) by title; `cycle_error`, `cycle_error_noisy`: L1 distances without and with noise of 0.01
        reflectance on y. A network that hides x in y loses it to the noise (Bashkirova et al. 2019).
    """
    translator.eval()
    rng = torch.Generator().manual_seed(0)
    cleared, _ = translator.clear(x, translator.draw_y(x, rng))
    found = translator.e_x(x.optical, cleared, x)
    back = translator.cloud(x._replace(optical=cleared), found)
    noisy = cleared + _NOISE * torch.randn(cleared.shape, generator=rng).to(cleared.device)
    again = translator.cloud(x._replace(optical=noisy), found)
    translator.train()
    seen = x.valid * x.present[:, :, None, None]
    errors = [float(objectives.cycle(image, x.optical, seen)) for image in (back, again)]
    images = {"x": x.optical, "x to y": cleared, "x to y to x": back}
    return {name: image.cpu().numpy() for name, image in images.items()}, {
        "cycle_error": errors[0],
        "cycle_error_noisy": errors[1],
    }
