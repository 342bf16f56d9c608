"""The pages of runs: what can be done with one, and what stands in the way."""

from __future__ import annotations

import errno
import importlib
import json
import os
import re
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from batch import files
from batch.app import working
from batch.app.site import on_a_page
from batch.app.working import Work
from batch.codes import TABLE, Attention, Code
from batch.emulator.server import Emulator
from batch.record import locks
from batch.roster import identity
from tests.app.test_journey import ONE_WRONG, TWO, to_register
from tests.support import troubles
from tests.support.office import TOKEN
from tests.support.pages import Pages, heading
from tests.support.terminals import posix_only
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


def warnings_of(page: str) -> list[str]:
    return re.findall(r'class="warning">.*?<span>(.*?)</span></p>', page, re.DOTALL)


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


def test_the_rows_that_were_not_found_can_be_corrected_and_sent(
    pages: Pages, register: Serving
) -> None:
    emulator = register(abc="trn_received", ghi="trn_received")
    sent_to(pages, emulator, number=1)
    run = f"/runs/{next(pages.reports.glob('2*')).name}"
    assert "Correct the row that was not found" in pages.get(run)
    page = pages.post(f"{run}/correct", {"file": "not_found.csv"})
    assert "did not know these trainees" in page
    journey = pages.path.rsplit("/", 1)[0]
    pages.post(f"{journey}/check", {"r2c0": "ghi", "shown": "2"})
    pages.looked_up(journey, "3", TOKEN)
    pages.sent(journey, 1)
    assert emulator.register.trainee("ghi").state == "deferred"  # type: ignore[union-attr]


def test_where_every_trainee_was_found_no_such_rows_are_offered(pages: Pages) -> None:
    run = rehearsed(pages, ONE_WRONG, 1)
    assert "not found</button>" not in pages.get(run)


def test_nothing_else_of_a_run_can_be_taken(pages: Pages) -> None:
    run = rehearsed(pages)
    for name in ("", "journal.db", "../journal.db", "summary.json"):
        page = pages.post(f"{run}/correct", {"file": name})
        assert heading(page) == "This page is not here", name


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


def test_what_asks_register_asks_for_a_token_first(pages: Pages, register: Serving) -> None:
    sent_to(pages, register(abc="trn_received", **{"def": "trn_received"}))
    run = f"/runs/{next(pages.reports.glob('2*')).name}"
    pages.site._tokens.clear()
    for deed in ("continue", "close", "reconcile"):
        assert "The token for" in pages.get(f"{run}/{deed}"), deed
    for deed in ("continue", "reconcile"):
        assert "Paste the token" in pages.post(f"{run}/{deed}"), deed


def test_without_a_run_the_start_page_says_so(pages: Pages) -> None:
    assert "None yet" in pages.get("/")


@pytest.mark.parametrize(
    ("words", "instead"),
    [
        ("Interrupted (SIGINT). No more; press Ctrl-C to quit now.", "It was stopped. No more."),
        ("Run `defer-batch resume x --reports-dir 'a b'`: it asks.", "Continue this run: it asks."),
        ("To continue, run `defer-batch resume`.", "Continue this run."),
        ("Nothing.", "Nothing."),
    ],
)
def test_a_page_says_no_signal_and_no_command(words: str, instead: str) -> None:
    assert on_a_page(words) == instead


_OF_A_TERMINAL = re.compile(r"--\w|`|defer-batch")


@pytest.mark.parametrize("code", list(Code))
def test_advice_on_a_page_names_no_option(code: Code) -> None:
    if TABLE[code].attention is not Attention.NOTHING:
        assert not _OF_A_TERMINAL.search(on_a_page(TABLE[code].advice))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("id,defer_date,r\nabc,2026-10-01,caf\u00e9\n".encode("cp1252"), "look at"),
        (b"id,defer_date,r\nabc,01/10/2026,\nabd,02/10/2026,\n", "Day first"),
        (b"id,defer_date,r\nabc,13/10/2026,\nabd,14/10/2026,\n", "Day first"),
    ],
)
def test_a_notice_on_a_page_names_what_to_do_there(pages: Pages, content: bytes, told: str) -> None:
    journey = pages.begin(content.replace(b"id,", b"trainee_id,").replace(b",r\n", b",reason\n"))
    checked = pages.columns(journey, date_format="iso")
    (notice,) = [words for words in warnings_of(checked) if told in words]
    assert not _OF_A_TERMINAL.search(notice)


def test_a_column_that_differs_for_most_is_left_out_by_what_a_page_has() -> None:
    words = on_a_page(identity.suspicion_of("trn", {"trn": "TRN"}))
    assert "no column for it" in words
    assert not _OF_A_TERMINAL.search(words)


