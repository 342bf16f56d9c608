"""The groups of options: what a command gets of them, and what the settings get."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from batch.commands.run_names import named
from batch.options import (
    AsJson,
    AskingPace,
    FileReading,
    OptionGroup,
    Pace,
    RegisterChoice,
    Reports,
    given,
)
from batch.options import with_groups as grouped
from batch.settings import Settings

NOT_OPTIONS = {"api_token", "columns", "from_dotenv"}
"""The token is never on a command line; `--column` comes once for each column."""


def all_groups(group: type[OptionGroup] = OptionGroup) -> set[type[OptionGroup]]:
    return {group} | {below for one in group.__subclasses__() for below in all_groups(one)}


def test_each_setting_is_an_option_but_the_token() -> None:
    options = {name for group in all_groups() for name in get_type_hints(group)}
    assert set(Settings.model_fields) - options == NOT_OPTIONS


def test_a_command_is_given_its_groups_and_its_own_options() -> None:
    taken: list[Any] = []

    @grouped
    def command(reading: FileReading, pace: Pace, *, as_json: AsJson = False) -> None:
        taken.extend([reading, pace, as_json])

    of_reading = dict.fromkeys(get_type_hints(FileReading))
    command(**of_reading | {"file": Path("list.csv")}, rate_limit="1/2", as_json=True)
    assert [taken[0].file, taken[1].rate_limit, taken[2]] == [Path("list.csv"), "1/2", True]


def test_typer_is_shown_the_options_in_place_of_the_group() -> None:
    @grouped
    def command(reports: Reports, *, as_json: AsJson = False) -> None: ...

    assert list(inspect.signature(command).parameters) == ["reports_dir", "as_json"]


def test_an_option_that_was_not_given_decides_nothing() -> None:
    register, pace = RegisterChoice(timeout=3.0), AskingPace(max_at_once=2)
    assert given(register, pace) == {"timeout": 3.0, "max_at_once": 2}


@pytest.mark.parametrize(
    ("option", "run", "folder"),
    [
        (None, "there/20261127T010203Z-list-0123", "there"),
        ("here", "there/20261127T010203Z-list-0123", "here"),
        (None, "20261127T010203Z-list-0123", None),
    ],
)
def test_a_path_to_a_run_says_where_the_reports_are(
    option: str | None, run: str, folder: str | None
) -> None:
    reports = Reports(reports_dir=None if option is None else Path(option)).of(named(run))
    assert reports.reports_dir == (None if folder is None else Path(folder))
