"""`doctor`: whether everything is ready for a run; reads only, and sends no deferral."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from batch import files, systems
from batch.commands.run_names import RUN_ID
from batch.commands.runs import listed_runs, warnings_of_runs
from batch.errors import JournalProblem, UsageProblem
from batch.hints import DEFAULT_REPORTS_DIR
from batch.record import locks, recent_requests
from batch.record.database import JOURNAL
from batch.record.delivery import refuse_unusable
from batch.record.records import iso
from batch.register.answers import Kind, Meaning, meaning_of_info, meaning_of_list
from batch.register.api import VERSIONS, Answer
from batch.register.client import UNVERIFIED, Client
from batch.register.connections import proxy_for
from batch.run_settings import environment_of
from batch.settings import NAMED_TARGETS, Settings, Target
from batch.words import counted, duration

CLOCK_TOLERANCE_SECONDS = 30.0
"""A clock that is further off gives the times in a report that an auditor would doubt."""
LEAST_FREE_BYTES = 200_000_000
"""More than a run of 100,000 rows and its report take, at about 1.4 KB a row."""
_NO_TOKEN = "none"  # noqa: S105 — what is sent without one: Register's 401 shows network and clock
_NO_SUCH_PROXY = "cannot be asked, since a proxy in the environment is of a kind unknown here"
_WHO = "a look by doctor"
_RESTORE = (
    "restore the newer journal.db, or take the rows of those runs' succeeded.csv out of the lists "
    "that are still to be run, and run the first one with --accept-older-journal"
)


class Examined(Struct, frozen=True):
    """One thing that was looked at: what was found and, where it is not ready, what to do.

    `details` are the figures in it, for programs.
    """

    name: str
    found: str
    to_do: str = ""
    details: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_ready(self) -> bool:
        """Whether there is nothing to do."""
        return not self.to_do

    def line(self) -> str:
        """Return it for people, on one line."""
        if self.is_ready:
            return f"ok     {self.name}: {self.found}"
        return f"to do  {self.name}: {self.found}; {self.to_do}"

    def as_json(self) -> dict[str, object]:
        """Return it for programs."""
        return {
            "name": self.name,
            "ready": self.is_ready,
            "found": self.found,
            "to_do": self.to_do,
            **self.details,
        }


class Readiness(Struct, frozen=True):
    """Everything that was looked at, in the order in which it would stop a run."""

    examined: tuple[Examined, ...]

    @property
    def exit_code(self) -> int:
        """0 where everything is ready, else 1 (interface.md, "Exit codes")."""
        return 0 if all(one.is_ready for one in self.examined) else 1

    def lines(self) -> list[str]:
        """Return the answer for people: a line for each thing, `ok` or what to do."""
        return [one.line() for one in self.examined]

    def as_json(self) -> dict[str, Any]:
        """Return the answer for programs."""
        return {
            "ready": self.exit_code == 0,
            "checks": [one.as_json() for one in self.examined],
            "exit_code": self.exit_code,
        }


def examine(settings: Settings, wall: Callable[[], float]) -> Readiness:
    """Look at whatever a run would need; `wall` gives Unix seconds.

    Raises AlreadyRunning beside a run under way, UsageProblem where `--register` names no Register.
    """
    runs = _unfinished_runs(settings, wall)
    return Readiness(
        (
            *_register(settings, wall),
            *_reports_folder(settings.reports_dir),
            *_delivery_folder(settings),
            *runs,
        )
    )


def _register(settings: Settings, wall: Callable[[], float]) -> Iterator[Examined]:
    token = _Token.of(settings)
    if settings.register_name is None:
        command = _command(settings, "--register", "production")
        yield Examined(
            "Register",
            "none was named, so token, version, network and clock were not checked",
            f"name the one you mean, production or sandbox: {command}",
        )
        yield from token.examined(None, None)
        return
    if settings.target.is_rehearsal:
        yield Examined("Register", "a rehearsal on this machine, which needs no token")
        return
    try:
        told = _asked(settings, token.value or _NO_TOKEN, wall)
    except UsageProblem as error:  # no lock can be taken, so no run could be either
        yield Examined("lock", error.message, error.hint)
        yield from token.examined(settings.target, None)
        return
    yield _connection(settings, told)
    yield from token.examined(settings.target, told)
    yield from _version(settings, told)
    yield from _trainees(settings, told)
    yield from _clock(told)


class _Told(Struct, frozen=True):
    """What Register's answers told.

    `info` is the last answer about a version, `version` that which it is about; `listed` is the
    answer to the list, None where it was not asked. `clock_ahead_seconds` is how far this
    machine's clock is ahead of Register's, None where no answer said.
    """

    info: Meaning
    version: str
    listed: Meaning | None = None
    clock_ahead_seconds: float | None = None

    @property
    def accepts_token(self) -> bool | None:
        """Whether Register accepted the token; None where no answer shows it."""
        kinds = {self.info.kind, self.listed.kind if self.listed else self.info.kind}
        if Kind.UNAUTHORISED in kinds:
            return False
        # the token is looked at first: who hears that a version is not served has a good one
        known = {Kind.SERVES, Kind.VERSION_NOT_SERVED, Kind.LISTED, Kind.NOBODY}
        return True if kinds & known else None


def _asked(settings: Settings, token: str, wall: Callable[[], float]) -> _Told:
    """Return what Register tells, in five requests at most: /info of each version, then a list.

    Raises AlreadyRunning, and UsageProblem where no lock can be taken.
    """
    try:
        client = Client(
            settings.target.origin,
            api_version=settings.api_version or VERSIONS[0],
            token=token,
            timeout_seconds=settings.timeout,
        )
    except UsageProblem:  # a proxy in the environment cannot be used
        return _Told(Meaning(Kind.NEVER_LEFT, _NO_SUCH_PROXY), "")
    origin, asked_at = settings.target.origin, list[float]()
    with locks.one_run_at_a_time(origin, run_id=_WHO, since=iso(wall())):
        try:
            return asyncio.run(_ask(client, settings.api_version, wall, asked_at))
        finally:  # the next command paces by these requests too
            recent_requests.note(origin, asked_at, now=wall())


async def _ask(
    client: Client, named: str | None, wall: Callable[[], float], asked_at: list[float]
) -> _Told:
    """Return what Register tells; when it was asked is added to `asked_at`, in Unix seconds."""
    clock: float | None = None

    async def timed(answer: Awaitable[Answer], meaning_of: Callable[[Answer], Meaning]) -> Meaning:
        nonlocal clock
        sent = wall()
        asked_at.append(sent)
        meaning = meaning_of(await answer)
        if meaning.server_time is not None:
            clock = _ahead(meaning.server_time, sent=sent, received=wall())
        return meaning

    version, *others = _versions_to_ask(named)
    async with client:
        info = await timed(client.info(version), meaning_of_info)
        while info.kind is Kind.VERSION_NOT_SERVED and others:
            version = others.pop(0)
            info = await timed(client.info(version), meaning_of_info)
        listed = None
        if info.kind in {Kind.SERVES, Kind.WRONG_PATH}:
            client.api_version = version
            listed = await timed(client.trainees({"page": 1, "per_page": 1}), meaning_of_list)
    return _Told(info, version, listed, clock)


def _versions_to_ask(named: str | None) -> tuple[str, ...]:
    """Return the one that was named, then those that a run would try where nobody named one."""
    return VERSIONS if named is None else (named, *(v for v in VERSIONS if v != named))


def _ahead(second: float, *, sent: float, received: float) -> float:
    """Return by how many seconds our clock is surely ahead, negative where it is behind.

    The other one shows whole seconds, at a moment between `sent` and `received` by ours.
    """
    least, most = sent - (second + 1), received - second
    return max(least, 0.0) or min(most, 0.0)


def _connection(settings: Settings, told: _Told) -> Examined:
    origin = settings.target.origin
    proxy = proxy_for(origin)
    way = f"through the proxy {proxy}" if proxy else "without a proxy"
    secured = ", and its certificate verifies" if origin.startswith("https:") else ""
    details = {"register": origin, "proxy": proxy}
    match told.info.kind:
        case Kind.SERVES | Kind.VERSION_NOT_SERVED | Kind.UNAUTHORISED:
            return Examined("network", f"{origin} answers {way}{secured}", details=details)
        case Kind.THROTTLED:
            return _throttled(settings, told.info)
        case Kind.NEVER_LEFT | Kind.LOST:
            to_do = _what_to_do_about_silence(settings, told.info)
        case _:
            to_do = (
                "check the address given with --register, and whether you must sign in to your "
                "network first"
            )
    found = f"{origin}, asked {way}, {told.info.words}"
    return Examined("network", found, to_do, details)


def _what_to_do_about_silence(settings: Settings, meaning: Meaning) -> str:
    if meaning.words == UNVERIFIED:
        return (
            "if your network looks into encrypted traffic, ask your IT to put its certificate "
            "into this system's store; never go around it, or the token would be shown"
        )
    if meaning.words == _NO_SUCH_PROXY:
        return "unset ALL_PROXY, and name in HTTPS_PROXY one whose address begins with http://"
    again = _command(settings)
    if meaning.status is not None:
        return f"Register is in trouble, so ask again later: {again}"
    return (
        "check that this machine is online, and ask your IT whether it needs a proxy "
        f"(HTTPS_PROXY), then ask again: {again}"
    )


def _throttled(settings: Settings, meaning: Meaning) -> Examined:
    wait = meaning.retry_after_seconds
    after = "in a few minutes" if wait is None else f"in {duration(max(wait, 1.0))}"
    return Examined(
        "rate limit",
        "Register answered 429: too many requests have come from your network's address",
        f"ask again {after}: {_command(settings)}",
        {"retry_after_seconds": wait},
    )


class _Token(Struct, frozen=True):
    """The token that a run would send, and what of it may be shown."""

    value: str | None
    file: Path | None
    problem: Examined | None = None

    def __repr__(self) -> str:
        """Return what may be shown: not the token."""
        return f"_Token(file={self.file!r})"

    @classmethod
    def of(cls, settings: Settings) -> _Token:
        """Return the token that is set, or what is wrong with it."""
        try:
            value, problem = settings.token(), None
        except UsageProblem as error:
            value, problem = None, Examined("token", error.message, error.hint)
        if value is None and problem is None:
            problem = Examined(
                "token",
                "there is none, and Register refuses every request without one",
                "make one in Register and save it as token.txt where only you can read it: "
                + _command(settings, "--api-token-file", "token.txt"),
            )
        return cls(value, settings.api_token_file, problem)

    @property
    def environment(self) -> str | None:
        """The environment that the token's beginning names, None where it names none we know."""
        return environment_of(self.value or "")

    def examined(self, target: Target | None, told: _Told | None) -> Iterator[Examined]:
        """Yield what there is to say of the token, and of the file that holds it."""
        yield self.problem or self._judged(target, told)
        file = self.file
        if file is not None and file.exists() and systems.can_be_read_by_others(file):
            yield Examined(
                "token file",
                f"others on this machine can read {file}",
                f"take that from them: chmod 600 {systems.as_argument(file)}",
            )

    def _judged(self, target: Target | None, told: _Told | None) -> Examined:
        whose = f"; it is one for {self.environment}" if self.environment else ""
        accepted = told.accepts_token if told else None
        details = {"environment": self.environment, "accepted": accepted}
        if accepted:
            return Examined("token", f"Register accepts it{whose}", details=details)
        named = target.environment if target else None
        if self.environment and named in NAMED_TARGETS and named != self.environment:
            found = f"it is one for {self.environment}, and you named {named}"
            to_do = f"name the file of a token for {named} with --api-token-file"
            return Examined("token", found, to_do, details)
        if accepted is None:
            found = f"there is one{whose}; whether Register accepts it is not known yet"
            return Examined("token", found, details=details)
        return Examined(
            "token",
            f"Register refused it (401){whose}",
            "it has expired, or belongs to another provider or environment: make a new one in "
            "Register, and name its file with --api-token-file",
            details,
        )


