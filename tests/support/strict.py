"""A strict reading of CSV by hand, to hold the reader against: RFC 4180, and any line end.

Spaces before an opening quote that closes in its line, and behind a closing one, are nothing.

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
    """Return the rows of a text; None where a quote never closes, or text follows its end."""
    rows: list[list[str]] = []
    row: list[str] = []
    value = ""
    at = _At.ROW
    for letter in _without_spaces_beside_quotes(_letters(text), separator):
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


def _without_spaces_beside_quotes(letters: list[str], separator: str) -> list[str]:
    """Return the letters without the spaces that stand beside a quote, outside of quoted values."""
    kept: list[str] = []
    place, at = 0, _At.ROW
    while place < len(letters):
        letter = letters[place]
        if letter == " " and at in {_At.ROW, _At.QUOTE}:
            end = _behind_spaces(letters, place, separator, closed=at is _At.QUOTE)
            if end > place:
                place = end
                continue
        kept.append(letter)
        at = _at_after(at, letter, separator)
        place += 1
    return kept


def _at_after(at: _At, letter: str, separator: str) -> _At:
    if at is _At.QUOTED:
        return _At.QUOTE if letter == '"' else _At.QUOTED
    if letter == '"' and at in {_At.QUOTE, _At.ROW}:
        return _At.QUOTED
    return _At.ROW if letter == separator or letter in _LINE_ENDS else _At.PLAIN


def _behind_spaces(letters: list[str], place: int, separator: str, *, closed: bool) -> int:
    """Return where spaces beside a quote end; the same place where they are a part of a value."""
    end = _spaces_end(letters, place)
    if closed:
        return end if _ends_value(letters, end, separator) else place
    if end == len(letters) or letters[end] != '"':
        return place
    at = end + 1
    while at < len(letters) and letters[at] not in _LINE_ENDS:
        if letters[at] == '"' and letters[at + 1 : at + 2] == ['"']:
            at += 2
        elif letters[at] == '"':
            closing = _spaces_end(letters, at + 1)
            return end if _ends_value(letters, closing, separator) else place
        else:
            at += 1
    return place


def _spaces_end(letters: list[str], place: int) -> int:
    while place < len(letters) and letters[place] == " ":
        place += 1
    return place


def _ends_value(letters: list[str], place: int, separator: str) -> bool:
    return place == len(letters) or letters[place] == separator or letters[place] in _LINE_ENDS


_LINE_ENDS = ("\n", "\r", "\r\n")


def _letters(text: str) -> list[str]:
    """Return the letters, a line end of two as one."""
    letters: list[str] = []
    for letter in text:
        if letter == "\n" and letters and letters[-1] == "\r":
            letters[-1] = "\r\n"
        else:
            letters.append(letter)
    return letters
