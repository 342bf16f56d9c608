"""Every command that the package prints, pasted back as it stands, and seen to work.

Analysts, administrators and auditors come into these situations; what is printed there is pasted
into a shell, each command into the world as it was. A place of the package that prints a command
is in a situation here, or in `ELSEWHERE` with the reason why it is not.
"""

from __future__ import annotations

import functools
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import openpyxl
import pytest
from typer.main import get_command

from batch import systems
from batch.cli import app
from batch.emulator.rehearsal import rehearsal_register
from batch.emulator.requests import Endpoint
from batch.emulator.server import Emulator, serve
from batch.emulator.trainees import Trainee
from tests.support import troubles
from tests.support.hints import Makers, Paster, Site, commands_in, options_named, sources
from tests.support.office import TOKEN, Office, Ran
from tests.support.terminals import posix_only
from tests.support.troubles import Fault, FaultPlan, Never

HEADER = "trainee_id,defer_date\n"
ONE = HEADER + "abc,2026-10-01\n"
LIST, TOKENS, REPORTS = "this term's list.csv", "my token.txt", "our reports"
SHARED = "shared folder"
ELSEWHERE = {
    ("cli", ""): "COMMAND stands there for any",
    ("commands.doctor", "_delivery_folder"): "needs a user outside the group: "
    "tests/commands/test_doctor",
    ("submission.run_log", "_refuse_lost"): "needs a log that is taken away in mid-run: "
    "tests/commands/test_journal_taken_away",
    ("unexpected", "fault_of_this_tool"): "needs a defect: tests/commands/test_machine_trouble",
    ("record.open_files", "_gone"): "needs a journal that another program takes away in mid-run: "
    "tests/commands/test_journal_taken_away",
    ("record.database", ""): "needs a disk that fails: tests/commands/test_machine_trouble",
}


ENDED_BY_CTRL_C = {"defer-batch app": (130,)}


@dataclass
class World:
    """A folder, a Register, and what a person has read there."""

    office: Office
    stack: ExitStack
    read: list[str] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    emulator: Emulator | None = None

    def serve(self, *faults: Fault, **states: str) -> None:
        known = [Trainee(name, state=state) for name, state in states.items()]
        model = rehearsal_register(known, rate_limit=None, token=TOKEN)
        self.emulator = self.stack.enter_context(serve(model, plan=FaultPlan(faults)))
        self.office.write(TOKENS, TOKEN).chmod(0o600)

    @property
    def register(self) -> tuple[str, ...]:
        assert self.emulator is not None
        return ("--register", self.emulator.base_url)

    @property
    def settings(self) -> tuple[str, ...]:
        return ("--api-token-file", TOKENS, "--reports-dir", REPORTS)

    @property
    def folder(self) -> Path:
        """The folder of the newest run."""
        return max((self.office.folder / REPORTS).glob("2*"), key=lambda path: path.stat().st_mtime)

    def does(self, *arguments: str) -> Ran:
        """Run a command, and read all that it prints."""
        ran = self.office.run(*arguments)
        self.given.append(systems.as_command(("defer-batch", *arguments)))
        self.read += [ran.out, ran.err]
        return ran

    def runs(self, content: str = ONE, *more: str) -> Ran:
        """Run a list for real, with settings of its own."""
        self.office.write(LIST, content)
        return self.does("run", LIST, *self.register, *self.settings, *more)

    def reads(self, name: str = "report.html") -> None:
        self.read.append((self.folder / name).read_text("utf-8"))

    @property
    def commands(self) -> list[str]:
        """Every command that was read; a page shows also the one that began the run."""
        found = {
            command
            for text in self.read
            for command in commands_in(text)
            if "<html" not in text or command not in self.given
        }
        return sorted(found)

    def is_well_again(self) -> None:
        """Let Register and the folders work, as whoever read a hint waits for."""
        if self.emulator is not None:
            self.emulator.plan = None
        (self.office.folder / SHARED).mkdir(exist_ok=True)


REFUSED = troubles.answered_before("abc", troubles.UNAUTHORISED)


def a_beginner(world: World) -> None:
    world.office.write("deferrals.csv", ONE)
    world.does()
    world.does("run", "deferrals.csv")


