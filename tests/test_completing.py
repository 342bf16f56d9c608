"""What the shell offers once Tab is pressed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from batch.emulator.server import Emulator
from tests.support import troubles
from tests.support.office import Office, Ran

ONE = "trainee_id,defer_date\nabc,2026-10-01\n"


def offered(office: Office, line: str) -> list[str]:
    """Return what bash would offer for the last word of a line."""
    words = ("defer-batch " + line).split(" ")
    asked = {
        "_DEFER_BATCH_COMPLETE": "complete_bash",
        "COMP_WORDS": "\n".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    ran = Office(office.folder, office.environment | asked).run()
    assert not ran.err
    return ran.out.split()


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("run list.csv --register ", {"production", "sandbox", "emulator"}),
        ("run list.csv --register s", {"sandbox"}),
        ("check list.csv --date-format ", {"iso", "dmy"}),
        ("run list.csv --hidden-rows ", {"include", "skip"}),
        ("run list.csv --match-by t", {"trainee_id", "trn"}),
        ("run list.csv --api-version v2025", {"v2025.0"}),
        ("run list.csv --column defer_d", {"defer_date="}),
        ("explain already", {"already_deferred"}),
        ("ver", {"verify"}),
        ("verify ", set()),
        ("run ", set()),
    ],
)
def test_values_are_offered_where_they_are_known(
    office: Office, line: str, values: set[str]
) -> None:
    assert set(offered(office, line)) == values


def test_the_runs_of_the_folder_in_use_are_offered(office: Office) -> None:
    office.write("list.csv", ONE)
    office.run("run", "list.csv", "--register", "emulator")
    office.run("run", "list.csv", "--register", "emulator", "--reports-dir", "other")
    (here,), (there,) = (office.folder.glob(f"{name}/2*") for name in ("reports", "other"))
    assert offered(office, "verify ") == [here.name]
    assert offered(office, "report --reports-dir other ") == [there.name]


def test_resume_and_close_are_offered_what_is_unfinished(
    office: Office, register: Callable[..., Emulator], submit: Callable[..., Ran]
) -> None:
    done = submit(register(abc="trn_received"), ONE).folder.name
    refused = troubles.answered_before("abc", troubles.UNAUTHORISED)
    submit(register(abc="trn_received", faults=[refused]), ONE)
    unfinished = {path.name for path in office.reports.glob("2*")} - {done}
    assert set(offered(office, "resume ")) == set(offered(office, "close ")) == unfinished


def test_a_journal_that_cannot_be_read_offers_nothing_and_says_nothing(office: Office) -> None:
    office.reports.mkdir()
    (office.reports / "journal.db").write_bytes(b"no database")
    assert offered(office, "verify ") == []
