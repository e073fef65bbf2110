"""Bands of the layers of a stack, and the selection among them: by its own names, by options, or by the usual order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from unclouded.bands import ASSUMED_ORDER, NAMES
from unclouded.errors import InputError
from unclouded.reading.array_classification import classification_among
from unclouded.reading.names.naming import (
    assumed_bands,
    bands_named,
    is_not_a_band,
    nearest_name,
    order_of_bands,
    refuse_repeats,
    unnamed,
)
from unclouded.reading.source import Wanted

_BANDS, _NAMES = "--bands", "--band-names"


def band_list(names: str | Sequence[str] | None) -> Sequence[str] | None:
    """Names of bands as a sequence, also from the form of the command line, "B02,B03".

    Raises:
        InputError: they are no names.
    """
    listed = names.split(",") if isinstance(names, str) else names
    if listed is None or (isinstance(listed, Iterable) and all(isinstance(name, str) for name in listed)):
        return listed
    raise InputError(f'bands {names!r}: names are accepted, as "B02,B03" or ["B02", "B03"]')


@dataclass(frozen=True)
class NamedLayers:
    """The layers of a stack.

    Attributes:
        bands: name of each; None for one that is left out.
        taken: the selected ones.
        order_assumed: whether they are unnamed and taken in their usual order.
        notes: what was left out or assumed.
    """

    bands: tuple[str | None, ...]
    taken: frozenset[str]
    order_assumed: bool
    notes: tuple[str, ...]


def name_layers(source: str, texts: Sequence[str | None], wanted: Wanted) -> NamedLayers:
    """Name every layer of a stack, and choose among them.

    `wanted.bands` chooses; where it has a name for each layer, and they are not the stack's own, it names them. Names
    for another number of layers are those of other stacks, where this one names its layers itself.

    Args:
        source: name of the stack in errors.
        texts: descriptions of its layers, empty or None if missing.
        wanted: requested bands and band names.

    Raises:
        InputError: nothing names the layers and their number has no usual order, a name is unknown or repeated, or
            requested bands are missing.
    """
    own = bands_named([None] * len(texts) if unnamed(texts) else texts)
    option, names = _NAMES, wanted.band_names
    chosen = None if wanted.bands is None else order_of_bands(source, wanted.bands, _BANDS)
    if names is None and chosen is not None and len(chosen) == len(texts) and not _choice(chosen, own):
        option, names, chosen = _BANDS, wanted.bands, None
    notes: list[str] = []
    if not unnamed(texts) and all(band or is_not_a_band(text or "") for text, band in zip(texts, own, strict=True)):
        if names is not None and len(names) != len(texts):
            notes.append(f"its own band names are taken: it has {len(texts)} bands, {option} names {len(names)}")
            names = None
        chosen = chosen and tuple(band for band in chosen if band)
    assumed = names is None and unnamed(texts)
    if names is not None:
        found = _named_by_option(source, names, option, len(texts), own)
        if any(own) and found != own:
            notes.append(f"bands taken from {option}; the file's own descriptions say {', '.join(map(str, own))}")
    elif chosen is not None and (None in chosen or (assumed and len(texts) not in ASSUMED_ORDER)):
        raise _miscounted(source, _BANDS, len(chosen), len(texts), own)
    elif assumed:
        found = list(assumed_bands(source, texts))
        notes.append(f"band order assumed: {' '.join(map(str, found))}; give {_NAMES} if it is another")
    else:
        found, left = _own(source, texts, own)
        notes += left
    if not any(found):
        raise InputError(f"{source}: holds no Sentinel-2 band; accepted: {', '.join(NAMES)}; name them with {_NAMES}")
    refuse_repeats(source, (band for band in found if band), "its descriptions" if names is None else option)
    return NamedLayers(tuple(found), _taken(source, chosen, found), assumed, tuple(notes))


def _choice(chosen: Sequence[str | None], own: Sequence[str | None]) -> bool:
    return None not in chosen and set(chosen) <= set(own)


def _named_by_option(
    source: str, names: Sequence[str], option: str, count: int, own: Sequence[str | None]
) -> list[str | None]:
    found = list(order_of_bands(source, names, option))
    if len(found) != count:
        raise _miscounted(source, option, len(found), count, own)
    return found


def _miscounted(source: str, option: str, named: int, count: int, own: Sequence[str | None]) -> InputError:
    has = ", ".join(band for band in own if band) or "no names"
    return InputError(
        f"{source}: {option} names {named} bands, the file holds {count} ({has}); name all in the file's order with "
        f"{_NAMES}, with - for each that is none of the 13, and choose among them with {_BANDS}"
    )


def _own(source: str, texts: Sequence[str | None], own: list[str | None]) -> tuple[list[str | None], list[str]]:
    """The names that the stack has itself, and what is left out."""
    left, classes = [], classification_among([text or "" for text in texts])
    for number, (text, band) in enumerate(zip(texts, own, strict=True)):
        if band is not None or number == classes:
            continue
        if text and is_not_a_band(text):
            left.append(text)
            continue
        what = f"band {number + 1}"
        found = f"{what} is called {text!r}{nearest_name(text)}" if text else f"{what} has no description"
        raise InputError(f"{source}: {found}; accepted: {', '.join(NAMES)}; name all bands with {_NAMES}, - for others")
    return own, [f"left out: {', '.join(left)}, not among the 13 bands"] if left else []


def _taken(source: str, chosen: Sequence[str | None] | None, found: Sequence[str | None]) -> frozenset[str]:
    present = [band for band in found if band]
    wanted = present if chosen is None else [band for band in chosen if band]
    if missing := [band for band in wanted if band not in present]:
        raise InputError(
            f"{source}: has no {', '.join(missing)}; it holds {', '.join(present)}; choose among them with {_BANDS}"
        )
    return frozenset(wanted)
