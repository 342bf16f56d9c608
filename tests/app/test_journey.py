"""A list's way over the pages, with the real commands in a real process beside."""

from __future__ import annotations

import csv
import json
import re
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import xlsxwriter

from batch.app import site, working
from batch.app.site import MOST_BYTES
from batch.emulator.server import Emulator
from tests.support import troubles
from tests.support.office import TOKEN
from tests.support.pages import Pages, heading
from tests.support.terminals import has_mode, posix_only
from tests.support.waiting import until

Serving = Callable[..., Emulator]
TWO = "trainee_id,defer_date\nabc,2026-10-01\ndef,2026-10-02\n"
ONE_WRONG = "trainee_id,defer_date,note\nabc,2026-10-01,x\ndef,14/13/2026,y\nghi,,z\n"


def summary_of(pages: Pages) -> dict[str, object]:
    (path,) = pages.reports.glob("2*/summary.json")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def manifest_of(pages: Pages) -> dict[str, object]:
    (path,) = pages.reports.glob("2*/manifest.json")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def to_register(pages: Pages, emulator: Emulator) -> None:
    """Have the pages know a Register of the test's own, as `--register` would."""
    pages.site.settings = pages.site.settings.model_copy(
        update={"register_name": emulator.base_url}
    )


def test_a_list_is_rehearsed_from_file_to_report(pages: Pages) -> None:
    journey = pages.begin(TWO)
    assert heading(pages.columns(journey)) == "All 2 rows can be sent"
    assert heading(pages.looked_up(journey)) == "2 rows will be sent"
    page = pages.sent(journey, 2)
    assert heading(page) == "In this rehearsal, all 2 rows were deferred."
    assert summary_of(pages)["counts"] == {
        "succeeded": 2, "not_found": 0, "unprocessable": 0, "unresolved": 0
    }  # fmt: skip


def test_a_pasted_token_sends_to_the_register_that_was_named(
    pages: Pages, register: Serving
) -> None:
    emulator = register(abc="trn_received")
    to_register(pages, emulator)
    journey = pages.begin(TWO)
    pages.columns(journey)
    assert heading(pages.looked_up(journey, "3", TOKEN)) == "1 row will be sent"
    pages.sent(journey, 1)
    assert summary_of(pages)["counts"]["succeeded"] == 1  # type: ignore[index]
    assert emulator.register.trainee("abc").state == "deferred"  # type: ignore[union-attr]


def test_another_number_than_that_of_the_rows_sends_nothing(pages: Pages) -> None:
    journey = pages.begin(TWO)
    pages.columns(journey)
    pages.looked_up(journey)
    for number in ("", "1", "3", "two", "2 2"):
        assert "Type 2" in pages.sent(journey, number), number
    assert list(pages.reports.glob("2*")) == []


def test_what_changed_since_the_preview_is_asked_anew(pages: Pages, register: Serving) -> None:
    emulator = register(abc="trn_received", **{"def": "trn_received"})
    to_register(pages, emulator)
    journey = pages.begin(TWO)
    pages.columns(journey)
    pages.looked_up(journey, "3", TOKEN)
    troubles.others_act(emulator.register, "def", (troubles.SettingState("withdrawn"),))
    page = pages.sent(journey, 2)
    assert heading(page) == "1 row will be sent"
    work = pages.path
    assert "Type 1" in pages.post(f"{work}/answer", {"number": "2"})
    pages.post(f"{work}/answer", {"number": "1"})
    until(lambda: not pages.works())
    assert emulator.register.trainee("abc").state == "deferred"  # type: ignore[union-attr]


def test_a_trainee_whom_an_earlier_run_deferred_on_another_date_is_told(
    pages: Pages, register: Serving
) -> None:
    emulator = register(abc="trn_received", **{"def": "trn_received"})
    to_register(pages, emulator)
    for content, told in ((TWO, False), (TWO.replace("2026-10-0", "2026-11-0"), True)):
        journey = pages.begin(content)
        pages.columns(journey)
        page = pages.looked_up(journey, "3", TOKEN)
        assert ("on another date: rows 2, 3" in page) is told
        pages.sent(journey, 2)
        emulator.register.reinstate("abc")
        emulator.register.reinstate("def")


