"""What the whole file shows: dates, widths, quotes, reasons, ids, and Register's own export."""

from __future__ import annotations

import pytest

from batch.errors import UnusableFile
from batch.intake import csv_reader
from tests.support.certain import small_blocks
from tests.support.reading import HEADER, Reading

ID = "oKEp7UZc9dWr2xBpWqBK6nXC"
OTHER = "C5CZSh5qyjkr6T5nY7SnZ8w4"


def notices(told: object) -> str:
    return "\n".join(told.file.reading().notices)  # type: ignore[attr-defined]


# Dates


@pytest.mark.parametrize(
    "text",
    [
        "2026–10–01", "2026‑10‑01", "2026−10−01", "2026/10/01", "2026.10.1", "2026-10-1",
        "1 October 2026", "1st October 2026", "1 Oct 2026", "01-Oct-2026", "October 1, 2026",
        "Thu 1 October 2026", "Thursday, 1st of October 2026", "2026 Oct 1", "1.Sept.2026",
        "the 1st of October 2026",
        "2026-10-01 00:00:00", "2026-10-01T00:00:00Z", "2026-10-01 12:00:00 AM", "2026-10-01T00:00:00.000+00:00",
    ],
)  # fmt: skip
def test_a_date_that_can_mean_only_one_day_is_read_and_told(read: Reading, text: str) -> None:
    told = read(f'{HEADER}{ID},"{text}",x\n')
    assert told.sent[0][1] in {"2026-10-01", "2026-09-01"}
    assert told.file.repair_counts == {"date_read": 1}


@pytest.mark.parametrize(
    "text",
    [
        "17-Jun-26", "17/06/26", "17.06.2026", "17/06/2026 00:00", "20260617", "46190", "2026/17/06",
        "17/6", "２０２６-０６-１７", "Mon 17 June 2026", "17 Juni 2026", "2026-06-17 09:30", "31 June 2026",
        "2026-06-17T00:00:00+01:00", "2026-10/01", "June 2026", "#######",
    ],
)  # fmt: skip
def test_a_date_that_could_mean_another_day_is_refused(read: Reading, text: str) -> None:
    assert read(f"{HEADER}{ID},{text},x\n").codes == {2: ["invalid_defer_date"]}


def test_one_month_first_date_makes_all_that_could_be_either_ambiguous(read: Reading) -> None:
    rows = "a,10/04/2025,\nb,10/17/2025,\nc,07/07/2025,\nd,17/10/2025,\ne,2025-10-04,\n"
    told = read(HEADER + rows, date_format="dmy")
    assert told.conflicts == [(2, "ambiguous_defer_date")]
    assert told.codes[3] == ["invalid_defer_date"]
    assert "10/17/2025" in told.file_messages[0]


def test_a_row_of_which_nobody_knows_the_values_has_no_ambiguous_date(read: Reading) -> None:
    told = read(f"{HEADER}a,10/04/2025,x,y\nb,10/17/2025,\n", date_format="dmy")
    assert (told.codes[2], told.conflicts) == (["wrong_number_of_values"], [])


def test_an_ambiguous_date_of_an_earlier_chunk_is_found(read: Reading) -> None:
    rows = "".join(f"id{n},0{n + 1}/09/2025,\n" for n in range(7)) + "z,10/17/2025,\n"
    with small_blocks(letters=50):
        told = read(HEADER + rows, date_format="dmy")
    assert [number for number, _ in told.conflicts] == list(range(2, 9))


def test_a_column_of_day_month_year_is_told_first_with_its_command(read: Reading) -> None:
    rows = "a,17/06/2024,\nb,05/06/2024,\nc,2024-06-17,\n"
    assert notices(read(HEADER + rows)).splitlines()[0].endswith("--date-format dmy`")


def test_nobody_is_advised_day_first_where_the_column_is_month_first(read: Reading) -> None:
    assert "dmy" not in notices(read(HEADER + "a,06/05/2024,\nb,06/17/2024,\n"))


# Widths


