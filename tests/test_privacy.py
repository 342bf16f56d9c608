"""Nothing that Register says of a person, no token and no reason is where it may not be.

Every answer is marked: what is invented here for names, addresses and secrets is looked for in
every byte that a run leaves behind, whatever became of its rows and whatever went wrong.
"""

from __future__ import annotations

import itertools
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, get_args

import pytest

from batch.codes import Code
from batch.emulator.rehearsal import rehearsal_register
from batch.emulator.replies import Response
from batch.emulator.requests import Endpoint
from batch.emulator.server import Emulator, serve
from batch.emulator.trainees import STATES, Trainee
from tests.support import troubles
from tests.support.office import TOKEN, Office, Ran
from tests.support.terminals import posix_only, shown_at_a_terminal
from tests.support.troubles import Canned, Fault, FaultPlan
from tests.support.waiting import until

PERSON = "zqperson"
THEIR_REASON = "Zqelsewhere"
OUR_REASON = "Zqillness of the lungs"
OTHER_COLUMN = "Zqcolumn"
NOWHERE = (TOKEN, PERSON, THEIR_REASON)
ONLY_WITH_THE_ROWS = (OUR_REASON, "Zqillness", OTHER_COLUMN)
MAY_HOLD_ROWS = {
    *("succeeded.csv", "not_found.csv", "unprocessable.csv", "unresolved.csv", "results.xlsx"),
    "to-correct.xlsx",
    *("journal.db", "journal.db-wal"),
}
ABOUT_A_PERSON = {
    "first_names": "Zqperson Ann",
    "last_name": "O'Zqperson",
    "email": "zqperson@example.org",
    "address_line_one": "1 Zqperson Street",
    "postcode": "ZQPERSON 1AA",
    "api_token": TOKEN,
}
HEADERS = {
    "x-request-id": TOKEN,
    "x-user": PERSON,
    "set-cookie": f"session={PERSON}; token={TOKEN}",
    "www-authenticate": f'Bearer realm="{PERSON}", token="{TOKEN}"',
}


def marked(given: Canned) -> Canned:
    """Give the answer as it would be if it told more than it has to."""
    body = given.reply.body
    if body.startswith(b"{"):
        body = json.dumps({**json.loads(body), "data": ABOUT_A_PERSON}).encode()
    elif body:
        body += json.dumps(ABOUT_A_PERSON).encode()
    return Canned(replace(given.reply, headers={**given.reply.headers, **HEADERS}, body=body))


ERROR, MAINTENANCE, BLOCKED, DATABASE, SIGN_IN, UNAUTHORISED, ANY_404 = map(
    marked,
    (
        *(troubles.APPLICATION_ERROR, troubles.MAINTENANCE, troubles.BLOCKED),
        *(troubles.DATABASE_DOWN, troubles.SIGN_IN_PAGE, troubles.UNAUTHORISED),
        troubles.NOT_FOUND,
    ),
)


def refusal(message: str) -> Canned:
    """Give a 422 that says so."""
    return marked(troubles.json_content(422, {"errors": [{"message": message}]}))


UNREADABLE = Fault(None, Endpoint.READ, last=None, given=SIGN_IN)

