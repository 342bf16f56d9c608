"""Files as people make them: what is read, what is put right, what is refused, and where."""

from __future__ import annotations

import pytest

from batch.columns import REPORT_COLUMNS
from batch.errors import UnusableFile
from tests.support.reading import GOOD, HEADER, Reading

# Values


@pytest.mark.parametrize("around", [" ", "\u00a0", "\u200b", "\ufeff", "\t"])
def test_spaces_around_ids_and_dates_are_removed_and_told(read: Reading, around: str) -> None:
    told = read(f'{HEADER}"{around}abc{around}","{around}2026-10-01",x\n')
    assert told.sent == [("abc", "2026-10-01", "x")]
    assert told.repairs == [
        (2, "trainee_id", "spaces_removed"),
        (2, "defer_date", "spaces_removed"),
    ]


def test_apostrophes_before_ids_and_dates_are_removed(read: Reading) -> None:
    told = read(HEADER + "'A00123,''2026-10-01,'plain\n")
    assert told.sent == [("A00123", "2026-10-01", "'plain")]


def test_the_apostrophe_of_a_guarded_reason_is_removed(read: Reading) -> None:
    assert read(HEADER + "abc,2026-10-01,'=1+1\n").sent[0][2] == "=1+1"


def test_inside_a_reason_nothing_is_touched(read: Reading) -> None:
    told = read(HEADER + 'abc,2026-10-01,"  two  spaces\nand ""quotes"" ’ "\n')
    assert told.sent[0][2] == 'two  spaces\nand "quotes" ’'


def test_control_characters_leave_a_reason_and_are_told(read: Reading) -> None:
    told = read(HEADER + "abc,2026-10-01,a\x00b\x07c\n")
    assert told.sent[0][2] == "abc"
    assert told.file.repair_counts == {"control_characters_removed": 1}


@pytest.mark.parametrize(
    ("row", "kinds"),
    [
        ("' abc,2026-10-01,x", ["spaces_removed", "apostrophe_removed"]),
        ("abc,' 2026-10-01,x", ["spaces_removed", "apostrophe_removed"]),
        ("abc,2026-10-01,\x07 x", ["spaces_removed", "control_characters_removed"]),
        ("abc,2026-10-01,'=1 \x07", "all"),
    ],
)
def test_spaces_behind_what_was_removed_are_counted(
    read: Reading, row: str, kinds: list[str] | str
) -> None:
    every = ["apostrophe_removed", "spaces_removed", "control_characters_removed"]
    told = read(f"{HEADER}{row}\n")
    assert [kind for *_, kind in told.repairs] == (every if kinds == "all" else kinds)


@pytest.mark.parametrize(
    "bad", ["a/b", "a.b", "..", "a b", "é", "a\x00b", "x" * 65, "a%2Fb", "１２"]
)
def test_an_id_that_could_change_the_path_is_malformed(read: Reading, bad: str) -> None:
    assert read(f"{HEADER}{bad},2026-10-01,x\n").codes == {2: ["malformed_trainee_id"]}


@pytest.mark.parametrize("good", ["a", "x" * 64, "A-b_9", "00012a"])
def test_an_id_of_letters_digits_hyphens_and_underscores_is_good(read: Reading, good: str) -> None:
    assert read(f"{HEADER}{good},2026-10-01,x\n").sent == [(good, "2026-10-01", "x")]


def test_a_reason_of_500_code_points_is_good_and_501_too_long(read: Reading) -> None:
    told = read(f"{HEADER}a,2026-10-01,{'😀' * 500}\nb,2026-10-01,{'😀' * 501}\n")
    assert told.codes == {2: [], 3: ["reason_too_long"]}


def test_a_row_has_all_its_problems_in_their_order(read: Reading) -> None:
    told = read(f"{HEADER}a/b,,{'x' * 501}\n")
    assert told.codes == {2: ["malformed_trainee_id", "missing_defer_date", "reason_too_long"]}


