"""Convert a generator's weights to the guides that this version has.

Weights from before guides had a validity per pixel (radar alone, present or not for a whole image), and weights for
fewer guides, become weights that take all of today's: what is new has zero weights. So an image without guides, and one
whose guides of old are valid everywhere, give what they gave.

    python scripts/convert_guides.py OLD.safetensors NEW.safetensors
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
from unclouded.guides import GUIDES

BANDS = len(NAMES)
RADAR = 2
"""Channels of the only guide there was, behind the bands."""


def separate(weight: Tensor, own: int, *, presence: bool = False) -> Tensor:
    """Bring inputs of old (dimension 1) in today's order: bands, the `own` that followed radar, radar, its validity.

    What was the presence of each channel of radar becomes, as one number, the presence of all.
    """
    bands, radar, rest = weight.split([BANDS, RADAR, own], dim=1)
    if presence:
        return torch.cat([bands, rest, radar.sum(1, keepdim=True)], dim=1)
    return torch.cat([bands, rest, radar, torch.zeros_like(rest[:, :1])], dim=1)


def in_planes(weight: Tensor) -> Tensor:
    """View the inputs (O, 4 C, 3, 3) of a convolution over blocks of 2 x 2 pixels as (O, C, 4, 3, 3)."""
    return weight.unflatten(1, (-1, 4))


def validity_of_old(tensors: dict[str, Tensor]) -> None:
    """Give weights from before guides had a validity that of radar."""
    tensors["enter.weight"] = separate(in_planes(tensors["enter.weight"]), 1).flatten(1, 2)
    tensors["context.enter.weight"] = separate(tensors["context.enter.weight"], 2)
    tensors["context.describe.weight"] = separate(tensors["context.describe.weight"], 1, presence=True)
    known, latent = split_latent(tensors["describe.0.weight"], BANDS + RADAR + 1)
    tensors["describe.0.weight"] = torch.cat([separate(known, 1, presence=True), latent], dim=1)


def split_latent(weight: Tensor, conditioning: int) -> tuple[Tensor, Tensor]:
    """Split the inputs of the code into those of the conditioning and those of the latent behind it."""
    return weight[:, :conditioning], weight[:, conditioning:]


def widen(tensors: dict[str, Tensor], known: int, channels: int, guides: int) -> None:
    """Add inputs for so many `channels` and so many `guides` behind the `known` ones, with zero weights."""

    def more(weight: Tensor, count: int) -> Tensor:
        return torch.cat([weight, weight.new_zeros(len(weight), count, *weight.shape[2:])], dim=1)

    tensors["enter.weight"] = more(in_planes(tensors["enter.weight"]), channels + guides).flatten(1, 2)
    tensors["context.enter.weight"] = more(tensors["context.enter.weight"], channels + guides)
    tensors["context.describe.weight"] = more(tensors["context.describe.weight"], guides)
    conditioning, latent = split_latent(tensors["describe.0.weight"], BANDS + 1 + known)
    tensors["describe.0.weight"] = torch.cat([more(conditioning, guides), latent], dim=1)


def convert(record: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Convert the header and the tensors of weights in place.

    Raises:
        ValueError: they are for guides that this version does not have, or are no weights of our own generator.
    """
    model, today = record["model"], [guide.name for guide in GUIDES]
    if model.get("network", "context") != "context":
        raise ValueError("weights of the published networks: they are trained again in less time than they are worth")
    if "guides" not in model:
        validity_of_old(tensors)
        model["guides"] = ["radar"]
    known = model["guides"]
    if known != today[: len(known)]:
        raise ValueError(f"made for the guides {', '.join(known)}; this version has {', '.join(today)}")
    new = GUIDES[len(known) :]
    widen(tensors, len(known), sum(len(guide.channels) for guide in new), len(new))
    model["guides"] = today


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    given = parser.parse_args()
    with safe_open(given.old, framework="pt") as file:
        record = json.loads((file.metadata() or {})["unclouded"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is not a mapping)
    try:
        convert(record, tensors)
    except ValueError as error:
        parser.error(f"{given.old}: {error}")
    kept = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(kept, given.new, metadata={"unclouded": json.dumps(record)})


if __name__ == "__main__":
    main()
