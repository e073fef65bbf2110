"""A training step of `settings/paper.yaml` against a plain transcription of the published loop, side by side.

    python benchmarks/training.py [--batch 4] [--steps 5] [--side 120] [--json FILE]

Both have the same networks, losses, images and latents. "Plain": float32, tensors in PyTorch's default order, one
unfused Adam for each group of networks, as the published code has it. "Ours": the step of `unclouded train translator`
by the settings. The two take steps in turn in one run, so that what else the machine does hits both alike; the figure
is the ratio of the medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from torch import Tensor

from unclouded.models.generator import Observation
from unclouded.models.translator import Translator
from unclouded.settings import TranslatorSettings, load_settings
from unclouded.training import translator as loop
from unclouded.training.unpaired import generating_terms, judging_terms

SETTINGS = Path(__file__).resolve().parents[1] / "settings" / "paper.yaml"


class Same:
    """Hands out the same made-up images in every step."""

    def __init__(self, batch: int, side: int) -> None:
        rng = torch.Generator().manual_seed(0)
        present = torch.ones(batch, 13)
        self._images = [
            Observation.of(torch.rand(batch, 13, side, side, generator=rng) * scale, present, torch.ones(batch))
            for scale in (1.0, 0.4)
        ]

    def unpaired(self, size: int) -> tuple[Observation, Observation]:
        """Return the cloudy and the clear images."""
        return self._images[0], self._images[1]


class Plain:
    """The published loop, line by line: one forward, discriminators, then generators and encoders."""

    def __init__(self, settings: TranslatorSettings) -> None:
        self.training = loop.Training(settings)
        networks = self.training.translator.to(memory_format=torch.contiguous_format)
        rate = settings.training.learning_rate
        self.generators = torch.optim.Adam(networks.parts(Translator.GENERATING), rate, (0.5, 0.999), foreach=False)
        slow = settings.unpaired.discriminator_rate
        self.judges = torch.optim.Adam(networks.parts(Translator.JUDGING), slow, (0.5, 0.999), foreach=False)

    def step(self, batches: Same) -> None:
        """Take one step."""
        training, settings = self.training, self.training.settings
        x, y = batches.unpaired(settings.unpaired.batch)
        terms, made = generating_terms(training.translator, x, y, settings.unpaired, training.rng)
        weights = settings.loss.model_dump()
        self.generators.zero_grad()
        torch.autograd.backward(total([weights[name] * term for name, term in terms.items()]))
        self.generators.step()
        judged = judging_terms(training.translator, made, training.pools, training.rng)
        self.judges.zero_grad()
        torch.autograd.backward(total(list(judged.values())))
        self.judges.step()


def total(terms: list[Tensor]) -> Tensor:
    return torch.stack(terms).sum()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--side", type=int, default=120)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    overrides = [f"unpaired.batch={given.batch}"]
    batches = Same(given.batch, given.side)
    plain = Plain(load_settings(SETTINGS, [*overrides, "training.precision=fp32"]))
    ours = loop.Training(load_settings(SETTINGS, overrides))
    steps = {"plain": lambda: plain.step(batches), "ours": lambda: loop._step(ours, batches)}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(given.steps + 1):
        for name, step in steps.items():
            started = time.perf_counter()
            step()
            if number:  # the first one also builds what the library keeps
                seconds[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    for name, median in medians.items():
        print(f"{name:6s} {median:7.2f} s a step of {given.batch} images of {given.side} x {given.side} of each domain")
    print(f"ours is {medians['plain'] / medians['ours']:.2f} times as fast; {torch.get_num_threads()} threads")
    if given.json:
        given.json.write_text(
            json.dumps({"batch": given.batch, "side": given.side, "seconds": seconds}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
