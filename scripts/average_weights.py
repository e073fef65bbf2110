"""Average the weights of a network before and after it went on learning (Wortsman et al. 2022, WiSE-FT).

Both share a starting point, so their mean is a network too, which often does better on land that the second was not
trained on than either. Where only the second has an input for cover, the first gets one with zero weights.

    python scripts/average_weights.py BEFORE.safetensors AFTER.safetensors --share 0.75 --output MEAN.safetensors

The header is that of the second. The error head is averaged too and no longer fits: train it with
`unclouded train translator … training.start=MEAN.safetensors training.steps=0`.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

from unclouded.errors import UncloudedError
from unclouded.models.weights import load_generator, save_generator, start_from


def share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", help="bundled weights, or a file")
    parser.add_argument("after", help="bundled weights, or a file")
    parser.add_argument("--share", type=share, default=0.5, help="of the second, 0 to 1")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    try:
        after, header = load_generator(args.after)
        before = copy.deepcopy(after)
        start_from(before, args.before)
        first = before.state_dict()
        after.load_state_dict(
            {name: (1 - args.share) * first[name] + args.share * value for name, value in after.state_dict().items()}
        )
        save_generator(after, header, args.output)
    except UncloudedError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
