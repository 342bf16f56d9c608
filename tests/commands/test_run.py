"""`run` from end to end: a real process, a real server on loopback, a real journal."""

from __future__ import annotations

import json
import os
import socket
import stat
import time
from collections.abc import Callable
from typing import Any

import pytest

from batch import cli
from batch.emulator.rehearsal import rehearsal_register
from batch.emulator.requests import Endpoint
from batch.emulator.server import Emulator, serve
from batch.emulator.trainees import Trainee
from batch.submission import staging
from tests.support import troubles
from tests.support.office import SENDING_ALONE, TOKEN, Office, Ran
from tests.support.terminals import posix_only, pseudo_terminal
from tests.support.tls import served_over_tls
from tests.support.troubles import Altered, Fault, Hung, Late, Twice
from tests.support.waiting import until

Submit = Callable[..., Ran]
Serving = Callable[..., Any]

THREE = "trainee_id,defer_date,defer_reason\nabc,2026-10-01,Illness\ndef,2026-10-02,\nghi,2026-10-03,Break\n"
ONE = "trainee_id,defer_date,defer_reason\nabc,2026-10-01,Illness\n"


def test_every_row_that_register_takes_succeeds(register: Serving, submit: Submit) -> None:
    emulator = register(abc="trn_received", ghi="submitted_for_trn")
    ran = submit(emulator, "trainee_id,defer_date\nabc,2026-10-01\nghi,2026-10-02\n")
    assert ran.code == 0, ran.err
    assert ran.codes() == {2: "deferred", 3: "deferred"}


def test_register_holds_what_the_report_says(register: Serving, submit: Submit) -> None:
    emulator = register(abc="trn_received")
    submit(emulator, ONE)
    trainee = emulator.register.trainee("abc")
    assert (trainee.state, trainee.defer_date) == ("deferred", "2026-10-01")
    assert trainee.defer_reason == "Illness"


def test_outcomes_are_separated(register: Serving, submit: Submit) -> None:
    emulator = register(abc="trn_received", ghi="withdrawn")
    ran = submit(emulator, THREE, *SENDING_ALONE)
    assert ran.code == 1
    assert ran.codes() == {2: "deferred", 3: "trainee_not_found", 4: "state_not_deferrable"}
    assert ran.summary["counts"] == {
        "succeeded": 1,
        "not_found": 1,
        "unprocessable": 1,
        "unresolved": 0,
    }


def test_already_deferred_says_since_when(register: Serving, submit: Submit) -> None:
    ran = submit(register(abc="deferred"), ONE, *SENDING_ALONE)
    (row,) = ran.rows("unprocessable")
    assert (row["code"], row["register_date"]) == ("already_deferred", "2026-01-01")
    assert "2026-01-01" in row["message"]


def test_a_row_that_fails_a_check_is_not_sent(register: Serving, submit: Submit) -> None:
    emulator = register(abc="trn_received")
    ran = submit(emulator, "trainee_id,defer_date\nabc,01/10/2026\n")
    assert ran.codes() == {2: "invalid_defer_date"}
    assert not emulator.requests
    assert ran.rows("unprocessable")[0]["http_status"] == ""


FIVE = "trainee_id,defer_date\n" + "".join(f"t{n}bc,2026-10-01\n" for n in range(5))


@pytest.mark.parametrize("later", [False, True])
def test_one_odd_404_does_not_end_reading(
    register: Serving, submit: Submit, *, later: bool
) -> None:
    odd = 3 if later else 1  # before any read worked, and after
    faults: list[Fault] = [troubles.lost_after(f"t{n}bc") for n in range(5)]
    faults.append(Fault(None, Endpoint.READ, first=odd, last=odd, given=troubles.NOT_FOUND))
    emulator = register(**{f"t{n}bc": "trn_received" for n in range(5)}, faults=faults)
    ran = submit(emulator, FIVE, *SENDING_ALONE, "--max-at-once", "1")
    assert set(ran.codes().values()) == {"confirmed_by_read_back"}
    assert len(emulator.received(Endpoint.READ)) == 6


