"""Bytes become text: by the byte order mark, else UTF-8, else Windows-1252; never a guess.

A file that is UTF-8 in one row and something else in another has no encoding: it is refused.
"""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from batch import systems
from batch.errors import UnusableFile, unusable
from batch.intake.dates import quoted
from batch.intake.layout import TEMPLATE_HINT
from batch.intake.letters import SAVE_AGAIN, SIGNS_OF_BROKEN_TEXT, better_commands, bytes_around
from batch.intake.row_of_byte import row_at
from batch.run_settings import InputOptions
from batch.words import in_one_line

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
    (b"{\\rtf", "it is a document of a word processor"),
    (b"<?xml", "it is XML, not a CSV"),
    (b'[{"', "it is JSON, not a CSV"),
    (b'{"', "it is JSON, not a CSV"),
)
_WEB_PAGE = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?<(?:!doctype html|html|head|meta|table|!--)", re.IGNORECASE
)
_NO_FILES = frozenset(
    {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"}
)
"""Python's encodings of text that no spreadsheet writes, and that read a CSV as something else."""

_ENCODINGS = "try --encoding utf-8 or --encoding cp1252"
_SEVERAL_BYTES = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]"
    rb"|\xe0[\xa0-\xbf][\x80-\xbf]|\xed[\x80-\x9f][\x80-\xbf]"
    rb"|[\xe1-\xec\xee\xef][\x80-\xbf]{2}"
    rb"|\xf0[\x90-\xbf][\x80-\xbf]{2}|\xf4[\x80-\x8f][\x80-\xbf]{2}"
    rb"|[\xf1-\xf3][\x80-\xbf]{3}"
)
"""A character of several bytes, well formed (Unicode Standard, table 3-7)."""


_LABELS = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8", "utf-16": "UTF-16", "cp1252": "Windows-1252"}


class Encoded(Struct, frozen=True):
    """How a file's bytes are to be read, and what they are: size, CRC-32.

    `is_assumed`: nothing but Windows-1252 explains the bytes, and nobody named it.
    """

    encoding: str
    size: int
    checksum: int = 0
    is_assumed: bool = False
    has_broken_text: bool = False

    @property
    def label(self) -> str:
        """The encoding as people write it."""
        return _LABELS.get(self.encoding, self.encoding)


def look_at(options: InputOptions) -> Encoded:
    """Read the file once and tell how it is encoded.

    Raises UnusableFile where it cannot be read, is no text, or holds bytes that no rule explains.
    """
    path = options.path
    data_start = _opening(path)
    unmarked = data_start.removeprefix(codecs.BOM_UTF8)
    if _WEB_PAGE.match(unmarked):
        raise unusable(
            path,
            f"it is a web page under the name {path.suffix or path.name}",
            hint="open it in a spreadsheet, save it as CSV UTF-8, and name that file",
        )
    for mark, why in _NOT_TEXT:
        if unmarked.startswith(mark):
            raise unusable(path, why, hint="save it as CSV UTF-8, or as .xlsx, and name that file")
    if options.encoding is not None:
        return _as_told(options, options.encoding)
    for mark, name in _MARKS:
        if data_start.startswith(mark):
            return _read_as(options, name)
    if b"\x00" in data_start.split(b"\n", 1)[0]:
        raise _not_text(options, data_start)
    found = _decoded(path, "utf-8")
    return found.encoded("utf-8") if found.wrong_at is None else _as_windows_1252(options, found)


def _not_text(options: InputOptions, start: bytes) -> UnusableFile:
    """Return that a file is no text, or how it seems to be encoded without saying so."""
    for encoding, at in (("utf-16-le", 1), ("utf-16-be", 0)):
        if set(start[at:40:2]) == {0} and 0 not in start[1 - at : 40 : 2]:
            return unusable(
                options.path,
                "it looks like UTF-16 without a byte order mark",
                hint=f"`{options.command_with('--encoding', encoding)}`",
            )
    hint = "save it as CSV UTF-8, and name that file"
    return unusable(options.path, "it is not text", hint=hint)


