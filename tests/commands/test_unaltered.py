"""Edited by hand or damaged by a disk, a journal sends nothing and is reported by nothing."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from batch import __version__
from batch.commands.close import close_run
from batch.commands.execute import Context
from batch.commands.resume import resume_run
from batch.commands.runs import listed_runs
from batch.commands.unaltered import refuse_altered, refuse_other_rows
from batch.emulator.server import Emulator
from batch.errors import DeferBatchError, SelfCheckFailed
from batch.intake.checked_file import open_input
from batch.record import database, report_files
from batch.record.journal import Journal, writing
from batch.record.ledger import Ledger
from batch.record.proof import verify_folder
from batch.record.records import Who
from batch.run_settings import InputOptions, RunSettings
from batch.submission.staging import stage_rows
from batch.terminal import Terminal
from tests.support import troubles
from tests.support.journals import RUN, altered
from tests.support.office import Office, Ran
from tests.support.reading import TODAY

Serving = Callable[..., Emulator]
Submit = Callable[..., Ran]

LIST = (
    "trainee_id,trn,defer_date,defer_reason\n"
    "abcdefgh,,2026-10-01,Illness\n"
    '="bcdefghi",,17 October 2026,"\'\'=x, and more"\n'
    "' cdefghij ,,2026-10-03,\n"
    ",0123456,2026-10-04, Leave \n"
    "a/b,,2026-10-05,\n"
)
SETTINGS = RunSettings("x", RUN.base_url, None, None, 1, 1.0, 1.0, 1.0).as_json()
BOTH = """trainee_id = 'abcdefgi', folded_id = 'abcdefgi',
    own_values = json_set(own_values, '$[0]', 'abcdefgi')"""
MATCHED = "hgfedcba"
ASKED = {
    ("abcdefgh", "abcdefgh", "2026-10-01", "Illness"),
    ("bcdefghi", "bcdefghi", "2026-10-17", "'=x, and more"),
    ("cdefghij", "cdefghij", "2026-10-03", None),
    (MATCHED, MATCHED, "2026-10-04", "Leave"),
}


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A journal with one run that has begun, and was killed before it sent anything."""
    path = tmp_path / "list.csv"
    path.write_text(LIST)
    reports = tmp_path / "reports"
    options = InputOptions(path, TODAY, require_trainee_id=False)
    with (
        writing(reports / "journal.db", run_id="x", since="x", wall=lambda: 0.0) as journal,
        open_input(options) as input_file,
    ):
        places = input_file.layout.places
        held_in = {name: input_file.columns[place] for name, place in places.items()}
        run = replace(RUN, columns=input_file.columns, settings=SETTINGS, held_in=held_in)
        run = replace(run, tool_version=__version__)
        run_no = journal.stage(run, origin=run.base_url)
        stage_rows(journal, run_no, input_file, origin=run.base_url, again=False)
        journal.note_matches(run_no, {5: MATCHED})
        journal.start(run_no)
    return reports


def opened(reports: Path) -> Journal:
    return Journal(database.open_for_writing(reports / "journal.db"), wall=lambda: 0.0)


@pytest.fixture
def journal(begun: Path) -> Iterator[Journal]:
    opening = opened(begun)
    yield opening
    opening.close()


def checked(journal: Journal, reports: Path) -> None:
    """Do what `resume` does before it asks anything."""
    refuse_altered(journal, RUN.run_id, reports / RUN.run_id)
    refuse_other_rows(journal, journal.ledger.run(RUN.run_id))


def would_be_sent(journal: Journal) -> set[tuple[str, str, str, str | None]]:
    rows = journal.ledger.unsent(RUN.run_id)
    return {(r.trainee_id, r.folded_id, r.defer_date, r.defer_reason) for r in rows}


def test_what_the_file_asked_for_is_what_its_rows_make_again(journal: Journal, begun: Path) -> None:
    checked(journal, begun)
    assert would_be_sent(journal) == ASKED


