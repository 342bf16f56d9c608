"""The page as bytes: what it holds, what it may not hold, and what it forbids."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from pathlib import Path

import pytest

from batch.codes import Code
from batch.record import page
from batch.record.findings import findings
from batch.record.records import Resumption
from batch.rows import Deferral, Problem, Row, Settled
from tests.support.journals import RUN, failed, journal_of

DEFERRAL = Deferral("abc", "2026-10-01", None)
HOSTILE = "</script><script>alert(1)</script>"


def text_of(folder: Path, *rows: Row, **more: object) -> str:
    with journal_of(folder, rows, **more) as journal:
        return b"".join(page.rendered(journal.ledger, RUN.run_id)).decode()


def test_nothing_on_the_page_comes_from_elsewhere(tmp_path: Path) -> None:
    text = text_of(tmp_path, failed(2, "abc", "x", "y"))
    assert set(re.findall(r'(?:href|src)="(?!#)([^"]*)"', text)) == {
        "succeeded.csv",
        "not_found.csv",
        "unprocessable.csv",
        "unresolved.csv",
        "results.xlsx",
        "to-correct.xlsx",
        "manifest.json",
    }
    assert not re.search(r"url\(|@import|<link|<img|<iframe", text)


def test_the_policy_allows_this_style_and_script_alone(tmp_path: Path) -> None:
    text = text_of(tmp_path)
    for kind in ("style", "script"):
        (inner,) = re.findall(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in text
    assert "default-src 'none'" in text
    assert "unsafe" not in text
    assert " style=" not in text


def test_hostile_values_are_escaped(tmp_path: Path) -> None:
    text = text_of(tmp_path, failed(2, HOSTILE, "x", "y"), input_name=HOSTILE, operator=HOSTILE)
    assert HOSTILE not in text
    assert text.count("<script>") == 1


def test_a_date_that_failed_a_check_stands_among_all_rows(tmp_path: Path) -> None:
    assert "<bdi>14 Sept 2026</bdi>" in text_of(tmp_path, failed(2, "abc", "14 Sept 2026", "y"))


def test_what_steers_the_direction_is_named(tmp_path: Path) -> None:
    text = text_of(tmp_path, failed(2, "a\u202eb", "x", "y"), input_name="list\u202evsc.exe")
    assert "\u202e" not in text
    assert text.count("list[U+202E]vsc.exe") == 3
    assert "a[U+202E]b" in text


def test_a_reason_that_slipped_into_another_column_is_not_on_the_page(tmp_path: Path) -> None:
    row = failed(2, "cancer", "of the lungs", "y", code=Code.WRONG_NUMBER_OF_VALUES)
    text = text_of(tmp_path, row)
    assert "cancer" not in text
    assert "lungs" not in text


def test_other_columns_are_not_on_the_page(tmp_path: Path) -> None:
    assert "Zq-reason" not in text_of(tmp_path, failed(2, "abc", "x", "Zq-reason"))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"rehearsal": True}, "REHEARSAL: nothing was sent to Register"),
        ({"settings": {"environment": "sandbox"}}, "SANDBOX: these are not real records"),
    ],
)
def test_what_is_not_real_says_so(tmp_path: Path, more: dict[str, object], said: str) -> None:
    assert f'role="note">{said}<' in text_of(tmp_path, **more)


def test_a_real_run_has_no_banner(tmp_path: Path) -> None:
    assert 'class="banner"' not in text_of(tmp_path)


def test_what_is_to_do_comes_before_what_is_to_know(tmp_path: Path) -> None:
    duplicate = failed(2, "a", "x", "y", code=Code.DUPLICATE_ROW)
    conflicting = failed(3, "b", "x", "y", code=Code.CONFLICTING_ROWS)
    text = text_of(tmp_path, duplicate, conflicting)
    found = re.findall(r'<h[23] id="([\w-]+)"', text)
    assert found[1:5] == ["to-do", "conflicting_rows", "to-know", "duplicate_row"]


def test_the_commands_on_the_page_name_a_reports_folder_of_ones_own(tmp_path: Path) -> None:
    with journal_of(tmp_path, [], reports_dir="elsewhere") as journal:
        journal.finish(1, exit_code=3, stopped_because="Interrupted.")
        text = b"".join(page.rendered(journal.ledger, RUN.run_id)).decode()
    for command in ("resume", "verify"):
        assert f"defer-batch {command} {RUN.run_id} --reports-dir elsewhere<" in text


def test_every_link_within_the_page_leads_somewhere(tmp_path: Path) -> None:
    text = text_of(tmp_path, failed(2, "a", "x", "y"))
    links = set(re.findall(r'href="#([^"]*)"', text))
    assert links >= {"to-do", "rows", "record"}
    assert links <= set(re.findall(r'id="([^"]*)"', text))


def test_the_verdict_stands_under_the_title(tmp_path: Path) -> None:
    text = text_of(tmp_path, failed(2, "a", "x", "y"))
    assert re.search(
        r'</h1>\s*<p class="verdict">No row is deferred; 1 needs your attention.</p>', text
    )


def test_what_reading_noticed_and_repaired_is_on_record(tmp_path: Path) -> None:
    text = text_of(tmp_path, notices=("read as Windows-1252",), repairs={"spaces_removed": 3})
    assert "read as Windows-1252" in text
    assert "3 × spaces removed" in text


def test_each_kind_says_what_to_do(tmp_path: Path) -> None:
    text = text_of(tmp_path, failed(2, "a", "x", "y", code=Code.MALFORMED_TRAINEE_ID))
    assert "Copy the id again from Register&#39;s export." in text


def test_the_rate_limit_is_drawn_over_what_was_settled(tmp_path: Path) -> None:
    rows = [Row(n, (f"id{n}", "2026-10-01"), f"id{n}", DEFERRAL) for n in (2, 3)]
    with journal_of(tmp_path, rows) as journal:
        for row in rows:
            asyncio.run(journal.intend(1, row.row_number, "defer"))
        journal.settle_now(1, dict.fromkeys((2, 3), Settled(Code.DEFERRED, "Deferred.")))
        text = b"".join(page.rendered(journal.ledger, RUN.run_id)).decode()
    assert re.findall(r'<poly\w+ class="(\w+)"', text) == ["area", "line", "limit"]


def test_the_same_sentence_is_said_once_for_all_its_rows(tmp_path: Path) -> None:
    problem = Problem(Code.MISSING_DEFER_DATE, "defer_date", "There is no deferral date.")
    rows = [Row(n, (f"id{n}", "", "x"), f"id{n}", None, (problem,)) for n in range(2, 17)]
    to_do = text_of(tmp_path, *rows).split('id="rows"')[0]
    assert to_do.count("There is no deferral date.") == 1
    assert to_do.count("<li><span") == 15


def test_ids_in_a_sentence_do_not_make_it_another(tmp_path: Path) -> None:
    rows = [Row(n, (f"id{n}", "2026-10-01", "x"), f"id{n}", DEFERRAL) for n in (2, 3)]
    with journal_of(tmp_path, rows) as journal:
        words = "No trainee of this provider has the id id{}. Nothing was sent."
        told = {n: Settled(Code.TRAINEE_NOT_FOUND, words.format(n)) for n in (2, 3)}
        journal.settle_now(1, told)
        (group,) = findings(journal.ledger, RUN.run_id).to_do
    assert [said.message for said in group.said] == [
        "No trainee of this provider has this id. Nothing was sent.",
    ]


def test_people_are_known_by_their_own_number_and_not_by_name(tmp_path: Path) -> None:
    held_in = {"trainee_id": "trainee_id", "trn": "TRN", "last_name": "surname"}
    names = ("trainee_id", "TRN", "surname")
    text = text_of(
        tmp_path, failed(2, "abc", "'0123456", "Zq-name"), columns=names, held_in=held_in
    )
    assert text.count("TRN 0123456") == 2
    assert "Zq-name" not in text


def test_a_date_is_written_one_way(tmp_path: Path) -> None:
    row = Row(2, ("abc", "2026-10-01", "x"), "abc", DEFERRAL)
    with journal_of(tmp_path, [row]) as journal:
        already = Settled(Code.ALREADY_DEFERRED, "Deferred already, on 2026-09-01.", "2026-09-01")
        journal.settle_now(1, {2: already})
        text = b"".join(page.rendered(journal.ledger, RUN.run_id)).decode()
    shown = re.sub(r"<script>.*?</script>|<[^>]*>", "", text, flags=re.DOTALL)
    assert "1 October 2026" in shown
    assert "on 1 September 2026." in shown
    assert not re.search(r"\d{4}-\d{2}-\d{2}", shown)


def test_a_date_that_a_check_quotes_stays_as_it_stands_in_the_file(tmp_path: Path) -> None:
    problem = Problem(Code.UNUSUAL_DEFER_DATE, "defer_date", "1926-10-01 is before 2000.")
    text = text_of(tmp_path, Row(2, ("abc", "1926-10-01", "x"), "abc", None, (problem,)))
    assert "1926-10-01 is before 2000." in text


def test_who_was_deferred_already_is_not_red(tmp_path: Path) -> None:
    text = text_of(tmp_path, failed(2, "abc", "x", "y", code=Code.ALREADY_DEFERRED))
    assert '<td class="to_know"><span class="tag">Could not be deferred<' in text
    assert '<rect class="unprocessable"' not in text


def test_trainees_are_counted_where_they_are_fewer_than_rows(tmp_path: Path) -> None:
    twice = [failed(n, "abc", "x", "y", code=Code.DUPLICATE_ROW) for n in (2, 3)]
    assert "(1 trainee)" in text_of(tmp_path, *twice)


def test_rows_to_correct_come_with_the_command_that_runs_them(tmp_path: Path) -> None:
    command = ("run", "list.csv", "--sheet", "A", "--register", "production", "--yes")
    text = text_of(tmp_path, failed(2, "abc", "x", "y"), command=command)
    path = Path("reports", RUN.run_id, "to-correct.xlsx")
    assert f"<code>defer-batch run {path} --register production</code>" in text


def test_an_interruption_stands_on_record_with_who_resumed_it(tmp_path: Path) -> None:
    with journal_of(tmp_path, []) as journal:
        journal.finish(1, exit_code=130, stopped_because="Interrupted.")
        settings = {"rate_requests": 50, "rate_period_seconds": 60.0}
        again = ("anna", "Anna", "there", "1", "3", ())
        at = "2026-11-25T09:00:00.000Z"
        journal.note_resumption(1, Resumption(*again, at, settings, "abcd1234"))
        text = b"".join(page.rendered(journal.ledger, RUN.run_id)).decode()
    record = text.split('id="record"')[1]
    assert "24 November 2026, 10:00:00 UTC: Interrupted." in record
    assert "25 November 2026, 09:00:00 UTC, by Anna, as anna on there" in record
    assert "with at most 50 requests in 60 s" in record
    assert "fingerprint abcd1234" in record


def test_who_closed_a_run_stands_on_record(tmp_path: Path) -> None:
    row = Row(2, ("abc", "2026-10-01", "x"), "abc", DEFERRAL)
    with journal_of(tmp_path, [row]) as journal:
        at = "2026-11-25T09:00:00.000Z"
        by = Resumption("anna", None, "there", "1", "3", (), at, RUN.settings, None)
        journal.note_resumption(1, by)
        journal.end_for_good(1, exit_code=1, because="Closed.")
        text = b"".join(page.rendered(journal.ledger, RUN.run_id)).decode()
    assert "<dt>Closed</dt><dd><bdi>25 November 2026, 09:00:00 UTC, by anna on there" in text


def test_what_was_looked_up_warned_of_and_confirmed_is_on_record(tmp_path: Path) -> None:
    row = Row(2, ("abc", "2026-10-01", "x"), "abc", DEFERRAL)
    with journal_of(tmp_path, [row]) as journal:
        journal.note_look(RUN.run_id, looked_up=1, warnings=["Most names differ."])
        refused = Settled(Code.REFUSED_BY_REGISTER, "Register refused it: Course is missing.")
        journal.settle_now(1, {2: refused})
        journal.note_final_check(1, checked=3, confirmed=2)
        text = b"".join(page.rendered(journal.ledger, RUN.run_id)).decode()
    record = text.split('id="record"')[1]
    for words in ("of 1 row was looked up", "Most names differ.", "2 of 3 deferrals"):
        assert words in record
    assert "Register refused it: Course is missing. (1 row)" in record


def test_the_same_journal_gives_the_same_bytes(tmp_path: Path) -> None:
    with journal_of(tmp_path, [failed(2, "abc", "x", "y")]) as journal:
        first, again = (list(page.rendered(journal.ledger, RUN.run_id)) for _ in range(2))
    assert first == again


def test_rows_beyond_the_first_stand_on_the_page_too(tmp_path: Path) -> None:
    text = text_of(tmp_path, *(failed(number, f"id{number}", "x", "y") for number in range(2, 604)))
    assert text.count("data-outcome=") == 602
    assert text.count('class="later"') == 102
