"""The options of the commands, in the groups in which commands take them.

Each field of a group is an option: its name, its default, what `--help` says.
`with_groups` gives a command the options of the groups that it takes, so a new option is one field
here. A field with the name of a field of `Settings` decides that setting (`given`).
An option of one command alone stands in that command's signature.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self, dataclass_transform, get_type_hints

import typer

from batch import completing
from batch.commands.run_names import NamedRun, named


@dataclass_transform(kw_only_default=True, frozen_default=True)
class OptionGroup:
    """Options that belong together; None in a field: not given.

    It is used as a dataclass is. Making dataclasses of the groups takes longer than anything else
    that a command does before its own work, `import typer` aside.
    """

    def __init__(self, **options: Any) -> None:
        vars(self).update(options)


class Access(OptionGroup):
    """How Register is reached."""

    api_token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A file that holds your token, and nothing else."),
    ] = None
    api_version: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION",
            help="The version of Register's API.  [v2025.0]",
            autocompletion=completing.versions,
        ),
    ] = None
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="How long to wait for one answer.  [30]")
    ] = None


class RegisterChoice(Access):
    """Which Register, and how it is reached.

    `register_name` is called so because pydantic's models have a `register` of their own.
    """

    register_name: Annotated[
        str | None,
        typer.Option(
            "--register",
            metavar="WHICH",
            help="production; sandbox, for tests; emulator, a rehearsal on this machine; or the "
            "address of another one (https://…).",
            autocompletion=completing.registers,
        ),
    ] = None


class RegisterAsBegun(RegisterChoice):
    """The Register that a run began with: it can be repeated, and is not offered."""

    register_name: Annotated[str | None, typer.Option("--register", hidden=True)] = None


class Pace(OptionGroup):
    """How many requests may be sent."""

    rate_limit: Annotated[
        str | None,
        typer.Option(
            metavar="N/SECONDS",
            help="Send N requests in so many seconds, or none: no limit.  [100/60]",
        ),
    ] = None


class AskingPace(Pace):
    """How fast Register is asked, and for how long."""

    max_at_once: Annotated[
        int | None, typer.Option(metavar="N", help="Requests that wait for an answer.  [10]")
    ] = None
    give_up_after: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="How long Register may fail before it stops.  [120]"),
    ] = None


class SendingPace(AskingPace):
    """The same where deferrals are sent, of which an answer can be lost."""

    lost_answer_wait: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="How long to wait after a lost answer before a row may be sent again.  [60]",
        ),
    ] = None


class Reports(OptionGroup):
    """Where the journal and the reports are."""

    reports_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where the reports are, and the record of all runs (journal.db).  [reports]",
        ),
    ] = None

    def of(self, run: NamedRun | None) -> Self:
        """Return the folder that a path to a run's folder stands in, unless one was given."""
        if self.reports_dir is not None or run is None:
            return self
        return type(self)(reports_dir=run.reports_dir)


class Delivery(OptionGroup):
    """Where a finished run's report goes besides."""

    deliver_to: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Copy each finished run's report there, for others."),
    ] = None


class Ending(Delivery):
    """Who answers for a run, and where its report goes besides."""

    operator: Annotated[
        str | None, typer.Option(metavar="NAME", help="Your name, for the report.  [your login]")
    ] = None


class FileReading(OptionGroup):
    """Which file, and how it is to be read."""

    file: Annotated[Path, typer.Argument(metavar="FILE", help="Your list: a CSV or .xlsx.")]
    date_format: Annotated[
        str | None,
        typer.Option(
            metavar="iso|dmy",
            help="How dates are written: iso (2024-06-17) or dmy (17/06/2024).  [iso]",
            autocompletion=completing.date_formats,
        ),
    ] = None
    encoding: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="How a CSV is encoded.  [found out from the file]"),
    ] = None
    sheet: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The sheet of an .xlsx.  [the only one that fits]"),
    ] = None
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=HEADER",
            help="The header of your column that holds NAME, such as defer_date; `NAME=`: none.",
            autocompletion=completing.column_names,
        ),
    ] = None
    hidden_rows: Annotated[
        Literal["include", "skip"] | None,
        typer.Option(
            metavar="include|skip", help="What to do with rows that a workbook hides.  [refuse]"
        ),
    ] = None
    allow_unusual_dates: Annotated[
        bool,
        typer.Option(
            "--allow-unusual-dates", help="Send dates before 2000 or more than a year ahead."
        ),
    ] = False


