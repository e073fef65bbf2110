"""The paper's experiment from data to figures, at a size that two cores carry: `make paper`, `make paper-figures`.

    python scripts/paper.py [--output runs/paper] [--patches 1200] [--epochs 100] [--classifier-steps 600] [...]
    python scripts/paper.py --figures        # figures and table 1 only, from an existing log and weights

Without a trained run, `--figures` draws those of the bundled weights `paper` and `land-cover` and the log of their run,
on held-out simulated patches (another seed); the baseline of table 1 is not bundled.

Each step is a command, which is printed before it runs and can be run by hand. Finished steps are skipped, interrupted
ones resumed. The times are estimates by the pace of a run's log; without a log, by that of two idle cores.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from unclouded.cli.training_bar import duration
from unclouded.errors import FileError
from unclouded.evaluation.land_cover_scores import PAPER
from unclouded.files import write_bytes, write_json
from unclouded.report.tables import classifiers_table

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = ROOT / "src" / "unclouded" / "weights"
BUNDLED = {
    "land_cover/weights.safetensors": WEIGHTS / "land-cover.safetensors",
    "translator/translator.safetensors": WEIGHTS / "paper.safetensors",
    "translator/log.jsonl": ROOT / "docs" / "paper" / "paper_64.jsonl",
}
"""Bundled files by their path in a run."""
HELD_OUT = {"patches": 1200, "seed": 7}
"""Archive for the figures of the bundled weights: neither its ground nor its clouds were trained on."""
UNCLOUDED = [sys.executable, "-m", "unclouded"]
LEAST_PATCHES = 160
"""With fewer, a split may be too small for the Fréchet distance, which would only fail after the training."""
FINISHED = "finished.json"
"""In the output folder: `mark` of each finished step."""

# Seconds on two cores: a simulated patch (docs/training.md), and a step of the translator in bfloat16; 600 steps of a
# classifier take 5 to 10 minutes on one (docs/paper.md).
SECONDS_A_PATCH = 0.04
SECONDS_A_STEP = {"translator": 1.5, "land_cover": 1.0, "s_cnn_all": 1.0}
BATCH = 8
"""`unpaired.batch` of settings/paper_64.yaml."""


@dataclass(frozen=True)
class Step:
    """One command of the experiment.

    Attributes:
        title: what it does.
        arguments: of the command, without `--resume`.
        seconds: estimate of the remaining time.
        run: folder of a training run, which is resumed if it holds a checkpoint.
        inputs: files after whose change the step is repeated.
        after: called when the command has succeeded.
    """

    title: str
    arguments: Sequence[str]
    seconds: Callable[[], float]
    run: Path | None = None
    inputs: Sequence[Path] = ()
    after: Callable[[], None] = lambda: None

    @property
    def command(self) -> list[str]:
        """The command, with `--resume` if there is a checkpoint."""
        resumes = self.run is not None and (self.run / "checkpoint.pt").exists()
        return [*self.arguments, *(["--resume"] if resumes else [])]


def time_left(run: Path, steps: int) -> float:
    """Remaining seconds of a training run, by the last two entries of its log."""
    log = run / "log.jsonl"
    entries = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    pace = SECONDS_A_STEP[run.name]
    if len(entries) > 1 and entries[-1]["seconds"] > entries[-2]["seconds"]:
        first, last = entries[-2:]
        pace = (last["seconds"] - first["seconds"]) / (last["step"] - first["step"])
    return pace * (steps - (entries[-1]["step"] if entries else 0))


def classifier(name: str, args: argparse.Namespace) -> Step:
    run, steps = args.output / name, args.classifier_steps
    length = [f"training.steps={steps}", "training.batch=32", f"training.validate_every={max(1, steps // 16)}"]
    command = [*UNCLOUDED, "train", "land-cover", str(ROOT / "settings" / f"{name}.yaml")]
    command += ["--data", str(args.output / "archive"), "--output", str(run)]
    more = ["training.validation_patches=1000", f"training.seed={args.seed}"]
    return Step(f"classifier {name}", [*command, *length, *more], lambda: time_left(run, steps), run)


def translator(args: argparse.Namespace, steps: int, epoch: int) -> Step:
    run = args.output / "translator"
    command = [*UNCLOUDED, "train", "translator", str(ROOT / "settings" / "paper_64.yaml")]
    command += ["--data", str(args.output / "archive"), "--output", str(run)]
    command += ["--land-cover", str(args.output / "land_cover" / "weights.safetensors")]
    every = [f"training.steps={steps}", f"training.checkpoint_every={epoch}", f"training.validate_every={epoch}"]
    overrides = [*every, f"training.seed={args.seed}", "data=simulated patches and the real ones of collection.yaml"]
    return Step(f"the eight networks, {args.epochs} epochs", [*command, *overrides], lambda: time_left(run, steps), run)


def epoch_of(archive: Path) -> int:
    """Steps of an epoch over the cloudy training patches."""
    from unclouded.data.archive import Archive
    from unclouded.data.domains import select

    with Archive(archive) as opened:
        return max(1, len(select(opened.table, "X", "train")) // BATCH)


def training(args: argparse.Namespace) -> list[Step]:
    """Steps for data, classifiers and translator; until the data exist, the length of an epoch is an estimate."""
    archive = args.output / "archive"
    pack = [sys.executable, str(ROOT / "scripts" / "pack_paper_archive.py"), "--output", str(archive)]
    pack += ["--patches", str(args.patches), "--seed", str(args.seed), "--data", str(args.data)]
    # A quarter of the patches are cloudy, 70 % of these for training, and some are real.
    epoch = epoch_of(archive) if archive.is_dir() else max(1, round(0.25 * 0.7 * args.patches + 105) // BATCH)
    return [
        Step("data", pack, lambda: SECONDS_A_PATCH * 1.25 * args.patches),
        classifier("land_cover", args),
        classifier("s_cnn_all", args),
        translator(args, args.epochs * epoch, epoch),
    ]


def evaluation(args: argparse.Namespace) -> list[Step]:
    """Steps for figures, tables and the page, from weights and logs."""
    output, figures = args.output, args.output / "translator" / "figures"
    archive, classes = str(output / "archive"), str(output / "land_cover" / "weights.safetensors")
    baseline, eight = (
        str(output / "s_cnn_all" / "weights.safetensors"),
        output / "translator" / "translator.safetensors",
    )
    scores, records = output / "table_1.json", {split: output / f"{split}.json" for split in ("validation", "test")}
    compared = [] if args.bundled else ["--baseline", baseline]
    table = [*UNCLOUDED, "evaluate", "land-cover", classes, *compared, "--data", archive]
    evaluate = [*UNCLOUDED, "evaluate", "translator", str(eight), "--data", archive, "--land-cover", classes]
    evaluate += ["--cache", str(output / "features")]
    runs = [str(output / name) for name in ("translator", "land_cover", "s_cnn_all")]
    shown = [str(scores), *map(str, records.values())]
    networks, log = [Path(classes), *map(Path, compared[1:])], eight.with_name("log.jsonl")

    def write_table() -> None:
        record = json.loads(scores.read_text())
        both = {one["weights"]["name"]: one["samples"] for one in (record, record.get("baseline")) if one}
        text = classifiers_table(both, PAPER, record["images"]) + "\n"
        figures.mkdir(parents=True, exist_ok=True)
        write_bytes(text.encode(), figures / "table_1.md")

    return [
        Step("table 1", [*table, "--json", str(scores), "--overwrite"], lambda: 300, None, networks, write_table),
        Step(
            "figures 1a, 1b, 2a, 2b, and the validation split",
            [*evaluate, "--json", str(records["validation"]), "--figure", str(figures), "--overwrite"],
            lambda: 180,
            inputs=[eight, Path(classes), log],
        ),
        Step(
            "the test split",
            [*evaluate, "--split", "test", "--json", str(records["test"]), "--overwrite"],
            lambda: 180,
            inputs=[eight, Path(classes)],
        ),
        Step(
            "page",
            [*UNCLOUDED, "report", *runs, *shown, "--output", str(output / "report.html"), "--overwrite"],
            lambda: 20,
            inputs=[scores, *records.values(), log],
        ),
    ]


def lay_out_bundled(args: argparse.Namespace) -> None:
    """Copy the bundled weights and the log of their run into a run folder of their own, and select it."""
    print_now(f"{args.output}: nothing was trained there, so the figures are those of the bundled weights")
    args.output, args.bundled = args.output.with_name(f"{args.output.name}_bundled"), True
    args.patches, args.seed = HELD_OUT["patches"], HELD_OUT["seed"]
    for name, source in BUNDLED.items():
        path = args.output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path)


def finished(output: Path) -> dict[str, list[str]]:
    path = output / FINISHED
    return json.loads(path.read_text()) if path.exists() else {}


def mark(step: Step, output: Path) -> list[str]:
    """Recorded when a step has succeeded: the arguments, and the modification times of its inputs.

    Independent of how the folders are written and where they lie, so that a run may be moved.
    """
    inputs = (f"{path} {path.stat().st_mtime_ns}" for path in step.inputs if path.exists())
    folders = {f"{output}/": "OUTPUT/", f"{ROOT}/": "ROOT/", f"{ROOT.parent}/": "ROOT/../"}

    def placed(text: str) -> str:
        folder = next((folder for folder in folders if text.startswith(folder)), None)
        return text if folder is None else folders[folder] + text.removeprefix(folder)

    return [placed(text) for text in (*step.arguments[1:], *inputs)]


def is_done(step: Step, args: argparse.Namespace) -> bool:
    archive = args.output / "archive"
    if step.title == "data" and step.title not in finished(args.output) and archive.is_dir():
        return True  # The archive is complete if its folder exists, and may come from elsewhere.
    return finished(args.output).get(step.title) == mark(step, args.output)


def print_now(text: str) -> None:
    print(text, flush=True)


def run(step: Step, args: argparse.Namespace) -> None:
    print_now(f"\nnext: {step.title}, about {duration(step.seconds())}\n$ {shlex.join(step.command)}")
    started = time.monotonic()
    try:
        code = subprocess.run(step.command, check=False).returncode
    except KeyboardInterrupt:
        code = 130
    if code:
        print_now(f"stopped: {step.title} failed with exit code {code}; the same command resumes here")
        sys.exit(code)
    step.after()
    write_json(finished(args.output) | {step.title: mark(step, args.output)}, args.output / FINISHED)
    print_now(f"done: {step.title}, in {duration(time.monotonic() - started)}")


def plan(steps: Sequence[Step], args: argparse.Namespace) -> None:
    for step in steps:
        print_now(f"  {step.title}: " + ("done" if is_done(step, args) else f"about {duration(step.seconds())}"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("runs/paper"))
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--patches", type=int, default=1200)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--classifier-steps", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--figures", action="store_true")
    parser.set_defaults(bundled=False)
    args = parser.parse_args()
    if args.patches < LEAST_PATCHES:
        parser.error(f"--patches {args.patches}: at least {LEAST_PATCHES} are accepted, so that each split has enough")
    if args.figures:
        if not (args.output / "translator" / "translator.safetensors").exists():
            lay_out_bundled(args)
            data = training(args)[0]
            if not is_done(data, args):
                run(data, args)
        for step in evaluation(args)[:2]:
            run(step, args)
        return
    archive = args.output / "archive"
    try:
        data = training(args)[0]
    except FileError as error:
        parser.error(str(error))
    if archive.exists() and not is_done(data, args):
        parser.error(
            f"{archive}: was packed with other --patches, --seed or --data; give these, or another --output, or "
            "remove it"
        )
    args.output.mkdir(parents=True, exist_ok=True)
    print_now(f"the paper's experiment in {args.output}:")
    plan([*training(args), *evaluation(args)], args)
    # Planned anew after each step: the length of an epoch is known once the data exist.
    for place in range(len(training(args))):
        step = training(args)[place]
        if not is_done(step, args):
            run(step, args)
    for step in evaluation(args):
        if not is_done(step, args):
            run(step, args)
    print_now(f"\nall done: {args.output / 'report.html'}, {args.output / 'translator' / 'figures'}")


if __name__ == "__main__":
    main()
