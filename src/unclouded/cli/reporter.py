"""What `unclouded clear` and `models` print: sentences for people, or a JSON object a line for scripts."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from unclouded.clearing.options import OWN_DETECTION, ClearOptions
from unclouded.cli.console import FAILED, SOME_FAILED, LostOutputError, put, report, say, tell
from unclouded.errors import OutputExistsError
from unclouded.shares import SHOWN, percent

if TYPE_CHECKING:
    from unclouded.clearing.clear import ClearedScene
    from unclouded.clearing.plan import Plan
    from unclouded.models.weights_header import Header


_HAZY = 0.5
"""Share of a scene from which on it is said to be hazy."""

_DARK = 0.3
"""Share of a scene from which on it is said that it may lie in shadow that stays."""

_NOTHING_CLEAR = 0.99
"""Share of the pixels from which on hardly any ground is left to go by."""


class Reporter:
    """Says of every input what became of it, as it becomes known, and counts the failures."""

    def __init__(self, *, as_json: bool, debug: bool, masks: bool = False) -> None:
        """Say it in JSON or in sentences; of `masks`, not of cleared scenes. The clock that it tells starts now."""
        self._since = time.perf_counter()
        self._json, self._debug, self._masks = as_json, debug, masks
        self.failed = self._made = 0
        self._said: set[str] = set()

    def announce(self, todo: Plan, options: ClearOptions) -> None:
        """Say of a plan what stays, though it be made otherwise, what was assumed, and which inputs are refused."""
        from unclouded.clearing.kept import made_otherwise  # which loads GDAL

        for source, name in todo.skipped.items():
            other = made_otherwise(name, todo.infos[source], options)
            made = f", though it was made with {'; '.join(other)}: --overwrite makes it anew" if other else ""
            say(f"note: {name}: exists and is kept{made}")
        for note in todo.notes:
            say(f"note: {note}")
        for source, error in todo.failed.items():
            self.refuse(source, error)

    def check(self, staying: int = 0) -> None:
        """End the command with the exit code of its failures, if there were any; `staying` results were there before.

        Raises:
            Exit: some inputs failed, or all.
        """
        if self.failed:
            raise typer.Exit(SOME_FAILED if self._made or staying else FAILED)

    def done(self, source: str, cleared: ClearedScene, *, elsewhere: bool = False) -> None:
        """Say where the outputs of an input are; `elsewhere` if other processes worked on it.

        Of work here, the seconds are what the user has waited: loading and opening count, for which no scene does.
        """
        self._made += 1
        if not elsewhere:
            now = time.perf_counter()
            cleared, self._since = replace(cleared, seconds=now - self._since), now
        if self._json:
            record = {
                "input": source,
                "output": str(cleared.output),
                "quality": str(cleared.quality),
                "pixels": cleared.pixels,
                "cloud": cleared.cloud if math.isfinite(cleared.cloud) else None,
                "snow": cleared.snow,
                "detection": cleared.detection,
                "changed": cleared.changed if math.isfinite(cleared.changed) else None,
                "seconds": round(cleared.seconds, 3),
                "seconds_network": round(cleared.seconds_network, 3),
                "hazy": round(cleared.hazy, 4),
                "dark": round(cleared.dark, 4),
                "sources": dict(cleared.sources),
                "references": list(cleared.verdicts),
            }
            put(json.dumps(record))
        elif self._masks:
            said = f"{cleared.output}: {percent(cleared.changed)} of the pixels covered"
            tell(f"{said}{_covers(cleared)}, {cleared.seconds:.1f} s")
        else:
            tell(summary(cleared, elsewhere=elsewhere))
        if cleared.detection != OWN_DETECTION:
            say(f"note: {source}: cloud and shadow were detected by {cleared.detection}")
        if not self._masks:
            self._say_of_result(source, cleared)

    def _say_of_result(self, source: str, cleared: ClearedScene) -> None:
        # In a series one date is found overcast or hazy again for each that it might have helped.
        for verdict in dict.fromkeys(cleared.verdicts):
            if verdict not in self._said:
                say(f"note: {verdict}")
        self._said.update(cleared.verdicts)
        for caveat in cleared.caveats:
            say(f"note: {source}: {caveat}")
        if cleared.hazy >= _HAZY and cleared.changed < _NOTHING_CLEAR:
            say(
                f"note: {source}: {cleared.hazy:.0%} of it lies under haze, smoke or cirrus; where that is thin it "
                "stays: a lower --threshold thins more of it"
            )
        elif cleared.changed < SHOWN <= max(cleared.hazy, cleared.covered):
            what, share = (
                ("haze or cirrus", cleared.hazy) if cleared.hazy > cleared.covered else ("cover", cleared.covered)
            )
            say(
                f"note: {source}: is not a clear scene: {what} on {percent(share)} of it is left in; "
                "a lower --threshold removes more of it"
            )
        if cleared.dark - cleared.changed >= _DARK:
            say(
                f"note: {source}: {cleared.dark:.0%} of it is land too dark to be sunlit: it may lie in the shadow of "
                "clouds or mountains, which stays where no cloud is seen; give --mask, or use another day's image"
            )
        if cleared.changed >= _NOTHING_CLEAR and cleared.sources.get("guessed", 1) > 0.5:
            say(f"note: {source}: nearly all of it lies under cloud or shadow; {_guess(cleared)}")

    def refuse(self, source: str, error: BaseException) -> None:
        """Say why an input has no outputs; a standard output that is lost is no matter of one, and is raised again."""
        if isinstance(error, LostOutputError):
            raise error
        self.failed += 1
        said = report(error, self._debug, source)
        if self._json:
            put(json.dumps({"input": source, "error": said}))


def _guess(cleared: ClearedScene) -> str:
    """How much of a result that is nearly all guessed is a guess."""
    if cleared.missing_bands and cleared.missing_share > 0.5:
        return (
            f"it is guessed, {_missing(cleared)}, which no other date has: the other bands are theirs; give a date "
            "that has all, or choose --bands that they have"
        )
    return "with no clear ground to go by, the result is a guess at best: use another day's image, or give --radar"


def _missing(cleared: ClearedScene) -> str:
    return f"on {percent(cleared.missing_share)} of that in {', '.join(cleared.missing_bands)} alone"


@contextmanager
def resumable(output: Path) -> Iterator[None]:
    """Say of an output that is not made, for whatever reason, what is finished of it."""
    try:
        yield
    except OutputExistsError:
        raise  # what is there is not this command's
    except BaseException:
        say_finished(output)
        raise


def say_finished(output: Path) -> None:
    """Say of an output that is not made what is finished of it."""
    from unclouded.writing.journal import finished_rows

    if done := finished_rows(output):
        finished = "1 strip of it is" if done == 1 else f"{done} strips of it are"
        say(f"note: {output}: {finished} finished; the same command resumes there")


def summary(cleared: ClearedScene, *, elsewhere: bool = False) -> str:
    """Outputs, share of changed pixels and time of an input, in a line."""
    said = f"{cleared.output}, {cleared.quality}: {percent(cleared.changed)} of the pixels changed"
    if cleared.sources:
        said += f" ({_shares(cleared)})"
    said += f"{_covers(cleared)}, {cleared.seconds:.1f} s"
    # Of work elsewhere, the client knows its own share alone.
    return said if elsewhere else f"{said} ({cleared.seconds_network / cleared.seconds:.0%} in the network)"


def _covers(cleared: ClearedScene) -> str:
    snow = "" if cleared.snow is None else f", snow cover {percent(cleared.snow)}"
    return f", cloud cover {percent(cleared.cloud)}{snow}"


def _shares(cleared: ClearedScene) -> str:
    """Where the changed pixels come from; several dates that nothing was taken from are counted."""
    sources = cleared.sources
    if cleared.missing_share > 0 and cleared.missing_bands:
        return f"{percent(sources.get('guessed', 0))} guessed, {_missing(cleared)}"
    said = [f"{percent(share)} {_from(name)}" for name, share in sources.items() if share > 0]
    unused = [name for name, share in sources.items() if share == 0 and name != "guessed"]
    if unused:
        said.append(f"nothing {_from(unused[0])}" if len(unused) == 1 else f"nothing from {len(unused)} other dates")
    return ", ".join(said)


def _from(name: str) -> str:
    return name if name == "guessed" else f"from {Path(name).name}"


def weights_record(name: str, path: Path, purpose: str, header: Header) -> dict[str, Any]:
    """What `models --json` tells of bundled weights."""
    return {
        "name": name,
        "path": str(path),
        "card": str(path.with_suffix(".md")),
        "purpose": purpose,
        "bands": list(header.bands),
        "levels": list(header.levels),
        "unfit": list(header.unfit),
        "steps": header.steps,
        "threshold": header.threshold,
        "bytes": path.stat().st_size,
        "sha256": header.sha256,
        "data": header.data,
    }
