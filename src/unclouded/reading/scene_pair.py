"""A cleared scene and its input, as people name them: together, or the one that leads to the other."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from unclouded.errors import FileError, InputError
from unclouded.reading.files.raster import is_remote
from unclouded.reading.results import is_mask


@dataclass(frozen=True)
class ScenePair:
    """A cleared scene's file, and the path or address of its input; None if that is gone."""

    before: str | None
    after: Path

    @property
    def before_name(self) -> str:
        """Name of the input, without its folder; empty if it is gone."""
        return "" if self.before is None else PurePosixPath(urlsplit(self.before).path or self.before).name


def is_pair(argument: str) -> bool:
    """Tell whether an argument names two files, as `before.tif=clear.tif`."""
    return "=" in argument and not Path(argument).exists()


def find_pair(argument: str) -> ScenePair:
    """Find a cleared scene and its input, see `find_cleared` and `find_input`."""
    before, after = find_cleared(argument)
    return ScenePair(before or find_input(after), after)


def find_cleared(argument: str) -> tuple[str | None, Path]:
    """Understand `before.tif=clear.tif`, or `clear.tif` or a file beside it: the input if named, and the cleared scene.

    Raises:
        FileError: the cleared scene is not there.
        InputError: one of the two names is empty, or it is a folder.
    """
    before, cleared = None, Path(argument)
    if is_pair(argument):
        # From the right: addresses of inputs hold "=", too, and so may the name of a cleared scene that is there.
        words = argument.split("=")
        splits = [("=".join(words[:place]), "=".join(words[place:])) for place in range(len(words) - 1, 0, -1)]
        before, after = next((split for split in splits if Path(split[1]).is_file()), splits[0])
        if not before or not after:
            raise InputError(f"{argument}: is no pair; give the input and its result as before.tif=clear.tif")
        cleared = Path(after)
    elif cleared.is_dir():
        raise InputError(
            f"{cleared}: is a folder that `unclouded series` did not write; give a result of `unclouded clear`"
        )
    elif cleared.suffix == ".json":
        cleared = cleared.with_suffix(".tif")
    else:
        cleared = cleared.with_stem(cleared.stem.removesuffix("_quality"))
    if not cleared.is_file():
        raise FileError(f"{cleared}: no such file; give a result of `unclouded clear`")
    if is_mask(cleared):
        raise InputError(
            f"{cleared}: is a mask by `unclouded mask`; give a cleared scene, which shows what was replaced, or look "
            "at the mask over its scene in QGIS: its classes have names and colours"
        )
    return before, cleared


def find_input(cleared: Path) -> str:
    """Find the input of a cleared scene, here or elsewhere, by the link `derived_from` of the STAC item beside it.

    Raises:
        InputError: there is no such item, or it leads to no input that is there.
    """
    item, advice = cleared.with_suffix(".json"), f"name its input: before.tif={cleared.name}"
    if not item.is_file():
        raise InputError(f"{cleared}: nothing beside it says what it was made of; {advice}")
    try:
        links = json.loads(item.read_text())["links"]
        targets = [str(link["href"]) for link in links if link["rel"] == "derived_from"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{item}: is no STAC item with links; {advice}") from error
    for target in targets:
        if is_remote(target):
            return target
        path = item.parent / (unquote(urlsplit(target).path) if target.startswith("file://") else target)
        if path.exists():
            return str(path)
    raise InputError(f"{item}: links to no input that is there ({', '.join(targets) or 'no derived_from'}); {advice}")