def _version(settings: Settings, told: _Told) -> Iterator[Examined]:
    named, info = settings.api_version, told.info
    newest = info.latest_version
    if info.kind is Kind.VERSION_NOT_SERVED:
        tried = ", ".join(_versions_to_ask(named))
        yield Examined(
            "version",
            f"Register serves none of {tried}",
            "ask the maintainers for a newer defer-batch, or name a version that Register serves "
            "with --api-version",
            {"served": None, "newest": None},
        )
    elif info.kind is Kind.SERVES:
        details = {"served": told.version, "newest": newest}
        words = f"a run uses {told.version}" + (
            f"; Register's newest is {newest}" if newest else ""
        )
        if named in {None, told.version}:
            yield Examined("version", words, details=details)
            return
        command = _command(settings, "--api-version", newest or told.version)
        found = f"Register does not serve {named}"
        yield Examined("version", found, f"name one that it serves: {command}", details)


def _trainees(settings: Settings, told: _Told) -> Iterator[Examined]:
    listed = told.listed
    if listed is None or listed.kind is Kind.UNAUTHORISED:  # the token's own line says so
        return
    if listed.kind is Kind.THROTTLED:
        yield _throttled(settings, listed)
        return
    if listed.kind not in {Kind.LISTED, Kind.NOBODY}:
        found = f"Register's list of trainees cannot be had: Register {listed.words}"
        to_do = f"ask again later: {_command(settings)}"
        yield Examined("trainees", found, to_do, {"trainees": None})
        return
    count = listed.page.meta.total_count if listed.page else 0
    words = "an unknown number of trainees" if count is None else counted(count, "trainee")
    yield Examined(
        "trainees",
        f"{words} of the token's provider began in the current academic year",
        "is the token the right provider's, and --register the right environment?"
        if count == 0
        else "",
        {"trainees": count},
    )


