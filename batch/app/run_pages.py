"""The pages of the runs: what came of one, its files, and what can be done with it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from batch.app.gate import POLICY
from batch.app.site import Site, see, text_of
from batch.app.work import Job
from batch.codes import Outcome, counts_of
from batch.commands.purge import purge_runs
from batch.commands.runs import listed_runs
from batch.errors import UnknownRun, UsageProblem
from batch.record.database import JOURNAL
from batch.record.findings import findings, headline
from batch.record.ledger import Ledger
from batch.record.manifest import FILES, NAME
from batch.record.page import date, place_of_date, trainee
from batch.record.records import RunRecord

TO_CORRECT = "to-correct.xlsx"
TO_CORRECT_FROM = (TO_CORRECT, "not_found.csv")
"""The files whose rows a person can correct and send again."""

_SERVED = {*FILES, NAME, TO_CORRECT}
"""Every file of a run that is served: a page names one of these, never a path."""

_FILES = (
    ("report.html", "The report as one page, to keep or to print"),
    ("results.xlsx", "All rows in one workbook, a sheet for each outcome"),
    (TO_CORRECT, "The rows that you can correct and send again"),
    ("succeeded.csv", "The rows that succeeded"),
    ("not_found.csv", "The rows whose trainee Register does not know"),
    ("unprocessable.csv", "The rows that could not be sent, or were refused"),
    ("unresolved.csv", "The rows without a final answer"),
    ("manifest.json", "Who, when, which file: for auditors"),
    ("summary.json", "The counts, for programs"),
    ("run.log", "Every request, for Register’s support"),
)
_PAGES_POLICY = re.compile(r'http-equiv="Content-Security-Policy" content="([^"]+)"')
_HEAD_BYTES = 4096
_AN_AGE = re.compile(r"[1-9]\d{0,3}", re.ASCII)


class Listed(Struct, frozen=True):
    """A run as the list of runs and the journal know it."""

    about: dict[str, Any]
    run: RunRecord
    stage: str
    folder: Path

    @property
    def is_under_way(self) -> bool:
        """Whether a process works on it now."""
        return bool(self.about["is_under_way"])


@contextlib.contextmanager
def run_of(site: Site, request: Request) -> Iterator[tuple[Listed, Ledger]]:
    """Yield a run that the journal knows, and the journal. Raises UnknownRun."""
    run_id = request.path_params["run"]
    about = next((r for r in listed_runs(site.reports_dir) if r["run_id"] == run_id), None)
    if about is None:
        raise UnknownRun("no such run")
    ledger = Ledger.read(site.reports_dir / JOURNAL)
    try:
        listed = Listed(about, ledger.run(run_id), about["stage"], site.reports_dir / run_id)
        yield listed, ledger
    finally:
        ledger.close()


def show_run(site: Site, request: Request, _form: FormData) -> Response:
    """Show what came of a run, its files, and what is to do now."""
    with run_of(site, request) as (listed, ledger):
        run_id = listed.run.run_id
        work = next((w for w in site.asking_register() if w.run_id == run_id), None)
        if work is not None:
            return see(f"/under-way/{work.id}")
        codes = ledger.counts(run_id)
        is_there = listed.folder.is_dir() and not listed.run.is_purged
        return site.page(
            "run",
            run=listed.run,
            stage=listed.stage,
            is_under_way=listed.is_under_way,
            said=site.said.get(run_id, ()),
            reconciled=listed.about["reconciled"],
            counts=counts_of(listed.run.purged_counts or codes),
            headline=headline(listed.run, codes) if codes else None,
            findings=findings(ledger, run_id) if is_there else None,
            trainee=trainee,
            date=date,
            place_of_date=place_of_date(listed.run.columns),
            files=[(n, words) for n, words in _FILES if (listed.folder / n).is_file()],
            manifest=ledger.reported(run_id),
            to_correct=_to_correct(listed.folder, codes) if is_there else (),
        )


def _to_correct(folder: Path, codes: dict[str, int]) -> list[tuple[str, str]]:
    """Return the files whose rows can be corrected, and what the button says of each."""
    found = []
    if (folder / TO_CORRECT).is_file():
        found.append((TO_CORRECT, "Correct rows and send them again"))
    not_found = counts_of(codes)[Outcome.NOT_FOUND]
    if not_found and (folder / "not_found.csv").is_file():
        what = "the row that was" if not_found == 1 else f"the {not_found:,} rows that were"
        found.append(("not_found.csv", f"Correct {what} not found"))
    return found


def show_file(site: Site, request: Request, _form: FormData) -> Response:
    """Return one of a run's files; the page with the policy that it brings for itself."""
    name = request.path_params["file"]
    with run_of(site, request) as (listed, _ledger):
        path = listed.folder / name
        if name not in _SERVED or not path.is_file() or path.is_symlink():
            raise UnknownRun("no such file")
        if name != "report.html":
            return FileResponse(path, filename=name)
        with path.open(encoding="utf-8", errors="replace") as file:
            found = _PAGES_POLICY.search(file.read(_HEAD_BYTES))
        own = f"{found[1]}; frame-ancestors 'none'" if found else POLICY
        headers = {"content-security-policy": own.replace("&#39;", "'")}
        return FileResponse(path, media_type="text/html; charset=utf-8", headers=headers)