def test_what_changed_can_be_declined(pages: Pages, register: Serving) -> None:
    emulator = register(abc="trn_received", **{"def": "trn_received"})
    to_register(pages, emulator)
    journey = pages.begin(TWO)
    pages.columns(journey)
    pages.looked_up(journey, "3", TOKEN)
    troubles.others_act(emulator.register, "def", (troubles.SettingState("withdrawn"),))
    pages.sent(journey, 2)
    work = pages.path
    pages.post(f"{work}/stop")
    until(lambda: not pages.works())
    assert heading(pages.get(work)) == "Stopped: nothing was sent"
    assert list(pages.reports.glob("2*")) == []


def test_cells_are_corrected_and_only_the_copy_changes(pages: Pages) -> None:
    journey = pages.begin(ONE_WRONG, "<b>My list.csv")
    page = pages.columns(journey)
    assert heading(page) == "You need to correct 2 rows"
    assert "&lt;b&gt;My list.csv" in page
    page = pages.post(
        f"{journey}/check",
        {"r3c1": "2026-10-14", "r4c1": "", "shown": ["3", "4"], "leave_out": "4"},
    )
    assert heading(page) == "All 2 rows can be sent"
    original = next(pages.reports.glob(".app/lists/*/list.csv"))
    assert original.read_text(encoding="utf-8") == ONE_WRONG
    downloaded = pages.get(f"{journey}/corrected").lstrip("\ufeff")
    assert list(csv.reader(downloaded.splitlines()))[2] == ["def", "2026-10-14", "y"]


def test_the_manifest_says_what_was_corrected_and_no_value(pages: Pages) -> None:
    journey = pages.begin(ONE_WRONG)
    pages.columns(journey)
    pages.post(f"{journey}/check", {"r3c1": "2026-10-14", "shown": ["3", "4"], "leave_out": "4"})
    pages.looked_up(journey)
    pages.sent(journey, 2)
    told = manifest_of(pages)["input"]
    corrected = told["reading"]["corrected"]  # type: ignore[index]
    assert corrected["changed"] == [{"row": 3, "column": "defer_date"}]
    assert corrected["left_out"] == [4]
    assert corrected["corrected_sha256"] == told["sha256"] != corrected["sha256"]  # type: ignore[index]
    assert "14/13" not in json.dumps(told)


def test_the_rows_keep_their_numbers_in_the_report(pages: Pages) -> None:
    journey = pages.begin("trainee_id,defer_date\nabc,\ndef,2026-10-01\n")
    pages.columns(journey)
    pages.post(f"{journey}/check", {"shown": "2", "leave_out": "2"})
    pages.looked_up(journey)
    pages.sent(journey, 1)
    (path,) = pages.reports.glob("2*/succeeded.csv")
    (_, row) = csv.reader(path.read_text(encoding="utf-8-sig").splitlines())
    assert row[2] == "3"


def test_corrections_can_be_undone(pages: Pages) -> None:
    journey = pages.begin(ONE_WRONG)
    pages.columns(journey)
    pages.post(f"{journey}/check", {"r3c1": "2026-10-14"})
    page = pages.post(f"{journey}/check", {"undo": "1"})
    assert heading(page) == "You need to correct 2 rows"


def test_a_value_of_no_row_and_no_column_is_not_taken(pages: Pages) -> None:
    journey = pages.begin(ONE_WRONG)
    pages.columns(journey)
    page = pages.post(f"{journey}/check", {"r1c1": "x", "r999c1": "x", "r3c77": "x"})
    assert "You have corrected" not in page


def test_any_row_can_be_looked_at_and_corrected(pages: Pages) -> None:
    journey = pages.begin(TWO)
    pages.columns(journey)
    assert 'name="r2c1"' in pages.get(f"{journey}/check?rows=all")
    page = pages.post(f"{journey}/check", {"r2c1": "2026-10-09", "shown": ["2", "3"]})
    assert "You have corrected 1 row" in page


def test_columns_are_chosen_by_hand(pages: Pages) -> None:
    journey = pages.begin("Who,When\n1234567,14/10/2026\n")
    page = pages.columns(journey, trn="Who", defer_date="When", date_format="dmy")
    assert "14 October 2026" in page


