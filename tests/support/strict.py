"""A strict reading of CSV by hand, to hold the reader against: RFC 4180, and any line end.

It shares no code with the reader, nor with the standard library's csv module.
"""

from __future__ import annotations

from enum import Enum, auto


class _At(Enum):
    ROW = auto()
    """The beginning of a row, where nothing has been read of it."""
    VALUE = auto()
    """The beginning of a value."""
    PLAIN = auto()
    QUOTED = auto()
    QUOTE = auto()
    """Behind a quote in a quoted value: its end, or half of a doubled one."""


def strictly_read(text: str, separator: str) -> list[list[str]] | None:
    """Give the rows of a text; None where a quote never closes, or text follows its end."""
    rows: list[list[str]] = []
    row: list[str] = []
    value = ""
    at = _At.ROW
    for letter in _letters(text):
        if at is _At.QUOTED:
            if letter == '"':
                at = _At.QUOTE
            else:
                value += letter
        elif at is _At.QUOTE and letter == '"':
            value, at = value + letter, _At.QUOTED
        elif letter == separator:
            row, value, at = [*row, value], "", _At.VALUE
        elif letter in _LINE_ENDS:
            rows.append([] if at is _At.ROW else [*row, value])
            row, value, at = [], "", _At.ROW
        elif at is _At.QUOTE:
            return None
        elif letter == '"' and at is not _At.PLAIN:
            at = _At.QUOTED
        else:
            value, at = value + letter, _At.PLAIN
    if at is _At.QUOTED:
        return None
    return rows if at is _At.ROW else [*rows, [*row, value]]


_LINE_ENDS = ("\n", "\r", "\r\n")


def _letters(text: str) -> list[str]:
    """Give the letters, a line end of two as one."""
    letters: list[str] = []
    for letter in text:
        if letter == "\n" and letters and letters[-1] == "\r":
            letters[-1] = "\r\n"
        else:
            letters.append(letter)
    return letters
