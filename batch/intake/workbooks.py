"""An Excel workbook → its rows, with the numbers of the sheet."""

from __future__ import annotations

import hashlib
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from batch import columns
from batch.intake.decoding import Encoded
from batch.intake.layout import Layout, layout_of
from batch.intake.reader import ROWS_A_CHUNK, RawChunk
from batch.intake.refusals import unusable

SUFFIXES = frozenset({".xlsx", ".xlsm"})
_MIDNIGHT = re.compile(r"(\d{4}-\d{2}-\d{2}) 00:00:00", re.ASCII)


class WorkbookReader:
    """Reads one sheet: `layout` at once, `chunks` as they are asked for."""

    def __init__(self, path: Path, sheet: str | None) -> None:
        self.blank_rows = 0
        self._frame = _loaded(path, sheet)
        self._header_at = self._find_header(path)
        header = list(self._frame.row(self._header_at))
        while header and not (header[-1] or "").strip():
            header.pop()
        self.layout: Layout = layout_of(path, [name or "" for name in header], ",")

    def close(self) -> None:
        """Let go of the sheet."""

    def chunks(self) -> Iterator[RawChunk]:
        """Stream the rows of the sheet behind its header."""
        date_place = self.layout.places[columns.DEFER_DATE]
        numbers: list[int] = []
        records: list[list[str]] = []
        for place in range(self._header_at + 1, self._frame.height):
            record = [value or "" for value in self._frame.row(place)]
            if columns.is_blank(record):
                self.blank_rows += 1
                continue
            record = _without_empty_tail(record, self.layout.width)
            record[date_place] = _MIDNIGHT.sub(r"\1", record[date_place])
            numbers.append(place + 1)
            records.append(record)
            if len(numbers) == ROWS_A_CHUNK:
                yield RawChunk(numbers, records)
                numbers, records = [], []
        if numbers:
            yield RawChunk(numbers, records)

    def _find_header(self, path: Path) -> int:
        for place in range(self._frame.height):
            if not columns.is_blank(value or "" for value in self._frame.row(place)):
                return place
            self.blank_rows += 1
        raise unusable(
            path, "its sheet is empty", hint="name another sheet with --sheet, if there is one"
        )


def encoded_workbook(path: Path) -> Encoded:
    """Give a workbook's size and SHA-256. Raises UnusableFile."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise unusable(path, f"it cannot be read ({error.strerror or error})") from None
    return Encoded("xlsx", len(data), hashlib.sha256(data).hexdigest(), None)


def _without_empty_tail(record: list[str], width: int) -> list[str]:
    while len(record) > width and not record[-1]:
        record.pop()
    return record


def _loaded(path: Path, sheet: str | None) -> Any:
    try:
        fastexcel = importlib.import_module("fastexcel")
    except ImportError:
        raise unusable(
            path,
            "reading workbooks takes an extra that is not installed",
            hint="pip install 'defer-batch[excel]', or save it as CSV UTF-8",
        ) from None
    try:
        workbook = fastexcel.read_excel(str(path))
    except Exception as error:  # noqa: BLE001 — whatever the library says of a broken file
        raise unusable(path, "it is not a workbook that can be read", hint=_first(error)) from None
    if sheet is not None and sheet not in workbook.sheet_names:
        raise unusable(
            path,
            f"there is no sheet {sheet[:40]!r}",
            notes=("found: " + ", ".join(workbook.sheet_names),),
            hint="name one of these with --sheet",
        )
    chosen = workbook.sheet_names[0] if sheet is None else sheet
    loaded = workbook.load_sheet(chosen, header_row=None, skip_rows=0, dtypes="string")
    return loaded.to_polars()


def _first(error: Exception) -> str:
    return f"save it again as .xlsx or as CSV UTF-8 ({type(error).__name__})"
