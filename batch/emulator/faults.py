"""What goes wrong in a rehearsal of the sample, so that people see how it is settled.

Each fault strikes the first defer request of its trainee that is not throttled: Register does
what was asked, then the answer is lost or not to be trusted. Source: register/API.md, "A failure
can mean that it happened" and "After a reinstatement".
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from msgspec.structs import replace

from batch.emulator import replies
from batch.emulator.replies import Response
from batch.emulator.requests import Endpoint, Route
from batch.emulator.server import Exchange, Strike
from batch.rows import folded

_ANOTHER_DATE = "2026-08-31"

Fault = Callable[[Exchange, Response], Awaitable[None]]
"""What becomes of Register's answer to the request that is struck."""


async def lost_answer(exchange: Exchange, reply: Response) -> None:
    """End the connection: the answer never arrives."""
    del reply
    await exchange.cut()


async def truncated_answer(exchange: Exchange, reply: Response) -> None:
    """Send half of the answer, then end the connection."""
    await exchange.answer_half(reply)


async def error_after(exchange: Exchange, reply: Response) -> None:
    """Answer 500, as Register does where the work after a deferral fails."""
    del reply
    await exchange.answer(replies.failed())


async def lost_answer_then_reinstated(exchange: Exchange, reply: Response) -> None:
    """Have somebody else reinstate the trainee, and end the connection."""
    del reply
    exchange.register.reinstate(exchange.route.trainee_id)
    await exchange.cut()


async def differing_answer(exchange: Exchange, reply: Response) -> None:
    """Answer with another date than the one asked for; reads then show no state."""
    await exchange.answer(altered(reply, {"defer_date": _ANOTHER_DATE}))


FAULTS: Mapping[str, Fault] = {
    fault.__name__: fault
    for fault in (
        lost_answer,
        truncated_answer,
        error_after,
        lost_answer_then_reinstated,
        differing_answer,
    )
}
"""The faults by the name that `sample_trainees.csv` uses."""


class SampleFaults:
    """The faults still to strike, one for each trainee named."""

    def __init__(self, by_trainee_id: Mapping[str, Fault]) -> None:
        self._faults = {folded(trainee_id): fault for trainee_id, fault in by_trainee_id.items()}
        self._struck: set[str] = set()

    @property
    def trainee_ids(self) -> frozenset[str]:
        """The folded ids of the trainees whom a fault will meet."""
        return frozenset(self._faults)

    def strike(self, route: Route) -> Strike | None:
        """Return what happens to a request in place of its answer, None where nothing does."""
        trainee_id = folded(route.trainee_id)
        fault = self._faults.get(trainee_id)
        if route.endpoint is Endpoint.READ and fault is differing_answer:
            return _without_state
        if route.endpoint is Endpoint.DEFER and fault and trainee_id not in self._struck:
            return partial(self._once, trainee_id, fault)
        return None

    async def _once(self, trainee_id: str, fault: Fault, exchange: Exchange) -> None:
        reply = exchange.processed()
        if reply.status == 429:
            return await exchange.answer(reply)
        self._struck.add(trainee_id)
        return await fault(exchange, reply)


async def _without_state(exchange: Exchange) -> None:
    await exchange.answer(altered(exchange.processed(), {"state": None}))


def altered(reply: Response, changes: Mapping[str, str | None]) -> Response:
    """Return the reply with some of the trainee's values changed; a refusal stays as it is."""
    if reply.status != 200:
        return reply
    content = json.loads(reply.body)
    content.get("data", content).update(changes)
    return replace(reply, body=json.dumps(content).encode())
