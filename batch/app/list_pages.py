"""The pages of a list: start, which column is what, check and correct."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from batch import columns
from batch.app.journeys import Journey, proposed, proposed_date_format
from batch.app.lists import CheckedList, ShownRow, is_changed
from batch.app.run_pages import TO_CORRECT, TO_CORRECT_FROM, run_of
from batch.app.site import Site, given_file, journey_of, number_in, see, text_of
from batch.codes import Code
from batch.commands.runs import listed_runs
from batch.emulator.rehearsal import known_sample
from batch.errors import UnknownRun, UnusableFile, UsageProblem
from batch.intake import dates
from batch.intake.outline import Outline

ROWS_A_PAGE = 25
_CELL = re.compile(r"r(\d{1,7})c(\d{1,5})", re.ASCII)

NAMES = {
    columns.TRAINEE_ID: "Register’s own id",
    columns.TRN: "TRN",
    columns.HESA_ID: "HESA id",
    columns.PROVIDER_TRAINEE_ID: "Your own student number",
    columns.DEFER_DATE: "Date of deferral",
    columns.DEFER_REASON: "Reason",
    columns.LAST_NAME: "Last name",
    columns.FIRST_NAMES: "First names",
    columns.DATE_OF_BIRTH: "Date of birth",
}
"""What a page calls the names of columns."""

_GROUPS = (
    ("What is sent", (columns.DEFER_DATE, columns.DEFER_REASON), ""),
    ("Who the trainee is", columns.NAMING, "At least one of these is needed."),
    (
        "Compared with Register",
        columns.COMPARED,
        "Not needed. They keep a wrong number from deferring somebody else.",
    ),
)


def start(site: Site, _request: Request, _form: FormData) -> Response:
    """Show where a journey begins, and the runs before it."""
    return _start_page(site)


def _start_page(site: Site, problem: str = "") -> Response:
    return site.page(
        "start",
        status=400 if problem else 200,
        runs=listed_runs(site.reports_dir),
        reports_dir=site.reports_dir.resolve(),
        problem=problem,
    )


def take(site: Site, _request: Request, form: FormData) -> Response:
    """Begin a journey with the file that was given."""
    given = given_file(form)
    if given is None:
        return _start_page(site, "Choose a list: a .csv or .xlsx file.")
    name, data = given
    return _begun(site, name, data)


def take_sample(site: Site, _request: Request, _form: FormData) -> Response:
    """Begin a journey with a small list of trainees that the rehearsal knows."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns.KNOWN)
    for number, trainee in enumerate(known_sample()[:30]):
        day = "14/13/2026" if number == 4 else f"2026-10-{number % 28 + 1:02}"
        writer.writerow((trainee.trainee_id, day, "" if number % 3 else "Asked for a break"))
    return _begun(site, "sample.csv", text.getvalue().encode())


def template(_site: Site, _request: Request, _form: FormData) -> Response:
    """Return an empty list with the right header."""
    content = f"\ufeff{columns.TRN},{columns.DEFER_DATE},{columns.DEFER_REASON}\r\n"
    return _download(content.encode(), "deferrals.csv", "text/csv")


def _begun(site: Site, name: str, data: bytes) -> Response:
    journey = site.journeys.begin(name, data, date_format=site.settings.date_format)
    return see(f"/lists/{journey.id}/columns")


def take_what_is_to_correct(site: Site, request: Request, form: FormData) -> Response:
    """Begin a journey with the rows of a run that a person can correct."""
    with run_of(site, request) as (listed, _ledger):
        run, folder = listed.run, listed.folder
    name = text_of(form, "file")
    source = folder / name
    if name not in TO_CORRECT_FROM or not source.is_file() or source.is_symlink():
        raise UnknownRun("no such file")
    journey = site.journeys.begin(source.name, source.read_bytes(), date_format=run.date_format)
    journey.name = run.input_name
    journey.was_not_found = name != TO_CORRECT
    headers = {one.header for one in journey.outline().columns}
    journey.chosen = {name: run.held_in.get(name, "") for name in columns.ALIASES}
    if not set(run.held_in.values()) <= headers:
        journey.chosen = {}
    return see(f"/lists/{journey.id}/check?rows=all")


