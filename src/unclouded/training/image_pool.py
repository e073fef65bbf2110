"""A pool of generated images, so that discriminators are shown earlier ones, too (Shrivastava et al. 2017)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class ImagePool:
    """Keeps up to `size` generated images with their conditioning, and returns old ones half of the time."""

    def __init__(self, size: int, rng: torch.Generator) -> None:
        self._size, self._rng = size, rng
        self._kept: list[list[Tensor]] = []

    def exchange(self, *made: Tensor) -> list[Tensor]:
        """Add the images of a batch, tensors (B, ...) each, and return as many, some of them old."""
        chosen: list[list[Tensor]] = []
        for one in zip(*(tensor.detach() for tensor in made), strict=True):
            parts = list(one)
            # Images of another size cannot be in one batch with these.
            fits = not self._kept or self._kept[0][0].shape == parts[0].shape
            if not fits:
                self._kept.clear()
            if len(self._kept) < self._size:
                self._kept.append([part.clone() for part in parts])
            elif self._size and float(torch.rand((), generator=self._rng)) < 0.5:
                place = int(torch.randint(len(self._kept), (), generator=self._rng))
                parts, self._kept[place] = self._kept[place], [part.clone() for part in parts]
            chosen.append(parts)
        return [torch.stack(parts) for parts in zip(*chosen, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """The images in the pool."""
        return {"kept": self._kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the images of `state_dict`."""
        self._kept = [list(parts) for parts in state["kept"]]
