"""Which column holds what: by name, by alias, by `--column`; and nothing is chosen in silence."""

from __future__ import annotations

import pytest

from batch.errors import UnusableFile
from batch.systems import as_command
from tests.support.reading import HEADER, Reading

NAMES = "trainee_id,defer_date"


@pytest.mark.parametrize(
    "alias",
    ["defer_reason *", "Deferral reason", "reason_for_deferral", "REASON", "Reason-for-Deferral"],
)
def test_a_reason_under_another_name_is_sent(read: Reading, alias: str) -> None:
    assert read(f"{NAMES},{alias}\na,2026-10-01,Ill\n").sent == [("a", "2026-10-01", "Ill")]


@pytest.mark.parametrize(
    "name", ["Deferral Date", "date of deferral", "Date Deferred", "deferred on"]
)
def test_a_date_under_another_name_is_read(read: Reading, name: str) -> None:
    assert len(read(f"register trainee id,{name}\na,2026-10-01\n").sent) == 1


def test_an_exact_name_beats_its_aliases(read: Reading) -> None:
    told = read("register_id,trainee_id,defer_date,reason,defer_reason\nx,a,2026-10-01,no,yes\n")
    assert told.sent == [("a", "2026-10-01", "yes")]


def test_of_two_aliases_of_a_reason_neither_is_used_and_it_is_told(read: Reading) -> None:
    content = f"{NAMES},reason,deferral_reason\na,2026-10-01,x,y\n"
    told = read(content)
    assert told.sent[0][2] is None
    assert "neither is used" in told.file.reading().notices[1]


def test_two_aliases_of_a_date_are_refused_with_both_commands(read: Reading) -> None:
    with pytest.raises(UnusableFile) as refused:
        read("trainee_id,deferral_date,deferred_on\na,2026-10-01,2026-10-02\n")
    assert "--column defer_date=deferral_date" in refused.value.hint


def test_a_column_can_be_named(read: Reading) -> None:
    columns = {"trainee_id": "Ref", "defer_date": "Intermission date", "defer_reason": "Why"}
    told = read("Ref,Intermission date,Why\na,2026-10-01,Ill\n", columns=columns)
    assert told.sent == [("a", "2026-10-01", "Ill")]


def test_a_named_column_may_be_none(read: Reading) -> None:
    assert read(f"{HEADER}a,2026-10-01,Ill\n", columns={"defer_reason": ""}).sent[0][2] is None


@pytest.mark.parametrize("header", ["Nope", "twice"])
def test_a_named_column_must_be_there_once(read: Reading, header: str) -> None:
    with pytest.raises(UnusableFile, match="--column"):
        read(f"{NAMES},twice,twice\na,2026-10-01,x,y\n", columns={"defer_reason": header})


@pytest.mark.parametrize(
    "title", ["Reason for leave", "intermission_reason", "leaveReason", "Reasons", "defer_resaon"]
)
def test_a_column_that_may_be_the_reason_is_refused_where_nobody_looks(
    read: Reading, title: str
) -> None:
    content = f"{NAMES},{title}\na,2026-10-01,Ill\n"
    with pytest.raises(UnusableFile) as refused:
        read(content, attended=False)
    assert "--column defer_reason=" in refused.value.hint
    assert title in "\n".join(read(content).file.reading().notices)
    assert read(content, attended=False, columns={"defer_reason": ""}).sent[0][2] is None


@pytest.mark.parametrize("title", ["withdraw_reasons", "unreasonable", "seasons", "note"])
def test_other_columns_are_no_reasons(read: Reading, title: str) -> None:
    assert len(read(f"{NAMES},{title}\na,2026-10-01,x\n", attended=False).sent) == 1


def test_a_file_that_names_trainees_otherwise_is_not_sent_yet(read: Reading) -> None:
    with pytest.raises(UnusableFile, match="no column named `trainee_id`"):
        read("trn,defer_date\n1234567,2026-10-01\n")


@pytest.mark.parametrize(
    ("row", "codes"),
    [
        ("1234567,,2026-10-01", []),
        ("123456,,2026-10-01", ["malformed_trn"]),
        (",'0123456789012,2026-10-01", []),
        (",01234,2026-10-01", ["malformed_hesa_id"]),
        (",,2026-10-01", ["missing_trainee_id"]),
    ],
)
def test_where_rows_can_be_matched_other_numbers_do(
    read: Reading, row: str, codes: list[str]
) -> None:
    told = read(f"trn,husid,defer_date\n{row}\n", require_trainee_id=False)
    assert told.codes == {2: codes}