# What goes wrong


def many(rows: int) -> str:
    reason = "x" * 200
    listed = "".join(f"id{n:04},2026-10-01,{reason}\n" for n in range(rows))
    return f"trainee_id,defer_date,defer_reason\n{listed}"


def deferred(emulator: Emulator) -> int:
    return sum(trainee.state == "deferred" for trainee in emulator.register.trainees())


def sending(pages: Pages, content: str, number: int) -> Work:
    journey = pages.begin(content)
    pages.columns(journey)
    pages.looked_up(journey, "3", TOKEN)
    pages.post(f"{journey}/confirm", {"number": str(number)})
    (work,) = pages.works()
    return work


def continued(pages: Pages) -> str:
    """Continue the only unfinished run from the start page; return the run's page."""
    (run,) = re.findall(r'href="(/runs/[^"]+)/continue"', pages.get("/"))
    pages.post(f"{run}/continue")
    (work,) = pages.works()
    until(lambda: work.told.question or work.has_ended)
    assert work.told.question is not None, work.failure
    pages.post(f"/under-way/{work.id}/answer", {"number": str(work.told.question["to_send"])})
    work.wait()
    return pages.get(f"/under-way/{work.id}")


def test_a_full_disk_takes_no_list_and_says_so(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_a_full_disk(path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(files, "replacing", on_a_full_disk)
    page = pages.post("/lists", files={"file": ("list.csv", TWO.encode())})
    assert heading(page) == "The disk is full"
    assert "Make room" in page
    assert pages.site.journeys.all() == []


@posix_only
def test_a_disk_that_is_full_in_mid_run_stops_it_and_the_run_is_continued(
    pages: Pages, register: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "subprocess", subprocess)  # which takes our limits over
    ids = [f"id{n:04}" for n in range(300)]
    emulator = register(**dict.fromkeys(ids, "trn_received"))
    to_register(pages, emulator)
    resource = importlib.import_module("resource")  # Windows has none
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (350_000, usual[1]))  # for the work that begins now
    try:
        work = sending(pages, many(300), 300)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    work.wait()
    page = pages.get(f"/under-way/{work.id}")
    assert heading(page) == "The run stopped early"
    assert "Make room" in page
    assert 0 < deferred(emulator) < 300
    assert heading(continued(pages)) == "All 300 rows are deferred."


def test_a_run_whose_process_is_killed_is_continued_from_the_start_page(
    pages: Pages, register: Serving
) -> None:
    hung = troubles.hanging("def", processed=False)
    emulator = register(abc="trn_received", faults=[hung], **{"def": "trn_received"})
    waits = {"timeout": 2.0, "lost_answer_wait": 0.2}
    pages.site.settings = pages.site.settings.model_copy(update=waits)
    to_register(pages, emulator)
    work = sending(pages, TWO, 2)
    until(lambda: deferred(emulator) == 1)
    work._process.kill()
    work.wait()
    page = pages.get(f"/under-way/{work.id}")
    assert heading(page) == "The work was cut off"
    assert "start page" in page
    assert heading(continued(pages)) == "All 2 rows are deferred."
    assert deferred(emulator) == 2


def test_a_run_is_closed_from_its_page_for_good(pages: Pages, register: Serving) -> None:
    run = stopped(pages, register)
    page = pages.worked(f"{run}/close")
    assert pages.client.get(run).url.path == run
    assert "<strong>Closed.</strong>" in page
    assert "/continue" not in page + pages.get("/")
    assert re.search('class="unresolved"><b>[12]</b>', page)


def test_a_register_that_is_down_once_it_is_to_be_sent_keeps_no_run(
    pages: Pages, register: Serving
) -> None:
    emulator = register(abc="trn_received", **{"def": "trn_received"})
    pages.site.settings = pages.site.settings.model_copy(update={"give_up_after": 0.5})
    to_register(pages, emulator)
    journey = pages.begin(TWO)
    pages.columns(journey)
    pages.looked_up(journey, "3", TOKEN)
    emulator.plan.outage = troubles.MAINTENANCE  # type: ignore[union-attr]
    assert heading(pages.sent(journey, 2)) == "Register could not be asked"
    assert "None yet" in pages.get("/")


def test_a_token_that_is_refused_in_mid_run_leaves_a_run_to_continue(
    pages: Pages, register: Serving
) -> None:
    refused = troubles.answered_before("def", troubles.UNAUTHORISED)
    emulator = register(abc="trn_received", faults=[refused], **{"def": "trn_received"})
    sent_to(pages, emulator)
    assert "not finished" in pages.get("/")
    assert heading(continued(pages)) == "All 2 rows are deferred."
