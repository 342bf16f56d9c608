"""A quote that swallows rows is noticed; what people write in a reason is not mistaken for it."""

from __future__ import annotations

import pytest

from batch.errors import UnusableFile
from tests.support.reading import HEADER, Reading


@pytest.mark.parametrize(
    "content",
    [
        'trainee_id,defer_reason,defer_date\nid0,"ill,2026-10-01\nid1,",2026-10-02\n',
        'defer_reason,trainee_id,defer_date\n"ill,abc,2026-10-01\nsick",def,2026-10-01\n',
    ],
)
def test_a_row_swallowed_across_columns_is_refused(read: Reading, content: str) -> None:
    with pytest.raises(UnusableFile, match="opens in row 2 swallows"):
        read(content)


@pytest.mark.parametrize(
    "swallowed",
    [
        "\u00a0b,2026-10-01,x",
        "\u200bb,2026-10-01,x",
        "'b,2026-10-01,x",
        "b,'2026-10-01,x",
        "b,,x",
        "b,17/06/24,x",
        "b,45460,x",
        "b,20240617,x",
        "b,2024-W25-1,x",
        "b,1 Oct 2026,x",
        "b,1-Oct-26,x",
        "b,Oct 1 2026,x",
        "b,2026-10-01T00:00:00Z,x",
        "b,2024-06,x",
        "N1VXpwPC6FNNhu4EPkLG8LCc,to be told,x",
    ],
)
def test_a_swallowed_row_is_noticed_however_it_is_written(read: Reading, swallowed: str) -> None:
    with pytest.raises(UnusableFile, match="opens in row 2 swallows"):
        read(f'{HEADER}a,2026-10-01,"opened\n{swallowed}\nc,soon,closed"\n')


@pytest.mark.parametrize(
    "line",
    [
        "Well, spoke on 3 May, agreed",
        "Illness, 2 weeks, back soon",
        "Mother, 01234 567890, call her",
        "Deferred, 2024-25, returns",
        "1, 2, 3",
        "see her letter of 2026-10-01, page 2",
        "Dates: 2026-10-01, 2026-12-01",
        "COVID-19, tested twice, positive",
        "17/06/24",
        "first, second",
    ],
)
def test_a_list_in_a_reason_of_several_lines_is_no_row(read: Reading, line: str) -> None:
    told = read(f'{HEADER}a,2026-10-01,"Illness:\n{line}\nand so on"\nb,2026-10-01,x\n')
    assert told.sent[0][2] == f"Illness:\n{line}\nand so on"


ADDED = "row,outcome,code,message,http_status,attempts,sent_date,register_date,settled_at"


def test_a_reason_with_a_line_like_a_row_comes_back_from_a_report(read: Reading) -> None:
    reason = "as listed:\nb,2026-10-01,ill"
    row = f'a,2026-10-01,"{reason}",2,unprocessable,x,y,,0,,,2026-11-24T10:00:00Z\n'
    told = read(f"trainee_id,defer_date,defer_reason,{ADDED}\n{row}{row.replace('a', 'z', 1)}")
    assert [sent[2] for sent in told.sent] == [reason, reason]


@pytest.mark.parametrize("behind", ['"x" y', "x" * 140_000, '"never closed'])
def test_a_quote_that_swallows_rows_is_named_before_what_is_wrong_behind_it(
    read: Reading, behind: str
) -> None:
    swallowing = 'a,2026-10-01,"opened\nb,2026-10-02,swallowed\nc,2026-10-03,closed"\n'
    with pytest.raises(UnusableFile, match="opens in row 2 swallows"):
        read(f"{HEADER}{swallowing}d,2026-10-04,{behind}\n")


def test_a_row_swallowed_in_a_report_is_noticed(read: Reading) -> None:
    tail = "unprocessable,x,y,,0,,,2026-11-24T10:00:00Z"
    rows = f'a,2026-10-01,"ill,2,{tail}\nb,2026-10-01,sick",3,{tail}\n'
    with pytest.raises(UnusableFile, match="opens in row 2 swallows"):
        read(f"trainee_id,defer_date,defer_reason,{ADDED}\n{rows}")


def test_a_row_swallowed_by_the_header_is_noticed(read: Reading) -> None:
    with pytest.raises(UnusableFile, match="opens in row 1 swallows"):
        read('trainee_id,defer_date,"note\na,2026-10-01,x\nb,2026-10-01,y"\n')
