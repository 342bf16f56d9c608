"""No file may end the process, or take more than 30 seconds and 500 MB: small files that would."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import openpyxl
import pytest

from tests.support.terminals import posix_only

MOST_SECONDS, MOST_KILOBYTES = 30, 500 * 1024
NAMES = ("trainee_id", "defer_date", "defer_reason")
SHEET, TEXTS, STYLES, BOOK = (
    f"xl/{part}.xml" for part in ("worksheets/sheet1", "sharedStrings", "styles", "workbook")
)
SPACE = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def laughing() -> bytes:
    """Return a document type whose last entity expands to ten thousand million letters."""
    more = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 11))
    return b'<!DOCTYPE x [<!ENTITY l0 "ha">' + more + b"]>"


def text_row(number: int, *texts: bytes) -> bytes:
    cells = b"".join(b'<c t="inlineStr"><is><t>%s</t></is></c>' % text for text in texts)
    return b'<row r="%d">%s</row>' % (number, cells)


def blocks_of(unit: bytes, megabytes: int) -> Iterator[bytes]:
    some = unit * ((1 << 20) // len(unit))
    yield from (some for _ in range(megabytes))


def book(*, changed: dict[str, Callable[[bytes], bytes]], more: dict[str, bytes]) -> bytes:
    """Return a workbook of one row whose parts were changed, or added."""
    made, changed_book = io.BytesIO(), io.BytesIO()
    plain = openpyxl.Workbook()
    plain.worksheets[0].append(NAMES)
    plain.worksheets[0].append(("abc", "2026-10-01", "x"))
    plain.save(made)
    with zipfile.ZipFile(made) as whole, zipfile.ZipFile(changed_book, "w", 8) as archive:
        for name in whole.namelist():
            archive.writestr(name, changed.get(name, bytes)(whole.read(name)))
        for name, data in more.items():
            archive.writestr(name, data)
    return changed_book.getvalue()


def with_rows(rows: bytes, before: bytes = b"") -> bytes:
    change = {SHEET: lambda part: part.replace(b"</sheetData>", before + rows + b"</sheetData>")}
    return book(changed=change, more={})


def in_part(part: str, before: bytes, inserted: bytes) -> bytes:
    return book(changed={part: lambda data: data.replace(before, inserted + before, 1)}, more={})


def with_texts(texts: bytes, rows: bytes = b"") -> bytes:
    """Return a workbook with a part of shared texts, to which the workbook has a relation."""
    kind = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"
    relation = b'<Relationship Type="%s" Target="/%s" Id="texts"/>' % (kind, TEXTS.encode())
    changed = {
        "xl/_rels/workbook.xml.rels": lambda data: data.replace(
            b"</Relationships>", relation + b"</Relationships>"
        ),
        SHEET: lambda data: data.replace(b"</sheetData>", rows + b"</sheetData>"),
    }
    whole = b"<sst " + SPACE + b">" + texts + b"</sst>"
    return book(changed=changed, more={TEXTS: whole})


def expanding(megabytes: int) -> bytes:
    """Return a workbook whose sheet unpacks to so many megabytes."""
    made = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(with_rows(b""))) as whole,
        zipfile.ZipFile(made, "w", 8) as archive,
    ):
        for name in whole.namelist():
            if name != SHEET:
                archive.writestr(name, whole.read(name))
        with archive.open(SHEET, "w", force_zip64=True) as part:
            part.write(b"<worksheet " + SPACE + b"><sheetData>")
            for block in blocks_of(text_row(1, b"a" * 60), megabytes):
                part.write(block)
    return made.getvalue()


def far_cells(rows: int) -> bytes:
    row = b'<row r="%d"><c r="A%d"><v>1</v></c><c r="XFD%d"><v>1</v></c></row>'
    return b"".join(row % (n, n, n) for n in range(3, rows + 3))


def formatted_blank(rows: int) -> bytes:
    return b"".join(b'<row r="%d"><c r="A%d" s="0"/></row>' % (n, n) for n in range(3, rows + 3))


def many_sheets(count: int) -> bytes:
    kind = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    sheet = b'<sheet xmlns:r="%s" name="S%d" sheetId="%d" r:id="x%d"/>'
    relation = b'<Relationship Type="%s/worksheet" Target="/xl/worksheets/s%d.xml" Id="x%d"/>'
    sheets = b"".join(sheet % (kind, n, n + 9, n) for n in range(count))
    relations = b"".join(relation % (kind, n, n) for n in range(count))
    changed = {
        BOOK: lambda data: data.replace(b"</sheets>", sheets + b"</sheets>"),
        "xl/_rels/workbook.xml.rels": lambda data: data.replace(
            b"</Relationships>", relations + b"</Relationships>"
        ),
    }
    return book(changed=changed, more={})


WORKBOOKS: dict[str, tuple[Callable[[], bytes], int]] = {
    "250,000 rows": (
        lambda: with_rows(
            b"".join(text_row(n, b"id%d" % n, b"2026-10-01") for n in range(3, 250_003))
        ),
        2,
    ),
    "3 GB from 3 MB": (lambda: expanding(3_000), 2),
    "a cell in the last column and row": (
        lambda: with_rows(b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'),
        1,
    ),
    "a cell in the last column of many rows": (lambda: with_rows(far_cells(40_000)), 1),
    "blank rows to the end of the sheet": (lambda: with_rows(formatted_blank(1_048_500)), 0),
    "elements without end": (lambda: with_rows(b"<x>" * 2_000_000), 2),
    "elements in elements of the styles": (
        lambda: in_part(STYLES, b"<fonts", b"<x>" * 500_000 + b"</x>" * 500_000),
        2,
    ),
    "a billion laughs in the sheet": (
        lambda: in_part(SHEET, b"<worksheet", laughing()),
        2,
    ),
    "a billion laughs behind a long comment": (
        lambda: in_part(SHEET, b"<worksheet", b"<!--" + b">" * 500_000 + b"-->" + laughing()),
        2,
    ),
    "a comment of 40 MB": (
        lambda: in_part(SHEET, b"<sheetData>", b"<!--" + b"> " * (20 << 20) + b"-->"),
        2,
    ),
    "an attribute of 40 MB": (
        lambda: with_rows(b'<row r="3" x="' + b"a" * (40 << 20) + b'"/>'),
        2,
    ),
    "shared texts of nothing": (lambda: with_texts(b"<si><t/></si>" * 3_000_000), 2),
    "shared texts of 1 GB in memory": (
        lambda: with_texts((b"<si><t>" + "😀".encode() + b"a" * 30_000 + b"</t></si>") * 3_000),
        2,
    ),
    "one shared text in 100,000 cells": (
        lambda: with_texts(
            b"<si><t>" + b"abc " * 8_000 + b"</t></si>",
            b"".join(
                b'<row r="%d"><c r="C%d" t="s"><v>0</v></c></row>' % (n, n)
                for n in range(3, 100_003)
            ),
        ),
        2,
    ),
    "a million styles": (
        lambda: in_part(STYLES, b"</cellXfs>", b'<xf numFmtId="0"/>' * 1_500_000),
        2,
    ),
    "styles of 100 MB": (lambda: in_part(STYLES, b"</cellXfs>", b"<xf/>" * (20 << 20)), 2),
    "comments and drawings of 100 MB": (
        lambda: book(
            changed={},
            more={
                "xl/comments1.xml": b"<c/>" * (25 << 20),
                "xl/drawings/drawing1.xml": b"<c/>" * (25 << 20),
            },
        ),
        0,
    ),
    "two thousand sheets": (lambda: many_sheets(2_000), 2),
    "thirty thousand parts": (
        lambda: book(changed={}, more={f"x/{n}.xml": b"" for n in range(30_000)}),
        2,
    ),
    "a number of a million digits": (
        lambda: with_rows(b'<row r="3"><c r="A3"><v>' + b"9" * 1_000_000 + b"</v></c></row>"),
        2,
    ),
    "a row number of a thousand digits": (
        lambda: with_rows(b'<row r="' + b"9" * 1_000 + b'"><c><v>1</v></c></row>'),
        2,
    ),
}
HEADER = b"trainee_id,defer_date,defer_reason\n"
LISTS: dict[str, tuple[Callable[[], Iterator[bytes]], int]] = {
    "a line of 100 MB": (lambda: blocks_of(b"x", 100), 2),
    "a line of 100 MB of commas": (lambda: blocks_of(b",", 100), 2),
    "lines of a megabyte of commas": (lambda: blocks_of(b"," * ((1 << 20) - 1) + b"\n", 100), 2),
    "a quote that never closes over 100 MB": (
        lambda: iter([b'abc,2026-10-01,"', *blocks_of(b"x\n", 100)]),
        2,
    ),
    "one row of a million quoted lines": (lambda: blocks_of(b'"x\n",', 20), 2),
    "a quote beside a space, a million times": (
        lambda: iter([b"abc,2026-10-01,", b' "' * 1_000_000]),
        2,
    ),
    "a line of 100 MB behind a byte of another encoding": (
        lambda: iter([b"abc,2026-10-01,\x81\n", *blocks_of(b"x", 100)]),
        2,
    ),
}


CHILD = f"""
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_CPU, ({MOST_SECONDS}, {MOST_SECONDS}))
from batch.cli import main
try:
    main()
