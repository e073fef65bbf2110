"""The help of every command: two examples that this version understands, and no names of Python's types."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner
from command_line import run
from documented import check
from test_voice import commands

from unclouded.cli import rio
from unclouded.cli.help import EXAMPLES

COMMANDS = [" ".join(words) for words in commands()]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_two_examples(command):
    shown = run(*command.split(), "--help").stdout
    examples = shown.partition("Examples:\n")[2].splitlines()
    assert examples == [f"  {example}" for example in EXAMPLES[command]] and len(set(examples)) == 2
    for example in examples:
        check(example.split())
    assert f"unclouded {command} " in examples[0] + " "


@pytest.mark.parametrize("command", COMMANDS)
def test_no_type_of_python_is_shown(command):
    shown = run(*command.split(), "--help").stdout
    assert not re.search(r"<(?:list|str|int|float|path|tuple)\b|\{\w", shown)


def test_there_are_no_examples_of_commands_that_are_gone():
    assert set(EXAMPLES) == set(COMMANDS)


def test_the_plugin_has_examples_too():
    shown = CliRunner().invoke(rio.unclouded, ["--help"]).stdout
    assert shown.count("\n    rio unclouded scene.tif clear.tif") == 2
