"""Register itself as a pure state machine: for the emulator and for the simulation.

No I/O, no third party; the clock comes in from outside. Source: register/API.md and the recorded
answers. A defer request is looked at and then committed; `answer` does both at once, `begin` and
`commit` keep them apart, since Register does not serialise two requests for one trainee.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from batch.emulator import replies
from batch.emulator.list_endpoint import listed
from batch.emulator.replies import Response
from batch.emulator.requests import Endpoint, Route, Wanted, route_of, wanted
from batch.emulator.trainees import DEFERRABLE, Trainee, as_seen, instant
from batch.rows import folded


class Actor(StrEnum):
    """Whose deed it was: a request's, or somebody else's on Register's own pages."""

    API = "api"
    OTHER = "other"


class Deed(StrEnum):
    """What was done to a trainee."""

    DEFERRED = "deferred"
    REINSTATED = "reinstated"
    STATE_SET = "state_set"


class Event(Struct, frozen=True):
    """One thing that happened to a trainee; `at` is Unix seconds by the model's clock.

    `state` and `defer_date` are the trainee's afterwards.
    """

    at: float
    who: Actor
    deed: Deed
    trainee_id: str
    state: str
    defer_date: str | None = None


def deferrals_by_api(history: Iterable[Event], trainee_id: str) -> tuple[int, ...]:
    """Count the deferrals that requests made: before, between and after reinstatements."""
    counts = [0]
    for event in history:
        if folded(event.trainee_id) == folded(trainee_id):
            if event.deed is Deed.REINSTATED:
                counts.append(0)
            counts[-1] += event.who is Actor.API and event.deed is Deed.DEFERRED
    return tuple(counts)


__all__ = ["ANY_TOKEN", "VERSIONS", "Actor", "Begun", "Deed", "Event", "Register", "Request"]

VERSIONS = ("v2025.0", "v2026.1")
ANY_TOKEN = "*"  # noqa: S105 - stands for no token in particular
"""As the `token` of a Register: a token must come, but any will do."""


class Request(Struct, frozen=True):
    """A request as it reaches Register: `target` is the path as sent, with its query."""

    method: str
    target: str
    token: str | None = None
    body: bytes = b""
    content_type: str = "application/json"
    address: str = "127.0.0.1"


class Begun(Struct, frozen=True):
    """A deferral that passed every check and is not yet committed."""

    trainee_id: str
    wanted: Wanted


