"""The recipes of the README do what it says, as far as a Linux machine can tell."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from batch.emulator.requests import Endpoint
from batch.emulator.server import Emulator
from tests.support import troubles
from tests.support.office import TOKEN, Office, Ran
from tests.support.terminals import posix_only
from tests.support.waiting import until

pytestmark = posix_only

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
GOOD = "trainee_id,defer_date\nabc,2026-09-14\n"


class Inbox:
    """The folder of the recipe, and its script as a shell runs it."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.script = office.write("defer-inbox", next(b for kind, b in BLOCKS if kind == "sh"))
        self.folder = office.folder / "inbox"
        self.folder.mkdir()
        (office.folder / "tmp").mkdir()
        programs = office.folder / "bin"
        programs.mkdir()
        path = [str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]
        office.environment |= {
            "DEFER_BATCH_REGISTER": "emulator",
            "PATH": os.pathsep.join(path),
            "TMPDIR": str(office.folder / "tmp"),
        }

    def put(self, name: str, content: str | bytes = GOOD) -> None:
        self.office.write(f"inbox/{name}", content)

    def start(self, *minutes: str, folder: str = "inbox") -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["sh", str(self.script), folder, *minutes],
            cwd=self.office.folder,
            env=self.office._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )

    def run(self, *minutes: str, folder: str = "inbox") -> Ran:
        with self.start(*minutes, folder=folder) as process:
            out, err = process.communicate()
        return Ran(process.returncode, out, err, self.office.reports)

    def names(self, place: str) -> list[str]:
        stamp = r"^\d{8}T\d{6}Z-"
        return sorted(re.sub(stamp, "", path.name) for path in self.folder.glob(f"{place}/*"))

    def waiting(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if path.is_file())


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
            "DEFER_BATCH_TIMEOUT": "1",
            "DEFER_BATCH_LOST_ANSWER_WAIT": "0",
            "DEFER_BATCH_MAX_AT_ONCE": "1",
        }
        return emulator

    return serving


def test_each_file_is_run_and_put_away(inbox: Inbox) -> None:
    inbox.put("good.csv")
    inbox.put("rows.csv", "trainee_id,defer_date\nabc,\n")
    inbox.put("unusable.csv", "name\nabc\n")
    ran = inbox.run("0")
    assert ran.code == 1
    assert "no column named" in ran.out
    assert inbox.names("done") == ["good.csv"]
    assert inbox.names("attention") == ["rows.csv", "unusable.csv"]
    assert not inbox.waiting()


def test_an_empty_inbox_is_quiet(inbox: Inbox) -> None:
    ran = inbox.run()
    assert (ran.code, ran.out, ran.err) == (0, "", "")


def test_a_file_that_was_changed_in_the_last_minute_waits(inbox: Inbox) -> None:
    inbox.put("half.csv")
    os.utime(inbox.folder / "half.csv", (0, 0))  # as a copy that keeps the old file's time
    ran = inbox.run()
    assert (ran.code, ran.out, inbox.waiting()) == (0, "", ["half.csv"])


@pytest.mark.parametrize("name", ["LIST.CSV", "my list.Csv", "-n.csv"])
def test_names_as_people_write_them_are_run(inbox: Inbox, name: str) -> None:
    inbox.put(name)
    ran = inbox.run("0")
    assert (ran.code, ran.err, inbox.names("done")) == (0, "", [name])


def test_a_workbook_is_run(inbox: Inbox) -> None:
    from openpyxl import Workbook  # noqa: PLC0415 — the only test here that needs it

    book = Workbook()
    assert book.active is not None
    book.active.append(["trainee_id", "defer_date"])
    book.active.append(["abc", "2026-09-14"])
    book.save(inbox.folder / "list.XLSX")
    assert inbox.run("0").code == 0
    assert inbox.names("done") == ["list.XLSX"]


def test_a_file_of_another_kind_needs_attention(inbox: Inbox) -> None:
    inbox.put("list.csv.part")
    ran = inbox.run("0")
    assert (ran.code, inbox.names("attention")) == (1, ["list.csv.part"])
    assert "list.csv.part: it is neither .csv nor .xlsx" in ran.out
    assert not list(ran.reports.glob("2*"))


def test_a_misspelt_inbox_is_told_and_not_made(inbox: Inbox) -> None:
    ran = inbox.run(folder="inbocks")
    assert ran.code == 2
    assert "inbocks" in ran.err
    assert not (inbox.office.folder / "inbocks").exists()


