"""Register's emulator over real HTTP on this machine, faults included."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from batch.emulator.model import Register
from batch.emulator.requests import Endpoint
from batch.emulator.server import Emulator, serve
from batch.emulator.trainees import Trainee
from tests.support import troubles
from tests.support.troubles import (
    Canned,
    Dropped,
    Fault,
    FaultPlan,
    Given,
    Late,
    Never,
    Reinstating,
    SettingState,
    Truncated,
    plan_of,
)
from tests.support.waiting import until

DATE = "2026-10-01"
SOON = 0.05


@contextmanager
def emulated(
    *faults: Fault, rate_limit: tuple[int, float] | None = None, **settings: Any
) -> Iterator[tuple[Emulator, httpx.Client]]:
    known = [Trainee("Ab1"), Trainee("Cd2")]
    register = Register(known, clock=time.time, token="secret", rate_limit=rate_limit)
    with (
        serve(register, plan=FaultPlan(faults), **settings) as emulator,
        httpx.Client(
            base_url=emulator.base_url, headers={"Authorization": "Bearer secret"}, trust_env=False
        ) as client,
    ):
        yield emulator, client


def defer(client: httpx.Client, trainee_id: str = "Ab1", date: str = DATE) -> httpx.Response:
    path = f"/api/v2025.0/trainees/{trainee_id}/defer"
    return client.post(path, json={"data": {"defer_date": date}})


def read(client: httpx.Client, trainee_id: str = "Ab1") -> httpx.Response:
    return client.get(f"/api/v2025.0/trainees/{trainee_id}")


def state(emulator: Emulator, trainee_id: str = "Ab1") -> str:
    trainee = emulator.register.trainee(trainee_id)
    assert trainee is not None
    return trainee.state


def wait_for_state(emulator: Emulator, expected: str) -> None:
    until(lambda: state(emulator) == expected)


def test_deferral_and_read_over_http() -> None:
    with emulated() as (_, client):
        assert defer(client).json()["data"]["state"] == "deferred"
        assert read(client, "aB1").json()["defer_date"] == DATE
        assert client.get("/api/v2026.1/info").json()["status"] == "ok"


def test_encoded_slash_stays_within_the_id() -> None:
    with emulated() as (emulator, _):
        connection = http.client.HTTPConnection(emulator.base_url.removeprefix("http://"))
        headers = {"Authorization": "Bearer secret"}
        connection.request("GET", "/api/v2025.0/trainees/abc%2Fdef", headers=headers)
        answer = connection.getresponse().read()
        connection.close()
        assert b"Trainee(s) not found" in answer
        assert emulator.received()[0].route.trainee_id == "abc/def"


def test_only_the_good_token_is_good() -> None:
    with emulated() as (_, client):
        assert client.get("/api/v2025.0/info", headers={"Authorization": ""}).status_code == 401
        basic = {"Authorization": "Basic secret"}
        assert client.get("/api/v2025.0/info", headers=basic).status_code == 401


def test_only_this_machine_is_listened_on() -> None:
    with emulated() as (emulator, _):
        assert emulator.base_url.startswith("http://127.0.0.1:")
        port = int(emulator.base_url.rpartition(":")[2])
        with pytest.raises(OSError, match=r".+"):  # another address of this same machine
            socket.create_connection(("127.0.0.2", port), timeout=5)


def test_date_comes_from_the_gateways_own_clock() -> None:
    with emulated(date_clock=lambda: 0.0) as (_, client):
        assert read(client).headers["date"] == "Thu, 01 Jan 1970 00:00:00 GMT"


def test_each_answer_has_a_request_id() -> None:
    with emulated() as (_, client):
        ids = {read(client).headers["x-request-id"] for _ in range(3)}
        assert len(ids) == 3


def test_limit_is_kept_over_http() -> None:
    with emulated(rate_limit=(2, 10**9)) as (_, client):
        answers = [read(client) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert int(answers[2].headers["retry-after"]) > 0
        assert answers[2].headers["content-type"] == "text/plain"


def test_requests_are_remembered_as_they_arrived() -> None:
    with emulated() as (emulator, client):
        read(client, "Cd2")
        defer(client)
        received = emulator.received(Endpoint.DEFER, "aB1")
        assert [request.method for request in received] == ["POST"]
        assert received[0].headers["user-agent"].startswith("python-httpx")
        assert DATE.encode() in received[0].body
        assert len(emulator.received()) == 2


def test_memory_of_requests_can_be_switched_off() -> None:
    with emulated(kept=0) as (emulator, client):
        read(client)
        assert emulator.received() == []


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (troubles.lost_before("Ab1"), "trn_received"),
        (troubles.lost_after("ab1"), "deferred"),
        (troubles.truncated_after("Ab1"), "deferred"),
        (troubles.answered_after("Ab1", Dropped(reset=True)), "deferred"),
        (troubles.answered_before("Ab1", Dropped(reset=True)), "trn_received"),
    ],
)
def test_connection_ends_without_a_whole_answer(fault: Fault, expected: str) -> None:
    with emulated(fault) as (emulator, client):
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            defer(client)
        assert state(emulator) == expected
        assert defer(client, "Cd2").status_code == 200


def test_refusal_can_be_lost_too() -> None:
    with emulated(troubles.truncated_after("Ab1", nth=2)) as (_, client):
        assert defer(client).status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            defer(client)
        assert defer(client).status_code == 422


@pytest.mark.parametrize(
    ("given", "status", "content_type"),
    [
        (troubles.APPLICATION_ERROR, 500, "application/json; charset=utf-8"),
        (troubles.DATABASE_DOWN, 500, "text/plain; charset=utf-8"),
        (troubles.MAINTENANCE, 500, "text/html"),
        (troubles.gateway_page(502), 502, "text/html"),
        (troubles.gateway_page(504), 504, "text/html"),
        (troubles.SIGN_IN_PAGE, 200, "text/html"),
        (troubles.BLOCKED, 403, "text/plain"),
        (troubles.UNAUTHORISED, 401, "application/json; charset=utf-8"),
        (troubles.NOT_FOUND, 404, "application/json; charset=utf-8"),
        (troubles.redirected("https://example.org/"), 302, "text/html"),
        (troubles.json_content(200, {"data": []}), 200, "application/json; charset=utf-8"),
    ],
)
@pytest.mark.parametrize("processed", [True, False])
def test_another_answer_comes_back(
    given: Canned, status: int, content_type: str, *, processed: bool
) -> None:
    name = troubles.answered_after if processed else troubles.answered_before
    with emulated(name("Ab1", given)) as (emulator, client):
        answer = defer(client)
        assert (answer.status_code, answer.headers["content-type"]) == (status, content_type)
        assert state(emulator) == ("deferred" if processed else "trn_received")


def test_answer_can_be_empty() -> None:
    with emulated(troubles.answered_after("Ab1", troubles.empty(400))) as (_, client):
        answer = defer(client)
        assert (answer.status_code, answer.content) == (400, b"")


@pytest.mark.parametrize("retry_after", ["3", "Thu, 01 Jan 1970 00:00:00 GMT", "soon", None])
def test_retry_after_can_be_anything(retry_after: str | None) -> None:
    throttled = troubles.answered_before("Ab1", troubles.throttled(retry_after))
    with emulated(throttled) as (_, client):
        answer = defer(client)
        assert (answer.status_code, answer.headers.get("retry-after")) == (429, retry_after)


def test_fault_strikes_the_nth_request_of_its_kind_for_its_trainee() -> None:
    with emulated(troubles.answered_before("Ab1", troubles.BLOCKED, nth=2)) as (_, client):
        seen = [defer(client), read(client), defer(client, "Cd2"), defer(client), defer(client)]
        assert [answer.status_code for answer in seen] == [200, 200, 200, 403, 422]


def test_throttled_request_does_not_use_a_fault_up() -> None:
    with emulated(troubles.lost_after("Ab1"), rate_limit=(0, 10**9)) as (emulator, client):
        assert defer(client).status_code == 429
        emulator.register.rate_limit = None
        with pytest.raises(httpx.RemoteProtocolError):
            defer(client)
        assert state(emulator) == "deferred"


def test_faults_can_be_planned_while_it_serves() -> None:
    with emulated() as (emulator, client):
        read(client)
        plan_of(emulator).add(Fault("Ab1", Endpoint.READ, given=troubles.BLOCKED, arrival=Never()))
        assert [read(client).status_code, read(client).status_code] == [403, 200]


def test_slow_answer_comes_after_the_deferral() -> None:
    with emulated(troubles.slow("Ab1", SOON)) as (_, client):
        began = time.monotonic()
        assert defer(client).status_code == 200
        assert time.monotonic() - began >= SOON


def test_request_arrives_after_its_client_gave_up() -> None:
    with emulated(troubles.arriving_late("Ab1", SOON)) as (emulator, client):
        with pytest.raises(httpx.RemoteProtocolError):
            defer(client)
        wait_for_state(emulator, "deferred")


def test_late_request_is_refused_where_another_overtook_it() -> None:
    fault = Fault("Ab1", arrival=Late(SOON), before=(SettingState("withdrawn"),))
    with emulated(fault) as (emulator, client):
        assert defer(client).status_code == 422
        assert emulator.register.deferrals_by_api("Ab1") == (0,)


def test_request_that_was_looked_at_first_is_committed_although_another_overtook_it() -> None:
    late = troubles.arriving_late("Ab1", 1.0, checked_first=True)
    with emulated(late) as (emulator, client):
        with pytest.raises(httpx.RemoteProtocolError):
            defer(client)
        emulator.register.set_state("Ab1", "withdrawn")
        wait_for_state(emulator, "deferred")


def test_late_answer_can_still_be_awaited() -> None:
    fault = Fault("Ab1", arrival=Late(SOON), after=(SettingState("withdrawn"),))
    with emulated(fault) as (emulator, client):
        assert defer(client).json()["data"]["state"] == "deferred"
        assert state(emulator) == "withdrawn"


def test_client_that_hears_nothing_gives_up_and_the_trainee_is_deferred() -> None:
    with emulated(troubles.hanging("Ab1")) as (emulator, client):
        client.timeout = httpx.Timeout(5, read=SOON)
        with pytest.raises(httpx.ReadTimeout):
            defer(client)
        assert state(emulator) == "deferred"


def test_somebody_else_defers_just_before() -> None:
    with emulated(troubles.deferred_by_another_before("Ab1", "2026-09-01")) as (_, client):
        assert defer(client).status_code == 422
        assert read(client).json()["defer_date"] == "2026-09-01"


def test_somebody_else_reinstates_after_the_lost_answer() -> None:
    with emulated(troubles.reinstated_after("Ab1")) as (_, client):
        with pytest.raises(httpx.RemoteProtocolError):
            defer(client)
        trainee = read(client).json()
        assert (trainee["state"], trainee["defer_date"]) == ("trn_received", DATE)


def test_somebody_else_reinstates_just_before() -> None:
    with emulated(Fault("Ab1", first=2, last=2, before=(Reinstating(),))) as (_, client):
        assert [defer(client).status_code, defer(client).status_code] == [200, 200]


def test_200_can_name_another_trainee_or_date() -> None:
    fault = troubles.answering_about("Ab1", trainee_id="Zz9", defer_date=None)
    with emulated(fault) as (emulator, client):
        trainee = defer(client).json()["data"]
        assert (trainee["trainee_id"], trainee["defer_date"]) == ("Zz9", None)
        assert state(emulator) == "deferred"


def test_read_can_be_altered_and_a_refusal_stays_as_it_is() -> None:
    unclear = Fault("Ab1", Endpoint.READ, given=troubles.answering_about("x", state=None).given)
    with emulated(unclear, troubles.answering_about("Cd2", nth=2, state="x")) as (_, client):
        assert read(client).json()["state"] is None
        assert [defer(client, "Cd2").status_code, defer(client, "Cd2").status_code] == [200, 422]


def test_outage_lasts_for_a_span_of_requests() -> None:
    outage = troubles.out_of_service(troubles.gateway_page(503), first=2, last=3)
    with emulated(outage) as (_, client):
        statuses = [client.get("/api/v2025.0/info").status_code for _ in range(4)]
        assert statuses == [200, 503, 503, 200]


@pytest.mark.parametrize("given", [troubles.MAINTENANCE, troubles.gateway_page(502)])
def test_service_fails_until_the_outage_ends(given: Given) -> None:
    with emulated() as (emulator, client):
        plan_of(emulator).outage = given
        assert defer(client).status_code >= 500
        assert client.get("/anything").status_code >= 500
        plan_of(emulator).outage = None
        assert defer(client).status_code == 200


def test_service_can_be_silent() -> None:
    with emulated() as (emulator, client):
        plan_of(emulator).outage = Truncated()
        with pytest.raises(httpx.RemoteProtocolError):
            read(client)


def test_stopping_waits_for_no_client_and_no_slow_answer() -> None:
    with emulated(troubles.hanging("Ab1"), troubles.slow("Cd2", 600)) as (emulator, client):
        client.timeout = httpx.Timeout(600)
        waiting = [threading.Thread(target=give_up, args=(client, i)) for i in ("Ab1", "Cd2")]
        for thread in waiting:
            thread.start()
        until(lambda: len(emulator.received()) == 2)
        began = time.monotonic()
    for thread in waiting:
        thread.join()
    assert time.monotonic() - began < 300


def give_up(client: httpx.Client, trainee_id: str) -> None:
    with pytest.raises(httpx.HTTPError):
        defer(client, trainee_id)


def test_taken_port_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        register = Register(clock=time.time)
        with (
            pytest.raises(OSError, match=r"in use|one usage"),
            serve(register, port=taken.getsockname()[1]),
        ):
            pass


def test_garbage_is_a_400_and_the_emulator_goes_on() -> None:
    with emulated() as (emulator, client):
        port = int(emulator.base_url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"\x00\x01 not HTTP\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 400")
        assert read(client).status_code == 200


def test_model_needs_neither_server_nor_http() -> None:
    code = (
        "import sys, batch.emulator.model\n"
        "assert not {'starlette', 'uvicorn', 'httpx', 'asyncio'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
