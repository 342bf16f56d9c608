"""What every page has in common: settings, templates, forms, and errors as pages."""

from __future__ import annotations

import asyncio
import getpass
import logging
import platform
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import jinja2
from msgspec.structs import asdict
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from batch import __version__
from batch.app.gate import FORM_TOKEN, Keys, refused
from batch.app.journeys import FOLDER, Journey, Journeys, Place
from batch.app.lists import in_words
from batch.app.work import failure, failure_of_system
from batch.app.working import Work, Works
from batch.codes import Code, Outcome
from batch.errors import DeferBatchError, UnknownRun, UsageProblem
from batch.record.page import visible
from batch.record.records import Who
from batch.run_settings import EMULATOR
from batch.settings import Settings, target_of
from batch.unexpected import trace_lines
from batch.words import about, counted, days_written_out, duration

MOST_BYTES = 100 * 2**20
LOG = "app.log"
_MOST_FIELDS = 20_000
_ROOM_FOR_THE_FORM = 64 * 1024
_ASKING_REGISTER = frozenset({"run", "resume", "close", "reconcile"})
_NO_COMMAND = re.compile(r"`|--\w")

Page = Callable[["Site", Request, FormData], Response]


class Site:
    """Everything that the pages of one start of the app share."""

    def __init__(self, settings: Settings, keys: Keys) -> None:
        self.settings = settings
        self.reports_dir = settings.reports_dir
        self.keys = keys
        self.journeys = Journeys(settings.reports_dir, match_by=settings.match_by)
        self.works = Works()
        self.last_asked = time.monotonic()
        self.is_ending = False
        self.has_style = asyncio.Event()
        """Set unless the last page went out and what it looks like did not follow it yet."""
        self.has_style.set()
        self.said: dict[str, list[str]] = {}
        """What was warned of while this app worked on a run, by the run's id."""
        self._tokens: dict[str, str] = {}
        self._templates = _environment()
        self._templates.globals["form_token"] = keys.form
        self._templates.globals["version"] = __version__

    @property
    def log_path(self) -> Path:
        """Where faults of this tool are written down, without anyone's data."""
        return self.reports_dir / FOLDER / LOG

    # Where a list can be sent

    def places(self) -> list[Place]:
        """Return where lists can be sent, the rehearsal first. Raises UsageProblem."""
        places = [Place("Rehearsal", EMULATOR, EMULATOR)]
        places += [
            Place(name.capitalize(), target_of(name).origin, name)
            for name in ("sandbox", "production")
        ]
        if self.settings.register_name is not None:
            given = self.settings.target
            if given.origin not in {place.origin for place in places}:
                places.append(Place(given.origin, given.origin, given.environment))
        return places

    def token_for(self, origin: str) -> str | None:
        """Return the token for a Register: pasted, else set, else None. Raises UsageProblem."""
        return self._tokens.get(origin) or self.settings.token()

    def keep_token(self, origin: str, token: str) -> None:
        """Keep a pasted token, in this process's memory alone. Raises UsageProblem."""
        usable = Settings.model_validate({"api_token": token}).token()
        if usable is not None:
            self._tokens[origin] = usable

    def take_token(self, origin: str, pasted: str) -> str:
        """Keep the token that was pasted, if one was; return what is wrong, "" where one is set."""
        try:
            if pasted:
                self.keep_token(origin, pasted)
        except UsageProblem:
            return "That is not a token: copy it again, the whole of it and nothing else."
        return "" if self.token_for(origin) else "Paste the token for this Register."

    def who(self) -> dict[str, Any]:
        """Return on whose behalf runs are made, as a job holds it."""
        try:
            login = getpass.getuser()
        except (OSError, KeyError):
            login = "unknown"
        host, python = platform.node(), platform.python_version()
        who = Who(login, self.settings.operator, host, __version__, python, ("app",))
        return asdict(who)

    @property
    def deliver_to(self) -> str | None:
        """The folder into which finished reports are copied for others, None for none."""
        folder = self.settings.deliver_to
        return None if folder is None else str(folder)

    def asking_register(self) -> list[Work]:
        """Return the work of which every page tells: one that is left alone goes on."""
        return [work for work in self.works.under_way() if work.kind in _ASKING_REGISTER]

    # Pages

    def page(self, name: str, *, status: int = 200, **told: Any) -> Response:
        """Return a page made from its template."""
        template = self._templates.get_template(f"{name}.html.j2")
        text = template.render(under_way=self.asking_register(), **told)
        return HTMLResponse(text.encode("utf-8", "replace"), status)

    def failed(self, told: Mapping[str, Any], *, back: str = "/", status: int = 400) -> Response:
        """Return the page of a failure, in the words of the terminal, with what to do."""
        hint = told.get("hint", "")
        return self.page(
            "failure",
            status=status,
            title=_TITLES.get(str(told.get("kind")), "That did not work"),
            message=_sentence(str(told["message"])),
            notes=told.get("notes", ()),
            hint=_sentence(_ADVICE.get(str(told.get("kind")), "") or _without_commands(hint)),
            back=back,
        )

    def missing(self) -> Response:
        """Return the page for an address that leads nowhere."""
        told = {
            "kind": "Missing",
            "message": "A list is kept until it has been sent or the app is closed",
            "hint": "Go to the start page. Runs are listed there; a list can be chosen again.",
        }
        return self.failed(told, status=404)

    async def answered(self, page: Page, request: Request) -> Response:
        """Return a page's answer; no failure, of users or of this tool, gets past here."""
        self.last_asked = time.monotonic()
        form = FormData()
        if request.method == "POST":
            try:
                form = await _form(request)
            except (MultiPartException, _TooLarge, ClientDisconnect, ValueError) as error:
                return self.failed({"message": getattr(error, "message", _NOT_A_FORM), "hint": ""})
        try:
            if request.method == "POST" and not self.keys.is_form(text_of(form, FORM_TOKEN)):
                return refused()
            return await run_in_threadpool(self._answered, page, request, form)
        finally:
            await form.close()

    def _answered(self, page: Page, request: Request, form: FormData) -> Response:
        try:
            return page(self, request, form)
        except UnknownRun:
            return self.missing()
        except DeferBatchError as error:
            return self.failed(failure(error))
        except OSError as error:
            return self.failed(failure_of_system(error))
        except Exception as error:  # noqa: BLE001 — the one place for what nobody foresaw
            return self.fault(error)

    def fault(self, error: Exception) -> Response:
        """Write an unforeseen failure down; return its page, which says what was sent."""
        lines = "\n".join(trace_lines(error))
        _logger(self.log_path).error("%s defer-batch %s\n%s", _now(), __version__, lines)
        sending = [work for work in self.works.under_way() if work.kind in {"run", "resume"}]
        sent = (
            "The run under way goes on: look at its page."
            if sending
            else "This page sent nothing to Register."
        )
        told = {
            "kind": "Fault",
            "message": f"A fault of this tool ({type(error).__name__}). {sent}",
            "hint": f"Please send the maintainers {self.log_path.resolve()}: it holds nothing of "
            "anyone's data. An unfinished run can be continued from the start page.",
        }
        return self.failed(told, status=500)