# Dates


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("17/06/2024", "17/06/2024 looks like day/month/year: write it as YYYY-MM-DD."),
        ("06/17/2024", "06/17/2024 looks like month/day/year: write it as YYYY-MM-DD."),
        ("6-17-2024", "6-17-2024 looks like month-day-year: write it as YYYY-MM-DD."),
        ("31/31/2024", "31/31/2024 is not a day of the calendar."),
        ("17.06.2024", "looks like day.month.year: write it as YYYY-MM-DD."),
        ("2024", "2024 has no month and no day: write it as YYYY-MM-DD."),
        ("202406", "202406 has no day: write it as YYYY-MM-DD."),
        ("240617", "240617 has a year of two digits: write it as YYYY-MM-DD."),
        ("45460", "45460 looks like a spreadsheet's day number: write it as YYYY-MM-DD."),
        ("2024-W25-1", "which Register would store as no date at all"),
        ("2024-169", "which Register would store as no date at all"),
        ("2024-06", "Register would store it as no date at all"),
        ("2024-02-30", "2024-02-30 is not a day of the calendar."),
        ("24-06-17", "year of two digits"),
        ("20240617", "has no hyphens"),
        ("2024-06-17T10:00:00Z", "has a time behind the date"),
        ("٢٠٢٤-٠٦-١٧", "is not a date"),
        ("soon", "is not a date"),
        ("Wed 17 June 2024", "is a Monday"),
        ("the 31st of June 2024", "is not a day of the calendar"),
        ("Funday 17 June 2024", "is not a date"),
    ],
)
def test_another_shape_of_date_says_what_it_looks_like(read: Reading, text: str, said: str) -> None:
    told = read(f"{HEADER}abc,{text},x\n")
    assert told.codes == {2: ["invalid_defer_date"]}
    assert said in told.messages[0]


@pytest.mark.parametrize("control", ["\x00", "\x07", "\x1b", "\x85"])
def test_a_control_character_in_a_date_makes_it_no_date(read: Reading, control: str) -> None:
    told = read(f"{HEADER}abc,2026-{control}10-01,x\n")
    assert told.codes == {2: ["invalid_defer_date"]}
    assert control not in told.messages[0]


def test_a_long_value_is_quoted_with_30_characters_at_most(read: Reading) -> None:
    assert "y" * 29 + "…" in read(f"{HEADER}abc,{'y' * 99},x\n").messages[0]


@pytest.mark.parametrize("text", ["17/6/2024", "17-06-2024", "17.06.2024", "2024-06-17"])
def test_day_month_year_is_read_when_it_is_said(read: Reading, text: str) -> None:
    assert read(f"{HEADER}abc,{text},x\n", date_format="dmy").sent == [("abc", "2024-06-17", "x")]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("1999-12-31", ["unusual_defer_date"]),
        ("2000-01-01", []),
        ("2027-11-24", []),
        ("2027-11-25", ["unusual_defer_date"]),
    ],
)
def test_dates_far_away_are_unusual(read: Reading, text: str, codes: list[str]) -> None:
    assert read(f"{HEADER}abc,{text},x\n").codes == {2: codes}


def test_unusual_dates_can_be_allowed(read: Reading) -> None:
    assert read(f"{HEADER}abc,1999-12-31,x\n", allow_unusual_dates=True).codes == {2: []}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("06/17/2024", "06/17/2024 looks like month/day/year: write it as YYYY-MM-DD."),
        ("31/31/2024", "31/31/2024 is not a day of the calendar."),
    ],
)
def test_day_month_year_is_not_advised_where_it_is_on(read: Reading, text: str, said: str) -> None:
    assert read(f"{HEADER}abc,{text},x\n", date_format="dmy").messages == [said]


def test_an_unusual_date_is_to_be_corrected_first(read: Reading) -> None:
    told = read(f"{HEADER}abc,2062-06-17,x\nb,1962-06-17,x\n")
    assert told.messages[0].startswith("2062-06-17 is more than a year ahead: correct it, or")
    assert told.messages[1].startswith("1962-06-17 is before 2000: correct it, or")


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (
            ("17/06/2024", "18/06/2024"),
            "--date-format dmy",
        ),
        (("soon", "later"), "Every date is something else: write it as YYYY-MM-DD."),
        (("2024-02-30", "2024-02-31"), "No date is a day of the calendar."),
        (("17/06/2024", "2024-06-18"), None),
        (("17/06/2024", "06/18/2024"), "some the month"),
        (("06/07/2024", "06/18/2024"), "month/day/year"),
        (("06/07/2024",), "nothing shows"),
        (("17/06/2024",), "--date-format dmy"),
        (("soon",), None),
    ],
)
def test_what_is_wrong_with_every_date_is_said_once(
    read: Reading, texts: tuple[str, ...], said: str | None
) -> None:
    told = read(HEADER + "".join(f"id{n},{text},x\n" for n, text in enumerate(texts)))
    found = told.file.common_date_problem
    assert found is None if said is None else said in str(found)


