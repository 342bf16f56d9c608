"""What answers too often shifts nothing: each line of the report is what Register holds."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.support.office import TOKEN, Office, Ran
from tests.support.surplus import answering_too_often

ROWS = 60


NOTHING_ELSE_ASKED = ("--no-preview", "--no-final-check")
DEFERRED = {"deferred", "confirmed_by_read_back"}


@pytest.mark.parametrize(
    ("late", "options"), [(False, ()), (False, NOTHING_ELSE_ASKED), (True, ())]
)
def test_every_line_of_the_report_is_true(
    office: Office, *, late: bool, options: tuple[str, ...]
) -> None:
    ran, _ = _run(office, *options, late=late)
    assert set(ran.codes().values()) <= DEFERRED
    assert ran.code == 0, ran.err


def test_a_late_one_is_found_by_the_check_where_nobody_was_looked_up(office: Office) -> None:
    ran, _ = _run(office, "--no-preview", late=True)
    assert set(ran.codes().values()) <= DEFERRED | {"already_deferred"}


def test_a_late_one_misleads_one_row_at_most_where_nothing_is_read_afterwards(
    office: Office,
) -> None:
    """It can come in the moment in which its connection is taken again for another row."""
    ran, surplus = _run(office, *NOTHING_ELSE_ASKED, late=True)
    codes = Counter(ran.codes().values())
    assert codes.keys() <= DEFERRED | {"trainee_not_found"}
    assert codes["trainee_not_found"] <= surplus


def _run(office: Office, *options: str, late: bool) -> tuple[Ran, int]:
    """Return a run in which everyone was deferred, and how many answers were too many."""
    ids = [f"row{number:05}" for number in range(ROWS)]
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write("list.csv", "trainee_id,defer_date\n" + "".join(f"{i},2026-10-01\n" for i in ids))
    with answering_too_often(every=7, late=late) as register:
        target = ("--register", f"http://127.0.0.1:{register.port}", "--rate-limit", "none")
        ran = office.run("run", "list.csv", *target, "--lost-answer-wait", "0.3", *options)
    assert register.surplus > 5
    assert len(register.deferred) == ROWS
    return ran, register.surplus