def _clock(told: _Told) -> Iterator[Examined]:
    ahead = told.clock_ahead_seconds
    if ahead is None:
        return
    details = {"ahead_seconds": round(ahead, 3)}
    if abs(ahead) <= CLOCK_TOLERANCE_SECONDS:
        yield Examined("clock", "it agrees with Register's", details=details)
        return
    yield Examined(
        "clock",
        f"it is {duration(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} Register's, so the "
        "times in reports would be wrong",
        "have this machine set its clock from the network (ask your IT)",
        details,
    )


def _reports_folder(folder: Path) -> Iterator[Examined]:
    there = files.nearest_that_exists(folder)
    shown = systems.as_argument(folder)
    if not files.can_be_written(there):
        yield Examined(
            "reports folder",
            f"you cannot write to {there}",
            "let this user write there, or name another folder with --reports-dir",
        )
    elif folder.exists() and systems.can_be_written_by_others(folder):
        yield Examined(
            "reports folder",
            f"other users can write to {folder}, so no run uses it",
            f"take that from them: chmod go-w {shown}",
        )
    elif _shows_reports(folder):
        yield Examined(
            "reports folder",
            f"others on this machine can read reports in {folder}",
            f"take that from them: chmod -R go-rwx {shown}",
        )
    else:
        made = "" if folder.exists() else ", which the first run makes for you alone"
        yield Examined("reports folder", f"{folder}{made}: others can read no report in it")
    yield _disk(there)


