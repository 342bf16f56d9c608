"""A tour of the app: every page in each of its states, in a real browser."""

from __future__ import annotations

import datetime as dt
import errno
import importlib
import os
import re
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from batch import files
from batch.app.serving import opening_page
from batch.app.working import Work
from batch.emulator.server import Emulator
from batch.record import locks
from tests.support import troubles
from tests.support.office import TOKEN
from tests.support.pages import Pages

PEOPLE = 40


def trainee_id(number: int) -> str:
    return f"GMQvaenhSzsu8fADqo5k{number:04}"


def entered(app: Pages, context: BrowserContext) -> Page:
    """Open the app as a start does: by way of a file."""
    page = context.new_page()
    page.goto(opening_page(app.reports / ".app", app.site.keys.address()).as_uri())
    page.wait_for_url(f"{app.origin}/")
    return page


def workbook_in(folder: Path) -> Path:
    """Write a list without Register's ids, with two cells to correct, in rows 5 and 9."""
    book = importlib.import_module("openpyxl").Workbook()
    sheet = book.active
    sheet.append(["Surname", "Teacher ref", "Course", "Intermission date", "Why"])
    for n in range(PEOPLE):
        sheet.append([f"Name{n}", f"1{n:06}", "History", dt.date(2026, 10, n % 28 + 1), "A break"])
    sheet["D5"], sheet["B9"] = "14/13/2026", "12"
    path = folder / "Autumn list.xlsx"
    book.save(path)
    return path


