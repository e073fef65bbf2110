"""Windows of a scene as the network sees them: DN to reflectance, with bands, level, radar and valid pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unclouded.bands import INDEX, LEVELS, NAMES
from unclouded.clearing.detector.cover_detector import detector_factor
from unclouded.clearing.inputs import SceneInputs
from unclouded.detection.classes import covered
from unclouded.detection.opacity import MASK_RIM_RADIUS, cover
from unclouded.guides import RADAR
from unclouded.models.observation import Observation, join_guides, pad_to_cells
from unclouded.reading.info import SceneInfo
from unclouded.reflectance import scaled, to_reflectance, valid_pixels
from unclouded.tiles import Box


class Window(NamedTuple):
    """A window of a scene.

    Attributes:
        dn: (C, h, w) as read.
        valid: (h, w) which of them hold data.
        observation: (1, ...) of the window, its sides multiples of `CELL`.
        mask: (h, w) classes of the mask that was given, over what is observed; None without one.
    """

    dn: NDArray[Any]
    valid: NDArray[np.bool_]
    observation: Observation
    mask: NDArray[np.uint8] | None


class MaskCover(NamedTuple):
    """The user's mask in a window.

    Attributes:
        cover: (1, 1, h, w) how far it covers each pixel, 1 inside and falling smoothly outside.
        classes: (1, 1, h, w) uint8 its classes.
    """

    cover: Tensor
    classes: Tensor


class SceneReader:
    """Reads the windows of one scene and of what helps to clear it.

    Attributes:
        factor: pixels along one of the detector's.
    """

    def __init__(self, inputs: SceneInputs, device: torch.device) -> None:
        self.info = inputs.scene.info
        self.factor = detector_factor(self.info)
        self._scene, self.radar, self.mask, self._device = inputs.scene, inputs.radar, inputs.mask, device
        self._detection, self._classification = inputs.detection, inputs.classification

    def read_detection(self, box: Box) -> tuple[NDArray[np.float32], NDArray[np.bool_]] | None:
        """Read the bands by which clouds are told, if they are others than the scene's.

        Returns:
            (C, h, w) reflectance of the bands of `detection.csmask` in their order, and (h, w) where it holds data.

        Raises:
            FileError: if they cannot be read.
        """
        if self._detection is None:
            return None
        dn = self._detection.read(box.row, box.column, box.height, box.width)
        return to_reflectance(dn, self._detection.info.encoding)

    def read_classification(self, box: Box) -> NDArray[np.int32] | None:
        """Read what the scene classification says of a box, (h, w) of SCL's values; None without one.

        Raises:
            FileError: if it cannot be read.
        """
        if self._classification is None:
            return None
        return self._classification.read(box.row, box.column, box.height, box.width)

    def read_mask_cover(self, box: Box) -> MaskCover | None:
        """Read the user's mask in a box; None without one.

        Raises:
            FileError: if it cannot be read.
        """
        if self.mask is None:
            return None
        grown = box.grown(2 * MASK_RIM_RADIUS, Box(0, 0, self.info.height, self.info.width))
        classes = self.mask.read(grown.row, grown.column, grown.height, grown.width)
        inner = (..., *box.within(grown).slices)
        hides = cover(torch.from_numpy(covered(classes)).float()[None, None])
        return MaskCover(hides[inner], torch.from_numpy(classes)[None, None][inner])

    def read_dn(self, box: Box) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Read the DN (C, h, w) of a box, and which of them hold data (h, w).

        Raises:
            FileError: if the scene cannot be read.
        """
        dn = self._scene.read(box.row, box.column, box.height, box.width)
        return dn, valid_pixels(dn, self.info.encoding)

    def read(self, box: Box) -> Window:
        """Read a box, with its observation.

        Raises:
            FileError: if the scene cannot be read.
        """
        dn, valid = self.read_dn(box)
        mask = None if self.mask is None else self.mask.read(box.row, box.column, box.height, box.width)
        return Window(dn, valid, self.observe(dn, valid, box, box), mask)

    def observe(self, dn: NDArray[Any], valid: NDArray[np.bool_], box: Box, observed: Box) -> Observation:
        """Make the observation, its sides multiples of `CELL`, of a box that lies in another, which `read_dn` gave.

        Raises:
            FileError: if what helps to clear it cannot be read.
        """
        slices = observed.within(box).slices
        window = (observed.row, observed.column, observed.height, observed.width)
        guides = {} if self.radar is None else {RADAR.name: self.radar.read(*window)}
        return pad_to_cells(observe(dn[(slice(None), *slices)], valid[slices], self.info, guides, self._device))


def observe(
    dn: NDArray[Any],
    valid: NDArray[np.bool_],
    info: SceneInfo,
    guides: Mapping[str, NDArray[np.float32]],
    device: torch.device,
) -> Observation:
    """Make a batch of one observation.

    Args:
        dn: (C, h, w) of a window of a scene.
        valid: (h, w), where it holds data.
        info: of the scene.
        guides: those of `guides.GUIDES` that there are by name, (C, h, w) each in their units; a pixel where one of a
            guide's channels is not finite is without that guide.
        device: where the observation goes.
    """
    height, width = valid.shape
    present = [INDEX[band] for band in info.bands]
    optical = np.empty((1, len(NAMES), height, width), np.float32)
    optical[0, [number for number in range(len(NAMES)) if number not in present]] = 0
    # Band by band, so that the image is in memory once.
    for number, position in enumerate(present):
        scaled(dn[number, None], info.encoding.of_bands([number]), optical[0, position, None])
    if not valid.all():
        optical[0][:, ~valid] = 0
    there = torch.zeros(1, len(NAMES), device=device)
    there[0, present] = 1
    x = Observation.of(
        _sent(optical, device),
        there,
        torch.tensor([float(LEVELS.index(info.level))], device=device),
        _sent(valid[None, None].astype(np.float32), device),
    )
    if not guides:
        return x
    # On the CPU, where to look at all pixels makes nobody wait for the device.
    values, guide_valid = join_guides({name: torch.from_numpy(values[None]) for name, values in guides.items()})
    return x._replace(guides=_sent(values, device), guide_valid=_sent(guide_valid, device))


def _sent(array: NDArray[np.float32] | Tensor, device: torch.device) -> Tensor:
    """Bring an array to a device; to a GPU from pinned memory, so that nobody waits for the transfer."""
    tensor = torch.as_tensor(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
