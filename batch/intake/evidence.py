"""What the whole file shows, beside what its rows do: dates, ids, and Register's own export."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any

import polars as pl
from msgspec import Struct

from batch import columns
from batch.codes import Code
from batch.intake import dates
from batch.intake.layout import Layout
from batch.intake.naming import is_well_formed
from batch.intake.raw_rows import RawChunk, values_of
from batch.rows import Problem
from batch.run_settings import InputOptions
from batch.words import counted, in_one_line, row_list

LENGTH_OF_IDS = 24
"""Register's ids have 24 characters in practice (API.md, "Trainee ids")."""

OLD_AFTER_DAYS = 92
_SHOWN_NAMES = {
    columns.TRAINEE_ID: "trainee",
    columns.DEFER_DATE: "date",
    columns.DEFER_REASON: "reason",
    columns.TRN: "TRN",
    columns.HESA_ID: "HESA id",
    columns.PROVIDER_TRAINEE_ID: "own number",
    columns.LAST_NAME: "last name",
    columns.FIRST_NAMES: "first names",
    columns.DATE_OF_BIRTH: "born",
}
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_MOST_UNUSED_SHOWN = 12


class Reading(Struct, frozen=True):
    """What was taken of a file: told before anything is sent, and in every report.

    `columns` has for each known name the header that holds it, or None. `hidden_rows` counts the
    filled rows that a workbook hides; `hidden_rows_were` says what became of them: included,
    skipped, or "" where there are none. `sheet`, `encoding` and `separator` are None where the
    kind of file has none. `corrected` says what a person changed of which file, if it is a copy:
    rows and columns, and no values.
    """

    file: str
    rows: int
    blank_rows: int
    header_row: int
    columns: Mapping[str, str | None]
    unused: tuple[str, ...]
    date_format: str
    sheet: str | None = None
    other_sheets: tuple[str, ...] = ()
    hidden_rows: int = 0
    hidden_rows_were: str = ""
    encoding: str | None = None
    separator: str | None = None
    notices: tuple[str, ...] = ()
    corrected: Mapping[str, Any] | None = None

    def lines(self) -> list[str]:
        """Return it for people: the file in one line, then its columns, those unused, notices."""
        lines = [", ".join(self._of_the_file())]
        naming = self._naming()
        for name, header in self.columns.items():
            if name == columns.TRAINEE_ID and naming:
                shown = ", else ".join(self._held_by(*one) for one in naming.items())
                lines.append(f"{_SHOWN_NAMES[name]:<12}{shown}")
            elif name not in naming and (header is not None or name in columns.KNOWN):
                lines.append(f"{_SHOWN_NAMES[name]:<12}{self._held_by(name, header)}")
        if self.unused:
            shown = ", ".join(map(dates.quoted, self.unused[:_MOST_UNUSED_SHOWN]))
            more = len(self.unused) - _MOST_UNUSED_SHOWN
            lines.append(f"{'not used':<12}{shown}" + (f" and {more} more" if more > 0 else ""))
        return lines + [f"notice: {notice}" for notice in self.notices]

    def _naming(self) -> dict[str, str]:
        """Return the columns by which trainees are found, where none holds Register's ids."""
        if self.columns.get(columns.TRAINEE_ID) is not None:
            return {}
        found = {name: self.columns.get(name) for name in columns.NAMING}
        return {name: header for name, header in found.items() if header is not None}

    def _of_the_file(self) -> Iterator[str]:
        yield in_one_line(self.file)
        if self.sheet is not None:
            count = 1 + len(self.other_sheets)
            yield f"sheet {self.sheet}" + (f" (1 of {count})" if count > 1 else "")
        yield counted(self.rows, "row")
        if self.hidden_rows:
            yield f"{counted(self.hidden_rows, 'hidden row')} {self.hidden_rows_were}"
        if self.header_row != 1:
            yield f"header in row {self.header_row}"
        if self.encoding is not None and self.separator is not None:
            yield f"{self.encoding}, separated by {_SEPARATORS.get(self.separator, self.separator)}"

    def _held_by(self, name: str, header: str | None) -> str:
        if header is None:
            return "none: no reason will be sent" if name == columns.DEFER_REASON else "none"
        if name == columns.DEFER_DATE and self.date_format == "dmy":
            return f"{dates.quoted(header)} (day/month/year)"
        return dates.quoted(header)

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        told = {} if self.corrected is None else {"corrected": dict(self.corrected)}
        return told | {
            "file": self.file,
            "sheet": self.sheet,
            "other_sheets": list(self.other_sheets),
            "rows": self.rows,
            "blank_rows": self.blank_rows,
            "hidden_rows": self.hidden_rows,
            "hidden_rows_were": self.hidden_rows_were,
            "header_row": self.header_row,
            "encoding": self.encoding,
            "separator": self.separator,
            "date_format": self.date_format,
            "columns": dict(self.columns),
            "unused": list(self.unused),
            "notices": list(self.notices),
        }


