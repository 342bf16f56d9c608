"""Register's list of trainees: one page, filtered and sorted.

Pure. Source: register/API.md, "List trainees", and the recorded lists.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from urllib.parse import parse_qs

from msgspec import Struct

from batch.emulator import replies
from batch.emulator.replies import Response
from batch.emulator.trainees import Trainee, as_seen, instant

PER_PAGE = 50
PER_PAGE_BELOW_NOTHING = 100
"""What Register takes a negative `per_page` for."""
FIRST_CYCLE, CYCLES_AHEAD = 2010, 3
"""The academic cycles that the server knows: any other year is refused (422)."""
LARGEST_NUMBER = 2**63 - 1
"""What the database can count to; Register fails (500) on a larger `page` or `per_page`."""
STATUSES = frozenset(
    {"course_not_yet_started", "in_training", "deferred", "awarded", "withdrawn"},
)
ORDERS = {"asc", "desc"}
NOBODY = "No trainees found"


class Filter(Struct, frozen=True):
    """Who is in a list; None means that everybody passes. `status` holds every status wanted."""

    cycle: int
    status: frozenset[str] | None
    since: dt.datetime | None
    has_trn: bool | None
    text: str | None

    def passes(self, trainee: Trainee, today: dt.date) -> bool:
        """Whether the trainee is in the list."""
        return (
            trainee.is_listed
            and academic_cycle(_started(trainee) or today) == self.cycle
            and (self.status is None or status_of(trainee, today) in self.status)
            and (self.since is None or instant(trainee.updated_at) >= self.since)
            and (self.has_trn is None or (trainee.trn is not None) == self.has_trn)
            and (self.text is None or self.text in {trainee.trn, trainee.provider_trainee_id})
        )


def listed(trainees: Iterable[Trainee], query: str, now: float) -> Response:
    """Answer a request for the list; `now` is Unix seconds and decides the current cycle.

    `trainees` stand in the order of Register's own numbers, which decides between equal times.
    """
    wanted = parse_qs(query, keep_blank_values=True)
    today = instant(now).date()
    if errors := _errors(wanted, today):
        return replies.list_refused(errors)
    page, per_page = max(_number(wanted, "page", 1), 1), _number(wanted, "per_page", PER_PAGE)
    if "academic_cycle[]" in wanted or max(page, per_page) > LARGEST_NUMBER:
        return replies.failed()
    if per_page == 0 or wanted.get("since", ["-"])[-1] == "":
        return replies.not_found(NOBODY)
    chosen = _filter(wanted, today)
    found = [trainee for trainee in trainees if chosen.passes(trainee, today)]
    found.sort(key=lambda trainee: trainee.updated_at)
    if _last(wanted, "sort_order", "desc") == "desc":
        found.reverse()
    return _page(found, page, per_page if per_page > 0 else PER_PAGE_BELOW_NOTHING)


def academic_cycle(day: dt.date) -> int:
    """Return the year in which the day's academic cycle began (August)."""
    first_month = 8
    return day.year if day.month >= first_month else day.year - 1


def status_of(trainee: Trainee, today: dt.date) -> str | None:
    """Return the status that the list filters by: coarser than the state, None where none fits."""
    if trainee.state in {"deferred", "awarded", "withdrawn"}:
        return trainee.state
    if trainee.itt_start_date is None:
        return None
    begins = dt.date.fromisoformat(trainee.itt_start_date)
    return "course_not_yet_started" if begins > today else "in_training"


_Query = dict[str, list[str]]


def _errors(wanted: _Query, today: dt.date) -> dict[str, list[str]]:
    errors = {}
    if (status := _last(wanted, "status")) and status not in STATUSES:
        errors["status"] = [f"{status} is not a valid status"]
    if (since := _last(wanted, "since")) and _moment(since) is None:
        errors["since"] = [f"{since} is not a valid date"]
    if (cycle := _last(wanted, "academic_cycle")) and _cycle(cycle, today) is None:
        errors["academic_cycle"] = [f"{cycle} is not a valid academic cycle year"]
    if (order := _last(wanted, "sort_order")) and order not in ORDERS:
        errors["sort_order"] = ["is not included in the list"]
    return errors


def _filter(wanted: _Query, today: dt.date) -> Filter:
    cycle = _cycle(_last(wanted, "academic_cycle"), today)
    statuses = STATUSES.intersection(wanted.get("status", []) + wanted.get("status[]", []))
    return Filter(
        cycle=academic_cycle(today) if cycle is None else cycle,
        status=statuses or None,
        since=_moment(_last(wanted, "since")),
        has_trn=_last(wanted, "has_trn") == "true" if "has_trn" in wanted else None,
        text=_last(wanted, "text_search") or None,
    )


def _page(found: list[Trainee], page: int, per_page: int) -> Response:
    rows = found[(page - 1) * per_page : page * per_page]
    if not rows:
        return replies.not_found(NOBODY)
    meta = {
        "current_page": page,
        "total_pages": -(-len(found) // per_page),
        "total_count": len(found),
        "per_page": per_page,
    }
    return replies.answered({"data": [as_seen(trainee) for trainee in rows], "meta": meta})


def _started(trainee: Trainee) -> dt.date | None:
    started = trainee.trainee_start_date or trainee.itt_start_date
    return dt.date.fromisoformat(started) if started else None


def _moment(text: str) -> dt.datetime | None:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _cycle(text: str, today: dt.date) -> int | None:
    year = int(text) if re.fullmatch(r"\d{4}", text, re.ASCII) else 0
    return year if FIRST_CYCLE <= year <= academic_cycle(today) + CYCLES_AHEAD else None


def _number(wanted: _Query, name: str, otherwise: int) -> int:
    """Return the number that the value begins with, 0 where it begins with none."""
    if name not in wanted:
        return otherwise
    digits = re.match(r"\s*([-+]?\d{1,30})", wanted[name][-1], re.ASCII)
    return int(digits[1]) if digits else 0


def _last(wanted: _Query, name: str, otherwise: str = "") -> str:
    return wanted.get(name, [otherwise])[-1]
