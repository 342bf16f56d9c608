"""What README, CONTRIBUTING and SECURITY name is there, and agrees with the code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from batch.codes import Code, Outcome
from tests.support.office import Office

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "sample_data/schedules/README.md")
EXIT_CODES = {"0", "1", "2", "3", "4", "5", "6", "70", "75", "130", "143"}
SYMPTOMS = (
    "not found", "version", "day and month", "leading zeros", "another run", "network drive",
    "disk is full", "certificate", "interrupted", "unresolved", "altered", "token is refused",
)  # fmt: skip
SECURITY = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
THREATS = dict(re.findall(r"^\| ([a-z].+?) \| (.+) \|$", SECURITY.split("|---")[-1], re.MULTILINE))
"""Each row of its table by its first cell."""


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def first_cells(title: str) -> list[str]:
    rows = re.findall(r"^\| (.+?) \|", section(title), re.MULTILINE)
    return [cell.strip("*`") for cell in rows[1:]]


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 230


def test_the_quick_start_leads_to_a_rehearsed_run(office: Office) -> None:
    text = section("Rehearse")
    commands = re.findall(r"(?:^ +|`)defer-batch ([^`\n]+ emulator|check \S+)", text, re.MULTILINE)
    header = re.findall(r"`(trn,\S+)`", text)[0]
    office.write("deferrals.csv", f"{header}\n1234567,2026-09-14,Illness\n")
    here = [
        [word.replace("sample_data/", f"{ROOT}/sample_data/") for word in line.split()]
        for line in commands
    ]
    ran = [office.run(*arguments) for arguments in here]
    assert [one.code for one in ran] == [0, 0, 1]
    assert ran[1].summary["rehearsal"]


def test_the_demo_ends_as_the_sample_says(office: Office) -> None:
    demo = [sys.executable, str(ROOT / "sample_data" / "demo.py")]
    environment = office._environment() | {"PYTHONPATH": str(ROOT)}
    ran = subprocess.run(demo, cwd=office.folder, env=environment, capture_output=True, check=False)
    assert (ran.returncode, b"as expected" in ran.stderr) == (0, True)


def test_without_arguments_it_shows_where_to_begin(office: Office) -> None:
    shown = office.run()
    template, check, run = re.findall(r"^  defer-batch (\w.+)$", shown.out, re.MULTILINE)
    header = office.run(template.split()[0]).out
    office.write("deferrals.csv", f"{header}abc,2026-09-14,\n")
    assert shown.code == office.run(*check.split()).code == office.run(*run.split()).code == 0


def test_every_command_is_named_and_there(office: Office) -> None:
    help_text = office.run("--help").out.split("Commands:")[1]
    there = set(re.findall(r"^  (\w+) ", help_text, re.MULTILINE))
    assert set(re.findall(r"^\| `defer-batch (\w+)", README, re.MULTILINE)) == there


def test_every_option_of_run_is_named(office: Office) -> None:
    options = set(re.findall(r"--[a-z-]+", office.run("run", "--help").out)) - {"--help"}
    assert not {option for option in options if f"`{option}`" not in section("Settings")}


def test_every_setting_of_the_environment_is_one_that_is_read() -> None:
    read = (ROOT / "batch" / "settings.py").read_text(encoding="utf-8")
    named = re.findall(r"`DEFER_BATCH_(\w+)`", section("Settings"))
    fields = {name for name in named if re.search(rf"^    {name.lower()}: ", read, re.MULTILINE)}
    assert set(named) - fields == {"REGISTER"}  # its field is `register_name`


def test_every_default_is_the_one_of_the_help(office: Office) -> None:
    help_text = " ".join(office.run("run", "--help").out.split())
    line = r"^\| `(--[a-z-]+)`[^|]* \| `\w+` \| `([^`]+)` \|$"
    rows = re.findall(line, section("Settings"), re.MULTILINE)
    assert len(rows) >= 7
    for option, default in rows:
        assert f"[{default}]" in help_text.split(option)[1].split(" --")[0]


def test_the_outcomes_are_those_of_the_code() -> None:
    assert first_cells("What becomes of a row") == [outcome.value for outcome in Outcome]


def test_every_code_that_is_named_is_one_and_can_be_explained(office: Office) -> None:
    named = re.findall(r"`defer-batch explain (\w+)`", README)
    assert named
    assert not set(named) - {code.value for code in Code}
    assert [office.run("explain", name).code for name in named] == [0] * len(named)


def test_the_exit_codes_are_those_of_the_interface() -> None:
    codes = [code for cell in first_cells("Exit codes") for code in cell.split(", ")]
    assert len(codes) == len(set(codes))
    assert set(codes) == EXIT_CODES


def test_each_of_the_twelve_symptoms_has_one_row() -> None:
    rows = [cell.lower() for cell in first_cells("When something is wrong")]
    assert len(rows) == len(SYMPTOMS)
    assert not [words for words, row in zip(SYMPTOMS, rows, strict=True) if words not in row]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_is_named_exists(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    named = re.findall(r"`((?:batch|tests|sample_data)/[^\s`:]+)(?:::\w+)?`", text)
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    missing = [path for path in named if not (ROOT / path).exists()]
    assert not missing + [
        path for path in links if not (ROOT / document).parent.joinpath(path).exists()
    ]


def test_no_address_but_registers_own_is_named() -> None:
    addresses = re.findall(r"https?://[^\s`)]+", README)
    assert not [url for url in addresses if "register-trainee-teachers.service.gov.uk" not in url]


@pytest.mark.parametrize("threat", THREATS)
def test_each_threat_names_tests_that_are_there(threat: str) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", THREATS[threat])
    assert named
    assert not [
        (path, name)
        for path, name in named
        if f"\ndef {name}(" not in (ROOT / path).read_text("utf-8")
    ]


def test_decisions_are_dated_and_short() -> None:
    contributing = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    decisions = contributing.split("\n## Decisions\n")[1].split("\n## ")[0].split("\n### ")[1:]
    assert len(decisions) >= 4
    assert not [text for text in decisions if not re.match(r"\d{4}-\d\d-\d\d: \w", text)]
    assert not [text for text in decisions if len(text.strip().splitlines()) > 10]
