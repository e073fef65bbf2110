"""Path reflectance of the atmosphere, by Rayleigh scattering."""

from __future__ import annotations

from unclouded.bands import BANDS

_WAVELENGTHS = {band.name: int(band.wavelength + 0.5) / 1000 for band in BANDS}
"""Centre of each band in micrometres, to the nanometre, by which the satellites differ anyway."""

_PHASE = 0.39
"""Path reflectance per optical thickness, 1.1 / (4 · cos 45°): single scattering with the sun at 45 degrees."""


def air_reflectance(band: str, level: str) -> float:
    """Path reflectance in a band; 0 in L2A, which is corrected for the atmosphere.

    Rayleigh scattering alone, with the optical thickness of Hansen and Travis (1974, equation 2.30).
    """
    if level == "L2A":
        return 0.0
    squared = _WAVELENGTHS[band] ** -2
    return _PHASE * 0.008569 * squared**2 * (1 + 0.0113 * squared + 0.00013 * squared**2)
