"""The command line: parse, wire, call, print, exit. No decisions."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from batch import __version__, completing
from batch.errors import UsageProblem
from batch.failures import exit_code_of
from batch.known_commands import GroupOfKnownCommands, KnownCommands
from batch.streams import make_streams_usable, say, say_what_was_lost, show, show_either

if TYPE_CHECKING:
    from batch.commands.execute import Finished
    from batch.options import (
        Access,
        AnyRun,
        AsJson,
        AskingPace,
        Delivery,
        Ending,
        FileReading,
        NewestRun,
        NewestUnfinished,
        OneRun,
        OutFile,
        Pace,
        RegisterAsBegun,
        RegisterChoice,
        Reports,
        RowChoice,
        Screen,
        Sending,
        SendingPace,
        Since,
        UnfinishedRun,
        YesToClose,
        YesToDelete,
        YesToSend,
    )

COMMANDS = KnownCommands()


class _Group(GroupOfKnownCommands):
    known = COMMANDS


app = typer.Typer(
    name="defer-batch",
    cls=_Group,
    help="Defer many trainees in the Register of trainee teachers from one list.",
    epilog="`defer-batch COMMAND --help` shows what a command takes, with two examples.",
    no_args_is_help=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "terminal_width": min(shutil.get_terminal_size().columns, 80),
    },
)


def main() -> None:
    """Run the command; turn every failure that a user can cause into words and an exit code."""
    make_streams_usable()
    code = exit_code_of(lambda: app(standalone_mode=False))
    say_what_was_lost()
    sys.exit(code)


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Add a command of the function's name, with the options of the groups that it takes."""
    COMMANDS.add(function.__name__, function, takes_groups=True)
    return function


def plain_command(function: Callable[..., None]) -> Callable[..., None]:
    """Add a command of the function's name that takes no group of options."""
    COMMANDS.add(function.__name__, function, takes_groups=False)
    return function


