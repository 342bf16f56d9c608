"""The journal → the files of a run: CSVs, summary, page, workbook, and the manifest over all."""

from __future__ import annotations

import contextlib
import csv
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING

from msgspec import Struct

from batch import columns, files
from batch.codes import Outcome, counts_of
from batch.record import manifest
from batch.record.findings import headline
from batch.record.journal import Journal
from batch.record.ledger import Ledger
from batch.record.records import ReportRecord, RowRecord, RunRecord, as_told

if TYPE_CHECKING:
    from batch.record.workbook import Results

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MOST_CHARACTERS_READ = 2**31 - 1
_AS_IT_IS = re.compile(r"""(?:[^'=+\-@",;|\s][^",;|\s]*)?""")
"""A value that needs neither guard nor quotes, as most do: asked once in place of twice."""

_SPLITS_A_LINE = re.compile(r'[",;|\s]')


class Written(Struct, frozen=True):
    """A report that has been written: where, its manifest's SHA-256, what was noticed."""

    folder: Path
    manifest_sha256: str
    warnings: tuple[str, ...] = ()


def csv_name(outcome: Outcome) -> str:
    """Return the name of an outcome's CSV."""
    return f"{outcome.value}.csv"


def refuse_long_path(folder: Path) -> None:
    """Raise UsageProblem where a report could not be written there for the length of its path.

    Found out before anything is sent. The longest is the file in which the workbook's rows wait,
    `.results.xlsx.xxxxxxxx/tmpxxxxxxxx`.
    """
    files.refuse_long_path(folder, "results.xlsx.xxxxxxxx-tmp")


def write_report(journal: Journal, run_id: str, folder: Path, *, tool_version: str) -> Written:
    """Write every file of a run from the journal, which notes it: the same gives the same bytes.

    It takes the place of the report that was there, whichever version wrote that; the manifest
    says which manifest it replaces.
    """
    from batch.record import page, to_correct, workbook  # noqa: PLC0415 — needed only once rows are settled

    files.make_own_folder(folder)
    files.narrow(folder / manifest.LOG)
    _remove_unfinished(folder)
    run = journal.ledger.run(run_id)
    with contextlib.ExitStack() as stack:
        book = folder / "results.xlsx"
        results = stack.enter_context(workbook.writing_results(journal.ledger, run, book))
        tables = stack.enter_context(_writing_csvs(run, folder))
        rows = _written_on_the_way(run, journal.ledger.rows(run_id), tables, results)
        page.write_page(journal.ledger, run_id, folder / manifest.PAGE, rows)
    with files.replacing(folder / manifest.SUMMARY) as file:
        file.write((json.dumps(summary(journal.ledger, run_id), indent=2) + "\n").encode())
    kept = tuple(_keep_corrections(journal.ledger, run_id, folder))
    to_correct.write_to_correct(journal.ledger, run_id, folder / manifest.TO_CORRECT)
    written = manifest.write_manifest(journal, run_id, folder, tool_version=tool_version)
    return Written(folder, written.manifest_sha256, (*kept, *_noticed(written, folder)))


def _keep_corrections(ledger: Ledger, run_id: str, folder: Path) -> Iterator[str]:
    """Move a `to-correct.xlsx` in which somebody has worked out of the way, and yield where to.

    That is where people are sent to correct rows; their work must outlive a report written anew.
    """
    path, known = folder / manifest.TO_CORRECT, ledger.reported(run_id)
    if known is None or manifest.TO_CORRECT not in known.files or not manifest.is_a_file(path):
        return
    if manifest.sha256_of(path) == known.files[manifest.TO_CORRECT]:
        return
    kept = manifest.set_aside(path)
    yield f"{path} was corrected by someone: it is now {kept}, and the report has its own again"


def _noticed(written: ReportRecord, folder: Path) -> Iterator[str]:
    """Yield what stands in the folder and is not what the manifest says."""
    log = folder / manifest.LOG
    if manifest.LOG in written.files and not manifest.is_a_file(log):
        yield f"{log} is missing: the manifest lists it, and `verify` will say so"
    elif manifest.LOG in written.files and manifest.sha256_of(log) != written.files[manifest.LOG]:
        yield f"{log} was altered: the manifest lists it as the run left it, `verify` will say so"


def summary(ledger: Ledger, run_id: str) -> dict[str, object]:
    """Return a run's summary as `summary.json` holds it (interface.md, "The reports of a run")."""
    run, codes, requests = ledger.run(run_id), ledger.counts(run_id), ledger.requests(run_id)
    return {
        "headline": headline(run, codes).sentence,
        "run_id": run.run_id,
        "rehearsal": run.rehearsal,
        "input": {
            "name": run.input_name,
            "sha256": run.input_sha256,
            "rows": run.input_rows,
            "sheet": run.reading.get("sheet"),
            "columns": dict(run.held_in),
        },
        "register": {"base_url": run.base_url, "api_version": run.api_version},
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "counts": counts_of(codes),
        "codes": codes,
        "requests": {
            "sent": requests.sent,
            "throttled": requests.throttled,
            "read_back": requests.read_back,
            "preview": requests.preview,
            "final_check": requests.final_check,
        },
        "blank_rows": run.blank_rows,
        "repairs": dict(run.repairs),
        "notices": list(run.notices),
        "final_check": None if run.final_check is None else dict(run.final_check),
        "stopped_because": run.stopped_because,
        "exit_code": run.exit_code,
        "tool_version": run.tool_version,
    }


