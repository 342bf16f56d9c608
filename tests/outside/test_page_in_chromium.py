"""The page in a real browser: what it shows, what it never fetches, and who can use it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from batch.codes import Code
from batch.record import database
from batch.record import page as page_module
from batch.record.journal import Journal
from batch.record.records import RunRecord
from batch.rows import Deferral, Problem, Row, Settled

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
HOSTILE = ("<script>document.title='run'</script>", "\"'>&lt;", "\u202edesrever", "=1+1")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
)


def chromium() -> str:
    found = shutil.which("chromium")
    assert found, "this test takes Chromium: apt-get install chromium"
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), args=FLAGS.split())
        yield launched
        launched.close()


def written(folder: Path, rows: int, *, rehearsal: bool = False) -> Path:
    """Write a page over that many rows, hostile ones among them."""
    journal = Journal(database.open_for_writing(folder / "journal.db"), wall=time.time)
    run = RunRecord(
        run_id="20261124T100000Z-list-abcd",
        rehearsal=rehearsal,
        input_name="<b>list</b>.csv",
        input_sha256="0" * 64,
        input_size=1,
        input_rows=rows,
        columns=("trainee_id", "defer_date", "secret", "trn"),
        held_in={"trainee_id": "trainee_id", "defer_date": "defer_date", "trn": "trn"},
        separator=",",
        base_url="https://register.example",
        api_version="v2025.0",
        settings={"rate_requests": 100, "rate_period_seconds": 60.0},
        token_fingerprint=None,
        operator="someone",
        operator_name=None,
        host="here",
        tool_version="0",
        python_version="3",
        command=(),
        started_at="2026-11-24T10:00:00.000Z",
        finished_at="2026-11-24T10:01:00.000Z",
    )
    number = journal.stage(run, origin=run.base_url)
    journal.add_rows(number, (_row(place) for place in range(2, rows + 2)))
    told = {3: Settled(Code.DEFERRED, "Deferred.", "2026-10-01")}
    told |= {6: Settled(Code.TRAINEE_NOT_FOUND, "Register does not know this trainee.")}
    already = Settled(Code.ALREADY_DEFERRED, "Deferred already, on 2026-10-01.", "2026-10-01")
    told |= dict.fromkeys((9, 12), already)
    journal.settle_now(number, told)
    journal.start(number)
    journal.finish(number, exit_code=3, stopped_because="Interrupted.")
    page_module.write_page(journal.ledger, run.run_id, folder / "report.html")
    journal.close()
    return folder / "report.html"


def _row(number: int) -> Row:
    values = (f"id{number}", "2026-10-01", "Zq-secret", f"{number:07}")
    if number % 3 == 0:
        return Row(
            number, values, f"id{number}", Deferral(f"id{number}", "2026-10-01", "Zq-reason")
        )
    hostile = HOSTILE[number % len(HOSTILE)]
    problem = Problem(Code.INVALID_DEFER_DATE, "defer_date", f"{hostile}{number} is not a date.")
    return Row(number, values, f"{hostile}{number}", None, (problem,))


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    opened = browser.new_page()
    opened.goto(written(tmp_path, 60).as_uri())
    yield opened
    opened.close()


def shown(page: Page) -> int:
    return page.locator("#all tbody tr:visible").count()


def test_the_filter_shows_one_outcome(page: Page) -> None:
    page.select_option("#filter", "unresolved")
    assert shown(page) == 16
    assert page.inner_text("#shown") == "16 of 60 rows shown"


def test_the_search_shows_what_matches(page: Page) -> None:
    page.fill("#search", "ID30")
    assert shown(page) == 1


@pytest.mark.parametrize("wanted", ["not found", "Not_Found", "trainee_not_found"])
def test_an_outcome_or_code_is_found_as_it_is_shown_and_as_it_is_written(
    page: Page, wanted: str
) -> None:
    page.fill("#search", wanted)
    assert shown(page) == 1


@pytest.mark.parametrize("wanted", ["2026-10-01", "1 October 2026"])
def test_a_date_is_found_as_it_is_shown_and_as_it_is_in_the_list(page: Page, wanted: str) -> None:
    page.fill("#search", wanted)
    assert shown(page) == 60


def test_the_search_does_not_join_one_column_with_the_next(page: Page) -> None:
    page.fill("#search", "1 October 2026Unresolved")
    assert shown(page) == 0


def test_the_codes_are_a_filter_too(page: Page) -> None:
    page.select_option("#code", "invalid_defer_date")
    assert shown(page) == 40


def test_search_and_filter_meet(page: Page) -> None:
    page.select_option("#filter", "unresolved")
    page.fill("#search", "id30")
    assert page.inner_text("#shown") == "1 of 60 rows shown"


def test_the_keyboard_reaches_search_and_the_skip_link(page: Page) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to all rows"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "search"


def test_few_tab_stops_lie_between_the_parts_of_the_page(page: Page) -> None:
    stops = "a[href], button, input, select, summary, [tabindex]"
    assert page.locator(stops).filter(visible=True).count() <= 19


def test_the_navigation_leads_to_the_parts(page: Page) -> None:
    page.click("nav >> text=All rows")
    assert page.evaluate("location.hash") == "#rows"


def test_a_long_group_is_unfolded_when_asked_for_and_in_print(page: Page) -> None:
    folded = page.locator("details .attention").first
    assert not folded.is_visible()
    page.click("summary")
    assert folded.is_visible()
    page.click("summary")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert folded.is_visible()


def test_hostile_values_are_shown_as_text(page: Page) -> None:
    assert "list" in page.title()
    assert "<script>document.title='run'</script>" in page.inner_text("#all")
    assert "[U+202E]desrever" in page.inner_text("#all")


def test_reasons_and_other_columns_are_not_on_the_page(page: Page) -> None:
    assert "Zq-" not in page.content()


def test_the_policy_stops_what_a_value_could_smuggle_in(page: Page) -> None:
    page.evaluate("document.querySelector('main').innerHTML = '<b onclick=document.title=1>x</b>'")
    page.click("main b")
    assert page.title() != "1"


def test_no_request_leaves_the_page(browser: Browser, tmp_path: Path) -> None:
    asked: list[str] = []
    opened = browser.new_page()
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(written(tmp_path, 60).as_uri())
    opened.fill("#search", "x")
    opened.close()
    assert [url for url in asked if not url.startswith("file:")] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_axe_finds_nothing(browser: Browser, tmp_path: Path, scheme: str, width: int) -> None:
    assert AXE.is_file(), "this test takes axe-core: npm install --no-save axe-core"
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": 800},
        bypass_csp=True,
    )
    opened = context.new_page()
    opened.goto(written(tmp_path, 60, rehearsal=True).as_uri())
    opened.add_script_tag(path=AXE)
    found = opened.evaluate(
        "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa',"
        " 'best-practice']}).then(found => found.violations.map(v => v.id + ': ' + v.nodes[0].html))"
    )
    context.close()
    assert found == []


def test_a_narrow_screen_does_not_scroll_sideways(browser: Browser, tmp_path: Path) -> None:
    opened = browser.new_page(viewport={"width": 320, "height": 800})
    opened.goto(written(tmp_path, 60).as_uri())
    width = opened.evaluate("document.documentElement.scrollWidth")
    opened.close()
    assert width == 320


def test_dark_is_dark(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(color_scheme="dark")
    opened = context.new_page()
    opened.goto(written(tmp_path, 60).as_uri())
    ground = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    context.close()
    assert ground == "rgb(20, 23, 26)"


def test_it_is_readable_without_javascript(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(written(tmp_path, 60).as_uri())
    assert opened.locator("#all tbody tr").count() == 60
    assert not opened.locator(".tools").is_visible()
    context.close()


def test_it_prints_to_pdf(page: Page) -> None:
    assert page.pdf().startswith(b"%PDF")


def test_it_prints_dark_on_light_even_where_the_screen_is_dark(
    browser: Browser, tmp_path: Path
) -> None:
    context = browser.new_context(color_scheme="dark")
    opened = context.new_page()
    opened.emulate_media(media="print")
    opened.goto(written(tmp_path, 60).as_uri())
    ground = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    context.close()
    assert ground == "rgb(255, 255, 255)"


@pytest.fixture(scope="module")
def large(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    opened = browser.new_page()
    opened.goto(written(tmp_path_factory.mktemp("large"), 10_000).as_uri())
    yield opened
    opened.close()


def test_ten_thousand_rows_are_laid_out_by_the_hundred(large: Page) -> None:
    large.fill("#search", "")
    assert large.inner_text("#shown") == "the first 500 of 10,000 matching rows shown"
    assert shown(large) == 500


def test_ten_thousand_rows_are_searched_to_the_last(large: Page) -> None:
    large.fill("#search", "id9999")
    assert large.inner_text("#shown") == "1 of 10,000 rows shown"
    assert shown(large) == 1


def test_ten_thousand_rows_are_all_there_when_asked_for(large: Page) -> None:
    large.fill("#search", "")
    large.click("#more")
    assert shown(large) == 10_000
    assert not large.locator("#more").is_visible()


def test_ten_thousand_rows_are_all_printed(large: Page) -> None:
    large.fill("#search", "")
    large.emulate_media(media="print")
    count = shown(large)
    large.emulate_media(media="screen")
    assert count == 10_000


def test_a_rehearsal_says_so_across_the_top(browser: Browser, tmp_path: Path) -> None:
    opened = browser.new_page()
    opened.goto(written(tmp_path, 60, rehearsal=True).as_uri())
    assert opened.inner_text(".banner") == "REHEARSAL: nothing was sent to Register"
    opened.close()
