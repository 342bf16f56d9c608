"""The inbox script, as a shell runs it, with the real command and a real Register."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from batch.emulator.requests import Endpoint
from batch.emulator.server import Emulator
from tests.support import troubles
from tests.support.office import TOKEN, Office, Ran
from tests.support.terminals import posix_only

pytestmark = posix_only

SCRIPT = Path(__file__).parents[2] / "sample_data" / "schedules" / "defer-inbox"
GOOD = "trainee_id,defer_date\nabc,2026-09-14\n"
TWO = GOOD + "xyz,2026-09-14\n"


IN_DOUBT = (
    troubles.hanging("abc"),
    troubles.Fault("abc", Endpoint.READ, first=2, last=3, given=troubles.APPLICATION_ERROR),
)
"""A request without an answer, and no reading of what became of it before a signal ends the run."""


class Inbox:
    """A folder in which lists arrive, and the script that runs them."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.folder = office.folder / "inbox"
        self.programs = office.folder / "bin"
        for folder in (self.folder, self.programs, office.folder / "tmp"):
            folder.mkdir()
        path = [str(self.programs), str(Path(sys.executable).parent), os.environ["PATH"]]
        office.environment |= {
            "DEFER_BATCH_REGISTER": "emulator",
            "PATH": os.pathsep.join(path),
            "TMPDIR": str(office.folder / "tmp"),
        }

    def put(self, name: str, content: str | bytes = GOOD) -> Path:
        return self.office.write(f"inbox/{name}", content)

    def program(self, name: str, content: str) -> None:
        """Put a program before the system's own of that name."""
        self.office.write(f"bin/{name}", f"#!/bin/sh\n{content}\n").chmod(0o755)

    def defer_batch_but(self, case: str) -> None:
        """Let `defer-batch` be itself, but for one line of a shell's `case`."""
        real = f'exec "{sys.executable}" -m batch "$@"'
        self.program("defer-batch", f'case "$*" in\n{case} ;;\n*) {real} ;;\nesac')

    def start(self, *minutes: str, folder: str = "inbox") -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["sh", str(SCRIPT), folder, *minutes],
            cwd=self.office.folder,
            env=self.office._environment() | {"PYTHONPATH": str(SCRIPT.parents[2])},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )

    def run(self, *minutes: str, folder: str = "inbox") -> Ran:
        with self.start(*minutes, folder=folder) as process:
            out, err = process.communicate(timeout=120)
        return Ran(process.returncode, out, err, self.office.reports)

    def names(self, place: str) -> list[str]:
        stamp = r"^\d{8}T\d{6}Z-"
        return sorted(re.sub(stamp, "", path.name) for path in self.folder.glob(f"{place}/*"))

    def waiting(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if path.is_file())

    def kept(self) -> str:
        return (self.office.reports / "defer-inbox.log").read_text(encoding="utf-8")


@pytest.fixture
def inbox(office: Office) -> Inbox:
    return Inbox(office)


@pytest.fixture
def at_register(inbox: Inbox, register: Callable[..., Emulator]) -> Callable[..., Emulator]:
    def serving(**settings: object) -> Emulator:
        emulator = register(**settings)
        inbox.office.environment |= {
            "DEFER_BATCH_REGISTER": emulator.base_url,
            "DEFER_BATCH_API_TOKEN": TOKEN,
            "DEFER_BATCH_TIMEOUT": "3",
            "DEFER_BATCH_LOST_ANSWER_WAIT": "0",
            "DEFER_BATCH_MAX_AT_ONCE": "1",
            "DEFER_BATCH_GIVE_UP_AFTER": "5",
        }
        return emulator

    return serving


