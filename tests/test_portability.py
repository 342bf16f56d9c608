"""The tests can be collected everywhere, and say themselves where they cannot run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
FILES = [*TESTS.glob("*.py"), *(TESTS / "laws").glob("*.py")]
ABSENT_MODULES = {"fcntl", "grp", "pty", "pwd", "resource", "termios"}
ABSENT = {
    "os": ("fork", "getegid", "geteuid", "getgid", "getuid", "killpg", "mkfifo", "seteuid"),
    "signal": ("SIGALRM", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGUSR1"),
}
"""What Python on Windows has not, and some test uses."""


def imported(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [str(node.module)]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    is_marked = any("pytestmark = posix_only" in ast.unparse(node) for node in tree.body)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not is_marked:
            marks = {ast.unparse(mark) for mark in node.decorator_list}
            if "posix_only" not in marks:
                yield node


def of_posix(function: ast.FunctionDef) -> set[str]:
    text = ast.unparse(function)
    absent = (f"{module}.{name}" for module, names in ABSENT.items() for name in names)
    told = (
        "send_signal(",
        "['bash', '-",
        "['sh', ",
        ".symlink_to(",
        "pseudo_terminal(",
        "at_a_terminal(",
    )
    return {words for words in (*absent, *told) if words in text}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_only_posix_offers_is_asked_of_no_other_system(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not {name for node in tree.body for name in imported(node)} & ABSENT_MODULES
    if path.name in {"terminals.py", Path(__file__).name}:
        return
    assert not {
        (function.name, words)
        for function in functions(tree)
        if function.name.startswith("test_")
        for words in of_posix(function)
    }