def _delivery_folder(settings: Settings) -> Iterator[Examined]:
    """Yield whether reports can be delivered, and who can read them there, if they are to be."""
    name, folder = "delivery folder", settings.deliver_to
    if folder is None:
        return
    try:
        refuse_unusable(folder, settings.reports_dir)
    except UsageProblem as problem:
        yield Examined(name, problem.message.removesuffix(". Nothing was sent"), problem.hint)
        return
    shown, sharing = systems.as_argument(folder), systems.sharing_of(folder)
    if sharing is None:
        yield Examined(name, f"{folder}: who can open this folder can read the reports in it")
    elif sharing.everyone_reads:
        yield Examined(
            name,
            f"everybody on this machine can read what is delivered to {folder}",
            f"leave it to its group, {sharing.group}: chmod o-rwx {shown}",
        )
    elif not sharing.is_ours:
        yield Examined(
            name,
            f"this user is not in the group {sharing.group} of {folder}, so nothing can be "
            "delivered",
            f"as an administrator, let the folder hand on its group: chmod g+s {shown}",
        )
    elif sharing.group_reads:
        yield Examined(name, f"{folder}, which the group {sharing.group} can read")
    else:
        yield Examined(name, f"{folder}, which you alone can read: its group, {sharing.group}, not")


def _shows_reports(folder: Path) -> bool:
    """Whether other users can read the journal, or list what a run left, in a reports folder."""
    if not (folder.exists() and systems.can_be_read_by_others(folder)):
        return False
    private = (path for path in folder.iterdir() if path.name == JOURNAL or RUN_ID.match(path.name))
    return any(map(systems.can_be_read_by_others, private))


