"""What came back from Register, and what it can mean: the words of `answers.py`.

Pure. Of what Register says about a person a `Meaning` keeps the state and the deferral date alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

VERSIONS = ("v2025.0", "v2026.1", "v2026.0")
"""Versions known to have the same contract, in the order in which a run tries them (API.md)."""

DEFERRABLE = frozenset({"submitted_for_trn", "trn_received"})
"""The states from which deferring works (API.md, "Deferring is not idempotent")."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: status, headers (names in lower case), body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class NoReply:
    """Nothing came back: `left` tells whether the request may have reached Register.

    `why` is in our own words; `hopeless` marks what no repeat can mend, such as a certificate
    that does not verify.
    """

    left: bool
    why: str
    hopeless: bool = False


Answer = Reply | NoReply


class Kind(StrEnum):
    """What an answer means, as a word that the journal keeps."""

    DEFERRED = "deferred"
    """A 200 about our trainee and our date."""
    NO_DATE = "no_date"
    """A 200 about our trainee that gives no date to compare."""
    DIFFERS = "differs"
    """A 200 about another trainee or another date."""
    LOST = "lost"
    """The request may have arrived; what became of it is unknown."""
    NEVER_LEFT = "never_left"
    """The request certainly did not reach Register."""
    THROTTLED = "throttled"
    """429: not looked at."""
    NOT_FOUND = "not_found"
    """404 about this trainee."""
    STATE_REFUSED = "state_refused"
    """422 about the trainee's state."""
    REFUSED = "refused"
    """Another 4xx about this row."""
    FORBIDDEN = "forbidden"
    """403."""
    UNAUTHORISED = "unauthorised"
    """401."""
    REDIRECTED = "redirected"
    """3xx."""
    WRONG_PATH = "wrong_path"
    """404 or 405 that is not about a trainee."""
    VERSION_NOT_SERVED = "version_not_served"
    """/info says that this version is not there."""
    FOUND = "found"
    """A read that shows the trainee."""
    UNCLEAR = "unclear"
    """A read that shows nothing of use."""
    SERVES = "serves"
    """/info answers as Register does."""
    NOT_REGISTER = "not_register"
    """A 200 to /info that Register would not give."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an answer means, with the little of it that may be kept.

    `words` completes the sentence "Register …" or tells why nothing came back;
    `state`, `defer_date` are the trainee's, `latest_version` is what /info names;
    `retry_after_seconds` is a 429's, None where it gave none.
    """

    kind: Kind
    words: str = ""
    status: int | None = None
    state: str | None = None
    defer_date: str | None = None
    latest_version: str | None = None
    retry_after_seconds: float | None = None
    request_id: str | None = None
    server_time: float | None = None

    @property
    def is_service_failure(self) -> bool:
        """Whether Register, rather than the row, seems to be in trouble."""
        return self.kind in {Kind.LOST, Kind.NEVER_LEFT}