def test_an_empty_last_value_may_hide_a_comma_without_quotes(read: Reading) -> None:
    told = read(f"{HEADER[:-1]},notes\na,2026-10-01,Ill, recovering,\nb,2026-10-01,Family,\n")
    assert told.codes == {2: ["wrong_number_of_values"], 3: []}


def test_an_empty_value_that_every_row_has_more_is_no_surplus(read: Reading) -> None:
    told = read(f"{HEADER[:-1]},notes\na,2026-10-01,Ill,x,\nb,2026-10-01,Family,y,\n")
    assert told.codes == {2: [], 3: []}
    assert told.rows[0].values == ("a", "2026-10-01", "Ill", "x")


@pytest.mark.parametrize(
    "rows",
    [
        "a,2026-10-01,Ill, recovering,\n",
        "a,2026-10-01,Ill, recovering,\nb,2026-10-01,Sick, at home,\n",
        "a,2026-10-01,Ill,x,\nb,2026-10-01,Sick, at home,\n",
    ],
    ids=["one row", "all rows", "a space in one"],
)
def test_a_space_shows_a_comma_of_the_text_though_all_rows_are_wide(
    read: Reading, rows: str
) -> None:
    told = read(f"{HEADER[:-1]},notes\n{rows}")
    assert all(found == ["wrong_number_of_values"] for found in told.codes.values())


def test_an_empty_value_behind_an_empty_one_is_no_surplus(read: Reading) -> None:
    assert read(f"{HEADER[:-1]},notes\na,2026-10-01,Ill,,\nb,2026-10-01,x,\n").codes[2] == []


@pytest.mark.parametrize("at", [3, 4, 5])
def test_a_value_in_a_column_without_a_name_names_its_cell(read: Reading, at: int) -> None:
    row = ["a", "2026-10-01", "Ill", "", "", ""]
    row[at] = "check with Ann?"
    told = read(f"{HEADER[:-1]},,,\n{','.join(row)}\nb,2026-10-01,x,,,\n")
    assert told.codes == {2: ["wrong_number_of_values"], 3: []}
    assert "DEF"[at - 3] + "2" in told.messages[0]


def test_a_note_left_of_the_table_names_its_cell(read: Reading) -> None:
    told = read(f",{HEADER}check with Ann,a,2026-10-01,x\n1,b,2026-10-01,x\n")
    assert told.codes == {2: ["wrong_number_of_values"], 3: []}
    assert told.messages[0].startswith("A2 ")


def test_a_numbering_in_a_first_column_without_a_name_is_no_surplus(read: Reading) -> None:
    assert len(read(f",{HEADER}0,a,2026-10-01,x\n1,b,2026-10-01,x\n").sent) == 2


@pytest.mark.parametrize("rest", ["and recovering", "recovering", "and recovering,"])
@pytest.mark.parametrize("chunk", [2, 3, 4, 100])
def test_a_line_break_without_quotes_breaks_both_rows(
    read: Reading, monkeypatch: pytest.MonkeyPatch, rest: str, chunk: int
) -> None:
    monkeypatch.setattr(csv_reader, "ROWS_A_CHUNK", chunk)
    told = read(f"{HEADER}{ID},2026-10-01,x\n{OTHER},2026-10-01,Ill\n{rest}\nz,2026-10-01,x\n")
    broken = ["wrong_number_of_values"]
    assert told.codes == {2: [], 3: broken, 4: broken, 5: []}


@pytest.mark.parametrize("letters", range(80, 360, 20))
def test_so_it_does_wherever_a_block_ends(read: Reading, letters: int) -> None:
    rows = "".join(f"{ID},2026-10-0{n},x\n" for n in range(1, 6))
    with small_blocks(letters=letters):
        told = read(f"{HEADER}{rows}{OTHER},2026-10-01,Ill\nand recovering\n{rows}")
    assert [number for number, codes in told.codes.items() if codes] == [7, 8]


def test_a_row_that_lacks_only_its_date_breaks_no_other(read: Reading) -> None:
    told = read(f"{HEADER}{ID},2026-10-01,Ill\n{OTHER}\n")
    assert told.codes == {2: [], 3: ["missing_defer_date"]}


