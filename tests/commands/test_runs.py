"""`runs`: which of them are listed."""

from __future__ import annotations

import datetime as dt
import json

from tests.support.office import Office


def test_those_that_began_on_or_after_a_day_are_listed(office: Office) -> None:
    office.write("list.csv", "trainee_id,defer_date\nabc,2026-10-01\n")
    ran = office.run("run", "list.csv", "--register", "emulator", "--json")
    began = dt.date.fromisoformat(json.loads(ran.out)["started_at"][:10])
    days = (began - dt.timedelta(1), began, began + dt.timedelta(1))
    listed = [json.loads(office.run("runs", "--since", f"{day}", "--json").out) for day in days]
    assert [len(runs) for runs in listed] == [1, 1, 0]


def test_what_is_no_day_is_refused(office: Office) -> None:
    assert office.run("runs", "--since", "monday").code == 2
