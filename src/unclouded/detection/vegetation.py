"""Sunlit vegetation under clear air: dark in the blue and bright in the near infrared, as nothing is under cloud.

Chlorophyll absorbs the blue (dense dark vegetation, Kaufman and Sendra 1988), so that the blue of vegetation is little
more than path reflectance. Cloud adds as much there as in the near infrared: a tenth of opaque cloud more than doubles
it. Of bright vegetation, shadow leaves as much near infrared
as sunlit forest has.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unclouded.atmosphere import air_reflectance
from unclouded.detection.ramp import ramp

_BLUE = {"L1C": (0.055, 0.035), "L2A": (0.08, 0.05)}
"""Reflectance in the blue, without path reflectance, from which on a pixel may lie under thin cloud, and up to which it
does not."""

_INFRARED = (0.16, 0.2), (0.24, 0.3)
"""The same in the near infrared up to which a pixel is no sunlit vegetation, and from which on it is, if it is not in
shadow, and if it may be: fields as bright as 0.5 keep less than half of that in shadow."""

_RATIO = 0.4, 0.3
"""Ratio of the two from which on a pixel may lie under thin cloud, and up to which it does not."""


def sunlit_vegetation(reflectance: Tensor, bands: Sequence[str], level: str) -> Tensor:
    """Certainty of vegetation under clear air, and of vegetation that is sunlit, too, (B, 2, h, w), 0 to 1.

    Both are 0 where there is no data.

    Args:
        reflectance: (B, C, h, w) on the detector's grid, NaN where there is no data.
        bands: the name of each channel; B02 and B08 among them.
        level: "L1C" or "L2A".
    """
    blue, infrared = (reflectance[:, bands.index(name), None] - air_reflectance(name, level) for name in ("B02", "B08"))
    clear = ramp(blue, *_BLUE[level]) * ramp(blue / infrared.clamp(min=1e-3), *_RATIO)
    return torch.cat([clear * ramp(infrared, *limits) for limits in _INFRARED], dim=1).nan_to_num(0.0)