def test_a_row_without_a_date_or_with_too_many_values_silences_nothing(read: Reading) -> None:
    told = read(HEADER + "a,17/06/2024,x\nb,,x\nc,2026-10-01,x,y\nd,18/06/2024,x\n")
    assert told.file.common_date_problem is not None


# Ragged and broken


def test_too_many_values_are_kept_and_harm_no_neighbour(read: Reading) -> None:
    told = read(HEADER + "a,2026-10-01,ill, very ill\nb,2026-10-01,x\n")
    assert told.codes == {2: ["wrong_number_of_values"], 3: []}
    assert told.rows[0].values == ("a", "2026-10-01", "ill, very ill")


def test_empty_values_behind_the_last_column_are_no_surplus(read: Reading) -> None:
    told = read(HEADER + "abc,2026-10-01,ill,, \nb,2026-10-01,x,,y\n")
    assert told.codes == {2: [], 3: ["wrong_number_of_values"]}


def test_empty_values_behind_a_reports_columns_are_no_surplus(read: Reading) -> None:
    tail = "2,unprocessable,x,y,,0,,,,,"
    header = f"trainee_id,defer_date,defer_reason,{','.join(REPORT_COLUMNS)}\n"
    told = read(f"{header}a,2026-10-01,ill,{tail},,\nb,2026-10-01,ill, very,{tail}\n")
    assert told.rows[0].values == ("a", "2026-10-01", "ill")
    assert told.rows[1].values == ("b", "2026-10-01", "ill, very")
    assert told.codes == {2: [], 3: ["wrong_number_of_values"]}


def test_missing_values_are_empty(read: Reading) -> None:
    assert read(HEADER + "abc,2026-10-01\n").sent == [("abc", "2026-10-01", None)]


def test_blank_rows_are_skipped_and_counted(read: Reading) -> None:
    told = read(HEADER + "\n,,\n  ,\u00a0,\n" + GOOD)
    assert [row.row_number for row in told.rows] == [5]
    assert told.file.blank_row_count == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('a,2026-10-01,"never closed\nb,2026-10-01,x\n', "a quote that opens in row 2"),
        ('a,2026-10-01,x\nb,2026-10-01,"x"y\n', "text follows a closing quote in row 3"),
        (
            'a,2026-10-01,"opened\nb,2026-10-01,swallowed\nc,2026-10-01,closed"\n',
            "a quote that opens in row 2 swallows the rows after it",
        ),
        ('a,2026-10-01,"' + "x\n" * 200_000, "a quote that opens in row 2 never closes"),
    ],
)
def test_a_stray_quote_makes_the_file_unusable(read: Reading, content: str, said: str) -> None:
    with pytest.raises(UnusableFile, match=said):
        read(HEADER + content)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("x" * 140_000, "row 4 holds a value of more than 131,072 characters"),
        ('"' + "x\n" * 70_000, "a quote that opens in row 4 never closes"),
        ('"' + "x" * 140_000 + '"', "row 4 holds a value of more than 131,072 characters"),
    ],
)
def test_a_long_value_is_told_from_a_quote_that_never_closes(
    read: Reading, value: str, said: str
) -> None:
    with pytest.raises(UnusableFile, match=said):
        read(f'{HEADER}a,2026-10-01,"one\ntwo\rthree\r\nfour"\n\nb,2026-10-01,{value}')


# Rows for one trainee


def test_the_same_deferral_twice_is_sent_once(read: Reading) -> None:
    told = read(HEADER + "abc,2026-10-01,x\nABC,2026-10-01, x\nAbc,2026-10-01,x\n")
    assert told.conflicts == [(3, "duplicate_row"), (4, "duplicate_row")]


