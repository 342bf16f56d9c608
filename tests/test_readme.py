"""README says what is so: codes, commands, options, messages, recipes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from batch.codes import Code
from tests.support.office import Office
from tests.support.terminals import posix_only

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
EXIT_CODES = {
    "0": "every row succeeded (`check`: every row is valid); nothing to do",
    "1": "the run finished; some rows need attention (`check`: some rows are invalid)",
    "2": "nothing was sent: wrong usage, a setting missing or bad, a file that cannot be used, an unfinished run in the way, a question declined",
    "3": "stopped early, rows are unresolved: `resume` carries on",
    "4": "another run is submitting to this Register as this user on this machine, or writing this journal",
    "5": "the run's own self-check failed: do not trust its reports, tell the maintainers",
    "130, 143": "interrupted (Ctrl-C, SIGTERM) after writing everything down: `resume` carries on",
}


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_the_exit_codes_are_those_of_the_interface() -> None:
    rows = re.findall(r"^\| ([\d, ]+) \| (.+) \|$", section("Exit codes"), re.MULTILINE)
    assert dict(rows) == EXIT_CODES


def test_the_first_screen_leads_to_a_rehearsed_run(office: Office) -> None:
    five = section("In five minutes")
    commands = re.findall(r"(?:^ +|`)defer-batch ([^`\n]+ emulator|check \S+)", five, re.MULTILINE)
    header = re.findall(r"`(trainee_id,\S+)`", five)[0]
    office.write("deferrals.csv", f"{header}\nabc,2026-09-14,Illness\n")
    here = [line.replace("sample_data/", f"{ROOT}/sample_data/").split() for line in commands]
    ran = [office.run(*arguments) for arguments in here]
    assert [one.code for one in ran] == [0, 0, 1]
    assert "REHEARSAL" in ran[1].out


def test_without_arguments_it_shows_where_to_begin(office: Office) -> None:
    told = office.run()
    template, check, run = re.findall(r"^  defer-batch (\w.+)$", told.out, re.MULTILINE)
    header = office.run(template.split()[0]).out
    office.write("deferrals.csv", f"{header}abc,2026-09-14,\n")
    assert told.code == office.run(*check.split()).code == office.run(*run.split()).code == 0


def test_every_command_is_told_and_there(office: Office) -> None:
    help_text = office.run("--help").out.split("Commands:")[1]
    there = set(re.findall(r"^  (\w+) ", help_text, re.MULTILINE))
    assert set(re.findall(r"^\| `defer-batch (\w+)", README, re.MULTILINE)) == there


def test_every_option_of_run_is_told(office: Office) -> None:
    options = set(re.findall(r"--[a-z-]+", office.run("run", "--help").out)) - {"--help"}
    assert not {option for option in options if f"`{option}`" not in section("Settings")}


def test_every_default_is_the_one_of_the_help(office: Office) -> None:
    help_text = " ".join(office.run("run", "--help").out.split())
    rows = re.findall(r"^\| `(--[a-z-]+)` \| `\w+` \| `([^`]+)` \|$", README, re.MULTILINE)
    assert len(rows) >= 7
    for option, default in rows:
        assert f"[{default}]" in help_text.split(option)[1].split(" --")[0]


def test_every_code_is_told() -> None:
    assert not {code for code in Code if f"`{code.value}`" not in section("What becomes of a row")}


@posix_only
@pytest.mark.parametrize("block", [block for kind, block in BLOCKS if kind in {"sh", "bash"}])
def test_shell_recipes_are_good_shell(block: str) -> None:
    subprocess.run(["bash", "-n"], input=block, text=True, check=True)


def test_no_address_but_registers_own_is_named() -> None:
    addresses = re.findall(r"https?://[^\s`)]+", README)
    assert not [url for url in addresses if "register-trainee-teachers.service.gov.uk" not in url]


THREATS = (
    "token theft", "man in the middle", "hostile CSV", "hostile server", "hostile co-user",
    "spreadsheet formulas", "tampered reports", "stolen laptop",
)  # fmt: skip


@pytest.mark.parametrize("threat", THREATS)
def test_each_threat_names_tests_that_are_there(threat: str) -> None:
    row = re.findall(
        rf"^\| {threat} \|.*$", (ROOT / "SECURITY.md").read_text("utf-8"), re.MULTILINE
    )
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row[0])
    assert named
    assert not [
        (path, name)
        for path, name in named
        if f"\ndef {name}(" not in (ROOT / path).read_text("utf-8")
    ]


def test_the_files_that_contributing_names_exist() -> None:
    named = re.findall(
        r"`((?:batch|tests|sample_data)/\S+)`", (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    )
    assert not [path for path in named if not (ROOT / path).is_file()]


def test_decisions_are_dated_and_short() -> None:
    decisions = section("Decisions").split("\n### ")[1:]
    assert len(decisions) >= 4
    assert not [text for text in decisions if not re.match(r"\d{4}-\d\d-\d\d: \w", text)]
    assert not [text for text in decisions if len(text.strip().splitlines()) > 10]