def a_mistyped_word(world: World) -> None:
    world.office.write(LIST, ONE)
    world.does("run", LIST, "--regster", "emulator")
    world.does("verify")
    world.does("explain", "already")
    world.does("explain", "zzzzzz")
    world.does("runs", "--since", "monday")
    world.office.environment["DEFER_BATCH_TIMEOUT"] = "soon"
    world.does("check", LIST)
    del world.office.environment["DEFER_BATCH_TIMEOUT"]


def files_that_are_no_list(world: World) -> None:
    world.office.write("no header.csv", "abc,2026-10-01\n")
    world.does("check", "no header.csv")
    world.does("check", str(world.office.write("empty.csv", "")))
    book = openpyxl.Workbook()
    book.active.append(["name", "day"])  # type: ignore[union-attr]
    book.save(world.office.folder / "no columns.xlsx")
    world.does("check", "no columns.xlsx")
    world.does("check", str(world.office.write("empty.xlsx", "")))


def columns_that_have_to_be_chosen(world: World) -> None:
    rows = "trainee_id,Reason for deferral,Deferral reason,defer_date\nabc,x,y,2026-10-01\n"
    world.office.write(LIST, rows)
    world.does("check", LIST)
    world.office.write(
        "dates.csv", "trainee_id,Deferral date,Deferred on\nabc,2026-10-01,2026-10-02\n"
    )
    world.does("check", "dates.csv", "--date-format", "iso")
    world.office.write("near.csv", "trainee_id,trns,defer_date,reasons\nabc,,2026-10-01,x\n")
    world.does("check", "near.csv")
    world.office.write("nearer.csv", "trainee_id,defer dates\nabc,2026-10-01\n")
    world.does("check", "nearer.csv")


def dates_of_another_kind(world: World) -> None:
    world.office.write(LIST, HEADER + "abc,17/06/2024\nabd,18/06/2024\n")
    world.does("check", LIST)


def letters_of_another_kind(world: World) -> None:
    rows = "trainee_id,defer_date,defer_reason\nabc,2026-10-01,{} Müller’s\n"
    world.office.write("sixteen.csv", rows.format("a").encode("utf-16-le"))
    world.does("check", "sixteen.csv")
    world.office.write("old mac.csv", rows.replace("\n", "\r").encode("mac-roman", "replace"))
    world.does("check", "old mac.csv")
    world.office.write(
        "dos.csv", "name,trainee_id,defer_date\nMüller,abc,2026-10-01\n".encode("cp850")
    )
    world.does("check", "dos.csv")
    said = "defer_reason,trainee_id,defer_date\nRené’s café,abc,2026-10-01\n"
    world.office.write("said.csv", said.replace("’", "").encode("cp850"))
    world.does("run", "said.csv", "--register", "emulator", "--reports-dir", REPORTS)


def workbooks_with_a_choice(world: World) -> None:
    for name, states in {
        "two.xlsx": ("visible", "visible"),
        "hidden.xlsx": ("hidden",),
        "rows.xlsx": ("visible",),
    }.items():
        book = openpyxl.Workbook()
        book.active.title = "About it"  # type: ignore[union-attr]
        for number, state in enumerate(states):
            sheet = book.create_sheet(f"Cohort {number}")
            sheet.append(["trainee_id", "defer_date"])
            sheet.append(["abc", "2026-10-01"])
            sheet.sheet_state = state
            sheet.row_dimensions[2].hidden = name == "rows.xlsx"
        book.save(world.office.folder / name)
        world.does("check", name)
    world.office.write(LIST, HEADER + "abc,soon\n")
    ran = world.office.run("run", LIST, "--register", "emulator")
    world.does("check", str(ran.folder / "results.xlsx"))


def a_list_with_rows_to_correct(world: World) -> None:
    world.serve(abc="trn_received", w="withdrawn")
    world.runs(HEADER + "abc,2026-10-01\nw,2026-10-01\nzzz,2026-10-01\nb/d,2026-10-01\nd,soon\n")
    world.reads()
    world.does("preview", LIST, *world.register, *world.settings)


def a_run_that_was_cut_off(world: World) -> None:
    world.serve(REFUSED, abc="trn_received")
    world.runs()
    world.reads()
    world.runs()
    world.does("preview", LIST, *world.register, *world.settings)
    world.does("runs", "--reports-dir", REPORTS)
    world.does("runs", "--reports-dir", REPORTS, "--since", "2026-01-01")
    world.does("verify", str(world.folder))
    world.does("doctor", *world.register, *world.settings)


