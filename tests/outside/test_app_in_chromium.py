"""The app in a real browser, as people use it: with a mouse, without JavaScript, by keyboard."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from batch.emulator.rehearsal import rehearsal_register
from batch.emulator.server import Emulator, serve
from batch.emulator.trainees import Trainee
from tests.app.conftest import opened
from tests.outside.tour import PEOPLE, Tour, entered, trainee_id, workbook_in
from tests.support.office import TOKEN, Office
from tests.support.pages import Pages
from tests.support.troubles import FaultPlan, hanging, lost_before, plan_of
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
)
RULES = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']"
"""What axe looks for."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium")
    assert found, "this test takes Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=FLAGS.split())
        yield launched
        launched.close()


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    known = [
        Trainee(
            trainee_id(n),
            state="trn_received",
            trn=f"1{n:06}",
            last_name=f"Name{n}",
        )
        for n in range(PEOPLE)
    ]
    register = rehearsal_register(known, rate_limit=None, token=TOKEN)
    with serve(register, plan=FaultPlan()) as served:
        yield served


@pytest.fixture
def app(tmp_path: Path, emulator: Emulator) -> Iterator[Pages]:
    with opened(tmp_path) as pages:
        told = {"register_name": emulator.base_url}
        pages.site.settings = pages.site.settings.model_copy(update=told)
        yield pages


@pytest.fixture
def workbook(tmp_path: Path) -> Path:
    return workbook_in(tmp_path)


def corrected(page: Page, workbook: Path) -> None:
    """Go from the start page to the question where the list goes."""
    page.set_input_files("#file", workbook)
    page.click("button:text-is('Continue')")
    page.select_option("#trn", label="Teacher ref")
    page.select_option("#defer_date", label="Intermission date")
    page.select_option("#defer_reason", label="Why")
    page.click("button:text-is('Continue')")
    assert page.inner_text("h1") == "You need to correct 2 rows"
    page.fill("[name=r5c3]", "2026-10-14")
    page.fill("[name=r9c1]", "1000007")
    page.click("button:text-is('Check again')")
    assert page.inner_text("h1") == f"All {PEOPLE} rows can be sent"
    page.click("button:text-is('Continue')")


def looked_up(page: Page) -> None:
    page.check("#where3")
    page.fill("#token", TOKEN)
    page.click("button:text-is('Look the trainees up')")
    page.wait_for_selector("text=What each row will become")
    assert page.inner_text("h1") == f"{PEOPLE} rows will be sent"


def sent(page: Page) -> None:
    page.click("a:text-is('Continue')")
    page.fill("#number", str(PEOPLE))
    page.click("button:text-is('Send to Register')")
    page.wait_for_url("**/runs/*")
    assert page.inner_text("h1") == f"All {PEOPLE} rows are deferred."


def states(emulator: Emulator) -> set[str]:
    found = (emulator.register.trainee(trainee_id(n)) for n in range(PEOPLE))
    return {trainee.state for trainee in found if trainee is not None}


def test_a_workbook_goes_from_the_file_to_a_verified_report(
    browser: Browser, app: Pages, workbook: Path, emulator: Emulator
) -> None:
    context = browser.new_context()
    page = entered(app, context)
    assert "key=" not in page.url
    corrected(page, workbook)
    looked_up(page)
    sent(page)
    assert states(emulator) == {"deferred"}
    with page.expect_download() as downloaded:
        page.click("a:text-is('results.xlsx')")
    assert Path(downloaded.value.path()).read_bytes().startswith(b"PK")
    page.click("text=Verify the report")
    page.wait_for_selector("h1:text-is('The report is proved')")
    context.close()