def verify(site: Site, request: Request, _form: FormData) -> Response:
    """Begin to hold a run's files against the journal."""
    return _begun(site, request, "verify", "Verifying the report")


def write_report(site: Site, request: Request, _form: FormData) -> Response:
    """Begin to write a run's report again from the journal."""
    return _begun(site, request, "report", "Writing the report again")


def _begun(site: Site, request: Request, kind: str, title: str) -> Response:
    """Begin work that asks Register nothing; of 10,000 rows it takes seconds."""
    with run_of(site, request) as (listed, _ledger):
        run = listed.run
    where, who = str(site.reports_dir), site.who()
    job = Job(kind, where, who, run_id=run.run_id, deliver_to=site.deliver_to)
    back = f"/runs/{run.run_id}"
    work = site.works.start(job, back=back, title=title, about=run.input_name)
    return see(f"/under-way/{work.id}")


# What asks Register


DEEDS = {
    "continue": ("resume", "Continue this run", "Continuing the run"),
    "close": ("close", "Close this run for good", "Closing the run"),
    "reconcile": ("reconcile", "Ask Register whether it still stands", "Asking Register"),
}
"""What asks Register about a run, by the last part of its address: work, question, title."""


def ask(site: Site, request: Request, _form: FormData) -> Response:
    """Ask whether a run is to be continued, closed or reconciled."""
    return _ask_page(site, request)


def _ask_page(site: Site, request: Request, problem: str = "") -> Response:
    deed = request.path_params["deed"]
    with run_of(site, request) as (listed, ledger):
        run = listed.run
        return site.page(
            "ask",
            status=400 if problem else 200,
            run=run,
            deed=deed,
            title=DEEDS[deed][1],
            unsettled=ledger.unsettled(run.run_id),
            in_doubt=len(ledger.in_doubt(run.run_id)) if deed == "close" else 0,
            takes_token=not run.rehearsal,
            has_token=run.rehearsal or site.token_for(run.base_url) is not None,
            problem=problem,
        )


def begin(site: Site, request: Request, form: FormData) -> Response:
    """Begin to continue, close or reconcile a run."""
    deed = request.path_params["deed"]
    with run_of(site, request) as (listed, _ledger):
        run = listed.run
    token = None
    if not run.rehearsal:
        pasted = text_of(form, "token").strip()
        problem = site.take_token(run.base_url, pasted)
        if problem and (pasted or deed != "close"):
            return _ask_page(site, request, problem)
        token = site.token_for(run.base_url)
    kind, _, title = DEEDS[deed]
    job = Job(
        kind,
        str(site.reports_dir),
        site.who(),
        token,
        run_id=run.run_id,
        deliver_to=site.deliver_to,
    )
    back = f"/runs/{run.run_id}"
    work = site.works.start(job, back=back, title=title, about=run.input_name)
    return see(f"/under-way/{work.id}")


# Purge


def ask_purge(site: Site, _request: Request, _form: FormData) -> Response:
    """Ask how old the runs are that are to be deleted."""
    return site.page("purge", days="", question="", problem="", done=())


def purge(site: Site, _request: Request, form: FormData) -> Response:
    """Show what would go, then delete it once that was agreed to."""
    days = text_of(form, "days").strip()
    if not _AN_AGE.fullmatch(days):
        problem = "Type a number of days, such as 90."
        return site.page("purge", status=400, days=days, question="", problem=problem, done=())
    asked: list[str] = []
    agreed = text_of(form, "agreed") == days

    def confirm(words: str) -> bool:
        asked.append(words)
        return agreed

    try:
        purged = purge_runs(site.reports_dir, f"{days}d", confirm=confirm)
    except UsageProblem:
        if agreed or not asked:
            raise
        return site.page("purge", days=days, question=asked[0], problem="", done=())
    done = (*purged.lines(), *purged.left)
    return site.page("purge", days=days, question="", problem="", done=done)