def test_where_no_read_ever_works_three_are_enough(register: Serving, submit: Submit) -> None:
    faults: list[Fault] = [troubles.lost_after(f"t{n}bc") for n in range(5)]
    faults.append(Fault(None, Endpoint.READ, last=None, given=troubles.NOT_FOUND))
    emulator = register(**{f"t{n}bc": "trn_received" for n in range(5)}, faults=faults)
    ran = submit(emulator, FIVE, *SENDING_ALONE, "--max-at-once", "1", "--lost-answer-wait", "0")
    assert set(ran.codes().values()) == {"answer_lost"}
    assert len(emulator.received(Endpoint.READ)) == 3


def test_another_fault_of_the_record_is_quoted_and_explained(
    register: Serving, submit: Submit
) -> None:
    fault = troubles.json_content(422, {"error": "Unprocessable entity"})
    emulator = register(abc="trn_received", faults=[troubles.answered_before("abc", fault)])
    (row,) = submit(emulator, ONE).rows("unprocessable")
    assert row["code"] == "refused_by_register"
    assert "Unprocessable entity" in row["message"]
    assert "another fault" in row["message"]


def test_no_verdict_comes_before_the_lost_answers_wait(register: Serving, submit: Submit) -> None:
    emulator = register(abc="trn_received", faults=[Fault("abc", arrival=Late(1.5), given=Hung())])
    emulator.register.defer("abc", "2026-10-01")
    emulator.register.reinstate("abc")  # so the trainee carries this date already
    ran = submit(emulator, ONE, *SENDING_ALONE, "--timeout", "1", "--lost-answer-wait", "4")
    assert ran.codes() == {2: "confirmed_by_read_back"}
    assert emulator.register.trainee("abc").state == "deferred"
    assert len(emulator.received(Endpoint.DEFER)) == 1


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (troubles.lost_after("abc"), "confirmed_by_read_back"),
        (troubles.truncated_after("abc"), "confirmed_by_read_back"),
        (troubles.error_after("abc"), "confirmed_by_read_back"),
        (troubles.answered_after("abc", troubles.gateway_page(502)), "confirmed_by_read_back"),
        (troubles.reinstated_after("abc"), "reinstated_since"),
        (troubles.answering_about("abc", defer_date=None), "confirmed_by_read_back"),
        (troubles.answering_about("abc", defer_date="2026-08-08"), "confirmed_by_read_back"),
        (Fault("abc", given=Altered((("trainee_id", "other"),))), "confirmed_by_read_back"),
        (troubles.deferred_by_another_before("abc", "2026-08-08"), "already_deferred"),
        (troubles.answered_before("abc", troubles.BLOCKED), "refused_by_register"),
    ],
)
def test_trouble_is_settled_by_reading(
    register: Serving, submit: Submit, fault: Any, code: str
) -> None:
    emulator = register(abc="trn_received", faults=[fault])
    ran = submit(emulator, ONE, "--lost-answer-wait", "0.3")
    assert ran.codes() == {2: code}, ran.err


def test_the_deferral_of_another_on_the_same_date_is_not_called_ours(
    register: Serving, submit: Submit
) -> None:
    deferred = (troubles.Deferring("2026-10-01"),)
    given = troubles.Dropped()
    fault = troubles.Fault("abc", before=deferred, arrival=troubles.Never(), given=given)
    emulator = register(abc="trn_received", faults=[fault])
    content = "trainee_id,defer_date,defer_reason\nabc,2026-10-01,Illness\n"
    ran = submit(emulator, content, "--lost-answer-wait", "0.2")
    assert (ran.code, ran.codes()) == (1, {2: "already_deferred"})
    assert len(emulator.received(Endpoint.DEFER)) == 1


def test_a_request_lost_before_it_arrived_is_sent_again_after_the_wait(
    register: Serving, submit: Submit
) -> None:
    emulator = register(abc="trn_received", faults=[troubles.lost_before("abc")])
    ran = submit(emulator, ONE, "--lost-answer-wait", "0.5")
    (row,) = ran.rows("succeeded")
    assert (row["code"], row["attempts"]) == ("deferred", "2")