# Your list


def show_columns(site: Site, request: Request, _form: FormData) -> Response:
    """Ask which column is what."""
    journey = journey_of(site, request)
    with journey.lock:
        return _columns_page(site, journey)


def _columns_page(site: Site, journey: Journey, problem: UnusableFile | None = None) -> Response:
    try:
        outline = journey.outline()
    except UnusableFile as error:
        site.journeys.end(journey)
        raise error from None
    chosen = journey.chosen or proposed(outline)
    date_format = journey.date_format
    if not journey.chosen:
        date_format = proposed_date_format(outline, chosen[columns.DEFER_DATE], date_format)
    return site.page(
        "columns",
        status=200 if problem is None else 400,
        journey=journey,
        outline=outline,
        groups=_GROUPS,
        names=NAMES,
        chosen={name: _place_of(outline, header) for name, header in chosen.items()},
        date_format=date_format,
        understood=_understood(outline, chosen[columns.DEFER_DATE], date_format),
        problem=problem,
    )


def _place_of(outline: Outline, header: str) -> int | None:
    return next((one.place for one in outline.columns if header and one.header == header), None)


def _understood(outline: Outline, header: str, date_format: str) -> list[tuple[str, str]]:
    """Return the first dates of the column: as they are written, and as they are understood."""
    samples = [v for one in outline.columns if one.header == header for v in one.samples]
    found = [(value, dates.parsed(value, date_format)) for value in samples]
    return [(value, f"{day.day} {day:%B %Y}" if day else "no date") for value, day in found]


def choose_columns(site: Site, request: Request, form: FormData) -> Response:
    """Take which column is what, and check the list."""
    journey = journey_of(site, request)
    with journey.lock:
        sheet = text_of(form, "sheet")
        if sheet in journey.outline().fitting and sheet != journey.outline().sheet:
            journey.sheet, journey.chosen = sheet, {}
            journey.forget_the_check(outline=True)
            return see(f"/lists/{journey.id}/columns")
        outline = journey.outline()
        journey.sheet = outline.sheet
        hidden = text_of(form, "hidden_rows")
        journey.hidden_rows = hidden if hidden in {"include", "skip"} else None
        date_format = text_of(form, "date_format")
        journey.date_format = date_format if date_format in {"iso", "dmy"} else "iso"
        journey.chosen = _chosen(outline, form)
        journey.undo()
        journey.forget_the_check()
        try:
            _refuse_what_is_missing(journey, outline)
            journey.check()
        except UnusableFile as error:
            return _columns_page(site, journey, error)
        if text_of(form, "look"):  # only shows the dates as they are understood now
            return see(f"/lists/{journey.id}/columns")
        return see(f"/lists/{journey.id}/check")


def _chosen(outline: Outline, form: FormData) -> dict[str, str]:
    """Return which header holds which name: a page knows columns by their place alone."""
    chosen = {}
    for name in columns.ALIASES:
        place = number_in(text_of(form, name))
        header = None if place is None else outline.header_at(place)
        chosen[name] = (header or "").strip(columns.SPACES)
    return chosen


def _refuse_what_is_missing(journey: Journey, outline: Outline) -> None:
    """Raise UnusableFile in words for this page, where the terminal's would name options."""
    chosen = [header for header in journey.chosen.values() if header]
    twice = next((header for header in chosen if chosen.count(header) > 1), None)
    if not journey.chosen[columns.DEFER_DATE]:
        raise UnusableFile("Choose the column that holds the date of deferral.")
    if not any(journey.chosen[name] for name in columns.NAMING):
        raise UnusableFile("Choose at least one column that says who the trainee is.")
    if twice is not None:
        raise UnusableFile(f"The column “{twice}” is chosen twice. Choose it once.")
    if outline.hidden_rows and journey.hidden_rows is None:
        raise UnusableFile("Say what to do with the hidden rows.")


# Check


def show_check(site: Site, request: Request, _form: FormData) -> Response:
    """Show what can be sent, and the rows to correct."""
    journey = journey_of(site, request)
    with journey.lock:
        if not journey.chosen:
            return see(f"/lists/{journey.id}/columns")
        found = journey.check()
        if not found.rows and not journey.corrections:
            site.journeys.end(journey)
            raise UsageProblem(f"{journey.name} has a header and no rows: there is nothing to do")
        return site.page("check", journey=journey, **_to_correct(found, request))


