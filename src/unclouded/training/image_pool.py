"""A pool of made images, so that discriminators do not forget what generators did before (Shrivastava et al. 2017)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class ImagePool:
    """Keeps up to `size` made images with what is known of them, and hands out old ones half of the time."""

    def __init__(self, size: int, rng: torch.Generator) -> None:
        self._size, self._rng = size, rng
        self._kept: list[list[Tensor]] = []

    def exchange(self, *made: Tensor) -> list[Tensor]:
        """Give tensors of a batch (B, ...), which belong together image by image; get back as many."""
        chosen: list[list[Tensor]] = []
        for one in zip(*(tensor.detach() for tensor in made), strict=True):
            parts = list(one)
            # Images of another size cannot share a batch with these.
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
        """Return the images that are kept."""
        return {"kept": self._kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Keep the images that `state_dict` gave."""
        self._kept = [list(parts) for parts in state["kept"]]