def test_a_throttled_row_goes_again_and_the_429_is_no_attempt(
    register: Serving, submit: Submit
) -> None:
    faults = [troubles.answered_before("abc", troubles.throttled("1"))]
    ran = submit(register(abc="trn_received", faults=faults), ONE)
    (row,) = ran.rows("succeeded")
    assert (row["code"], row["attempts"], row["http_status"]) == ("deferred", "1", "200")
    assert ran.summary["requests"]["throttled"] == 1


def test_a_token_of_a_few_letters_is_not_looked_for_in_answers(office: Office) -> None:
    model = rehearsal_register([Trainee("abc")], rate_limit=None, token="a")
    office.write("list.csv", ONE)
    office.environment["DEFER_BATCH_API_TOKEN"] = "a"
    with serve(model) as emulator:
        ran = office.run("run", "list.csv", "--register", emulator.base_url)
    assert ran.codes() == {2: "deferred"}


def test_a_wrong_token_stops_before_anything_is_sent(
    register: Serving, office: Office, submit: Submit
) -> None:
    emulator = register(abc="trn_received")
    office.write("token.txt", "wrong")
    ran = submit(emulator, ONE, "--api-token-file", "token.txt")
    assert (ran.code, "401" in ran.err) == (2, True)
    assert [request.method for request in emulator.requests] == ["GET"]
    assert office.run("runs").out == "no runs yet\n"


@pytest.mark.parametrize(("beginning", "named"), [("sandbox", True), ("secret", False)])
def test_a_token_of_another_environment_is_pointed_out_where_it_is_refused(
    register: Serving, office: Office, submit: Submit, beginning: str, *, named: bool
) -> None:
    office.write("token.txt", f"{beginning}_wrong")
    ran = submit(register(abc="trn_received"), ONE, "--api-token-file", "token.txt")
    assert (ran.code, "one for sandbox" in ran.err) == (2, named)
    assert "wrong" not in ran.err


def test_a_version_that_is_not_served_names_one_that_is(register: Serving, submit: Submit) -> None:
    ran = submit(register(abc="trn_received"), ONE, "--api-version", "v2024.0")
    assert (ran.code, "--api-version v2026.1" in ran.err) == (2, True)


def test_where_nobody_named_a_version_the_first_that_is_served_is_used(
    office: Office,
) -> None:
    model = rehearsal_register([Trainee("abc")], rate_limit=None, token=TOKEN)
    model.versions = ("v2026.1",)
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write("list.csv", ONE)
    with serve(model) as emulator:
        ran = office.run("run", "list.csv", "--register", emulator.base_url)
    assert (ran.code, ran.summary["register"]["api_version"]) == (0, "v2026.1")


def test_where_no_version_is_served_those_that_were_tried_are_named(office: Office) -> None:
    model = rehearsal_register([Trainee("abc")], rate_limit=None, token=TOKEN)
    model.versions = ("v2027.0",)
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write("list.csv", ONE)
    with serve(model) as emulator:
        ran = office.run("run", "list.csv", "--register", emulator.base_url)
    assert (ran.code, "v2025.0, v2026.1, v2026.0" in ran.err) == (2, True)


def test_a_register_that_keeps_failing_ends_the_run(register: Serving, submit: Submit) -> None:
    faults = [troubles.out_of_service(troubles.gateway_page(503), first=2)]
    ran = submit(
        register(abc="trn_received", faults=faults), ONE, *SENDING_ALONE, "--give-up-after", "2"
    )
    assert ran.code == 3
    assert ran.codes() == {2: "answer_lost"}
    because = "Register kept failing for 2 seconds: it answered 503."
    assert ran.summary["stopped_because"] == because


def test_a_register_that_nobody_reaches_is_told_so(office: Office) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{unheard.getsockname()[1]}"
        office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
        office.write("list.csv", ONE)
        ran = office.run("run", "list.csv", "--register", nowhere, "--give-up-after", "1")
    assert (ran.code, "could not be reached" in ran.err) == (75, True)
    assert office.run("runs").out == "no runs yet\n"