def test_a_date_that_is_day_first_is_proposed_as_such(pages: Pages) -> None:
    journey = pages.begin("trn,defer_date\n1234567,14/10/2026\n")
    assert "14 October 2026" in pages.get(f"{journey}/columns")


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"trn": "Who"}, "date of deferral"),
        ({"defer_date": "When"}, "who the trainee is"),
        ({"trn": "Who", "defer_date": "Who"}, "chosen twice"),
    ],
)
def test_a_choice_that_is_not_enough_is_said(
    pages: Pages, chosen: dict[str, str], said: str
) -> None:
    journey = pages.begin("Who,When\n1234567,2026-10-14\n")
    page = pages.columns(journey, **chosen)
    assert heading(page) == "Which column is what?"
    assert said in page


@pytest.mark.parametrize(
    ("content", "name"),
    [(b"%PDF-1.4", "a.csv"), (b"", "a.csv"), (b"PK\x03\x04", "a.xlsx"), (b"\x00\x01", "b.xls")],
)
def test_a_file_that_cannot_be_used_is_refused_under_its_own_name(
    pages: Pages, content: bytes, name: str
) -> None:
    page = pages.post("/lists", files={"file": (name, content)})
    assert heading(page) == "This list cannot be used as it is"
    assert name in page
    assert "list.csv" not in page


def test_without_a_file_the_page_says_so(pages: Pages) -> None:
    assert "Choose a list" in pages.post("/lists", files={"file": ("", b"")})


def test_a_path_in_a_files_name_leads_nowhere(pages: Pages) -> None:
    pages.begin(TWO, "../../../evil.csv")
    assert {path.name for path in pages.reports.rglob("*.csv")} == {"list.csv"}
    assert list(pages.reports.parent.rglob("evil*")) == []


def test_what_is_given_is_private_and_goes_with_the_journey(pages: Pages) -> None:
    journey = pages.begin(TWO)
    (path,) = pages.reports.glob(".app/lists/*/list.csv")
    assert has_mode(path, 0o600)
    assert has_mode(path.parent, 0o700)
    pages.columns(journey)
    pages.looked_up(journey)
    pages.sent(journey, 2)
    assert not path.parent.exists()


def test_a_corrected_copy_is_private_too(pages: Pages) -> None:
    journey = pages.begin(ONE_WRONG)
    pages.columns(journey)
    pages.post(f"{journey}/check", {"r3c1": "2026-10-14", "shown": "3"})
    pages.looked_up(journey)
    pages.get(f"{journey}/corrected")
    copies = list(pages.reports.glob(".app/lists/*/*/corrected.csv"))
    assert len(copies) == 2
    assert all(has_mode(one, 0o600) and has_mode(one.parent, 0o700) for one in copies)


def test_a_file_that_does_not_say_how_large_it_is_is_refused_on_the_way(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "MOST_BYTES", 1000)
    headers = {"origin": pages.origin, "content-type": "multipart/form-data; boundary=x"}
    begins = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    parts = iter((begins, *3 * (b"x" * 50_000,)))  # sent in chunks, without a length
    answer = pages.client.post("/lists", content=parts, headers=headers)
    assert "larger than" in answer.text
    assert pages.site.journeys.all() == []


def test_a_file_that_is_too_large_is_refused_before_it_is_read(pages: Pages) -> None:
    told = (
        f"POST /lists HTTP/1.1\r\nHost: 127.0.0.1:{pages.port}\r\nOrigin: {pages.origin}\r\n"
        f"Cookie: {pages.site.keys.cookie_name}={pages.site.keys.session}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n"
        f"Content-Length: {2 * MOST_BYTES}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", pages.port)) as connection:
        connection.sendall(told.encode())
        answer = connection.recv(100_000) + connection.recv(100_000)
    assert b"100 MB" in answer


def test_the_copy_to_download_is_of_the_last_correction(pages: Pages) -> None:
    journey = pages.begin(ONE_WRONG)
    pages.columns(journey)
    for day in ("2026-10-14", "2026-10-15"):
        pages.post(f"{journey}/check", {"r3c1": day, "shown": "3"})
        assert day in pages.get(f"{journey}/corrected")


