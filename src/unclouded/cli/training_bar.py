"""How far a training is: a bar on a terminal, a line every half a minute in a log."""

from __future__ import annotations

import time
from collections.abc import Mapping

from unclouded.cli.console import EVERY, PATIENCE, Bar, on_terminal, say
from unclouded.cli.voice import VOICE


class TrainingBar(Bar):
    """Called as `progress.TrainingProgress`: shows steps, means of the terms since it last did, and the time left."""

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self._name = title
        self._began: dict[str, tuple[int, float]] = {}
        self._sums: dict[str, float] = {}
        self._count = 0

    def __call__(self, stage: str, done: int, total: int, terms: Mapping[str, float] | None = None) -> None:
        """Show that `done` of a stage's `total` steps are done, the last one with these terms."""
        now = time.monotonic()
        # A resumed run begins in the middle: the steps before were not taken now.
        first, began = self._began.setdefault(stage, (done - 1, now))
        for name, value in (terms or {}).items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1
        if VOICE.quiet or now - self._start < PATIENCE:
            return
        means = ", ".join(f"{name} {value / self._count:.3f}" for name, value in self._sums.items())
        timed = done - 1 - first
        pace = (now - began) / max(timed, 1)
        left = f"{pace:.2f} s a step, {duration(pace * (total - done))} left" if timed else ""
        if on_terminal():
            self._draw(stage, done, total)
        elif now >= self._next_line:
            say(": ".join(part for part in (self._name, f"{stage} {done:,} of {total:,}", means, left) if part))
            self._next_line = now + EVERY
            self._sums.clear()
            self._count = 0


def duration(seconds: float) -> str:
    """Time in words, such as `2 h 05 min`."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"