def self_check(ledger: Ledger, run_id: str, folder: Path) -> list[str]:
    """Read the CSVs again; return every disagreement with the journal and with the input."""
    run, found = ledger.run(run_id), []
    for outcome in Outcome:
        name = csv_name(outcome)
        try:
            with _reading(folder / name) as told:
                if next(told, None) != list(_header(ledger, run_id)):
                    found.append(f"the header of {name} is not the one that was written")
                rows = (as_told(row, run) for row in ledger.rows(run_id, outcome))
                found += _differing(name, told, rows)
        except (OSError, UnicodeError, csv.Error):
            found.append(f"{name} cannot be read")
    counted = sum(ledger.counts(run_id).values())
    if counted != run.input_rows:
        found.append(f"the input had {run.input_rows} rows, the outcomes have {counted}")
    return found


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[Iterator[list[str]]]:
    """Yield the lines of a report CSV, header included, as they were before the guard."""
    before = csv.field_size_limit(_MOST_CHARACTERS_READ)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            yield (
                [columns.unguarded(value) if value[:1] == "'" else value for value in line]
                for line in lines
            )
    finally:
        csv.field_size_limit(before)


def _differing(name: str, told: Iterator[list[str]], rows: Iterator[RowRecord]) -> Iterator[str]:
    """Yield what differs between a CSV and the journal, both in the order of their row numbers."""
    line = next(told, None)
    for row in rows:
        while line is not None and _row_number(line) < row.row_number:
            yield f"{name} has a row that the journal has not: {_shown(line)}"
            line = next(told, None)
        if line is None or _row_number(line) != row.row_number:
            yield f"{name} lacks row {row.row_number}"
            continue
        if line != report_values(row):
            yield f"{name} differs from the journal at row {row.row_number}"
        line = next(told, None)
    while line is not None:
        yield f"{name} has a row that the journal has not: {_shown(line)}"
        line = next(told, None)


def _row_number(line: list[str]) -> int:
    text = line[-len(columns.REPORT_COLUMNS)] if len(line) >= len(columns.REPORT_COLUMNS) else ""
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else -1


def _shown(line: list[str]) -> str:
    number = _row_number(line)
    return "one without a number" if number < 0 else f"row {number}"


def report_values(row: RowRecord) -> list[str]:
    """Return a row's cells as the CSVs hold them, before the guard."""
    added = columns.added_cells(row)
    return [*row.values, *["" if value is None else str(value) for value in added]]


@contextlib.contextmanager
def _writing_csvs(run: RunRecord, folder: Path) -> Iterator[Mapping[str, IO[bytes]]]:
    """Yield the CSVs of the outcomes, each with its header."""
    header = (*run.columns, *columns.REPORT_COLUMNS)
    with contextlib.ExitStack() as stack:
        yield {
            outcome.value: stack.enter_context(_writing_csv(folder / csv_name(outcome), header))
            for outcome in Outcome
        }


def _written_on_the_way(
    run: RunRecord, rows: Iterable[RowRecord], csvs: Mapping[str, IO[bytes]], results: Results
) -> Iterator[RowRecord]:
    """Yield the rows, each written to its CSV and its sheet: they are read once for all files."""
    for row in rows:
        told = as_told(row, run)
        csvs[row.outcome].write(_line(report_values(told)))
        results.add(told)
        yield row


def write_table(path: Path, header: Iterable[str], lines: Iterable[Iterable[str]]) -> None:
    """Write a CSV as those of the reports are: UTF-8 with a mark, CRLF, guarded, whole, private."""
    with _writing_csv(path, header) as file:
        file.writelines(map(_line, lines))


@contextlib.contextmanager
def _writing_csv(path: Path, header: Iterable[str]) -> Iterator[IO[bytes]]:
    with files.replacing(path) as file:
        file.write(BYTE_ORDER_MARK)
        file.write(_line(header))
        yield file


def _line(values: Iterable[str]) -> bytes:
    cells = [value if _AS_IT_IS.fullmatch(value) else _cell(value) for value in values]
    return (",".join(cells) + "\r\n").encode()


def _cell(value: str) -> str:
    """Return a value as it stands in a CSV: guarded, and quoted where any separator is in it.

    A spreadsheet may take several characters for separators at once: unquoted, what follows a
    semicolon would be a cell of its own, and could be a formula.
    """
    text = columns.guarded(value)
    return '"' + text.replace('"', '""') + '"' if _SPLITS_A_LINE.search(text) else text


def _remove_unfinished(folder: Path) -> None:
    """Remove what a killed process left half written: it may hold reasons."""
    for pattern in (".*.csv.*", ".*.json.*", ".*.html.*", ".*.xlsx.*"):
        for path in folder.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _header(ledger: Ledger, run_id: str) -> tuple[str, ...]:
    return (*ledger.run(run_id).columns, *columns.REPORT_COLUMNS)