def test_a_401_in_the_middle_ends_the_run(register: Serving, submit: Submit) -> None:
    faults = [troubles.answered_before("abc", troubles.UNAUTHORISED)]
    ran = submit(register(abc="trn_received", faults=faults), ONE)
    assert ran.code == 3
    assert "refused the token (401)" in ran.summary["stopped_because"]


def test_the_request_is_as_documented(register: Serving, submit: Submit) -> None:
    emulator = register(abc="trn_received")
    submit(emulator, ONE, *SENDING_ALONE)
    request = emulator.requests[-1]
    assert request.target == "/api/v2025.0/trainees/abc/defer"
    assert request.headers["user-agent"].startswith("defer-batch/")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"


def test_json_is_all_that_standard_output_holds(register: Serving, submit: Submit) -> None:
    ran = submit(register(abc="trn_received"), ONE, "--json")
    assert json.loads(ran.out)["counts"]["succeeded"] == 1
    assert ran.err.splitlines()[-1].startswith("manifest sha256: ")


def test_the_manifests_hash_is_the_last_line(register: Serving, submit: Submit) -> None:
    ran = submit(register(abc="trn_received"), ONE)
    assert ran.out.splitlines()[-1].startswith("manifest sha256: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "list.csv"),
        ("run", "list.csv", "--register", "nowhere"),
        ("run", "list.csv", "--register", "http://register.example"),
        ("run", "list.csv", "--register", "sandbox"),
        ("run", "list.csv", "--register", "emulator", "--rate-limit", "fast"),
        ("run", "list.csv", "--register", "emulator", "--max-at-once", "0"),
        ("run", "missing.csv", "--register", "emulator"),
        ("run", ".", "--register", "emulator"),
        ("run", "empty.csv", "--register", "emulator"),
        ("run", "other.csv", "--register", "emulator"),
        ("run", "twice.csv", "--register", "emulator"),
        ("run", "binary.csv", "--register", "emulator"),
        ("run",),
        ("nothing",),
        ("check", "list.csv", "--nonsense"),
    ],
)
def test_bad_usage_is_one_message_exit_2_and_no_run(
    office: Office, arguments: tuple[str, ...]
) -> None:
    office.write("list.csv", ONE)
    office.write("empty.csv", "")
    office.write("other.csv", "name,date\nx,y\n")
    office.write("twice.csv", "trainee_id,Trainee ID,defer_date\nx,y,z\n")
    office.write("binary.csv", bytes(range(256)))
    ran = office.run(*arguments)
    assert ran.code == 2
    assert ran.err.startswith("error: ")
    assert "hint: " in ran.err
    assert "Traceback" not in ran.err
    assert not office.reports.exists() or not list(office.reports.glob("2*"))


def test_a_file_without_rows_is_a_notice(office: Office) -> None:
    office.write("list.csv", "trainee_id,defer_date\n")
    ran = office.run("run", "list.csv", "--register", "emulator")
    assert ran.code == 0
    assert "no rows" in ran.err
    assert not list(office.reports.glob("2*"))


def test_a_rehearsal_says_so_everywhere(office: Office) -> None:
    office.write("list.csv", ONE)
    ran = office.run("run", "list.csv", "--register", "emulator")
    assert ran.code == 0
    assert "REHEARSAL: nothing was sent to Register" in ran.out
    assert "REHEARSAL: nothing was sent" in (ran.folder / "report.html").read_text(encoding="utf-8")
    assert ran.summary["rehearsal"] is True
    assert "REHEARSAL" in office.run("runs").out


def test_the_template_is_the_right_header(office: Office) -> None:
    assert office.run("template").out == "trainee_id,defer_date,defer_reason\n"


def test_without_arguments_it_shows_where_to_begin(office: Office) -> None:
    assert "Where to begin" in office.run().out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (troubles.redirected("https://elsewhere.example/"), "redirects elsewhere"),
        (troubles.SIGN_IN_PAGE, "not Register's"),
        (troubles.BLOCKED, "refused the request (403)"),
    ],
)
def test_an_info_that_is_not_registers_stops_the_run(
    register: Serving, submit: Submit, given: Any, said: str
) -> None:
    faults = [Fault(None, Endpoint.INFO, last=None, given=given)]
    ran = submit(register(abc="trn_received", faults=faults), ONE)
    assert (ran.code, said in ran.err) == (2, True)


