"""Real clouds cut out of real cloudy images, to be composited over other ground with real edges, fringes and spectra.

The opacity of a cloud follows from its excess over the ground in the blue, where nearly all ground is dark; the
reflectance that the cloud itself adds is the remainder after the ground's share is subtracted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from unclouded.bands import BANDS
from unclouded.data.patch import Patch

_BLUE = slice(0, 3)
_ABSORBED = {"B09": 0.6, "B10": 0.02}
"""Transmittance of water vapour above low cloud, for bands that the image lacks."""
_GROUND_SPREAD = 0.045
"""Reflectance by which clear ground may exceed the image's darkest tenth in the mean of B01-B03."""
_OPAQUE = 0.30
"""Reflectance above that from which a cloud hides the ground wholly."""
_LEAST_BREADTH = 9
"""Least width in pixels of bright objects that count as cloud; roofs and roads are narrower."""
_SHREDS = 41
"""Side of the square around such a cloud in which every bright pixel counts as cloud too."""
_FAINT = 0.15
"""Opacity below which ground and cloud texture cannot be separated, so that the cloud's light is faded out."""


class CutOut(NamedTuple):
    """A cloud without its ground.

    Attributes:
        light: (13, h, w) reflectance that the cloud adds, already weighted by its opacity.
        opacity: (1, h, w) share of the ground that it hides, 0 to 1.
    """

    light: Tensor
    opacity: Tensor


def cut_out(patch: Patch) -> CutOut:
    """Separate the clouds of an image from its ground; most accurate where the ground is dark in the blue.

    Absent bands are filled from the nearest present one, see `_fill`.
    """
    image = torch.from_numpy(patch.optical)
    known = torch.from_numpy(patch.present) > 0
    blue = image[_BLUE][known[_BLUE]].mean(0, keepdim=True)
    excess = blue - torch.quantile(blue, 0.1) - _GROUND_SPREAD
    opacity = (excess / _OPAQUE).clamp(0, 1)
    clear = opacity[0] == 0
    broad = _spread(1 - _spread((opacity < 0.5).float(), _LEAST_BREADTH), _LEAST_BREADTH + _SHREDS)
    opacity = opacity * broad
    ground = image[:, clear].median(dim=1).values[:, None, None]
    light = (image - (1 - opacity) * ground).clamp(min=0) * (opacity / _FAINT).clamp(max=1)
    return CutOut(_fill(light, known), opacity)


def _spread(field: Tensor, width: int) -> Tensor:
    """Maximum over a square of odd `width`, or of the next odd one."""
    return F.max_pool2d(field[None], 2 * (width // 2) + 1, stride=1, padding=width // 2)[0]


def _fill(light: Tensor, known: Tensor) -> Tensor:
    """Give absent bands the light of the present band of the nearest wavelength, times `_ABSORBED`."""
    filled = light.clone()
    for index, band in enumerate(BANDS):
        if not known[index]:
            nearest = min(
                (i for i in range(len(BANDS)) if known[i]), key=lambda i: abs(BANDS[i].wavelength - band.wavelength)
            )
            filled[index] = light[nearest] * _ABSORBED.get(band.name, 1.0)
    return filled


def draw(cutouts: Sequence[CutOut], size: int, rng: torch.Generator) -> CutOut:
    """Draw one cloud field at random, turned, scaled by 0.75 to 1.5, dimmed or brightened: (13 and 1, size, size).

    The field continues by its mirror image beyond the cut-out's edge.
    """
    chosen = cutouts[int(torch.randint(len(cutouts), (), generator=rng))]
    field = torch.cat([chosen.light, chosen.opacity])
    field = torch.rot90(field, int(torch.randint(4, (), generator=rng)), (1, 2))
    scale = 0.75 * 2 ** float(torch.rand((), generator=rng))
    field = F.interpolate(field[None], scale_factor=scale, mode="bilinear", align_corners=False)[0]
    field = torch.cat([field, field.flip(1)], dim=1)
    field = torch.cat([field, field.flip(2)], dim=2)
    shift = [int(torch.randint(length, (), generator=rng)) for length in field.shape[1:]]
    field = torch.roll(field, shift, dims=(1, 2))
    repeats = [math.ceil(size / length) for length in field.shape[1:]]
    field = field.repeat(1, *repeats)[:, :size, :size]
    brightness = 0.6 + 0.7 * torch.rand((), generator=rng)
    return CutOut(field[:-1] * brightness, field[-1:])