OF_ONE_ROW: dict[str, tuple[Fault, ...]] = {
    "lost_before": (troubles.lost_before("lost_before"),),
    "lost_after": (troubles.lost_after("lost_after"),),
    "reset": (Fault("reset", given=troubles.Dropped(reset=True)),),
    "truncated_after": (troubles.truncated_after("truncated_after"),),
    "error_after": (troubles.error_after("error_after"),),
    "answered_before": (troubles.answered_before("answered_before", MAINTENANCE),),
    "answered_after": (troubles.answered_after("answered_after", DATABASE),),
    "gateway_page": (
        troubles.answered_after("gateway_page", marked(troubles.gateway_page(504))),
    ),
    "throttled": (troubles.answered_before("throttled", marked(troubles.throttled("1"))),),
    "refused": (
        troubles.answered_before("refused", refusal(f"{OUR_REASON} of Bearer {TOKEN}")),
    ),
    "refused_in_part": (
        troubles.answered_before("refused_in_part", refusal(f"No: {OUR_REASON[:12]}…")),
    ),
    "refused_as_such": (
        troubles.answered_before(
            "refused_as_such", marked(troubles.json_content(400, {"errors": [PERSON]}))
        ),
    ),
    "token_said_back": (troubles.answered_before("token_said_back", refusal(f"No: {TOKEN}")),),
    "empty": (troubles.answered_before("empty", marked(troubles.empty(406))),),
    "sign_in_page": (troubles.answered_before("sign_in_page", SIGN_IN),),
    "blocked": (troubles.answered_before("blocked", BLOCKED),),
    "slow": (troubles.slow("slow", 0.1),),
    "arriving_late": (troubles.arriving_late("arriving_late", 0.1),),
    "deferred_by_another_before": (
        troubles.deferred_by_another_before("deferred_by_another_before", "2026-08-08"),
    ),
    "reinstated_after": (troubles.reinstated_after("reinstated_after"),),
    "set_by_another": (Fault("set_by_another", before=(troubles.SettingState("withdrawn"),)),),
    "answering_about": (
        troubles.answering_about("answering_about", defer_date="2026-08-31"),
        replace(UNREADABLE, trainee_id="answering_about"),
    ),
    "answered_about_another": (
        troubles.answered_after(
            "answered_about_another",
            marked(troubles.json_content(200, {"data": {"trainee_id": PERSON}})),
        ),
    ),
    "never_read": (
        troubles.lost_before("never_read"),
        replace(UNREADABLE, trainee_id="never_read"),
    ),
    "keeps_failing": (
        Fault("keeps_failing", last=None, arrival=troubles.Never(), given=troubles.Dropped()),
    ),
}  # fmt: skip
OF_THE_SERVICE: dict[str, tuple[Fault, ...]] = {
    "out_of_service": (troubles.out_of_service(MAINTENANCE, first=2),),
    "unauthorised": (Fault(None, Endpoint.DEFER, given=UNAUTHORISED),),
    "redirected": (
        Fault(
            None,
            Endpoint.DEFER,
            given=marked(troubles.redirected(f"https://x.example/?{PERSON}={TOKEN}")),
        ),
    ),
    "not_found": (Fault(None, Endpoint.DEFER, given=ANY_404),),
    "blocked": (troubles.out_of_service(BLOCKED, first=2),),
    "sign_in_page": (troubles.out_of_service(SIGN_IN),),
    "info_failing": (Fault(None, Endpoint.INFO, last=None, given=DATABASE),),
    "hanging": (troubles.hanging("abc"),),
    "reads_missing": (
        troubles.lost_after("abc"),
        Fault(None, Endpoint.READ, last=None, given=marked(troubles.json_content(405, {}))),
    ),
}
FAILING_A_CHECK = f"""\
,2026-10-01,{OUR_REASON},{OTHER_COLUMN}
a/b,2026-10-01,{OUR_REASON},{OTHER_COLUMN}
dateless,,{OUR_REASON},{OTHER_COLUMN}
spoken,1st October,{OUR_REASON},{OTHER_COLUMN}
early,0026-10-01,{OUR_REASON},{OTHER_COLUMN}
long,2026-10-01,{OUR_REASON * 40},{OTHER_COLUMN}
ragged,2026-10-01,{OUR_REASON}, very ill,{OTHER_COLUMN},{OUR_REASON}
twice,2026-10-01,{OUR_REASON},{OTHER_COLUMN}
twice,2026-10-01,{OUR_REASON},{OTHER_COLUMN}
either,2026-10-01,{OUR_REASON},{OTHER_COLUMN}
either,2026-10-02,{OUR_REASON},{OTHER_COLUMN}
"""
AFTERWARDS = ("check list.csv", "check list.csv --json", "report {run}", "verify {run}", "runs")


def listing(*trainee_ids: str) -> str:
    lines = (f"{name},2026-10-01,{OUR_REASON},{OTHER_COLUMN}\n" for name in trainee_ids)
    return "trainee_id,defer_date,defer_reason,note\n" + "".join(lines)


