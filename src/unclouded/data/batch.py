"""Batches of patches read from an archive: pixels as they are stored, bands grouped by their native size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow
import torch
from numpy.typing import NDArray
from torch import Tensor

from unclouded.bands import BANDS, INDEX, NAMES
from unclouded.data.archive import Archive
from unclouded.data.labels import LABELS_19, LABELS_43, to_19
from unclouded.errors import InputError
from unclouded.guides import RADAR

GROUPS: dict[int, tuple[str, ...]] = {
    resolution: tuple(band.name for band in BANDS if band.resolution == resolution) for resolution in (10, 20, 60)
}
"""Bands by native resolution in metres, in the order of their channels in a `Batch`."""

CHANNELS = RADAR.channels
CLASSES: dict[int, tuple[str, ...]] = {43: tuple(LABELS_43), 19: tuple(LABELS_19)}
"""The two vocabularies of BigEarthNet: CORINE's 43 classes, and the 19 that they were later merged into."""


class Batch(NamedTuple):
    """B patches; absent bands and channels are 0.

    Attributes:
        b10: (B, 4, H, W) uint16 DN of B02, B03, B04, B08.
        b20: (B, 6, h, w) uint16 DN of B05, B06, B07, B8A, B11, B12.
        b60: (B, 3, h, w) uint16 DN of B01, B09, B10.
        radar: (B, 2, H, W) float32 VV and VH in dB, NaN without data.
        present: (B, 13) 1 for each present band, in the order of `bands.NAMES`.
        guided: (B, 2) 1 for each present channel of radar.
        labels: (B, 43) or (B, 19) multi-hot, in the order of `CLASSES`.
        level: (B,) 0 for L1C, 1 for L2A.
        ids: of the patches.
    """

    b10: Tensor
    b20: Tensor
    b60: Tensor
    radar: Tensor
    present: Tensor
    guided: Tensor
    labels: Tensor
    level: Tensor
    ids: list[str]


class PatchReader:
    """Reads rows of an archive's table as a `Batch`; may be handed to worker processes."""

    def __init__(self, archive: Archive, classes: int = 43) -> None:
        """Read from `archive`, with labels in the vocabulary of 43 or 19 `classes`.

        Raises:
            InputError: no such vocabulary, or labels that are not in it.
        """
        if classes not in CLASSES:
            raise InputError(f"{classes} classes: BigEarthNet has {' or '.join(map(str, CLASSES))}")
        self._archive = archive
        table = archive.table
        self.labels = multi_hot(table["labels"].combine_chunks(), classes)
        # Arrow columns, since lists of strings would be copied into every worker process.
        self._ids, self._radar = table["patch_id"].combine_chunks(), table["s1_name"].combine_chunks()
        self._surface = np.asarray(table["level"].to_numpy(zero_copy_only=False) == "L2A", np.float32)

    def read(self, rows: NDArray[np.int64]) -> Batch:
        """Read the patches of `rows` (B,).

        Raises:
            InputError: patches of different sizes, or one that the archive's table names and its pixels lack.
        """
        ids = [str(self._ids[int(row)]) for row in rows]
        pixels = [self._archive.read(patch) for patch in ids]
        radar = [self._radar_of(int(row)) for row in rows]
        b10, b20, b60 = (_stack(pixels, names, np.uint16, 1, ids) for names in GROUPS.values())
        side = max(group.shape[-1] for group in (b10, b20, b60))
        present = np.zeros((len(rows), len(NAMES)), np.float32)
        for here, tensors in zip(present, pixels, strict=True):
            here[[INDEX[name] for name in tensors if name in INDEX]] = 1
        return Batch(
            b10=torch.from_numpy(b10),
            b20=torch.from_numpy(b20),
            b60=torch.from_numpy(b60),
            radar=torch.from_numpy(_stack(radar, CHANNELS, np.float32, side, ids)),
            present=torch.from_numpy(present),
            guided=torch.tensor([[float(channel in channels) for channel in CHANNELS] for channels in radar]),
            labels=torch.from_numpy(self.labels[rows].astype(np.float32)),
            level=torch.from_numpy(self._surface[rows]),
            ids=ids,
        )

    def _radar_of(self, row: int) -> Mapping[str, NDArray[Any]]:
        name = self._radar[row]
        return self._archive.read(str(name)) if name.is_valid else {}


def multi_hot(labels: pyarrow.ListArray, classes: int) -> NDArray[np.bool_]:
    """Multi-hot encoding (N, classes) of labels; names of the 43 classes are merged where `classes` is 19.

    Raises:
        InputError: a name that is not in the vocabulary.
    """
    names = labels.flatten().dictionary_encode()
    classes_of = [_classes_named(name, classes) for name in names.dictionary.to_pylist()]
    lengths = np.nan_to_num(labels.value_lengths().to_numpy(zero_copy_only=False)).astype(np.int64)
    patches, codes = np.repeat(np.arange(len(labels)), lengths), names.indices.to_numpy()
    marks = np.zeros((len(labels), classes), np.bool_)
    for code, numbers in enumerate(classes_of):
        marks[np.ix_(patches[codes == code], numbers)] = True
    return marks


def _classes_named(name: str, classes: int) -> list[int]:
    """The indices of the class `name`; empty for one of the 43 that the 19 leave out."""
    if name in CLASSES[classes]:
        return [CLASSES[classes].index(name)]
    if classes == 19 and name in LABELS_43:
        return [CLASSES[classes].index(merged) for merged in to_19([name])]
    hint = "; it is one of the 19 classes, so choose these" if name in LABELS_19 else ""
    raise InputError(f"label {name!r} is not one of BigEarthNet's {classes} classes{hint}")


def _stack(
    patches: Sequence[Mapping[str, NDArray[Any]]], names: tuple[str, ...], dtype: type, side: int, ids: list[str]
) -> NDArray[Any]:
    """Copy the named tensors of all patches into one array (B, C, h, w); zeros (B, C, side, side) if none is present.

    This is the only copy between the archive's pages and the batch.
    """
    present = (patch[name] for patch in patches for name in names if name in patch)
    shape = next((tensor.shape for tensor in present), (side, side))
    complete = all(name in patch for patch in patches for name in names)
    stacked = (np.empty if complete else np.zeros)((len(patches), len(names), *shape), dtype)
    for target, patch, patch_id in zip(stacked, patches, ids, strict=True):
        for place, name in enumerate(names):
            if name not in patch:
                continue
            if patch[name].shape != shape:
                found, wanted = ("x".join(map(str, s)) for s in (patch[name].shape, shape))
                raise InputError(
                    f"{patch_id}: {name} is {found} pixels, {ids[0]}'s are {wanted}; "
                    "pack patches of different sizes into different archives"
                )
            target[place] = patch[name]
    return stacked
