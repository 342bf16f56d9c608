"""`verify`: what it proves, what it names, and which journal it asks."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batch.commands.run_names import named
from batch.commands.verify import verify_run
from batch.emulator.server import Emulator
from batch.record import database, report_files
from batch.record.journal import Journal
from batch.record.ledger import Ledger
from batch.record.manifest import FILES
from batch.record.proof import Verdict, Verification
from batch.record.purging import Purge
from batch.record.records import Resumption
from tests.support.journals import RUN, altered, failed, journal_of
from tests.support.office import Office, Ran
from tests.support.terminals import bound_by_modes, posix_only

Serving = Callable[..., Emulator]
Submit = Callable[..., Ran]
OTHER = "20261124T110000Z-list-beef"
ROWS = [failed(number, f"id{number}", "x", "note") for number in (2, 3, 4)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Keep a journal and the folder of its one run in `reports`."""
    place = tmp_path / "reports" / RUN.run_id
    place.mkdir(parents=True)
    (place / "run.log").write_text("as left\n")
    with journal_of(tmp_path / "reports", ROWS) as journal:
        return report_files.write_report(journal, RUN.run_id, place, tool_version="1").folder


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """Put a copy of the folder far from the journal."""
    return Path(shutil.copytree(folder, tmp_path / "elsewhere" / "a copy"))


def verified(folder: Path, sha256: str | None = None, *, version: str = "1") -> Verification:
    """Verify a folder by its path: with the journal beside it, if there is one."""
    return verify_run(named(str(folder)), folder.parent, sha256, tool_version=version)


def differences(folder: Path) -> tuple[str, ...]:
    return verified(folder).differences


def reported_again(folder: Path, *, version: str = "1") -> report_files.Written:
    connection = database.open_for_writing(folder.parent / "journal.db")
    journal = Journal(connection, wall=lambda: 1_795_514_400.0)
    try:
        return report_files.write_report(journal, RUN.run_id, folder, tool_version=version)
    finally:
        journal.close()


_ONE_MORE_ATTEMPT = (
    "INSERT INTO attempts (run_no, kind, intended_at, meaning) VALUES (1, 'info', 1.0, 'x')"
)


def alter_journal(folder: Path, sql: str) -> None:
    altered(folder.parent / "journal.db", sql)


def forge(folder: Path, name: str | None = None, **facts: Any) -> None:
    """Alter the manifest, so that it agrees with an altered file."""
    path = folder / "manifest.json"
    told = json.loads(path.read_text()) | facts
    if name is not None:
        told["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    path.write_text(json.dumps(told))


def test_untouched_files_are_proved(folder: Path) -> None:
    found = verified(folder)
    assert (found.verdict, found.unchecked, len(found.lines())) == (Verdict.PROVED, (), 1)


def test_a_csv_altered_together_with_the_manifest_is_named(folder: Path) -> None:
    path = folder / "unprocessable.csv"
    path.write_bytes(path.read_bytes().replace(b"id3", b"id9"))
    forge(folder, path.name)
    assert differences(folder) == (
        "manifest.json was altered",
        "unprocessable.csv was altered",
        "unprocessable.csv differs from the journal at row 3",
    )


def test_a_row_taken_out_is_named_and_no_other(folder: Path) -> None:
    path = folder / "unprocessable.csv"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if not line.startswith(b"id3")))
    forge(folder, path.name)
    assert differences(folder)[2:] == ("unprocessable.csv lacks row 3",)


def test_a_row_put_in_is_named(folder: Path) -> None:
    path = folder / "succeeded.csv"
    path.write_bytes(path.read_bytes() + b"a,b,c,9,succeeded,deferred,,200,1,,,,,\r\n")
    assert "succeeded.csv has a row that the journal has not: row 9" in differences(folder)


def test_a_header_that_was_altered_is_named(folder: Path) -> None:
    path = folder / "succeeded.csv"
    path.write_bytes(path.read_bytes().replace(b"note", b"nota"))
    found = differences(folder)
    assert "the header of succeeded.csv is not the one that was written" in found


def test_a_forged_operator_is_named(folder: Path) -> None:
    forge(folder, operator={"login": "nobody", "name": None})
    assert differences(folder) == (
        "manifest.json was altered",
        "manifest.json differs from the journal in `operator`",
    )