def test_the_same_without_javascript(
    browser: Browser, app: Pages, workbook: Path, emulator: Emulator
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = entered(app, context)
    corrected(page, workbook)
    looked_up(page)
    sent(page)
    assert states(emulator) == {"deferred"}
    context.close()


def test_the_same_by_keyboard_alone(
    browser: Browser, app: Pages, workbook: Path, emulator: Emulator
) -> None:
    """From the first page to the last; the dialog that asks for a file is the browser's own."""
    context = browser.new_context()
    page = entered(app, context)

    def reach(selector: str) -> None:
        for _ in range(60):
            if page.evaluate("wanted => document.activeElement.matches(wanted)", selector):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"no key leads to {selector}")

    def press(selector: str, words: str = "") -> None:
        reach(selector)
        page.keyboard.type(words)
        with page.expect_navigation():
            page.keyboard.press("Enter")

    page.bring_to_front()
    reach("#file")
    with page.expect_file_chooser() as chooser:
        page.press("#file:focus", "Enter")
    chooser.value.set_files(workbook)
    press("form.upload button")
    page.wait_for_url("**/columns")
    for name, start in (("defer_date", "Inter"), ("trn", "Teacher")):
        reach(f"#{name}")
        page.keyboard.type(start)
    press("button.main")
    page.wait_for_selector("h1:text-is('You need to correct 2 rows')")
    for cell, value in (("r5c3", "2026-10-14"), ("r9c1", "1000007")):
        reach(f"[name={cell}]")
        page.keyboard.press("Control+A")
        page.keyboard.type(value)
    press("button.main")
    page.wait_for_selector(f"h1:text-is('All {PEOPLE} rows can be sent')")
    press("button.main")
    reach("[name=where]")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    press("#token", TOKEN)
    page.wait_for_selector("text=What each row will become")
    press("a.main")
    page.wait_for_selector("#number")
    press("#number", str(PEOPLE))
    page.wait_for_url("**/runs/*")
    assert states(emulator) == {"deferred"}
    context.close()


def violations(page: Page) -> list[str]:
    page.add_script_tag(path=AXE)
    found: list[str] = page.evaluate(
        f"axe.run({{runOnly: {RULES}}}).then(found => found.violations.map("
        "v => v.id + ': ' + v.nodes[0].html))"
    )
    return found


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 320)])
def test_axe_finds_nothing_and_no_page_scrolls_sideways(
    browser: Browser, app: Pages, workbook: Path, emulator: Emulator, scheme: Any, width: int
) -> None:
    """On every page in every state; each has one heading, and a title of its own."""
    assert AXE.is_file(), "this test takes axe-core: npm install --no-save axe-core"
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=True
    )
    page = entered(app, context)
    found: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for state in Tour(app, emulator, page, workbook, patch).walk():
            found += [f"{state}: {one}" for one in violations(page)]
            if page.evaluate("document.documentElement.scrollWidth") > width:
                found.append(f"{state} is wider than {width}")
            if page.locator("h1").count() != 1:
                found.append(f"{state} has not one heading")
    context.close()
    assert found == []


def test_a_tab_that_is_closed_changes_nothing(
    browser: Browser, app: Pages, workbook: Path, emulator: Emulator
) -> None:
    """A lost answer keeps the run waiting meanwhile."""
    waits = {"lost_answer_wait": 3.0}
    app.site.settings = app.site.settings.model_copy(update=waits)
    plan_of(emulator).add(lost_before(trainee_id(39)))
    context = browser.new_context()
    page = entered(app, context)
    corrected(page, workbook)
    looked_up(page)
    page.click("a:text-is('Continue')")
    page.fill("#number", str(PEOPLE))
    page.click("button:text-is('Send to Register')")
    page.wait_for_url("**/under-way/*")
    tab, page = page, context.new_page()
    tab.close()
    page.goto(f"{app.origin}/")
    page.click("text=See how far it is")
    page.wait_for_url("**/runs/*")
    assert states(emulator) == {"deferred"}
    context.close()


def test_a_value_is_checked_at_once_where_it_stands(
    browser: Browser, app: Pages, workbook: Path
) -> None:
    context = browser.new_context()
    page = entered(app, context)
    page.set_input_files("#file", workbook)
    page.click("button:text-is('Continue')")
    page.select_option("#trn", label="Teacher ref")
    page.select_option("#defer_date", label="Intermission date")
    page.click("button:text-is('Continue')")
    page.fill("[name=r5c3]", "2026-10-14")
    page.keyboard.press("Tab")
    page.wait_for_selector("h1:text-is('You need to correct 1 row')")
    assert page.locator("td.wrong").count() == 1
    assert page.locator("[name=r5c3]").input_value() == "2026-10-14"
    page.fill("[name=r9c1]", "13")
    page.keyboard.press("Tab")
    page.wait_for_selector("td.wrong:has-text('13 is not a TRN')")
    context.close()


def test_a_list_can_be_dropped_on_the_start_page(browser: Browser, app: Pages) -> None:
    context = browser.new_context()
    page = entered(app, context)
    dropped = page.evaluate_handle(
        "() => { const data = new DataTransfer();"
        " data.items.add(new File(['trn,defer_date\\n1234567,2026-10-01\\n'], 'dropped.csv'));"
        " return data; }"
    )
    page.dispatch_event("body", "drop", {"dataTransfer": dropped})
    page.wait_for_url("**/columns")
    assert "dropped.csv" in page.inner_text("main")
    context.close()


