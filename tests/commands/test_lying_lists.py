"""Lists of trainees that cannot be true: bounded, told, and nothing is sent on a guess."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from batch.emulator.requests import Endpoint
from batch.emulator.server import Emulator
from tests.support import troubles
from tests.support.office import TOKEN, Office, Ran
from tests.support.troubles import Fault

Serving = Callable[..., Emulator]
IDS = [f"id{number:02}" for number in range(25)]
BY_ID = "trainee_id,defer_date\n" + "".join(f"{name},2026-10-01\n" for name in IDS)
BY_TRN = "trn,defer_date\n7654321,2026-10-01\n"
FIELDS = ("trainee_id", "trn", "hesa_id", "state", "defer_date", "updated_at", "itt_start_date")


def listed(name: str | None, **more: Any) -> dict[str, Any]:
    nothing = dict.fromkeys((*FIELDS, "last_name", "date_of_birth"))
    return {**nothing, "trainee_id": name, "updated_at": "2026-10-01T00:00:00.000Z", **more}


def page(*rows: object, **meta: Any) -> dict[str, Any]:
    return {"data": list(rows), "meta": meta} if meta else {"data": list(rows)}


# Each shows whom the file names as one who can be deferred: to take its word would be to guess.
MATCHING = listed("id00", trn="7654321", state="trn_received")
LIES = [
    page(MATCHING),
    page(MATCHING, total_count=None),
    page(MATCHING, total_count="many"),
    page(MATCHING, total_count=250_000_000, total_pages=1_000_000),
    page(MATCHING, total_count=600),
    page(MATCHING, total_count=0),
    page(MATCHING, listed(None, updated_at=None), total_count=2),
    page(*[listed(None, updated_at=None)] * 250, total_count=250),
    page(None, 7, [], total_count=3),
    {"data": None, "meta": None},
]


def run(office: Office, emulator: Emulator, content: str) -> Ran:
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write("list.csv", content)
    target = ("--register", emulator.base_url, "--rate-limit", "none", "--give-up-after", "20")
    return office.run("run", "list.csv", *target, "--no-final-check")


def lying(register: Serving, content: object) -> Emulator:
    faults = [Fault(None, Endpoint.LIST, last=None, given=troubles.json_content(200, content))]
    return register(**dict.fromkeys(IDS, "trn_received"), faults=faults)


@pytest.mark.parametrize("lie", LIES)
def test_nobody_is_matched_by_a_list_that_cannot_be_true(
    office: Office, register: Serving, lie: object
) -> None:
    emulator = lying(register, lie)
    ran = run(office, emulator, BY_TRN)
    assert (ran.code, "cannot be found" in ran.err) == (2, True), ran.err
    assert not emulator.received(Endpoint.DEFER)
    assert len(emulator.received()) < 60


@pytest.mark.parametrize("lie", [LIES[0], LIES[3], LIES[7]])
def test_rows_with_an_id_are_read_one_by_one_instead(
    office: Office, register: Serving, lie: object
) -> None:
    emulator = lying(register, lie)
    emulator.register.set_state("id07", "withdrawn")
    ran = run(office, emulator, BY_ID)
    assert ran.summary["counts"] == {
        "succeeded": 24,
        "not_found": 0,
        "unprocessable": 1,
        "unresolved": 0,
    }
    assert "warning: Register's list" in ran.err
