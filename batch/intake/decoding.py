"""Bytes become text: by the byte order mark, else UTF-8, else Windows-1252; never a guess."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

from batch.errors import UnusableFile

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
)


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
    size, sha256, wrong_at = _decoded(path, "utf-8")
    if wrong_at is None:
        return Encoded("utf-8", size, sha256, None)
    return _as_windows_1252(path, wrong_at)


def unusable(path: Path, why: str, *, hint: str = "", notes: tuple[str, ...] = ()) -> UnusableFile:
    """Give the error that says why a file cannot be used."""
    return UnusableFile(f"cannot use {path.name}: {why}", hint=hint, notes=notes)


def _opening(path: Path) -> bytes:
    if path.is_dir():
        raise unusable(path, "it is a folder", hint="name the CSV in it")
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
        raise unusable(
            path, f"there is no encoding {encoding[:40]}", hint="try --encoding utf-8 or cp1252"
        ) from None
    return _read_as(path, "utf-8-sig" if name == "utf-8" else encoding)


def _read_as(path: Path, encoding: str) -> Encoded:
    size, sha256, wrong_at = _decoded(path, encoding)
    if wrong_at is not None:
        row = row_at(path, wrong_at)
        raise unusable(
            path,
            f"row {row} holds bytes that are not {encoding.removesuffix('-sig')}",
            hint="save it again as CSV UTF-8, or say how it is encoded with --encoding",
        )
    return Encoded(encoding, size, sha256, None)


def _as_windows_1252(path: Path, wrong_at: int) -> Encoded:
    size, sha256, undefined_at = _decoded(path, "cp1252")
    if undefined_at is not None:
        raise unusable(
            path,
            f"row {row_at(path, undefined_at)} holds bytes that are neither UTF-8 nor Windows-1252",
            hint="save it again as CSV UTF-8, or say how it is encoded with --encoding",
        )
    notice = (
        f"read as Windows-1252, not UTF-8, because of row {row_at(path, wrong_at)}; "
        "--encoding says otherwise"
    )
    return Encoded("cp1252", size, sha256, notice)


def _decoded(path: Path, encoding: str) -> tuple[int, str, int | None]:
    """Give size, SHA-256, and where decoding fails (a byte's position), None if nowhere."""
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
            wrong_at = max(0, size - 1)
    return size, digest.hexdigest(), wrong_at


def row_at(path: Path, position: int) -> int:
    """Give the spreadsheet's row in which a byte stands, as well as bytes alone can tell."""
    with path.open("rb") as file:
        before = file.read(position).replace(b"\x00", b"") + b"x"
    text = io.StringIO(before.decode("latin-1"), newline="")
    try:
        return sum(1 for _ in csv.reader(text))
    except csv.Error:
        return before.count(b"\n") + 1