def _to_correct(found: CheckedList, request: Request) -> dict[str, Any]:
    """Return the rows of one page, and what the page says of all: those with problems, or any."""
    shows_all = request.query_params.get("rows") == "all"
    count = found.rows if shows_all else len(found.to_correct)
    pages = max(1, -(-count // ROWS_A_PAGE))
    at = min(number_in(request.query_params.get("page")) or 1, pages)
    first = (at - 1) * ROWS_A_PAGE
    rows = (
        found.any_rows(first, ROWS_A_PAGE)
        if shows_all
        else list(found.rows_of(found.to_correct[first : first + ROWS_A_PAGE]).values())
    )
    used = sorted(found.places.values())
    hidden = {*(columns.origin_places(found.headers) or ()), *found.layout.left_out[1:]}
    with_problem = {cell.place for row in rows for cell in row.cells if cell.messages}
    return {
        "found": found,
        "rows": rows,
        "used": [p for p in range(len(found.headers)) if p in {*used, *with_problem}],
        "others": [
            p
            for p, header in enumerate(found.headers)
            if p not in {*used, *with_problem, *hidden} and not columns.is_blank([header])
        ],
        "is_unusual": found.has(Code.UNUSUAL_DEFER_DATE),
        "at": at,
        "pages": pages,
        "shows_all": shows_all,
    }


def correct(site: Site, request: Request, form: FormData) -> Response:
    """Take what was corrected, check the list again, and show what is left."""
    journey = journey_of(site, request)
    with journey.lock:
        if text_of(form, "undo"):
            journey.undo()
            return see(f"/lists/{journey.id}/check")
        if text_of(form, "sheet") not in {"", journey.sheet}:
            raise UsageProblem("another sheet of this workbook was chosen since, in another window")
        _take_corrections(journey, form)
        if unusual := text_of(form, "unusual"):
            journey.allow_unusual_dates = unusual == "yes"
            journey.forget_the_check()
        left = journey.check()
        if text_of(form, "go_on"):
            return see(f"/lists/{journey.id}/where")
        if text_of(form, "shows_all") and not left.to_correct:
            return see(f"/lists/{journey.id}/check?rows=all#result")
        return see(f"/lists/{journey.id}/check#result")


def _take_corrections(journey: Journey, form: FormData) -> None:
    """Take the values of a form, and the ticks of rows that it shows: others stay as they are."""
    values = {
        (int(where[1]), int(where[2])): value
        for name, value in form.multi_items()
        if isinstance(value, str) and (where := _CELL.fullmatch(name))
    }
    shown = _rows_in(form, "shown")
    rows = journey.check().rows_of({row for row, _ in values} | shown)
    for (number, place), value in values.items():
        _correct_one(journey, rows.get(number), place, value)
    left_out = journey.corrections.left_out
    ticked = _rows_in(form, "leave_out") & shown & (rows.keys() | left_out)
    journey.leave_out((left_out - shown) | ticked)


def _rows_in(form: FormData, name: str) -> set[int]:
    return {row for told in form.getlist(name) if (row := number_in(told)) is not None}


def _correct_one(journey: Journey, row: ShownRow | None, place: int, value: str) -> None:
    """Take one value, where the list has that row and the value is another one."""
    cell = next((one for one in row.cells if one.place == place), None) if row else None
    if row is not None and cell is not None and is_changed(cell.value, value):
        journey.correct(row.number, place, value)


def download_corrected(site: Site, request: Request, _form: FormData) -> Response:
    """Return the list as it is corrected now."""
    journey = journey_of(site, request)
    with journey.lock:
        path = journey.as_corrected()
        stem = re.sub(r"[^A-Za-z0-9]+", "-", Path(journey.name).stem).strip("-") or "list"
        kind = "text/csv" if path.suffix == ".csv" else "application/vnd.ms-excel"
        return _download(path.read_bytes(), f"{stem}-corrected{path.suffix}", kind)


def _download(content: bytes, name: str, kind: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, headers=headers, media_type=kind)
