"""The paper's experiment from data to figures, at a size that two cores carry: `make paper`, `make paper-figures`.

    python scripts/paper.py [--output runs/paper] [--patches 1200] [--epochs 100] [--classifier-steps 600] [...]
    python scripts/paper.py --figures        # figures and table 1 alone, from the log and the weights that are there

Where nothing was trained yet, `--figures` draws those of the bundled weights `paper` and `land-cover` and the log of
their run, on simulated patches of a seed that was not trained on; the baseline of table 1 is not bundled.

Each step is a command that is printed before it runs and can be given by hand. A step that was finished is skipped; one
that was stopped goes on where it was. The times told beforehand are rough: until a run has a log, from whose pace they
are taken, they are those of two cores that do nothing else.
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
"""Where the files of a run stand that was made elsewhere, and which they are."""
UNSEEN = {"patches": 1200, "seed": 7}
"""The archive that they are drawn on: neither its ground nor its clouds were trained on."""
UNCLOUDED = [sys.executable, "-m", "unclouded"]
LEAST_PATCHES = 160
"""Of fewer a split may have too few to measure distances on, which would be found after the training alone."""
FINISHED = "finished.json"
"""In the output folder: `Step.mark` of each step that has ended well."""

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
        command: the words, without what makes it go on.
        seconds: that it is likely to take from where it stands.
        run: folder of a training run, which is gone on with if it holds a checkpoint.
        inputs: files that it is done again for when they change.
        after: what is done with its results.
    """

    title: str
    command: Sequence[str]
    seconds: Callable[[], float]
    run: Path | None = None
    inputs: Sequence[Path] = ()
    after: Callable[[], None] = lambda: None

    @property
    def words(self) -> list[str]:
        """The command to give now."""
        going_on = self.run is not None and (self.run / "checkpoint.pt").exists()
        return [*self.command, *(["--resume"] if going_on else [])]

    @property
    def mark(self) -> list[str]:
        """What is noted of it when it has ended well: the command, and when its inputs were written."""
        return [*self.command, *(f"{path} {path.stat().st_mtime_ns}" for path in self.inputs if path.exists())]


def time_left(run: Path, steps: int) -> float:
    """Seconds of a training run that are left, by the pace of its log's last two entries."""
    log = run / "log.jsonl"
    entries = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    pace = SECONDS_A_STEP[run.name]
    if len(entries) > 1 and entries[-1]["seconds"] > entries[-2]["seconds"]:
        first, last = entries[-2:]
        pace = (last["seconds"] - first["seconds"]) / (last["step"] - first["step"])
    return pace * (steps - (entries[-1]["step"] if entries else 0))


def classifier(name: str, given: argparse.Namespace) -> Step:
    run, steps = given.output / name, given.classifier_steps
    length = [f"training.steps={steps}", "training.batch=32", f"training.validate_every={max(1, steps // 16)}"]
    command = [*UNCLOUDED, "train", "land-cover", str(ROOT / "settings" / f"{name}.yaml")]
    command += ["--data", str(given.output / "archive"), "--output", str(run)]
    more = ["training.validation_patches=1000", f"training.seed={given.seed}"]
    return Step(f"classifier {name}", [*command, *length, *more], lambda: time_left(run, steps), run)


def translator(given: argparse.Namespace, steps: int, epoch: int) -> Step:
    run = given.output / "translator"
    command = [*UNCLOUDED, "train", "translator", str(ROOT / "settings" / "paper_64.yaml")]
    command += ["--data", str(given.output / "archive"), "--output", str(run)]
    command += ["--land-cover", str(given.output / "land_cover" / "weights.safetensors")]
    every = [f"training.steps={steps}", f"training.checkpoint_every={epoch}", f"training.validate_every={epoch}"]
    overrides = [*every, f"training.seed={given.seed}", "data=simulated patches and the real ones of collection.yaml"]
    return Step(
        f"the eight networks, {given.epochs} epochs", [*command, *overrides], lambda: time_left(run, steps), run
    )


