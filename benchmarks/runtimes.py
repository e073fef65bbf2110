"""The network of `unclouded clear` on one tile, by every runtime at hand, side by side in one run.

    python benchmarks/runtimes.py [--model default] [--tile 512] [--rounds 5] [--json FILE]

PyTorch eager in float32 and in bfloat16, torch.compile, ONNX Runtime and OpenVINO (those that are installed) take turns
on the same tile; the figure is the median time and its ratio to eager float32, beside how far the cleared reflectance
and the opacity lie from eager float32. Two yardsticks take turns with them: the generator of CycleGAN (Zhu et al. 2017,
ResNet with 9 blocks, 13 bands in and out, eager float32) on the same tile, and a plain 3 x 3 convolution in either
precision, whose rate is what the machine can do: a processor without bfloat16 is slow in it.
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from unclouded.allocator import keep_freed_memory
from unclouded.bands import INDEX, L2A
from unclouded.clearing.plan import bundled_patches
from unclouded.models.generator import Generator
from unclouded.models.observation import CELL, Observation
from unclouded.models.weights import load_generator
from unclouded.reading.reader import open_scene

Run = Callable[[], tuple[Tensor, Tensor]]


class OnTile(nn.Module):
    """The work on a tile as tensors in, tensors out, which is what exporters take."""

    def __init__(self, generator: Generator, part: tuple[slice, slice]) -> None:
        super().__init__()
        self.generator, self.part = generator, part

    def forward(self, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        """Translate an observation (seven tensors) under its context and z: ground and opacity of the core."""
        made = self.generator.translate(Observation(*tensors[:7]), tensors[7], tensors[8], self.part)
        return made.ground, made.opacity


def real_tile(side: int) -> Observation:
    """A tile of the bundled real patch and its mirror images."""
    with open_scene(bundled_patches()[0]) as scene:
        dn, names = scene.read(0, 0, 120, 120), scene.info.bands
    repeats = -(-side // 240)
    image = np.pad(dn.astype(np.float32) / 1e4, ((0, 0), (0, 120), (0, 120)), mode="symmetric")
    image = np.tile(image, (1, repeats, repeats))[:, :side, :side]
    optical = torch.zeros(1, len(INDEX), side, side)
    optical[0, [INDEX[name] for name in names]] = torch.from_numpy(image)
    present = torch.tensor([[float(name in L2A) for name in INDEX]])
    return Observation.of(optical, present, torch.ones(1))


class Residual(nn.Module):
    """A block of CycleGAN's generator."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for last in (False, True):
            layers += [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels)]
            layers += [] if last else [nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, h: Tensor) -> Tensor:
        """Return `h` (B, C, H, W) plus its update."""
        updated: Tensor = h + self.layers(h)
        return updated


def cycle_gan(bands: int) -> nn.Module:
    """CycleGAN's generator as published: 7 x 7, two halvings, nine blocks, two doublings, 7 x 7."""

    def norm(layer: nn.Module, channels: int) -> list[nn.Module]:
        return [layer, nn.InstanceNorm2d(channels), nn.ReLU()]

    return nn.Sequential(
        *norm(nn.Conv2d(bands, 64, 7, padding=3, padding_mode="reflect"), 64),
        *norm(nn.Conv2d(64, 128, 3, stride=2, padding=1), 128),
        *norm(nn.Conv2d(128, 256, 3, stride=2, padding=1), 256),
        *(Residual(256) for _ in range(9)),
        *norm(nn.ConvTranspose2d(256, 128, 3, stride=2, padding=1, output_padding=1), 128),
        *norm(nn.ConvTranspose2d(128, 64, 3, stride=2, padding=1, output_padding=1), 64),
        nn.Conv2d(64, bands, 7, padding=3, padding_mode="reflect"),
        nn.Tanh(),
    ).eval()


