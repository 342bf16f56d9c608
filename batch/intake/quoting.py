"""Spaces around quotes: before an opening or behind a closing one they change nothing.

The standard library's reader takes a quote behind a space as a letter, and text behind a closing
quote as an error. So lines in which spaces stand beside quotes are rewritten before it sees them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

_LETTERS_A_BLOCK = 1 << 20
_SPACED = re.compile(r'" | "')


class Unspaced(Iterator[str]):
    """The lines of a file without the spaces around its quotes; `line_num` is the reader's."""

    def __init__(self, lines: Iterable[str], separator: str) -> None:
        between = re.escape(separator)
        self._lines = iter(lines)
        self._is_open = False
        self._plain = re.compile(rf"[^{between}\r\n]*")
        self._opening = re.compile(r' *"')
        self._quoted = re.compile(r'[^"]*(?:""[^"]*)*')
        self._closing = re.compile(rf'" *(?={between}|[\r\n]|$)')
        value = rf'(?:"[^"]*(?:""[^"]*)*"|[^"{between}\r\n][^{between}\r\n]*)?'
        self._plain_values = re.compile(rf"{value}(?:{between}{value})*[\r\n]*")

    def __next__(self) -> str:
        """Return the next line as it is meant."""
        line = next(self._lines)
        if not self._is_open and ('"' not in line):
            return line
        is_plain = not self._is_open and not _SPACED.search(line)
        if is_plain and self._plain_values.fullmatch(line):
            return line
        return self._rewritten(line)

    def _rewritten(self, line: str) -> str:
        parts: list[str] = []
        at = 0
        if self._is_open:
            at = self._to_the_close(line, 0, parts)
        while at < len(line):
            if not self._is_open and (opening := self._opening.match(line, at)):
                at = self._value(line, at, opening, parts)
            plain = self._plain.match(line, at)
            end = plain.end() if plain else at
            parts.append(line[at : end + 1])
            at = end + 1
        return "".join(parts)

    def _value(self, line: str, at: int, opening: re.Match[str], parts: list[str]) -> int:
        """Take a quoted value; a quote behind a space must close in its line, or is a letter."""
        body = self._quoted.match(line, opening.end())
        end = body.end() if body else opening.end()
        closing = self._closing.match(line, end)
        if closing is None and opening[0] != '"':
            return at
        parts.append('"')
        self._is_open = True
        return self._to_the_close(line, opening.end(), parts)

    def _to_the_close(self, line: str, at: int, parts: list[str]) -> int:
        """Take a value to its closing quote, or to the end of the line; return what follows."""
        body = self._quoted.match(line, at)
        end = body.end() if body else at
        parts.append(line[at:end])
        if end >= len(line):
            return end
        self._is_open = False
        parts.append('"')
        closing = self._closing.match(line, end)
        return closing.end() if closing else end + 1


def has_spaced_quotes(path: Path, encoding: str) -> bool:
    """Whether a space stands beside a quote anywhere in the file."""
    last = ""
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        while text := file.read(_LETTERS_A_BLOCK):
            if any(spaced in last + text for spaced in (' "', '" ')):
                return True
            last = text[-1:]
    return False
