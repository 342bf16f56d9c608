"""The commands by name, each made only once somebody names it.

Most of what the start of a command would take is making the options of all the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup
from typer.main import get_command

from batch.command_help import CommandWithExamples, ConvertingWhatWasGiven

Function = Callable[..., None]


class KnownCommands(MutableMapping[str, Any]):
    """What typer makes of the functions of the commands, by name, in the order of their adding."""

    def __init__(self) -> None:
        self._functions: dict[str, tuple[Function, bool]] = {}
        self._made: dict[str, Any] = {}

    def add(self, name: str, function: Function, *, takes_groups: bool) -> None:
        """Know a function by its command's name; `takes_groups`: of options (options.py)."""
        self._functions[name] = function, takes_groups

    def summary(self, name: str) -> str:
        """Return the first sentence of what a command says of itself."""
        words, _, _ = (self._functions[name][0].__doc__ or "").partition("\n")
        return words.partition(". ")[0].removesuffix(".") + "."

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = _made(name, *self._functions[name])
        return self._made[name]

    def __setitem__(self, name: str, made: Any) -> None:
        self._made[name] = made

    def __delitem__(self, name: str) -> None:
        del self._functions[name], self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions)

    def __len__(self) -> int:
        return len(self._functions)


class GroupOfKnownCommands(ConvertingWhatWasGiven, TyperGroup):
    """All commands together; their list is made of their names and summaries alone."""

    known: ClassVar[KnownCommands]

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = self.known

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names."""
        del ctx
        return list(self.known)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each command with the first sentence of what it says of itself."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.known.summary(name)) for name in self.known])


def _made(name: str, function: Function, takes_groups: bool) -> Any:  # noqa: FBT001
    if takes_groups:
        from batch.options import with_groups

        function = with_groups(function)
    alone = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    alone.command(name, cls=CommandWithExamples)(function)
    return get_command(alone)
