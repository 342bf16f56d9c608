"""The command line: parse, wire, call, print, exit. No decisions."""

from __future__ import annotations

import datetime as dt
import gc
import getpass
import json
import platform
import shutil
import sys
import time
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from batch import __version__, options, terminal
from batch.errors import DeferBatchError, UsageProblem
from batch.files import as_text
from batch.hints import DEFAULT_REPORTS_DIR

if TYPE_CHECKING:
    from batch.settings import Settings

RARELY = (200_000, 50, 100)
"""When to look for garbage: starting and reading make much that stays, and looking through it all
again and again costs a third of the time: after so many allocations, then collections."""

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
    gc.set_threshold(*RARELY)
    terminal.make_streams_usable()
    code = _exit_code()
    terminal.say_what_was_lost()
    sys.exit(code)


def _exit_code() -> int:
    """Return how the command ended: no failure, of users or of this tool, gets past here."""
    try:
        return int(app(standalone_mode=False) or 0)
    except DeferBatchError as error:
        terminal.say(str(error))
        return error.exit_code
    except typer.Exit as leaving:
        return leaving.exit_code
    except typer.Abort:
        return 130
    except KeyboardInterrupt:
        terminal.say("interrupted; nothing more was sent")
        return 130
    except OSError as error:
        terminal.say(f"error: cannot use {error.filename or 'a file'}: {error.strerror or error}")
        return 2
    except Exception as error:  # noqa: BLE001 — the one place for what nobody foresaw
        if hasattr(error, "format_message"):
            words = error.format_message()
            hint = "`defer-batch --help`"
            if "unexpected extra argument" in words:
                hint = f"put quotes around a name with spaces in it; {hint}"
            terminal.say(f"error: {words}\nhint: {hint}")
            return 2
        from batch.unexpected import fault_of_this_tool  # noqa: PLC0415

        fault = fault_of_this_tool(error, _reports_dir_in_use.get())
        terminal.say(str(fault))
        return fault.exit_code


_reports_dir_in_use: ContextVar[Path] = ContextVar("reports_dir", default=Path(DEFAULT_REPORTS_DIR))
"""Where the command keeps its reports, once it has read its settings."""


def _settings(**options: object) -> Settings:
    """Return the settings of a command. Raises UsageProblem."""
    from batch.settings import Settings  # noqa: PLC0415 — `--help` imports nothing heavy

    settings = Settings.load(**options)
    _reports_dir_in_use.set(settings.reports_dir)
    return settings


@app.callback(invoke_without_command=True)
def begin(
    context: typer.Context,
    version: options.Version = False,
) -> None:
    """Defer many trainees in the Register of trainee teachers from one CSV."""
    if version:
        print(f"defer-batch {__version__}")  # noqa: T201
        raise typer.Exit
    if context.invoked_subcommand is None:
        terminal.show(
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
    file: options.File,
    date_format: options.DateFormat = None,
    encoding: options.Encoding = None,
    sheet: options.Sheet = None,
    column: options.Columns = None,
    hidden_rows: options.HiddenRows = None,
    allow_unusual_dates: options.UnusualDates = False,
    rate_limit: options.RateLimitText = None,
    as_json: options.AsJson = False,
) -> None:
    """Read and validate every row; needs no token, sends nothing, writes nothing."""
    from batch.commands.check import check_file  # noqa: PLC0415

    settings = _settings(date_format=date_format, rate_limit=rate_limit)
    result = check_file(
        _input_options(file, settings, encoding, sheet, column, hidden_rows, allow_unusual_dates),
        settings.rate_limit,
    )
    terminal.show_either(result.as_json(), result.lines(), as_json=as_json)
    raise typer.Exit(result.exit_code)


