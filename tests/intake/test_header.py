"""The first lines of a file: its separator, its header, what stands before it."""

from __future__ import annotations

import pytest

from batch.errors import UnusableFile
from batch.systems import as_command
from tests.support.reading import GOOD, HEADER, Reading


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_header_decides_the_separator(read: Reading, separator: str) -> None:
    header = separator.join(("trainee_id", "defer_date", "defer_reason"))
    told = read(f"{header}\n" + separator.join(("abc", "2026-10-01", "a.b")) + "\n")
    assert told.sent == [("abc", "2026-10-01", "a.b")]


def test_excels_sep_line_is_followed_and_counted(read: Reading) -> None:
    told = read("sep=;\r\ntrainee_id;defer_date\r\nabc;2026-10-01\r\n")
    assert [row.row_number for row in told.rows] == [3]


def test_line_ends_may_be_mixed(read: Reading) -> None:
    told = read("trainee_id,defer_date\r\na,2026-10-01\nb,2026-10-01\rc,2026-10-01")
    assert [row.row_number for row in told.rows] == [2, 3, 4]


def test_a_newline_within_quotes_is_no_new_row(read: Reading) -> None:
    told = read(HEADER + 'a,2026-10-01,"one\ntwo"\nb,2026-10-01,x\n')
    assert [(row.row_number, row.values[2]) for row in told.rows] == [(2, "one\ntwo"), (3, "x")]


def test_a_header_of_one_letter_without_end_is_refused_at_once(read: Reading) -> None:
    with pytest.raises(UnusableFile, match="no column named"):
        read("x" * 130_000 + "\n" + GOOD)


def test_a_quote_behind_another_separator_opens_none_in_the_header(read: Reading) -> None:
    told = read('trainee_id;defer_date;,"note\na;2026-10-01;"x"\nb;2026-10-01;y\n')
    assert [(row.row_number, row.values[0]) for row in told.rows] == [(2, "a"), (3, "b")]


def test_a_quote_behind_another_separator_opens_none_in_a_title_above_it(read: Reading) -> None:
    told = read('Deferrals;;,"term 1\ntrainee_id;defer_date\na;2026-10-01\nb;2026-10-01;"\n"\n')
    assert [(row.row_number, row.values[0]) for row in told.rows] == [(3, "a"), (4, "b")]


def test_blank_lines_before_the_header_count(read: Reading) -> None:
    assert [row.row_number for row in read("\n,,\n" + HEADER + GOOD).rows] == [4]


@pytest.mark.parametrize("name", ["TRAINEE-ID", "Trainee Id", "register_id", "Register ID"])
def test_header_names_are_matched_loosely(read: Reading, name: str) -> None:
    assert read(f"{name},Defer Date\nabc,2026-10-01\n").sent == [("abc", "2026-10-01", None)]


def test_a_missing_column_says_what_was_found_and_the_closest(read: Reading) -> None:
    with pytest.raises(UnusableFile) as refused:
        read("trainee_id,deferal_date,reason\nabc,2026-10-01,x\n")
    assert refused.value.message == "cannot use list.csv: no column named `defer_date`"
    assert refused.value.notes == (
        "found: trainee_id, deferal_date, reason",
        "closest: deferal_date",
    )
    assert "--column defer_date=deferal_date" in refused.value.hint


def test_other_columns_are_kept_in_their_order(read: Reading) -> None:
    told = read("course,trainee_id,note,defer_date\nMaths,abc,x y,2026-10-01\n")
    assert told.file.columns == ("course", "trainee_id", "note", "defer_date")
    assert told.rows[0].values == ("Maths", "abc", "x y", "2026-10-01")


def test_the_columns_of_a_report_are_ignored(read: Reading) -> None:
    added = "row,outcome,code,message,http_status,attempts,sent_date,register_date,settled_at"
    told = read(f"trainee_id,defer_date,{added}\nabc,2026-10-01,2,x,y,z,,,,,\n")
    assert told.file.columns == ("trainee_id", "defer_date")
    assert told.rows[0].values == ("abc", "2026-10-01")


@pytest.mark.parametrize(
    ("first", "separator"),
    [
        ("sep=;", ";"),
        ('"sep=;"', ";"),
        ("SEP=|", "|"),
        ("sep=;;;", ";"),
        ("sep=,,,", ","),
        ("sep=\t", "\t"),
        ("sep=\\t", "\t"),
    ],
)
def test_a_sep_line_is_followed_as_people_write_it(
    read: Reading, first: str, separator: str
) -> None:
    told = read(f"{first}\r\n{(HEADER + GOOD).replace(',', separator)}")
    assert told.sent == [("abc", "2026-10-01", "Illness")]


