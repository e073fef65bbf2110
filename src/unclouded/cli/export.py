"""`unclouded export`: weights in the formats of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from unclouded.clearing.options import UNFIT
from unclouded.cli.console import faults, say, tell
from unclouded.cli.options import Debug, Level, Offset, Overwrite, Scale, names_of
from unclouded.errors import InputError

if TYPE_CHECKING:
    from unclouded.models.generator import Generator
    from unclouded.models.land_cover import LandCover
    from unclouded.models.weights_header import Header


class ImageFormat(NamedTuple):
    """The images that an exported network takes.

    Attributes:
        bands: as the option gives them; all that the model knows and the level has, unless given.
        level: "L1C" or "L2A".
        size: their side in pixels; any unless given.
        scale: DN per 1.0 reflectance, for other programs; the network itself takes reflectance.
        offset: DN to add before dividing, likewise.
    """

    bands: str | None
    level: str
    size: int | None
    scale: float
    offset: float


def export(
    model: Annotated[str, typer.Argument(metavar="NAME|PATH", help="Bundled weights, or a weights file.")],
    output: Annotated[
        Path,
        typer.Option(
            metavar="FILE.onnx|FILE.json", help="ONNX network, or STAC item of the model; the suffix says which."
        ),
    ],
    bands: Annotated[str | None, typer.Option(metavar="B02,B03,...", help="Bands of the network's images.")] = None,
    level: Annotated[Level, typer.Option("--level", help="Processing level of the network's images.")] = Level.L2A,
    size: Annotated[
        int | None, typer.Option(min=1, metavar="PIXELS", help="Side of the network's images; any, unless given.")
    ] = None,
    scale: Scale = None,
    offset: Offset = None,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Write a model for other programs: an ONNX network, or a STAC item that describes it.

    The network takes reflectance; --scale and --offset only tell a GIS program how to reach it from a file's numbers.
    """
    with faults(debug):
        from unclouded.files import refuse_existing, write_json
        from unclouded.models import weights, weights_file

        kind = output.suffix.lower()
        if kind not in (".onnx", ".json"):
            raise InputError(f"--output {output}: .onnx for a network, or .json for a STAC item of the model")
        if not overwrite:
            refuse_existing(output)
        network: Generator | LandCover
        header: Header
        if weights_file.format_of(model) == weights_file.LAND_COVER_FORMAT:
            network, header = weights.load_land_cover(model)
        else:
            network, header = weights.load_generator(model)
        if kind == ".json":
            from unclouded.export.model_item import describe_model

            write_json(describe_model(network, header, weights_file.bundled().get(model, Path(model))), output)
        else:
            _write_network(
                network, header, ImageFormat(bands, level.value, size, scale or 10000.0, offset or 0.0), output
            )
        size = output.stat().st_size
        tell(f"{output}: {size / 1e6:.1f} MB" if size >= 1e5 else f"{output}: {size / 1e3:.0f} kB")


def _write_network(
    network: Generator | LandCover,
    header: Header,
    images: ImageFormat,
    output: Path,
) -> None:
    """Write an ONNX network, with what other programs have to know of it."""
    from unclouded.export.graphs import ClearingGraph, Graph, LandCoverGraph
    from unclouded.export.onnx_file import plugin_notes, write_onnx
    from unclouded.models.land_cover import LandCover
    from unclouded.version import __version__

    level = images.level
    names = _bands(header, images.bands, level)
    notes: dict[str, Any] = {
        "unclouded": {"version": __version__, "model": header.name, "sha256": header.sha256, "level": level},
        "bands": names,
        "scale": images.scale,
        "offset": images.offset,
    }
    graph: Graph
    if isinstance(network, LandCover):
        graph = LandCoverGraph(network, names, level)
        notes |= {"class_names": dict(enumerate(network.settings.classes)), "threshold": header.threshold}
    else:
        graph = ClearingGraph(network, names, level, header.threshold)
        notes |= plugin_notes([*names, "opacity"], images.size, network.margin, images.scale, images.offset)
    if level in header.unfit:
        say(f"note: {output}: {UNFIT.format(level=level)}")
    say("note: the network is traced, which takes half a minute")
    write_onnx(graph, len(names), images.size, notes, output)


def _bands(header: Header, requested: str | None, level: str) -> list[str]:
    """The bands of the network's images: the requested ones, else all of the model that the level has."""
    from unclouded import bands

    if level not in header.levels:
        raise InputError(f"--level {level}: {header.name} was trained on {', '.join(header.levels)}; give one of these")
    of_level = bands.L1C if level == "L1C" else bands.L2A
    names = names_of(requested) or tuple(name for name in header.bands if name in of_level)
    strange = [name for name in names if name not in header.bands]
    if strange or len(set(names)) < len(names):
        found = f"{strange[0]!r} is none of them" if strange else "one is named twice"
        raise InputError(f"--bands {requested}: {found}; {header.name} takes {', '.join(header.bands)}, each once")
    return list(names)
