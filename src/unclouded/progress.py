"""How long work tells how far it is."""

from collections.abc import Callable, Mapping

Progress = Callable[[str, int, int], None]
"""Called with a stage's name, the units done in it (pixels, patches, ...) and the units that it has."""

HUNDREDTHS = 100
"""Units of work of which a share alone is known."""


def silent(stage: str, done: int, total: int) -> None:
    """Take what a `Progress` is told and say nothing."""


TrainingProgress = Callable[[str, int, int, Mapping[str, float]], None]
"""Called with a stage's name, the steps done in it, those it has, and the value of each term of the last step."""


def silent_training(stage: str, done: int, total: int, terms: Mapping[str, float]) -> None:
    """Take what a `TrainingProgress` is told and say nothing."""
