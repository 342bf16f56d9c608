"""What `--help` shows of each command."""

from __future__ import annotations

import re

import pytest
from typer.main import get_command

from batch.cli import app
from batch.command_help import EVERYDAY, EXAMPLES
from tests.support.office import Office
from tests.support.shells import words_of

ROOT = get_command(app)
COMMANDS = list(ROOT.commands)  # type: ignore[attr-defined]


def help_of(office: Office, command: str) -> str:
    shown = office.run(command, "--help")
    assert shown.code == 0
    return shown.out


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_ends_in_two_examples(office: Office, command: str) -> None:
    shown = help_of(office, command).split("Examples:\n")[1]
    assert len(re.findall(rf"^  defer-batch {command}\b", shown, re.MULTILINE)) == 2


@pytest.mark.parametrize(
    "words", [words for examples in EXAMPLES.values() for _, words in examples]
)
def test_each_example_is_a_line_that_the_parser_takes(words: str) -> None:
    name, *arguments = words_of(words.partition(" > ")[0])
    command = ROOT.commands[name]  # type: ignore[attr-defined]
    assert command.make_context(name, arguments).command is command
    assert len(f"  defer-batch {words}") <= 80


@pytest.mark.parametrize("command", COMMANDS)
def test_no_type_of_a_program_and_no_double_bracket_is_shown(office: Office, command: str) -> None:
    assert not re.search(r"<\w+>|\[\[|\{\w+\}|\[default", help_of(office, command))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_value_of_an_option_is_named(command: str) -> None:
    options = ROOT.commands[command].params  # type: ignore[attr-defined]
    assert not [
        option.opts
        for option in options
        if not (option.metavar or option.hidden or getattr(option, "is_flag", False))
    ]


def test_everyday_options_come_first_and_the_rare_ones_under_their_own_heading(
    office: Office,
) -> None:
    everyday, rarely = help_of(office, "run").split("Rarely needed:")
    shown = re.findall(r"^  (?:-h, )?(--[a-z-]+)", everyday, re.MULTILINE)
    assert shown == sorted(shown, key=EVERYDAY.index)
    assert "--register" in shown
    assert not set(re.findall(r"^  (--[a-z-]+)", rarely, re.MULTILINE)) & set(EVERYDAY)


def test_resume_offers_nothing_that_it_refuses(office: Office) -> None:
    assert "--register" not in help_of(office, "resume")


@pytest.mark.parametrize(
    ("command", "done"),
    [("run", "sending"), ("resume", "sending"), ("close", "closing"), ("purge", "deleting")],
)
def test_yes_says_what_it_agrees_to(office: Office, command: str, done: str) -> None:
    assert f"Do not ask before {done}." in help_of(office, command)


def test_the_list_of_commands_breaks_off_no_sentence(office: Office) -> None:
    assert "..." not in office.run("--help").out.split("Commands:")[1]
