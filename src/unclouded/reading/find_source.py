"""Which kind of source lies at a path: a SAFE product, a folder of bands, a STAC item, or a stack."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from unclouded.errors import FileError, InputError
from unclouded.reading.files.raster import is_remote, missing_file, shown
from unclouded.reading.products.folder import folder_source, no_variants
from unclouded.reading.products.safe import is_safe, safe_source
from unclouded.reading.products.stac import is_item, item_source
from unclouded.reading.products.stack import stack_source
from unclouded.reading.source import Source, Wanted


def find_source(path: str, wanted: Wanted) -> Source:
    """Find out what lies at `path`, and where its bands are, without opening them; errors as of `open_scene`."""
    local = not is_remote(path) and not path.startswith("/vsi")
    if local and not (path and Path(path).exists()):
        raise missing_file(path)
    if local and not (Path(path).is_file() or Path(path).is_dir()):
        raise FileError(
            f"{path}: is a pipe or a device, which cannot be read in parts; write it to a file, and give that"
        )
    if local and is_safe(Path(path)):
        find: Callable[[str, Wanted], Source] = safe_source
    elif local and Path(path).is_dir():
        find = folder_source
    elif is_item(path):
        find = item_source
    else:
        find = stack_source
    if wanted.variant is not None and find is not folder_source:
        raise no_variants(shown(path))
    if wanted.band_names is not None and find is not stack_source:
        raise InputError(
            f"{shown(path)}: names its bands itself, and --band-names is about stacks that do not; leave it out, "
            "and choose among its bands with --bands"
        )
    return find(path, wanted)
