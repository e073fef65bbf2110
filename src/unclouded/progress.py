"""How long work tells how far it is."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with a stage's name, the units done in it (pixels, patches, ...) and the units that it has."""


def silent(stage: str, done: int, total: int) -> None:
    """Take what a `Progress` is told and say nothing."""
