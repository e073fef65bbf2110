"""The drawing function and its parameters for each of the 43 classes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from unclouded.data.landscapes.built import airport, paved, pits, town, transport
from unclouded.data.landscapes.canvas import Canvas, Mask
from unclouded.data.landscapes.vegetation import fields, forest, rows, scrub
from unclouded.data.landscapes.wet import bare, beach, bog, marsh, ponds, water

Paint = Callable[[Canvas, Mask], None]

COVERS: dict[str, Paint] = {
    "Continuous urban fabric": partial(town, built=0.75, pitch=1.9, block=8.0, big=0.10),
    "Discontinuous urban fabric": partial(town, built=0.30),
    "Industrial or commercial units": partial(paved, ground="gravel", halls=0.45),
    "Road and rail networks and associated land": transport,
    "Port areas": partial(paved, ground="asphalt", halls=0.35),
    "Airports": airport,
    "Mineral extraction sites": partial(pits, ground="quarry", other="light soil", ponds=0.6),
    "Dump sites": partial(pits, ground="gravel", other="brown soil", ponds=0.1),
    "Construction sites": partial(pits, ground="light soil", other="gravel", ponds=0.0),
    "Green urban areas": partial(forest, conifers=0.2, clearings=0.1, open_=0.5),
    "Sport and leisure facilities": partial(
        scrub, ground=("grass", "grass"), plants=("broadleaf", "conifer"), cover=0.25, clump=2.4, height=6.0
    ),
    "Non-irrigated arable land": partial(fields, side=17, grass=0.08),
    "Permanently irrigated land": partial(fields, side=18, grass=0.05, summer=0.9, watered=True, hedges=0.05),
    "Rice fields": partial(fields, side=14, grass=0.0, summer=1.0, watered=True, hedges=0.0, tracks=0.9, bend=0.8),
    "Vineyards": partial(rows, plant="shrub", pitch=2.3, side=11, cover=0.75, dots=False),
    "Fruit trees and berry plantations": partial(rows, plant="broadleaf", pitch=2.6, side=12, cover=0.85, dots=False),
    "Olive groves": partial(rows, plant="evergreen oak", pitch=2.7, side=18, cover=0.85),
    "Pastures": partial(fields, side=14, aspect=1.4, grass=0.93, hedges=0.4, tracks=0.2, bend=4.5),
    "Annual crops associated with permanent crops": partial(fields, side=9, grass=0.25, copses=0.22),
    "Complex cultivation patterns": partial(fields, side=8.5, aspect=3.0, grass=0.3, hedges=0.2, copses=0.03),
    "Land principally occupied by agriculture, with significant areas of natural vegetation": partial(
        fields, side=11, grass=0.4, hedges=0.35, copses=0.26, bend=4.0
    ),
    "Agro-forestry areas": partial(
        scrub, ground=("grass", "dry grass"), plants=("evergreen oak",), cover=0.55, dotted=True, height=6.0
    ),
    "Broad-leaved forest": partial(forest, conifers=0.05, clearings=0.05),
    "Coniferous forest": partial(forest, conifers=0.85, clearings=0.10),
    "Mixed forest": partial(forest, conifers=0.5, clearings=0.08),
    "Natural grassland": partial(scrub, ground=("grass", "dry grass", "grass"), plants=("shrub",), cover=0.12),
    "Moors and heathland": partial(scrub, ground=("heath", "dry grass"), plants=("shrub", "heath"), cover=0.4),
    "Sclerophyllous vegetation": partial(
        scrub, ground=("dry grass", "shrub"), plants=("shrub", "evergreen oak"), cover=0.55, clump=1.2, height=2.0
    ),
    "Transitional woodland/shrub": partial(forest, conifers=0.45, clearings=0.3, open_=0.5),
    "Beaches, dunes, sands": beach,
    "Bare rock": partial(bare, ground="rock", other="gravel", plants="heath", cover=0.15),
    "Sparsely vegetated areas": partial(bare, ground="rock", other="dry grass", plants="grass", cover=0.4),
    "Burnt areas": partial(bare, ground="burnt", other="dark soil", plants="shrub", cover=0.15),
    "Inland marshes": partial(marsh, ground=("reed", "marsh"), creeks="bog water", wetness=0.2),
    "Peatbogs": bog,
    "Salt marshes": partial(marsh, ground=("marsh", "mud"), creeks="turbid water", wetness=0.1),
    "Salines": ponds,
    "Intertidal flats": partial(marsh, ground=("mud", "sand"), creeks="turbid water", wetness=0.6),
    "Water courses": partial(water, kinds=("river", "lake", "lake"), silt=0.2),
    "Water bodies": partial(water, kinds=("lake", "lake", "bog water", "turbid water"), silt=0.15),
    "Coastal lagoons": partial(water, kinds=("turbid water", "sea"), silt=0.7),
    "Estuaries": partial(water, kinds=("turbid water", "river"), silt=0.8),
    "Sea and ocean": partial(water, kinds=("sea",), silt=0.12),
}
"""Drawing function of each class: takes the canvas and the pixels that the class covers."""
