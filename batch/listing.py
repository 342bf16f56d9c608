"""The table of runs, as wide as there is room: a line a run, or a few where it is narrow."""

from __future__ import annotations

import io
import shutil
from typing import Any

from batch.rows import REHEARSAL
from batch.words import printable

WIDTH_WITHOUT_TERMINAL = 400
"""Where nobody looks (a pipe, a file), no line is broken."""

_STAGES = {
    "started": "unfinished",
    "ended": "ended for good",
    "purging": "purged, but text of it is still in journal.db",
}


def runs_lines(listed: list[dict[str, Any]], width: int | None = None) -> list[str]:
    """Give the runs as a table for people, and below it the commands that carry on."""
    if not listed:
        return ["no runs yet"]
    room = _width() if width is None else width
    wide = _rendered(_wide(listed), WIDTH_WITHOUT_TERMINAL)
    is_fitting = max(len(line) for line in wide) <= room
    lines = wide if is_fitting else _rendered(_narrow(listed), room)
    commands = [f"  {run['carry_on']}" for run in listed if run["carry_on"]]
    if commands:
        lines += ["", "To carry on with what is unfinished:", *commands]
    return lines


def _wide(listed: list[dict[str, Any]]) -> Any:
    names = [name.replace("_", " ") for name in listed[0]["counts"]]
    table = _table("run", "stage", *names, "Register", numbers=names)
    for run in listed:
        counts = [f"{count:,}" for count in run["counts"].values()]
        table.add_row(run["run_id"], _stage(run), *counts, _register(run))
    return table


def _narrow(listed: list[dict[str, Any]]) -> Any:
    table = _table("run", "rows", numbers=())
    for run in listed:
        counts = [f"{n:,} {name.replace('_', ' ')}" for name, n in run["counts"].items() if n]
        about = [run["run_id"], _stage(run), _register(run), ""]
        table.add_row("\n".join(about), "\n".join(counts) or "none")
    return table


def _table(*names: str, numbers: Any) -> Any:
    from rich.table import Table  # noqa: PLC0415 — slow to import, and only used here

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in names:
        table.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    return table


def _rendered(table: Any, width: int) -> list[str]:
    from rich.console import Console  # noqa: PLC0415

    text = io.StringIO()
    Console(file=text, width=width, color_system=None, markup=False, emoji=False).print(table)
    return [line.rstrip() for line in text.getvalue().splitlines()]


def _stage(run: dict[str, Any]) -> str:
    return _STAGES.get(run["stage"], str(run["stage"]))


def _register(run: dict[str, Any]) -> str:
    return REHEARSAL if run["rehearsal"] else printable(run["register"])


def _width() -> int:
    """Give the room that there is: COLUMNS, or the terminal's, or all there could be."""
    return shutil.get_terminal_size((WIDTH_WITHOUT_TERMINAL, 1)).columns