@dataclass
class Tour:
    """Goes from page to page; each of its walks yields the name of the state that is shown."""

    app: Pages
    emulator: Emulator
    page: Page
    workbook: Path
    patch: pytest.MonkeyPatch

    def walk(self) -> Iterator[str]:
        """Yield every state of every page."""
        self._set(register_name=self.emulator.base_url, lost_answer_wait=3.0, give_up_after=1.5)
        yield from self._list()
        yield from self._sending()
        yield from self._unfinished()
        yield from self._finished()
        yield from self._errors()

    def _set(self, **settings: object) -> None:
        self.app.site.settings = self.app.site.settings.model_copy(update=settings)

    def press(self, words: str) -> None:
        self.page.click(f":is(button, a):text-is({words!r})")

    def _list(self) -> Iterator[str]:
        page = self.page
        yield "start"
        self.press("Continue")
        yield "start, no file"
        page.set_input_files(
            "#file", {"name": "scan.csv", "mimeType": "text/csv", "buffer": b"%PDF-1.4"}
        )
        self.press("Continue")
        yield "unusable file"
        page.goto(f"{self.app.origin}/")
        page.set_input_files("#file", self.workbook)
        self.press("Continue")
        self.journey = page.url.rsplit("/", 1)[0]
        yield "columns"
        self.press("Continue")
        yield "columns, none chosen"
        for name, label in (("trn", "Teacher ref"), ("defer_date", "Intermission date")):
            page.select_option(f"#{name}", label=label)
        self.press("Continue")
        yield "check"
        page.goto(f"{self.journey}/check?rows=all")
        yield "check, all rows"
        page.goto(f"{self.journey}/check")
        page.fill("[name=r5c3]", "2026-10-14")
        page.check("[name=leave_out][value='9']")
        self.press("Check again")
        yield "check, corrected"
        self.press("Continue")
        yield "where"
        page.check("#where3")
        self.press("Look the trainees up")
        yield "where, no token"

    def _sending(self) -> Iterator[str]:
        page, plan = self.page, troubles.plan_of(self.emulator)
        withdrawn = (troubles.SettingState("withdrawn"),)
        troubles.others_act(self.emulator.register, trainee_id(12), withdrawn)
        plan.outage = troubles.Hung()
        self._set(timeout=600.0)  # however long it takes to look at the page
        self._look_up()
        page.wait_for_url("**/under-way/*")
        yield "looking"
        self.press("Stop")
        page.wait_for_selector("h1:text-is('Stopped: nothing was sent')")
        yield "looking, stopped"
        self._set(timeout=8.0)
        plan.outage = None
        page.goto(f"{self.journey}/where")
        self._look_up()
        page.wait_for_selector("text=What each row will become")
        yield "preview"
        page.fill("#search", "Name7")
        self.press("Show")
        yield "preview, searched"
        self.press("Continue")
        yield "confirm"
        self.press("Send to Register")
        yield "confirm, no number"
        plan.add(troubles.lost_before(trainee_id(39)))
        plan.add(troubles.answered_before(trainee_id(38), troubles.Hung()))
        self._type_the_number()
        self.press("Send to Register")
        page.wait_for_selector("#counts:not([hidden])")
        page.wait_for_selector("[data-outcome=succeeded]:text-matches('3.')")
        yield "sending"
        page.goto(f"{self.app.origin}/")
        yield "start, under way"
        page.click("text=See how far it is")
        self.press("Stop after the rows under way")
        page.wait_for_selector("text=Stopping")
        yield "stopping"
        page.wait_for_url("**/runs/*")
        self.run = page.url

    def _work(self) -> Work:
        (work,) = self.app.works()
        return work

    def _type_the_number(self) -> None:
        number = re.search(r"Type (\d+)", self.page.inner_text("main"))
        assert number is not None
        self.page.fill("#number", number[1])

    def _look_up(self) -> None:
        self.page.check("#where3")
        self.page.fill("#token", TOKEN)
        self.press("Look the trainees up")

    def _unfinished(self) -> Iterator[str]:
        page = self.page
        yield "unfinished run"
        page.goto(f"{self.app.origin}/")
        yield "start, unfinished"
        page.goto(f"{self.run}/close")
        yield "close?"
        page.goto(f"{self.run}/continue")
        yield "continue?"
        self.press("Continue")
        page.wait_for_selector("#number")
        yield "question"
        self.press("Send")
        yield "question, no number"
        self._type_the_number()
        self.press("Send")
        page.wait_for_url(self.run)
        yield "finished run"

    def _finished(self) -> Iterator[str]:
        page = self.page
        yield from self._with_problems()
        page.goto(f"{self.run}/reconcile")
        yield "reconcile?"
        troubles.others_act(self.emulator.register, trainee_id(3), (troubles.Reinstating(),))
        self.press("Ask Register")
        page.wait_for_selector("h1:has-text('differs from the report')")
        yield "reconciled"
        page.goto(self.run)
        self.press("Verify the report")
        page.wait_for_selector("h1:text-is('The report is proved')")
        yield "proved"
        folder = self.app.reports / self.run.rsplit("/", 1)[1]
        (folder / "succeeded.csv").write_text("x")
        page.goto(self.run)
        self.press("Verify the report")
        page.wait_for_selector("h1:text-is('The report differs')")
        yield "differs"
        self.press("Write the report again")
        page.wait_for_url(self.run)
        page.goto(f"{self.app.origin}/")
        yield "start, finished"
        yield from self._purge()

    def _with_problems(self) -> Iterator[str]:
        """Rehearse a list with mistakes, and correct them."""
        page = self.page
        page.goto(f"{self.app.origin}/")
        self.press("Rehearse with a sample")
        self.press("Continue")
        page.click("button:has-text('that can be sent')")
        self.press("Look the trainees up")
        page.wait_for_selector("text=What each row will become")
        yield "preview, rehearsal"
        self.press("Continue")
        yield "confirm, rehearsal"
        self._type_the_number()
        self.press("Begin the rehearsal")
        page.wait_for_url("**/runs/*")
        page.click("summary >> nth=0")
        yield "finished run with problems"
        self.press("Correct rows and send them again")
        yield "check of rows to correct"

    def _purge(self) -> Iterator[str]:
        page = self.page
        page.goto(f"{self.app.origin}/purge")
        yield "purge"
        self.press("Show what would go")
        yield "purge, no number"
        with closing(sqlite3.connect(self.app.reports / "journal.db")) as journal, journal:
            journal.execute("UPDATE runs SET started_at='2020-01-01T00:00:00.000Z'")
        page.fill("#days", "90")
        self.press("Show what would go")
        yield "purge?"
        self.press("Delete them")
        yield "purged"
        page.goto(self.run)
        yield "deleted run"

    def _errors(self) -> Iterator[str]:
        page, origin = self.page, self.app.origin
        page.goto(f"{origin}/nowhere")
        yield "nowhere"
        page.context.clear_cookies()
        page.goto(f"{origin}/")
        yield "no cookie"
        page.goto(self.app.site.keys.address())
        page.wait_for_url(f"{origin}/")
        journey = self._begun()
        yield from self._refusals(journey)
        yield from self._cut_off(journey)
        with self.patch.context() as patch:
            patch.setattr(files, "replacing", _on_a_full_disk)
            page.goto(f"{origin}/")
            self.press("Rehearse with a sample")
            yield "disk full"
        with self.patch.context() as patch:
            patch.setattr("batch.app.list_pages.listed_runs", _broken)
            page.goto(f"{origin}/")
            yield "fault"
        page.goto(f"{origin}/purge")
        self.press("End the app")
        yield "ended"

    def _refusals(self, journey: str) -> Iterator[str]:
        page = self.page
        page.goto(f"{journey}/where")
        page.check("#where3")
        page.fill("#token", "production_wrong")
        self.press("Look the trainees up")
        page.wait_for_selector("h1:text-is('Register refused')")
        yield "token refused"
        plan = troubles.plan_of(self.emulator)
        plan.outage = troubles.MAINTENANCE
        page.goto(f"{journey}/where")
        self._look_up()
        page.wait_for_selector("h1:text-is('Register could not be asked')")
        yield "Register down"
        plan.outage = None
        with locks.one_run_at_a_time(self.emulator.base_url, run_id="another", since="now"):
            page.goto(f"{journey}/where")
            self._look_up()
            page.wait_for_selector("h1:text-is('Another run is under way')")
            yield "another run"

    def _cut_off(self, journey: str) -> Iterator[str]:
        page, plan = self.page, troubles.plan_of(self.emulator)
        plan.outage = troubles.Hung()
        page.goto(f"{journey}/where")
        self._look_up()
        os.kill(self._work()._process.pid, signal.SIGKILL)
        page.wait_for_selector("h1:text-is('The work was cut off')")
        plan.outage = None
        yield "killed"

    def _begun(self) -> str:
        """Have another list checked; return its address."""
        page = self.page
        data = f"trn,defer_date\n1{7:06},2026-10-08\n".encode()
        page.set_input_files("#file", {"name": "b.csv", "mimeType": "text/csv", "buffer": data})
        self.press("Continue")
        self.press("Continue")
        return page.url.rsplit("/", 1)[0]


def _on_a_full_disk(path: Path) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def _broken(*_: object) -> None:
    raise RuntimeError("Zq-secret")