class Register:
    """The service: trainees, answers, throttling, and the history of what was done.

    `rate_limit` is requests and seconds for each address, None for no limit; `clock` gives Unix
    seconds; `token` is the one that is good, ANY_TOKEN for any, None where none is asked for;
    `accepts_unknown` decides which ids unheard of are a trainee who can be deferred.
    """

    def __init__(
        self,
        trainees: Iterable[Trainee] = (),
        *,
        clock: Callable[[], float],
        rate_limit: tuple[int, float] | None = None,
        token: str | None = None,
        versions: tuple[str, ...] = VERSIONS,
        accepts_unknown: Callable[[str], bool] | None = None,
    ) -> None:
        self.clock = clock
        self.rate_limit = rate_limit
        self.token = token
        self.versions = versions
        self.accepts_unknown = accepts_unknown
        self.history: list[Event] = []
        self._trainees = {folded(trainee.trainee_id): trainee for trainee in trainees}
        self._window = -1
        self._counts: dict[str, int] = {}
        self._replies = 0

    def answer(
        self,
        method: str,
        target: str,
        *,
        token: str | None = None,
        body: bytes = b"",
        content_type: str = "application/json",
        address: str = "127.0.0.1",
    ) -> Response:
        """Answer a request: all of it happens in this moment."""
        request = Request(method, target, token, body, content_type, address)
        begun = self.begin(request)
        return self.commit(begun) if isinstance(begun, Begun) else begun

    def begin(self, request: Request) -> Begun | Response:
        """Look at a request: a deferral to be committed, or the final answer."""
        looked_at = self._looked_at(request)
        return looked_at if isinstance(looked_at, Begun) else self._signed(looked_at)

    def commit(self, begun: Begun) -> Response:
        """Make the deferral whatever happened since `begin`, as Register does: nothing locks."""
        trainee = self._trainees[folded(begun.trainee_id)]
        date, reason = begun.wanted.defer_date, begun.wanted.defer_reason
        deferred = replace(trainee, state="deferred", defer_date=date, defer_reason=reason)
        if trainee.started_on_time:
            deferred = replace(deferred, trainee_start_date=trainee.itt_start_date)
        deferred = self._happened(Actor.API, Deed.DEFERRED, deferred)
        return self._signed(replies.answered({"data": as_seen(deferred)}))

    def trainee(self, trainee_id: str) -> Trainee | None:
        """Return the trainee as Register holds them now, or None."""
        key = folded(trainee_id)
        if key not in self._trainees and self.accepts_unknown and self.accepts_unknown(trainee_id):
            self._trainees[key] = Trainee(trainee_id, updated_at=self.clock())
        return self._trainees.get(key)

    def trainees(self) -> tuple[Trainee, ...]:
        """Return every trainee that Register holds now."""
        return tuple(self._trainees.values())

    def add(self, trainee: Trainee) -> None:
        """Put a trainee in, in place of one with the same id; the history does not show it."""
        self._trainees[folded(trainee.trainee_id)] = trainee

    def defer(self, trainee_id: str, defer_date: str, defer_reason: str | None = None) -> None:
        """Defer as somebody else would on Register's own pages; KeyError where unknown."""
        trainee = self._known(trainee_id)
        trainee = replace(trainee, defer_date=defer_date, defer_reason=defer_reason)
        self._happened(Actor.OTHER, Deed.DEFERRED, replace(trainee, state="deferred"))

    def reinstate(self, trainee_id: str) -> None:
        """Reinstate as somebody else would: the date of the deferral stays as it was."""
        today = instant(self.clock()).date().isoformat()
        trainee = replace(self._known(trainee_id), state="trn_received", reinstate_date=today)
        self._happened(Actor.OTHER, Deed.REINSTATED, trainee)

    def set_state(self, trainee_id: str, state: str) -> None:
        """Put a trainee into another state, as somebody else's deed (withdrawn, say)."""
        self._happened(Actor.OTHER, Deed.STATE_SET, replace(self._known(trainee_id), state=state))

    def deferrals_by_api(self, trainee_id: str) -> tuple[int, ...]:
        """Count the deferrals that requests made: before, between and after reinstatements."""
        return deferrals_by_api(self.history, trainee_id)

    def _looked_at(self, request: Request) -> Begun | Response:
        route = route_of(request.method, request.target)
        if route.endpoint is Endpoint.ELSEWHERE:
            return replies.page_not_found()
        if retry_after := self._retry_after(request.address):
            return replies.throttled(str(retry_after))
        if not self._is_good(request.token):
            return replies.unauthorised()
        if route.endpoint is Endpoint.MALFORMED:
            return replies.bad_request()
        if route.version not in self.versions:
            return replies.not_found("Not found")
        return self._routed(route, request)

    def _routed(self, route: Route, request: Request) -> Begun | Response:
        match route.endpoint:
            case Endpoint.DEFER:
                return self._asked_to_defer(route.trainee_id, request)
            case Endpoint.READ:
                trainee = self.trainee(route.trainee_id)
                unknown = replies.not_found("Trainee(s) not found")
                return replies.answered(as_seen(trainee)) if trainee else unknown
            case Endpoint.LIST:
                return listed(self.trainees(), route.query, self.clock())
            case Endpoint.INFO:
                version = {"requested": route.version, "latest": self.versions[-1]}
                return replies.answered({"status": "ok", "version": version})
            case _:
                return replies.not_found("Not found")

    def _asked_to_defer(self, trainee_id: str, request: Request) -> Begun | Response:
        deferral = wanted(request.body, request.content_type)
        if isinstance(deferral, Response) and deferral.status == 400:
            return deferral
        trainee = self.trainee(trainee_id)
        if trainee is None:
            return replies.not_found("Trainee(s) not found")
        if isinstance(deferral, Response):
            return deferral
        if trainee.state not in DEFERRABLE:
            return replies.refused(replies.STATE_REFUSED)
        if trainee.has_invalid_data:
            return replies.other_data_refused()
        if trainee.breaks_deferring:
            return replies.failed()
        return Begun(trainee.trainee_id, deferral)

    def _retry_after(self, address: str) -> int:
        """Count the request; return the seconds to the next window where it is one too many."""
        if self.rate_limit is None:
            return 0
        allowed, period = self.rate_limit
        now = self.clock()
        window = math.floor(now / period)
        if window != self._window:
            self._window, self._counts = window, {}
        self._counts[address] = self._counts.get(address, 0) + 1
        too_many = self._counts[address] > allowed
        return max(1, math.ceil((window + 1) * period - math.floor(now))) if too_many else 0

    def _is_good(self, token: str | None) -> bool:
        return self.token is None or (bool(token) and self.token in {ANY_TOKEN, token})

    def _signed(self, reply: Response) -> Response:
        self._replies += 1
        request_id = f"{self._replies:08x}-0000-4000-8000-{self._replies:012x}"
        return replace(reply, headers={**reply.headers, "x-request-id": request_id})

    def _known(self, trainee_id: str) -> Trainee:
        trainee = self.trainee(trainee_id)
        if trainee is None:
            raise KeyError(trainee_id)
        return trainee

    def _happened(self, who: Actor, deed: Deed, trainee: Trainee) -> Trainee:
        trainee = replace(trainee, updated_at=self.clock(), has_start_cycle=True)
        self._trainees[folded(trainee.trainee_id)] = trainee
        event = Event(
            trainee.updated_at, who, deed, trainee.trainee_id, trainee.state, trainee.defer_date
        )
        self.history.append(event)
        return trainee