def test_a_file_that_cannot_be_moved_stops_the_rest_and_is_told(inbox: Inbox) -> None:
    inbox.put("a.csv")
    inbox.put("b.csv")
    inbox.office.write("bin/mv", "#!/bin/sh\nexit 1\n").chmod(0o755)
    ran = inbox.run("0")
    assert (ran.code, inbox.waiting()) == (2, ["a.csv", "b.csv"])
    assert "cannot move" in ran.out
    assert len(list(ran.reports.glob("2*"))) == 1


def test_where_nothing_can_be_sent_the_files_wait(inbox: Inbox) -> None:
    inbox.put("good.csv")
    inbox.office.environment["DEFER_BATCH_REGISTER"] = "https://register.example/path"
    ran = inbox.run("0")
    assert (ran.code, inbox.waiting()) == (2, ["good.csv"])
    assert "a base URL has no path" in ran.out


def until_asked(emulator: Emulator, process: subprocess.Popen[str]) -> None:
    until(lambda: emulator.received(Endpoint.DEFER) or process.poll() is not None)
    assert process.poll() is None


def test_stopped_halfway_it_stops_in_good_order_and_carries_on_the_next_time(
    inbox: Inbox, at_register: Callable[..., Emulator]
) -> None:
    hanging = [troubles.hanging("abc")]
    emulator = at_register(abc="trn_received", xyz="trn_received", faults=hanging)
    inbox.put("a.csv", GOOD + "xyz,2026-09-14\n")
    inbox.put("b.csv")
    with inbox.start("0") as process:
        until_asked(emulator, process)
        os.killpg(process.pid, signal.SIGTERM)
        out, _ = process.communicate()
    assert process.returncode == 143
    assert "Interrupted (SIGTERM)" in out
    assert inbox.waiting() == ["a.csv", "b.csv"]
    assert not list((inbox.office.folder / "tmp").iterdir())
    assert inbox.run("0").code == 0
    assert inbox.names("done") == ["a.csv", "b.csv"]
    assert emulator.register.deferrals_by_api("abc") == (1,)


def test_a_signal_to_the_script_alone_ends_it_after_the_file(
    inbox: Inbox, at_register: Callable[..., Emulator]
) -> None:
    emulator = at_register(abc="trn_received", faults=[troubles.slow("abc", 0.5)])
    inbox.put("a.csv")
    inbox.put("b.csv")
    with inbox.start("0") as process:
        until_asked(emulator, process)
        process.terminate()
        process.communicate()
    assert process.returncode == 143
    assert (inbox.names("done"), inbox.waiting()) == (["a.csv"], ["b.csv"])


def test_what_an_earlier_run_left_is_carried_on_and_told(
    inbox: Inbox, at_register: Callable[..., Emulator]
) -> None:
    emulator = at_register(abc="trn_received", faults=[troubles.hanging("abc")])
    inbox.office.write("list.csv", GOOD + "zzz,2026-09-14\n")
    with inbox.office.start("run", "list.csv") as process:
        until_asked(emulator, process)
        process.terminate()
        process.communicate()
    ran = inbox.run()
    assert ran.code == 1
    assert "trainee_not_found: row 3" in ran.out


def test_the_lines_for_cron_run_the_folder_and_the_retention(inbox: Inbox) -> None:
    table = next(block for kind, block in BLOCKS if kind == "crontab")
    jobs = re.findall(r"^[\d*]+ [\d*]+ \S+ \S+ \S+ (.+)$", table, re.MULTILINE)
    names = re.findall(r"^(DEFER_BATCH_\w+)=", table, re.MULTILINE)
    assert len(jobs) == 2
    assert set(names) >= {"DEFER_BATCH_REGISTER", "DEFER_BATCH_API_TOKEN_FILE"}
    inbox.put("old.csv")
    inbox.script.rename(inbox.office.folder / "bin" / "defer-inbox").chmod(0o755)
    for job in jobs:
        here = job.replace("/srv/deferrals/inbox", str(inbox.folder))
        here = here.replace(f"defer-inbox {inbox.folder}", f"defer-inbox {inbox.folder} 0")
        ran = subprocess.run(
            ["sh", "-c", here],
            cwd=inbox.office.folder,
            env=inbox.office._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert inbox.names("done") == ["old.csv"]
