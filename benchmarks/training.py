"""A training step of `settings/paper.yaml` against a plain transcription of the published loop, side by side.

    python benchmarks/training.py [--batch 4] [--steps 5] [--side 120] [--json FILE]

Both have the same networks, losses, images and latents. "Plain": float32, tensors in PyTorch's default order, one
unfused Adam for each group of networks, as the published code has it, in a process as Python starts it. "Ours": the
step of `unclouded train translator` by the settings, in a process that keeps what it frees, as the command's does; the
row between shows what that alone does for the plain step. Each has a process of its own, and they take steps in turn,
so that other load of the machine affects all equally; the figure is the ratio of the medians.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from torch import Tensor

from unclouded.allocator import keep_freed_memory
from unclouded.models.observation import Observation
from unclouded.models.translator import Translator
from unclouded.settings import TranslatorSettings, load_settings
from unclouded.training import translator as loop
from unclouded.training.unpaired_terms import discriminator_terms, generator_terms

KINDS = ("plain", "plain, memory kept", "ours")
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
        self.training = loop.TranslatorTraining(settings)
        networks = self.training.translator.to(memory_format=torch.contiguous_format)
        rate = settings.training.learning_rate
        self.generators = torch.optim.Adam(
            networks.parameters_of(Translator.GENERATORS_AND_ENCODERS), rate, (0.5, 0.999), foreach=False
        )
        slow = settings.unpaired.discriminator_rate
        self.discriminator_optimiser = torch.optim.Adam(
            networks.parameters_of(Translator.DISCRIMINATORS), slow, (0.5, 0.999), foreach=False
        )

    def step(self, batches: Same) -> None:
        """Take one step."""
        training, settings = self.training, self.training.settings
        x, y = batches.unpaired(settings.unpaired.batch)
        terms, made = generator_terms(
            training.translator, x, y, settings.unpaired, training.rng, settings.loss.unpaired
        )
        weights = settings.loss.model_dump()
        self.generators.zero_grad()
        torch.autograd.backward(total([weights[name] * term for name, term in terms.items()]))
        self.generators.step()
        found = discriminator_terms(training.translator, made, training.pools, training.rng)
        self.discriminator_optimiser.zero_grad()
        torch.autograd.backward(total(list(found.values())))
        self.discriminator_optimiser.step()


def total(terms: list[Tensor]) -> Tensor:
    return torch.stack(terms).sum()


def take_steps(kind: str, batch: int, side: int, orders: Connection) -> None:
    """Worker process: take a step at each order, and send back its seconds."""
    overrides = [f"unpaired.batch={batch}"]
    batches = Same(batch, side)
    step: Callable[[], object]
    if kind == "ours":
        ours = loop.TranslatorTraining(load_settings(SETTINGS, overrides))
        step = lambda: loop._step(ours, batches)  # noqa: E731
    else:
        plain = Plain(load_settings(SETTINGS, [*overrides, "training.precision=fp32"]))
        step = lambda: plain.step(batches)  # noqa: E731
    if kind != "plain":
        keep_freed_memory()
    while orders.recv():
        started = time.perf_counter()
        step()
        orders.send(time.perf_counter() - started)


def order(kind: str, pipe: Connection) -> float:
    """Have a process take a step; return its seconds."""
    try:
        pipe.send(True)
        return float(pipe.recv())
    except (EOFError, OSError) as error:
        raise SystemExit(f"the process of {kind!r} has ended, perhaps out of memory: try a smaller --batch") from error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--side", type=int, default=120)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    orders: dict[str, Connection] = {}
    for kind in KINDS:
        orders[kind], theirs = context.Pipe()
        context.Process(target=take_steps, args=(kind, args.batch, args.side, theirs), daemon=True).start()
        theirs.close()
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for number in range(args.steps + 1):
        for kind, pipe in orders.items():
            took = order(kind, pipe)
            if number:  # the first step also fills caches of the library
                seconds[kind].append(took)
    for pipe in orders.values():
        pipe.send(False)
    medians = {kind: statistics.median(times) for kind, times in seconds.items()}
    for kind, median in medians.items():
        faster = medians["plain"] / median
        print(
            f"{kind:20s}{median:7.2f} s a step of {args.batch} images of {args.side} x {args.side} of each domain,"
            f" {faster:.2f} times as fast as plain"
        )
    print(f"{torch.get_num_threads()} threads, {args.steps} steps")
    if args.json:
        args.json.write_text(json.dumps({"batch": args.batch, "side": args.side, "seconds": seconds}, indent=1) + "\n")


if __name__ == "__main__":
    main()
