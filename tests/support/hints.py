"""Commands that the package prints: where each comes from, and how a person pastes it back."""

from __future__ import annotations

import ast
import contextlib
import copy
import html
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

import httpx

from batch import hints, systems
from batch.app.gate import FORM_TOKEN
from batch.commands import doctor
from batch.emulator.server import Emulator
from tests.support.office import Office, Ran
from tests.support.shells import in_the_shell, make_program

PACKAGE = Path(hints.__file__).parent
NOT_SEARCHED = {"app", "command_help", "completing", "hints"}
"""Pages have links instead, help has examples of its own; `hints` makes what others print."""
MAKERS = {name for name in vars(hints) if name.endswith("_command")} | {
    *("completed", "_command", "column_command", "command_with"),
}
PRINTED = re.compile(
    r"`defer-batch [^`]+`|\bchmod \S|\bdefer-batch (?:run|resume|close|template)\b"
)

Site = tuple[str, str]
"""Module and function (or "") in which a command is written, or made."""


@dataclass(frozen=True, slots=True)
class Source:
    """One place of the package that prints a command; `words` finds its literal in an output."""

    site: Site
    words: re.Pattern[str] | None


def sources() -> Iterator[Source]:
    """Yield every place of the package where a command is written out, or made by `hints`."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        if name.split(".")[0] not in NOT_SEARCHED:
            yield from _sources_in(name, ast.parse(path.read_text(encoding="utf-8")))


def options_named() -> set[str]:
    """Return every option that a literal of the package names."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py"))
    parts = (
        part for tree in trees for node, _ in _with_functions(tree, "") for part in _own_parts(node)
    )
    return {
        name
        for part in parts
        for name in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+\b", _literal(part))
    }


def _sources_in(module: str, tree: ast.Module) -> Iterator[Source]:
    for node, function in _with_functions(tree, ""):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue  # a docstring
        for part in _own_parts(node):
            if isinstance(part, ast.Call) and _called(part) in MAKERS:
                yield Source((module, function), None)
            elif (words := _literal(part)) and PRINTED.search(words.replace("\0", "x")):
                yield Source((module, function), _pattern(words))


def _pattern(words: str) -> re.Pattern[str]:
    """Return what finds a literal in an output, where a command may have been completed."""
    pattern = ".+?".join(map(re.escape, words.split("\0")))
    return re.compile(re.sub(r"(`defer\\-batch\\ \w+)`", r"\1[^`]*`", pattern), re.DOTALL)


def _with_functions(node: ast.AST, function: str) -> Iterator[tuple[ast.AST, str]]:
    """Yield each statement and the name of the function that holds it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _with_functions(child, child.name)
        else:
            if isinstance(child, ast.stmt):
                yield child, function
            yield from _with_functions(child, function)


def _own_parts(statement: ast.AST) -> Iterator[ast.AST]:
    """Yield the expressions of a statement, but not of those within it, each literal once."""
    waiting = [child for child in ast.iter_child_nodes(statement) if not _is_stmt(child)]
    while waiting:
        node = waiting.pop()
        yield node
        parts = (child for child in ast.iter_child_nodes(node) if not _is_stmt(child))
        is_text = isinstance(node, ast.JoinedStr)  # whose constants are parts of the literal
        waiting += [part for part in parts if not (is_text and isinstance(part, ast.Constant))]


def _is_stmt(node: ast.AST) -> bool:
    return isinstance(node, ast.stmt)


def _called(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def _literal(node: ast.AST) -> str:
    """Return a string as it is written, with NUL where a value comes in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "\0" for part in node.values
        )
    return ""


@dataclass(slots=True)
class Makers:
    """The functions of the package that were on the stack when a command was made."""

    reached: set[Site] = field(default_factory=set)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Note who has commands made, within the block."""
        with (
            mock.patch.object(hints, "_command", self._noting(hints._command)),
            mock.patch.object(doctor, "_command", self._noting(doctor._command)),
            mock.patch.object(systems, "as_command", self._noting(systems.as_command)),
        ):
            yield

    def _noting(self, make: Callable[..., str]) -> Callable[..., str]:
        def noting(*arguments: Any) -> str:
            frame: FrameType | None = sys._getframe(1)
            while frame is not None:
                path = Path(frame.f_code.co_filename)
                if path.is_relative_to(PACKAGE):
                    module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
                    self.reached.add((module, frame.f_code.co_name))
                frame = frame.f_back
            return make(*arguments)

        return noting


COMMAND = re.compile(
    r"`((?:defer-batch|chmod) [^`]+)`"
    r"|(?:^|: |; )((?:defer-batch (?!\d)|chmod ).+)$",
    re.MULTILINE,
)


def commands_in(text: str) -> list[str]:
    """Return the commands of an output or a page, in their order, each once.

    In a sentence they stand between backticks; behind a colon, a command takes the line's rest.
    """
    code = re.findall(r"<code[^>]*>(.*?)</code>", text, re.DOTALL)
    plain = "\n".join(map(html.unescape, code)) if "<html" in text else text
    found = COMMAND.findall("\n".join(map(str.strip, plain.splitlines())))
    return list(dict.fromkeys(quoted or behind for quoted, behind in found))


@dataclass(slots=True)
class Paster:
    """Pastes commands into a shell, each into the world as it was when the first was printed."""

    office: Office
    emulator: Emulator | None = None

    def each(self, commands: Iterable[str]) -> Iterator[tuple[str, Ran]]:
        """Yield each command with how it ended."""
        kept = self.office.folder.with_name("kept")
        shutil.copytree(self.office.folder, kept, symlinks=True)
        register = None if self.emulator is None else self.emulator.register
        for command in commands:
            if self.emulator is not None and register is not None:
                self.emulator.register = copy.deepcopy(register)
            yield command, self.pasted(command)
            shutil.rmtree(self.office.folder)
            shutil.copytree(kept, self.office.folder, symlinks=True)
        shutil.rmtree(kept)

    def pasted(self, command: str) -> Ran:
        """Run a command as the shell takes it; what it says to `defer-batch` runs in here."""
        programs, said = (self.office.folder.with_name(name) for name in ("bin", "said"))
        make_program(programs, "defer-batch", said)
        said.unlink(missing_ok=True)
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        ran = in_the_shell(command, self.office.folder, os.environ | {"PATH": path})
        if ran.returncode or not said.exists():
            return Ran(ran.returncode, ran.stdout, ran.stderr, self.office.reports)
        arguments = said.read_text(encoding="utf-8").split("\0")[:-1]
        return self._served(*arguments) if arguments[:1] == ["app"] else self.office.run(*arguments)

    def _served(self, *arguments: str) -> Ran:
        """Start what serves until it is ended, wait until it says where, and end it by its page."""
        with self.office.start(*arguments, "--no-browser") as process:
            assert process.stdout is not None
            told = process.stdout.readline()
            try:
                _end_by_its_page(told.split()[-1])
            except BaseException:
                process.kill()
                raise
            out, err = process.communicate(timeout=60)
        return Ran(process.returncode, told + out, err, self.office.reports)


def _end_by_its_page(address: str) -> None:
    origin = address.partition("/open")[0]
    with httpx.Client(base_url=origin, follow_redirects=True, timeout=60) as client:
        client.get(address)
        token = re.search(rf'name="{FORM_TOKEN}" value="([^"]+)"', client.get("/").text)
        assert token is not None
        client.post("/end", data={FORM_TOKEN: token[1]}, headers={"origin": origin})
