"""What the commands work with, made from their options: settings, the file, on whose behalf."""

from __future__ import annotations

import datetime as dt
import getpass
import platform
import sys
from typing import TYPE_CHECKING

from batch import __version__
from batch.failures import reports_dir_in_use
from batch.files import as_text
from batch.options import FileReading, OptionGroup, RegisterChoice, RowChoice, Sending, given
from batch.terminal import Terminal

if TYPE_CHECKING:
    from batch.commands.execute import Context
    from batch.run_settings import InputOptions, RunSettings
    from batch.settings import Settings


def settings_of(*groups: OptionGroup) -> Settings:
    """Return the settings of a command, some of which its options decide. Raises UsageProblem."""
    from batch.settings import Settings

    settings = Settings.load(given(*groups))
    reports_dir_in_use.set(settings.reports_dir)
    return settings


def run_settings_of(settings: Settings, matching: RowChoice, sending: Sending) -> RunSettings:
    """Return what a new run is told of Register and of its pace. Raises UsageProblem."""
    return settings.for_run(
        again=matching.again,
        preview=not sending.no_preview,
        final_check=not sending.no_final_check,
    )


def token_for_target(settings: Settings) -> str | None:
    """Return the token, None for a rehearsal. Raises UsageProblem where no Register is named."""
    return None if settings.target.is_rehearsal else settings.token()


def origin_named(register: RegisterChoice) -> str | None:
    """Return the Register that an option names, None where none does. Raises UsageProblem."""
    from batch.settings import target_of

    return None if register.register_name is None else target_of(register.register_name).origin


def context_of(settings: Settings, token: str | None, *, yes: bool = False) -> Context:
    """Return where a command works, on whose behalf, and the terminal that watches it."""
    from batch.commands.execute import Context
    from batch.record.records import Who

    python = platform.python_version()
    who = Who(_login(), settings.operator, platform.node(), __version__, python, _command_line())
    watcher = Terminal(yes=yes, notes=settings.notes())
    return Context(settings.reports_dir, token, who, watcher, settings.deliver_to)


def input_of(
    reading: FileReading,
    settings: Settings,
    *,
    attended: bool = True,
    require_trainee_id: bool = False,
) -> InputOptions:
    """Return how the file is to be read; the day is today in UTC. Raises UsageProblem."""
    from batch.run_settings import InputOptions

    return InputOptions(
        reading.file,
        dt.datetime.now(dt.UTC).date(),
        encoding=reading.encoding,
        sheet=reading.sheet,
        date_format=settings.date_format,
        allow_unusual_dates=reading.allow_unusual_dates,
        columns=settings.chosen_columns(reading.column or ()),
        hidden_rows=reading.hidden_rows,
        attended=attended,
        require_trainee_id=require_trainee_id,
        match_by=settings.match_by,
        command=_command_line(),
    )


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def _command_line() -> tuple[str, ...]:
    """Return the words behind `defer-batch`."""
    return tuple(as_text(word) for word in sys.argv[1:])