def test_the_policy_stops_what_a_value_could_smuggle_in(browser: Browser, app: Pages) -> None:
    context = browser.new_context()
    page = entered(app, context)
    hostile = "<img src=x onerror=document.title=1><script>document.title=2</script>"
    data = f'trn,defer_date,"{hostile}"\n12,2026-10-01,"{hostile}"\n'.encode()
    page.set_input_files(
        "#file", {"name": f"{hostile}.csv", "mimeType": "text/csv", "buffer": data}
    )
    page.click("button:text-is('Continue')")
    page.click("button:text-is('Continue')")
    assert "You need to correct" in page.title()
    assert re.search(r"<script>document", page.inner_text("table"))
    context.close()


def test_the_token_is_asked_for_only_where_something_is_sent(
    browser: Browser, app: Pages, workbook: Path
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = entered(app, context)
    corrected(page, workbook)
    assert not page.locator("#token").is_visible()
    page.check("#where3")
    assert page.locator("#token").is_visible()
    context.close()


def test_a_page_of_the_web_can_neither_send_nor_frame_anything(
    browser: Browser, app: Pages
) -> None:
    """Even one that has learned the form's token, in the browser that the app is open in."""
    context = browser.new_context()
    entered(app, context)
    evil = context.new_page()
    content = (
        f'<form method="post" action="{app.origin}/end">'
        f'<input name="form_token" value="{app.site.keys.form}"><button>Go</button></form>'
        f'<iframe src="{app.origin}/"></iframe>'
    )
    evil.route(
        "http://evil.example/", lambda route: route.fulfill(body=content, content_type="text/html")
    )
    evil.goto("http://evil.example/")
    assert not evil.frames[1].url.startswith(app.origin)
    evil.click("button")
    evil.wait_for_url(f"{app.origin}/end")
    assert evil.inner_text("h1") == "This page is not open to you"
    assert not app.site.is_ending
    context.close()


def test_a_run_that_was_killed_is_continued_from_the_start_page(
    browser: Browser, tmp_path: Path, workbook: Path, emulator: Emulator
) -> None:
    """The app and the process of its run are killed while an answer is waited for."""
    plan_of(emulator).add(hanging(trainee_id(39), processed=False))
    office = Office(tmp_path, {"DEFER_BATCH_API_TOKEN": TOKEN})
    options = ("--register", emulator.base_url, "--lost-answer-wait", "0.2", "--timeout", "2")
    context = browser.new_context()
    page, process = context.new_page(), _opened_in(office, context.pages[0], *options)
    corrected(page, workbook)
    page.check("#where3")
    page.click("button:text-is('Look the trainees up')")
    page.wait_for_selector("text=What each row will become")
    page.click("a:text-is('Continue')")
    page.fill("#number", str(PEOPLE))
    page.click("button:text-is('Send to Register')")
    until(lambda: emulator.register.trainee(trainee_id(38)).state == "deferred")  # type: ignore[union-attr]
    for number in (process.pid, *_children_of(process)):
        os.kill(number, signal.SIGKILL)
    process.communicate()
    process = _opened_in(office, page, *options)
    page.click("a:has-text('Continue the run of')")
    page.click("button:text-is('Continue')")
    page.wait_for_selector("#number")
    page.fill("#number", page.inner_text("label[for=number]").split()[1])
    page.click("button:text-is('Send')")
    page.wait_for_url("**/runs/*")
    assert page.inner_text("h1") == f"All {PEOPLE} rows are deferred."
    assert states(emulator) == {"deferred"}
    page.click("button:text-is('End the app')")
    process.communicate(timeout=120)
    context.close()


def _opened_in(office: Office, page: Page, *options: str) -> subprocess.Popen[str]:
    """Start the command as a user does, and open what it says."""
    process = office.start("app", "--no-browser", "--rate-limit", "none", *options)
    assert process.stdout is not None
    found = re.search(r"http://127\.0\.0\.1:\d+/open\S+", process.stdout.readline())
    assert found, process.communicate()
    page.goto(found[0])
    page.wait_for_selector("h1:text-is('Defer trainees from a list')")
    return process


def _children_of(process: subprocess.Popen[str]) -> list[int]:
    told = Path(f"/proc/{process.pid}/task").glob("*/children")
    return [int(number) for path in told for number in path.read_text().split()]
