"""What answers too often shifts nothing: each line of the report is what Register holds."""

from __future__ import annotations

import pytest

from tests.support.office import TOKEN, Office
from tests.support.surplus import answering_too_often

ROWS = 60


@pytest.mark.parametrize("looked", [True, False])
@pytest.mark.parametrize("late", [True, False])
def test_every_line_of_the_report_is_true(office: Office, *, late: bool, looked: bool) -> None:
    ids = [f"row{number:05}" for number in range(ROWS)]
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write("list.csv", "trainee_id,defer_date\n" + "".join(f"{i},2026-10-01\n" for i in ids))
    look = () if looked else ("--no-preview", "--no-final-check")
    with answering_too_often(every=7, late=late) as register:
        target = ("--register", f"http://127.0.0.1:{register.port}", "--rate-limit", "none")
        ran = office.run("run", "list.csv", *target, "--lost-answer-wait", "0.3", *look)
    assert register.surplus > 5
    assert len(register.deferred) == ROWS
    assert set(ran.codes().values()) <= {"deferred", "confirmed_by_read_back"}
    assert ran.code == 0, ran.err