# Quotes


@pytest.mark.parametrize(
    "row",
    ['a, 2026-10-01, "Ill, x"', '"a" ,"2026-10-01" ,"Ill, x" ', ' "a", "2026-10-01" ,  "Ill, x"'],
)
def test_spaces_around_quotes_change_nothing(read: Reading, row: str) -> None:
    told = read(f'{HEADER}{row}\nb,2026-10-01,"two ""lines""\nof ""it"""\n')
    assert told.sent[0] == ("a", "2026-10-01", "Ill, x")
    assert told.sent[1][2] == 'two "lines"\nof "it"'


def test_a_quote_behind_a_space_that_does_not_close_is_no_reason(read: Reading) -> None:
    told = read(f'{HEADER}a,2026-10-01, "Ill\nb,2026-10-01,x\n')
    assert told.codes == {2: ["unusable_reason"], 3: []}


def test_a_file_of_lines_quoted_as_a_whole_is_refused_in_those_words(read: Reading) -> None:
    with pytest.raises(UnusableFile, match="quoted as a whole"):
        read('"trainee_id,defer_date,defer_reason"\n"a,2026-10-01,""Ill, x"""\n')


def test_a_row_quoted_as_a_whole_is_refused(read: Reading) -> None:
    told = read(f'{HEADER}"a,2026-10-01,x"\nb,2026-10-01,x\n')
    assert told.codes == {2: ["wrong_number_of_values"], 3: []}


# Reasons


@pytest.mark.parametrize(
    "reason", ["#N/A", "#REF!", "#DIV/0!", "#NAME?", "#SPILL!", "NULL", "null", "\\N", "#####", "Err:502", '"""Ill"']
)  # fmt: skip
def test_what_a_program_writes_for_nothing_is_no_reason(read: Reading, reason: str) -> None:
    assert read(f"{HEADER}a,2026-10-01,{reason}\n").codes == {2: ["unusable_reason"]}


@pytest.mark.parametrize("reason", ["#1 on the list", "Nullity", "a N/A b", '5\'6"" tall', "N/A"])
def test_words_that_only_look_so_are_reasons(read: Reading, reason: str) -> None:
    assert read(f'{HEADER}a,2026-10-01,"{reason}"\n').codes == {2: []}


# Ids


@pytest.mark.parametrize(
    "address",
    [
        f"https://www.register-trainee-teachers.service.gov.uk/trainees/{ID}",
        f"https://register-trainee-teachers.service.gov.uk/trainees/{ID}/edit#x",
        f"sandbox.register-trainee-teachers.service.gov.uk/trainees/{ID}?a=b",
    ],
)
def test_the_address_of_a_trainee_yields_the_id(read: Reading, address: str) -> None:
    told = read(f"{HEADER}{address},2026-10-01,x\n")
    assert told.sent[0][0] == ID
    assert told.file.repair_counts == {"address_taken_as_id": 1}


@pytest.mark.parametrize("address", [f"https://example.org/trainees/{ID}", f"/trainees/{ID}"])
def test_another_address_is_no_id(read: Reading, address: str) -> None:
    assert read(f"{HEADER}{address},2026-10-01,x\n").codes == {2: ["malformed_trainee_id"]}


@pytest.mark.parametrize("mark", ["\u200e", "\u200f", "\u202a", "\u2066", "\u00ad"])
def test_marks_of_direction_at_the_edges_go(read: Reading, mark: str) -> None:
    assert read(f"{HEADER}{mark}{ID}{mark},2026-10-01,x\n").sent[0][0] == ID


@pytest.mark.parametrize(
    ("digits", "named"),
    [
        ("1234567", "TRN"), ("0123456789012", "HESA id"), ("01234567890123456", "HESA id"),
        ("12345678", "student number"),
    ],
)  # fmt: skip
def test_digits_alone_are_named_as_what_they_look_like(
    read: Reading, digits: str, named: str
) -> None:
    told = read(f"{HEADER}{digits},2026-10-01,x\n")
    assert told.codes == {2: ["malformed_trainee_id"]}
    assert named in told.messages[0]


