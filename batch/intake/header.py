"""A file's first lines → where its header stands, what it says, and what separates its values."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from batch import columns
from batch.errors import unusable
from batch.intake.layout import SEPARATORS, TEMPLATE_HINT, Layout, layout_of
from batch.run_settings import InputOptions

MOST_COLUMNS = 16_384
MOST_ROWS_ABOVE = 20
"""Among how many first rows a header is looked for, where titles stand above it."""

_SEP_LINE = re.compile(r'"?sep=(\\t|[^\w"])"?[,;\t|]*', re.IGNORECASE)
"""Excel's first line; saved again, separators may follow it."""

_LONGEST_LINE = 1 << 20
_MOST_LINES = 100
"""What the names of one header may span; each line more is looked at with all before it."""

_NOTHING = columns.SPACES + '"' + "".join(SEPARATORS)
_FORMULA_TEXT = re.compile(r'="((?:[^"]|"")*)"')
_CLOSED = re.compile(r'(^|[,;\t|\r\n]) *"(?:[^"]|"")*"')
_OPENING = re.compile(r'(?:^|[,;\t|\r\n]) *"')


class Header(Struct, frozen=True):
    """The header as found: its names, its separator, its row, how many blank rows stand before it.

    `names` is empty where the file has none. `lines` counts the lines of the file to its end.
    """

    names: list[str]
    separator: str
    row: int
    blank_rows_before: int
    lines: int

    def layout(self, options: InputOptions) -> Layout:
        """Return what the header names. Raises UnusableFile."""
        if not self.names:
            raise unusable(options.path, "it has no header line", hint=TEMPLATE_HINT)
        if len(self.names) > MOST_COLUMNS:
            raise unusable(
                options.path,
                f"its header has more than the {MOST_COLUMNS:,} columns of a spreadsheet",
                hint="look at the first line in a text editor",
            )
        return layout_of(options, self.names, self.separator, self.row)


def find_header(options: InputOptions, text: io.TextIOBase) -> Header:
    """Return the header, looking at the first rows only. Raises UnusableFile.

    It is the first row with anything in it, or else the only one of the first 20 that has the
    needed names: titles stand above that.
    """
    candidates = _candidates(options.path, text)
    first = next(candidates)
    if has_needed_names(first.names, options):
        return first
    later = [header for header in candidates if has_needed_names(header.names, options)]
    return later[0] if len(later) == 1 else first


def _candidates(path: Path, text: io.TextIOBase) -> Iterator[Header]:
    """Yield the first rows with anything in them; without any, one header without names."""
    told: str | None = None
    row = blank_rows = 0
    is_found = False
    rows = _FirstRows(path, text)
    for row, whole in enumerate(rows, 1):
        if row == 1 and (sep := _SEP_LINE.fullmatch(whole.strip("\r\n "))):
            told = "\t" if sep[1] == "\\t" else sep[1]
        elif not whole.strip(_NOTHING) and not _has_an_open_quote(whole):
            blank_rows += 1
        else:
            separator = told or _separator_of(whole)
            names, count = _names(whole, separator)
            rows.end_at(count)
            if names is not None:
                yield Header(names, separator, row, blank_rows, rows.lines)
            elif not is_found:
                fault = "its header line has a quote that is wrong"
                raise unusable(path, fault, hint="look at the first line")
            is_found = True
        if is_found and row >= MOST_ROWS_ABOVE:
            return
    if not is_found:
        yield Header([], told or SEPARATORS[0], row, blank_rows, rows.lines)


def has_needed_names(names: Sequence[str], options: InputOptions) -> bool:
    """Whether a row of values has the names of a date and of what names the trainee."""
    matched = columns.matched_name
    chosen = {matched(header): name for name, header in options.columns.items() if header}
    found = {chosen.get(matched(name)) or columns.known_column(name) for name in names}
    return columns.DEFER_DATE in found and bool(found & set(columns.NAMING))


def _separator_of(header: str) -> str:
    """Return the separator that finds the most columns we know, then the most columns."""
    outside_quotes = re.sub(r'"[^"]*"', "", header)

    def columns_found(separator: str) -> tuple[int, int]:
        names = [name.strip(' "\r\n') for name in header.split(separator)]
        return sum(map(bool, map(columns.known_column, names))), outside_quotes.count(separator)

    return max(SEPARATORS, key=columns_found)


def _names(whole: str, separator: str) -> tuple[list[str] | None, int]:
    """Return the values of a row, None where its quotes are wrong, and how many lines it takes.

    That may be fewer than were read: a quote that opens behind another separator opens none.
    """
    lines = _lines_of(whole)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    try:
        names = next(reader)
    except (csv.Error, StopIteration):
        unspaced = re.sub(
            rf'(^|{re.escape(separator)}) *"|" *(?={re.escape(separator)}|$)', r'\1"', whole
        )
        try:
            names = next(csv.reader([unspaced], delimiter=separator, strict=True))
        except (csv.Error, StopIteration):
            return None, len(lines)
        return [header_text(name) for name in names], len(lines)
    return [header_text(name) for name in names], reader.line_num


def header_text(name: str) -> str:
    """Return a header as a spreadsheet shows it: `="…"` is its text, a guard is none of it."""
    if formula := _FORMULA_TEXT.fullmatch(name.strip(columns.SPACES)):
        return formula[1].replace('""', '"')
    stripped = columns.unguarded(name)
    quotes = stripped.strip(" ")
    if len(quotes) > 1 and quotes[0] == quotes[-1] == '"' and quotes != stripped:
        return quotes[1:-1]
    return stripped


def _lines_of(whole: str) -> list[str]:
    return list(io.StringIO(whole, newline=""))


class _FirstRows(Iterator[str]):
    """The rows, as far as can be told without a separator: a quoted line end does not end one.

    `lines` counts the lines up to the end of the row that came last.
    """

    def __init__(self, path: Path, text: io.TextIOBase) -> None:
        self._lines = _lines(path, text)
        self._row: list[str] = []
        self._back: list[str] = []
        self.lines = 0

    def __next__(self) -> str:
        self._row, whole = [], ""
        while not whole or (self._may_go_on(whole) and _has_an_open_quote(whole)):
            line = self._back.pop(0) if self._back else next(self._lines, None)
            if line is None:
                break
            self._row.append(line)
            whole += line
        if not whole:
            raise StopIteration
        self.lines += len(self._row)
        return whole

    def _may_go_on(self, whole: str) -> bool:
        return len(self._row) < _MOST_LINES and len(whole) < _LONGEST_LINE

    def end_at(self, count: int) -> None:
        """End the row behind the first so many of its lines: the others begin the next one."""
        self.lines -= len(self._row) - count
        self._back[:0] = self._row[count:]
        del self._row[count:]


def _has_an_open_quote(text: str) -> bool:
    """Whether a quote that begins a value, whatever the separator, does not close."""
    return '"' in text and bool(_OPENING.search(_CLOSED.sub(r"\1", text)))


def _lines(path: Path, text: io.TextIOBase) -> Iterator[str]:
    """Yield the lines as they are asked for, the first without a byte order mark."""
    mark = "\ufeff"  # of an encoding that was named without one, such as utf-16-le
    while line := text.readline(_LONGEST_LINE):
        if "\x00" in line and mark:
            raise unusable(path, "it is not text", hint="save it as CSV UTF-8, and name that file")
        if len(line) >= _LONGEST_LINE and line[-1] not in "\r\n":
            raise unusable(
                path,
                f"its header line is longer than {_LONGEST_LINE:,} characters",
                hint="does a quote that opens there never close?",
            )
        yield line.removeprefix(mark)
        mark = ""
