"""What can go wrong between a client and Register, as data: tests ask for it by name.

Pure. A fault says which request it strikes, how that request arrives, what other people do around
it, and what comes back; the functions at the end name the ones that happen. Sources: the issues'
lists and register/API.md, "A failure can mean that it happened" and "Trouble".
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from batch.emulator.model import Register
from batch.emulator.replies import Reply
from batch.emulator.requests import Endpoint, Route
from batch.rows import folded


@dataclass(frozen=True, slots=True)
class AtOnce:
    """The request reaches Register as usual."""


@dataclass(frozen=True, slots=True)
class Never:
    """The request does not reach Register's application."""


@dataclass(frozen=True, slots=True)
class Late:
    """The request reaches Register, or is committed by it, so many seconds later.

    With `checked_first`, Register looks at it at once and commits late: a slow request, which
    another one for the same trainee can overtake.
    """

    seconds: float
    checked_first: bool = False


Arrival = AtOnce | Never | Late


@dataclass(frozen=True, slots=True)
class Deferring:
    """Somebody else defers the trainee on that date (`YYYY-MM-DD`)."""

    defer_date: str


@dataclass(frozen=True, slots=True)
class Reinstating:
    """Somebody else reinstates the trainee."""


@dataclass(frozen=True, slots=True)
class SettingState:
    """Somebody else puts the trainee into that state."""

    state: str


OtherDeed = Deferring | Reinstating | SettingState


@dataclass(frozen=True, slots=True)
class AsUsual:
    """Register's own answer comes back."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """The connection ends without an answer; with `reset`, by a TCP reset."""

    reset: bool = False


@dataclass(frozen=True, slots=True)
class Truncated:
    """Half of Register's answer comes back, then the connection ends."""


@dataclass(frozen=True, slots=True)
class Hung:
    """Nothing comes back for as long as the client waits."""


@dataclass(frozen=True, slots=True)
class Canned:
    """Another answer comes back in place of Register's."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Altered:
    """Register's answer comes back with some of the trainee's values changed."""

    changes: tuple[tuple[str, str | None], ...]


Given = AsUsual | Dropped | Truncated | Hung | Canned | Altered


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: it strikes the `first` to the `last` request that its target names.

    `trainee_id` None means whoever's, `endpoint` None any request, `last` None for ever.
    Requests are counted apart for each pair of the two, from 1; those answered 429 do not count.
    """

    trainee_id: str | None
    endpoint: Endpoint | None = Endpoint.DEFER
    first: int = 1
    last: int | None = 1
    before: tuple[OtherDeed, ...] = ()
    arrival: Arrival = field(default_factory=AtOnce)
    after: tuple[OtherDeed, ...] = ()
    given: Given = field(default_factory=AsUsual)
    delay_seconds: float = 0.0

    def is_due(self, number: int) -> bool:
        """Whether the fault strikes the request of that number."""
        return self.first <= number and (self.last is None or number <= self.last)


_Target = tuple[str | None, Endpoint | None]


class FaultPlan:
    """The faults still to strike, and the count of the requests that they look at."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._by_target: dict[_Target, list[Fault]] = {}
        self._counts: Counter[_Target] = Counter()
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        """Plan one more fault."""
        trainee_id = folded(fault.trainee_id) if fault.trainee_id is not None else None
        self._by_target.setdefault((trainee_id, fault.endpoint), []).append(fault)

    def strike(self, route: Route) -> Fault | None:
        """Count a request; give the fault that strikes it, that of one trainee first."""
        due = None
        for target in self._targets(route):
            self._counts[target] += 1
            if due is None:
                faults = self._by_target[target]
                due = next((f for f in faults if f.is_due(self._counts[target])), None)
        return due

    def forget(self, route: Route) -> None:
        """Take a request out of the count: it was throttled, so nothing happened."""
        for target in self._targets(route):
            self._counts[target] -= 1

    def _targets(self, route: Route) -> list[_Target]:
        if not self._by_target:
            return []
        trainee_id = folded(route.trainee_id)
        targets = ((trainee_id, route.endpoint), (trainee_id, None), (None, route.endpoint))
        return [target for target in (*targets, (None, None)) if target in self._by_target]


def others_act(register: Register, trainee_id: str, deeds: Iterable[OtherDeed]) -> None:
    """Do what other people do to the trainee, in Register."""
    for deed in deeds:
        match deed:
            case Deferring(defer_date):
                register.defer(trainee_id, defer_date)
            case Reinstating():
                register.reinstate(trainee_id)
            case SettingState(state):
                register.set_state(trainee_id, state)


def altered(reply: Reply, changes: Iterable[tuple[str, str | None]]) -> Reply:
    """Return the reply with some of the trainee's values changed; a refusal stays as it is."""
    if reply.status != 200:
        return reply
    content = json.loads(reply.body)
    content.get("data", content).update(changes)
    return replace(reply, body=json.dumps(content).encode())