class DateEvidence:
    """Gathers the dates of a file, and finds those that its other dates make doubtful.

    Only dates that could be doubtful are kept, in compact columns.
    """

    def __init__(self, layout: Layout, options: InputOptions) -> None:
        self._options = options
        self._column = layout.own[layout.places[columns.DEFER_DATE]]
        self._count = 0
        self._alike: Counter[str] = Counter()
        self._year_last = 0
        self._month_first: str | None = None
        self._day_first: str | None = None
        self._could_be_either: list[pl.DataFrame] = []
        self._cells: list[tuple[int, date]] = []
        self._texts: set[date] = set()

    def add(
        self,
        frame: pl.DataFrame,
        day_counts: Iterable[tuple[str, str | None, int]],
        cells: frozenset[int],
        unread: Collection[int],
    ) -> None:
        """Take a chunk's dates; `cells` are the places that hold a workbook's date.

        `unread` are the places of rows of which nobody knows the values.
        """
        either = set(self._could_be_swapped(day_counts))
        if either and self._options.date_format == "dmy":
            is_read = ~pl.col("place").is_in(list(unread))
            found = frame.filter(pl.col("date").is_in(either) & is_read)
            self._could_be_either.append(found.select("row", "date"))
        rows, days = frame["row"], frame["day"]
        for place in sorted(cells.difference(unread)):
            if (day := days[place]) is not None:
                self._cells.append((rows[place], date.fromisoformat(day)))

    def _could_be_swapped(self, day_counts: Iterable[tuple[str, str | None, int]]) -> Iterator[str]:
        """Count each different date; yield those whose day and month could be swapped."""
        for text, day, rows in day_counts:
            if not text:
                continue
            self._count += rows
            if day is None:
                self._alike[dates.alike(text)] += rows
            if (numbers := dates.before_the_year(text)) is not None:
                self._year_last += rows
                if self._note(text, *numbers):
                    yield text

    def _note(self, text: str, first: int, second: int) -> bool:
        """Take what one date shows; return whether its day and month could be swapped."""
        if first <= 12 and second <= 12:
            return first != second and first > 0 and second > 0
        if first <= 12 < second <= 31:
            self._month_first = self._month_first or text
        elif second <= 12 < first <= 31 and second > 0:
            self._day_first = self._day_first or text
            day = dates.parsed(text, "dmy")
            if day is not None:
                self._texts.add(day)
        return False

    def problems(self) -> Iterator[tuple[int, Problem]]:
        """Yield the rows whose day and month may be swapped, as the other dates show."""
        if self._month_first is not None:
            proof = dates.quoted(self._month_first)
            for part in self._could_be_either:
                for row, text in part.iter_rows():
                    words = f"{dates.quoted(text)} may be month/day/year, as {proof} must be: "
                    yield row, self._ambiguous(words + "write all dates as YYYY-MM-DD.")
        if self._texts and self._cells and all(day.day <= 12 for _, day in self._cells):
            yield from self._swapped_cells()

    def _swapped_cells(self) -> Iterator[tuple[int, Problem]]:
        for row, day in self._cells:
            other = dates.swapped(day)
            if other is not None and self._distance(other) < self._distance(day):
                words = (
                    f"{day} may be {other}: other dates of the file are text with the day first, "
                    "so a spreadsheet probably swapped day and month here. "
                    "Write all dates as YYYY-MM-DD."
                )
                yield row, self._ambiguous(words)

    def _distance(self, day: date) -> int:
        return min(abs((day - text).days) for text in self._texts)

    def _ambiguous(self, words: str) -> Problem:
        return Problem(Code.AMBIGUOUS_DEFER_DATE, self._column, words)

    def notice(self) -> str | None:
        """Return what is wrong with all or most dates alike, and what to do; None if nothing."""
        if self._options.date_format == "iso" and self._year_last * 2 > self._count:
            return self._of_year_last()
        if len(self._alike) == 1 and self._count > 1:
            ((words, count),) = self._alike.items()
            return dates.of_all(words) if count == self._count else None
        return None

    def _of_year_last(self) -> str:
        found = self._year_last
        told = f"{found} of {counted(self._count, 'date')} {_have(found)} the year last: "
        if self._month_first and self._day_first:
            return told + "some have the day first, some the month. Write them as YYYY-MM-DD."
        if self._month_first:
            shown = dates.quoted(self._month_first)
            return told + f"they are month/day/year ({shown}). Write them as YYYY-MM-DD."
        command = f"`{self._options.command_with('--date-format', 'dmy')}`"
        if self._day_first:
            return told + f"they are day/month/year. To read them that way: {command}"
        return told + f"nothing shows whether the day is first. If it is: {command}"


