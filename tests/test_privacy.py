"""Nothing that Register says of a person, no token and no reason is where it may not be.

Every answer is marked: what is invented here for names, addresses and secrets is looked for in
every byte that a run leaves behind, whatever became of its rows and whatever went wrong.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, get_args

import pytest
from msgspec.structs import replace

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
OUR_NAME = "Zqours"
OUR_BIRTH_DATE = "1987-09-19"
THEIR_BIRTH_DATE = "1986-03-23"
NOWHERE = (TOKEN, PERSON, THEIR_REASON, THEIR_BIRTH_DATE)
ONLY_WITH_THE_ROWS = (OUR_REASON, "Zqillness", OTHER_COLUMN, OUR_NAME, OUR_BIRTH_DATE)
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
    """Return the answer as it would be if it told more than it has to."""
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
    """Return a 422 that says so."""
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
        dataclasses.replace(UNREADABLE, trainee_id="answering_about"),
    ),
    "answered_about_another": (
        troubles.answered_after(
            "answered_about_another",
            marked(troubles.json_content(200, {"data": {"trainee_id": PERSON}})),
        ),
    ),
    "never_read": (
        troubles.lost_before("never_read"),
        dataclasses.replace(UNREADABLE, trainee_id="never_read"),
    ),
    "not_held": (
        troubles.reinstated_after("not_held", given=troubles.AsUsual()),
    ),
    "read_at_last": (
        troubles.lost_before("read_at_last"),
        Fault("read_at_last", Endpoint.READ, first=2, last=2, given=BLOCKED),
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
EXIT_CODES = {
    "out_of_service": (75, 0),
    "unauthorised": (3, 1),
    "redirected": (3, 1),
    "not_found": (3, 1),
    "blocked": (2, 0),
    "sign_in_page": (2, 0),
    "info_failing": (75, 0),
    "hanging": (0, 0),
    "reads_missing": (3, 3),
}
"""How a run under each of these ends, and `resume` after it; where no run was kept, 0."""
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
OF_PEOPLE = (
    "trainee_id,trn,hesa_id,provider_trainee_id,last_name,date_of_birth,defer_date,defer_reason,note\n"
    + "".join(
        f"{line},{OTHER_COLUMN}\n".replace("NAME", f"{OUR_NAME},{OUR_BIRTH_DATE}")
        for line in (
            f"ann,7654321,,,NAME,15/10/2026,{OUR_REASON}",
            f",123,,,NAME,02/10/2026,{OUR_REASON}",
            f",,123,,NAME,03/10/2026,{OUR_REASON}",
            f",,,P1,NAME,14/10/2026,{OUR_REASON}",
            f"either,,,,NAME,04/10/2026,{OUR_REASON}",
            f"month,,,,NAME,10/17/2026,{OUR_REASON}",
            "void,,,,NAME,20/10/2026,#N/A",
        )
    )
)
AFTERWARDS = ("check list.csv", "check list.csv --json", "report {run}", "verify {run}", "runs")


def listing(*trainee_ids: str) -> str:
    lines = (f"{name},2026-10-01,{OUR_REASON},{OTHER_COLUMN}\n" for name in trainee_ids)
    return "trainee_id,defer_date,defer_reason,note\n" + "".join(lines)


@pytest.fixture
def serving(office: Office, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Serve a Register that tells of persons, with those faults."""
    monkeypatch.setattr("batch.emulator.trainees.PERSONAL", ABOUT_A_PERSON)

    def serving_with(
        *given: Fault, known: Iterable[str | Trainee], token: str = TOKEN
    ) -> AbstractContextManager[Emulator]:
        office.environment["DEFER_BATCH_API_TOKEN"] = token
        trainees = [
            one if isinstance(one, Trainee) else Trainee(one, defer_reason=THEIR_REASON)
            for one in known
        ]
        trainees += [Trainee(name, state=name, defer_reason=THEIR_REASON) for name in STATES]
        model = rehearsal_register(trainees, rate_limit=None, token=token)
        return serve(model, plan=FaultPlan(given))

    return serving_with


def asking(emulator: Emulator, more: str = "") -> list[str]:
    pace = "--rate-limit none --lost-answer-wait 0.1"
    return ["run", "list.csv", "--register", emulator.base_url, *pace.split(), *more.split()]


def leaks(office: Office, *ran: Ran) -> set[tuple[str, str]]:
    """Return each mark that stands where it may not, with the file or output it stands in."""
    found = set()
    for name, content in left_behind(office, *ran):
        marks = NOWHERE if name in MAY_HOLD_ROWS else NOWHERE + ONLY_WITH_THE_ROWS
        found |= {(name, mark) for mark in marks if mark.lower().encode() in content.lower()}
    return found


