"""Finds the commands that people read, and tells whether this version still understands them."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import typer

from unclouded.cli import app
from unclouded.settings import LandCoverSettings, TranslatorSettings, load_settings_of

ROOT = Path(__file__).resolve().parents[1]
CARDS = sorted((ROOT / "src" / "unclouded" / "weights").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")), *CARDS]

_BLOCK = re.compile(r"(<!-- run(?: slow)? -->\n)?```bash\n(.*?)```", re.DOTALL)
_INDENTED = re.compile(r"(?:^ {4}\S.*\n(?:^ {8}\S.*\n)*)+", re.MULTILINE)
"""A block of commands on a card, which is read as it is."""
_INLINE = re.compile(r"`((?:\.venv/bin/)?(?:unclouded|python|pip|torchrun|make|bash|mkdocs)\s[^`]+)`")
_HEREDOC = re.compile(r"<<'(\w+)'\n.*?\n\1\n", re.DOTALL)


class Block(NamedTuple):
    """A fenced block of shell commands: on which page, how it is marked ("", "run" or "run slow"), and its text."""

    page: Path
    mark: str
    text: str


def blocks(page: Path) -> list[Block]:
    """Every block of bash on a page, and the indented ones of a card."""
    text = page.read_text(encoding="utf-8")
    indented = [Block(page, "", found) for found in _INDENTED.findall(text)] if page in CARDS else []
    return [Block(page, (mark or "").strip("<!- >\n"), found) for mark, found in _BLOCK.findall(text)] + indented


def lines(text: str) -> Iterator[list[str]]:
    """Commands of a block as words, without comments, assignments and what is fed into them."""
    text = _HEREDOC.sub("\n", text).replace("\\\n", " ")
    for line in text.splitlines():
        words = shlex.split(re.sub(r"\$\(.*?\)(?=\s|$)", "VALUE", line), comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words = words[1:]
        if words:
            yield words


def inline(page: Path) -> list[list[str]]:
    """Commands within sentences."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [shlex.split(found) for found in _INLINE.findall(text)]


def check(words: list[str], *, whole: bool = True) -> None:
    """Fail with an `AssertionError` unless these words are a command that exists; `whole` ones must be complete."""
    program, arguments = Path(words[0]).name, words[1:]
    if program in ("torchrun", "python") and "unclouded" in arguments:
        program, arguments = "unclouded", arguments[arguments.index("unclouded") + 1 :]
    if program == "unclouded":
        _check_unclouded(arguments, whole=whole)
    elif program == "python" and arguments[:1] == ["-m"]:
        assert arguments[1] in ("pip", "pytest", "venv"), f"python -m {arguments[1]} is not known here"
        if arguments[1] == "pip":
            _check_extras(arguments[2:])
    elif program == "python" and arguments[0].endswith(".py"):
        _check_script(arguments)
    elif program == "make":
        for target in arguments:
            assert re.search(rf"^(?:\S+ )*{target}(?: \S+)*:", (ROOT / "Makefile").read_text(), re.MULTILINE), (
                f"no target {target}"
            )
    elif program == "pip":
        _check_extras(arguments)
    elif program == "bash":
        assert (ROOT / arguments[0]).is_file(), f"no script {arguments[0]}"
    else:
        assert program in ("python", "mkdocs", "pre-commit", "git", "curl", "tar", "cd", "mkdir"), (
            f"{' '.join(words)}: neither run nor checked"
        )


def _check_script(arguments: list[str]) -> None:
    script = ROOT / arguments[0]
    assert script.is_file(), f"no script {arguments[0]}"
    text = script.read_text()
    for word in arguments[1:]:
        if word.startswith("--"):
            assert f'"{word.partition("=")[0]}"' in text, f"{arguments[0]} has no {word}"


def _check_extras(arguments: list[str]) -> None:
    for extras in re.findall(r"(?:^| )(?:unclouded|\.)\[([\w,]+)\]", " ".join(arguments)):
        known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        assert set(extras.split(",")) <= set(known), f"no extra {extras}"


def _check_unclouded(arguments: list[str], *, whole: bool) -> None:
    if not whole:
        # Within a sentence a command may be cut short: its words and options must exist.
        command: Any = typer.main.get_command(app)
        for word in arguments:
            if hasattr(command, "commands") and not word.startswith("-"):
                for part in word.split("|"):
                    assert part in command.commands, f"unclouded has no {word}"
                command = command.commands[word.split("|")[0]]
            elif word.startswith("--"):
                options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
                assert word.partition("=")[0] in options, f"{command.name} has no {word}"
        return
    called: list[tuple[str, dict[str, Any]]] = []
    command = typer.main.get_command(app)
    _record(command, called, "")
    code = command.main(arguments, prog_name="unclouded", standalone_mode=False)
    assert not code
    for path, values in called:
        kind = {" train translator": TranslatorSettings, " train land-cover": LandCoverSettings}.get(path)
        if kind is not None:
            load_settings_of(kind, ROOT / values["settings"], values["overrides"] or [])


def _record(command: Any, called: list[tuple[str, dict[str, Any]]], path: str) -> None:
    """Let commands note what they are called with instead of doing it."""
    for name, part in getattr(command, "commands", {}).items():
        below = f"{path} {name}"
        if hasattr(part, "commands"):
            _record(part, called, below)
        else:
            part.callback = lambda below=below, **values: called.append((below, values))