class IdEvidence:
    """Counts the lengths of a file's ids: another length than Register's is told first."""

    def __init__(self) -> None:
        self._lengths: Counter[int] = Counter()

    def add(self, frame: pl.DataFrame) -> None:
        """Take a chunk's ids."""
        lengths = frame["id"].str.len_chars().value_counts()
        self._lengths.update(dict(lengths.iter_rows()))

    def notice(self) -> str | None:
        """Return how many ids have another length than Register's, None where none has."""
        lengths = {length: rows for length, rows in self._lengths.items() if length}
        others = {length: rows for length, rows in lengths.items() if length != LENGTH_OF_IDS}
        if not others:
            return None
        told, all_rows = sum(others.values()), sum(lengths.values())
        if len(others) == 1:
            ((length, _),) = others.items()
            return (
                f"{told} of {counted(all_rows, 'id')} {_have(told)} "
                f"{counted(length, 'character')}; Register's have {LENGTH_OF_IDS}"
            )
        have = _have(told)
        return (
            f"{told} of {all_rows} ids {have} another length than the 24 characters of Register's"
        )


def _have(count: int) -> str:
    return "has" if count == 1 else "have"


_NOT_COMPARED = {
    columns.TRN: ("TRN does not have 7 digits", "TRNs do not have 7 digits"),
    columns.HESA_ID: (
        "HESA id does not have 13 or 17 digits",
        "HESA ids do not have 13 or 17 digits",
    ),
    columns.DATE_OF_BIRTH: (
        "date of birth cannot be read for certain",
        "dates of birth cannot be read for certain",
    ),
}
_MOST_ROWS_SHOWN = 5


class IdentityEvidence:
    """Finds values that cannot be compared with what Register knows of a trainee: they are told.

    A malformed number is one where Register's id names the trainee; else its row is refused.
    """

    def __init__(self, layout: Layout, date_format: str) -> None:
        self._date_format = date_format
        is_by_id = columns.TRAINEE_ID in layout.places
        names = _NOT_COMPARED if is_by_id else (columns.DATE_OF_BIRTH,)
        self._places = {name: layout.places[name] for name in names if name in layout.places}
        self._rows: dict[str, list[int]] = {name: [] for name in self._places}

    def add(self, chunk: RawChunk) -> None:
        """Take what a chunk says of who its trainees are."""
        for name, at in self._places.items():
            self._rows[name] += (
                number
                for number, raw in zip(chunk.numbers, values_of(chunk.records, at), strict=True)
                if (value := columns.tidied_text(raw)) and not self._can_be_compared(name, value)
            )

    def _can_be_compared(self, name: str, value: str) -> bool:
        if name == columns.DATE_OF_BIRTH:
            return dates.parsed(value, self._date_format) is not None
        return is_well_formed(name, value)

    def notices(self) -> Iterator[str]:
        """Yield, for each such column, in which rows it holds what is not compared."""
        for name, rows in self._rows.items():
            if rows:
                one, several = _NOT_COMPARED[name]
                words = f"1 {one}, and is" if len(rows) == 1 else f"{len(rows)} {several}, and are"
                shown = row_list(tuple(rows[:_MOST_ROWS_SHOWN]), len(rows))
                yield f"{words} not compared with Register ({shown})"


class ExportEvidence:
    """Counts the dates of Register's own export that are of an earlier deferral."""

    def __init__(self, layout: Layout, today: date) -> None:
        self._layout = layout
        self._old_before = (today - timedelta(days=OLD_AFTER_DAYS)).isoformat()
        self._old = self._dated = 0

    def add(self, chunk: RawChunk, frame: pl.DataFrame) -> None:
        """Take a chunk's dates."""
        for record, day in zip(chunk.records, frame["day"], strict=True):
            if day is not None:
                self._dated += 1
                status = _value(self._layout, record, columns.TRAINEE_STATUS).casefold()
                returned = _value(self._layout, record, columns.RETURN_DATE)
                self._old += bool(returned) or status == "deferred" or day < self._old_before

    def notice(self) -> str | None:
        """Return that most dates are old, None where they are not."""
        if self._old * 2 <= self._dated:
            return None
        return (
            f"{self._old} of {counted(self._dated, 'date')} look like deferrals of the past: "
            "Register's export has each trainee's last deferral. Delete the rows that you did not "
            "fill in"
        )


def returned_since(layout: Layout, chunk: RawChunk, frame: pl.DataFrame) -> dict[int, Problem]:
    """Return the rows, by place, of which an export says that the trainee has returned since."""
    found: dict[int, Problem] = {}
    for place, (record, day) in enumerate(zip(chunk.records, frame["day"], strict=True)):
        returned = dates.parsed(_value(layout, record, columns.RETURN_DATE), "dmy")
        if day is not None and returned is not None and day <= returned.isoformat():
            words = (
                f"The file says that the trainee was deferred on {day} and returned on "
                f"{returned}: to defer them again, fill in the new date."
            )
            found[place] = Problem(Code.REINSTATED_SINCE, "", words)
    return found


def _value(layout: Layout, record: list[str], name: str) -> str:
    at = (layout.evidence or {}).get(name)
    return "" if at is None or at >= len(record) else columns.tidied_text(record[at])
