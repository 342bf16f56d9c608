"""Bytes become text: by the byte order mark, else UTF-8, else Windows-1252; never a guess.

A file that is UTF-8 in one row and something else in another has no encoding: it is refused.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import mmap
import re
from dataclasses import dataclass
from pathlib import Path

from batch.errors import unusable
from batch.intake.dates import quoted
from batch.intake.header import find_header


def row_at(path: Path, position: int, encoding: str) -> int:
    """Return the row in which a byte stands, by the file's own separator and quotes."""
    with path.open("rb") as file:
        until = io.BufferedReader(_Until(file, position, "x".encode(encoding)), 1 << 20)
        text = io.TextIOWrapper(until, encoding=encoding, errors="replace", newline="")
        header = find_header(path, text)
        rows = header.row
        try:
            for _ in csv.reader(text, delimiter=header.separator):
                rows += 1
        except csv.Error:  # a quote that never closes: the byte stands behind it
            return rows + 1
    return rows


class _Until(io.RawIOBase):
    """A file up to a position, and something there, so that the last row is never empty."""

    def __init__(self, file: io.BufferedReader, position: int, there: bytes) -> None:
        self._file = file
        self._left = position
        self._there = there

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        data = self._file.read(min(len(view), self._left))
        self._left -= len(data)
        if not data:
            data, self._there = self._there[: len(view)], b""
        view[: len(data)] = data
        return len(data)


BLOCK_BYTES = 1 << 20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NOT_TEXT = (
    (b"PK\x03\x04", "it is a spreadsheet workbook or an archive, not a CSV"),
    (b"\xd0\xcf\x11\xe0", "it is an old Excel workbook"),
    (b"%PDF", "it is a PDF"),
    (b"\x89PNG", "it is a picture"),
    (b"\xff\xd8\xff", "it is a picture"),
    (b"GIF8", "it is a picture"),
    (b"\x1f\x8b", "it is compressed"),
    (b"BZh", "it is compressed"),
    (b"\xfd7zXZ\x00", "it is compressed"),
    (b"7z\xbc\xaf", "it is compressed"),
)
_NO_FILES = frozenset(
    {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"}
)
"""Python's encodings of text that no spreadsheet writes, and that read a CSV as something else."""

_ENCODINGS = "try --encoding utf-8 or --encoding cp1252"
_SAVE_AGAIN = "save it again as CSV UTF-8, or say how it is encoded with --encoding"
_SEVERAL_BYTES = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]"
    rb"|\xe0[\xa0-\xbf][\x80-\xbf]|\xed[\x80-\x9f][\x80-\xbf]"
    rb"|[\xe1-\xec\xee\xef][\x80-\xbf]{2}"
    rb"|\xf0[\x90-\xbf][\x80-\xbf]{2}|\xf4[\x80-\x8f][\x80-\xbf]{2}"
    rb"|[\xf1-\xf3][\x80-\xbf]{3}"
)
"""A character of several bytes, well formed (Unicode Standard, table 3-7)."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """How a file's bytes are to be read, and what they are: size, SHA-256 in hex."""

    encoding: str
    size: int
    sha256: str
    notice: str | None


def look_at(path: Path, encoding: str | None) -> Encoded:
    """Read the file once and tell how it is encoded.

    Raises UnusableFile where it cannot be read, is no text, or holds bytes that no rule explains.
    """
    data_start = _opening(path)
    for mark, why in _NOT_TEXT:
        if data_start.startswith(mark):
            raise unusable(path, why, hint="save it as CSV UTF-8, or as .xlsx, and name that file")
    if encoding is not None:
        return _as_told(path, encoding)
    for mark, name in _MARKS:
        if data_start.startswith(mark):
            return _read_as(path, name)
    if b"\x00" in data_start.split(b"\n", 1)[0]:
        raise unusable(path, "it is not text", hint="save it as CSV UTF-8, and name that file")
    size, sha256, wrong_at = _decoded(path, "utf-8")
    if wrong_at is None:
        return Encoded("utf-8", size, sha256, None)
    return _as_windows_1252(path, wrong_at)


