"""Land-cover classes of BigEarthNet: the 43 of CORINE Land Cover level 3, and the nomenclature of 19.

Sources: Sumbul et al. 2019 (IGARSS, 43 classes); Sumbul et al. 2020 (arXiv:2001.06372, table 2, 19 classes).
"""

from __future__ import annotations

from collections.abc import Iterable

_CLASSES: dict[str, tuple[str, ...]] = {
    "Urban fabric": ("Continuous urban fabric", "Discontinuous urban fabric"),
    "Industrial or commercial units": ("Industrial or commercial units",),
    "Arable land": ("Non-irrigated arable land", "Permanently irrigated land", "Rice fields"),
    "Permanent crops": (
        "Vineyards",
        "Fruit trees and berry plantations",
        "Olive groves",
        "Annual crops associated with permanent crops",
    ),
    "Pastures": ("Pastures",),
    "Complex cultivation patterns": ("Complex cultivation patterns",),
    "Land principally occupied by agriculture, with significant areas of natural vegetation": (
        "Land principally occupied by agriculture, with significant areas of natural vegetation",
    ),
    "Agro-forestry areas": ("Agro-forestry areas",),
    "Broad-leaved forest": ("Broad-leaved forest",),
    "Coniferous forest": ("Coniferous forest",),
    "Mixed forest": ("Mixed forest",),
    "Natural grassland and sparsely vegetated areas": ("Natural grassland", "Sparsely vegetated areas"),
    "Moors, heathland and sclerophyllous vegetation": ("Moors and heathland", "Sclerophyllous vegetation"),
    "Transitional woodland, shrub": ("Transitional woodland/shrub",),
    "Beaches, dunes, sands": ("Beaches, dunes, sands",),
    "Inland wetlands": ("Inland marshes", "Peatbogs"),
    "Coastal wetlands": ("Salt marshes", "Salines"),
    "Inland waters": ("Water courses", "Water bodies"),
    "Marine waters": ("Coastal lagoons", "Estuaries", "Sea and ocean"),
}
_DROPPED = (
    "Road and rail networks and associated land",
    "Port areas",
    "Airports",
    "Mineral extraction sites",
    "Dump sites",
    "Construction sites",
    "Green urban areas",
    "Sport and leisure facilities",
    "Bare rock",
    "Burnt areas",
    "Intertidal flats",
)

LABELS_19: tuple[str, ...] = tuple(_CLASSES)
"""The 19 classes in the order of the publication."""

LABELS_43: tuple[str, ...] = tuple(sorted([label for labels in _CLASSES.values() for label in labels] + [*_DROPPED]))
"""The 43 classes, in alphabetical order."""

_TO_19 = {label: new for new, labels in _CLASSES.items() for label in labels}


def to_19(labels: Iterable[str]) -> list[str]:
    """Translate labels of the 43 classes into those of the 19, each once, in the order of `LABELS_19`.

    Labels that already are of the 19 stay; eleven of the 43 have no successor and are dropped, so that a patch may
    keep none.

    Raises:
        KeyError: a label is of neither nomenclature.
    """
    found = set()
    for label in labels:
        if label in _CLASSES:
            found.add(label)
        elif label in _TO_19:
            found.add(_TO_19[label])
        elif label not in _DROPPED:
            raise KeyError(label)
    return [label for label in LABELS_19 if label in found]