@pytest.mark.parametrize("blank", ['"",""', "\u200b", "\u200b,\ufeff", " ; ;", '"\u00a0"'])
def test_a_line_without_any_value_before_the_header_is_blank(read: Reading, blank: str) -> None:
    told = read(f"{blank}\n{HEADER}{GOOD}")
    assert [row.row_number for row in told.rows] == [3]
    assert told.file.blank_row_count == 1


def test_a_row_of_zero_width_spaces_is_blank(read: Reading) -> None:
    told = read(f"{HEADER}\u200b,,\u2060\n{GOOD}")
    assert [row.row_number for row in told.rows] == [3]
    assert told.file.blank_row_count == 1


def test_the_separator_is_the_one_that_finds_the_columns(read: Reading) -> None:
    told = read("trainee_id;defer_date;note (a, b, c, d)\nabc;2026-10-01;x\n")
    assert told.file.columns == ("trainee_id", "defer_date", "note (a, b, c, d)")


def test_a_long_header_is_read_whole(read: Reading) -> None:
    names = ",".join(f"question {n} of the survey" for n in range(4000))
    told = read(f"trainee_id,{names},defer_date\nabc,{',' * 3999},2026-10-01\n")
    assert told.sent == [("abc", "2026-10-01", None)]


def test_a_header_without_end_is_refused(read: Reading) -> None:
    with pytest.raises(UnusableFile, match="header line is longer than"):
        read("trainee_id," + "x" * (1 << 21))


@pytest.mark.parametrize(
    "row",
    [
        "abc,2026-10-01,Depression",
        "abc,01/10/26,Depression",
        "N1VXpwPC6FNNhu4EPkLG8LCc,,Depression",
        "abc,soon,Depression. Tutor knows",
        "abc,soon,depression",
    ],
)
def test_a_file_without_a_header_shows_none_of_its_values(read: Reading, row: str) -> None:
    with pytest.raises(UnusableFile) as refused:
        read(f"{row}\n{GOOD}")
    assert "epression" not in str(refused.value)


def test_a_first_row_of_values_is_told_as_no_header(read: Reading) -> None:
    with pytest.raises(UnusableFile, match="its first row does not look like a header"):
        read(GOOD)


def test_names_near_to_ours_are_shown_where_none_is_known(read: Reading) -> None:
    with pytest.raises(UnusableFile) as refused:
        read("id,date,course,reason\n")
    assert refused.value.notes == ("found: id, date, course, reason", "closest: date")


def test_a_name_in_the_header_steers_nothing(read: Reading) -> None:
    with pytest.raises(UnusableFile) as refused:
        read("trainee_id,date\x1b[31m\n")
    assert refused.value.notes[0] == "found: trainee_id, date\ufffd[31m"


def test_a_quote_within_a_name_takes_no_row_away(read: Reading) -> None:
    told = read(f'trainee_id,defer_date,the "note\n{GOOD}b,2026-10-01,"x"\n')
    assert told.file.columns[2] == 'the "note'
    assert [row.row_number for row in told.rows] == [2, 3]


def test_a_quoted_name_may_hold_line_ends(read: Reading) -> None:
    told = read(f'trainee_id,defer_date,"a\nlong\r\nname"\n{GOOD}')
    assert told.file.columns[2] == "a\nlong\r\nname"
    assert [row.row_number for row in told.rows] == [2]


@pytest.mark.parametrize("again", ["trainee_id", "Trainee-ID *"])
def test_a_column_that_is_there_twice_is_refused(read: Reading, again: str) -> None:
    with pytest.raises(UnusableFile, match="two columns are `trainee_id`"):
        read(f"trainee_id,defer_date,{again}\n")


@pytest.mark.parametrize(
    ("header", "is_offered"),
    [("Intermission date", True), ("Last date,Intermission date", False), ("updated", False)],
)
def test_the_only_column_with_the_word_date_is_offered_for_it(
    read: Reading, header: str, *, is_offered: bool
) -> None:
    with pytest.raises(UnusableFile) as refused:
        read(f"trainee_id,{header}\nabc,x,y\n")
    offered = as_command(["--column", "defer_date=Intermission date"])
    assert (offered in refused.value.hint) is is_offered
