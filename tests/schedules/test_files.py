"""The files beside the inbox script: they parse, run, and are named where people look."""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.schedules.test_defer_inbox import Inbox
from tests.support.office import Office
from tests.support.terminals import posix_only

HERE = Path(__file__).parents[2] / "sample_data" / "schedules"
README = (HERE / "README.md").read_text(encoding="utf-8")
CRONTAB = (HERE / "crontab").read_text(encoding="utf-8")
SCRIPTS = ("defer-inbox", "install.sh")
GOOD = "trainee_id,defer_date\nabc,2026-09-14\n"


@posix_only
@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_pass_shellcheck(script: str) -> None:
    program = shutil.which("shellcheck")
    assert program, "this test needs shellcheck: apt-get install shellcheck"
    ran = subprocess.run([program, str(HERE / script)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


@posix_only
@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_programs(script: str) -> None:
    assert (HERE / script).stat().st_mode & 0o111
    subprocess.run(["sh", "-n", str(HERE / script)], check=True)


def test_every_file_is_named_in_the_readme() -> None:
    files = {path.name for path in HERE.iterdir() if path.is_file()} - {"README.md"}
    assert not {name for name in files if f"`{name}`" not in README}


def test_every_command_of_the_readme_is_there(office: Office) -> None:
    named = set(re.findall(r"`defer-batch ([a-z]+)", README))
    there = set(re.findall(r"^  (\w+) ", office.run("--help").out, re.MULTILINE))
    assert named
    assert named <= there


def test_every_setting_of_the_schedules_is_one_of_the_tool() -> None:
    main = (HERE.parents[1] / "README.md").read_text(encoding="utf-8")
    texts = [path.read_text("utf-8") for path in HERE.iterdir() if path.is_file()]
    named = {name for text in texts for name in re.findall(r"DEFER_BATCH_\w+", text)}
    assert not {name for name in named if f"`{name}`" not in main}


def test_every_line_of_the_crontab_is_a_setting_a_job_or_a_comment() -> None:
    job = r"[\d*,/-]+ [\d*,/-]+ [\d*,/-]+ [\d*,/-]+ [\d*,/-]+ \S.*"
    lines = CRONTAB.splitlines()
    assert not [line for line in lines if not re.fullmatch(rf"#.*|[A-Z_]+=\S+|{job}", line)]
    assert not [line for line in lines if "%" in line]  # cron would end the command there


@posix_only
def test_the_jobs_of_the_crontab_run(office: Office) -> None:
    inbox = Inbox(office)
    inbox.put("old.csv")
    inbox.program("defer-inbox", f'exec sh {shlex.quote(str(HERE))}/defer-inbox "$@" 0')
    jobs = re.findall(r"^[\d*]+ [\d*]+ \S+ \S+ \S+ (.+)$", CRONTAB, re.MULTILINE)
    assert len(jobs) == 3
    printed = []
    for job in jobs:
        here = job.replace("/srv/deferrals/inbox", str(inbox.folder))
        here = here.replace("/usr/local/lib/defer-batch", shlex.quote(str(HERE)))
        here = here.replace("/var/lib/defer-batch/reports", str(office.reports))
        here = here.replace("/var/backups/defer-batch", str(office.folder / "backups"))
        ran = subprocess.run(
            ["sh", "-c", here],
            cwd=office.folder,
            env=office._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        printed.append(ran.stdout)
    assert ("old.csv" in printed[0], printed[1:]) == (True, ["", ""])
    assert inbox.names("done") == ["old.csv"]
    assert list((office.folder / "backups").glob("journal-*.db"))


def back_up(office: Office) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(HERE / "backup_journal.py"), str(office.reports)]
    return subprocess.run(
        [*command, str(office.folder / "backups")], capture_output=True, text=True, check=False
    )


def test_a_backup_restores_a_journal_that_proves_its_runs(office: Office) -> None:
    office.write("list.csv", GOOD)
    run_id = office.run("run", "list.csv", "--register", "emulator").folder.name
    assert back_up(office).returncode == 0
    (copy,) = (office.folder / "backups").glob("journal-*.db")
    for left in office.reports.glob("journal.db*"):
        left.unlink()
    shutil.copy(copy, office.reports / "journal.db")
    assert office.run("verify", run_id).code == 0


def test_a_backup_is_whole_also_while_the_journal_is_written(office: Office) -> None:
    office.write("list.csv", GOOD)
    office.run("run", "list.csv", "--register", "emulator")
    with contextlib.closing(sqlite3.connect(office.reports / "journal.db")) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("CREATE TABLE committed (n)")
        writer.commit()
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("CREATE TABLE under_way (n)")
        assert back_up(office).returncode == 0
    (copy,) = (office.folder / "backups").glob("journal-*.db")
    with contextlib.closing(sqlite3.connect(copy)) as backup:
        tables = {name for (name,) in backup.execute("SELECT name FROM sqlite_master")}
    assert ("committed" in tables, "under_way" in tables) == (True, False)


@posix_only
def test_a_backup_is_for_its_owner_alone(office: Office) -> None:
    office.write("list.csv", GOOD)
    office.run("run", "list.csv", "--register", "emulator")
    back_up(office)
    (copy,) = (office.folder / "backups").glob("journal-*.db")
    assert copy.stat().st_mode & 0o077 == 0


def test_a_damaged_journal_is_not_taken_for_a_backup(office: Office) -> None:
    office.reports.mkdir()
    (office.reports / "journal.db").write_bytes(b"not a database, whatever its name says" * 99)
    ran = back_up(office)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "was not backed up" in ran.stdout
    assert not list((office.folder / "backups").glob("journal-*.db"))


def test_before_the_first_run_there_is_nothing_to_back_up(office: Office) -> None:
    assert (back_up(office).returncode, back_up(office).stdout) == (0, "")
