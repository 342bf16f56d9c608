"""How a file is encoded: what the bytes tell, what is said of it, and what is refused."""

from __future__ import annotations

import codecs
import hashlib
import os
from pathlib import Path

import pytest

from batch.errors import UnusableFile
from batch.intake.checked_file import open_input
from batch.run_settings import InputOptions
from tests.support.reading import GOOD, HEADER, TODAY, Reading
from tests.support.terminals import posix_only


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_what_excel_writes_is_read(read: Reading, encoding: str) -> None:
    told = read((HEADER + "abc,2026-10-01,Congé maladie – été\n").encode(encoding))
    assert told.sent == [("abc", "2026-10-01", "Congé maladie – été")]


def test_utf_16_with_tabs_and_the_other_byte_order_is_read(read: Reading) -> None:
    text = "trainee_id\tdefer_date\r\nabc\t2026-10-01\r\n"
    told = read(codecs.BOM_UTF16_BE + text.encode("utf-16-be"))
    assert told.sent == [("abc", "2026-10-01", None)]


def test_windows_1252_is_said_with_the_first_row_where_it_mattered(read: Reading) -> None:
    rows = "".join(f"id{n},2026-10-01,plain\n" for n in range(2000))
    told = read((HEADER + rows + "abc,2026-10-01,été\n").encode("cp1252"))
    (notice,) = [said for said in told.file.reading().notices if "Windows-1252" in said]
    assert "é (row 2002)" in notice


def test_bytes_that_no_rule_explains_name_the_row(read: Reading) -> None:
    with pytest.raises(UnusableFile, match="row 3 holds bytes"):
        read(HEADER.encode() + GOOD.encode() + b"def,2026-10-01,\x81\xe9\n")


def test_the_encoding_can_be_said(read: Reading) -> None:
    told = read((HEADER + "abc,2026-10-01,Łódź\n").encode("cp1250"), encoding="cp1250")
    assert told.sent[0][2] == "Łódź"


def test_an_encoding_that_is_none_is_refused(read: Reading) -> None:
    with pytest.raises(UnusableFile, match="no encoding klingon"):
        read(HEADER + GOOD, encoding="klingon")


def test_the_sha256_is_of_the_bytes(read: Reading) -> None:
    content = (HEADER + GOOD).encode("utf-8-sig")
    assert read(content).file.sha256 == hashlib.sha256(content).hexdigest()


MIXED = (
    HEADER.encode() + "a,2026-10-01,Müller\n".encode() + "b,2026-10-01,Müller\n".encode("cp1252")
)


def test_a_file_of_two_encodings_is_refused_by_a_row_of_each(read: Reading) -> None:
    with pytest.raises(UnusableFile, match="row 2 is written in UTF-8 and row 3 is not"):
        read(MIXED)


def test_a_row_of_two_encodings_is_refused(read: Reading) -> None:
    with pytest.raises(UnusableFile, match="row 2 is written partly in UTF-8, partly not"):
        read(HEADER.encode() + "a,2026-10-01,é".encode() + b"\xe9\n")


def test_a_file_of_two_encodings_is_read_as_it_is_told(read: Reading) -> None:
    assert [sent[2] for sent in read(MIXED, encoding="cp1252").sent] == ["MÃ¼ller", "Müller"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_row_is_counted_by_the_files_own_separator(read: Reading, separator: str) -> None:
    rows = 'trainee_id,defer_date,defer_reason\na,2026-10-01,"two\nlines"\nb,2026-10-01,'
    told = read(rows.replace(",", separator).encode() + b"\xe9t\xe9\n")
    assert "é (row 3)" in told.file.reading().notices[-1]


def test_the_row_of_a_broken_utf_16_file_is_counted_in_its_letters(read: Reading) -> None:
    text = HEADER + "a,2026-10-01,\u0a0a\u0d0d\u220a\n" + 'b,2026-10-01,"two\nlines"\nc,'
    with pytest.raises(UnusableFile, match="row 4 holds bytes that are not utf-16"):
        read(text.encode("utf-16") + b"\x00\xd8\x00")


@pytest.mark.parametrize("encoding", ["rot13", "base64", "hex", "zlib", "utf-7", "unicode_escape"])
def test_what_is_no_encoding_of_files_is_refused(read: Reading, encoding: str) -> None:
    with pytest.raises(UnusableFile, match=f"{encoding} is not an encoding"):
        read(HEADER + GOOD, encoding=encoding)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16", "UTF-8", "utf_8_sig"])
def test_a_byte_order_mark_is_no_part_of_the_first_name(read: Reading, encoding: str) -> None:
    mark = "" if encoding in {"utf-16", "utf_8_sig"} else "\ufeff"
    told = read((mark + HEADER + GOOD).encode(encoding), encoding=encoding)
    assert told.file.columns[0] == "trainee_id"


@posix_only
@pytest.mark.parametrize("name", ["list.csv", "list.xlsx"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with (
        pytest.raises(UnusableFile, match="a pipe or a device"),
        open_input(InputOptions(tmp_path / name, TODAY)),
    ):
        pass


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"\x89PNG\r\n\x1a\n", "it is a picture"),
        (b"\x1f\x8b\x08", "it is compressed"),
        (b"%PDF-1.7", "it is a PDF"),
        (b"PK\x03\x04", "it is a spreadsheet workbook"),
    ],
)
def test_a_file_that_is_no_csv_is_told_by_its_first_bytes(
    read: Reading, start: bytes, what: str
) -> None:
    with pytest.raises(UnusableFile, match=what):
        read(start + b"\x00\x81whatever")


