"""`make soak`: broken files, thousands of them: none crashes the reader, and no row is lost.

A file that people could have made is damaged as disks, programs and people damage files. What is
read of it must agree with a reading by hand, and every row must come out of the journal again.
`fuzzing.py FILES SEED` replays.
"""

from __future__ import annotations

import codecs
import datetime as dt
import io
import random
import sqlite3
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).parents[2]))

import openpyxl

from batch.columns import is_blank
from batch.commands.check import check_file
from batch.errors import UnusableFile
from batch.intake.checked_file import open_input
from batch.intake.layout import Layout
from batch.record import database
from batch.record.journal import Journal
from batch.run_settings import InputOptions, RateLimit
from batch.submission.staging import stage_rows
from tests.support.certain import differently_read
from tests.support.journals import RUN
from tests.support.strict import strictly_read

UNSEEN = " \t\n\r\u00a0\u200b"
TODAY = dt.date(2026, 11, 24)
VALUES = (
    "abc", "000123", "'7", "N1VXpwPC6FNNhu4EPkLG8LCc", "2026-10-01", "17/06/2024", "45460", "soon",
    "", " ", "\u00a0x\u200b", "Été", "Łódź", "😀", "long " * 101, "ill, very ill", 'so "called"', "two\nlines",
    "a\r\nb", "=1+1", "'=1+1", "\x07", "x\x00y", "as listed:\nb,2026-10-01,x", "#N/A", "\u2028",
)  # fmt: skip
HEADERS = (
    ("trainee_id", "defer_date", "defer_reason"),
    ("Register ID", "note", "Defer-Date"),
    ("defer_reason", "trainee_id", "defer_date", "x"),
    ("trainee_id", "trainee_id", "defer_date"),
    ("abc", "2026-10-01", "ill"),
)
ENCODINGS = (*["utf-8"] * 8, "utf-8-sig", "utf-16", "utf-16", "cp1252", "cp1252", "utf-16-be")
QUOTES_AND_THE_LIKE = (
    b'"', b'""', b"\n", b"\r", b"\r\n", b",", b";", b"\t", b'",', b',"', b'"\n', b"", b"", b"'",
)  # fmt: skip
ODD_BYTES = (
    b"\x00", b"\xff", b"\xfe\xff", b"\x81", b"\xe2\x82", "é".encode(), codecs.BOM_UTF8,
    b"sep=;\n", b"x" * 140_000,
)  # fmt: skip


def fuzz(*, files: int, seed: int) -> list[str]:
    """Read so many broken files; give what was wrong with the reading, file by file."""
    complaints: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(files):
            rng = random.Random(f"{seed} {number}")
            name, make = rng.choices(tuple(KINDS.items()), (0.9, 0.05, 0.05))[0]
            path = Path(folder) / name
            path.write_bytes(make(rng))
            try:
                found = _wrong_with(path, rng.choice(("iso", "dmy")))
            except Exception as error:  # noqa: BLE001 — a crash is what is looked for
                found = f"{type(error).__name__}: {error}"
            if found:
                complaints.append(f"file {number} of seed {seed}: {found}")
    return complaints


def _wrong_with(path: Path, date_format: str) -> str:
    options = InputOptions(path, TODAY, date_format=date_format)
    try:
        with open_input(options) as file:
            rows = [row for chunk in file.chunks() for row in chunk.rows()]
    except UnusableFile as refused:
        if not str(refused).replace("\n", "").isprintable():
            return "its refusal steers the terminal"
        return differently_read(options) if path.suffix == ".csv" else ""
    numbers = [row.row_number for row in rows]
    if path.suffix == ".csv" and (found := differently_read(options)):
        return found
    if numbers != sorted(set(numbers)) or file.row_count != len(rows):
        return f"{file.row_count} rows counted, {len(rows)} read, or out of order"
    by_hand = COUNTED[path.name](path, file.layout)
    told = len(rows) + (file.blank_row_count if path.suffix == ".csv" else 0)
    if by_hand not in {None, told}:
        return f"{by_hand} rows by hand, {told} read"
    checked = check_file(options, RateLimit(100, 60.0))
    if checked.rows != len(rows) or not checked.lines() or not checked.as_json():
        return f"{checked.rows} rows checked, {len(rows)} read"
    reported = _reported(options)
    return "" if reported == len(rows) else f"{reported} rows in the journal, {len(rows)} read"


