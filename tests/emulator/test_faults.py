"""What goes wrong in a rehearsal of the sample, over real HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from batch.emulator.faults import FAULTS, SampleFaults
from batch.emulator.model import Register
from batch.emulator.server import Emulator, serve
from batch.emulator.trainees import Trainee


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """Serve an emulator in which the trainee of each fault's name meets that fault."""
    register = Register([Trainee(name) for name in FAULTS], clock=time.time)
    with serve(register, plan=SampleFaults({name.upper(): FAULTS[name] for name in FAULTS})) as it:
        yield it


def defer(emulator: Emulator, trainee_id: str) -> httpx.Response:
    url = f"{emulator.base_url}/api/v2026.1/trainees/{trainee_id}/defer"
    return httpx.post(url, json={"data": {"defer_date": "2026-10-01"}}, trust_env=False)


def read(emulator: Emulator, trainee_id: str) -> httpx.Response:
    return httpx.get(f"{emulator.base_url}/api/v2026.1/trainees/{trainee_id}", trust_env=False)


@pytest.mark.parametrize("name", ["lost_answer", "truncated_answer", "lost_answer_then_reinstated"])
def test_answer_is_lost_and_only_once(emulator: Emulator, name: str) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        defer(emulator, name)
    assert emulator.register.deferrals_by_api(name)[0] == 1
    assert defer(emulator, name).status_code in {200, 422}


def test_error_comes_after_the_deferral(emulator: Emulator) -> None:
    assert defer(emulator, "error_after").status_code == 500
    assert read(emulator, "error_after").json()["state"] == "deferred"


def test_reinstated_trainee_still_carries_the_date(emulator: Emulator) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        defer(emulator, "lost_answer_then_reinstated")
    trainee = read(emulator, "lost_answer_then_reinstated").json()
    assert (trainee["state"], trainee["defer_date"]) == ("trn_received", "2026-10-01")


def test_differing_answer_cannot_be_settled_by_reading(emulator: Emulator) -> None:
    assert defer(emulator, "differing_answer").json()["data"]["defer_date"] != "2026-10-01"
    assert read(emulator, "differing_answer").json()["state"] is None


def test_throttled_request_does_not_use_a_fault_up(emulator: Emulator) -> None:
    emulator.register.rate_limit = (0, 10**9)
    assert defer(emulator, "error_after").status_code == 429
    emulator.register.rate_limit = None
    assert defer(emulator, "error_after").status_code == 500