@pytest.mark.parametrize("content", [b"\xe9\xc3\xa9\x00\n", b"trainee_id\x00,defer_date\n"])
def test_a_first_line_with_a_nul_byte_is_not_text(read: Reading, content: bytes) -> None:
    with pytest.raises(UnusableFile, match="it is not text"):
        read(content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b" \r\n\n", "it is empty"),
        (b",,\n\n", "it has no header line"),
        (codecs.BOM_UTF8, "it has no header line"),
    ],
)
def test_a_file_without_anything_in_it_is_refused(read: Reading, content: bytes, said: str) -> None:
    with pytest.raises(UnusableFile, match=said):
        read(content)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere.csv", "there is no such file"),
        ("nowhere.xlsx", "there is no such file"),
        ("folder", "it is a folder"),
    ],
)
def test_what_is_no_file_is_refused(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "folder").mkdir()
    with (
        pytest.raises(UnusableFile, match=said),
        open_input(InputOptions(tmp_path / name, TODAY)),
    ):
        pass


@posix_only
def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    with (
        pytest.raises(UnusableFile, match="it cannot be read"),
        open_input(InputOptions(tmp_path / "loop.csv", TODAY)),
    ):
        pass


MACINTOSH, DOS = "Café £5 naïve", "Café £5 Müller"


@pytest.mark.parametrize("attended", [True, False])
def test_carriage_returns_alone_are_a_macintosh(read: Reading, *, attended: bool) -> None:
    content = (HEADER + f"abc,2026-10-01,{MACINTOSH}\n").replace("\n", "\r").encode("mac-roman")
    with pytest.raises(UnusableFile) as refused:
        read(content, attended=attended)
    assert "--encoding mac-roman" in refused.value.hint
    assert read(content, encoding="mac-roman").sent[0][2] == MACINTOSH


@pytest.mark.parametrize(
    ("text", "encoding", "offered"),
    [
        ("owes £5", "cp850", "cp850"),
        ("fiancée ill", "cp437", "cp850"),
        ("fiancée ill", "cp850", "cp850"),
        ("mother’s death", "mac-roman", "mac-roman"),
        ("fiancée ill", "mac-roman", "mac-roman"),
        ("ill – long", "mac-roman", "mac-roman"),
        ("“ill” now", "mac-roman", "mac-roman"),
    ],
)
def test_letters_that_hardly_stand_so_are_refused_where_nobody_looks(
    read: Reading, text: str, encoding: str, offered: str
) -> None:
    content = (HEADER + f"abc,2026-10-01,{text}\n").encode(encoding)
    with pytest.raises(UnusableFile) as refused:
        read(content, attended=False)
    assert f"--encoding {offered}" in refused.value.hint
    assert text not in str(refused.value)
    assert "row 2" in read(content).file.reading().notices[-1]
    assert read(content, encoding=encoding).sent[0][2] == text


@pytest.mark.parametrize(
    "text",
    [
        "O’Brien’s café – “x” €5 ½ 20°", "CAFÉ ÜBER", "Ó Briain and Áine", "vis-à-vis ‘so’",
        "Île, Übung, Élan", "œuvre",
    ],
)  # fmt: skip
def test_words_of_windows_1252_are_read_where_nobody_looks(read: Reading, text: str) -> None:
    content = (HEADER + f'abc,2026-10-01,"{text}"\n').encode("cp1252")
    assert read(content, attended=False).sent[0][2] == text


@pytest.mark.parametrize(("text", "encoding"), [(DOS, "cp850"), (DOS, "cp437")])
def test_bytes_of_dos_are_refused_with_the_encoding_that_reads_well(
    read: Reading, text: str, encoding: str
) -> None:
    content = (HEADER + f"abc,2026-10-01,{text}\n").encode(encoding)
    with pytest.raises(UnusableFile) as refused:
        read(content)
    assert "--encoding cp850" in refused.value.hint
    assert read(content, encoding=encoding).sent[0][2] == text


def test_mac_letters_that_look_like_utf_8_are_refused_with_their_encoding(read: Reading) -> None:
    content = (HEADER + "abc,2026-10-01,“ill” l’été\n").encode("mac-roman")
    with pytest.raises(UnusableFile) as refused:
        read(content)
    assert "--encoding mac-roman" in refused.value.hint


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_told_with_its_command(read: Reading, encoding: str) -> None:
    content = (HEADER + "abc,2026-10-01,Été\n").encode(encoding)
    with pytest.raises(UnusableFile) as refused:
        read(content)
    assert f"--encoding {encoding}" in refused.value.hint
    assert read(content, encoding=encoding).sent[0][2] == "Été"


def test_the_end_that_dos_programs_write_is_no_row(read: Reading) -> None:
    told = read(f"{HEADER}{GOOD}\x1a")
    assert (len(told.sent), told.file.blank_row_count) == (1, 1)


@pytest.mark.parametrize("later", ["b,2026-10-02,ill\n", "a,2026-10-01,ill\nb,2026-10-01,ill\n"])
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, later: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(HEADER + "a,2026-10-01,ill\n", encoding="utf-8")
    with open_input(InputOptions(path, TODAY)) as file:
        path.write_text(HEADER + later, encoding="utf-8")
        with pytest.raises(UnusableFile, match="changed"):
            list(file.chunks())