def test_a_list_that_is_corrected_after_the_preview_is_looked_up_again(pages: Pages) -> None:
    journey = pages.begin(ONE_WRONG)
    pages.columns(journey)
    pages.looked_up(journey)
    pages.post(f"{journey}/check", {"r3c1": "2026-10-14", "shown": "3"})  # in another tab
    pages.sent(journey, 1)
    assert pages.path == f"{journey}/where"
    assert list(pages.reports.glob("2*")) == []


def test_a_choice_that_lacks_a_token_is_kept(pages: Pages) -> None:
    journey = pages.begin(TWO)
    pages.columns(journey)
    page = pages.post(f"{journey}/where", {"where": "2"})
    assert re.search(r'value="2" checked', page)


def test_a_token_counts_as_set_where_every_place_has_one(pages: Pages) -> None:
    journey = pages.begin(TWO)
    pages.columns(journey)
    *others, last = [one for one in pages.site.places() if not one.is_rehearsal]
    pages.site.keep_token(last.origin, TOKEN)
    assert "A token is set already" not in pages.get(f"{journey}/where")
    for place in others:
        pages.site.keep_token(place.origin, TOKEN)
    assert "A token is set already" in pages.get(f"{journey}/where")


def test_two_journeys_do_not_mix(pages: Pages) -> None:
    one, other = pages.begin(TWO, "one.csv"), pages.begin(ONE_WRONG, "other.csv")
    pages.columns(one)
    pages.columns(other)
    assert heading(pages.get(f"{one}/check")) == "All 2 rows can be sent"
    assert heading(pages.get(f"{other}/check")) == "You need to correct 2 rows"
    assert heading(pages.looked_up(one)) == "2 rows will be sent"
    assert heading(pages.looked_up(other)) == "1 row will be sent"
    pages.post(f"{one}/preview", {"search": "2 October 2026"})
    assert "1 row matches" in pages.get(f"{one}/preview")
    assert "matches" not in pages.get(f"{other}/preview")
    pages.sent(one, 2)
    assert heading(pages.get(f"{other}/preview")) == "1 row will be sent"


@pytest.mark.parametrize(
    "path",
    [
        "/lists/guess/check", "/lists/..%2f..%2fjournal.db/check", "/under-way/guess",
        "/runs/guess", "/runs/..%2f..%2fetc/passwd", "/runs/.app/running.json",
        "/static/..%2fgate.py", "/static/%2e%2e/site.py",
    ],
)  # fmt: skip
def test_no_address_leads_to_what_it_should_not(pages: Pages, path: str) -> None:
    assert heading(pages.get(path)) == "This page is not here"


def test_of_a_run_only_its_report_is_served(pages: Pages) -> None:
    journey = pages.begin(TWO)
    pages.columns(journey)
    pages.looked_up(journey)
    pages.sent(journey, 2)
    run = f"/runs/{next(pages.reports.glob('2*')).name}"
    (pages.reports / run.removeprefix("/runs/") / "secret.txt").write_text("x")
    assert heading(pages.get(f"{run}/secret.txt")) == "This page is not here"
    assert heading(pages.get(f"{run}/..%2f..%2fjournal.db")) == "This page is not here"
    report = pages.client.get(f"{run}/report.html")
    assert "sha256-" in report.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in report.headers["content-security-policy"]
    assert "attachment" in pages.client.get(f"{run}/results.xlsx").headers["content-disposition"]


def test_the_preview_is_searched_without_a_name_in_the_address(pages: Pages) -> None:
    people = "".join(f"id{n},Smith{n},2026-10-01\n" for n in range(60))
    journey = pages.begin(f"trainee_id,last_name,defer_date\n{people}")
    pages.columns(journey)
    assert "Page 1 of 2" in pages.looked_up(journey)
    page = pages.post(f"{journey}/preview", {"search": "smith5"})
    assert "Smith5" not in pages.path
    assert len(re.findall(r'<td role="cell" class="num"', page)) == 11


def test_a_wrong_token_is_told_as_on_a_terminal(pages: Pages, register: Serving) -> None:
    to_register(pages, register(abc="trn_received"))
    journey = pages.begin(TWO)
    pages.columns(journey)
    page = pages.looked_up(journey, "3", "wrong-token")
    assert heading(page) == "Register refused"
    assert "wrong-token" not in page


def test_without_a_token_one_is_asked_for(pages: Pages) -> None:
    journey = pages.begin(TWO)
    pages.columns(journey)
    page = pages.post(f"{journey}/where", {"where": "2"})
    assert "Paste the token" in page
    assert not pages.works()