@pytest.fixture
def serving(office: Office, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Serve a Register that tells of persons, with those faults."""
    monkeypatch.setattr("batch.emulator.trainees.PERSONAL", ABOUT_A_PERSON)

    def serving_with(
        *given: Fault, known: Iterable[str], token: str = TOKEN
    ) -> AbstractContextManager[Emulator]:
        office.environment["DEFER_BATCH_API_TOKEN"] = token
        trainees = [Trainee(name, defer_reason=THEIR_REASON) for name in known]
        trainees += [Trainee(name, state=name, defer_reason=THEIR_REASON) for name in STATES]
        model = rehearsal_register(trainees, rate_limit=None, token=token)
        return serve(model, plan=FaultPlan(given))

    return serving_with


def asking(emulator: Emulator, more: str = "") -> list[str]:
    pace = "--rate-limit none --lost-answer-wait 0.1"
    return ["run", "list.csv", "--register", emulator.base_url, *pace.split(), *more.split()]


def leaks(office: Office, *ran: Ran) -> set[tuple[str, str]]:
    """Give each mark that stands where it may not, with the file or output it stands in."""
    found = set()
    for name, content in left_behind(office, *ran):
        marks = NOWHERE if name in MAY_HOLD_ROWS else NOWHERE + ONLY_WITH_THE_ROWS
        found |= {(name, mark) for mark in marks if mark.lower().encode() in content.lower()}
    return found


def left_behind(office: Office, *ran: Ran) -> Iterator[tuple[str, bytes]]:
    """Give everything that is left, name by name; of a workbook also what is packed in it."""
    for each in ran:
        yield "standard output", each.out.encode()
        yield "standard error", each.err.encode()
    for path in office.folder.rglob("*"):
        yield "a path", str(path).encode()
        if path.is_file() and path.name != "list.csv":
            yield path.name, path.read_bytes()
        if path.suffix == ".xlsx":
            with zipfile.ZipFile(path) as book:
                yield from ((path.name, book.read(part)) for part in book.namelist())


MET_ELSEWHERE = {
    Code.NOT_SENT,
    Code.SEVERAL_TRAINEES_MATCH,
    Code.IDENTITY_DIFFERS,
    Code.SUPERSEDED_BY_LATER_RUN,
    Code.REGISTER_CANNOT,
    Code.DEFERRAL_NOT_HELD,
    Code.MALFORMED_TRN,
    Code.MALFORMED_HESA_ID,
    Code.AMBIGUOUS_DEFER_DATE,
    Code.UNUSABLE_REASON,
}
"""Codes that this list does not meet: they take another file, or another run beside it."""


def test_no_outcome_and_no_fault_of_a_row_lets_anything_out(
    serving: Callable[..., Any], office: Office
) -> None:
    # answers between the faults, or the run would wait for Register to recover
    asked = itertools.chain.from_iterable(zip(OF_ONE_ROW, itertools.cycle(STATES)))
    office.write("list.csv", listing(*dict.fromkeys(asked)) + FAILING_A_CHECK)
    given = itertools.chain.from_iterable(OF_ONE_ROW.values())
    with serving(*given, known=[*OF_ONE_ROW]) as emulator:
        ran = [office.run(*asking(emulator, "--max-at-once 1"))]
        codes = {*ran[0].codes().values()}
        ran += [office.run(*words.format(run=ran[0].folder).split()) for words in AFTERWARDS]
        office.write("list.csv", listing("slow"))
        ran += [office.run(*asking(emulator, "--json"))]
        codes |= {*ran[-1].codes().values()}
    assert codes >= {*Code} - MET_ELSEWHERE
    assert leaks(office, *ran) == set()


@pytest.mark.parametrize("trouble", OF_THE_SERVICE)
def test_no_fault_of_the_service_lets_anything_out(
    serving: Callable[..., Any], office: Office, trouble: str
) -> None:
    office.write("list.csv", listing("abc", "ghi"))
    with serving(*OF_THE_SERVICE[trouble], known=["abc", "ghi"]) as emulator:
        ran = [office.run(*asking(emulator, "--timeout 1 --give-up-after 1"))]
        ran += [office.run("resume")]
    assert ran[0].code in {0, 1, 2, 3, 75}
    assert leaks(office, *ran) == set()


def test_a_token_is_kept_out_however_a_server_writes_it(
    serving: Callable[..., Any], office: Office
) -> None:
    token = "s3cret/of=the\\provider"
    escaped = refusal(f"no: {token}").reply.body.replace(b"/", rb"\/")
    faults_met = troubles.answered_before("abc", Canned(Response(422, {}, escaped)))
    office.write("list.csv", listing("abc"))
    with serving(faults_met, known=["abc"], token=token) as emulator:
        ran = office.run(*asking(emulator))
    assert ran.codes() == {2: "refused_by_register"}
    assert b"s3cret" not in b"".join(content for _, content in left_behind(office, ran))


def test_a_killed_run_leaves_nothing_more(serving: Callable[..., Any], office: Office) -> None:
    office.write("list.csv", listing("refused", "slow"))
    faults_met = (*OF_ONE_ROW["refused"], troubles.hanging("slow"))
    with serving(*faults_met, known=["refused", "slow"]) as emulator:
        process = office.start(*asking(emulator))
        until(lambda: len(emulator.received(Endpoint.DEFER)) > 1 or process.poll() is not None)
        process.kill()
        out, err = process.communicate()
    names = {path.name for path in office.folder.rglob("*")}
    assert {"journal.db-wal", "run.log", "journal.db.holder.json"} <= names
    assert leaks(office, Ran(process.returncode, out, err, office.reports)) == set()


@posix_only
def test_a_terminal_shows_nothing_of_it_either(serving: Callable[..., Any], office: Office) -> None:
    office.write("list.csv", listing("refused", "deferred", "slow") + FAILING_A_CHECK)
    faults_met = (*OF_ONE_ROW["refused"], *OF_ONE_ROW["slow"])
    with serving(*faults_met, known=["refused", "slow"]) as emulator:
        shown = shown_at_a_terminal(office, *asking(emulator, "--yes"))
    assert "refused_by_register" in shown
    assert "/2" in shown
    assert leaks(office, Ran(0, shown, "", office.reports)) == set()


def test_every_fault_that_there_is_has_been_tried() -> None:
    tried = [fault for each in (OF_ONE_ROW | OF_THE_SERVICE).values() for fault in each]
    deeds = {type(deed) for fault in tried for deed in (*fault.before, *fault.after)}
    assert {type(fault.given) for fault in tried} == {*get_args(troubles.Given)}
    assert {type(fault.arrival) for fault in tried} == {*get_args(troubles.Arrival)}
    assert deeds >= {*get_args(troubles.OtherDeed)}