def left_behind(office: Office, *ran: Ran) -> Iterator[tuple[str, bytes]]:
    """Return everything that is left, name by name; of a workbook also what is packed in it."""
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


BY_THE_FILE_AND_THE_LOOK = {
    *(Code.MALFORMED_TRN, Code.MALFORMED_HESA_ID, Code.SEVERAL_TRAINEES_MATCH),
    *(Code.IDENTITY_DIFFERS, Code.AMBIGUOUS_DEFER_DATE, Code.UNUSABLE_REASON),
}
BY_ANOTHER_RUN = {Code.NOT_SENT, Code.SUPERSEDED_BY_LATER_RUN}
"""Codes that take a file of other columns, or a run that stopped; each has its test below."""


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
        ran += [office.run("resume", "--lost-answer-wait", "0.1", "--yes")]
        codes |= {*ran[1].codes().values()}
        ran += [office.run(*words.format(run=ran[0].folder).split()) for words in AFTERWARDS]
        office.write("list.csv", listing("slow"))
        ran += [office.run(*asking(emulator, "--json"))]
        codes |= {*ran[-1].codes().values()}
    assert codes >= {*Code} - BY_THE_FILE_AND_THE_LOOK - BY_ANOTHER_RUN
    assert leaks(office, *ran) == set()


def test_no_row_of_which_register_says_more_lets_that_out(
    serving: Callable[..., Any], office: Office
) -> None:
    known = [
        Trainee("ann", trn="7654321", last_name=f"O'{PERSON}", date_of_birth=THEIR_BIRTH_DATE),
        *(Trainee(name, provider_trainee_id="P1", last_name=f"O'{PERSON}") for name in "bc"),
    ]
    office.write("list.csv", OF_PEOPLE)
    with serving(known=known) as emulator:
        ran = [office.run(*asking(emulator, "--date-format dmy"))]
        codes = {*ran[0].codes().values()}
        ran += [office.run(*words.format(run=ran[0].folder).split()) for words in AFTERWARDS]
        looking = ("--register", emulator.base_url, "--date-format", "dmy", "--json")
        ran += [office.run("preview", "list.csv", *looking)]
    assert codes >= BY_THE_FILE_AND_THE_LOOK
    assert leaks(office, *ran) == set()


def test_no_run_that_another_overtook_lets_anything_out(
    serving: Callable[..., Any], office: Office
) -> None:
    unauthorised = Fault("abc", given=UNAUTHORISED)
    with serving(unauthorised, known=["abc", "ghi"]) as emulator:
        office.write("list.csv", listing("abc", "ghi"))
        ran = [office.run(*asking(emulator, "--max-at-once 1"))]
        codes, run = {*ran[0].codes().values()}, ran[0].folder.name
        office.write("list.csv", listing("ghi").replace("10-01", "10-02"))
        ran += [office.run(*asking(emulator)), office.run("resume", run)]
    assert codes | {*ran[2].codes().values()} >= BY_ANOTHER_RUN
    assert leaks(office, *ran) == set()


@pytest.mark.parametrize("trouble", OF_THE_SERVICE)
def test_no_fault_of_the_service_lets_anything_out(
    serving: Callable[..., Any], office: Office, trouble: str
) -> None:
    office.write("list.csv", listing("abc", "ghi"))
    with serving(*OF_THE_SERVICE[trouble], known=["abc", "ghi"]) as emulator:
        ran = [office.run(*asking(emulator, "--timeout 1 --give-up-after 2"))]
        ran += [office.run("resume")]
    assert (ran[0].code, ran[1].code) == EXIT_CODES[trouble]
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
        shown = shown_at_a_terminal(office, *asking(emulator, "--yes --verbose"))
    assert "refused_by_register" in shown
    assert "2/2" in shown  # the progress was shown, to its end
    assert leaks(office, Ran(0, shown, "", office.reports)) == set()


def test_every_fault_that_there_is_has_been_tried() -> None:
    tried = [fault for each in (OF_ONE_ROW | OF_THE_SERVICE).values() for fault in each]
    deeds = {type(deed) for fault in tried for deed in (*fault.before, *fault.after)}
    assert {type(fault.given) for fault in tried} == {*get_args(troubles.Given)}
    as_any_refusal = {troubles.Twice}  # what comes back is Register's own 422 by the state
    assert {type(fault.arrival) for fault in tried} == {
        *get_args(troubles.Arrival)
    } - as_any_refusal
    assert deeds >= {*get_args(troubles.OtherDeed)}