def test_a_number_of_thousands_of_digits_is_none(pages: Pages) -> None:
    journey, digits = pages.begin(TWO), "9" * 5000
    assert heading(pages.post(f"{journey}/columns", {"trn": digits})) == "Which column is what?"
    pages.columns(journey)
    asked = {"where": digits, "page": digits, "shown": digits, "leave_out": digits}
    for page in ("check", "where", "preview"):
        assert heading(pages.post(f"{journey}/{page}", asked)) != "A fault of this tool"


@pytest.mark.parametrize("where", ["", "9", "-1", "9" * 5000, "http://evil.example"])
def test_no_register_comes_from_the_browser(pages: Pages, where: str) -> None:
    journey = pages.begin(TWO)
    pages.columns(journey)
    page = pages.post(f"{journey}/where", {"where": where, "token": TOKEN})
    assert "Choose where the list goes" in page
    assert not pages.works()


def test_a_pasted_token_is_shown_and_written_nowhere(pages: Pages, register: Serving) -> None:
    emulator = register(abc="trn_received")
    to_register(pages, emulator)
    journey = pages.begin(TWO)
    pages.columns(journey)
    shown = pages.looked_up(journey, "3", TOKEN) + pages.sent(journey, 1)
    shown += pages.get("/") + pages.get(f"{journey}/where")
    assert TOKEN not in shown
    files = [path for path in pages.reports.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if TOKEN.encode() in path.read_bytes()]


def test_a_fault_is_a_page_and_its_trace_holds_no_value(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("Zq-secret")

    journey = pages.begin(TWO)
    pages.columns(journey)
    monkeypatch.setattr(type(pages.site.journeys.all()[0]), "check", broken)
    page = pages.get(f"{journey}/check")
    assert heading(page) == "A fault of this tool"
    assert "sent nothing to Register" in page
    log = (pages.reports / ".app" / "app.log").read_text(encoding="utf-8")
    assert "RuntimeError" in log
    assert "Zq-secret" not in page + log


def test_register_down_is_a_page_with_what_to_do(pages: Pages, register: Serving) -> None:
    emulator = register(abc="trn_received")
    to_register(pages, emulator)
    pages.site.settings = pages.site.settings.model_copy(update={"give_up_after": 0.5})
    emulator.plan.outage = troubles.Dropped()  # type: ignore[union-attr]
    journey = pages.begin(TWO)
    pages.columns(journey)
    assert heading(pages.looked_up(journey, "3", TOKEN)) == "Register could not be asked"


@posix_only
def test_nothing_of_the_job_stands_in_a_list_of_processes(
    pages: Pages, register: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "subprocess", subprocess)  # for a command line of its own
    hung = troubles.Fault(None, None, given=troubles.Hung(), last=None)
    to_register(pages, register(abc="trn_received", faults=[hung]))
    journey = pages.begin(TWO)
    pages.columns(journey)
    pages.post(f"{journey}/where", {"where": "3", "token": TOKEN})
    (work,) = pages.works()
    process = Path(f"/proc/{work._process.pid}")
    told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    pages.post(f"/under-way/{work.id}/stop")
    work.wait()
    assert b"batch.app.work" in told
    assert TOKEN.encode() not in told


def test_corrections_of_another_sheet_are_not_taken(pages: Pages, tmp_path: Path) -> None:
    book = xlsxwriter.Workbook(tmp_path / "two.xlsx")
    for name in ("May", "June"):
        sheet = book.add_worksheet(name)
        sheet.write_row(0, 0, ["trainee_id", "defer_date"])
        sheet.write_row(1, 0, [f"{name}1", "someday"])
    book.close()
    journey = pages.begin((tmp_path / "two.xlsx").read_bytes(), "two.xlsx")
    pages.post(f"{journey}/columns", {"sheet": "June"})
    assert "June1" in pages.columns(journey)
    pages.post(f"{journey}/check", {"sheet": "May", "r2c0": "May1", "shown": "2"})
    assert "June1" in pages.get(f"{journey}/check")
    pages.post(f"{journey}/check", {"sheet": "June", "r2c0": "June2", "shown": "2"})
    assert "June2" in pages.get(f"{journey}/check")
