"""Batches as network input: reflectance on the 10 m grid, on the device, with random augmentation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from unclouded.bands import INDEX, NAMES, TEN
from unclouded.data.batch import GROUPS, Batch
from unclouded.guides import GUIDES, RADAR
from unclouded.models.observation import Observation, join_guides

SCALE = 10_000.0
"""DN per 1.0 reflectance in an archive; it holds no offsets."""

_FOUR = GROUPS[10]


@dataclass(frozen=True)
class Augmentation:
    """Random augmentation of a batch.

    Attributes:
        flip_rotate: rotate each patch by a random quarter turn, and flip half of them.
        drop_bands: probability that a patch loses bands: all but those of 10 and 20 m, all but those of 10 m, or some.
        drop_guides: probability that a patch loses a guide, for each guide.
    """

    flip_rotate: bool = True
    drop_bands: float = 0.45
    drop_guides: float = 0.5


def to_observation(
    batch: Batch,
    device: torch.device | str,
    augmentation: Augmentation | None = None,
    rng: torch.Generator | None = None,
) -> Observation:
    """Bring a batch to the device, its 20 and 60 m bands to the 10 m grid there (bilinear, as `reading.reader` does).

    A pixel is valid where no present band is no-data (DN 0), except B10, whose reflectance may be 0.

    Args:
        batch: DN at their native sizes.
        device: of the observation; the DN are transferred unconverted, which is a sixth of the bytes.
        augmentation: of the batch; none by default.
        rng: random generator, on the CPU so that the result does not depend on the device.

    Raises:
        ValueError: an augmentation without a generator.
    """
    count, side = len(batch.ids), max(group.shape[-1] for group in (batch.b10, batch.b20, batch.b60))
    optical = torch.zeros(count, len(NAMES), side, side, device=device)
    valid = torch.ones(count, 1, side, side, dtype=torch.bool, device=device)
    present = batch.present.to(device, non_blocking=True)
    for names, group in zip(GROUPS.values(), (batch.b10, batch.b20, batch.b60), strict=True):
        index = [INDEX[name] for name in names]
        dn = group.to(device, non_blocking=True).float()
        has_data = (dn > 0) | (present[:, index] == 0)[:, :, None, None]
        required = torch.tensor([name != "B10" for name in names], device=device)[None, :, None, None]
        valid &= F.interpolate((has_data | ~required).all(1, keepdim=True).float(), (side, side), mode="nearest") > 0
        optical[:, index] = _enlarge(dn, has_data, side)
    # Absent channels are 0 in the batch. Done on the CPU, since finding NaN would synchronise with the device.
    radar = torch.where(batch.guided[:, :, None, None] > 0, batch.radar, torch.nan)
    if radar.shape[-1] != side:
        radar = F.interpolate(radar, (side, side), mode="bilinear", align_corners=False)
    guides, guide_valid = join_guides({RADAR.name: radar})
    x = Observation(
        optical=optical / SCALE * valid,
        valid=valid.float(),
        guides=guides.to(device, non_blocking=True),
        guide_valid=guide_valid.to(device, non_blocking=True),
        present=present,
        level=batch.level.to(device, non_blocking=True),
        cover=torch.zeros(count, 1, side, side, device=device),
    )
    if augmentation is None:
        return x
    if rng is None:
        raise ValueError("an augmentation is random: give its generator")
    return _augment(x, augmentation, rng)


def share_bands(x: Observation, y: Observation) -> tuple[Observation, Observation]:
    """Keep the bands that x and y have in common, patch by patch, so that the bands do not identify the domain."""
    both = x.present * y.present
    return _keep(x, both), _keep(y, both)


def _enlarge(dn: Tensor, has_data: Tensor, side: int) -> Tensor:
    """Bring bands (B, C, h, w) to the fine grid, bilinearly, with no weight for no-data."""
    if dn.shape[-1] == side:
        return dn
    fine: Tensor = F.interpolate(dn, (side, side), mode="bilinear", align_corners=False)
    weight = F.interpolate(has_data.float(), (side, side), mode="bilinear", align_corners=False)
    return torch.where((weight > 0) & (weight < 0.999), fine / weight.clamp(min=1e-3), fine)


def _augment(x: Observation, augmentation: Augmentation, rng: torch.Generator) -> Observation:
    count = len(x.level)
    # Always drawn, so that one option does not change the random numbers of the others.
    orientation = torch.randint(8, (count,), generator=rng)
    fewer, *guide_draws = torch.rand(1 + len(GUIDES), count, generator=rng)
    kept = torch.stack([_fewer_bands(here, rng) for here in x.present.cpu()])
    if augmentation.flip_rotate:
        x = x._replace(
            optical=_flip_rotate(x.optical, orientation),
            valid=_flip_rotate(x.valid, orientation),
            guides=_flip_rotate(x.guides, orientation),
            guide_valid=_flip_rotate(x.guide_valid, orientation),
        )
    losing = (fewer < augmentation.drop_bands)[:, None]
    present = torch.where(losing.to(x.present.device), kept.to(x.present.device), x.present)
    guides_kept = (torch.stack(guide_draws, dim=1) >= augmentation.drop_guides).float()
    return _keep(drop_guides(x, guides_kept), present)


def _fewer_bands(present: Tensor, rng: torch.Generator) -> Tensor:
    """Draw which of the `present` bands (13,) are kept: those of 10 and 20 m, of 10 m, or each with probability 0.6.

    A random 10 m band is always kept, or all bands if that one is absent.
    """
    kind, place = float(torch.rand((), generator=rng)), int(torch.randint(len(_FOUR), (), generator=rng))
    chosen = (torch.rand(len(NAMES), generator=rng) < 0.6).float()
    if kind < 2 / 3:
        chosen = torch.zeros(len(NAMES))
        chosen[[INDEX[name] for name in (TEN if kind < 1 / 3 else _FOUR)]] = 1
    chosen[INDEX[_FOUR[place]]] = 1
    return present * chosen if present[INDEX[_FOUR[place]]] else present


def drop_guides(x: Observation, kept: Tensor) -> Observation:
    """Remove the guides of images for which `kept` (B, N) is 0."""
    kept = kept.to(x.guides.device)[:, :, None, None]
    channels = [kept[:, number, None].expand(-1, len(guide.channels), -1, -1) for number, guide in enumerate(GUIDES)]
    return x._replace(guides=x.guides * torch.cat(channels, dim=1), guide_valid=x.guide_valid * kept)


def _keep(x: Observation, present: Tensor) -> Observation:
    return x._replace(optical=x.optical * present[:, :, None, None], present=present)


def _flip_rotate(image: Tensor, orientation: Tensor) -> Tensor:
    """Bring each image (B, C, H, W) to its orientation (B,): quarter turns 0 to 3, from 4 on flipped as well."""
    turned = torch.empty_like(image)
    for kind in set(orientation.tolist()):
        chosen = torch.nonzero(orientation == kind).flatten().to(image.device)
        some = torch.rot90(image[chosen], kind % 4, (2, 3))
        turned[chosen] = some.flip(3) if kind >= 4 else some
    return turned
