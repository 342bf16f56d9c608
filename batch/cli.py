"""The command line: parse, wire, call, print, exit. No decisions."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from batch import __version__, terminal
from batch.errors import UsageProblem
from batch.failures import exit_code_of
from batch.options import (
    Access,
    AnyRun,
    AsJson,
    AskingPace,
    Delivery,
    Ending,
    FileReading,
    NewestRun,
    OneRun,
    OutFile,
    Pace,
    RegisterChoice,
    Reports,
    RowChoice,
    Screen,
    Sending,
    SendingPace,
    Since,
    Yes,
    given,
    with_groups,
)
from batch.wiring import (
    context_of,
    input_of,
    origin_named,
    run_settings_of,
    settings_of,
    token_for_target,
)

if TYPE_CHECKING:
    from batch.commands.execute import Finished

app = typer.Typer(
    name="defer-batch",
    help="Defer many trainees in the Register of trainee teachers from one CSV.",
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
    terminal.make_streams_usable()
    code = exit_code_of(lambda: app(standalone_mode=False))
    terminal.say_what_was_lost()
    sys.exit(code)


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Add a command of the function's name, with the options of the groups that it takes."""
    return app.command()(with_groups(function))


@app.callback(invoke_without_command=True)
def begin(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Defer many trainees in the Register of trainee teachers from one CSV."""
    if version:
        print(f"defer-batch {__version__}")  # noqa: T201
        raise typer.Exit
    if context.invoked_subcommand is None:
        terminal.show(
            "defer-batch: defer many trainees from one CSV.\n\n"
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
    """Read and validate every row; needs no token, sends nothing, writes nothing."""
    from batch.commands.check import check_file

    settings = settings_of(reading, pace)
    result = check_file(input_of(reading, settings), settings.rate_limit)
    terminal.show_either(result.as_json(), result.lines(), as_json=as_json)
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
    """Check, look each trainee up, and say what each row would become; reads only."""
    from batch.commands.preview_file import preview_file
    from batch.terminal import preview_lines

    settings = settings_of(register, pace, reports, reading, matching)
    found = preview_file(
        context_of(settings, token_for_target(settings)),
        run_settings_of(settings, matching, Sending()),
        input_of(reading, settings),
        out=out,
    )
    terminal.show_either(found.as_json(), preview_lines(found), as_json=as_json)
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
    yes: Yes = False,
) -> None:
    """Check, ask Register, confirm, submit, report."""
    from batch.commands.run import run_file

    settings = settings_of(register, pace, reports, reading, matching, ending)
    context = context_of(settings, token_for_target(settings), yes=yes)
    file = input_of(
        reading,
        settings,
        attended=terminal.is_attended() and not yes,
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
    register: RegisterChoice,
    pace: SendingPace,
    reports: Reports,
    ending: Ending,
    told: Screen,
    *,
    run: NewestRun = None,
    yes: Yes = False,
) -> None:
    """Continue a run that stopped early; without RUN, the newest unfinished one."""
    from batch.commands.resume import newest_unfinished, resume_run

    settings = settings_of(register, pace, reports.of(run), ending)
    run_id = newest_unfinished(settings.reports_dir) if run is None else run.run_id
    if run_id is None:
        terminal.say("nothing is unfinished: nothing to resume")
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
    run: OneRun,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before closing.")] = False,
) -> None:
    """End an unfinished run for good: nothing of it is sent any more."""
    from batch.commands.close import close_run

    settings = settings_of(access, pace, reports.of(run), ending)
    closed = close_run(
        context_of(settings, settings.token(), yes=yes),
        run.run_id,
        settings.of_run(given(access, pace)),
        confirm=lambda words: terminal.agreed(words, yes=yes or not terminal.is_attended()),
    )
    _end(closed, told=told)


@command
def runs(reports: Reports, *, since: Since = None, as_json: AsJson = False) -> None:
    """List the runs, newest first, with their counts."""
    from batch.commands.run_names import day_named
    from batch.commands.runs import listed_runs, warnings_of_runs
    from batch.terminal import runs_lines

    reports_dir, day = settings_of(reports).reports_dir, None if since is None else day_named(since)
    for words in warnings_of_runs(reports_dir):
        terminal.say(f"warning: {words}")
    listed = listed_runs(reports_dir, day)
    terminal.show_either(listed, runs_lines(listed), as_json=as_json)


@command
def report(
    reports: Reports,
    delivery: Delivery,
    told: Screen,
    *,
    run: OneRun,
    open_page: Annotated[bool, typer.Option("--open", help="Show the HTML page.")] = False,
) -> None:
    """Write a run's report again from the journal."""
    from batch.commands.report import write_again

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
        str | None, typer.Option("--manifest-sha256", help="The one that `run` printed.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that a run's files are complete, agree with the journal and are unaltered."""
    from batch.commands.verify import verify_all, verify_run

    if (run is None) != every_run or (every_run and manifest_sha256):
        raise UsageProblem("name one RUN, or give --all alone", hint="`defer-batch verify --help`")
    reports_dir = settings_of(reports.of(run)).reports_dir
    found = (
        verify_all(reports_dir, tool_version=__version__)
        if run is None
        else verify_run(run, reports_dir, manifest_sha256, tool_version=__version__)
    )
    terminal.show_either(found.as_json(), found.lines(), as_json=as_json)
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
    """Ask Register whether what a run reported still stands; reads only."""
    from batch.commands.reconcile import Which
    from batch.commands.reconcile import reconcile as reconciled

    settings = settings_of(register, pace, reports.of(run))
    found = reconciled(
        context_of(settings, settings.token()),
        Which.of(None if run is None else run.run_id, since),
        settings.of_run(given(register, pace)),
        register=origin_named(register),
        out=out,
    )
    terminal.show_either(found.as_json(), found.lines(), as_json=as_json)
    raise typer.Exit(found.exit_code)


@command
def purge(
    reports: Reports,
    *,
    older_than: Annotated[str, typer.Option("--older-than", help="An age, such as 90d.")],
    yes: Yes = False,
) -> None:
    """Delete old runs: journal rows and report folders."""
    from batch.commands.purge import purge_runs

    purged = purge_runs(
        settings_of(reports).reports_dir,
        older_than,
        confirm=lambda words: terminal.agreed(words, yes=yes),
    )
    terminal.show("\n".join(purged.lines()))
    for words in purged.left:
        terminal.say(f"warning: {words}")
    raise typer.Exit(purged.exit_code)


@command
def template() -> None:
    """Print an empty CSV with the right header."""
    from batch.columns import KNOWN

    terminal.show(",".join(KNOWN))


@command
def explain(
    *,
    code: Annotated[
        str | None, typer.Argument(metavar="[CODE]", help="A code of a report, such as not_sent.")
    ] = None,
) -> None:
    """Explain what a code means and what to do; without CODE, all of them."""
    from batch.commands.explain import explained

    terminal.show("\n".join(explained(code)))


@command
def doctor(register: RegisterChoice, reports: Reports, *, as_json: AsJson = False) -> None:
    """Is everything ready? Token, version, network, folder, clock; reads only."""
    from batch.commands.doctor import examine

    readiness = examine(settings_of(register, reports), time.time)
    terminal.show_either(readiness.as_json(), readiness.lines(), as_json=as_json)
    raise typer.Exit(readiness.exit_code)


@app.command("app")
@with_groups
def open_app(
    register: RegisterChoice,
    pace: SendingPace,
    reports: Reports,
    ending: Ending,
    *,
    port: Annotated[
        int, typer.Option("--port", help="Where it listens, on this machine.  [any that is free]")
    ] = 0,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address.")
    ] = False,
) -> None:
    """Open the same work as pages in a browser, on this machine only."""
    from batch.app.serving import serve_app

    settings = settings_of(register, pace, reports, ending)
    serve_app(settings, port=port, browser=not no_browser, say=terminal.show)


@command
def emulator(
    pace: Pace,
    *,
    trainees: Annotated[
        Path | None, typer.Option("--trainees", help="CSV of trainee_id,state that it knows.")
    ] = None,
    port: Annotated[int, typer.Option("--port", help="Where it listens, on this machine.")] = 8765,
) -> None:
    """Serve a local emulator of Register until Ctrl-C."""
    from batch.commands.emulator import serve_until_interrupted

    limit = settings_of(pace).rate_limit
    rate = None if limit is None else (limit.requests, limit.period_seconds)
    serve_until_interrupted(port, trainees=trainees, rate_limit=rate)


def _end(finished: Finished | None, *, told: Screen) -> NoReturn:
    terminal.show_finished(finished, as_json=told.as_json, verbose=told.verbose)
    raise typer.Exit(0 if finished is None else finished.exit_code)