def until_asked(emulator: Emulator, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 60
    while not emulator.received(Endpoint.DEFER) and time.monotonic() < until:
        assert process.poll() is None
        time.sleep(0.01)


def test_each_list_is_run_and_put_away(inbox: Inbox) -> None:
    inbox.put("good.csv")
    inbox.put("rows.csv", "trainee_id,defer_date\nabc,\n")
    inbox.put("unusable.csv", "name\nabc\n")
    assert inbox.run("0").code == 1
    assert inbox.names("done") == ["good.csv"]
    assert inbox.names("attention") == ["rows.csv", "unusable.csv"]
    assert not inbox.waiting()


def test_an_empty_inbox_is_quiet(inbox: Inbox) -> None:
    ran = inbox.run()
    assert (ran.code, ran.out, ran.err) == (0, "", "")


def test_the_hash_of_a_run_is_kept_and_proves_its_report(inbox: Inbox) -> None:
    inbox.put("good.csv")
    ran = inbox.run("0")
    kept = re.findall(
        r"exit 0, good\.csv, manifest sha256: ([0-9a-f]{64})$", inbox.kept(), re.MULTILINE
    )
    assert f"  manifest sha256: {kept[0]}\n" in ran.out
    assert inbox.office.run("verify", ran.folder.name, "--manifest-sha256", *kept).code == 0


def test_the_mail_says_which_list_how_it_ended_and_where_everything_is(inbox: Inbox) -> None:
    to = inbox.office.folder / "for others"
    to.mkdir()
    inbox.office.environment["DEFER_BATCH_DELIVER_TO"] = str(to)
    inbox.put("rows.csv", "trainee_id,defer_date\nabc,2026-09-14\nabd,\n")
    ran = inbox.run("0")
    (list_,) = inbox.folder.glob("attention/*")
    assert ran.out.splitlines()[:3] == [
        (
            "defer-inbox: rows.csv: In this rehearsal, 1 of 2 rows was deferred; "
            "1 needs your attention."
        ),
        f"  list moved to: {list_}",
        f"  report: {to / ran.folder.name / 'report.html'}",
    ]
    assert (to / ran.folder.name / "report.html").is_file()


def test_a_report_that_cannot_be_delivered_is_told_though_the_run_was_clean(inbox: Inbox) -> None:
    to = inbox.office.folder / "for others"
    to.mkdir()
    inbox.office.environment["DEFER_BATCH_DELIVER_TO"] = str(to)
    real = f'"{sys.executable}" -m batch "$@"'
    inbox.program(
        "defer-batch",
        f'case "$*" in run*good.csv*) DEFER_BATCH_DELIVER_TO= {real}; code=$?\n'
        f'echo "warning: the report was not delivered to there" ; exit $code ;; *) exec {real} ;; esac',
    )
    inbox.put("good.csv")
    ran = inbox.run("0")
    assert (ran.code, inbox.names("done")) == (1, ["good.csv"])
    assert "was not delivered to there" in ran.out


@pytest.mark.parametrize("named", ["", "The data team"])
def test_who_put_the_list_there_stands_in_the_manifest(inbox: Inbox, named: str) -> None:
    inbox.office.environment["DEFER_BATCH_OPERATOR"] = named
    owner = inbox.put("good.csv").owner()
    told = json.loads((inbox.run("0").folder / "manifest.json").read_text(encoding="utf-8"))
    assert told["operator"]["name"] == f"{named}, list from {owner}".removeprefix(", ")


def test_a_list_that_arrives_twice_ends_with_one_report_each(inbox: Inbox) -> None:
    inbox.put("first.csv")
    inbox.put("second.csv")
    ran = inbox.run("0")
    assert (ran.code, inbox.names("done")) == (0, ["first.csv", "second.csv"])
    assert ran.out.count("  manifest sha256: ") == 2
    assert len(list(ran.reports.glob("2*/report.html"))) == 2


def test_a_hash_that_cannot_be_kept_is_printed(inbox: Inbox) -> None:
    inbox.put("good.csv")
    inbox.office.environment["DEFER_INBOX_LOG"] = "/dev/full"
    ran = inbox.run("0")
    assert (ran.code, inbox.names("done")) == (1, ["good.csv"])
    assert "manifest sha256: " in ran.out


def test_a_list_that_was_changed_in_the_last_minute_waits(inbox: Inbox) -> None:
    os.utime(inbox.put("half.csv"), (0, 0))  # as a copy that keeps the old file's time
    ran = inbox.run("600")
    assert (ran.code, ran.out, inbox.waiting()) == (0, "", ["half.csv"])


def test_names_as_people_write_them_are_run(inbox: Inbox) -> None:
    names = ["LIST.CSV", "my list.Csv", "-n.csv", "two\nlines.csv", "$(id);'\".csv", "*.csv"]
    for name in names:
        inbox.put(name)
    ran = inbox.run("0")
    assert (ran.code, ran.err, inbox.names("done")) == (0, "", sorted(names))


def test_a_workbook_is_run(inbox: Inbox) -> None:
    from openpyxl import Workbook  # noqa: PLC0415 — the only test here that needs it

    book = Workbook()
    assert book.active is not None
    book.active.append(["trainee_id", "defer_date"])
    book.active.append(["abc", "2026-09-14"])
    book.save(inbox.folder / "list.XLSX")
    assert inbox.run("0").code == 0
    assert inbox.names("done") == ["list.XLSX"]


def test_a_file_of_another_kind_and_a_link_need_attention(inbox: Inbox) -> None:
    inbox.put("list.csv.part")
    (inbox.folder / "link.csv").symlink_to(inbox.office.write("elsewhere.csv", GOOD))
    ran = inbox.run("0")
    assert (ran.code, inbox.names("attention")) == (1, ["link.csv", "list.csv.part"])
    assert not list(ran.reports.glob("2*"))


def test_what_office_programs_leave_is_skipped(inbox: Inbox) -> None:
    litter = [".~lock.gone.ods#", "Thumbs.db", "desktop.ini", "~$gone.xlsx"]
    for name in [*litter, "good.csv"]:
        inbox.put(name)
    ran = inbox.run("0")
    assert (ran.code, inbox.waiting()) == (0, litter)
    assert inbox.names("done") == ["good.csv"]


def test_a_list_that_someone_has_open_waits(inbox: Inbox) -> None:
    waiting = [".~lock.list 2.csv#", "list 2.csv", "list.csv", "~$list.csv"]
    for name in waiting:
        inbox.put(name)
    ran = inbox.run("0")
    assert (ran.code, ran.out, inbox.waiting()) == (0, "", waiting)


def test_a_lock_left_for_days_is_named(inbox: Inbox) -> None:
    inbox.put("list.csv")
    os.utime(inbox.put("~$list.csv"), (0, 0))
    ran = inbox.run("0")
    assert (ran.code, inbox.names("done")) == (1, [])
    assert "~$list.csv" in ran.out


@pytest.mark.parametrize("command", ["check", "run"])
def test_whatever_a_command_ends_in_the_next_list_is_run(inbox: Inbox, command: str) -> None:
    endings = {"a.csv": "exit 2", "b.csv": "exit 99", "c.csv": "kill -ABRT $$", "d.csv": "exit 137"}
    if command == "check":  # of `run`, these two stop the script
        endings |= {"e.csv": "exit 5", "f.csv": "exit 70"}
    cases = [f"{command}*/{name}*) {ends}" for name, ends in endings.items()]
    inbox.defer_batch_but(" ;;\n".join(cases))
    for name in [*endings, "good.csv"]:
        inbox.put(name)
    assert inbox.run("0").code == 1
    assert (inbox.names("attention"), inbox.names("done")) == (list(endings), ["good.csv"])


@pytest.mark.parametrize("code", [5, 70])
def test_a_fault_of_the_tool_stops_but_does_not_come_back_for_the_same_list(
    inbox: Inbox, code: int
) -> None:
    inbox.put("bad.csv")
    inbox.put("good.csv")
    inbox.defer_batch_but(f"run*/bad.csv*) exit {code}")
    assert inbox.run("0").code == code
    assert (inbox.names("attention"), inbox.waiting()) == (["bad.csv"], ["good.csv"])
    assert (inbox.run("0").code, inbox.names("done")) == (0, ["good.csv"])


@pytest.mark.parametrize("command", ["check", "run"])
def test_where_another_run_is_under_way_the_lists_wait(inbox: Inbox, command: str) -> None:
    inbox.put("good.csv")
    inbox.defer_batch_but(f"{command}*/good.csv*) exit 4")
    assert (inbox.run("0").code, inbox.waiting()) == (4, ["good.csv"])


def test_where_register_cannot_be_asked_the_lists_wait(inbox: Inbox) -> None:
    inbox.put("good.csv")
    inbox.defer_batch_but("run*/good.csv*) exit 75")
    assert (inbox.run("0").code, inbox.waiting()) == (75, ["good.csv"])


@pytest.mark.parametrize(
    ("name", "value"),
    [("DEFER_BATCH_REGISTER", "https://register.example/path"), ("DEFER_BATCH_DATE_FORMAT", "x")],
)
def test_where_the_settings_suit_no_list_the_lists_wait(
    inbox: Inbox, name: str, value: str
) -> None:
    inbox.put("good.csv")
    inbox.office.environment[name] = value
    ran = inbox.run("0")
    assert (ran.code, inbox.waiting()) == (2, ["good.csv"])
    assert name in ran.out or value in ran.out


def test_where_the_token_is_missing_the_lists_wait(
    inbox: Inbox, at_register: Callable[..., Emulator]
) -> None:
    at_register(abc="trn_received", xyz="trn_received")
    inbox.put("first.csv")
    assert inbox.run("0").code == 0
    del inbox.office.environment["DEFER_BATCH_API_TOKEN"]
    inbox.put("second.csv", TWO)
    assert (inbox.run("0").code, inbox.waiting()) == (2, ["second.csv"])


def test_where_the_journal_is_damaged_the_lists_wait(inbox: Inbox) -> None:
    inbox.put("good.csv")
    inbox.office.reports.mkdir(mode=0o700)
    (inbox.office.reports / "journal.db").write_text("not a journal, not even nearly " * 200)
    assert (inbox.run("0").code, inbox.waiting()) == (2, ["good.csv"])


def test_a_misspelt_inbox_is_named_and_not_made(inbox: Inbox) -> None:
    ran = inbox.run(folder="inbocks")
    assert ran.code == 2
    assert "inbocks" in ran.err
    assert not (inbox.office.folder / "inbocks").exists()


def test_wrong_usage_is_refused(inbox: Inbox) -> None:
    assert inbox.run("soon").code == 2


def test_where_nothing_could_be_put_away_nothing_is_run(inbox: Inbox) -> None:
    inbox.put("a.csv")
    inbox.program("mv", "exit 1")
    ran = inbox.run("0")
    assert (ran.code, inbox.waiting()) == (2, ["a.csv"])
    assert not list(ran.reports.glob("2*"))


@pytest.mark.parametrize("folder", ["done", "attention"])
def test_where_a_folder_cannot_be_used_nothing_is_run(inbox: Inbox, folder: str) -> None:
    inbox.put("a.csv")
    inbox.put(folder, "a file of that name")
    ran = inbox.run("0")
    assert (ran.code, "a.csv" in inbox.waiting()) == (2, True)
    assert not list(ran.reports.glob("2*"))


def test_a_list_that_cannot_be_moved_blocks_no_other(inbox: Inbox) -> None:
    inbox.put("a.csv")
    inbox.put("b.csv")
    inbox.program("mv", 'case "$*" in *a.csv*) exit 1 ;; *) exec /bin/mv "$@" ;; esac')
    ran = inbox.run("0")
    assert (ran.code, inbox.waiting(), inbox.names("done")) == (2, ["a.csv"], ["b.csv"])
    assert "cannot move a.csv" in ran.out


def test_where_there_is_no_room_for_its_own_notes_nothing_is_run(inbox: Inbox) -> None:
    inbox.put("a.csv")
    inbox.office.environment["TMPDIR"] = str(inbox.office.folder / "nowhere")
    ran = inbox.run("0")
    assert (ran.code, inbox.waiting()) == (2, ["a.csv"])


def test_stopped_halfway_it_stops_in_good_order_and_continues_the_next_time(
    inbox: Inbox, at_register: Callable[..., Emulator]
) -> None:
    hanging = [troubles.hanging("abc")]
    emulator = at_register(abc="trn_received", xyz="trn_received", faults=hanging)
    inbox.put("a.csv", TWO)
    inbox.put("b.csv")
    with inbox.start("0") as process:
        until_asked(emulator, process)
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 143
    assert inbox.waiting() == ["a.csv", "b.csv"]
    assert not list((inbox.office.folder / "tmp").iterdir())
    assert inbox.run("0").code == 0
    assert inbox.names("done") == ["a.csv", "b.csv"]
    assert emulator.register.deferrals_by_api("abc") == (1,)


def test_a_list_whose_run_was_resumed_is_not_run_a_second_time(
    inbox: Inbox, at_register: Callable[..., Emulator]
) -> None:
    emulator = at_register(abc="trn_received", faults=IN_DOUBT)
    inbox.put("a.csv", GOOD + "zzz,2026-09-14\n")
    with inbox.start("0") as process:
        until_asked(emulator, process)
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=60)
    assert inbox.run("0").code == 1
    assert inbox.names("attention") == ["a.csv"]
    assert len(list(inbox.office.reports.glob("2*"))) == 1