@pytest.mark.parametrize("other", ["ABC,2026-10-02,x", "abc,2026-10-01,y", "abc,soon,x", "abc,,x"])
def test_two_deferrals_that_differ_are_both_held_back(read: Reading, other: str) -> None:
    told = read(HEADER + "abc,2026-10-01,x\n" + other + "\n")
    assert told.conflicts == [(2, "conflicting_rows"), (3, "conflicting_rows")]


def test_conflicting_rows_name_each_other(read: Reading) -> None:
    told = read(HEADER + "abc,2026-10-01,x\nq,2026-10-01,\nabc,2026-10-02,x\n")
    (first, _) = told.file.problems_of_the_whole()
    assert first[1].message.startswith("Row 4 names the same trainee")


@pytest.mark.parametrize("place", [0, 11, 12])
def test_of_many_conflicting_rows_ten_are_named(read: Reading, place: int) -> None:
    told = read(HEADER + "".join(f"abc,2026-10-01,{n}\n" for n in range(13)))
    said = list(told.file.problems_of_the_whole())[place][1].message
    named = [number for number in range(2, 15) if number != place + 2][:10]
    assert said.startswith(f"Rows {', '.join(map(str, named))} and 2 more name the same trainee")


@pytest.mark.parametrize(
    ("rows", "match_by", "codes"),
    [
        ("1234567,,d1\n1234567,,d1\n", None, ["duplicate_row"]),
        ("1234567,,d1\n1234567,,d2\n", None, ["conflicting_rows"] * 2),
        (",S1,d1\n,' S1,d2\n", None, ["conflicting_rows"] * 2),
        ("1234567,S1,d1\n1234568,S1,d2\n", None, []),
        ("1234567,S1,d1\n1234568,S1,d2\n", "provider_trainee_id", ["conflicting_rows"] * 2),
        ("123456,,d1\n123456,,d2\n", None, []),  # malformed: who knows whom they name
        ("1234567,,d1\n,1234567,d2\n", None, []),
    ],
)
def test_rows_without_an_id_are_compared_by_the_number_that_names_them(
    read: Reading, rows: str, match_by: str | None, codes: list[str]
) -> None:
    content = "trn,student_id,defer_date\n" + rows.replace("d", "2026-10-0")
    told = read(content, require_trainee_id=False, match_by=match_by)
    assert [code for _, code in told.conflicts] == codes


def test_rows_with_an_id_are_compared_by_it_alone(read: Reading) -> None:
    two = "trainee_id,trn,defer_date\nabc,1234567,2026-10-01\n{},1234567,2026-10-02\n"
    assert read(two.format("def")).conflicts == []
    told = read(two.format("abc"), require_trainee_id=False)
    assert len(list(told.file.problems_of_the_whole(before_matching=True))) == 2


def test_rows_that_will_be_matched_are_compared_then(read: Reading) -> None:
    two = "trn,defer_date\n1234567,2026-10-01\n1234567,{}\n"
    for other, count in (("2026-10-02", 0), ("soon", 2)):
        told = read(two.format(other), require_trainee_id=False)
        assert len(list(told.file.problems_of_the_whole(before_matching=True))) == count


def test_rows_set_aside_contradict_nobody(read: Reading) -> None:
    told = read(HEADER + "abc,2026-10-01,x\nabc,2026-12-01,x\n")
    assert list(told.file.problems_of_the_whole(set_aside={2})) == []


def test_a_row_with_too_many_values_contradicts_others_and_has_no_other_code(
    read: Reading,
) -> None:
    told = read(HEADER + "abc,2026-10-01,ill\nABC,2026-10-01,ill, very\nabc,2026-10-01,ill\n")
    assert told.codes[3] == ["wrong_number_of_values"]
    assert told.conflicts == [(2, "conflicting_rows"), (4, "conflicting_rows")]
    assert "Rows 3, 4 name" in told.file_messages[0]


def test_rows_with_too_many_values_are_not_duplicates(read: Reading) -> None:
    assert read(HEADER + "abc,2026-10-01,ill, very\nabc,2026-10-01,ill, very\n").conflicts == []


def test_a_duplicate_of_a_refused_row_says_so(read: Reading) -> None:
    told = read(HEADER + "abc,soon,x\nabc,soon,x\n")
    assert told.file_messages == ["The same deferral as row 2, which is refused as well."]