finally:
    status = Path("/proc/self/status")  # getrusage would count the tests' own memory, too
    lines = status.read_text().splitlines() if status.exists() else []
    peaks = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    Path("peak").write_text(peaks[0] if peaks else "0")
"""


def checked(path: Path) -> tuple[int, int, str]:
    """Check a file; return the exit code, the most kilobytes that it took, and what was said.

    Coverage is not measured in it: that alone would take more than the time there is.
    """
    unmeasured = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    ran = subprocess.run(
        [sys.executable, "-c", CHILD, "check", str(path)],
        cwd=path.parent,
        env=unmeasured,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    peak = path.parent / "peak"
    return ran.returncode, int(peak.read_text()) if peak.exists() else 0, ran.stdout


@posix_only
@pytest.mark.parametrize("kind", WORKBOOKS)
def test_a_workbook_is_read_or_refused_within_its_limits(tmp_path: Path, kind: str) -> None:
    make, code = WORKBOOKS[kind]
    path = tmp_path / "list.xlsx"
    path.write_bytes(make())
    found, kilobytes, said = checked(path)
    assert found == code, said
    assert kilobytes < MOST_KILOBYTES
    assert code != 2 or said.startswith("error: cannot use list.xlsx: ")


@posix_only
@pytest.mark.parametrize("kind", LISTS)
def test_a_csv_is_read_or_refused_within_its_limits(tmp_path: Path, kind: str) -> None:
    make, code = LISTS[kind]
    path = tmp_path / "list.csv"
    with path.open("wb") as file:
        file.writelines([HEADER])
        file.writelines(make())
    found, kilobytes, said = checked(path)
    assert found == code, said
    assert kilobytes < MOST_KILOBYTES
    assert said.startswith("error: cannot use list.csv: ")


@posix_only
@pytest.mark.parametrize("quotes", [b'"\n', b'"\n""\n'])
def test_a_header_of_quotes_is_refused_within_its_limits(tmp_path: Path, quotes: bytes) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(b'a,"' + quotes * 100_000)
    assert checked(path)[0] == 2
