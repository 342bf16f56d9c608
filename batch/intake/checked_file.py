"""A file, checked: its rows stream by with their problems, and what concerns the whole file."""

from __future__ import annotations

import contextlib
import gc
from collections import Counter
from collections.abc import Container, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from batch import columns
from batch.codes import Code
from batch.errors import unusable
from batch.intake import dates
from batch.intake.cleaning import Repair
from batch.intake.csv_reader import CsvReader, RawChunk
from batch.intake.duplicates import Conflicts, is_unread
from batch.intake.encoding import look_at
from batch.intake.header import Layout
from batch.intake.rules import Checked, Rules
from batch.intake.workbook_reader import SUFFIXES, WorkbookReader
from batch.rows import Deferral, Problem, Row


@dataclass(frozen=True, slots=True)
class RowChunk:
    """Some rows of the file, each checked by itself."""

    raw: RawChunk
    checked: Checked
    layout: Layout

    @property
    def problems(self) -> Iterator[tuple[int, Problem]]:
        """Yield every problem with its row number."""
        for place, found in self.checked.problems.items():
            for problem in found:
                yield self.raw.numbers[place], problem

    @property
    def repairs(self) -> tuple[Repair, ...]:
        """Return what reading put right."""
        return self.checked.repairs

    def rows(self) -> Iterator[Row]:
        """Yield the rows as values, in the order of the file."""
        told = self.checked.frame.select("id", "day", "reason").iter_rows()
        for place, (trainee_id, day, reason) in enumerate(told):
            problems = self.checked.problems.get(place, ())
            deferral = None if problems else Deferral(trainee_id, day, reason or None)
            values = _own_values(self.raw.records[place], self.layout)
            yield Row(self.raw.numbers[place], values, trainee_id, deferral, problems)


class InputFile:
    """One input file. Its chunks are asked for once; what is known after them says so."""

    def __init__(self, path: Path, reader: CsvReader | WorkbookReader, rules: Rules) -> None:
        self.name = path.name
        self.columns = reader.layout.own
        self.separator = reader.layout.separator
        self.layout = reader.layout
        self.sha256 = ""
        self.size = 0
        self.notices: list[str] = []
        self.row_count = 0
        """Known after the chunks."""
        self.repair_counts: Counter[str] = Counter()
        """Known after the chunks: repairs by kind."""
        self._reader = reader
        self._rules = rules
        self._conflicts = Conflicts()
        self._date_shapes: Counter[str] = Counter()
        self._date_count = 0

    @property
    def blank_row_count(self) -> int:
        """Known after the chunks: rows without any value, which are skipped."""
        return self._reader.blank_rows

    def chunks(self) -> Iterator[RowChunk]:
        """Yield the checked rows. Raises UnusableFile."""
        with _without_cyclic_collection():
            for raw in _one_ahead(self._reader.chunks()):
                checked = self._rules.check(raw)
                self.row_count += len(raw.numbers)
                self.repair_counts.update(repair.kind for repair in checked.repairs)
                self._conflicts.add(checked)
                self._note_dates(checked)
                yield RowChunk(raw, checked, self.layout)

    def conflicts(self, set_aside: Container[int] = ()) -> Iterator[tuple[int, Problem]]:
        """Yield the rows that repeat or contradict others, known after the chunks."""
        return self._conflicts.found(set_aside)

    @property
    def common_date_problem(self) -> str | None:
        """Known after the chunks: what is wrong with every date alike, None if they differ."""
        if len(self._date_shapes) != 1 or self._date_count < 2:
            return None
        ((words, count),) = self._date_shapes.items()
        return dates.of_all(words) if count == self._date_count else None

    def all_notices(self) -> list[str]:
        """Known after the chunks: what is to be said of the file before its rows."""
        return [*self.notices, *filter(None, (self.common_date_problem,))]

    def _note_dates(self, checked: Checked) -> None:
        """Count the dates, and the shapes of those that are none; a row that is unread has none."""
        texts = checked.frame["date"]
        self._date_count += len(texts) - int((texts == "").sum())
        for place, problems in checked.problems.items():
            if is_unread(problems):
                self._date_count -= texts[place] != ""
            elif any(problem.code is Code.INVALID_DEFER_DATE for problem in problems):
                self._date_shapes[dates.alike(texts[place])] += 1


@contextlib.contextmanager
def open_input(
    path: Path,
    *,
    encoding: str | None = None,
    sheet: str | None = None,
    date_format: str = "iso",
    allow_unusual_dates: bool = False,
    today: date,
) -> Iterator[InputFile]:
    """Open a CSV, or a workbook by its suffix, and read its header. Raises UnusableFile."""
    reader = _reader_of(path, encoding, sheet)
    rules = Rules(
        reader.layout,
        date_format=date_format,
        allow_unusual_dates=allow_unusual_dates,
        today=today,
    )
    try:
        input_file = InputFile(path, reader, rules)
        input_file.sha256, input_file.size = reader.encoded.sha256, reader.encoded.size
        if reader.encoded.notice:
            input_file.notices.append(reader.encoded.notice)
        yield input_file
    finally:
        reader.close()


def _reader_of(path: Path, encoding: str | None, sheet: str | None) -> CsvReader | WorkbookReader:
    """Return the reader of a file, by its suffix. Raises UnusableFile."""
    if path.suffix.lower() in SUFFIXES and path.is_file():
        if encoding is not None:
            raise unusable(
                path, "a workbook says itself how it is encoded", hint="leave --encoding out"
            )
        return WorkbookReader(path, sheet)
    encoded = look_at(path, encoding)
    if sheet is not None:
        raise unusable(path, "it is a CSV, which has no sheets", hint="leave --sheet out")
    return CsvReader(path, encoded)


def _one_ahead(chunks: Iterator[RawChunk]) -> Iterator[RawChunk]:
    """Read the next chunk while this one is checked: polars leaves the interpreter free."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        following = thread.submit(next, chunks, None)
        while (chunk := following.result()) is not None:
            following = thread.submit(next, chunks, None)
            yield chunk


def _own_values(record: list[str], layout: Layout) -> tuple[str, ...]:
    """Return the input's own columns, as read: surplus values joined onto the last of them."""
    own, width = len(layout.own), layout.width
    values = record[:own] + [""] * (own - len(record))
    if len(record) > width:
        values[-1] = layout.separator.join([values[-1], *record[own : len(record) - width + own]])
    return tuple(columns.unguarded(value) for value in values)


@contextlib.contextmanager
def _without_cyclic_collection() -> Iterator[None]:
    """Rows are lists of strings and make no cycles: looking for some costs a third of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