def test_a_forged_summary_is_named(folder: Path) -> None:
    path = folder / "summary.json"
    path.write_text(path.read_text().replace('"unprocessable": 3', '"unprocessable": 0'))
    forge(folder, path.name)
    assert "summary.json differs from the journal" in differences(folder)


@pytest.mark.parametrize("content", [b"\xff\xfe\xff", b'"never closed', b"a\x00b\r\n"])
def test_a_csv_that_cannot_be_read_is_said_and_no_crash(folder: Path, content: bytes) -> None:
    path = folder / "succeeded.csv"
    path.write_bytes(path.read_bytes() + content)
    assert "succeeded.csv was altered" in differences(folder)


@pytest.mark.parametrize("name", ["files", "input", "predecessors"])
def test_a_manifest_of_another_shape_is_no_crash(folder: Path, name: str) -> None:
    forge(folder, None, **{name: 7})
    assert verified(folder, "0" * 64).verdict is Verdict.DIFFERS


def test_a_manifest_nested_beyond_reading_is_named_and_takes_no_other_command(
    folder: Path, office: Office
) -> None:
    (folder / "manifest.json").write_text("[" * 200_000)
    assert "manifest.json cannot be read" in differences(folder)
    assert office.run("runs").code == 0


@pytest.mark.parametrize("digest_format", [0, -1, 3, "1", None])
def test_a_digest_in_a_format_that_no_version_writes_is_not_compared(
    folder: Path, digest_format: object
) -> None:
    alter_journal(folder, "DELETE FROM reports")
    told = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(
        json.dumps(told | {"journal_digest_format": digest_format})
    )
    assert verified(folder).verdict is Verdict.NOT_PROVED


def test_a_folder_that_was_added_is_named(folder: Path) -> None:
    (folder / "more").mkdir()
    assert differences(folder) == ("more was added",)


def test_what_a_report_that_was_cut_off_left_is_no_tampering(folder: Path) -> None:
    (folder / ".report.html.a_b1c2d3").write_text("half")
    (found,) = differences(folder)
    assert "half a file" in found
    assert "added" not in found


def test_an_attempt_that_was_altered_is_found(folder: Path) -> None:
    alter_journal(folder, _ONE_MORE_ATTEMPT)
    (found,) = differences(folder)
    assert "journal" in found


def test_without_the_journal_a_copy_is_intact_but_not_proved(copy: Path, tmp_path: Path) -> None:
    found = verify_run(named(str(copy)), tmp_path / "nowhere", None, tool_version="1")
    assert (found.verdict, found.verdict.exit_code) == (Verdict.NOT_PROVED, 6)
    assert "journal" in found.unchecked[0]


def test_the_printed_sha256_proves_a_copy_without_the_journal(copy: Path, tmp_path: Path) -> None:
    printed = hashlib.sha256((copy / "manifest.json").read_bytes()).hexdigest()
    for sha256, verdict in ((printed, Verdict.PROVED), ("0" * 64, Verdict.DIFFERS)):
        found = verify_run(named(str(copy)), tmp_path / "nowhere", sha256, tool_version="1")
        assert found.verdict is verdict


def test_after_a_purge_a_copy_is_still_proved(folder: Path) -> None:
    connection = database.open_for_writing(folder.parent / "journal.db")
    Purge(connection).purge(RUN.run_id)
    connection.close()
    found = verified(folder)
    assert (found.verdict, len(found.unchecked)) == (Verdict.PROVED, 1)


@pytest.mark.parametrize("name", ["~$results.xlsx", ".~lock.results.xlsx#"])
def test_the_lock_of_an_office_program_is_no_difference(folder: Path, name: str) -> None:
    (folder / name).write_text("someone,here")
    assert verified(folder).verdict is Verdict.PROVED


@pytest.mark.parametrize("name", ["report.html", "results.xlsx", "run.log"])
def test_a_file_forged_together_with_the_manifest_is_named(folder: Path, name: str) -> None:
    (folder / name).write_text("forged")
    forge(folder, name)
    assert differences(folder) == ("manifest.json was altered", f"{name} was altered")


