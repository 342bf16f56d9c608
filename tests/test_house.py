"""The architecture: which layers there are, and who owns each third party."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "batch"
LAYERS = (
    ("__main__",),
    ("cli", "app"),
    ("wiring",),
    ("known_commands",),
    ("options", "failures"),
    ("completing", "command_help"),
    ("terminal",),
    ("last_screen",),
    ("commands",),
    ("settings",),
    ("submission", "roster", "emulator"),
    ("intake", "register", "record"),
    ("unexpected",),
    ("run_settings", "columns", "hints", "files"),
    ("rows",),
    ("codes",),
    ("streams",),
    ("errors", "systems", "words"),
)
APART = {"intake", "register", "record", "roster", "emulator"}
"""Rooms that never import each other: `submission` and `commands` carry values between them."""
ALLOWED = {("roster", "register")}
OWNERS = {
    "dotenv": {"settings"},
    "filelock": {"record.locks"},
    "httpx": {"register.client", "register.connections"},
    "jinja2": {"app.site", "record.page"},
    "polars": {
        "intake.certain",
        "intake.cleaning",
        "intake.derived",
        "intake.duplicates",
        "intake.evidence",
        "intake.rules",
    },
    "markupsafe": {"record.page"},
    "pydantic": {"register.body", "settings"},
    "rich": {"terminal"},
    "sqlite3": {
        "record.commits",
        "record.database",
        "record.journal",
        "record.ledger",
        "record.purging",
    },
    "starlette": {
        "app.gate",
        "app.list_pages",
        "app.run_pages",
        "app.send_pages",
        "app.serving",
        "app.site",
        "emulator.server",
    },
    "structlog": {"submission.run_log"},
    "truststore": {"register.connections"},
    "typer": {"cli", "command_help", "failures", "known_commands", "options"},
    "uvicorn": {"app.serving", "emulator.server"},
    "xlsxwriter": {"app.copies", "record.workbook"},
}
STRUCTS = {"msgspec.Struct", "msgspec.field"}
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): ast.parse(
        path.read_text(encoding="utf-8")
    )
    for path in sorted(PACKAGE.rglob("*.py"))
}


def imported(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "importlib.import_module":
            names |= {str(part.value) for part in node.args if isinstance(part, ast.Constant)}
    return names


def room(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


def layer(name: str) -> int:
    return next(number for number, rooms in enumerate(LAYERS) if room(name) in rooms)


def ours(tree: ast.AST) -> set[str]:
    found = {name.removeprefix("batch.") for name in imported(tree) if name.startswith("batch.")}
    return {name for name in found if room(name) != "__version__"}


@pytest.mark.parametrize("name", [name for name in MODULES if name != "__init__"])
def test_right_never_imports_left(name: str) -> None:
    upward = {other for other in ours(MODULES[name]) if layer(other) < layer(name)}
    assert not upward


@pytest.mark.parametrize("name", [name for name in MODULES if room(name) in APART])
def test_some_rooms_never_import_each_other(name: str) -> None:
    others = {room(other) for other in ours(MODULES[name])} & APART - {room(name)}
    assert not {other for other in others if (room(name), other) not in ALLOWED}


def test_each_third_party_has_its_owners_and_no_other() -> None:
    found: dict[str, set[str]] = {}
    for name, tree in MODULES.items():
        for party in {other.split(".")[0] for other in imported(tree)}:
            if party not in sys.stdlib_module_names | {"batch", "msgspec"} or party == "sqlite3":
                found.setdefault(party, set()).add(name)
    assert found == OWNERS


@pytest.mark.parametrize("name", MODULES)
def test_values_are_structs_and_structs_are_all_that_msgspec_is_asked_for(name: str) -> None:
    named = imported(MODULES[name])
    assert not {other for other in named if other.startswith("dataclasses.")}
    used = {other for other in named if other.split(".")[0] == "msgspec"}
    assert {other for other in used if not other.startswith("msgspec.structs.")} <= STRUCTS


@pytest.mark.parametrize("name", MODULES)
def test_every_module_has_a_docstring(name: str) -> None:
    assert ast.get_docstring(MODULES[name])


def test_no_two_modules_and_no_two_classes_have_one_name() -> None:
    """A name in a traceback must say which one it is."""
    modules = [name.rpartition(".")[2] for name in MODULES]
    nodes = (node for tree in MODULES.values() for node in ast.walk(tree))
    classes = [node.name for node in nodes if isinstance(node, ast.ClassDef)]
    found = Counter(modules) + Counter(classes)
    assert {name for name, count in found.items() if count > 1} <= {"__init__"}


PURE = (
    "codes",
    "errors",
    "rows",
    "columns",
    "words",
    "record.chart",
    "register.answers",
    "register.api",
    "emulator.model",
    "roster.forecast",
    "roster.identity",
    "roster.listing",
    "roster.matching",
    "roster.standing",
    "submission.server_clock",
    "submission.pacing",
    "submission.settling",
    "submission.windows",
)


@pytest.mark.parametrize("name", PURE)
def test_the_pure_rooms_import_no_third_party_and_no_io(name: str) -> None:
    parties = {other.split(".")[0] for other in imported(MODULES[name])}
    assert not parties & {*OWNERS, "asyncio", "os", "pathlib", "socket", "time"}


OF_ONE_SYSTEM = {
    "modules": {"fcntl", "grp", "msvcrt", "posix", "pty", "pwd", "resource", "termios", "winreg"},
    "os": {"O_DIRECTORY", "O_NOFOLLOW", "chown", "fchmod", "fork", "getegid", "geteuid", "getgid"}
    | {"getuid", "killpg", "mkfifo", "name", "setsid", "statvfs", "uname"},
    "platform": {"system"},
    "signal": {"SIGALRM", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGUSR1", "alarm", "pause"},
    "socket": {"AF_UNIX", "SO_LINGER", "SO_REUSEADDR", "SO_REUSEPORT"},
    "sys": {"getwindowsversion", "platform"},
}
"""What some system has not, or means otherwise, and which system it is."""


@pytest.mark.parametrize("name", [name for name in MODULES if name != "systems"])
def test_only_one_room_knows_which_system_this_is(name: str) -> None:
    tree = MODULES[name]
    asked = {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.attr in OF_ONE_SYSTEM.get(node.value.id, ())
    }
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert "isatty" not in attributes, "Windows says so of NUL: systems.is_terminal"
    signals = {attribute for attribute in attributes if "_signal_handler" in attribute}
    assert not asked | {other for other in imported(tree) if other in OF_ONE_SYSTEM["modules"]}
    assert not signals, "event loops on Windows have none"
