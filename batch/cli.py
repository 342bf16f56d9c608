"""The command line: parse, wire, call, print, exit. No decisions."""

from __future__ import annotations

import datetime as dt
import gc
import getpass
import json
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from batch import __version__
from batch.errors import DeferBatchError, UsageProblem
from batch.files import as_text
from batch.lines import fitted
from batch.words import printable

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

File = Annotated[Path, typer.Argument(metavar="FILE", help="The CSV (or .xlsx) of trainees.")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run id, or a path to its folder.")]
Reports = Annotated[
    Path | None,
    typer.Option("--reports-dir", help="Where the journal and the run folders live.  [reports]"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before sending.")]
RateLimitText = Annotated[
    str | None,
    typer.Option("--rate-limit", help="Requests / seconds, or none.  [100/60]"),
]
MaxAtOnce = Annotated[int | None, typer.Option("--max-at-once", help="Requests in flight.  [10]")]
Timeout = Annotated[
    float | None, typer.Option("--timeout", help="Seconds to wait for one answer.  [30]")
]
LostAnswerWait = Annotated[
    float | None,
    typer.Option(
        "--lost-answer-wait",
        help="Seconds after a lost answer before the row may be sent again.  [60]",
    ),
]
GiveUpAfter = Annotated[
    float | None,
    typer.Option(
        "--give-up-after", help="Seconds of Register failing before the run stops.  [120]"
    ),
]
DateFormat = Annotated[
    str | None,
    typer.Option("--date-format", help="iso (2024-06-17) or dmy (17/06/2024).  [iso]"),
]
Encoding = Annotated[
    str | None, typer.Option("--encoding", help="How the file is encoded.  [told by the bytes]")
]
Sheet = Annotated[str | None, typer.Option("--sheet", help="The sheet of an .xlsx.  [first]")]
UnusualDates = Annotated[
    bool,
    typer.Option("--allow-unusual-dates", help="Send dates before 2000 or more than a year ahead."),
]
RegisterName = Annotated[
    str | None,
    typer.Option("--register", help="production, sandbox, emulator, or a base URL."),
]
TokenFile = Annotated[
    Path | None, typer.Option("--api-token-file", help="A file that holds the token.")
]
ApiVersion = Annotated[
    str | None, typer.Option("--api-version", help="The version in the URL path.  [v2025.0]")
]
Operator = Annotated[str | None, typer.Option("--operator", help="Your name, for the manifest.")]


def main() -> None:
    """Run the command; turn every failure that a user can cause into words and an exit code."""
    gc.disable()  # a start makes much and throws nothing away; who works long collects again
    _make_streams_usable()
    try:
        code = int(app(standalone_mode=False) or 0)
    except DeferBatchError as error:
        _complain(str(error))
        code = error.exit_code
    except typer.Exit as leaving:
        code = leaving.exit_code
    except typer.Abort:
        code = 130
    except KeyboardInterrupt:
        _complain("interrupted; nothing more was sent")
        code = 130
    except OSError as error:
        _complain(f"error: cannot use {error.filename or 'a file'}: {error.strerror}")
        code = 2
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        _complain(f"error: {error.format_message()}\nhint: `defer-batch --help`")
        code = 2
    sys.exit(code)


@app.callback(invoke_without_command=True)
def begin(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Defer many trainees in the Register of trainee teachers from one CSV."""
    if version:
        print(f"defer-batch {__version__}")  # noqa: T201
        raise typer.Exit
    if context.invoked_subcommand is None:
        _print(
            "defer-batch: defer many trainees from one CSV.\n\n"
            "Where to begin:\n\n"
            "An empty file with the right header:\n"
            "  defer-batch template > deferrals.csv\n"
            "Is every row valid? Sends nothing:\n"
            "  defer-batch check deferrals.csv\n"
            "A rehearsal, which sends nothing either:\n"
            "  defer-batch run deferrals.csv --register emulator\n"
            "Every command:\n"
            "  defer-batch --help"
        )


@app.command()
def check(
    file: File,
    date_format: DateFormat = None,
    encoding: Encoding = None,
    sheet: Sheet = None,
    allow_unusual_dates: UnusualDates = False,
    rate_limit: RateLimitText = None,
    as_json: AsJson = False,
) -> None:
    """Read and validate every row; needs no token, sends nothing, writes nothing."""
    from batch.settings import Settings  # noqa: PLC0415 — `--help` imports nothing heavy
    from batch.submission.checking import check_file  # noqa: PLC0415

    settings = Settings.load(date_format=date_format, rate_limit=rate_limit)
    pace = settings.pace
    result = check_file(
        _input_options(file, settings.date_format, encoding, sheet, allow_unusual_dates),
        rate=None if pace is None else (pace.requests, pace.period_seconds),
    )
    _show_either(result.as_json(), result.lines(), as_json=as_json)
    raise typer.Exit(result.exit_code)


@app.command()
def run(
    file: File,
    register: RegisterName = None,
    api_token_file: TokenFile = None,
    api_version: ApiVersion = None,
    rate_limit: RateLimitText = None,
    max_at_once: MaxAtOnce = None,
    timeout: Timeout = None,
    lost_answer_wait: LostAnswerWait = None,
    give_up_after: GiveUpAfter = None,
    reports_dir: Reports = None,
    date_format: DateFormat = None,
    encoding: Encoding = None,
    sheet: Sheet = None,
    allow_unusual_dates: UnusualDates = False,
    operator: Operator = None,
    yes: Yes = False,
    again: Annotated[
        bool, typer.Option("--again", help="Send rows that earlier runs would hold back.")
    ] = False,
    start_over: Annotated[
        bool, typer.Option("--start-over", help="Begin anew although a run is unfinished.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check, ask Register, confirm, submit, report."""
    from batch.settings import Settings  # noqa: PLC0415
    from batch.submission.beginning import run_file  # noqa: PLC0415
    from batch.submission.desk import Desk  # noqa: PLC0415
    from batch.terminal import Terminal  # noqa: PLC0415

    settings = Settings.load(
        register_name=register,
        api_token_file=api_token_file,
        api_version=api_version,
        rate_limit=rate_limit,
        max_at_once=max_at_once,
        timeout=timeout,
        lost_answer_wait=lost_answer_wait,
        give_up_after=give_up_after,
        reports_dir=reports_dir,
        date_format=date_format,
    )
    finished = run_file(
        Desk(
            settings.reports_dir,
            None if settings.target.is_rehearsal else settings.token(),
            _who(operator),
            Terminal(yes=yes),
        ),
        _terms(settings, again=again),
        _input_options(file, settings.date_format, encoding, sheet, allow_unusual_dates),
        start_over=start_over,
    )
    _show(finished, as_json=as_json)


@app.command()
def resume(
    run_name: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="A run id or folder.  [newest]")
    ] = None,
    api_token_file: TokenFile = None,
    register: RegisterName = None,
    api_version: ApiVersion = None,
    rate_limit: RateLimitText = None,
    max_at_once: MaxAtOnce = None,
    timeout: Timeout = None,
    lost_answer_wait: LostAnswerWait = None,
    give_up_after: GiveUpAfter = None,
    reports_dir: Reports = None,
    operator: Operator = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Carry on a run that stopped early; without RUN, the newest unfinished one."""
    from batch.settings import Settings, target_of  # noqa: PLC0415
    from batch.submission.desk import Desk  # noqa: PLC0415
    from batch.submission.resuming import newest_unfinished, resume_run  # noqa: PLC0415
    from batch.terminal import Terminal, say  # noqa: PLC0415

    settings = Settings.load(
        api_token_file=api_token_file,
        rate_limit=rate_limit,
        max_at_once=max_at_once,
        timeout=timeout,
        lost_answer_wait=lost_answer_wait,
        give_up_after=give_up_after,
        reports_dir=_reports_dir(run_name, reports_dir),
    )
    run_id = newest_unfinished(settings.reports_dir) if run_name is None else _run_id(run_name)
    if run_id is None:
        say("nothing is unfinished: nothing to resume")
        _show(None, as_json=as_json)
    given = {
        "max_at_once": max_at_once,
        "timeout_seconds": timeout,
        "lost_answer_wait_seconds": lost_answer_wait,
        "give_up_after_seconds": give_up_after,
    }
    changed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    changed |= {} if rate_limit is None else _rate(settings)
    finished = resume_run(
        Desk(settings.reports_dir, settings.token(), _who(operator), Terminal(yes=yes)),
        run_id,
        changed,
        register=None if register is None else target_of(register).origin,
        api_version=api_version,
        yes=yes,
    )
    _show(finished, as_json=as_json)


@app.command()
def runs(reports_dir: Reports = None, as_json: AsJson = False) -> None:
    """List the runs, newest first, with their counts."""
    from batch.listing import runs_lines  # noqa: PLC0415
    from batch.settings import Settings  # noqa: PLC0415
    from batch.submission import history  # noqa: PLC0415

    listed = history.runs(Settings.load(reports_dir=reports_dir).reports_dir)
    _show_either(listed, runs_lines(listed), as_json=as_json)


@app.command()
def report(
    run_name: RunName,
    reports_dir: Reports = None,
    open_page: Annotated[bool, typer.Option("--open", help="Show the HTML page.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a run's report again from the journal."""
    from batch.settings import Settings  # noqa: PLC0415
    from batch.submission.history import write_again  # noqa: PLC0415

    settings = Settings.load(reports_dir=_reports_dir(run_name, reports_dir))
    finished = write_again(settings.reports_dir, _run_id(run_name), tool_version=__version__)
    if open_page:
        typer.launch(str((finished.folder / "report.html").resolve()))
    _show(finished, as_json=as_json)


@app.command()
def verify(
    run_name: RunName,
    reports_dir: Reports = None,
    manifest_sha256: Annotated[
        str | None, typer.Option("--manifest-sha256", help="The one that `run` printed.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that a run's files are complete, agree with the journal and are unaltered."""
    from batch.settings import Settings  # noqa: PLC0415
    from batch.submission.history import verify_run  # noqa: PLC0415
    from batch.submission.places import named  # noqa: PLC0415

    settings = Settings.load(reports_dir=_reports_dir(run_name, reports_dir))
    verdict = verify_run(
        named(run_name), settings.reports_dir, manifest_sha256, tool_version=__version__
    )
    _show_either(verdict.as_json(), verdict.lines(), as_json=as_json)
    raise typer.Exit(0 if verdict.holds else 1)


@app.command()
def purge(
    older_than: Annotated[str, typer.Option("--older-than", help="An age, such as 90d.")],
    reports_dir: Reports = None,
    yes: Yes = False,
) -> None:
    """Delete old runs: journal rows and report folders."""
    from batch.settings import Settings  # noqa: PLC0415
    from batch.submission.purging import purge_runs  # noqa: PLC0415
    from batch.terminal import say  # noqa: PLC0415

    settings = Settings.load(reports_dir=reports_dir)
    purged = purge_runs(settings.reports_dir, older_than, confirm=lambda words: _agreed(words, yes))
    _print("\n".join(purged.lines()))
    for words in purged.left:
        say(f"warning: {words}")
    raise typer.Exit(purged.exit_code)


@app.command()
def template() -> None:
    """Print an empty CSV with the right header."""
    from batch.columns import KNOWN  # noqa: PLC0415

    _print(",".join(KNOWN))


@app.command()
def emulator(
    trainees: Annotated[
        Path | None, typer.Option("--trainees", help="CSV of trainee_id,state that it knows.")
    ] = None,
    port: Annotated[int, typer.Option("--port", help="Where it listens, on this machine.")] = 8765,
    rate_limit: RateLimitText = None,
) -> None:
    """Serve a local emulator of Register until Ctrl-C."""
    from batch.register.serving import serve_until_interrupted  # noqa: PLC0415
    from batch.settings import Settings  # noqa: PLC0415

    gc.enable()
    pace = Settings.load(rate_limit=rate_limit).pace
    rate = None if pace is None else (pace.requests, pace.period_seconds)
    serve_until_interrupted(port, trainees=trainees, rate_limit=rate)


def _make_streams_usable() -> None:
    """Let no closed stream, and no letter that the terminal's encoding lacks, end a run."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        else:
            stream.reconfigure(errors="backslashreplace")


def _complain(words: str) -> None:
    sys.stderr.write(fitted(printable(words), sys.stderr) + "\n")


def _print(words: str, *, as_is: bool = False) -> None:
    """Write to standard output; who closed it (`| head`) still gets the exit code.

    `as_is` leaves alone what is for programs; the rest is broken where a terminal is narrow.
    """
    try:
        shown = words if as_is else fitted(printable(words), sys.stdout)
        sys.stdout.write(shown + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show_either(content: object, lines: list[str], *, as_json: bool) -> None:
    """Print what a command found, for programs or for people."""
    _print(json.dumps(content, indent=2) if as_json else "\n".join(lines), as_is=as_json)


def _show(finished: Any, *, as_json: bool) -> NoReturn:
    """Print a run's summary, and its manifest's SHA-256 as the last line; exit as it says."""
    from batch.record.report import NO_RUN  # noqa: PLC0415
    from batch.rows import REHEARSAL  # noqa: PLC0415
    from batch.terminal import say, summary_lines  # noqa: PLC0415

    if finished is None:
        if as_json:
            _print(json.dumps(NO_RUN, indent=2), as_is=True)
        raise typer.Exit(0)
    if as_json:
        summary = (finished.folder / "summary.json").read_text(encoding="utf-8")
        _print(summary.rstrip(), as_is=True)
        if finished.run.rehearsal:
            say(REHEARSAL)
    else:
        _print("\n".join(summary_lines(finished)))
    for words in finished.warnings:
        say(f"warning: {words}")
    if finished.manifest_sha256:
        (say if as_json else _print)(f"manifest sha256: {finished.manifest_sha256}")
    raise typer.Exit(finished.exit_code)


def _terms(settings: Any, *, again: bool) -> Any:
    """Give what a run is told of Register and of pace. Raises UsageProblem."""
    from batch.submission.terms import Terms  # noqa: PLC0415

    return Terms(
        environment=settings.target.environment,
        origin=settings.target.origin,
        api_version=settings.api_version,
        max_at_once=settings.max_at_once,
        timeout_seconds=settings.timeout,
        lost_answer_wait_seconds=settings.lost_answer_wait,
        give_up_after_seconds=settings.give_up_after,
        again=again,
        **_rate(settings),
    )


def _rate(settings: Any) -> dict[str, Any]:
    """Give the rate limit as terms have it; without one, a period that nothing is counted in."""
    pace = settings.pace
    if pace is None:
        return {"rate_requests": None, "rate_period_seconds": 60.0}
    return {"rate_requests": pace.requests, "rate_period_seconds": pace.period_seconds}


def _input_options(
    file: Path, date_format: str, encoding: str | None, sheet: str | None, unusual: bool
) -> Any:
    from batch.submission.terms import InputOptions  # noqa: PLC0415

    today = dt.datetime.now(dt.UTC).date()
    return InputOptions(file, encoding, sheet, date_format, unusual, today)


def _who(operator: str | None) -> Any:
    from batch.submission.terms import Who  # noqa: PLC0415

    try:
        login = getpass.getuser()
    except (OSError, KeyError):
        login = "unknown"
    return Who(
        login,
        operator,
        platform.node(),
        __version__,
        platform.python_version(),
        tuple(as_text(word) for word in sys.argv[1:]),
    )


def _run_id(run_name: str) -> str:
    from batch.submission.places import named  # noqa: PLC0415

    return named(run_name).run_id


def _reports_dir(run_name: str | None, given: Path | None) -> Path | None:
    """Give the folder that a path to a run's folder stands in, unless one is said."""
    from batch.submission.places import named  # noqa: PLC0415

    return given if given is not None or run_name is None else named(run_name).reports_dir


def _agreed(words: str, yes: bool) -> bool:
    _complain(words)
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UsageProblem("nobody is there to confirm it", hint="--yes confirms it")
    sys.stderr.write("Type yes to go on: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
