"""Register's list of trainees: who is in it, in which order, on which page."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any
from urllib.parse import quote

import pytest

from batch.emulator.list_endpoint import listed
from batch.emulator.replies import Response
from batch.emulator.trainees import Trainee

NOW = dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC).timestamp()
FIVE = tuple(Trainee(f"T{n}", updated_at=float(n)) for n in range(5))
PEOPLE = (
    Trainee("In", itt_start_date="2026-09-10", trn="1234567"),
    Trainee("Soon", itt_start_date="2027-01-10", provider_trainee_id="1234567"),
    Trainee("Old", itt_start_date="2024-09-10", trainee_start_date="2024-09-12"),
    Trainee("Off", state="deferred", updated_at=1_700_000_000.0),
    Trainee("New", state="draft"),
    Trainee("Gone", is_discarded=True),
    Trainee("Nowhere", has_start_cycle=False),
)


def ids(query: str, trainees: tuple[Trainee, ...] = PEOPLE) -> list[str]:
    return [row["trainee_id"] for row in content(listed(trainees, query, NOW)).get("data", [])]


def content(reply: Response) -> Any:
    return json.loads(reply.body)


def test_newest_update_comes_first_unless_asc_is_asked_for() -> None:
    assert ids("per_page=2&page=2", FIVE) == ["T2", "T1"]
    assert ids("sort_order=desc&per_page=1", FIVE) == ["T4"]
    assert ids("sort_order=asc&per_page=2", FIVE) == ids("sort_order=&per_page=2", FIVE)
    assert ids("sort_order=asc&per_page=2", FIVE) == ["T0", "T1"]


def test_equal_times_are_in_the_order_of_registers_own_numbers() -> None:
    same = (Trainee("B"), Trainee("A"))
    assert (ids("sort_order=asc", same), ids("", same)) == (["B", "A"], ["A", "B"])


def test_meta_counts_what_passes_and_its_pages() -> None:
    assert content(listed(FIVE, "per_page=2&page=3", NOW))["meta"] == {
        "current_page": 3,
        "total_pages": 3,
        "total_count": 5,
        "per_page": 2,
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["Off", "Soon", "In"]),
        ("academic_cycle=", ["Off", "Soon", "In"]),
        ("academic_cycle=2024", ["Old"]),
        ("status=in_training", ["In"]),
        ("status=course_not_yet_started", ["Soon"]),
        ("status[]=deferred&status[]=in_training", ["Off", "In"]),
        ("status[]=nonsense", ["Off", "Soon", "In"]),
        ("since=2023-01-01", ["Off"]),
        ("since=2023-11-14T22:13:20Z", ["Off"]),
        ("has_trn=true", ["In"]),
        ("has_trn=1", ["Off", "Soon"]),
        ("has_trn=", ["Off", "Soon"]),
        ("trn=1234567", ["Off", "Soon", "In"]),
        ("text_search=1234567", ["Soon", "In"]),
    ],
)
def test_list_is_filtered(query: str, expected: list[str]) -> None:
    assert ids(query) == expected


@pytest.mark.parametrize(
    "query",
    [
        *("per_page=0", "per_page=", "per_page=many", "page=2", "page=9223372036854775807"),
        *("since=", "since=2030-01-01", "academic_cycle=2023", "status=withdrawn"),
    ],
)
def test_list_with_nobody_is_a_404(query: str) -> None:
    reply = listed(PEOPLE, query, NOW)
    assert reply.status == 404
    assert content(reply)["errors"] == [{"error": "NotFound", "message": "No trainees found"}]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sort_order", "ASC"),
        ("since", "01/10/2026"),
        ("since", "soon"),
        ("academic_cycle", "1999"),
        ("academic_cycle", "2031"),
        ("academic_cycle", "9" * 5000),
        ("status", "draft"),
        ("status", "trn_received"),
    ],
)
def test_bad_parameter_is_refused_by_its_name(name: str, value: str) -> None:
    reply = listed(PEOPLE, f"{name}={quote(value)}", NOW)
    assert reply.status == 422
    assert list(content(reply)["errors"]) == [name]


def test_all_bad_parameters_are_refused_together() -> None:
    reply = listed(PEOPLE, "since=x&status=x&sort_order=x&academic_cycle=x", NOW)
    assert set(content(reply)["errors"]) == {"since", "status", "sort_order", "academic_cycle"}
    assert "4 errors" in content(reply)["message"]


@pytest.mark.parametrize("query", ["page", "per_page"])
def test_number_beyond_the_database_fails(query: str) -> None:
    assert listed(PEOPLE, f"{query}={'9' * 20}", NOW).status == 500


@pytest.mark.parametrize("page", ["0", "-1", "x", ""])
def test_page_that_is_none_is_the_first(page: str) -> None:
    assert content(listed(FIVE, f"page={page}", NOW))["meta"]["current_page"] == 1


def test_current_cycle_turns_over_in_august() -> None:
    begun = (Trainee("In", itt_start_date="2026-09-10"),)
    july = dt.datetime(2027, 7, 31, 12, tzinfo=dt.UTC).timestamp()
    assert listed(begun, "", july).status == 200
    assert listed(begun, "", july + 86_400).status == 404


def test_each_row_is_the_whole_trainee() -> None:
    row = content(listed(PEOPLE, "status=in_training", NOW))["data"][0]
    assert {"trn", "hesa_id", "date_of_birth", "reinstate_date", "updated_at", "ukprn"} <= {*row}
