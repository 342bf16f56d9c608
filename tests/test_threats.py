"""What SECURITY.md says of someone who means harm, where no other test holds it."""

from __future__ import annotations

import asyncio
import gzip
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing

import pytest

from batch import columns
from batch.emulator.replies import Response
from batch.emulator.requests import Endpoint
from batch.emulator.server import Emulator
from batch.register.api import NoReply
from batch.register.client import MOST_BYTES, Client
from tests.support import troubles
from tests.support.office import TOKEN, Office, Ran
from tests.support.tls import served_over_tls
from tests.support.troubles import Canned, Fault

Serving = Callable[..., Emulator]
ONE = "trainee_id,defer_date\nabc,2026-10-01\n"


def test_no_option_takes_the_token_itself(office: Office) -> None:
    ran = office.run("run", "list.csv", "--register", "emulator", "--api-token", TOKEN)
    assert (ran.code, TOKEN in ran.out + ran.err) == (2, False)


def test_plain_http_is_refused_before_anything_is_asked(register: Serving, office: Office) -> None:
    emulator = register(abc="trn_received")
    office.write("list.csv", ONE)
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    another_name = emulator.base_url.replace("127.0.0.1", "0.0.0.0")
    ran = office.run("run", "list.csv", "--register", another_name)
    assert (ran.code, emulator.received()) == (2, [])
    assert "plain HTTP would show the token" in ran.err


def test_no_redirect_is_followed(register: Serving, submit: Callable[..., Ran]) -> None:
    elsewhere = register(abc="trn_received")
    away = troubles.redirected(f"{elsewhere.base_url}/api/v2025.0/trainees/abc/defer")
    ran = submit(register(abc="trn_received", faults=[troubles.answered_before("abc", away)]), ONE)
    assert (ran.code, elsewhere.received()) == (3, [])
    assert "redirects elsewhere" in ran.summary["stopped_because"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no file holds what is trusted")
@pytest.mark.parametrize(
    ("names", "said"),
    [("IP:127.0.0.1", "broke off the connection"), ("DNS:register.example", "does not verify")],
)
def test_a_trusted_certificate_of_another_host_is_none(
    office: Office, names: str, said: str
) -> None:
    office.write("list.csv", ONE)
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    with served_over_tls(office.folder, names) as port:
        office.environment["SSL_CERT_FILE"] = str(office.folder / "certificate.pem")
        target = ("--register", f"https://127.0.0.1:{port}", "--give-up-after", "1")
        ran = office.run("run", "list.csv", *target)
    assert (ran.code in {2, 75}, said in ran.err) == (True, True)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b" " * (MOST_BYTES + 1)),
        ({"content-encoding": "gzip"}, gzip.compress(b" " * (20 * MOST_BYTES))),
    ],
)
def test_an_endless_answer_is_given_up(
    register: Serving, headers: dict[str, str], body: bytes
) -> None:
    endless = Fault(None, Endpoint.INFO, given=Canned(Response(200, headers, body)))
    emulator = register(faults=[endless])

    async def ask() -> object:
        settings = {"api_version": "v2025.0", "timeout_seconds": 30.0}
        async with Client(emulator.base_url, token=TOKEN, **settings) as client:  # type: ignore[arg-type]
            return await client.info()

    answer = asyncio.run(ask())
    assert isinstance(answer, NoReply)
    assert answer.left


@pytest.mark.parametrize("apostrophes", ["", "'", "''"])
@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_every_start_that_a_spreadsheet_runs_is_guarded(start: str, apostrophes: str) -> None:
    value = f"{apostrophes}{start}1+1"
    assert columns.guarded(value) == f"'{value}"
    assert columns.unguarded(columns.guarded(value)) == value


@pytest.mark.parametrize("value", ["", "'", "1=1", "a@b", " =1", "'a"])
def test_what_no_spreadsheet_runs_is_left_as_it_is(value: str) -> None:
    assert columns.guarded(value) == value


def test_a_purged_journal_has_no_room_in_which_rows_stood(office: Office) -> None:
    office.write(
        "list.csv", "trainee_id,defer_date,note\n" + "abc,,Illness of a long kind\n" * 2000
    )
    office.run("run", "list.csv", "--register", "emulator")
    path = office.reports / "journal.db"
    with closing(sqlite3.connect(path)) as journal, journal:
        journal.execute("UPDATE runs SET started_at='2020-01-01T00:00:00.000Z'")
    before = path.stat().st_size
    assert office.run("purge", "--older-than", "90d", "--yes").code == 0
    with closing(sqlite3.connect(path)) as journal:
        assert journal.execute("PRAGMA freelist_count").fetchone() == (0,)
    assert path.stat().st_size < before / 2
