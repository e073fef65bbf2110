"""Where there is no terminal, a training says every half a minute how far it is."""

from __future__ import annotations

import pytest

from unclouded.cli import training_bar
from unclouded.cli.training_bar import TrainingBar, duration


def test_a_line_every_half_a_minute_with_step_losses_and_time_left(monkeypatch, capsys) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr(training_bar, "on_terminal", lambda: False)
    with TrainingBar("run") as bar:
        for step in range(501, 621):  # a run that goes on from step 500, a step a second
            bar("steps", step, 1000, {"ground": 0.5 if step % 2 else 0.7})
            now[0] += 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("run: steps 503 of 1,000: ground ")
    assert lines[1] == "run: steps 533 of 1,000: ground 0.600: 1.00 s a step, 8 min left"


def test_before_a_step_is_timed_no_time_left_is_made_up(monkeypatch, capsys) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr(training_bar, "on_terminal", lambda: False)
    with TrainingBar("run") as bar:
        now[0] += 40  # before its first step
        bar("steps", 1, 4, {"ground": 0.5})
    assert capsys.readouterr().err == "run: steps 1 of 4: ground 0.500\n"


@pytest.mark.parametrize(("seconds", "words"), [(12, "12 s"), (600, "10 min"), (7500, "2 h 05 min")])
def test_durations_as_text(seconds: float, words: str) -> None:
    assert duration(seconds) == words
