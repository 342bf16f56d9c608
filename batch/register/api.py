"""Register's API as this tool uses it: versions, states, field names, and what came back.

Pure. Source: register/API.md and interface.md, "The version".
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

VERSIONS = ("v2025.0", "v2026.1", "v2026.0")
"""Versions known to have the same contract, in the order in which a run tries them (API.md)."""

DEFERRABLE = frozenset({"submitted_for_trn", "trn_received"})
"""The states from which deferring works (API.md, "Deferring is not idempotent")."""

DEFER_DATE, DEFER_REASON = "defer_date", "defer_reason"
"""The fields of a deferral, as they are asked and as a trainee shows them."""


class Reply(Struct, frozen=True):
    """What came back: status, headers (names in lower case), body.

    A body that is not `quotable` holds the token: none of its words may be shown.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    quotable: bool = True


class NoReply(Struct, frozen=True):
    """Nothing came back: `left` is whether the request may have reached Register.

    `why` is in our own words; `hopeless` marks what trying again cannot change, such as a
    certificate that does not verify.
    """

    left: bool
    why: str
    hopeless: bool = False


Answer = Reply | NoReply