def _counted_by_hand(path: Path, layout: Layout) -> int | None:
    """Count the rows but the header and titles above it, by the strict reading.

    None where that refuses the file.
    """
    data = path.read_bytes()
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if marked else ("utf-8-sig", "cp1252"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        rows = strictly_read(text, layout.separator)
        if rows is None:
            return None
        above = ("".join(row).strip(",;\t|") for row in rows[: layout.header_row - 1])
        titles = sum(not is_blank([text]) for text in above)
        return len(rows) - 1 - titles
    return None


def _filled_rows_of_the_workbook(path: Path, _layout: Layout) -> int:
    """Count the rows, but the header, in which anything stands: values, errors, formulas."""
    sheet = openpyxl.load_workbook(path).active
    assert sheet is not None
    _, *rows = sheet.iter_rows(values_only=True)
    return sum(any(str(value or "").strip(UNSEEN) for value in row) for row in rows)


def _reported(options: InputOptions) -> int:
    """Take a file into a journal, and count the rows that come out of it."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    database._migrate(connection)
    journal = Journal(connection, wall=lambda: 1_795_514_400.0)
    try:
        with open_input(options) as file:
            run = replace(RUN, columns=file.columns, separator=file.separator)
            run_no = journal.stage(run, origin=RUN.base_url)
            stage_rows(journal, run_no, file, origin=RUN.base_url, again=False)
        journal.start(run_no)
        journal.settle_the_rest(run_no)
        return sum(journal.ledger.counts(RUN.run_id).values())
    finally:
        journal.close()


def _csv(rng: random.Random) -> bytes:
    separator = rng.choice(",;\t|")
    line_end = rng.choice(("\n", "\r\n", "\r", "\n"))
    header = rng.choice(HEADERS[:3] if rng.random() < 0.9 else HEADERS)
    rows = [header, *(_row(rng, len(header)) for _ in range(rng.randrange(12)))]
    lines = [separator.join(_quoted(rng, value, separator) for value in row) for row in rows]
    text = line_end * rng.choice((0, 0, 0, 2)) + line_end.join(lines)
    data = text.encode(rng.choice(ENCODINGS), errors="replace")
    return _damaged(rng, data)


def _row(rng: random.Random, width: int) -> list[str]:
    if rng.random() < 0.1:
        return [""] * rng.randrange(width)
    more = rng.choice((0, 0, 0, 0, 1, -1, 2))
    return [rng.choice(VALUES) for _ in range(max(0, width + more))]


def _quoted(rng: random.Random, value: str, separator: str) -> str:
    needs = any(letter in value for letter in (separator, '"', "\n", "\r"))
    if rng.random() < (0.95 if needs else 0.2):
        return '"' + value.replace('"', '""') + '"'
    return value


def _damaged(rng: random.Random, data: bytes) -> bytes:
    for _ in range(rng.choice((0, 0, 1, 1, 2, 5))):
        at = rng.randrange(len(data) + 1)
        cut = at + rng.choice((0, 0, 1, 1, 2, 40))
        scraps = QUOTES_AND_THE_LIKE if rng.random() < 0.93 else ODD_BYTES
        data = data[:at] + rng.choice(scraps) + data[cut:]
    return data


def _workbook(rng: random.Random) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    kinds: tuple[Callable[[], object], ...] = (
        lambda: rng.choice([value for value in VALUES if value.isprintable()]),
        lambda: rng.choice((7, 45460, 1.5, True, None, dt.date(2026, 10, 1), "#N/A", "=A1")),
    )
    sheet.append(rng.choice(HEADERS[:3]))
    for _ in range(rng.randrange(8)):
        sheet.append([rng.choice(kinds)() for _ in range(rng.randrange(5))])
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()


def _damaged_workbook(rng: random.Random) -> bytes:
    """Damage one part of a workbook, or the whole archive."""
    data = _workbook(rng)
    if rng.random() < 0.3:
        return _damaged(rng, data)
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as whole, zipfile.ZipFile(changed, "w") as archive:
        victim = rng.choice(whole.namelist())
        for name in whole.namelist():
            part = whole.read(name)
            archive.writestr(name, _damaged(rng, part) if name == victim else part)
    return changed.getvalue()


KINDS: dict[str, Callable[[random.Random], bytes]] = {
    "list.csv": _csv,
    "list.xlsx": _workbook,
    "damaged.xlsx": _damaged_workbook,
}
COUNTED: dict[str, Callable[[Path, Layout], int | None]] = {
    "list.csv": _counted_by_hand,
    "list.xlsx": _filled_rows_of_the_workbook,
    "damaged.xlsx": lambda *_: None,
}


def main(files: int, seed: int) -> int:
    """Read the files; print what was wrong; give how much that was."""
    began = time.perf_counter()
    complaints = fuzz(files=files, seed=seed)
    kinds = Counter(words.split(": ", 1)[1][:40] for words in complaints)
    print(f"{files} broken files, seed {seed}, in {time.perf_counter() - began:.0f} s")
    print("\n".join(f"  BROKEN: {words}" for words in complaints[:20]) or "  no law broken")
    if len(complaints) > 20:
        print(f"  and more: {dict(kinds)}")
    return len(complaints)


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    files, seed = (*given, *(5_000, 1)[len(given) :])
    sys.exit(main(files, seed) > 0)
