"""Whatever a user can be told that is amiss has a remedy in the README, by its own words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Office

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
TROUBLESHOOTING = README.split("\n## Troubleshooting\n")[1].split("\n## ")[0]
SHORTEST = 9
"""Letters: what is shorter stands within a longer message that has a line of its own."""

NOT_FOR_USERS = {
    "advice",  # what to do, which stands beside the message
    "record/attention",  # the page: what it says of a row is the row's message
    "record/chart",
    "record/page",
    "record/workbook",
    "register/dates",  # from here on, what the emulator says in Register's place
    "register/emulator",
    "register/listing",
    "register/model",
    "register/replies",
    "register/trainees",
    "register/validation",
}
NO_MESSAGE = (
    "; not sent again.",
    "Deferrals cannot be undone from here.",
    "No row would be sent.",
    "Register's emulator: ",
    "Resuming ",
    "SANDBOX: ",
    "REHEARSAL: ",
    "Stopped early: ",
    "Time needed at the rate limit",
    "Type yes ",
    "Where the first of them stand",
    "Where to begin",
    "To carry on with what is unfinished",
    "ended for good",
    "Will delete ",
    "a few seconds",
    "blank rows skipped",
    "end of data",
    "expected after",
    "field limit",
    "files and manifest agree",
    "files, manifest and journal agree",
    "which knows",
    "would be sent, in",
    "its folder",
    "held back: ",
    "manifest sha256",
    "no runs yet",
    "of them valid",
    "repaired while reading",
    "rows would be sent",
    "No run was purged",
    "and the memory of what was deferred",
    "its rows and its folder",
    "one line of ",
    "their rows and folders",
    "the emulator in this process",
    "what it was told is then forgotten",
    "what to do",
    "write it as YYYY-MM-DD",
    "gave no state to compare",  # from here on, what only `run.log` and the journal tell
    "gave no trainee to compare",
    "hint: ",  # and parts of hints
    "defer-batch template` prints the right",
    "in a text editor: a quote within",
    "An unquoted separator",
    "close the other program that has",
    "correct it, or, where it is meant",
    "let this user write there",
    "make room on the disk",
    "save it again as ",
    "say --api-version",
    "try --encoding",
    "lists them: none yet",
    "a header `trainee_id,state`",
    "`defer-batch resume ",
    "carries on",
    "defer-batch resume ",
    "the sample",
    "earlier deferrals",
    "not found",
    "one without a number",
    "seconds, which is too long",
    "without a date",
    "Not found",
    "charset=utf-8",
    "state is invalid",
    "Value error",
    "document type",  # ends the reading of a sheet, which is then no workbook
    "rows of a sheet stand",
    "\\d{",
)
TYPERS = {
    "No such option": ["run", "x.csv", "--regster", "emulator"],
    "No such command": ["chekc", "x.csv"],
    "Missing argument": ["check"],
    "Missing option": ["purge"],
    "Invalid value for": ["emulator", "--port", "eight"],
}
"""What typer says of the command line itself, and a line that makes it say so."""
SQL = re.compile(
    r"\b(SELECT|FROM|WHERE|INSERT|UPDATE|DELETE|PRAGMA|BEGIN|ALTER|CREATE|AND|OR|NOT IN)\b|coalesce"
)


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(ROOT.glob("batch/**/*.py")):
        name = path.relative_to(ROOT / "batch").with_suffix("").as_posix()
        yield name, ast.parse(path.read_text(encoding="utf-8"))


def said(tree: ast.AST) -> Iterator[str]:
    """Give every text of a module, of an f-string its longest part; no docstring, hint or help."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [str(part.value) for part in node.values if isinstance(part, ast.Constant)]
            yield max(parts, key=len, default="")
        elif isinstance(node, ast.Constant):
            yield node.value if isinstance(node.value, str) else ""
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        elif not (isinstance(node, ast.keyword) and node.arg in {"hint", "help", "pattern"}):
            yield from said(node)


def messages() -> set[tuple[str, str]]:
    return {
        (name, text.strip(" :,.(`'"))
        for name, tree in modules()
        if name not in NOT_FOR_USERS
        for text in said(tree)
        if " " in text.strip()
        and not SQL.search(text)
        and not any(words in text for words in NO_MESSAGE)
    }


def told() -> list[str]:
    lines = [line for line in TROUBLESHOOTING.splitlines() if line.startswith("| `")]
    cells = [line.split(" | ")[0] for line in lines]
    parts = [
        part
        for cell in cells
        for quoted in re.findall(r"`([^`]+)`", cell)
        for part in quoted.split("…")
    ]
    return [part.strip(" ;:,") for part in parts if len(part.strip(" ;:,")) >= SHORTEST]


def test_every_message_has_a_remedy() -> None:
    known = told()
    assert not {
        (name, text)
        for name, text in messages()
        if len(text) >= SHORTEST and not any(part in text or text in part for part in known)
    }


@pytest.mark.parametrize("words", TYPERS)
def test_what_typer_says_has_a_remedy_too(office: Office, words: str) -> None:
    assert words in office.run(*TYPERS[words]).err
    assert f"`{words}`" in TROUBLESHOOTING


def test_every_message_with_a_remedy_can_be_met() -> None:
    texts = [text for _, tree in modules() for text in words(tree)]
    assert not [
        part for part in told() if part not in TYPERS and not any(part in text for text in texts)
    ]


def words(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
