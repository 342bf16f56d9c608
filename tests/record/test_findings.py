"""What the page says first: the sentence, and the groups in their order."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from msgspec.structs import replace

from batch.codes import Code
from batch.record.findings import Findings, findings, headline
from batch.rows import Row
from tests.support.journals import RUN, failed, journal_of


@pytest.mark.parametrize(
    ("codes", "sentence"),
    [
        ({"deferred": 5}, "All 5 rows are deferred."),
        ({"deferred": 1}, "The only row is deferred."),
        ({"trainee_not_found": 1}, "No row is deferred; 1 needs your attention."),
        (
            {"deferred": 1, "trainee_not_found": 2},
            "1 of 3 rows is deferred; 2 need your attention.",
        ),
        (
            {"deferred": 1_100, "deferred_earlier": 20, "invalid_defer_date": 80},
            "1,120 of 1,200 rows are deferred; 80 need your attention.",
        ),
        ({"deferred": 4, "duplicate_row": 1}, "4 of 5 rows are deferred."),
        ({"deferred": 4, "answer_differs": 1}, "All 5 rows are deferred; 1 needs your attention."),
    ],
)
def test_the_verdict_is_one_sentence(codes: dict[str, int], sentence: str) -> None:
    assert headline(RUN, codes).sentence == sentence


def test_of_a_rehearsal_the_verdict_says_so() -> None:
    told = headline(replace(RUN, rehearsal=True), {"deferred": 2, "not_sent": 1})
    assert told.sentence == "In this rehearsal, 2 of 3 rows were deferred; 1 needs your attention."


def test_numbers_that_overlap_are_explained() -> None:
    codes = {"deferred": 3, "answer_differs": 1, "not_sent": 2, "already_deferred": 1}
    assert headline(RUN, codes).more == (
        "Of these, 2 are not settled yet. "
        "Of these, 1 counts as deferred, but Register's answer differs. "
        "Besides, 1 is for your information."
    )


def test_where_an_answer_was_lost_the_verdict_claims_no_more_than_is_known() -> None:
    told = headline(RUN, {"deferred": 3, "answer_lost": 2, "not_sent": 5})
    assert told.sentence == "3 of 10 rows are known to be deferred; 7 need your attention."
    assert told.more == "Of these, 7 are not settled yet; 2 of them may be deferred all the same."


def groups(folder: Path, rows: Iterable[Row]) -> Findings:
    with journal_of(folder, rows) as journal:
        return findings(journal.ledger, RUN.run_id)


def test_what_is_to_do_and_what_is_to_know_are_apart(tmp_path: Path) -> None:
    codes = (Code.DUPLICATE_ROW, Code.INVALID_DEFER_DATE, Code.CONFLICTING_ROWS)
    found = groups(tmp_path, (failed(n, "a", "x", code=code) for n, code in enumerate(codes, 2)))
    assert [group.code for group in found.to_do] == ["conflicting_rows", "invalid_defer_date"]
    assert [group.code for group in found.to_know] == ["duplicate_row"]


def test_a_long_group_is_folded_after_its_first_rows_and_counted_to_the_last(
    tmp_path: Path,
) -> None:
    (group,) = groups(tmp_path, (failed(n, f"id{n}", "x") for n in range(2, 603))).to_do
    assert [row.row_number for row in group.shown] == list(range(2, 22))
    assert [row.row_number for row in group.folded] == list(range(22, 502))
    assert group.count == 601
