"""Register's list of trainees: one page, filtered and sorted.

Pure. Source: register/API.md, "List trainees".
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from urllib.parse import parse_qs

from batch.emulator import replies
from batch.emulator.replies import Reply
from batch.emulator.trainees import Trainee, as_seen, instant

PER_PAGE = 50


def listed(trainees: Iterable[Trainee], query: str, now: float) -> Reply:
    """Answer a request for the list; `now` is Unix seconds and decides the current cycle."""
    wanted = parse_qs(query)
    today = instant(now).date()
    cycle = _number(wanted, "academic_cycle", academic_cycle(today))
    statuses = set(wanted.get("status", []) + wanted.get("status[]", []))
    found = [
        trainee
        for trainee in trainees
        if academic_cycle(_started(trainee, today)) == cycle
        and (not statuses or status_of(trainee, today) in statuses)
        and _since(trainee, wanted)
    ]
    found.sort(key=lambda trainee: trainee.updated_at, reverse=wanted.get("sort_order") != ["asc"])
    return _page(found, _number(wanted, "page", 1), _number(wanted, "per_page", PER_PAGE))


def academic_cycle(day: dt.date) -> int:
    """Return the year in which the day's academic cycle began (August)."""
    first_month = 8
    return day.year if day.month >= first_month else day.year - 1


def status_of(trainee: Trainee, today: dt.date) -> str:
    """Return the status that the list filters by; it is coarser than the state."""
    if trainee.state in {"deferred", "awarded", "withdrawn"}:
        return trainee.state
    return "course_not_yet_started" if _started(trainee, today) > today else "in_training"


def _page(found: list[Trainee], page: int, per_page: int) -> Reply:
    first = (max(page, 1) - 1) * max(per_page, 1)
    rows = found[first : first + max(per_page, 1)]
    if not rows:
        return replies.not_found("No trainees found")
    meta = {
        "current_page": page,
        "total_pages": -(-len(found) // max(per_page, 1)),
        "total_count": len(found),
        "per_page": per_page,
    }
    return replies.answered({"data": [as_seen(trainee) for trainee in rows], "meta": meta})


def _started(trainee: Trainee, today: dt.date) -> dt.date:
    return dt.date.fromisoformat(trainee.itt_start_date) if trainee.itt_start_date else today


def _since(trainee: Trainee, wanted: dict[str, list[str]]) -> bool:
    try:
        since = dt.datetime.fromisoformat(wanted.get("since", [""])[0])
    except ValueError:
        return True
    return instant(trainee.updated_at) >= (since if since.tzinfo else since.replace(tzinfo=dt.UTC))


def _number(wanted: dict[str, list[str]], name: str, otherwise: int) -> int:
    given = wanted.get(name, [""])[0]
    return int(given) if given.isdecimal() else otherwise