def test_a_letter_that_only_looks_right_is_named(read: Reading) -> None:
    told = read(f"{HEADER}\u043eKEp7UZc9dWr2xBpWqBK6nXC,2026-10-01,x\n")
    assert "1st character is a Cyrillic \u043e" in told.messages[0]


def test_ids_of_another_length_are_a_notice(read: Reading) -> None:
    rows = "".join(f"abcdefg{n},2026-10-01,x\n" for n in range(3))
    assert "3 of 3 ids have 8 characters; Register's have 24" in notices(read(HEADER + rows))
    assert "characters" not in notices(read(f"{HEADER}{ID},2026-10-01,x\n"))


@pytest.mark.parametrize(
    ("header", "number", "is_told"),
    [
        ("trn", "123456", True),
        ("trn", "0123456", False),
        ("trn", "", False),
        ("hesa_id", "1e12", True),
        ("hesa_id", "'0123456789012", False),
        ("dob", "01/02/2001", True),
        ("dob", '"=""2001-02-01"""', False),
        ("dob", "1 Feb 2001", False),
    ],
)
def test_what_cannot_be_compared_beside_an_id_is_a_notice_and_no_refusal(
    read: Reading, header: str, number: str, *, is_told: bool
) -> None:
    told = read(f"trainee_id,{header},defer_date\n{ID},{number},2026-10-01\n")
    assert (len(told.sent), "not compared" in notices(told)) == (1, is_told)


@pytest.mark.parametrize(("header", "line"), [("trn", "trn"), ("trn,hesa_id", "trn, else hesa_id")])
def test_who_is_found_by_number_has_that_column_as_the_trainees(
    read: Reading, header: str, line: str
) -> None:
    values = ",".join(["1234567", "0123456789012"][: header.count(",") + 1])
    text = f"{header},defer_date\n{values},2026-10-01\n"
    lines = read(text, require_trainee_id=False).file.reading().lines()
    assert f"trainee     {line}" in lines
    assert not any(line.endswith("none") for line in lines)


def test_a_formula_that_is_text_is_read_as_its_text(read: Reading) -> None:
    told = read(f'="trainee_id",defer_date,defer_reason\n="{ID}",="2026-10-01",="Ill"\n')
    assert told.sent == [(ID, "2026-10-01", "Ill")]


# Register's own export

EXPORT = "register_id,trainee_status,defer_date,return_from_deferral_date\n"


@pytest.mark.parametrize(
    ("row", "codes"),
    [
        (f"{ID},In training,2025-01-10,2025-09-01", ["reinstated_since"]),
        (f"{ID},In training,2025-01-10,2025-01-10", ["reinstated_since"]),
        (f"{ID},In training,2026-10-01,2025-09-01", []),
        (f"{ID},In training,2026-10-01,", []),
        (f"{ID},x,Not required by HESA so no data available in Register,", ["invalid_defer_date"]),
    ],
)
def test_an_export_shows_who_has_returned(read: Reading, row: str, codes: list[str]) -> None:
    assert read(f"{EXPORT}{row}\n").codes == {2: codes}


def test_an_export_of_old_dates_says_so_first(read: Reading) -> None:
    rows = f"{ID},Deferred,2025-01-10,\nb,In training,2024-01-10,\nc,In training,2026-10-01,\n"
    assert (
        read(EXPORT + rows).file.reading().notices[0].startswith("2 of 3 dates look like deferrals")
    )


def test_another_date_column_beside_an_exports_own_is_refused(read: Reading) -> None:
    header = EXPORT.replace("\n", ",new_defer_date\n")
    row = f"{ID},x,2025-01-10,,2026-10-01\n"
    with pytest.raises(UnusableFile) as refused:
        read(header + row)
    assert "--column defer_date=new_defer_date" in refused.value.hint
    assert read(header + row, columns={"defer_date": "new_defer_date"}).sent[0][1] == "2026-10-01"