class RowChoice(OptionGroup):
    """Which of the rows are sent, and whose they are."""

    match_by: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What says who the trainee is: trainee_id, trn, hesa_id or provider_trainee_id.  "
            "[found out from the columns]",
            autocompletion=completing.naming_columns,
        ),
    ] = None
    again: Annotated[
        bool, typer.Option("--again", help="Send also what earlier runs dealt with.")
    ] = False


class Sending(OptionGroup):
    """How a new run differs from the usual one."""

    no_preview: Annotated[
        bool,
        typer.Option(
            "--no-preview", help="Do not look the trainees up in Register before sending."
        ),
    ] = False
    no_final_check: Annotated[
        bool, typer.Option("--no-final-check", help="Do not read the deferrals back at the end.")
    ] = False
    start_over: Annotated[
        bool,
        typer.Option(
            "--start-over", help="Give up the unfinished run of this list, and begin anew."
        ),
    ] = False
    accept_older_journal: Annotated[
        bool,
        typer.Option(
            "--accept-older-journal",
            help="Go on although reports are of runs that the record of all runs does not know.",
        ),
    ] = False


class Screen(OptionGroup):
    """How the end of a run is told."""

    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show every group of rows, however many.")
    ] = False
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")] = False


YesToSend = Annotated[bool, typer.Option("--yes", help="Do not ask before sending.")]
YesToClose = Annotated[bool, typer.Option("--yes", help="Do not ask before closing.")]
YesToDelete = Annotated[bool, typer.Option("--yes", help="Do not ask before deleting.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
OutFile = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Write the rows with what was found: a CSV."),
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since", metavar="DATE", help="Only runs begun on or after that day: 2026-09-01."
    ),
]


def _run(help_text: str, completed: Callable[[Any], completing.Offered]) -> Any:
    return typer.Argument(metavar="RUN", parser=named, help=help_text, autocompletion=completed)


_ITS_NAME = "The run's id, or its folder."

OneRun = Annotated[NamedRun, _run(_ITS_NAME, completing.all_runs)]
UnfinishedRun = Annotated[NamedRun, _run(_ITS_NAME, completing.unfinished_runs)]
AnyRun = Annotated[NamedRun | None, _run(_ITS_NAME, completing.all_runs)]
NewestRun = Annotated[NamedRun | None, _run(f"{_ITS_NAME}  [the newest]", completing.all_runs)]
NewestUnfinished = Annotated[
    NamedRun | None, _run(f"{_ITS_NAME}  [the newest unfinished one]", completing.unfinished_runs)
]


def given(*groups: OptionGroup) -> dict[str, Any]:
    """Return the options of some groups that were given, by the names of their fields."""
    values = {
        name: getattr(group, name)
        for group in groups
        for name in _fields(type(group))  # type: ignore[arg-type]  # a class can be hashed
    }
    return {name: value for name, value in values.items() if value is not None}


def with_groups(function: Callable[..., None]) -> Callable[..., None]:
    """Return a command with the options of its groups where it takes a group."""
    hints = get_type_hints(function, localns=globals(), include_extras=True)
    groups = {name: hint for name, hint in hints.items() if _is_group(hint)}

    @functools.wraps(function)
    def command(**options: Any) -> None:
        for name, group in groups.items():
            options[name] = group(**{option: options.pop(option) for option in _fields(group)})
        function(**options)

    parameters = list(_parameters(function, hints))
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {option.name: option.annotation for option in parameters}
    return command


def _parameters(
    function: Callable[..., None], hints: dict[str, Any]
) -> Iterator[inspect.Parameter]:
    """Yield what typer is shown: the fields of a group in place of the group."""
    for name, own in inspect.signature(function).parameters.items():
        if _is_group(hints[name]):
            for option, hint in _fields(hints[name]).items():
                default = getattr(hints[name], option, inspect.Parameter.empty)
                yield _parameter(option, hint, default)
        else:
            yield _parameter(name, hints[name], own.default)


@functools.cache
def _fields(group: type[Any]) -> dict[str, Any]:
    """Return the annotation of each field, those of the groups that it extends first."""
    return get_type_hints(group, include_extras=True)


def _parameter(name: str, annotation: object, default: object) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY  # so that one with a default may stand before others
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


def _is_group(hint: object) -> bool:
    return isinstance(hint, type) and issubclass(hint, OptionGroup)