def epoch_of(archive: Path) -> int:
    """Steps in which every cloudy training patch is shown once."""
    from unclouded.data.archive import Archive
    from unclouded.data.domains import select

    with Archive(archive) as opened:
        return max(1, len(select(opened.table, "X", "train")) // BATCH)


def training(given: argparse.Namespace) -> list[Step]:
    """Data, classifiers, translator; how long an epoch is becomes known with the data."""
    archive = given.output / "archive"
    pack = [sys.executable, str(ROOT / "scripts" / "pack_paper_archive.py"), "--output", str(archive)]
    pack += ["--patches", str(given.patches), "--seed", str(given.seed), "--data", str(given.data)]
    # A quarter of the patches are cloudy, 70 % of these for training, and some are real.
    epoch = epoch_of(archive) if archive.is_dir() else max(1, round(0.25 * 0.7 * given.patches + 105) // BATCH)
    return [
        Step("data", pack, lambda: SECONDS_A_PATCH * 1.25 * given.patches),
        classifier("land_cover", given),
        classifier("s_cnn_all", given),
        translator(given, given.epochs * epoch, epoch),
    ]


def measuring(given: argparse.Namespace) -> list[Step]:
    """Figures, tables and the page, from weights and logs."""
    output, figures = given.output, given.output / "translator" / "figures"
    archive, seeing = str(output / "archive"), str(output / "land_cover" / "weights.safetensors")
    baseline, eight = (
        str(output / "s_cnn_all" / "weights.safetensors"),
        output / "translator" / "translator.safetensors",
    )
    scores, records = output / "table_1.json", {split: output / f"{split}.json" for split in ("validation", "test")}
    beside = [] if given.bundled else ["--baseline", baseline]
    table = [*UNCLOUDED, "evaluate", "land-cover", seeing, *beside, "--data", archive]
    seen = [*UNCLOUDED, "evaluate", "translator", str(eight), "--data", archive, "--land-cover", seeing]
    seen += ["--cache", str(output / "features")]
    runs = [str(output / name) for name in ("translator", "land_cover", "s_cnn_all")]
    shown = [str(scores), *map(str, records.values())]
    networks, log = [Path(seeing), *map(Path, beside[1:])], eight.with_name("log.jsonl")

    def write_table() -> None:
        held = json.loads(scores.read_text())
        both = {one["weights"]["name"]: one["samples"] for one in (held, held.get("baseline")) if one}
        text = classifiers_table(both, PAPER, held["images"]) + "\n"
        figures.mkdir(parents=True, exist_ok=True)
        write_bytes(text.encode(), figures / "table_1.md")

    return [
        Step("table 1", [*table, "--json", str(scores), "--overwrite"], lambda: 300, None, networks, write_table),
        Step(
            "figures 1a, 1b, 2a, 2b, and the validation split",
            [*seen, "--json", str(records["validation"]), "--figure", str(figures), "--overwrite"],
            lambda: 180,
            inputs=[eight, Path(seeing), log],
        ),
        Step(
            "the test split",
            [*seen, "--split", "test", "--json", str(records["test"]), "--overwrite"],
            lambda: 180,
            inputs=[eight, Path(seeing)],
        ),
        Step(
            "page",
            [*UNCLOUDED, "report", *runs, *shown, "--output", str(output / "report.html"), "--overwrite"],
            lambda: 20,
            inputs=[scores, *records.values(), log],
        ),
    ]


def lay_out_bundled(given: argparse.Namespace) -> None:
    """Lay the bundled weights and the log of their run out beside the run that was asked for, as one of their own."""
    tell(f"{given.output}: nothing was trained there, so the figures are those of the bundled weights")
    given.output, given.bundled = given.output.with_name(f"{given.output.name}_bundled"), True
    given.patches, given.seed = UNSEEN["patches"], UNSEEN["seed"]
    for name, source in BUNDLED.items():
        path = given.output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path)


def finished(output: Path) -> dict[str, list[str]]:
    path = output / FINISHED
    return json.loads(path.read_text()) if path.exists() else {}


def is_done(step: Step, given: argparse.Namespace) -> bool:
    archive = given.output / "archive"
    if step.title == "data" and step.title not in finished(given.output) and archive.is_dir():
        return True  # A folder of this name is whole: one that was put there is taken as it is.
    return finished(given.output).get(step.title) == step.mark


def tell(text: str) -> None:
    print(text, flush=True)


def run(step: Step, given: argparse.Namespace) -> None:
    tell(f"\nnext: {step.title}, about {duration(step.seconds())}\n$ {shlex.join(step.words)}")
    started = time.monotonic()
    try:
        code = subprocess.run(step.words, check=False).returncode
    except KeyboardInterrupt:
        code = 130
    if code:
        tell(f"stopped: {step.title} ended with {code}; the same command goes on from here")
        sys.exit(code)
    step.after()
    write_json(finished(given.output) | {step.title: step.mark}, given.output / FINISHED)
    tell(f"done: {step.title}, in {duration(time.monotonic() - started)}")


def plan(steps: Sequence[Step], given: argparse.Namespace) -> None:
    for step in steps:
        tell(f"  {step.title}: " + ("done" if is_done(step, given) else f"about {duration(step.seconds())}"))


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
    given = parser.parse_args()
    if given.patches < LEAST_PATCHES:
        parser.error(f"--patches {given.patches}: at least {LEAST_PATCHES} are accepted, so that each split has enough")
    if given.figures:
        if not (given.output / "translator" / "translator.safetensors").exists():
            lay_out_bundled(given)
            data = training(given)[0]
            if not is_done(data, given):
                run(data, given)
        for step in measuring(given)[:2]:
            run(step, given)
        return
    given.output.mkdir(parents=True, exist_ok=True)
    tell(f"the paper's experiment in {given.output}:")
    plan([*training(given), *measuring(given)], given)
    # Planned anew each time: the data say how long an epoch is.
    for place in range(len(training(given))):
        step = training(given)[place]
        if not is_done(step, given):
            run(step, given)
    for step in measuring(given):
        if not is_done(step, given):
            run(step, given)
    tell(f"\nall done: {given.output / 'report.html'}, {given.output / 'translator' / 'figures'}")


if __name__ == "__main__":
    main()