def a_run_that_cannot_be_continued_yet(world: World) -> None:
    world.serve(REFUSED, abc="trn_received")
    world.runs()
    assert world.emulator is not None
    world.emulator.plan = FaultPlan([troubles.out_of_service(troubles.APPLICATION_ERROR)])
    world.does("resume", world.folder.name, *world.settings, "--give-up-after", "0.1")


def rows_without_an_answer(world: World) -> None:
    world.serve(
        Fault("abc", last=None, arrival=Never(), given=troubles.APPLICATION_ERROR),
        troubles.lost_before("x"),
        Fault("x", Endpoint.READ, last=1, given=troubles.BLOCKED),
        **dict.fromkeys(("abc", "x", "y"), "trn_received"),
    )
    rows = HEADER + "abc,2026-10-01\nx,2026-10-01\ny,2026-10-01\n"
    world.runs(rows, "--no-preview", "--no-final-check", "--lost-answer-wait", "0.2")
    world.reads()


def a_final_check_that_could_not_be_made(world: World) -> None:
    world.serve(
        Fault("abc", Endpoint.READ, last=5, given=troubles.APPLICATION_ERROR), abc="trn_received"
    )
    world.runs(ONE, "--no-preview")
    world.reads()


def runs_that_are_over(world: World) -> None:
    world.serve(abc="trn_received")
    world.runs()
    run = world.folder.name
    world.office.run("run", LIST, "--register", "emulator", "--reports-dir", REPORTS)
    world.does("reconcile", world.folder.name, *world.settings)
    world.does("purge", "--older-than", "0d", "--yes", "--reports-dir", REPORTS)
    for command in ("close", "resume", "reconcile"):
        world.does(command, run, *world.settings)
    world.does("report", run, "--reports-dir", REPORTS)
    world.does("verify", run, "--reports-dir", REPORTS)
    world.does("verify", "no such run", "--reports-dir", REPORTS)
    world.does("resume", "20261127T000000Z-none-0000", *world.settings)


def a_journal_without_runs(world: World) -> None:
    world.office.write(LIST, ONE)
    world.office.run("run", LIST, "--register", "emulator")
    with sqlite3.connect(world.office.reports / "journal.db") as journal:
        journal.execute("DELETE FROM runs")
    journal.close()
    world.does("report", "20261127T000000Z-none-0000")


def a_run_whose_report_was_never_written(world: World) -> None:
    world.serve(abc="trn_received")
    world.runs()
    shutil.rmtree(world.folder)
    with sqlite3.connect(world.office.folder / REPORTS / "journal.db") as journal:
        journal.execute("DELETE FROM reports")
    journal.close()
    world.does("purge", "--older-than", "0d", "--yes", "--reports-dir", REPORTS)


def folders_and_files_that_others_can_use(world: World) -> None:
    world.serve(abc="trn_received")
    (world.office.folder / TOKENS).chmod(0o644)
    shared = world.office.folder / SHARED
    shared.mkdir()
    shared.chmod(0o755)
    world.runs(ONE, "--deliver-to", shared.name)
    world.does("doctor", *world.register, *world.settings, "--deliver-to", shared.name)
    (world.office.folder / REPORTS).chmod(0o755)
    (world.office.folder / REPORTS / "journal.db").chmod(0o644)
    world.does("doctor", *world.register, *world.settings)
    (world.office.folder / REPORTS).chmod(0o777)
    world.does("doctor", *world.register, *world.settings)
    world.runs()


def a_share_that_was_down(world: World) -> None:
    world.serve(abc="trn_received")
    world.runs()
    world.does("report", world.folder.name, "--reports-dir", REPORTS, "--deliver-to", SHARED)


def settings_that_doctor_finds_wanting(world: World) -> None:
    world.does("doctor", "--reports-dir", REPORTS)
    world.serve(abc="trn_received")
    world.does("doctor", *world.register, "--reports-dir", REPORTS)
    world.does("doctor", *world.register, *world.settings, "--api-version", "v2024.0")


