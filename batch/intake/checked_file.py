"""A file, checked: its rows stream by with their problems, and what concerns the whole file."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Container, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from msgspec import Struct

from batch import columns
from batch.errors import unusable
from batch.intake.cleaning import Repair
from batch.intake.csv_reader import CsvReader
from batch.intake.duplicates import Conflicts, is_unread
from batch.intake.encoding import look_at
from batch.intake.evidence import (
    DateEvidence,
    ExportEvidence,
    IdentityEvidence,
    IdEvidence,
    Reading,
)
from batch.intake.layout import Layout
from batch.intake.letters import rows_of_broken_text
from batch.intake.raw_rows import SUFFIXES, RawChunk, own_values
from batch.intake.rules import Checked, Rules
from batch.rows import Deferral, Problem, Row
from batch.run_settings import InputOptions
from batch.words import row_list

if TYPE_CHECKING:  # most lists are CSV: what parses workbooks is imported for one
    from batch.intake.workbook_reader import WorkbookReader


class RowChunk(Struct, frozen=True):
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
        read = self.checked.frame.select("id", "day", "reason").iter_rows()
        rows = zip(self.raw.numbers, self.raw.records, read, strict=True)
        for place, (number, record, (trainee_id, day, reason)) in enumerate(rows):
            problems = self.checked.problems.get(place, ())
            deferral = None if problems else Deferral(trainee_id, day, reason or None)
            values = _kept_values(record, self.layout)
            yield Row(number, values, trainee_id, deferral, problems)


class InputFile:
    """One input file. Its chunks are asked for once; what is known after them says so."""

    def __init__(self, options: InputOptions, reader: CsvReader | WorkbookReader) -> None:
        self.name = options.shown_name or options.path.name
        self.layout = reader.layout
        self.columns = reader.layout.kept
        self.separator = reader.layout.separator
        self.size = reader.encoded.size
        self.row_count = 0
        """Known after the chunks."""
        self.repair_counts: Counter[str] = Counter()
        """Known after the chunks: repairs by kind."""
        self._options = options
        self._reader = reader
        self._rules = Rules(reader.layout, options, with_formulas=reader.is_csv)
        self._conflicts = Conflicts(reader.layout, options.match_by)
        self._dates = DateEvidence(reader.layout, options)
        self._ids = IdEvidence()
        self._identities = IdentityEvidence(reader.layout, options.date_format)
        self._export = ExportEvidence(reader.layout, options.today)
        self._broken_text: list[int] = []

    @property
    def sha256(self) -> str:
        """Known after the chunks: of the bytes that were parsed, in hex."""
        return self._reader.sha256

    @property
    def blank_row_count(self) -> int:
        """Known after the chunks: rows without any value, which are skipped."""
        return self._reader.blank_rows

    def chunks(self) -> Iterator[RowChunk]:
        """Yield the checked rows. Raises UnusableFile."""
        for raw in _one_ahead(self._reader.chunks()):
            checked = self._rules.check(raw)
            self._gather(raw, checked)
            yield RowChunk(raw, checked, self.layout)

    def _gather(self, raw: RawChunk, checked: Checked) -> None:
        """Take what a chunk shows of the whole file."""
        self.row_count += len(raw.numbers)
        self.repair_counts.update(repair.kind for repair in checked.repairs)
        self._conflicts.add(raw, checked)
        unread = [place for place, found in checked.problems.items() if is_unread(found)]
        self._dates.add(checked.frame, checked.day_counts, raw.date_cells, unread)
        self._ids.add(checked.frame)
        self._identities.add(raw)
        if self.layout.is_export:
            self._export.add(raw, checked.frame)
        if self._reader.encoded.has_broken_text:
            self._broken_text += rows_of_broken_text(raw.numbers, raw.records)

    def problems_of_the_whole(
        self, set_aside: Container[int] = (), *, before_matching: bool = False
    ) -> Iterator[tuple[int, Problem]]:
        """Yield what the whole file shows against rows, known after the chunks.

        Dates that others make doubtful, then rows that repeat or contradict others. `set_aside`
        are rows that earlier runs have settled; `before_matching` is as in `Conflicts.found`.
        """
        doubtful = [pair for pair in self._dates.problems() if pair[0] not in set_aside]
        yield from doubtful
        failed = {number for number, _ in doubtful}
        yield from self._conflicts.found(set_aside, failed, before_matching=before_matching)

    @property
    def common_date_problem(self) -> str | None:
        """Known after the chunks: what is wrong with all or most dates, None if they differ."""
        return self._dates.notice()

    def reading(self) -> Reading:
        """Known after the chunks: what was taken of the file."""
        layout, reader, options = self.layout, self._reader, self._options
        places = layout.places
        return Reading(
            file=self.name,
            rows=self.row_count,
            blank_rows=self.blank_row_count,
            header_row=layout.header_row,
            columns={
                name: layout.own[places[name]] if name in places else None
                for name in columns.ALIASES
            },
            unused=layout.unused,
            date_format=options.date_format,
            sheet=reader.sheet,
            other_sheets=reader.other_sheets,
            hidden_rows=reader.hidden_rows,
            hidden_rows_were=_HIDDEN[options.hidden_rows] if reader.hidden_rows else "",
            encoding=reader.encoded.label if reader.is_csv else None,
            separator=layout.separator if reader.is_csv else None,
            notices=tuple(self._notices()),
            corrected=options.corrected,
        )

    def _notices(self) -> Iterator[str]:
        """Yield what is told of the file, the most telling first."""
        for notice in (self._export.notice(), self._dates.notice(), self._ids.notice()):
            if notice is not None:
                yield notice
        yield from self._identities.notices()
        yield from self.layout.notices
        if self._reader.letters is not None:
            yield self._reader.letters.notice()
        if self._broken_text:
            shown = row_list(tuple(self._broken_text[:5]), len(self._broken_text))
            yield (
                f"{shown}: text was broken before it came into this file (such as Ã© for é): "
                "correct it in the list that it came from"
            )


_HIDDEN = {None: "", "include": "included", "skip": "skipped"}


@contextlib.contextmanager
def open_input(options: InputOptions) -> Iterator[InputFile]:
    """Open a CSV, or a workbook by its suffix, and read its header. Raises UnusableFile."""
    reader = _reader_of(options)
    try:
        yield InputFile(options, reader)
    finally:
        reader.close()


def _reader_of(options: InputOptions) -> CsvReader | WorkbookReader:
    """Return the reader of a file, by its suffix. Raises UnusableFile."""
    path = options.path
    if path.suffix.lower() in SUFFIXES and os.path.isfile(path):  # noqa: PTH113 — never raises
        if options.encoding is not None:
            raise unusable(
                path, "a workbook says itself how it is encoded", hint="leave --encoding out"
            )
        from batch.intake.workbook_reader import WorkbookReader  # noqa: PLC0415 — as above

        return WorkbookReader(options)
    encoded = look_at(options)
    if options.sheet is not None:
        raise unusable(path, "it is a CSV, which has no sheets", hint="leave --sheet out")
    return CsvReader(options, encoded)


def _one_ahead(chunks: Iterator[RawChunk]) -> Iterator[RawChunk]:
    """Read the next chunk while this one is checked: polars leaves the interpreter free."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        following = thread.submit(next, chunks, None)
        while (chunk := following.result()) is not None:
            following = thread.submit(next, chunks, None)
            yield chunk


def _kept_values(record: list[str], layout: Layout) -> tuple[str, ...]:
    """Return the values that reports repeat: the input's own, as read."""
    values = own_values(record, layout)
    return tuple(
        columns.unguarded(value) for at, value in enumerate(values) if at not in layout.left_out
    )
