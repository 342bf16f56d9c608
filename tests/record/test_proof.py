"""What `verify` sees where files, manifest and journal were altered, together or alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from batch.codes import Outcome
from batch.record import report, verify
from batch.record.journal import Journal
from batch.record.manifest import FILES
from batch.record.purge import Purge
from batch.record.verify import Verdict
from tests.support.journals import RUN, altered, failed, journal_of
from tests.support.terminals import posix_only

ROWS = [failed(number, f"id{number}", "x", "note") for number in (2, 3, 4)]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with journal_of(tmp_path, ROWS) as kept:
        yield kept


@pytest.fixture
def folder(tmp_path: Path, journal: Journal) -> Path:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.log").write_text("as left\n")
    return report.write_report(journal, RUN.run_id, tmp_path / "run", tool_version="1").folder


def forge(folder: Path, name: str | None = None, **facts: Any) -> None:
    """Alter the manifest, so that it agrees with an altered file."""
    path = folder / "manifest.json"
    told = json.loads(path.read_text()) | facts
    if name is not None:
        told["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    path.write_text(json.dumps(told))


def verified(folder: Path, journal: Journal | None) -> Verdict:
    ledger = None if journal is None else journal.ledger
    return verify.verify_run(folder, ledger, None, run_id=RUN.run_id, tool_version="1")


def differences(folder: Path, journal: Journal | None) -> tuple[str, ...]:
    return verified(folder, journal).differences


def test_untouched_files_hold(folder: Path, journal: Journal) -> None:
    verdict = verified(folder, journal)
    assert (verdict.holds, verdict.unchecked, len(verdict.lines())) == (True, (), 1)


def test_a_csv_altered_together_with_the_manifest_is_named(folder: Path, journal: Journal) -> None:
    path = folder / "unprocessable.csv"
    path.write_bytes(path.read_bytes().replace(b"id3", b"id9"))
    forge(folder, path.name)
    assert differences(folder, journal) == (
        "manifest.json was altered",
        "unprocessable.csv was altered",
        "unprocessable.csv differs from the journal at row 3",
    )


def test_a_row_taken_out_is_named_and_no_other(folder: Path, journal: Journal) -> None:
    path = folder / "unprocessable.csv"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if not line.startswith(b"id3")))
    forge(folder, path.name)
    assert differences(folder, journal)[2:] == (
        "unprocessable.csv lacks row 3",
        "the input had 3 rows, the CSVs have 2",
    )


def test_a_row_put_in_is_named(folder: Path, journal: Journal) -> None:
    path = folder / "succeeded.csv"
    path.write_bytes(path.read_bytes() + b"a,b,c,9,succeeded,deferred,,200,1,,,\r\n")
    assert "succeeded.csv has a row that the journal has not: row 9" in differences(folder, journal)


def test_a_header_that_was_altered_is_named(folder: Path, journal: Journal) -> None:
    path = folder / "succeeded.csv"
    path.write_bytes(path.read_bytes().replace(b"note", b"nota"))
    found = differences(folder, journal)
    assert "the header of succeeded.csv is not the one that was written" in found


def test_a_forged_operator_is_named(folder: Path, journal: Journal) -> None:
    forge(folder, operator={"login": "nobody", "name": None})
    assert differences(folder, journal) == (
        "manifest.json was altered",
        "manifest.json differs from the journal in `operator`",
    )


def test_a_forged_summary_is_named(folder: Path, journal: Journal) -> None:
    path = folder / "summary.json"
    path.write_text(path.read_text().replace('"unprocessable": 3', '"unprocessable": 0'))
    forge(folder, path.name)
    assert "summary.json differs from the journal" in differences(folder, journal)


@pytest.mark.parametrize("content", [b"\xff\xfe\xff", b'"never closed', b"a\x00b\r\n"])
def test_a_csv_that_cannot_be_read_is_said_and_no_crash(folder: Path, content: bytes) -> None:
    path = folder / "succeeded.csv"
    path.write_bytes(path.read_bytes() + content)
    assert "succeeded.csv was altered" in differences(folder, None)


@pytest.mark.parametrize("name", ["files", "input", "predecessors"])
def test_a_manifest_of_another_shape_is_no_crash(folder: Path, journal: Journal, name: str) -> None:
    forge(folder, None, **{name: 7})
    verify.verify_run(folder, journal.ledger, "0" * 64, run_id=RUN.run_id, tool_version="1")


def test_a_folder_that_was_added_is_named(folder: Path, journal: Journal) -> None:
    (folder / "more").mkdir()
    assert differences(folder, journal) == ("more was added",)


def test_an_attempt_that_was_altered_is_found(
    tmp_path: Path, folder: Path, journal: Journal
) -> None:
    altered(
        tmp_path / "journal.db",
        "INSERT INTO attempts (run_no, kind, intended_at, meaning) VALUES (1, 'info', 1.0, 'x')",
    )
    assert "the journal's rows or attempts are not those of the manifest" in differences(
        folder, journal
    )


def test_without_the_journal_it_says_what_was_not_compared(folder: Path) -> None:
    verdict = verified(folder, None)
    assert verdict.holds
    assert verdict.lines()[1].startswith("not checked: the journal is not here")


def test_after_a_purge_a_copy_still_holds_in_itself(folder: Path, journal: Journal) -> None:
    Purge(journal._connection).purge(RUN.run_id)
    verdict = verified(folder, journal)
    assert (verdict.holds, len(verdict.unchecked)) == (True, 1)


@pytest.mark.parametrize("name", ["report.html", "results.xlsx", "run.log"])
def test_a_file_forged_together_with_the_manifest_is_named(
    folder: Path, journal: Journal, name: str
) -> None:
    (folder / name).write_text("forged")
    forge(folder, name)
    assert differences(folder, journal) == ("manifest.json was altered", f"{name} was altered")


@pytest.mark.parametrize("forgery", ["page", "nothing"])
def test_a_page_that_the_journal_was_made_to_vouch_for_is_named(
    tmp_path: Path, folder: Path, journal: Journal, forgery: str
) -> None:
    path = folder / "report.html"
    if forgery == "page":
        path.write_bytes(path.read_bytes().replace(b"id3", b"id9"))
    forge(folder, path.name)
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}
    own = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    altered(
        tmp_path / "journal.db",
        f"UPDATE reports SET files='{json.dumps(hashes)}', manifest_sha256='{own}'",
    )
    said = "report.html is not the page that the journal's rows make"
    assert differences(folder, journal) == ((said,) if forgery == "page" else ())


def test_a_file_that_is_missing_is_said_once(folder: Path, journal: Journal) -> None:
    (folder / "succeeded.csv").unlink()
    assert differences(folder, journal) == ("succeeded.csv is missing",)
    (folder / "manifest.json").unlink()
    altered(folder.parent / "journal.db", "DELETE FROM reports")
    missing = ("manifest.json is missing", "succeeded.csv is missing")
    assert differences(folder, journal) == missing


def test_a_folder_without_a_report_is_said_to_have_none(folder: Path, journal: Journal) -> None:
    for path in folder.iterdir():
        if path.name != "run.log":
            path.unlink()
    assert differences(folder, journal) == (f"no report stands in {folder}: `report` writes it",)


def test_a_file_added_to_the_manifest_too_is_named(folder: Path, journal: Journal) -> None:
    (folder / "more.csv").write_text("forged")
    forge(folder, "more.csv")
    assert "more.csv was added" in differences(folder, journal)


@pytest.mark.parametrize("content", [None, b"", b'{"run_id": "2026'])
def test_without_its_manifest_a_folder_is_held_against_the_journal(
    folder: Path, journal: Journal, content: bytes | None
) -> None:
    path = folder / "unprocessable.csv"
    path.write_bytes(path.read_bytes().replace(b"id3", b"id9"))
    (folder / "manifest.json").unlink()
    if content is not None:
        (folder / "manifest.json").write_bytes(content)
    assert differences(folder, journal) == (
        f"manifest.json {'is missing' if content is None else 'cannot be read'}",
        "unprocessable.csv was altered",
        "unprocessable.csv differs from the journal at row 3",
    )


@posix_only
def test_what_is_hidden_or_a_link_is_named(folder: Path, journal: Journal) -> None:
    (folder / ".hidden").write_text("x")
    (folder / "summary.json").rename(folder.parent / "elsewhere")
    (folder / "summary.json").symlink_to(folder.parent / "elsewhere")
    (folder / "link").symlink_to("nowhere")
    assert differences(folder, journal) == (
        "summary.json is missing",
        ".hidden was added",
        "link is a link",
        "summary.json is a link",
    )


def test_a_folder_that_only_looks_like_another_versions_report_is_named(
    folder: Path, journal: Journal
) -> None:
    (folder / "report-9").mkdir()
    assert differences(folder, journal) == ("report-9 was added",)
    for path in [path for path in folder.iterdir() if path.is_file()]:
        (folder / "report-9" / path.name).write_bytes(path.read_bytes())
    assert "report-9: the journal knows no such report" in differences(folder, journal)


def test_the_files_of_another_run_are_named(folder: Path, journal: Journal) -> None:
    told = verify.verify_run(
        folder, journal.ledger, None, run_id="20261124T100000Z-other-abcd", tool_version="1"
    )
    assert f"manifest.json is of another run: {RUN.run_id}" in told.differences
    assert "the journal knows no such run" in told.differences


def test_a_manifest_put_back_from_an_earlier_report_is_named(
    tmp_path: Path, folder: Path, journal: Journal
) -> None:
    before = (folder / "manifest.json").read_bytes()
    altered(tmp_path / "journal.db", "UPDATE runs SET stopped_because='tired'")
    report.write_report(journal, RUN.run_id, folder, tool_version="1")
    (folder / "manifest.json").write_bytes(before)
    assert "manifest.json is an earlier one: the report was written anew since" in differences(
        folder, journal
    )


def test_another_version_writes_beside_and_leaves_what_is_there(
    folder: Path, journal: Journal
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    again = report.write_report(journal, RUN.run_id, folder, tool_version="2")
    assert again.folder == folder / "report-2"
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    assert differences(folder, journal) == ()
    (again.folder / "report.html").write_text("forged")
    forge(again.folder, "report.html")
    assert differences(folder, journal) == (
        "report-2: manifest.json was altered",
        "report-2: report.html was altered",
    )


def test_another_version_writes_beside_also_where_the_manifest_is_gone(
    folder: Path, journal: Journal
) -> None:
    (folder / "manifest.json").unlink()
    again = report.write_report(journal, RUN.run_id, folder, tool_version="2")
    assert again.folder == folder / "report-2"


def test_a_manifest_that_is_gone_is_written_as_it_was(folder: Path, journal: Journal) -> None:
    before = (folder / "manifest.json").read_bytes()
    (folder / "manifest.json").unlink()
    report.write_report(journal, RUN.run_id, folder, tool_version="1")
    assert (folder / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("content", ["forged\n", "as left\nand more\n", "", None])
def test_a_report_written_again_does_not_make_an_altered_log_good(
    folder: Path, journal: Journal, content: str | None
) -> None:
    log = folder / "run.log"
    log.unlink() if content is None else log.write_text(content)
    (said,) = report.write_report(journal, RUN.run_id, folder, tool_version="1").warnings
    what = "is missing" if content is None else "was altered"
    assert f"run.log {what}" in said
    assert differences(folder, journal) == (f"run.log {what}",)


def test_a_log_grows_while_its_run_is_carried_on(
    tmp_path: Path, folder: Path, journal: Journal
) -> None:
    altered(
        tmp_path / "journal.db",
        "INSERT INTO attempts (run_no, kind, intended_at, meaning) VALUES (1, 'info', 1.0, 'up')",
    )
    (folder / "run.log").write_text("as left\nand on\n")
    assert report.write_report(journal, RUN.run_id, folder, tool_version="1").warnings == ()
    assert differences(folder, journal) == ()


def test_a_file_that_was_added_stays_one_after_another_report(
    folder: Path, journal: Journal
) -> None:
    (folder / "more.csv").write_text("x")
    report.write_report(journal, RUN.run_id, folder, tool_version="1")
    assert differences(folder, journal) == ("more.csv was added",)


def test_the_manifest_counts_the_outcomes(folder: Path) -> None:
    told = json.loads((folder / "manifest.json").read_text())
    counts = {"succeeded": 0, "not_found": 0, "unprocessable": 3, "unresolved": 0}
    assert (told["counts"], told["resumed"]) == (counts, [])


def test_a_run_carried_on_by_another_version_is_told_anew_in_its_folder(
    tmp_path: Path, folder: Path, journal: Journal
) -> None:
    altered(tmp_path / "journal.db", "UPDATE runs SET finished_at='2026-11-25T10:00:00.000Z'")
    again = report.write_report(journal, RUN.run_id, folder, tool_version="2")
    assert again.folder == folder
    assert len(json.loads((folder / "manifest.json").read_text())["predecessors"]) == 1


def test_what_a_killed_process_left_half_written_goes(folder: Path, journal: Journal) -> None:
    (folder / ".succeeded.csv.x1y2").write_text("half")
    (folder / ".results.xlsx.x1y2").mkdir()
    report.write_report(journal, RUN.run_id, folder, tool_version="1")
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_value_longer_than_csv_reads_by_default_passes_the_self_check(tmp_path: Path) -> None:
    with journal_of(tmp_path, [failed(2, "a", "b", "x" * 200_000)]) as journal:
        report.write_report(journal, RUN.run_id, tmp_path / "run", tool_version="1")
        assert report.self_check(journal.ledger, RUN.run_id, tmp_path / "run") == []


@pytest.mark.parametrize("outcome", Outcome)
def test_the_self_check_says_which_csv_is_missing(
    folder: Path, journal: Journal, outcome: Outcome
) -> None:
    (folder / f"{outcome}.csv").unlink()
    assert report.self_check(journal.ledger, RUN.run_id, folder) == [
        f"{outcome}.csv cannot be read"
    ]
