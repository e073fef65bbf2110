"""Path reflectance of the atmosphere, by Rayleigh scattering."""

from __future__ import annotations

from unclouded.bands import INDEX

_WAVELENGTHS = 0.443, 0.492, 0.560, 0.665, 0.704, 0.741, 0.783, 0.833, 0.865, 0.945, 1.374, 1.614, 2.202
"""Centre of each band in micrometres (Sentinel-2A)."""

_PHASE = 0.39
"""Path reflectance per optical thickness, 1.1 / (4 · cos 45°): single scattering with the sun at 45 degrees."""


def air_reflectance(band: str, level: str) -> float:
    """Path reflectance in a band; 0 in L2A, which is corrected for the atmosphere.

    Rayleigh scattering alone, with the optical thickness of Hansen and Travis (1974, equation 2.30).
    """
    if level == "L2A":
        return 0.0
    squared = _WAVELENGTHS[INDEX[band]] ** -2
    return _PHASE * 0.008569 * squared**2 * (1 + 0.0113 * squared + 0.00013 * squared**2)