def test_a_server_without_info_is_a_warning(register: Serving, submit: Submit) -> None:
    faults = [Fault(None, Endpoint.INFO, last=None, given=troubles.gateway_page(404))]
    ran = submit(register(abc="trn_received", faults=faults), ONE)
    assert ran.code == 0
    assert "has no /info" in ran.err


def test_a_certificate_that_does_not_verify_stops_the_run(office: Office, tmp_path: Any) -> None:
    with served_over_tls(tmp_path, "IP:127.0.0.1") as port:
        office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
        office.write("list.csv", ONE)
        ran = office.run("run", "list.csv", "--register", f"https://127.0.0.1:{port}")
    assert (ran.code, "certificate" in ran.err) == (2, True)


@pytest.mark.parametrize(("first", "code"), [(1, 75), (2, 3)])
def test_a_front_door_that_blocks_this_client_ends_the_run_soon(
    register: Serving, submit: Submit, first: int, code: int
) -> None:
    blocked = troubles.out_of_service(troubles.throttled(None), first=first)
    began = time.monotonic()
    options = (*SENDING_ALONE, "--give-up-after", "1")
    ran = submit(register(abc="trn_received", faults=[blocked]), ONE, *options)
    assert (ran.code, "429" in ran.err + ran.out) == (code, True)
    assert time.monotonic() - began < 55  # a window that was guessed at is not waited for


def test_ten_refusals_in_a_row_end_the_run(register: Serving, submit: Submit) -> None:
    ids = [f"id{number}" for number in range(30)]
    refused = troubles.empty(406)
    faults = [Fault(None, Endpoint.DEFER, last=None, given=refused)]
    emulator = register(**dict.fromkeys(ids, "trn_received"), faults=faults)
    content = "trainee_id,defer_date\n" + "".join(f"{i},2026-10-01\n" for i in ids)
    ran = submit(emulator, content, "--max-at-once", "1")
    assert ran.code == 3
    assert ran.summary["codes"] == {"not_sent": 20, "refused_by_register": 10}


@pytest.mark.parametrize("info", [troubles.BLOCKED, troubles.UNAUTHORISED])
def test_a_403_for_everybody_is_no_rows_refusal(
    register: Serving, submit: Submit, info: Any
) -> None:
    faults = [
        Fault(None, Endpoint.INFO, first=2, last=None, given=info),
        Fault(None, Endpoint.DEFER, last=None, given=troubles.BLOCKED),
    ]
    ran = submit(
        register(abc="trn_received", ghi="trn_received", faults=faults), THREE, *SENDING_ALONE
    )
    assert (ran.code, set(ran.codes().values())) == (3, {"not_sent"})
    assert "refuses every request" in ran.summary["stopped_because"]


@pytest.mark.parametrize("given", [troubles.SIGN_IN_PAGE, troubles.redirected("https://x.example")])
def test_a_page_in_place_of_register_is_no_good_answer(
    register: Serving, submit: Submit, given: Any
) -> None:
    ids = [f"id{number}" for number in range(60)]
    faults = [
        Fault(None, Endpoint.INFO, first=2, last=None, given=given),
        Fault(None, Endpoint.DEFER, last=None, given=troubles.SIGN_IN_PAGE),
        Fault(None, Endpoint.READ, last=None, given=troubles.SIGN_IN_PAGE),
    ]
    emulator = register(**dict.fromkeys(ids, "trn_received"), faults=faults)
    content = "trainee_id,defer_date\n" + "".join(f"{i},2026-10-01\n" for i in ids)
    ran = submit(emulator, content, *SENDING_ALONE, "--give-up-after", "2")
    assert "kept failing" in ran.summary["stopped_because"]
    assert len(emulator.received(Endpoint.DEFER)) <= 20