def runtimes(network: OnTile, inputs: tuple[Tensor, ...]) -> tuple[dict[str, Run], dict[str, str]]:
    """The runtimes that work here, and why the others do not."""

    def eager(precision: bool, work: Callable[..., tuple[Tensor, Tensor]] = network) -> Run:
        def call() -> tuple[Tensor, Tensor]:
            with torch.autocast("cpu", torch.bfloat16, enabled=precision):
                return work(*inputs)

        return call

    made = {"eager float32": eager(False), "eager bfloat16": eager(True)}
    missing = {}

    def compiled() -> Run:
        return eager(True, torch.compile(network, dynamic=False))

    def onnx() -> Run:
        import onnxruntime

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "tile.onnx"
            torch.onnx.export(network, inputs, path, dynamo=True, verbose=False)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = torch.get_num_threads()
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        names = {one.name for one in session.get_inputs()}
        feed = {
            name: tensor.numpy()
            for name, tensor in zip((f"tensors_{i}" for i in range(len(inputs))), inputs, strict=True)
            if name in names
        }
        return lambda: tuple(torch.from_numpy(array) for array in session.run(None, feed))

    def openvino(precision: str) -> Run:
        import openvino

        model = openvino.convert_model(network, example_input=inputs)
        how = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": torch.get_num_threads()}
        ready = openvino.Core().compile_model(model, "CPU", how)
        arrays = [tensor.numpy() for tensor in inputs]
        return lambda: tuple(torch.from_numpy(np.array(array)) for array in ready(arrays).values())

    for name, build in {
        "torch.compile bfloat16": compiled,
        "ONNX Runtime float32": onnx,
        "OpenVINO float32": lambda: openvino("f32"),
        "OpenVINO bfloat16": lambda: openvino("bf16"),
    }.items():
        try:
            run = build()
            run()
            made[name] = run
        except Exception as error:  # each library has its own
            missing[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
    return made, missing


def timings(everything: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each in every round, all in turn; the first round only warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in everything}
    for number in range(rounds + 1):
        for name, run in everything.items():
            started = time.perf_counter()
            run()
            if number:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default")
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    keep_freed_memory()  # as the command does
    generator = load_generator(args.model)[0].eval().to(memory_format=torch.channels_last)
    margin = generator.margin
    x = real_tile(args.tile + 2 * margin)
    cells = slice(margin // CELL - 1, (margin + args.tile) // CELL + 1)
    network = OnTile(generator, (cells, cells))
    with torch.inference_mode():
        statistics = generator.summarise(x)
        context = generator.spread(statistics, generator.context(statistics, x.conditioning))
    inputs = (*x, context, torch.zeros(1, generator.settings.latent))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(*inputs)
    operations = counter.get_total_flops()
    channels = generator.settings.widths[0]
    conv = nn.Conv2d(channels, channels, 3, padding=1).to(memory_format=torch.channels_last)
    half = copy.deepcopy(conv).to(torch.bfloat16)
    h = torch.randn(1, channels, args.tile, args.tile).to(memory_format=torch.channels_last)
    half_h = h.to(torch.bfloat16)
    work = 2 * 9 * channels**2 * args.tile**2
    theirs = cycle_gan(len(INDEX))
    with torch.no_grad():
        made, missing = runtimes(network, inputs)
        everything: dict[str, Callable[[], object]] = {
            **made,
            "CycleGAN's generator, eager float32": lambda: theirs(x.optical),
            "one convolution, float32": lambda: conv(h),
            "one convolution, bfloat16": lambda: half(half_h),
        }
        seconds = timings(everything, args.rounds)
        core = (..., *[slice(part.start * CELL, part.stop * CELL) for part in network.part])
        truth = network(*inputs)
        exact = torch.lerp(x.optical[core], *truth)
        report = {}
        print(f"{operations / 1e9:.1f} GFLOP a tile of {args.tile} + 2 x {margin}, {torch.get_num_threads()} threads")
        for name, times in seconds.items():
            middle = median(times)
            report[name] = {"seconds": middle, "times_float32": median(seconds["eager float32"]) / middle}
            line = f"{name:36s}{middle:8.3f} s {report[name]['times_float32']:6.2f} x"
            if name in made:
                ground, opacity = made[name]()
                difference = (torch.lerp(x.optical[core], ground.float(), opacity.float()) - exact).abs()
                report[name] |= {"mean": float(difference.mean()), "most": float(difference.max())}
                report[name]["opacity"] = float((opacity.float() - truth[1]).abs().max())
                line += "   differs by {mean:.1e} on average, {most:.1e} at most; opacity {opacity:.1e}".format_map(
                    report[name]
                )
            print(line)
    shares = {}
    for precision in ("float32", "bfloat16"):
        rate = work / report[f"one convolution, {precision}"]["seconds"]
        shares[precision] = operations / report[f"eager {precision}"]["seconds"] / rate
        print(
            f"eager {precision} works at {shares[precision]:.0%} of one convolution's rate ({rate / 1e9:.0f} GFLOP/s)"
        )
    for name, why in missing.items():
        print(f"{name}: not measured ({why})")
    if args.json:
        args.json.write_text(json.dumps({"rows": report, "missing": missing, "shares": shares}, indent=1) + "\n")


if __name__ == "__main__":
    main()