@pytest.mark.parametrize(
    "change",
    [
        "trainee_id = 'abcdefgi', folded_id = 'abcdefgi' WHERE row_number = 2",
        "folded_id = 'abcdefgi' WHERE row_number = 2",
        "trainee_id = 'ABCDEFGH' WHERE row_number = 2",
        "trainee_id = '../info' WHERE row_number = 5",
        "trainee_id = 'another1', folded_id = 'another1' WHERE row_number = 5",
        "defer_date = '2026-10-02' WHERE row_number = 2",
        "defer_date = '2026-10-05' WHERE row_number = 6",
        "defer_reason = 'Illnest' WHERE row_number = 2",
        "defer_reason = NULL WHERE row_number = 2",
        f"{BOTH} WHERE row_number = 2",
        "own_values = '[' WHERE row_number = 2",
        "outcome = 'unresolved', code = 'nonesuch' WHERE row_number = 2",
        "outcome = 'succeeded', code = 'not_sent' WHERE row_number = 2",
    ],
)
def test_a_row_that_was_altered_is_not_sent(begun: Path, change: str) -> None:
    altered(begun / "journal.db", f"UPDATE rows SET {change}")
    journal = opened(begun)
    with pytest.raises(SelfCheckFailed):
        checked(journal, begun)
    journal.close()


@pytest.mark.parametrize(
    "change",
    [
        "origin = 'https://elsewhere.example'",
        "details = json_set(details, '$.settings.origin', 'https://elsewhere.example')",
        "details = json_set(details, '$.base_url', 'https://elsewhere.example')",
        "details = json_remove(details, '$.held_in.defer_reason')",
        "details = '{'",
        "stage = 'sterted'",
    ],
)
def test_a_run_that_was_altered_sends_nothing_and_leaves_the_list_of_runs(
    begun: Path, change: str
) -> None:
    altered(begun / "journal.db", f"UPDATE runs SET {change}")
    journal = opened(begun)
    with pytest.raises(SelfCheckFailed):
        checked(journal, begun)
    journal.close()
    assert [run["run_id"] for run in listed_runs(begun)] == [RUN.run_id]


@pytest.mark.parametrize(
    "noted",
    [
        "json_set(details, '$.tool_version', '0.1.0')",
        "json_remove(details, '$.asked_sha256')",
    ],
)
def test_either_of_the_two_proofs_refuses_an_altered_row(begun: Path, noted: str) -> None:
    altered(begun / "journal.db", f"UPDATE runs SET details = {noted}")
    journal = opened(begun)
    checked(journal, begun)
    journal.close()
    altered(begun / "journal.db", "UPDATE rows SET defer_date = '2026-10-02' WHERE row_number = 2")
    journal = opened(begun)
    with pytest.raises(SelfCheckFailed):
        checked(journal, begun)
    journal.close()


def test_an_attempt_with_a_word_that_is_none_is_no_answer(begun: Path) -> None:
    attempt = "(run_no, row_number, kind, intended_at, meaning) VALUES (1, 2, 'defer', 0, 'lmst')"
    altered(begun / "journal.db", f"INSERT INTO attempts {attempt}")
    journal = opened(begun)
    with pytest.raises(SelfCheckFailed):
        checked(journal, begun)
    journal.close()


@pytest.mark.parametrize(
    "goes_on",
    [
        partial(resume_run, run_id=RUN.run_id, changed={}, register=None, yes=True),
        partial(close_run, run_id=RUN.run_id, changed={}, confirm=lambda _: True),
    ],
)
def test_neither_resume_nor_close_goes_on_with_it(
    begun: Path, goes_on: Callable[[Context], object]
) -> None:
    altered(begun / "journal.db", "UPDATE rows SET trainee_id = 'abcdefgi' WHERE row_number = 2")
    who = Who("x", None, "x", "1", "3", ())
    context = Context(begun, None, who, Terminal(yes=True))
    with pytest.raises(SelfCheckFailed):
        goes_on(context)