def _disk(folder: Path) -> Examined:
    kind, free = systems.file_system_of(folder), files.free_bytes(folder)
    details = {"file_system": kind, "free_bytes": free}
    room = f"{free / 1e9:,.1f} GB are free"
    if kind is not None and files.is_of_a_network(kind):
        return Examined(
            "disk",
            f"the reports folder is on a network drive ({kind}), where journal.db is not safe",
            "name a folder on a local disk with --reports-dir",
            details,
        )
    if free < LEAST_FREE_BYTES:
        return Examined(
            "disk",
            f"only {free / 1e6:,.0f} MB are free where the reports are written",
            f"make room: {LEAST_FREE_BYTES / 1e6:,.0f} MB at least",
            details,
        )
    where = f"it is local ({kind})" if kind else "make sure that it is local, no network drive"
    return Examined("disk", f"{room}; {where}", details=details)


def _unfinished_runs(settings: Settings, wall: Callable[[], float]) -> list[Examined]:
    """Return a line for each run that did not end; reads while nobody writes the journal."""
    journal = settings.reports_dir / JOURNAL
    if not journal.exists():
        return [Examined("runs", "none so far")]
    try:
        with contextlib.ExitStack() as stack:
            if files.can_be_written(settings.reports_dir):
                stack.enter_context(locks.one_writer(journal, run_id=_WHO, since=iso(wall())))
            listed = listed_runs(settings.reports_dir)
            older = [
                Examined("journal", words, _RESTORE)
                for words in warnings_of_runs(settings.reports_dir)
            ]
    except (JournalProblem, UsageProblem) as error:
        return [Examined("runs", error.message, error.hint)]
    unfinished = [run for run in listed if run["carry_on"]]
    if not unfinished:
        runs = f"{counted(len(listed), 'run')} so far, and none is unfinished"
        return [*older, Examined("runs", runs)]
    return older + [
        Examined(
            "run",
            f"{run['run_id']} is unfinished",
            f"continue it: {_with_token(settings, run)}",
            {"run_id": run["run_id"]},
        )
        for run in unfinished
    ]


def _with_token(settings: Settings, run: Mapping[str, Any]) -> str:
    """Return the command that continues a run, with the token's file where one was named."""
    file = None if run["rehearsal"] else settings.api_token_file
    if file is None or "--api-token-file" in run["carry_on"]:
        return str(run["carry_on"])
    more = f" --api-token-file {systems.as_argument(file)}"
    return f"{run['carry_on']}{more}"


def _command(settings: Settings, *more: str) -> str:
    """Return the command that examines again, with what was given, as it stands."""
    given = {
        "--register": settings.register_name,
        "--api-version": settings.api_version,
        "--api-token-file": settings.api_token_file,
        "--reports-dir": settings.reports_dir,
        "--deliver-to": settings.deliver_to,
    }
    if settings.reports_dir == Path(DEFAULT_REPORTS_DIR):
        del given["--reports-dir"]
    given |= dict(zip(more[::2], more[1::2], strict=True))
    options = (
        systems.as_command((name, str(value))) for name, value in given.items() if value is not None
    )
    return " ".join(("defer-batch doctor", *options))
