"""The pages of runs: what can be done with one, and what stands in the way."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest

from batch.app.site import on_a_page
from batch.emulator.server import Emulator
from batch.record import locks
from tests.app.test_journey import ONE_WRONG, TWO, to_register
from tests.support import troubles
from tests.support.office import TOKEN
from tests.support.pages import Pages, heading
from tests.support.waiting import until

Serving = Callable[..., Emulator]


def rehearsed(pages: Pages, content: str = TWO, number: int = 2) -> str:
    """Rehearse a list; return the address of its run."""
    journey = pages.begin(content)
    pages.columns(journey)
    pages.looked_up(journey)
    pages.sent(journey, number)
    return f"/runs/{max(pages.reports.glob('2*')).name}"


def sent_to(pages: Pages, emulator: Emulator, content: str = TWO, number: int = 2) -> str:
    to_register(pages, emulator)
    journey = pages.begin(content)
    pages.columns(journey)
    pages.looked_up(journey, "3", TOKEN)
    return pages.sent(journey, number)


def test_a_report_is_proved_and_a_changed_one_is_not(pages: Pages) -> None:
    run = rehearsed(pages)
    assert heading(pages.worked(f"{run}/verify")) == "The report is proved"
    (pages.reports / run.removeprefix("/runs/") / "succeeded.csv").write_text("x")
    assert heading(pages.worked(f"{run}/verify")) == "The report differs"
    pages.worked(f"{run}/report")
    assert heading(pages.worked(f"{run}/verify")) == "The report is proved"


def test_the_rows_to_correct_go_straight_to_the_check(pages: Pages) -> None:
    run = rehearsed(pages, ONE_WRONG, 1)
    assert "Correct rows" in pages.get(run)
    page = pages.post(f"{run}/correct", {"file": "to-correct.xlsx"})
    assert heading(page) == "You need to correct 2 rows"


def test_the_rows_that_were_not_found_can_be_corrected(pages: Pages, register: Serving) -> None:
    sent_to(pages, register(abc="trn_received"), number=1)
    run = f"/runs/{next(pages.reports.glob('2*')).name}"
    assert "Correct the row that was not found" in pages.get(run)
    page = pages.post(f"{run}/correct", {"file": "not_found.csv"})
    assert 'value="def"' in page


@pytest.mark.parametrize("name", ["", "journal.db", "../journal.db", "summary.json"])
def test_nothing_else_of_a_run_can_be_taken(pages: Pages, name: str) -> None:
    run = rehearsed(pages)
    page = pages.post(f"{run}/correct", {"file": name})
    assert heading(page) == "This page is not here"


def test_register_is_asked_whether_a_run_still_stands(pages: Pages, register: Serving) -> None:
    emulator = register(abc="trn_received", **{"def": "trn_received"})
    sent_to(pages, emulator)
    run = f"/runs/{next(pages.reports.glob('2*')).name}"
    troubles.others_act(emulator.register, "def", (troubles.Reinstating(),))
    pages.post(f"{run}/reconcile")
    work = pages.path
    until(lambda: not pages.works())
    assert heading(pages.get(work)) == "1 row differs from the report"


def test_old_runs_are_deleted_once_that_was_agreed_to(pages: Pages) -> None:
    run = rehearsed(pages).removeprefix("/runs/")
    with closing(sqlite3.connect(pages.reports / "journal.db")) as journal, journal:
        journal.execute("UPDATE runs SET started_at='2020-01-01T00:00:00.000Z'")
    assert run in pages.post("/purge", {"days": "90"})
    assert (pages.reports / run).is_dir()
    pages.post("/purge", {"days": "90", "agreed": "90"})
    assert not (pages.reports / run).exists()


def test_an_age_that_is_no_number_deletes_nothing(pages: Pages) -> None:
    assert "such as 90" in pages.post("/purge", {"days": "x", "agreed": "x"})


def test_another_run_under_way_is_a_page(pages: Pages, register: Serving) -> None:
    emulator = register(abc="trn_received", **{"def": "trn_received"})
    with locks.one_run_at_a_time(emulator.base_url, run_id="another", since="now"):
        to_register(pages, emulator)
        journey = pages.begin(TWO)
        pages.columns(journey)
        assert heading(pages.looked_up(journey, "3", TOKEN)) == "Another run is under way"


def stopped(pages: Pages, register: Serving) -> str:
    """Return the address of a run whose second row has no answer."""
    hung = troubles.hanging("def", processed=False)
    emulator = register(abc="trn_received", faults=[hung], **{"def": "trn_received"})
    told = {"timeout": 2.0, "lost_answer_wait": 1.0}
    pages.site.settings = pages.site.settings.model_copy(update=told)
    to_register(pages, emulator)
    journey = pages.begin(TWO)
    pages.columns(journey)
    pages.looked_up(journey, "3", TOKEN)
    pages.post(f"{journey}/confirm", {"number": "2"})
    (work,) = pages.works()
    until(lambda: work.told.has_begun)
    pages.post(f"/under-way/{work.id}/stop")
    work.wait()
    pages.get(f"/under-way/{work.id}")
    return f"/runs/{next(pages.reports.glob('2*')).name}"


def test_a_run_is_stopped_after_the_rows_under_way(pages: Pages, register: Serving) -> None:
    run = pages.reports / stopped(pages, register).removeprefix("/runs/")
    assert json.loads((run / "summary.json").read_text("utf-8"))["exit_code"] == 130


@pytest.mark.parametrize("deed", ["continue", "close", "reconcile"])
def test_what_asks_register_asks_for_a_token_first(
    pages: Pages, register: Serving, deed: str
) -> None:
    sent_to(pages, register(abc="trn_received", **{"def": "trn_received"}))
    run = f"/runs/{next(pages.reports.glob('2*')).name}"
    pages.site._tokens.clear()
    page = pages.get(f"{run}/{deed}")
    assert "The token for" in page
    if deed != "close":
        assert "Paste the token" in pages.post(f"{run}/{deed}")


def test_without_a_run_the_start_page_says_so(pages: Pages) -> None:
    assert "None yet" in pages.get("/")


@pytest.mark.parametrize(
    ("words", "instead"),
    [
        ("Interrupted (SIGINT). No more; press Ctrl-C to quit now.", "It was stopped. No more."),
        ("Run `defer-batch resume x --reports-dir 'a b'`: it asks.", "Continue this run: it asks."),
        ("Nothing.", "Nothing."),
    ],
)
def test_a_page_says_no_signal_and_no_command(words: str, instead: str) -> None:
    assert on_a_page(words) == instead
