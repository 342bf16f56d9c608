"""Words for people, the same wherever they are printed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date

_A_DAY = re.compile(r"(?<![\w-])\d{4}-\d{2}-\d{2}(?![\w-])", re.ASCII)
_LABEL = re.compile(r"\s*(?:\S+(?: \S+)? {2,})?")
_UNBROKEN = re.compile(r"\s*(?:[^\s`]*`[^`]*`[^\s`]*|(?<!\S)defer-batch .*|\S+)")
"""A word with the spaces before it, or a command between backticks or at the end of a line."""
_MOST_NAMED = 10
_STEERING = re.compile(r"[^\n]")


def printable(text: str) -> str:
    """Return text as a terminal may show it: nothing in it that steers, line ends aside.

    A terminal obeys what follows an ESC, and a file's name may hold one.
    """
    if text.replace("\n", "").isprintable():
        return text
    return _STEERING.sub(lambda found: found[0] if found[0].isprintable() else "\ufffd", text)


def wrapped(line: str, width: int) -> list[str]:
    """Return a line as lines that a terminal of that width need not break within a word.

    A command stays whole, to be copied, on a line of its own where it does not fit. What goes on
    stands below the line's first words, behind a label and its spaces if it has one.
    """
    if len(line) <= width or width <= 0:
        return [line]
    start = _LABEL.match(line)
    indent = start.end() if start and start.end() < width // 2 else 0
    lines = [line[:indent]]
    for word in _UNBROKEN.findall(line[indent:]):
        if len(lines[-1]) + len(word) > width and len(lines[-1]) > indent:
            lines.append(" " * indent)
        lines[-1] += word if len(lines[-1]) > indent else word.lstrip()
    return [one.rstrip() for one in lines]


def in_one_line(text: str) -> str:
    """Return text as a terminal may show it within a line: a file's name may hold a line end."""
    return printable(text.replace("\n", "\ufffd"))


def no_rows(file: str, hidden_rows: int) -> str:
    """Return that a file has no rows to send, or that all it has were hidden and skipped."""
    name = in_one_line(file)
    if not hidden_rows:
        return f"{name} has a header and no rows: nothing to do."
    return (
        f"{name} has no rows but {counted(hidden_rows, 'hidden row')}, left out by "
        "--hidden-rows skip: nothing to do. To send them too: --hidden-rows include"
    )


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: `1 row`, `2 rows`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def about(seconds: float) -> str:
    """Return a length of time as people say it: `about 12 s`, `a few seconds`."""
    return f"about {duration(seconds)}" if seconds >= 1 else "a few seconds"


def duration(seconds: float) -> str:
    """Return a length of time in the unit that people would use."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def day_of(moment: date) -> str:
    """Return a day as the reports write it for people: `14 October 2026`."""
    return f"{moment.day} {moment:%B %Y}"


def days_written_out(text: str) -> str:
    """Return a text with its dates (YYYY-MM-DD) written for people; what is no day stays."""
    return _A_DAY.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    try:
        return day_of(date.fromisoformat(found[0]))
    except ValueError:
        return found[0]


def about_in_full(seconds: float) -> str:
    """Return a length of time in a sentence: `about 3 minutes`, `a few seconds`."""
    if seconds < 1:
        return "a few seconds"
    minutes, hours = round(seconds / 60), seconds / 3600
    if seconds < 90:
        return f"about {counted(round(seconds), 'second')}"
    return f"about {minutes} minutes" if minutes < 90 else f"about {hours:.1f} hours"


def row_list(numbers: tuple[int, ...], count: int) -> str:
    """Return row numbers as people read them: the first ones, then how many more."""
    shown = ", ".join(str(number) for number in numbers)
    more = count - len(numbers)
    return f"row{'s' if count > 1 else ''} {shown}" + (f" and {more} more" if more else "")


def contradicted(number: int, numbers: Sequence[int]) -> str:
    """Return what is wrong with one of some rows that ask different things for one trainee."""
    others = [str(other) for other in numbers if other != number]
    named = ", ".join(others[:_MOST_NAMED])
    more = len(others) - _MOST_NAMED
    named += f" and {more} more" if more > 0 else ""
    one = len(others) == 1
    return (
        f"{f'Row {named} names' if one else f'Rows {named} name'} the same trainee with another "
        f"date or reason. {'Neither' if one else 'None of them'} was sent; "
        f"delete the wrong one{'' if one else 's'}."
    )


def every_row(numbers: Sequence[int]) -> str:
    """Return all of some row numbers (in order), neighbours drawn together: `rows 2-40, 45`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], number]
        else:
            runs.append([number])
    shown = ", ".join("-".join(map(str, run)) for run in runs)
    return f"row{'s' if len(numbers) > 1 else ''} {shown}"


def repair_list(repairs: Mapping[str, int]) -> str:
    """Return what reading put right, by kind."""
    return ", ".join(f"{count} × {kind.replace('_', ' ')}" for kind, count in repairs.items())