@pytest.mark.parametrize("above", ["Autumn list,,\n", "Autumn list\n\n", "\nList of 3 May 2026,\n"])
def test_titles_above_the_header_are_skipped(read: Reading, above: str) -> None:
    told = read(f"{above}{HEADER}a,2026-10-01,x\n")
    assert told.rows[0].row_number == above.count("\n") + 2
    assert told.file.reading().header_row == above.count("\n") + 1


def test_two_headers_below_a_title_are_not_chosen_from(read: Reading) -> None:
    with pytest.raises(UnusableFile):
        read(f"Autumn\n{HEADER}a,2026-10-01,x\n{HEADER}b,2026-10-01,x\n")


def test_what_was_read_is_told_for_people_and_for_programs(read: Reading) -> None:
    told = read("trainee_id;defer_date;note\na;17/06/2026;x\n", date_format="dmy")
    lines = told.file.reading().lines()
    assert lines[0] == "list.csv, 1 row, UTF-8, separated by semicolons"
    assert any("day/month/year" in line for line in lines)
    assert any("no reason will be sent" in line for line in lines)
    assert told.file.reading().as_json()["unused"] == ["note"]


@pytest.mark.parametrize("start", ["<!DOCTYPE html>", "<html>", "  <table>", "\ufeff<HTML"])
def test_a_web_page_is_called_one(read: Reading, start: str) -> None:
    for name in ("list.csv", "list.xls"):
        with pytest.raises(UnusableFile, match="web page"):
            read(f"{start}<td>trainee_id</td>\n", name)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("TRN no.", "trn"), ("tnr", "trn"), ("HESA ids", "hesa_id"), ("husids", "hesa_id"),
        ("provider_trainee_ids", "provider_trainee_id"), ("Student number (7)", "provider_trainee_id"),
        ("trainee_idd", "trainee_id"), ("Register ID (24)", "trainee_id"),
    ],
)  # fmt: skip
def test_what_nearly_names_the_trainee_is_offered_as_a_command(
    read: Reading, title: str, name: str
) -> None:
    with pytest.raises(UnusableFile) as refused:
        read(f"{title},defer_date\nx1,2026-10-01\n", require_trainee_id=False)
    assert f"{name}={title}" in refused.value.hint


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("TRN no.", "trn"), ("HESA id (old)", "hesa_id"), ("surnam", "last_name"),
        ("Last name(s)", "last_name"), ("First names known", "first_names"),
        ("Date of birth (dd/mm/yyyy)", "date_of_birth"), ("DOB?", "date_of_birth"),
    ],
)  # fmt: skip
def test_what_is_nearly_another_name_is_told_and_not_used(
    read: Reading, title: str, name: str
) -> None:
    told = read(f"{NAMES},{title}\na,2026-10-01,x\n", attended=False)
    (notice,) = [said for said in told.file.reading().notices if "is not used" in said]
    assert f"{name}={title}" in notice


@pytest.mark.parametrize("title", ["defer_date_2", "old trainee id", "Date of deferral (new)"])
def test_what_is_nearly_a_needed_name_is_refused_where_nobody_looks(
    read: Reading, title: str
) -> None:
    content = f"{NAMES},{title}\na,2026-10-01,x\n"
    with pytest.raises(UnusableFile) as refused:
        read(content, attended=False)
    assert title in refused.value.hint
    assert len(read(content).sent) == 1


@pytest.mark.parametrize(
    "title", ["train", "tin", "turn", "dab", "notes", "course", "id of course"]
)
def test_other_words_are_near_to_nothing(read: Reading, title: str) -> None:
    told = read(f"{NAMES},{title}\na,2026-10-01,x\n", attended=False)
    assert not any("used" in said for said in told.file.reading().notices)


def test_several_columns_that_may_be_the_reason_are_offered_each(read: Reading) -> None:
    with pytest.raises(UnusableFile) as refused:
        read(f"{NAMES},reason code,reason text\na,2026-10-01,1,Ill\n", attended=False)
    for header in ("reason code", "reason text"):
        assert as_command([f"defer_reason={header}"]) in refused.value.hint


def test_a_dash_that_is_no_hyphen_is_one_in_a_name(read: Reading) -> None:
    assert len(read("trainee\u2011id,defer\u2013date\na,2026-10-01\n").sent) == 1
