"""The app in a real browser, as people use it: with a mouse, without JavaScript, by keyboard."""

from __future__ import annotations

import datetime as dt
import importlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from batch.app.serving import opening_page
from batch.emulator.rehearsal import rehearsal_register
from batch.emulator.server import Emulator, serve
from batch.emulator.trainees import Trainee
from tests.app.conftest import opened
from tests.support.office import TOKEN
from tests.support.pages import Pages
from tests.support.troubles import FaultPlan, lost_before, plan_of

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
PEOPLE = 40
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
            f"GMQvaenhSzsu8fADqo5k{n:04}",
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
    """A list without Register's ids, with two cells to correct."""
    book = importlib.import_module("openpyxl").Workbook()
    sheet = book.active
    sheet.append(["Surname", "Teacher ref", "Course", "Intermission date", "Why"])
    for n in range(PEOPLE):
        sheet.append([f"Name{n}", f"1{n:06}", "History", dt.date(2026, 10, n % 28 + 1), "A break"])
    sheet["D5"], sheet["B9"] = "14/13/2026", "12"
    path = tmp_path / "Autumn list.xlsx"
    book.save(path)
    return path


def entered(app: Pages, context: BrowserContext) -> Page:
    """Open the app as a start does: by way of a file."""
    page = context.new_page()
    page.goto(opening_page(app.reports / ".app", app.site.keys.address()).as_uri())
    page.wait_for_url(f"{app.origin}/")
    return page


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
    found = (emulator.register.trainee(f"GMQvaenhSzsu8fADqo5k{n:04}") for n in range(PEOPLE))
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
    assert page.inner_text("h1") == "The report is proved"
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
    context = browser.new_context()
    page = entered(app, context)
    corrected(page, workbook)

    def press_until(selector: str, *, most: int = 40) -> None:
        for _ in range(most):
            if page.evaluate(f"document.activeElement.matches({selector!r})"):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"no key leads to {selector}")

    press_until("[name=where]")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    press_until("#token")
    page.keyboard.type(TOKEN)
    page.keyboard.press("Enter")
    page.wait_for_selector("text=What each row will become")
    press_until("a.main")
    page.keyboard.press("Enter")
    page.wait_for_selector("#number")
    press_until("#number")
    page.keyboard.type(str(PEOPLE))
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/*")
    assert states(emulator) == {"deferred"}
    context.close()


def violations(page: Page) -> list[str]:
    page.add_script_tag(path=AXE)
    found: list[str] = page.evaluate(
        f"axe.run({{runOnly: {RULES}}}).then(found => found.violations.map("
        "v => v.id + ': ' + v.nodes[0].html))"
    )
    return [f"{page.title()}: {one}" for one in found]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 320)])
def test_axe_finds_nothing_and_no_page_scrolls_sideways(
    browser: Browser, app: Pages, workbook: Path, scheme: Any, width: int
) -> None:
    assert AXE.is_file(), "this test takes axe-core: npm install --no-save axe-core"
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=True
    )
    page = entered(app, context)
    found: list[str] = []

    def look() -> None:
        found.extend(violations(page))
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found.append(f"{page.title()} is wider than {width}")

    for _ in every_page(app, page, workbook):
        look()
    context.close()
    assert found == []


def every_page(app: Pages, page: Page, workbook: Path) -> Iterator[None]:
    """Go to each page, in each of its states."""
    yield
    page.click("button:text-is('Continue')")  # no file
    yield
    page.set_input_files("#file", workbook)
    page.click("button:text-is('Continue')")
    journey = page.url.rsplit("/", 1)[0]
    yield
    page.click("button:text-is('Continue')")  # no column
    yield
    page.select_option("#trn", label="Teacher ref")
    page.select_option("#defer_date", label="Intermission date")
    page.click("button:text-is('Continue')")
    yield
    page.goto(f"{journey}/check?rows=all")
    yield
    page.goto(f"{journey}/check")
    for row in (5, 9):
        page.check(f"[name=leave_out][value='{row}']")
    page.click("button:text-is('Check again')")
    yield
    page.click("button:text-is('Continue')")
    yield
    page.check("#where3")
    page.click("button:text-is('Look the trainees up')")  # no token
    yield
    page.check("#where0")
    page.click("button:text-is('Look the trainees up')")
    page.wait_for_selector("text=What each row will become")
    yield
    page.click("a:text-is('Continue')")
    yield
    page.click("button:text-is('Begin the rehearsal')")  # no number
    yield
    page.fill("#number", str(PEOPLE - 2))
    page.click("button:text-is('Begin the rehearsal')")
    page.wait_for_url("**/runs/*")
    yield
    page.click("text=Verify the report")
    yield
    for path in ("/", "/purge", "/nowhere"):
        page.goto(f"{app.origin}{path}")
        yield


def test_a_tab_that_is_closed_changes_nothing(
    browser: Browser, app: Pages, workbook: Path, emulator: Emulator
) -> None:
    """A lost answer keeps the run waiting meanwhile."""
    waits = {"lost_answer_wait": 3.0}
    app.site.settings = app.site.settings.model_copy(update=waits)
    plan_of(emulator).add(lost_before("GMQvaenhSzsu8fADqo5k0039"))
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