def test_one_flipped_bit_sends_nothing_that_no_file_asked_for(begun: Path, tmp_path: Path) -> None:
    whole, rng, refused = (begun / "journal.db").read_bytes(), random.Random(1), 0
    for number in range(300):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        reports = tmp_path / f"copy{number}"
        reports.mkdir(mode=0o700)
        (reports / "journal.db").write_bytes(damaged)
        try:
            with writing(
                reports / "journal.db", run_id="x", since="x", wall=lambda: 0.0
            ) as journal:
                checked(journal, reports)
                assert would_be_sent(journal) == ASKED
        except DeferBatchError:
            refused += 1
        shutil.rmtree(reports)
    assert refused > 10


def test_nothing_is_sent_for_a_run_that_stopped_and_was_altered(
    register: Serving, submit: Submit, office: Office
) -> None:
    faults = [troubles.answered_before("abc", troubles.UNAUTHORISED)]
    emulator = register(abc="trn_received", faults=faults)
    stopped = submit(emulator, "trainee_id,defer_date\nabc,2026-10-01\nabd,2026-10-01\n")
    assert stopped.code == 3
    asked = len(emulator.requests)
    altered(office.reports / "journal.db", "UPDATE attempts SET http_status = 200")
    resumed = office.run("resume", stopped.folder.name)
    assert resumed.code == 5
    assert len(emulator.requests) == asked
    assert office.run("report", stopped.folder.name).code == 5


@pytest.mark.parametrize("command", ["resume", "close", "report", "reconcile"])
def test_a_setting_that_no_version_writes_is_an_alteration_and_no_fault(
    register: Serving, submit: Submit, office: Office, command: str
) -> None:
    faults = [troubles.answered_before("abd", troubles.UNAUTHORISED)]
    emulator = register(abc="trn_received", abd="trn_received", faults=faults)
    stopped = submit(emulator, "trainee_id,defer_date\nabc,2026-10-01\nabd,2026-10-01\n")
    setting = "json_set(details, '$.settings.nonesuch', 1)"
    altered(office.reports / "journal.db", f"UPDATE runs SET details = {setting}")
    assert (stopped.code, office.run(command, stopped.folder.name).code) == (3, 5)


def test_a_bad_run_takes_nothing_from_the_others(
    register: Serving, submit: Submit, office: Office
) -> None:
    good = submit(register(abc="trn_received"), "trainee_id,defer_date\nabc,2026-10-01\n").folder
    bad = submit(register(abd="trn_received"), "trainee_id,defer_date\nabd,2026-10-01\n").folder
    altered(
        office.reports / "journal.db",
        f"UPDATE rows SET code = 'nonesuch' WHERE run_no = "
        f"(SELECT run_no FROM runs WHERE run_id = '{bad.name}')",
    )
    listed = json.loads(office.run("runs", "--json").out)
    assert {run["run_id"]: run["is_altered"] for run in listed} == {
        good.name: False,
        bad.name: True,
    }
    assert "altered" in office.run("runs").out


def test_what_was_only_asked_since_is_no_alteration(begun: Path) -> None:
    folder, journal = begun / RUN.run_id, opened(begun)
    journal.finish(1, exit_code=3, stopped_because="x")
    report_files.write_report(journal, RUN.run_id, folder, tool_version="1")
    journal.close()
    asked = "(run_no, kind, intended_at) VALUES (1, 'info', 0), (1, 'preview', 0)"
    altered(begun / "journal.db", f"INSERT INTO attempts {asked}")
    journal = opened(begun)
    checked(journal, begun)
    journal.close()
    found = verify_folder(
        folder, Ledger.read(begun / "journal.db"), None, run_id=RUN.run_id, tool_version="1"
    )
    assert [words for words in found.differences if "resumed" in words] == list(found.differences)
    assert found.differences


def test_a_deferral_that_nobody_sent_is_an_alteration(begun: Path) -> None:
    folder, journal = begun / RUN.run_id, opened(begun)
    journal.finish(1, exit_code=3, stopped_because="x")
    report_files.write_report(journal, RUN.run_id, folder, tool_version="1")
    journal.close()
    sent = "(run_no, row_number, kind, intended_at, meaning) VALUES (1, 2, 'defer', 0, 'refused')"
    altered(begun / "journal.db", f"INSERT INTO attempts {sent}")
    journal = opened(begun)
    with pytest.raises(SelfCheckFailed):
        checked(journal, begun)
    journal.close()
