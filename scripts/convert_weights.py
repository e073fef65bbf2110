"""Convert a generator's weights to the guides that this version has, and to what it lets them say of their use.

Weights from before guides had a validity per pixel (radar alone, present or not for a whole image), and weights for
fewer guides, become weights that take all of today's: what is new has zero weights. So an image without guides, and one
whose guides of old are valid everywhere, give what they gave.

    python scripts/convert_weights.py OLD.safetensors NEW.safetensors [--detector csmask] [--threshold 0.2]
        [--unfit L1C]

Of all eight networks, and of the published ones, the header alone is written anew.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from unclouded.bands import NAMES
from unclouded.guides import CHANNELS, GUIDES
from unclouded.inference import DETECTORS
from unclouded.models.heads import SURROUNDINGS

BANDS = len(NAMES)
RADAR = 2
"""Channels of the only guide there was, behind the bands."""


def in_planes(weight: Tensor) -> Tensor:
    """View the inputs (O, 4 C, 3, 3) of a convolution over blocks of 2 x 2 pixels as (O, C, 4, 3, 3)."""
    return weight.unflatten(1, (-1, 4))


def insert(weight: Tensor, place: int, count: int, value: float = 0.0) -> Tensor:
    """Put `count` inputs (dimension 1, or the only one) of that value at `place`."""
    axis = min(1, weight.ndim - 1)
    before, after = weight.tensor_split([place], dim=axis)
    added = torch.full_like(weight.narrow(axis, 0, 1), value).repeat_interleave(count, axis)
    return torch.cat([before, added, after], dim=axis)


def give_radar_its_validity(tensors: dict[str, Tensor]) -> None:
    """Bring the inputs of old, bands, radar and others, in today's order: bands, others, radar, its validity."""

    def reorder(weight: Tensor) -> Tensor:
        bands, radar, others = weight.tensor_split((BANDS, BANDS + RADAR), dim=1)
        return torch.cat([bands, others, radar, torch.zeros_like(radar[:, :1])], dim=1)

    tensors["enter.weight"] = reorder(in_planes(tensors["enter.weight"])).flatten(1, 2)
    tensors["context.enter.weight"] = reorder(tensors["context.enter.weight"])


def add_guides(tensors: dict[str, Tensor], channels: int, new: int, guides: int, cover: bool) -> None:
    """Add inputs with zero weights for `new` channels of so many `guides`, behind the `channels` that there are.

    The input `cover` stays the last.
    """
    fine, cells = in_planes(tensors["enter.weight"]), tensors["context.enter.weight"]
    tensors["enter.weight"] = insert(fine, fine.shape[1] - cover, new + guides).flatten(1, 2)
    tensors["context.enter.weight"] = insert(cells, cells.shape[1] - cover, new + guides)
    for name in ("context.describe.weight", "describe.0.weight"):
        tensors[name] = insert(tensors[name], BANDS + channels, new)
    if "expected.see.weight" in tensors:
        # It sees the channels themselves behind the surroundings, and what conditions the network behind these.
        for name, filler in (("see.weight", 0.0), ("centre", 0.0), ("spread", 1.0)):
            expected = tensors[f"expected.{name}"]
            for place in (SURROUNDINGS + channels + BANDS + channels, SURROUNDINGS + channels):
                expected = insert(expected, place, new, filler)
            tensors[f"expected.{name}"] = expected


def convert(record: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Convert the header and the tensors of weights in place.

    Raises:
        ValueError: they are for guides that this version does not have, or are no weights of our own generator.
    """
    model, today = record["model"], [guide.name for guide in GUIDES]
    if model.get("guides") == today:
        return
    if model.get("network", "context") != "context":
        raise ValueError("weights of the published networks; train them again")
    if "guides" not in model:
        give_radar_its_validity(tensors)
        model["guides"] = ["radar"]
    old = len(model["guides"])
    if model["guides"] != today[:old]:
        raise ValueError(f"made for the guides {', '.join(model['guides'])}; this version has {', '.join(today)}")
    channels = sum(len(guide.channels) for guide in GUIDES[:old])
    add_guides(tensors, channels, len(CHANNELS) - channels, len(GUIDES) - old, bool(model.get("cover")))
    model["guides"] = today


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--detector", choices=DETECTORS, help="what finds cloud and shadow beside the network")
    parser.add_argument("--threshold", type=float, help="opacity under which the input is kept")
    parser.add_argument("--unfit", nargs="+", help="levels on whose images the results are of no use")
    args = parser.parse_args()
    with safe_open(args.old, framework="pt") as file:
        record = json.loads((file.metadata() or {})["unclouded"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is not a mapping)
    try:
        convert(record, tensors)
    except ValueError as error:
        parser.error(f"{args.old}: {error}")
    record.pop("doubt", None)  # before there were detectors
    record |= {key: value for key in ("detector", "threshold", "unfit") if (value := getattr(args, key)) is not None}
    kept = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(kept, args.new, metadata={"unclouded": json.dumps(record)})


if __name__ == "__main__":
    main()