def test_an_outage_is_waited_out_and_told_of_when_it_begins_and_ends(
    register: Serving, submit: Submit
) -> None:
    down = troubles.out_of_service(troubles.gateway_page(503), first=2, last=5)
    emulator = register(abc="trn_received", faults=[down])
    ran = submit(emulator, ONE, *SENDING_ALONE, "--lost-answer-wait", "0.1")
    assert (ran.code, ran.codes()) == (0, {2: "deferred"})
    told = [line for line in ran.err.splitlines() if line.startswith("warning")]
    assert any("3 times in a row" in line for line in told)
    assert "responding again" in told[-1]


def test_if_register_knew_nobody_it_asks_about_token_and_environment(
    register: Serving, submit: Submit
) -> None:
    assert "the right provider's token" in submit(register(other="trn_received"), ONE).out


@posix_only
def test_files_are_private_after_umask_000(register: Serving, office: Office) -> None:
    emulator = register(abc="trn_received", faults=[troubles.hanging("abc")])
    office.write("list.csv", ONE)
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    folder = ("--reports-dir", "a/b")
    before = os.umask(0)
    try:
        process = office.start("run", "list.csv", "--register", emulator.base_url, *folder)
        until(lambda: emulator.received(Endpoint.DEFER) or process.poll() is not None)
        under_way = open_to_others(office)
        process.kill()
        process.communicate()
        resumed = office.run("resume", *folder)
    finally:
        os.umask(before)
    assert {"journal.db-wal", "run.log", "journal.db.lock"} <= under_way.keys()
    assert (resumed.code, "report.html" in open_to_others(office)) == (0, True)
    for made in (under_way, open_to_others(office)):
        assert {name for name, is_open in made.items() if is_open} == set()


def open_to_others(office: Office) -> dict[str, bool]:
    """Return of everything that was made whether it is more than 0600, or 0700 for a folder."""
    made = [path for path in office.folder.rglob("*") if path.name != "list.csv"]
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in made}
    return {path.name: modes[path] != (0o700 if path.is_dir() else 0o600) for path in made}


@posix_only
@pytest.mark.parametrize(("answer", "code", "runs"), [("no", 2, 0), ("yes", 2, 0), ("1", 0, 1)])
def test_someone_at_a_terminal_is_asked(
    register: Serving, office: Office, answer: str, code: int, runs: int
) -> None:
    ended = run_at_a_terminal(office, register(abc="trn_received"), answer)
    assert "Type 1" in ended.err
    assert (ended.code, len(list(office.reports.glob("2*")))) == (code, runs)


@posix_only
def test_nobody_is_asked_where_the_look_leaves_nothing_to_send(
    register: Serving, office: Office
) -> None:
    ended = run_at_a_terminal(office, register(abc="withdrawn"), "no")
    assert "Type" not in ended.err
    assert (ended.code, len(list(office.reports.glob("2*")))) == (1, 1)


CTRL_D = "\x04"
"""What ends the input at a terminal."""


@posix_only
def test_an_input_that_ends_at_the_question_is_nobody_and_no_no(
    register: Serving, office: Office
) -> None:
    ended = run_at_a_terminal(office, register(abc="trn_received"), CTRL_D)
    assert "nobody is there" in ended.err
    assert "declined" not in ended.err
    assert (ended.code, list(office.reports.glob("2*"))) == (2, [])


def run_at_a_terminal(office: Office, emulator: Emulator, answer: str) -> Ran:
    office.write("list.csv", ONE)
    ours, theirs = pseudo_terminal()
    os.write(ours, f"{answer}\n".encode())
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    with office.start("run", "list.csv", "--register", emulator.base_url, stdin=theirs) as process:
        out, err = process.communicate()
    os.close(ours)
    os.close(theirs)
    return Ran(process.returncode, out, err, office.reports)


def test_repairs_are_counted_and_listed_by_row_without_the_value(
    register: Serving, submit: Submit
) -> None:
    ran = submit(register(abc="trn_received"), "trainee_id,defer_date\n abc ,2026-10-01\n")
    log = (ran.folder / "run.log").read_text(encoding="utf-8")
    line = next(json.loads(text) for text in log.splitlines() if "value_repaired" in text)
    assert (line["row"], line["column"], line["kind"]) == (2, "trainee_id", "spaces_removed")
    assert "1 × spaces removed" in ran.out
    assert " abc " not in log