def see(address: str) -> Response:
    """Return an answer that leads on: a page is asked for anew after each form."""
    return RedirectResponse(address, 303)


def text_of(form: FormData, name: str) -> str:
    """Return a field of a form, "" where it is not there or is a file."""
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


_A_NUMBER = re.compile(r"\d{1,7}", re.ASCII)
"""More digits than the rows of any list need, and Python takes none of thousands."""


def number_in(told: object) -> int | None:
    """Return the number that a form or an address says, None where it says none."""
    return int(told) if isinstance(told, str) and _A_NUMBER.fullmatch(told) else None


class _TooLarge(Exception):
    """More was sent than a list can be."""

    message = "That file is larger than 100 MB. Nothing was kept of it."


_NOT_A_FORM = "What your browser sent could not be read. Nothing was done."


class _InMemory(MultiPartParser):
    """Keeps files in memory: a temporary folder is not ours alone."""

    spool_max_size = MOST_BYTES + 1


async def _form(request: Request) -> FormData:
    """Return a form, read up to a limit. Raises _TooLarge, MultiPartException, ValueError."""
    size = 0

    async def counted_body() -> Any:
        nonlocal size
        async for part in request.stream():
            size += len(part)
            if size > MOST_BYTES + _ROOM_FOR_THE_FORM:
                raise _TooLarge
            yield part

    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > MOST_BYTES + _ROOM_FOR_THE_FORM:
        raise _TooLarge
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        parser = _InMemory(request.headers, counted_body(), max_files=1, max_fields=_MOST_FIELDS)
        return await parser.parse()
    if kind == "application/x-www-form-urlencoded":
        body = b"".join([part async for part in counted_body()]).decode()
        found = parse_qsl(body, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
        return FormData([(name, value) for name, value in found])
    return FormData()


def given_file(form: FormData) -> tuple[str, bytes] | None:
    """Return the name and the bytes of the file in a form, None where none was chosen."""
    given = form.get("file")
    if not isinstance(given, UploadFile) or not given.filename:
        return None
    given.file.seek(0)
    return given.filename, given.file.read()


def journey_of(site: Site, request: Request) -> Journey:
    """Return the journey of an address. Raises UnknownRun, which becomes the page for that."""
    journey = site.journeys.get(request.path_params["journey"])
    if journey is None:
        raise UnknownRun("no such list")
    return journey


def work_of(site: Site, request: Request) -> Work:
    """Return the work of an address. Raises UnknownRun."""
    work = site.works.get(request.path_params["work"])
    if work is None:
        raise UnknownRun("no such work")
    return work


_TITLES = {
    "AlreadyRunning": "Another run is under way",
    "UnfinishedRun": "An unfinished run of this list is in the way",
    "RefusedByRegister": "Register refused",
    "RegisterUnreachable": "Register could not be asked",
    "StoppedEarly": "The run stopped early",
    "JournalLost": "The run stopped early",
    "UnusableFile": "This list cannot be used as it is",
    "Interrupted": "Stopped: nothing was sent",
    "Stopped": "Stopped",
    "Fault": "A fault of this tool",
    "Killed": "The work was cut off",
    "DiskFull": "The disk is full",
    "JournalProblem": "The record of runs cannot be used",
    "Missing": "This page is not here",
    "SelfCheckFailed": "Do not trust this report",
}
_ADVICE = {
    "AlreadyRunning": "Nothing was sent. Wait until that run has ended, then try again.",
    "UnfinishedRun": "Go to the start page: the run is listed there. Continue it, or close it for "
    "good; then send this list again.",
    "RegisterUnreachable": "Try again later: nothing was sent, and no run was kept.",
    "StoppedEarly": "Go to the start page: the run is listed there and can be continued.",
    "JournalLost": "Make room on the disk. Then go to the start page: the run is listed there and "
    "can be continued.",
    "RefusedByRegister": "If it is the token: it may have expired, or belong to another "
    "environment. Someone with your provider’s account makes a new one in Register. Then go back, "
    "and paste it.",
    "Interrupted": "You can go back and begin again.",
    "Stopped": "Go to the start page: the run is listed there and can be continued.",
}


def _without_commands(hint: str) -> str:
    """Return a hint as far as a page can say it: none that is a command for a terminal."""
    return "" if _NO_COMMAND.search(hint) else hint


def _sentence(words: str) -> str:
    words = words.strip()
    if not words:
        return ""
    return words[0].upper() + words[1:] + ("" if words[-1] in ".!?" else ".")


_FOR_PAGES = (
    (re.compile(r"Interrupted \(SIGINT\)\."), "It was stopped."),
    (re.compile(r"Interrupted \(SIGTERM\)\."), "It was stopped because the app was closed."),
    (re.compile(r"; press Ctrl-C to quit now\."), "."),
    (re.compile(r"(?:To continue, r|[Rr])un `defer-batch resume[^`]*`"), "Continue this run"),
    (
        re.compile(r"of this file is in the way: `defer-batch resume[^`]*` continues it"),
        "of this list is in the way: continue it or close it for good, on the start page",
    ),
    (re.compile(r"`defer-batch close`"), "closing it for good"),
    (
        re.compile(r", or use --allow-unusual-dates if it is right"),
        ", or say that it is right",
    ),
    (
        re.compile(r", name its encoding with --encoding"),
        ", save the list as CSV UTF-8 and choose it again",
    ),
    (re.compile(r"leave it out with --column \w+="), "go back and choose no column for it"),
    (
        re.compile(r"To read them that way: `[^`]*`"),
        "To read them that way, go back and choose “Day first”.",
    ),
    (re.compile(r"If it is: `[^`]*`"), "If it is, go back and choose “Day first”."),
    (re.compile(r"`"), ""),
)
"""What is said otherwise on a page than on a terminal, where there are signals and commands."""


def on_a_page(words: str) -> str:
    """Return words for a terminal as a page says them."""
    for pattern, instead in _FOR_PAGES:
        words = pattern.sub(instead, words)
    return words


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("batch.app"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=visible,
    )
    environment.filters |= {
        "number": "{:,}".format,
        "on_a_page": on_a_page,
        "rows": counted_rows,
        "code": words_of,
        "day": _day,
        "about": about,
        "duration": duration,
        "in_words": in_words,
        "days": days_written_out,
    }
    environment.globals["outcomes"] = list(Outcome)
    environment.globals["codes"] = Code
    return environment


def words_of(code: str) -> str:
    """Return a code as people read it: `Already deferred`."""
    return str(code).replace("_", " ").capitalize().replace("register", "Register")


def counted_rows(count: int) -> str:
    """Return a number of rows in words: `1 row`, `1,200 rows`."""
    return f"{count:,} {'row' if count == 1 else 'rows'}" if count > 999 else counted(count, "row")


def _day(moment: str) -> str:
    at = datetime.fromisoformat(moment)
    return f"{at.day} {at:%B %Y}, {at:%H:%M} UTC"


def static(name: str) -> bytes:
    """Return one of our own files: the style, the script, the icon."""
    return resources.files("batch.app").joinpath("static", name).read_bytes()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _logger(path: Path) -> logging.Logger:
    """Return a logger that appends to the file of faults, private to this user."""
    logger = logging.getLogger(f"batch.app.{path}")
    if not logger.handlers:
        from batch import files  # noqa: PLC0415

        files.make_own_folder(path.parent)
        files.make_private_file(path)
        logger.addHandler(logging.FileHandler(path, encoding="utf-8"))
        logger.propagate = False
    return logger
