"""Run the cases of what people bring (`../shared/cases`, not part of the repository) and say which come out right.

    python benchmarks/cases.py [--cases DIR] [--program PATH] [NUMBER ...]

Each case makes its input, runs the command on it and prints what came of it; what is right stands in its docstring, and
here as a check of what it printed. `--program` is the command to try, the one installed beside
this Python unless given.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_RUN = """
import sys
path = sys.argv[1]
text = open(path).read().replace("opacity, uncertainty = file.read()", "opacity, uncertainty = file.read((1, 2))")
exec(compile(text, path, "exec"), {"__name__": "__main__", "__file__": path})
"""
"""Runs a case, which was written when the quality had no third band yet."""

Check = Callable[[str], bool]


def exits(text: str) -> list[int]:
    """Exit codes of the commands that a case ran."""
    return [int(code) for code in re.findall(r"-> exit (\d+)", text)]


def numbers(line: str) -> list[float]:
    return [float(value) for value in re.findall(r"-?\d+\.?\d*", line)]


def lines(text: str, part: str) -> list[str]:
    return [line for line in text.splitlines() if part in line]


def crosses(text: str) -> bool:
    boxes = [numbers(line.partition("(wanted")[0]) for line in lines(text, "bbox [")]
    made = [line for line in lines(text, "made:") if "normal.tif" in line and "T60.tif" in line]
    return len(boxes) == 3 and all(box[0] > box[2] and max(map(abs, box)) <= 180 for box in boxes) and bool(made)


def holes_are_empty(text: str) -> bool:
    found = lines(text, "of the hole has an opacity")
    return bool(found) and all(": 0% of the hole" in line and "elsewhere 0.0% differs" in line for line in found)


def agrees(text: str) -> bool:
    """The replaced shares are those with every option given, even where the case calls them wrong."""
    doubted = re.findall(r"WRONG.*?replaced ([\d.]+%)", text)
    right = re.findall(r"right(?: would be|: replaced) ([\d.]+%)", text)
    return bool(right) and set(doubted) <= set(right)


def same_ground(text: str) -> bool:
    """The offset is known or requested: all results are the same, whatever the case calls them."""
    made = set(re.findall(r"replaced [\d.]+%, median of B02 [\d.]+", text))
    return len(made) == 1 and "(right)" in text


def asks(*parts: str) -> Check:
    """Nothing is wrong, and the error message holds all of the parts."""
    return lambda text: "WRONG" not in text and all(part in text for part in parts)


def all_read(text: str) -> bool:
    """Complete items are read, with their own offsets; without band names, placeholders are requested."""
    parts = re.split(r"(?m)^\d\. ", text)[1:]
    questions = "--bands" in parts[0] and exits(parts[0])[-1] == 0
    return len(parts) == 6 and questions and all(set(exits(part)) == {0} for part in parts[1:])


def same_brightness(text: str) -> bool:
    """The page is the same with the scale of the item as with `--scale`."""
    shown = [line.rpartition("-> exit ")[2] for line in lines(text, "report ")]
    return len(shown) == 4 and all(line.startswith("0 mean") for line in shown) and shown[::2] == shown[1::2]


def same_scores(text: str) -> bool:
    scores = [line.partition("->")[2] for line in text.splitlines() if "->" in line]
    return len(scores) == 3 and bool(scores[0].strip()) and len(set(scores)) == 1


CHECKS: dict[str, Check] = {
    "01": crosses,
    "03": asks("scale cannot be known"),
    "04": asks("--scale 100 "),
    "06": holes_are_empty,
    "08": lambda text: agrees(text) and "level L2A" in text and exits(text) == [0, 0, 0],
    "09": same_ground,
    "11": lambda text: "WRONG" not in text and text.count("y starts at 48.2") == 2,
    "13": asks("give --offset"),
    "14": lambda text: "WRONG" not in text and text.count("but B0") == 5,
    "15": all_read,
    "16": lambda text: "fine" in text,
    "17": same_brightness,
    "18": lambda text: agrees(text) and "pixels are about" not in text and 2 not in exits(text),
    "19": same_scores,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("numbers", nargs="*", help="cases to run; all unless given")
    parser.add_argument("--cases", type=Path, default=ROOT.parent / "shared" / "cases")
    parser.add_argument("--program", default=str(Path(sys.executable).with_name("unclouded")))
    parser.add_argument("--verbose", action="store_true", help="print all that each case prints")
    arguments = parser.parse_args()
    chosen = [number for number in CHECKS if not arguments.numbers or number in arguments.numbers]
    if not arguments.cases.is_dir():
        print(f"{arguments.cases}: no such folder; give the one that holds case_01.py and so on with --cases")
        return 2
    failed = 0
    print("| case | printed at its end | right |\n|---|---|---|")
    for number in chosen:
        script = arguments.cases / f"case_{number}.py"
        made = subprocess.run(
            [sys.executable, "-c", _RUN, str(script)],
            env=os.environ | {"UNCLOUDED": arguments.program},
            capture_output=True,
            text=True,
            check=False,
        )
        text = made.stdout + made.stderr
        right = made.returncode == 0 and "CRASH" not in text and CHECKS[number](text)
        failed += not right
        last = " ".join((text.strip().splitlines() or [""])[-1].split()).replace("|", "/")
        print(f"| {number} | {last[:110]} | {'yes' if right else 'NO'} |", flush=True)
        if arguments.verbose:
            print(text, flush=True)
    print(f"\n{len(chosen) - failed} of {len(chosen)} right")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