def test_the_repairs_beyond_those_that_are_listed_are_counted_in_the_log(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "MOST_REPAIRS_TOLD", 1)
    monkeypatch.chdir(office.folder)
    office.write("list.csv", "trainee_id,defer_date\n a , \n b , \n")
    cli.app(["run", "list.csv", "--register", "emulator"], standalone_mode=False)
    (log,) = office.reports.glob("2*/run.log")
    told = map(json.loads, log.read_text(encoding="utf-8").splitlines())
    one, more = (event for event in told if "repaired" in event["event"])
    assert (one["event"], more["event"]) == ("value_repaired", "more_values_repaired")
    assert more["count"] == 3


def test_blank_rows_and_what_is_wrong_with_every_date_are_in_the_summary(
    register: Serving, submit: Submit
) -> None:
    rows = "trainee_id,defer_date\na,17/06/2024\n,\nb,18/06/2024\n"
    ran = submit(register(), rows)
    (notice,) = [words for words in ran.summary["notices"] if "--date-format dmy" in words]
    assert ran.out.index(notice) < ran.out.index("could not be deferred")
    assert "blank rows skipped: 1" in ran.out
    assert ran.summary["blank_rows"] == 1


def test_a_missing_token_is_said_before_anything_is_read(office: Office) -> None:
    office.write("list.csv", ONE)
    assert office.run("run", "list.csv", "--register", "emulator").code == 0
    ran = office.run("run", "no such file.csv", "--register", "sandbox")
    assert ran.code == 2
    assert "no token" in ran.err


def test_a_wait_of_more_than_ten_minutes_stops_the_run(register: Serving, submit: Submit) -> None:
    faults = [troubles.answered_before("abc", troubles.throttled("601"))]
    ran = submit(register(abc="trn_received", faults=faults), ONE)
    assert ran.code == 3
    assert "asks to wait 601 seconds" in ran.summary["stopped_because"]


@pytest.mark.parametrize(
    "content",
    [
        b"trainee_id,reason\nabc,x\n",
        b'trainee_id,defer_date\n"abc,2026-10-01\n',
        "trainee_id,defer_date,note\nabc,2026-10-01,é\n".encode() + b"def,2026-10-01,\xe9\n",
    ],
)
def test_a_file_that_cannot_be_used_sends_nothing_and_leaves_no_run(
    register: Serving, submit: Submit, content: bytes
) -> None:
    emulator = register(abc="trn_received")
    ran = submit(emulator, content)
    assert (ran.code, ran.out, emulator.register.trainee("abc").state) == (2, "", "trn_received")
    assert ran.err.startswith("error: cannot use list.csv: ")
    assert not list(ran.reports.glob("2*"))


def test_a_report_that_a_uk_spreadsheet_saved_again_runs_with_dmy(
    register: Serving, submit: Submit
) -> None:
    emulator = register(abc="trn_received")
    first = submit(emulator, "trainee_id,defer_date,defer_reason\nabc ,2026-10-32,'=Ill\n")
    told = (first.folder / "unprocessable.csv").read_text(encoding="utf-8-sig")
    saved = told.replace("2026-10-32", "31/10/2026")
    refused, ran = submit(emulator, saved), submit(emulator, saved, "--date-format", "dmy")
    assert "--date-format dmy" in refused.out
    assert ran.code == 0, ran.err
    assert emulator.register.trainee("abc").defer_date == "2026-10-31"


def test_a_request_that_arrives_twice_claims_nobodys_deferral(
    register: Serving, submit: Submit
) -> None:
    twice = Fault("abc", arrival=Twice())
    emulator = register(abc="trn_received", faults=[twice])
    ran = submit(emulator, "trainee_id,defer_date,defer_reason\nabc,2026-10-01,ill\n")
    assert (ran.code, ran.codes()) == (1, {2: "already_deferred"})
    row = ran.rows("unprocessable")[0]
    assert "since it was looked up" in row["message"]
    assert "arrived twice" in row["message"]
    assert len(emulator.received(Endpoint.DEFER)) == 1