@app.command()
def preview(
    file: options.File,
    register: options.RegisterName = None,
    api_token_file: options.TokenFile = None,
    api_version: options.ApiVersion = None,
    rate_limit: options.RateLimitText = None,
    max_at_once: options.MaxAtOnce = None,
    timeout: options.Timeout = None,
    give_up_after: options.GiveUpAfter = None,
    reports_dir: options.Reports = None,
    date_format: options.DateFormat = None,
    encoding: options.Encoding = None,
    sheet: options.Sheet = None,
    column: options.Columns = None,
    hidden_rows: options.HiddenRows = None,
    allow_unusual_dates: options.UnusualDates = False,
    again: options.Again = False,
    match_by: options.MatchBy = None,
    out: options.OutFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Check, look each trainee up, and say what each row would become; reads only."""
    from batch.commands.execute import Context  # noqa: PLC0415
    from batch.commands.preview_file import preview_file  # noqa: PLC0415
    from batch.terminal import Terminal, preview_lines  # noqa: PLC0415

    settings = _settings(
        register_name=register,
        api_token_file=api_token_file,
        api_version=api_version,
        rate_limit=rate_limit,
        max_at_once=max_at_once,
        timeout=timeout,
        give_up_after=give_up_after,
        reports_dir=reports_dir,
        date_format=date_format,
        match_by=match_by,
    )
    found = preview_file(
        Context(
            settings.reports_dir,
            None if settings.target.is_rehearsal else settings.token(),
            _who(None),
            Terminal(yes=False),
        ),
        settings.for_run(again=again, preview=True, final_check=True),
        _input_options(file, settings, encoding, sheet, column, hidden_rows, allow_unusual_dates),
        out=out,
    )
    terminal.show_either(found.as_json(), preview_lines(found), as_json=as_json)
    raise typer.Exit(found.exit_code)


@app.command()
def run(
    file: options.File,
    register: options.RegisterName = None,
    api_token_file: options.TokenFile = None,
    api_version: options.ApiVersion = None,
    rate_limit: options.RateLimitText = None,
    max_at_once: options.MaxAtOnce = None,
    timeout: options.Timeout = None,
    lost_answer_wait: options.LostAnswerWait = None,
    give_up_after: options.GiveUpAfter = None,
    reports_dir: options.Reports = None,
    date_format: options.DateFormat = None,
    encoding: options.Encoding = None,
    sheet: options.Sheet = None,
    column: options.Columns = None,
    hidden_rows: options.HiddenRows = None,
    allow_unusual_dates: options.UnusualDates = False,
    operator: options.Operator = None,
    yes: options.Yes = False,
    again: options.Again = False,
    match_by: options.MatchBy = None,
    no_preview: options.NoPreview = False,
    no_final_check: options.NoFinalCheck = False,
    start_over: options.StartOver = False,
    as_json: options.AsJson = False,
) -> None:
    """Check, ask Register, confirm, submit, report."""
    from batch.commands.execute import Context  # noqa: PLC0415
    from batch.commands.run import run_file  # noqa: PLC0415
    from batch.terminal import Terminal  # noqa: PLC0415

    settings = _settings(
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
        match_by=match_by,
    )
    finished = run_file(
        Context(
            settings.reports_dir,
            None if settings.target.is_rehearsal else settings.token(),
            _who(operator),
            Terminal(yes=yes, notes=settings.notes()),
        ),
        settings.for_run(again=again, preview=not no_preview, final_check=not no_final_check),
        _input_options(
            file,
            settings,
            encoding,
            sheet,
            column,
            hidden_rows,
            allow_unusual_dates,
            attended=terminal.is_attended() and not yes,
            require_trainee_id=no_preview or settings.match_by == "trainee_id",
        ),
        start_over=start_over,
    )
    _end(finished, as_json=as_json)


@app.command()
def resume(
    run_name: options.NewestRun = None,
    api_token_file: options.TokenFile = None,
    register: options.RegisterName = None,
    api_version: options.ApiVersion = None,
    rate_limit: options.RateLimitText = None,
    max_at_once: options.MaxAtOnce = None,
    timeout: options.Timeout = None,
    lost_answer_wait: options.LostAnswerWait = None,
    give_up_after: options.GiveUpAfter = None,
    reports_dir: options.Reports = None,
    operator: options.Operator = None,
    yes: options.Yes = False,
    as_json: options.AsJson = False,
) -> None:
    """Continue a run that stopped early; without RUN, the newest unfinished one."""
    from batch.commands.execute import Context  # noqa: PLC0415
    from batch.commands.resume import newest_unfinished, resume_run  # noqa: PLC0415
    from batch.settings import target_of  # noqa: PLC0415
    from batch.terminal import Terminal  # noqa: PLC0415

    settings = _settings(
        api_token_file=api_token_file,
        api_version=api_version,
        rate_limit=rate_limit,
        max_at_once=max_at_once,
        timeout=timeout,
        lost_answer_wait=lost_answer_wait,
        give_up_after=give_up_after,
        reports_dir=_reports_dir(run_name, reports_dir),
    )
    run_id = newest_unfinished(settings.reports_dir) if run_name is None else _run_id(run_name)
    if run_id is None:
        terminal.say("nothing is unfinished: nothing to resume")
        _end(None, as_json=as_json)
    given = {
        "max_at_once": max_at_once,
        "timeout_seconds": timeout,
        "lost_answer_wait_seconds": lost_answer_wait,
        "give_up_after_seconds": give_up_after,
    }
    finished = resume_run(
        Context(
            settings.reports_dir,
            settings.token(),
            _who(operator),
            Terminal(yes=yes, notes=settings.notes()),
        ),
        run_id,
        _given_anew(given, settings, rate_limit, api_version),
        register=None if register is None else target_of(register).origin,
        yes=yes,
    )
    _end(finished, as_json=as_json)


@app.command()
def close(
    run_name: options.RunName,
    api_token_file: options.TokenFile = None,
    api_version: options.ApiVersion = None,
    rate_limit: options.RateLimitText = None,
    timeout: options.Timeout = None,
    lost_answer_wait: options.LostAnswerWait = None,
    give_up_after: options.GiveUpAfter = None,
    reports_dir: options.Reports = None,
    operator: options.Operator = None,
    yes: options.YesClose = False,
    as_json: options.AsJson = False,
) -> None:
    """End an unfinished run for good: nothing of it is sent any more."""
    from batch.commands.close import close_run  # noqa: PLC0415
    from batch.commands.execute import Context  # noqa: PLC0415
    from batch.terminal import Terminal  # noqa: PLC0415

    settings = _settings(
        api_token_file=api_token_file,
        api_version=api_version,
        rate_limit=rate_limit,
        timeout=timeout,
        lost_answer_wait=lost_answer_wait,
        give_up_after=give_up_after,
        reports_dir=_reports_dir(run_name, reports_dir),
    )
    given = {
        "timeout_seconds": timeout,
        "lost_answer_wait_seconds": lost_answer_wait,
        "give_up_after_seconds": give_up_after,
    }
    closed = close_run(
        Context(settings.reports_dir, settings.token(), _who(operator), Terminal(yes=yes)),
        _run_id(run_name),
        _given_anew(given, settings, rate_limit, api_version),
        confirm=lambda words: _agreed(words, yes=yes or not terminal.is_attended()),
    )
    _end(closed, as_json=as_json)


@app.command()
def runs(reports_dir: options.Reports = None, as_json: options.AsJson = False) -> None:
    """List the runs, newest first, with their counts."""
    from batch.commands.runs import listed_runs  # noqa: PLC0415
    from batch.terminal import runs_lines  # noqa: PLC0415

    listed = listed_runs(_settings(reports_dir=reports_dir).reports_dir)
    terminal.show_either(listed, runs_lines(listed), as_json=as_json)


@app.command()
def report(
    run_name: options.RunName,
    reports_dir: options.Reports = None,
    open_page: options.OpenPage = False,
    as_json: options.AsJson = False,
) -> None:
    """Write a run's report again from the journal."""
    from batch.commands.report import write_again  # noqa: PLC0415

    settings = _settings(reports_dir=_reports_dir(run_name, reports_dir))
    finished = write_again(settings.reports_dir, _run_id(run_name), tool_version=__version__)
    if open_page:
        typer.launch(str((finished.folder / "report.html").resolve()))
    _end(finished, as_json=as_json)


@app.command()
def verify(
    run_name: options.RunName,
    reports_dir: options.Reports = None,
    manifest_sha256: options.PrintedSha256 = None,
    as_json: options.AsJson = False,
) -> None:
    """Prove that a run's files are complete, agree with the journal and are unaltered."""
    from batch.commands.run_names import named  # noqa: PLC0415
    from batch.commands.verify import verify_run  # noqa: PLC0415

    settings = _settings(reports_dir=_reports_dir(run_name, reports_dir))
    found = verify_run(
        named(run_name), settings.reports_dir, manifest_sha256, tool_version=__version__
    )
    terminal.show_either(found.as_json(), found.lines(), as_json=as_json)
    raise typer.Exit(found.verdict.exit_code)


@app.command()
def reconcile(
    run_name: options.NewestRun = None,
    since: options.Since = None,
    api_token_file: options.TokenFile = None,
    register: options.RegisterName = None,
    api_version: options.ApiVersion = None,
    rate_limit: options.RateLimitText = None,
    max_at_once: options.MaxAtOnce = None,
    timeout: options.Timeout = None,
    give_up_after: options.GiveUpAfter = None,
    reports_dir: options.Reports = None,
    out: options.OutFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Ask Register whether what a run reported still stands; reads only."""
    from batch.commands.execute import Context  # noqa: PLC0415
    from batch.commands.reconcile import Which  # noqa: PLC0415
    from batch.commands.reconcile import reconcile as reconciled  # noqa: PLC0415
    from batch.settings import Settings, target_of  # noqa: PLC0415
    from batch.terminal import Terminal  # noqa: PLC0415

    settings = Settings.load(
        api_token_file=api_token_file,
        api_version=api_version,
        rate_limit=rate_limit,
        max_at_once=max_at_once,
        timeout=timeout,
        give_up_after=give_up_after,
        reports_dir=_reports_dir(run_name, reports_dir),
    )
    given = {
        "max_at_once": max_at_once,
        "timeout_seconds": timeout,
        "give_up_after_seconds": give_up_after,
    }
    found = reconciled(
        Context(settings.reports_dir, settings.token(), _who(None), Terminal(yes=False)),
        Which.of(None if run_name is None else _run_id(run_name), since),
        _given_anew(given, settings, rate_limit, api_version),
        register=None if register is None else target_of(register).origin,
        out=out,
    )
    if found is None:
        terminal.show_either(
            {"runs": [], "rows": [], "exit_code": 0},
            ["no finished run: nothing to ask Register about"],
            as_json=as_json,
        )
        raise typer.Exit(0)
    terminal.show_either(found.as_json(), found.lines(), as_json=as_json)
    raise typer.Exit(found.exit_code)


@app.command()
def purge(
    older_than: options.Age,
    reports_dir: options.Reports = None,
    yes: options.Yes = False,
) -> None:
    """Delete old runs: journal rows and report folders."""
    from batch.commands.purge import purge_runs  # noqa: PLC0415

    settings = _settings(reports_dir=reports_dir)
    purged = purge_runs(
        settings.reports_dir, older_than, confirm=lambda words: _agreed(words, yes=yes)
    )
    terminal.show("\n".join(purged.lines()))
    for words in purged.left:
        terminal.say(f"warning: {words}")
    raise typer.Exit(purged.exit_code)


@app.command()
def template() -> None:
    """Print an empty CSV with the right header."""
    from batch.columns import KNOWN  # noqa: PLC0415

    terminal.show(",".join(KNOWN))


@app.command()
def explain(code: options.CodeName = None) -> None:
    """Explain what a code means and what to do; without CODE, all of them."""
    from batch.commands.explain import explained  # noqa: PLC0415

    terminal.show("\n".join(explained(code)))


@app.command()
def doctor(
    register: options.RegisterName = None,
    api_token_file: options.TokenFile = None,
    api_version: options.ApiVersion = None,
    timeout: options.Timeout = None,
    reports_dir: options.Reports = None,
    as_json: options.AsJson = False,
) -> None:
    """Is everything ready? Token, version, network, folder, clock; reads only."""
    from batch.commands.doctor import examine  # noqa: PLC0415

    settings = _settings(
        register_name=register,
        api_token_file=api_token_file,
        api_version=api_version,
        timeout=timeout,
        reports_dir=reports_dir,
    )
    readiness = examine(settings, time.time)
    terminal.show_either(readiness.as_json(), readiness.lines(), as_json=as_json)
    raise typer.Exit(readiness.exit_code)


@app.command()
def emulator(
    trainees: options.Known = None,
    port: options.Port = 8765,
    rate_limit: options.RateLimitText = None,
) -> None:
    """Serve a local emulator of Register until Ctrl-C."""
    from batch.commands.emulator import serve_until_interrupted  # noqa: PLC0415

    limit = _settings(rate_limit=rate_limit).rate_limit
    rate = None if limit is None else (limit.requests, limit.period_seconds)
    serve_until_interrupted(port, trainees=trainees, rate_limit=rate)


def _given_anew(
    given: dict[str, Any], settings: Any, rate_limit: str | None, api_version: str | None
) -> dict[str, Any]:
    """Return the settings that win over those that the run began with."""
    changed = {name: value for name, value in given.items() if value is not None}
    changed |= {} if rate_limit is None else {"rate_limit": settings.rate_limit}
    return changed | ({} if api_version is None else {"api_version": settings.api_version})


def _end(finished: Any, *, as_json: bool) -> NoReturn:
    """Print a run's summary, and its manifest's SHA-256 as the last line; exit as it says."""
    from batch.record.report import NO_RUN  # noqa: PLC0415
    from batch.rows import REHEARSAL  # noqa: PLC0415
    from batch.terminal import summary_lines  # noqa: PLC0415

    if finished is None:
        if as_json:
            terminal.show(json.dumps(NO_RUN, indent=2), as_is=True)
        raise typer.Exit(0)
    if as_json:
        summary = (finished.folder / "summary.json").read_text(encoding="utf-8")
        terminal.show(summary.rstrip(), as_is=True)
        if finished.run.rehearsal:
            terminal.say(REHEARSAL)
    else:
        terminal.show("\n".join(summary_lines(finished)))
    for words in finished.warnings:
        terminal.say(f"warning: {words}")
    if finished.manifest_sha256:
        (terminal.say if as_json else terminal.show)(f"manifest sha256: {finished.manifest_sha256}")
    raise typer.Exit(finished.exit_code)


def _input_options(
    file: Path,
    settings: Any,
    encoding: str | None,
    sheet: str | None,
    column: list[str] | None,
    hidden_rows: str | None,
    unusual: bool,
    *,
    attended: bool = True,
    require_trainee_id: bool = False,
) -> Any:
    from batch.run_settings import InputOptions  # noqa: PLC0415

    return InputOptions(
        file,
        dt.datetime.now(dt.UTC).date(),
        encoding=encoding,
        sheet=sheet,
        date_format=settings.date_format,
        allow_unusual_dates=unusual,
        columns=settings.chosen_columns(column or ()),
        hidden_rows=hidden_rows,
        attended=attended,
        require_trainee_id=require_trainee_id,
        command=tuple(as_text(word) for word in sys.argv[1:]),
    )


def _who(operator: str | None) -> Any:
    from batch.record.records import Who  # noqa: PLC0415

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
    from batch.commands.run_names import named  # noqa: PLC0415

    return named(run_name).run_id


def _reports_dir(run_name: str | None, given: Path | None) -> Path | None:
    """Return the folder that a path to a run's folder stands in, unless one is said."""
    from batch.commands.run_names import named  # noqa: PLC0415

    return given if given is not None or run_name is None else named(run_name).reports_dir


def _agreed(words: str, *, yes: bool) -> bool:
    terminal.say(words)
    if yes:
        return True
    if not terminal.is_attended():
        raise UsageProblem("nobody is there to confirm it", hint="--yes confirms it")
    return terminal.answered("Type yes to go on: ").lower() in {"y", "yes"}
