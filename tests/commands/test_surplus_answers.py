"""What answers too often shifts nothing: each line of the report is what Register holds."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.support.office import TOKEN, Office
from tests.support.surplus import answering_too_often

ROWS = 60


CHECKED_ONLY = ("--no-preview",)
NOTHING_ELSE_ASKED = ("--no-preview", "--no-final-check")
DEFERRED = {"deferred", "confirmed_by_read_back"}


@pytest.mark.parametrize(
    ("late", "options"),
    [(False, ()), (False, NOTHING_ELSE_ASKED), (True, ()), (True, CHECKED_ONLY)],
)
def test_every_line_of_the_report_is_true(
    office: Office, *, late: bool, options: tuple[str, ...]
) -> None:
    codes = _codes_of_a_run(office, *options, late=late)[0]
    assert codes.keys() <= DEFERRED | {"already_deferred"}


def test_a_late_one_misleads_one_row_at_most_where_nothing_is_read_afterwards(
    office: Office,
) -> None:
    """It can come in the moment in which its connection is taken again for another row."""
    codes, surplus = _codes_of_a_run(office, *NOTHING_ELSE_ASKED, late=True)
    assert codes.keys() <= DEFERRED | {"trainee_not_found"}
    assert codes["trainee_not_found"] <= surplus


def _codes_of_a_run(office: Office, *options: str, late: bool) -> tuple[Counter[str], int]:
    """Return the codes of a run in which everyone was deferred, and how many answers too many."""
    ids = [f"row{number:05}" for number in range(ROWS)]
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write("list.csv", "trainee_id,defer_date\n" + "".join(f"{i},2026-10-01\n" for i in ids))
    with answering_too_often(every=7, late=late) as register:
        target = ("--register", f"http://127.0.0.1:{register.port}", "--rate-limit", "none")
        ran = office.run("run", "list.csv", *target, "--lost-answer-wait", "0.3", *options)
    assert register.surplus > 5
    assert len(register.deferred) == ROWS
    return Counter(ran.codes().values()), register.surplus