def _opening(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise unusable(path, "it is a folder", hint="name the CSV in it")
        if path.exists() and not path.is_file():
            hint = "write it to a file, and name that"
            raise unusable(path, "it is a pipe or a device", hint=hint)
        with path.open("rb") as file:
            start = file.read(4096)
    except FileNotFoundError:
        raise _not_there(path) from None
    except OSError as error:
        why = f"it cannot be read ({error.strerror or error})"
        raise unusable(path, why, hint="is it open elsewhere, or another user's?") from None
    if not start.strip():
        raise unusable(path, "it is empty", hint=TEMPLATE_HINT)
    return start


def _not_there(path: Path) -> UnusableFile:
    """Return that a file is missing, and which one of the same name lies beside it."""
    hint = f"looked for {in_one_line(str(path.absolute()))}"
    beside = [
        path.with_suffix(suffix)
        for suffix in (".csv", ".xlsx", ".xlsm", ".xls", ".CSV", ".XLSX")
        if suffix != path.suffix and path.with_suffix(suffix).is_file()
    ]
    if beside:
        hint = f"{beside[0].name} lies beside it: name {systems.as_argument(beside[0])}"
    return unusable(path, "there is no such file", hint=hint)


def _as_told(options: InputOptions, encoding: str) -> Encoded:
    path = options.path
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        why = f"there is no encoding {quoted(encoding)}"
        raise unusable(path, why, hint=_ENCODINGS) from None
    if name in _NO_FILES or not _is_of_text(encoding):
        raise unusable(path, f"{quoted(encoding)} is not an encoding of files", hint=_ENCODINGS)
    return _read_as(options, "utf-8-sig" if name == "utf-8" else encoding)


def _is_of_text(encoding: str) -> bool:
    """Return Python's encodings of text from its conversions of bytes, such as base64."""
    try:
        b"ab".decode(encoding)
    except UnicodeError:
        return True
    except LookupError:
        return False
    return True


def _read_as(options: InputOptions, encoding: str) -> Encoded:
    found = _decoded(options.path, encoding)
    if found.wrong_at is not None:
        row = row_at(options, found.wrong_at, encoding)
        raise unusable(
            options.path,
            f"row {row} holds bytes that are not {encoding.removesuffix('-sig')}",
            hint=SAVE_AGAIN,
        )
    return found.encoded(encoding)


def _as_windows_1252(options: InputOptions, as_utf_8: _Decoded) -> Encoded:
    path = options.path
    assert as_utf_8.wrong_at is not None
    row = row_at(options, as_utf_8.wrong_at, "utf-8")
    found = _decoded(path, "cp1252")
    if _only_carriage_returns(path):
        raise unusable(
            path,
            f"row {row} is not UTF-8, and its lines end as on an old Macintosh",
            hint=f"`{options.command_with('--encoding', 'mac-roman')}`, and look at that row",
        )
    utf_8_at = _first_utf_8(path)
    if utf_8_at is not None:
        other = row_at(options, utf_8_at, "utf-8")
        why = f"row {other} is written in UTF-8 and row {row} is not, so no encoding reads both"
        if other == row:
            why = f"row {row} is written partly in UTF-8, partly not, so no encoding reads it"
        raise unusable(path, why, hint=_save_again(options))
    if found.wrong_at is not None:
        row = row_at(options, found.wrong_at, "cp1252")
        raise unusable(
            path,
            f"row {row} holds bytes that are neither UTF-8 nor Windows-1252",
            hint=_save_again(options),
        )
    return replace(found.encoded("cp1252"), is_assumed=True)


def _save_again(options: InputOptions) -> str:
    """Return what to do, with the encodings in which the file would read well."""
    ways = better_commands(options, bytes_around(_blocks(options.path)))
    return f"it reads well with {ways}: look at the letters there" if ways else SAVE_AGAIN


def _blocks(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes in blocks."""
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            yield block


def _only_carriage_returns(path: Path) -> bool:
    has_any = False
    for block in _blocks(path):
        if b"\n" in block:
            return False
        has_any = has_any or b"\r" in block
    return has_any


def _first_utf_8(path: Path) -> int | None:
    """Return where a character of several bytes in UTF-8 first stands, None if nowhere."""
    before, at = b"", 0
    for block in _blocks(path):
        if found := _SEVERAL_BYTES.search(before + block):
            return at - len(before) + found.start()
        before, at = block[-3:], at + len(block)
    return None


class _Decoded(Struct):
    """What one reading of the bytes shows; `wrong_at` is where decoding fails, None if nowhere."""

    size: int = 0
    checksum: int = 0
    wrong_at: int | None = None
    has_broken_text: bool = False

    def encoded(self, encoding: str) -> Encoded:
        """Return it as the way to read the file."""
        return Encoded(
            encoding,
            self.size,
            self.checksum,
            has_broken_text=self.has_broken_text,
        )

    def note(self, text: str) -> None:
        """Take what a part of the text shows."""
        if not self.has_broken_text and not text.isascii():
            self.has_broken_text = any(sign in text for sign in SIGNS_OF_BROKEN_TEXT)


def _decoded(path: Path, encoding: str) -> _Decoded:
    """Decode the whole file once, a block at a time."""
    found, last = _Decoded(), ""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            if found.wrong_at is None:
                held = len(decoder.getstate()[0])
                try:
                    text = decoder.decode(block)
                except UnicodeError as error:
                    found.wrong_at = found.size - held + getattr(error, "start", 0)
                else:
                    found.note(text)
                    found.note(last + text[:2])
                    last = text[-2:]
            found.checksum = zlib.crc32(block, found.checksum)
            found.size += len(block)
    if found.wrong_at is None:
        try:
            decoder.decode(b"", final=True)
        except UnicodeError:
            found.wrong_at = max(0, found.size - len(decoder.getstate()[0]))
    return found