def register_in_trouble_when_doctor_asks(world: World) -> None:
    for given in (troubles.throttled("1"), troubles.APPLICATION_ERROR):
        world.serve(troubles.out_of_service(given, last=3), abc="trn_received")
        world.does("doctor", *world.register, *world.settings)
    for endpoint in (Endpoint.LIST,):
        world.serve(
            Fault(None, endpoint, last=2, given=troubles.throttled("1")), abc="trn_received"
        )
        world.does("doctor", *world.register, *world.settings)
        world.serve(Fault(None, endpoint, last=2, given=troubles.empty(418)), abc="trn_received")
        world.does("doctor", *world.register, *world.settings)


def a_journal_that_was_altered(world: World) -> None:
    world.serve(REFUSED, abc="trn_received")
    world.runs()
    world.read.clear()
    with sqlite3.connect(world.office.folder / REPORTS / "journal.db") as journal:
        journal.execute("UPDATE rows SET message = 'other'")
    journal.close()
    world.does("resume", world.folder.name, *world.settings)


def a_report_that_an_auditor_holds(world: World) -> None:
    world.serve(abc="trn_received")
    world.runs()
    world.reads()
    world.does("verify", "--all", "--reports-dir", REPORTS)
    world.runs(HEADER + "abc,soon\n")
    with (world.folder / "to-correct.xlsx").open("ab") as file:
        file.write(b"corrected")
    world.does("verify", world.folder.name, "--reports-dir", REPORTS)
    copied = world.office.folder / "a copy of it"
    shutil.copytree(world.folder, copied / world.folder.name)
    world.does("verify", str(copied / world.folder.name))
    (copied / world.folder.name / "manifest.json").unlink()
    (copied / world.folder.name / "summary.json").unlink()
    (copied / world.folder.name).rename(copied / "renamed")
    world.does("verify", str(copied / "renamed"))


SITUATIONS: tuple[Callable[[World], None], ...] = (
    a_beginner,
    a_mistyped_word,
    files_that_are_no_list,
    columns_that_have_to_be_chosen,
    dates_of_another_kind,
    letters_of_another_kind,
    workbooks_with_a_choice,
    a_list_with_rows_to_correct,
    a_run_that_was_cut_off,
    a_run_that_cannot_be_continued_yet,
    rows_without_an_answer,
    a_final_check_that_could_not_be_made,
    runs_that_are_over,
    a_journal_without_runs,
    a_run_whose_report_was_never_written,
    folders_and_files_that_others_can_use,
    a_share_that_was_down,
    settings_that_doctor_finds_wanting,
    register_in_trouble_when_doctor_asks,
    a_journal_that_was_altered,
    a_report_that_an_auditor_holds,
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read in a situation, who had made the commands there, and how each ended."""

    read: str
    reached: set[Site]
    pasted: list[tuple[str, Ran]]


@functools.cache  # for both tests that ask for it
def seen_in(situation: Callable[[World], None]) -> Seen:
    makers = Makers()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()), "a folder")
        folder.mkdir()
        world = World(Office(folder), stack)
        with makers.watching():
            situation(world)
        world.is_well_again()
        pasted = list(Paster(world.office, world.emulator).each(world.commands))
    return Seen("\n".join(world.read), makers.reached, pasted)


OF_MODES = {folders_and_files_that_others_can_use}
"""Situations that Windows has not: there nothing is known of whom a folder is for."""


@pytest.mark.parametrize(
    "situation",
    [pytest.param(one, marks=posix_only if one in OF_MODES else ()) for one in SITUATIONS],
    ids=lambda one: one.__name__,
)
def test_what_is_printed_works_as_it_stands(situation: Callable[[World], None]) -> None:
    pasted = seen_in(situation).pasted
    failed = [
        (command, ran.code, ran.err)
        for command, ran in pasted
        if ran.code not in {0, 1, *ENDED_BY_CTRL_C.get(command, ())}
    ]
    assert pasted
    assert not failed


def test_every_option_that_is_named_is_one() -> None:
    commands = get_command(app).commands.values()  # type: ignore[attr-defined]
    there = {name for command in commands for param in command.params for name in param.opts}
    assert options_named() - there == {"--help"}


@posix_only
def test_every_place_that_prints_a_command_is_in_a_situation() -> None:
    seen = [seen_in(situation) for situation in SITUATIONS]
    reached = {site for one in seen for site in one.reached}
    read = "\n".join(one.read for one in seen)
    unreached = {
        one.site
        for one in sources()
        if not (one.site in reached if one.words is None else one.words.search(read))
    }
    assert sorted(unreached) == sorted(ELSEWHERE)