def _opening(path: Path) -> bytes:
    if path.is_dir():
        raise unusable(path, "it is a folder", hint="name the CSV in it")
    if path.exists() and not path.is_file():
        raise unusable(path, "it is a pipe or a device", hint="write it to a file, and name that")
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except FileNotFoundError:
        raise unusable(
            path, "there is no such file", hint=f"looked for {path.absolute()}"
        ) from None
    except OSError as error:
        why = f"it cannot be read ({error.strerror or error})"
        raise unusable(path, why, hint="is it open elsewhere, or another user's?") from None
    if not start.strip():
        raise unusable(path, "it is empty", hint="`defer-batch template` prints the right header")
    return start


def _as_told(path: Path, encoding: str) -> Encoded:
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        why = f"there is no encoding {quoted(encoding)}"
        raise unusable(path, why, hint=_ENCODINGS) from None
    if name in _NO_FILES or not _is_of_text(encoding):
        raise unusable(path, f"{quoted(encoding)} is no encoding of files", hint=_ENCODINGS)
    return _read_as(path, "utf-8-sig" if name == "utf-8" else encoding)


def _is_of_text(encoding: str) -> bool:
    """Return Python's encodings of text from its conversions of bytes, such as base64."""
    try:
        b"ab".decode(encoding)
    except UnicodeError:
        return True
    except LookupError:
        return False
    return True


def _read_as(path: Path, encoding: str) -> Encoded:
    size, sha256, wrong_at = _decoded(path, encoding)
    if wrong_at is not None:
        row = row_at(path, wrong_at, encoding)
        raise unusable(
            path,
            f"row {row} holds bytes that are not {encoding.removesuffix('-sig')}",
            hint=_SAVE_AGAIN,
        )
    return Encoded(encoding, size, sha256, None)


def _as_windows_1252(path: Path, wrong_at: int) -> Encoded:
    row = row_at(path, wrong_at, "utf-8")
    utf_8_at = _first_utf_8(path)
    if utf_8_at is not None:
        other = row_at(path, utf_8_at, "utf-8")
        why = f"row {other} is written in UTF-8 and row {row} is not, so no encoding reads both"
        if other == row:
            why = f"row {row} is written partly in UTF-8, partly not, so no encoding reads it"
        raise unusable(path, why, hint=_SAVE_AGAIN)
    size, sha256, undefined_at = _decoded(path, "cp1252")
    if undefined_at is not None:
        row = row_at(path, undefined_at, "cp1252")
        raise unusable(
            path,
            f"row {row} holds bytes that are neither UTF-8 nor Windows-1252",
            hint=_SAVE_AGAIN,
        )
    notice = (
        f"row {row} is not UTF-8, so the file was read as Windows-1252, as Excel writes it; "
        "if letters look wrong there, say with --encoding how it is encoded"
    )
    return Encoded("cp1252", size, sha256, notice)


def _first_utf_8(path: Path) -> int | None:
    """Return where a character of several bytes in UTF-8 first stands, None if nowhere."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found = _SEVERAL_BYTES.search(data)
        return None if found is None else found.start()


def _decoded(path: Path, encoding: str) -> tuple[int, str, int | None]:
    """Return size, SHA-256, and where decoding fails (a byte's position), None if nowhere."""
    digest, size, wrong_at = hashlib.sha256(), 0, None
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            if wrong_at is None:
                held = len(decoder.getstate()[0])
                try:
                    decoder.decode(block)
                except UnicodeError as error:
                    wrong_at = size - held + getattr(error, "start", 0)
            digest.update(block)
            size += len(block)
    if wrong_at is None:
        try:
            decoder.decode(b"", final=True)
        except UnicodeError:
            wrong_at = max(0, size - len(decoder.getstate()[0]))
    return size, digest.hexdigest(), wrong_at