@app.callback(invoke_without_command=True)
def begin(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Defer many trainees in the Register of trainee teachers from one list."""
    if version:
        print(f"defer-batch {__version__}")  # noqa: T201
        raise typer.Exit
    if context.invoked_subcommand is None:
        show(
            "defer-batch: defer many trainees from one list.\n\n"
            "Where to begin:\n\n"
            "`defer-batch app` opens it in your browser. Or here:\n\n"
            "An empty file with the right header:\n"
            "  defer-batch template > deferrals.csv\n"
            "Is every row valid? Sends nothing:\n"
            "  defer-batch check deferrals.csv\n"
            "A rehearsal, which sends nothing either:\n"
            "  defer-batch run deferrals.csv --register emulator\n"
            "Every command:\n"
            "  defer-batch --help"
        )


@command
def check(reading: FileReading, pace: Pace, *, as_json: AsJson = False) -> None:
    """Check every row of a list. Needs no token, sends and writes nothing."""
    from batch.commands.check import check_file
    from batch.wiring import input_of, settings_of

    settings = settings_of(reading, pace)
    result = check_file(input_of(reading, settings), settings.rate_limit)
    show_either(result.as_json(), result.lines(), as_json=as_json)
    raise typer.Exit(result.exit_code)


@command
def preview(
    register: RegisterChoice,
    pace: AskingPace,
    reports: Reports,
    reading: FileReading,
    matching: RowChoice,
    *,
    out: OutFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what would become of each row. Looks trainees up, only reads."""
    from batch.commands.preview_file import preview_file
    from batch.options import Sending
    from batch.terminal import preview_lines
    from batch.wiring import context_of, input_of, run_settings_of, settings_of, token_for_target

    settings = settings_of(register, pace, reports, reading, matching)
    found = preview_file(
        context_of(settings, token_for_target(settings)),
        run_settings_of(settings, matching, Sending()),
        input_of(reading, settings),
        out=out,
    )
    show_either(found.as_json(), preview_lines(found), as_json=as_json)
    raise typer.Exit(found.exit_code)


@command
def run(
    register: RegisterChoice,
    pace: SendingPace,
    reports: Reports,
    reading: FileReading,
    matching: RowChoice,
    sending: Sending,
    ending: Ending,
    told: Screen,
    *,
    yes: YesToSend = False,
) -> None:
    """Send a list to Register, row by row, and report.

    First it checks every row, looks each trainee up, shows what will become of them, and asks.
    """
    from batch.commands.run import run_file
    from batch.terminal import is_attended
    from batch.wiring import context_of, input_of, run_settings_of, settings_of, token_for_target

    settings = settings_of(register, pace, reports, reading, matching, ending)
    context = context_of(settings, token_for_target(settings), yes=yes)
    file = input_of(
        reading,
        settings,
        attended=is_attended() and not yes,
        require_trainee_id=sending.no_preview or settings.match_by == "trainee_id",
    )
    new_run = run_settings_of(settings, matching, sending)
    finished = run_file(
        context,
        new_run,
        file,
        start_over=sending.start_over,
        accept_older_journal=sending.accept_older_journal,
    )
    _end(finished, told=told)


@command
def resume(
    register: RegisterAsBegun,
    pace: SendingPace,
    reports: Reports,
    ending: Ending,
    told: Screen,
    *,
    run: NewestUnfinished = None,
    yes: YesToSend = False,
) -> None:
    """Continue a run that stopped early.

    It asks Register about rows without an answer before it sends anything again.
    """
    from batch.commands.resume import newest_unfinished, resume_run
    from batch.options import given
    from batch.wiring import context_of, origin_named, settings_of

    settings = settings_of(register, pace, reports.of(run), ending)
    run_id = newest_unfinished(settings.reports_dir) if run is None else run.run_id
    if run_id is None:
        say("nothing is unfinished: nothing to resume")
        _end(None, told=told)
    finished = resume_run(
        context_of(settings, settings.token(), yes=yes),
        run_id,
        settings.of_run(given(register, pace)),
        register=origin_named(register),
        yes=yes,
    )
    _end(finished, told=told)


@command
def close(
    access: Access,
    pace: SendingPace,
    reports: Reports,
    ending: Ending,
    told: Screen,
    *,
    run: UnfinishedRun,
    yes: YesToClose = False,
) -> None:
    """End an unfinished run for good. Nothing of it is sent any more.

    A row whose request may have arrived is looked up in Register first.
    """
    from batch.commands.close import close_run
    from batch.options import given
    from batch.terminal import agreed, is_attended
    from batch.wiring import context_of, settings_of

    settings = settings_of(access, pace, reports.of(run), ending)
    closed = close_run(
        context_of(settings, settings.token(), yes=yes),
        run.run_id,
        settings.of_run(given(access, pace)),
        confirm=lambda words: agreed(words, yes=yes or not is_attended()),
    )
    _end(closed, told=told)


@command
def runs(reports: Reports, *, since: Since = None, as_json: AsJson = False) -> None:
    """List the runs, newest first, and what became of their rows."""
    from batch.commands.run_names import day_named
    from batch.commands.runs import listed_runs, warnings_of_runs
    from batch.terminal import runs_lines
    from batch.wiring import settings_of

    reports_dir, day = settings_of(reports).reports_dir, None if since is None else day_named(since)
    for words in warnings_of_runs(reports_dir):
        say(f"warning: {words}")
    listed = listed_runs(reports_dir, day)
    show_either(listed, runs_lines(listed, of_term=day is not None), as_json=as_json)


@command
def report(
    reports: Reports,
    delivery: Delivery,
    told: Screen,
    *,
    run: OneRun,
    open_page: Annotated[bool, typer.Option("--open", help="Show the HTML page.")] = False,
) -> None:
    """Write a run's report again, from the record of all runs."""
    from batch.commands.report import write_again
    from batch.wiring import settings_of

    settings = settings_of(reports.of(run), delivery)
    finished = write_again(
        settings.reports_dir,
        run.run_id,
        tool_version=__version__,
        deliver_to=settings.deliver_to,
    )
    if open_page:
        typer.launch(str((finished.folder / "report.html").resolve()))
    _end(finished, told=told)


@command
def verify(
    reports: Reports,
    *,
    run: AnyRun = None,
    every_run: Annotated[
        bool, typer.Option("--all", help="Every run, and whether one is missing.")
    ] = False,
    manifest_sha256: Annotated[
        str | None,
        typer.Option(
            "--manifest-sha256", metavar="SHA256", help="The last line that `run` printed then."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that a run's report is complete and unaltered.

    Each file is held against the run's manifest.json (its list of files and fingerprints), and
    against journal.db, the record of all runs.
    """
    from batch.commands.verify import verify_all, verify_run
    from batch.wiring import settings_of

    if (run is None) != every_run or (every_run and manifest_sha256):
        raise UsageProblem("name one RUN, or give --all alone", hint="`defer-batch verify --help`")
    reports_dir = settings_of(reports.of(run)).reports_dir
    found = (
        verify_all(reports_dir, tool_version=__version__)
        if run is None
        else verify_run(run, reports_dir, manifest_sha256, tool_version=__version__)
    )
    show_either(found.as_json(), found.lines(), as_json=as_json)
    raise typer.Exit(found.verdict.exit_code)


@command
def reconcile(
    register: RegisterChoice,
    pace: AskingPace,
    reports: Reports,
    *,
    run: NewestRun = None,
    since: Since = None,
    out: OutFile = None,
    as_json: AsJson = False,
) -> None:
    """Ask Register whether what a run reported still stands. Only reads."""
    from batch.commands.reconcile import Which
    from batch.commands.reconcile import reconcile as reconciled
    from batch.options import given
    from batch.wiring import context_of, origin_named, settings_of

    settings = settings_of(register, pace, reports.of(run))
    found = reconciled(
        context_of(settings, settings.token()),
        Which.of(None if run is None else run.run_id, since),
        settings.of_run(given(register, pace)),
        register=origin_named(register),
        out=out,
    )
    show_either(found.as_json(), found.lines(), as_json=as_json)
    raise typer.Exit(found.exit_code)


@command
def purge(
    reports: Reports,
    *,
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="AGE", help="Days or weeks: 90d, 26w.")
    ],
    yes: YesToDelete = False,
) -> None:
    """Delete the rows and reports of old runs.

    What they deferred stays known, so that it is not sent again. Unfinished runs are kept.
    """
    from batch.commands.purge import purge_runs
    from batch.terminal import agreed
    from batch.wiring import settings_of

    purged = purge_runs(
        settings_of(reports).reports_dir,
        older_than,
        confirm=lambda words: agreed(words, yes=yes),
    )
    show("\n".join(purged.lines()))
    for words in purged.left:
        say(f"warning: {words}")
    raise typer.Exit(purged.exit_code)


@plain_command
def template() -> None:
    """Print an empty list, a CSV with the right header."""
    from batch.columns import KNOWN

    show(",".join(KNOWN))


@plain_command
def explain(
    *,
    code: Annotated[
        str | None,
        typer.Argument(
            metavar="CODE",
            help="A code of a report, such as not_sent.  [all of them]",
            autocompletion=completing.codes,
        ),
    ] = None,
) -> None:
    """Explain the codes of a report: what they mean, what to do."""
    from batch.commands.explain import explained

    show("\n".join(explained(code)))


@command
def doctor(
    register: RegisterChoice, reports: Reports, delivery: Delivery, *, as_json: AsJson = False
) -> None:
    """Check whether everything is ready for a run. Only reads.

    Token, version, network, folders, clock, and runs that are unfinished.
    """
    from batch.commands.doctor import examine
    from batch.wiring import settings_of

    readiness = examine(settings_of(register, reports, delivery), time.time)
    show_either(readiness.as_json(), readiness.lines(), as_json=as_json)
    raise typer.Exit(readiness.exit_code)


def open_app(
    register: RegisterChoice,
    pace: SendingPace,
    reports: Reports,
    ending: Ending,
    *,
    port: Annotated[
        int,
        typer.Option(
            "--port",
            metavar="PORT",
            show_default=False,
            help="Where it listens, on this machine.  [any that is free]",
        ),
    ] = 0,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address.")
    ] = False,
) -> None:
    """Open the same work as pages in your browser."""
    from batch.app.serving import serve_app
    from batch.wiring import settings_of

    settings = settings_of(register, pace, reports, ending)
    serve_app(settings, port=port, browser=not no_browser, say=show)


COMMANDS.add("app", open_app, takes_groups=True)


@command
def emulator(
    pace: Pace,
    *,
    trainees: Annotated[
        Path | None,
        typer.Option(
            "--trainees", metavar="FILE", help="The trainees that it knows: trainee_id,state."
        ),
    ] = None,
    port: Annotated[
        int,
        typer.Option(
            "--port",
            metavar="PORT",
            show_default=False,
            help="Where it listens, on this machine.  [8765]",
        ),
    ] = 8765,
) -> None:
    """Serve a stand-in for Register on this machine, until Ctrl-C."""
    from batch.commands.emulator import serve_until_interrupted
    from batch.wiring import settings_of

    limit = settings_of(pace).rate_limit
    rate = None if limit is None else (limit.requests, limit.period_seconds)
    serve_until_interrupted(port, trainees=trainees, rate_limit=rate)


def _end(finished: Finished | None, *, told: Screen) -> NoReturn:
    from batch.terminal import show_finished

    show_finished(finished, as_json=told.as_json, verbose=told.verbose)
    raise typer.Exit(0 if finished is None else finished.exit_code)
