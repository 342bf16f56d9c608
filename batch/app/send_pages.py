"""The pages from a checked list to a run: where, preview, confirm, progress."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from batch import columns
from batch.app.journeys import Journey, Place, Shown
from batch.app.site import Site, journey_of, number_in, on_a_page, see, text_of, words_of, work_of
from batch.app.work import Job, file_as_json
from batch.app.working import Told, Work
from batch.codes import Code
from batch.words import about, days_written_out

ROWS_A_PAGE = 50
NEWS_EVERY_SECONDS = 0.25
_MOST_SAID = 20
_RESULT_PAGES = {"reconcile": "reconciled", "verify": "verified"}
"""The page of what some kinds of work found; the others lead to a run, or to the preview."""

_FIRST_SHOWN = (
    columns.LAST_NAME,
    columns.FIRST_NAMES,
    columns.TRN,
    columns.PROVIDER_TRAINEE_ID,
    columns.HESA_ID,
    columns.TRAINEE_ID,
    columns.DEFER_DATE,
)
"""The columns that the preview shows first: those by which people are recognised."""


# Where


def show_where(site: Site, request: Request, _form: FormData) -> Response:
    """Ask where the list is to be sent."""
    journey = journey_of(site, request)
    with journey.lock:
        return _where_page(site, journey)


def _where_page(
    site: Site, journey: Journey, problem: str = "", wrong: str = "", chosen: int | None = None
) -> Response:
    places = site.places()
    if chosen is None:
        chosen = next((n for n, place in enumerate(places) if place == journey.place), 0)
    return site.page(
        "where",
        status=400 if problem else 200,
        journey=journey,
        found=journey.check(),
        places=places,
        chosen=chosen,
        has_token=all(site.token_for(one.origin) for one in places if not one.is_rehearsal),
        problem=problem,
        wrong=wrong,
    )


def choose_where(site: Site, request: Request, form: FormData) -> Response:
    """Take where the list goes, and the token, and begin to look the trainees up."""
    journey = journey_of(site, request)
    with journey.lock:
        places, chosen = site.places(), number_in(text_of(form, "where"))
        if chosen is None or chosen >= len(places):
            return _where_page(site, journey, "Choose where the list goes.", "where")
        place = places[chosen]
        pasted = text_of(form, "token").strip()
        if not place.is_rehearsal and (words := site.take_token(place.origin, pasted)):
            return _where_page(site, journey, words, "token", chosen)
        journey.place = place
        _look(site, journey, place)
        return see(f"/lists/{journey.id}/preview")


def _look(site: Site, journey: Journey, place: Place) -> None:
    """Begin to look the trainees up. Raises UsageProblem."""
    if journey.looking is not None and not journey.looking.has_ended:
        journey.looking.stop()
    named = site.settings.model_copy(update={"register_name": place.origin})
    journey.settings = named.for_run(again=False, preview=True, final_check=True)
    journey.shown = Shown()
    journey.looking = site.works.start(
        _job(site, journey, "preview", file=file_as_json(journey.original)),
        back=f"/lists/{journey.id}/where",
        title="Looking your trainees up",
        about=journey.name,
    )


def _job(
    site: Site,
    journey: Journey,
    kind: str,
    *,
    file: Mapping[str, Any],
    expected: int | None = None,
) -> Job:
    assert journey.settings is not None
    assert journey.place is not None
    origin = journey.place.origin
    return Job(
        kind,
        str(site.reports_dir),
        site.who(),
        None if journey.place.is_rehearsal else site.token_for(origin),
        journey.settings.as_json(),
        file,
        journey.corrections.as_json() if kind == "preview" and journey.corrections else None,
        expected=expected,
        deliver_to=site.deliver_to,
    )


# Preview


def show_preview(site: Site, request: Request, _form: FormData) -> Response:
    """Show what each row would become, once that is known."""
    journey = journey_of(site, request)
    with journey.lock:
        looking = journey.looking
        if looking is None:
            return see(f"/lists/{journey.id}/where")
        if not looking.has_ended:
            return see(f"/under-way/{looking.id}")
        if looking.failure is not None:
            return site.failed(looking.failure, back=looking.back)
        assert looking.result is not None
        return site.page("preview", journey=journey, **_previewed(looking.result, journey.shown))


def _previewed(found: dict[str, Any], shown: Shown) -> dict[str, Any]:
    """Return the rows of one page, and what the page says of all."""
    own: list[str] = found["columns"]
    first = [own.index(h) for n in _FIRST_SHOWN if (h := found["held_in"].get(n)) in own]
    reason = found["held_in"].get(columns.DEFER_REASON)
    rest = [
        place
        for place, header in enumerate(own)
        if place not in first and not columns.is_blank([header]) and header != reason
    ]
    rows = [row for row in found["rows"] if _is_shown(row, shown)]
    pages = max(1, -(-len(rows) // ROWS_A_PAGE))
    at = min(max(shown.page, 1), pages)
    return {
        "found": found,
        "plan": found["plan"],
        "first": first,
        "rest": rest,
        "own": own,
        "rows": rows[(at - 1) * ROWS_A_PAGE : at * ROWS_A_PAGE],
        "matching": len(rows),
        "at": at,
        "pages": pages,
        "labels": {code: label_of(code) for code in found["codes"]},
        "tally": sorted(found["codes"].items(), key=lambda pair: pair[0] != Code.DEFERRED),
    }


def label_of(code: str) -> str:
    """Return what a row would become, in words."""
    if code == Code.DEFERRED:
        return "Will be sent"
    if code == Code.ANSWER_LOST:
        return "Will be read first"
    return words_of(code)


def _is_shown(row: tuple[Any, ...], shown: Shown) -> bool:
    number, values, code, message, _state = row
    if shown.code and code != shown.code:
        return False
    wanted = shown.search.casefold()
    if not wanted:
        return True
    shown_message = days_written_out(message)
    return any(wanted in str(text).casefold() for text in (number, *values, message, shown_message))


def choose_shown(site: Site, request: Request, form: FormData) -> Response:
    """Take a search, a filter or a page of the preview: no name gets into an address."""
    journey = journey_of(site, request)
    with journey.lock:
        journey.shown = Shown(
            text_of(form, "search").strip()[:200],
            text_of(form, "code"),
            number_in(text_of(form, "page")) or 1,
        )
    return see(f"/lists/{journey.id}/preview#rows")


def look_again(site: Site, request: Request, _form: FormData) -> Response:
    """Look the trainees up once more."""
    journey = journey_of(site, request)
    with journey.lock:
        if journey.place is None:
            return see(f"/lists/{journey.id}/where")
        _look(site, journey, journey.place)
    return see(f"/lists/{journey.id}/preview")


# Confirm


def show_confirm(site: Site, request: Request, _form: FormData) -> Response:
    """Show what will happen, and ask for the number of rows."""
    journey = journey_of(site, request)
    with journey.lock:
        return _confirm_page(site, journey)


def _confirm_page(site: Site, journey: Journey, problem: str = "") -> Response:
    looking = journey.looking
    if looking is None or looking.result is None:
        return see(f"/lists/{journey.id}/preview")
    if journey.sending is not None:
        return see(f"/under-way/{journey.sending.id}")
    return site.page(
        "confirm",
        status=400 if problem else 200,
        journey=journey,
        plan=looking.result["plan"],
        problem=problem,
    )


def confirm(site: Site, request: Request, form: FormData) -> Response:
    """Begin the run, where the number that was typed is that of the rows to send."""
    journey = journey_of(site, request)
    with journey.lock:
        looking = journey.looking
        if looking is None or looking.result is None or journey.sending is not None:
            return _confirm_page(site, journey)
        to_send = int(looking.result["plan"]["to_send"])
        typed = text_of(form, "number").strip().replace(",", "")
        if typed != str(to_send):
            return _confirm_page(site, journey, f"Type {to_send}, the number of rows to send.")
        assert journey.place is not None
        place = journey.place
        journey.sending = site.works.start(
            _job(site, journey, "run", file=looking.result["file"], expected=to_send),
            back=f"/lists/{journey.id}/preview",
            title="Rehearsing" if place.is_rehearsal else f"Sending to {place.name}",
            about=journey.name,
        )
        return see(f"/under-way/{journey.sending.id}")


# Progress


def show_work(site: Site, request: Request, _form: FormData) -> Response:
    """Show how far some work is, or lead on to what it found."""
    work = work_of(site, request)
    if work.failure is not None:
        _journey_can_go_on(site, work)
        return site.failed(work.failure, back=work.back)
    if work.result is None:
        return site.page("progress", work=work, told=work.told, left=left_of(work.told))
    if work.kind == "preview":
        return see(work.back.replace("/where", "/preview"))
    if work.kind in _RESULT_PAGES:
        return site.page(_RESULT_PAGES[work.kind], work=work, found=work.result)
    run_id = work.result.get("run_id")
    site.said[str(run_id)] = [*work.result.get("warnings", ()), *_lasting(work.told.warnings)]
    _forget(site, work)
    return see(f"/runs/{run_id}" if run_id else "/")


def _lasting(warnings: list[str]) -> list[str]:
    """Return the warnings that still matter once the work has ended: not that it is ending."""
    return [words for words in warnings if "Waiting for replies" not in words][:_MOST_SAID]


def _journey_can_go_on(site: Site, work: Work) -> None:
    for journey in site.journeys.all():
        if journey.sending is work:
            journey.sending = journey.looking = None


def _forget(site: Site, work: Work) -> None:
    """End the journey of a run that is finished: its files go."""
    for journey in site.journeys.all():
        if journey.sending is work:
            site.works.forget(journey.looking)
            site.journeys.end(journey)


def stop(site: Site, request: Request, _form: FormData) -> Response:
    """End some work after the rows under way."""
    work = work_of(site, request)
    work.stop()
    return see(f"/under-way/{work.id}")


def answer(site: Site, request: Request, form: FormData) -> Response:
    """Pass on the number that was typed to work that asks for it."""
    work = work_of(site, request)
    question = work.told.question
    if question is None:
        return see(f"/under-way/{work.id}")
    to_send = int(question["to_send"])
    if text_of(form, "number").strip().replace(",", "") != str(to_send):
        problem = f"Type {to_send}, the number of rows to send."
        return site.page(
            "progress", status=400, work=work, told=work.told, left="", problem=problem
        )
    work.answer(to_send)
    return see(f"/under-way/{work.id}")


def events(site: Site, request: Request) -> Response:
    """Return a stream that tells a page each time that it has something new to show."""
    work = work_of(site, request)

    async def news() -> AsyncIterator[bytes]:
        last = -1
        while not site.is_ending:
            if work.told.changes != last:
                last = work.told.changes
                yield f"data: {json.dumps(progress_of(work))}\n\n".encode()
                if work.has_ended or work.told.question is not None:
                    return
            await asyncio.sleep(NEWS_EVERY_SECONDS)

    return StreamingResponse(news(), media_type="text/event-stream")


def left_of(told: Told) -> str:
    """Return the time left and why nothing moves, or how far a look has come, in words."""
    if told.looking or told.is_settled:
        return told.looking
    left = f"{about(told.seconds_left)} left" if told.seconds_left else ""
    return "; ".join(part for part in (left, told.waits) if part)


def progress_of(work: Work) -> dict[str, Any]:
    """Return what the script of the page of progress shows."""
    told = work.told
    return {
        "ended": work.has_ended or told.question is not None,
        "rows": told.rows,
        "done": told.done,
        "counts": told.counts,
        "left": left_of(told),
        "warnings": [on_a_page(words) for words in told.warnings[-5:]],
        "is_settled": told.is_settled,
        "is_stopping": work.is_stopping,
    }