def test_a_signal_to_the_script_alone_ends_it_after_the_list(
    inbox: Inbox, at_register: Callable[..., Emulator]
) -> None:
    emulator = at_register(abc="trn_received", faults=[troubles.slow("abc", 0.5)])
    inbox.put("a.csv")
    inbox.put("b.csv")
    with inbox.start("0") as process:
        until_asked(emulator, process)
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 143
    assert (inbox.names("done"), inbox.waiting()) == (["a.csv"], ["b.csv"])


def test_what_an_earlier_run_left_is_finished_and_named(
    inbox: Inbox, at_register: Callable[..., Emulator]
) -> None:
    emulator = at_register(abc="trn_received", faults=IN_DOUBT)
    inbox.office.write("list.csv", GOOD + "zzz,2026-09-14\n")
    with inbox.office.start("run", "list.csv") as process:
        until_asked(emulator, process)
        process.terminate()
        process.communicate(timeout=60)
    ran = inbox.run()
    assert ran.code == 1
    assert "trainee_not_found" in ran.out


def test_a_run_that_nothing_finishes_blocks_no_other_list(
    inbox: Inbox, at_register: Callable[..., Emulator]
) -> None:
    error = troubles.json_content(500, {"error": "Internal server error"})
    failing = [troubles.answered_before("abc", error, nth=n) for n in range(1, 99)]
    at_register(abc="trn_received", xyz="trn_received", faults=failing)
    inbox.put("a.csv", GOOD)
    inbox.put("b.csv", GOOD.replace("abc", "xyz"))
    assert inbox.run("0").code == 3
    assert (inbox.waiting(), inbox.names("done")) == (["a.csv"], ["b.csv"])
    inbox.put("c.csv", GOOD.replace("abc", "xyz"))
    assert inbox.run("0").code == 3
    assert (inbox.waiting(), inbox.names("done")) == (["a.csv"], ["b.csv", "c.csv"])
