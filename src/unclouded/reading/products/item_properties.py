"""Processing level and DN offset by the properties of a Sentinel-2 STAC item."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from unclouded.reading.names.product_name import product_name
from unclouded.reading.radiometry.offsets import offset_of_baseline

_LEVEL = re.compile(r"(?<![a-z0-9])(?:msi)?l?(1c|2a)(?![a-z0-9])", re.IGNORECASE)

_BASELINES = ("s2:processing_baseline", "sentinel2:processing_baseline", "sentinel:processing_baseline")
"""Properties of the extension for Sentinel-2, and those of catalogues before it."""

_BASELINE = re.compile(r"\d{2}\.\d{2}")


def properties_of(item: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of an item; empty if it has none."""
    properties = item.get("properties")
    return properties if isinstance(properties, dict) else {}


def level_of_item(item: Mapping[str, Any]) -> str | None:
    """The processing level, "L1C" or "L2A", by an item's identifiers and properties; None if they do not state it."""
    properties = properties_of(item)
    names = [item.get("id"), properties.get("s2:product_uri"), properties.get("sentinel:product_id")]
    names.append(item.get("collection"))
    names += [properties.get(key) for key in ("processing:level", "s2:product_type", "product:type")]
    for text in names:
        if found := _LEVEL.search(str(text or "").replace("_", " ").replace("S2MSI", " ")):
            return "L" + found[1].upper()
    return None


def offset_of_item(item: Mapping[str, Any]) -> float | None:
    """The DN to add by an item's processing baseline, 0 if it was added already; None if the item states neither."""
    properties = properties_of(item)
    if offset_removed(properties):
        return 0.0
    texts = (item.get("id"), properties.get("s2:product_uri"), properties.get("sentinel:product_id"))
    baselines = [product_name(str(text)).baseline for text in texts if text]
    versions = [properties.get(key) for key in (*_BASELINES, "processing:version")]
    baselines += [int(v.replace(".", "")) for v in versions if isinstance(v, str) and _BASELINE.fullmatch(v)]
    return next((offset for number in baselines if (offset := offset_of_baseline(number)) is not None), None)


def offset_removed(properties: Mapping[str, Any]) -> bool:
    """Whether an item's properties say that the DN offset was removed from its files already."""
    return any(properties.get(f"{prefix}:boa_offset_applied") is True for prefix in ("earthsearch", "sentinel"))
