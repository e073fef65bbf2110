"""Which dimension of an array is which, by what it is called."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

ROLES: dict[str, tuple[str, ...]] = {
    "band": ("band", "bands", "variable", "channel", "wavelength"),
    "y": ("y", "lat", "latitude", "northing", "row"),
    "x": ("x", "lon", "longitude", "easting", "col", "column"),
}
"""Names of dimensions, in lower case, and what they are called here."""


def dimension(dims: Iterable[Hashable], role: str) -> Hashable | None:
    """The one dimension that plays a role of `ROLES`; None if there is none, or more than one."""
    found = [dim for dim in dims if str(dim).lower() in ROLES[role]]
    return found[0] if len(found) == 1 else None