@pytest.mark.parametrize("forgery", ["page", "nothing"])
def test_a_page_that_the_journal_was_made_to_vouch_for_is_named(folder: Path, forgery: str) -> None:
    path = folder / "report.html"
    if forgery == "page":
        path.write_bytes(path.read_bytes().replace(b"id3", b"id9"))
    forge(folder, path.name)
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}
    own = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    alter_journal(
        folder, f"UPDATE reports SET files='{json.dumps(hashes)}', manifest_sha256='{own}'"
    )
    said = "report.html is not the page that the journal's rows make"
    assert differences(folder) == ((said,) if forgery == "page" else ())


def test_a_file_that_is_missing_is_said_once(folder: Path) -> None:
    (folder / "succeeded.csv").unlink()
    assert differences(folder) == ("succeeded.csv is missing",)
    (folder / "manifest.json").unlink()
    alter_journal(folder, "DELETE FROM reports")
    missing = ("manifest.json is missing", "succeeded.csv is missing")
    assert differences(folder) == missing


def test_a_folder_without_a_report_is_said_to_have_none(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != "run.log":
            path.unlink()
    (found,) = differences(folder)
    assert "no report" in found


def test_a_file_added_to_the_manifest_too_is_named(folder: Path) -> None:
    (folder / "more.csv").write_text("forged")
    forge(folder, "more.csv")
    assert "more.csv was added" in differences(folder)


@pytest.mark.parametrize("content", [None, b"", b'{"run_id": "2026'])
def test_without_its_manifest_a_folder_is_held_against_the_journal(
    folder: Path, content: bytes | None
) -> None:
    path = folder / "unprocessable.csv"
    path.write_bytes(path.read_bytes().replace(b"id3", b"id9"))
    (folder / "manifest.json").unlink()
    if content is not None:
        (folder / "manifest.json").write_bytes(content)
    assert differences(folder) == (
        f"manifest.json {'is missing' if content is None else 'cannot be read'}",
        "unprocessable.csv was altered",
        "unprocessable.csv differs from the journal at row 3",
    )


@posix_only
def test_what_is_hidden_or_a_link_is_named(folder: Path) -> None:
    (folder / ".hidden").write_text("x")
    (folder / "summary.json").rename(folder.parent / "elsewhere")
    (folder / "summary.json").symlink_to(folder.parent / "elsewhere")
    (folder / "link").symlink_to("nowhere")
    assert differences(folder) == (
        "summary.json is missing",
        ".hidden was added",
        "link is a link",
        "summary.json is a link",
    )


def test_the_files_of_another_run_are_named(folder: Path) -> None:
    other = folder.rename(folder.with_name(OTHER))
    found = differences(other)
    assert f"manifest.json is of another run: {RUN.run_id}" in found
    assert "the journal knows no such run" in found


def test_a_manifest_put_back_from_an_earlier_report_is_named(folder: Path) -> None:
    before = (folder / "manifest.json").read_bytes()
    alter_journal(folder, "UPDATE runs SET stopped_because='tired'")
    reported_again(folder)
    (folder / "manifest.json").write_bytes(before)
    assert any("earlier" in words for words in differences(folder))


def test_a_report_of_another_version_is_not_compared_with_what_this_one_writes(
    folder: Path,
) -> None:
    alter_journal(folder, "UPDATE reports SET tool_version='0.9'")
    assert verified(folder, version="2").verdict is Verdict.PROVED


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("change", ["rows SET code='x' WHERE row_number=2", "runs SET origin='x'"])
def test_a_journal_altered_since_is_found_whichever_version_wrote_the_report(
    folder: Path, change: str, version: str
) -> None:
    alter_journal(folder, f"UPDATE {change}")
    (found,) = verified(folder, version=version).differences
    assert "journal" in found


def test_a_manifest_that_is_gone_is_written_as_it_was(folder: Path) -> None:
    before = (folder / "manifest.json").read_bytes()
    (folder / "manifest.json").unlink()
    reported_again(folder)
    assert (folder / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("content", ["forged\n", "as left\nand more\n", "", None])
def test_a_report_written_again_does_not_make_an_altered_log_good(
    folder: Path, content: str | None
) -> None:
    log = folder / "run.log"
    log.unlink() if content is None else log.write_text(content)
    (said,) = reported_again(folder).warnings
    what = "is missing" if content is None else "was altered"
    assert f"run.log {what}" in said
    assert differences(folder) == (f"run.log {what}",)


def test_a_log_grows_while_its_run_is_carried_on(folder: Path) -> None:
    alter_journal(folder, _ONE_MORE_ATTEMPT)
    (folder / "run.log").write_text("as left\nand on\n")
    assert reported_again(folder).warnings == ()
    assert differences(folder) == ()


def test_a_file_that_was_added_stays_one_after_another_report(folder: Path) -> None:
    (folder / "more.csv").write_text("x")
    reported_again(folder)
    assert differences(folder) == ("more.csv was added",)


def test_the_manifest_counts_the_outcomes(folder: Path) -> None:
    told = json.loads((folder / "manifest.json").read_text())
    counts = {"succeeded": 0, "not_found": 0, "unprocessable": 3, "unresolved": 0}
    assert (told["counts"], told["resumed"]) == (counts, [])


def test_another_version_writes_into_the_same_folder_and_says_what_it_replaces(
    folder: Path,
) -> None:
    before = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    assert reported_again(folder, version="2").folder == folder
    told = json.loads((folder / "manifest.json").read_text())
    assert (told["replaces_manifest_sha256"], told["predecessors"]) == (before, [before])
    assert verified(folder, version="2").verdict is Verdict.PROVED
    assert verified(folder, before, version="2").verdict is Verdict.DIFFERS


def test_what_a_killed_process_left_half_written_goes(folder: Path) -> None:
    (folder / ".succeeded.csv.x1y2").write_text("half")
    (folder / ".results.xlsx.x1y2").mkdir()
    reported_again(folder)
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_the_folder_of_another_run_is_not_taken_for_this_one(folder: Path) -> None:
    shutil.copytree(folder, folder.with_name(OTHER))
    for name in (OTHER, str(folder.with_name(OTHER))):
        found = verify_run(named(name), folder.parent, None, tool_version="1").differences
        assert f"manifest.json is of another run: {RUN.run_id}" in found


def test_a_copy_under_another_name_is_still_of_its_run(copy: Path, folder: Path) -> None:
    assert verify_run(named(str(copy)), folder.parent, None, tool_version="1").run_id == RUN.run_id
    assert verify_run(named(str(copy)), folder.parent, None, tool_version="1").differences == ()


def test_a_copy_is_held_against_the_journal_that_knows_its_run(copy: Path, folder: Path) -> None:
    altered(folder.parent / "journal.db", "UPDATE rows SET message='another'")
    found = verify_run(named(str(copy)), folder.parent, None, tool_version="1").differences
    assert "unprocessable.csv differs from the journal at row 2" in found


def test_a_database_of_something_else_beside_a_copy_is_left_alone(copy: Path) -> None:
    altered(copy.parent / "journal.db", "CREATE TABLE recipes (name)")
    told = verify_run(named(str(copy)), copy.parent, None, tool_version="1")
    assert (told.verdict, len(told.unchecked)) == (Verdict.NOT_PROVED, 2)


def test_a_damaged_journal_beside_a_folder_is_a_difference(folder: Path) -> None:
    (folder.parent / "journal.db").write_bytes(b"no journal at all")
    (found,) = differences(folder)
    assert "journal.db: file is not a database" in found


def test_a_damaged_journal_is_an_error_of_its_own_where_a_run_is_named(
    folder: Path, office: Office
) -> None:
    (folder.parent / "journal.db").write_bytes(b"no journal at all")
    assert office.run("verify", folder.name).code == 2


def test_a_folder_that_is_gone_is_named(folder: Path, office: Office) -> None:
    shutil.rmtree(folder)
    told = office.run("verify", RUN.run_id)
    assert (told.code, "missing" in told.out) == (1, True)


def test_a_missing_manifest_is_a_difference_in_json_too(folder: Path, office: Office) -> None:
    (folder / "manifest.json").unlink()
    told = office.run("verify", folder.name, "--json")
    assert told.code == 1
    said = json.loads(told.out)
    assert (said["verdict"], said["differences"]) == ("differs", ["manifest.json is missing"])


def test_a_folder_that_is_no_runs_is_refused(tmp_path: Path, office: Office) -> None:
    (tmp_path / "holidays").mkdir()
    told = office.run("verify", "holidays")
    assert (told.code, "holds no manifest" in told.err) == (2, True)


@pytest.mark.parametrize("command", ["verify", "report"])
def test_a_run_is_named_by_any_path_to_its_folder(
    folder: Path, office: Office, command: str
) -> None:
    for place, run_name in (
        (office.folder, f"reports/{RUN.run_id}/"),
        (office.reports, RUN.run_id),
        (folder, "."),
        (folder, str(folder)),
    ):
        told = Office(place, office.environment).run(command, run_name)
        assert told.code != 2, (run_name, told.err)


@posix_only
def test_a_read_only_copy_is_verified_with_its_journal(
    copy: Path, folder: Path, office: Office
) -> None:
    journal = Path(shutil.copy(folder.parent / "journal.db", copy.parent))
    for path in (*copy.iterdir(), copy, journal, copy.parent):
        path.chmod(0o555)
    arguments = ("verify", str(copy), "--reports-dir", str(copy.parent), "--json")
    ran = office.run_apart(*arguments, through=bound_by_modes())
    for path in (copy.parent, copy):
        path.chmod(0o755)  # or no ordinary user could clear it away
    assert ran.code == 0, ran.out + ran.err
    told = json.loads(ran.out)
    assert told["verdict"] == "proved"


@posix_only
def test_a_file_that_may_not_be_read_is_not_said_to_be_altered(
    folder: Path, office: Office
) -> None:
    (folder / "results.xlsx").chmod(0o000)
    ran = office.run_apart("verify", folder.name, "--json", through=bound_by_modes())
    assert ran.code == 1, ran.out + ran.err
    assert json.loads(ran.out)["differences"] == ["results.xlsx cannot be read"]


def test_a_journal_of_the_version_before_is_read_as_it_is(folder: Path) -> None:
    path = folder.parent / "journal.db"
    for sql in (
        "DROP TABLE reports",
        "DROP TABLE resumptions",
        "DROP TABLE reconciliations",
        "PRAGMA user_version=2",
    ):
        altered(path, sql)
    forge(folder, journal_digest=None)
    assert verified(folder).verdict is Verdict.NOT_PROVED
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    connection.close()
    Ledger.read(path).close()


@pytest.fixture
def ran(register: Serving, submit: Submit) -> Ran:
    return submit(register(abc="trn_received"), "trainee_id,defer_date\nabc,2026-10-01\n")


def test_verify_of_a_copy_does_not_ask_a_journal_of_other_runs(
    ran: Ran, office: Office, register: Serving, submit: Submit
) -> None:
    copy = office.folder / "elsewhere" / ran.folder.name
    shutil.copytree(ran.folder, copy)
    for name in ("journal.db", "journal.db-wal", "journal.db-shm"):
        (office.reports / name).unlink(missing_ok=True)
    submit(register(abc="trn_received"), "trainee_id,defer_date\nabc,2026-10-01\n")
    told = office.run("verify", str(copy))
    assert (told.code, "not proved" in told.out) == (6, True)


def test_verify_checks_a_printed_hash(ran: Ran, office: Office) -> None:
    printed = ran.out.splitlines()[-1].split()[-1]
    assert office.run("verify", ran.folder.name, "--manifest-sha256", printed).code == 0
    other = office.run("verify", ran.folder.name, "--manifest-sha256", "0" * 64)
    assert (other.code, "not the one" in other.out) == (1, True)


def test_a_run_that_was_resumed_since_is_not_said_to_be_altered(folder: Path) -> None:
    connection = database.open_for_writing(folder.parent / "journal.db")
    journal = Journal(connection, wall=lambda: 1_795_514_400.0)
    resumed = Resumption("me", None, "here", "1", "3", (), "now", {}, None)
    journal.note_resumption(journal.ledger.run_number(RUN.run_id), resumed)
    journal.close()
    (found,) = differences(folder)
    assert ("resumed" in found, "altered" in found) == (True, False)
