"""Why a run stands still, in words for the progress line. Pure."""

from __future__ import annotations

from msgspec import Struct

from batch.words import counted, duration


class Waits(Struct, frozen=True):
    """What a run waits for at one moment; seconds from then, None where it does not wait for it.

    `probe_seconds`: until Register, which fails, is asked again; `turn_seconds`: until the rate
    limit lets the next request leave; `lost` is how many lost answers are still to be explained
    and `lost_seconds` the longest wait; `replies` are the rows under way of a run that is ending,
    `replies_seconds` how long it waits for them at most.
    """

    probe_seconds: float | None = None
    turn_seconds: float | None = None
    lost: int = 0
    lost_seconds: float = 0.0
    replies: int = 0
    replies_seconds: float = 0.0

    def words(self) -> str:
        """Return why nothing moves, the first cause that there is; "" where something does."""
        if self.probe_seconds is not None:
            return f"Register is not answering, trying again {_in(self.probe_seconds)}"
        if self.turn_seconds is not None and self.turn_seconds >= 1:
            return f"waiting for Register's rate limit, {duration(self.turn_seconds)}"
        if self.lost:
            what, left = counted(self.lost, "request"), duration(self.lost_seconds)
            return f"waiting to learn what became of {what}, {left}"
        if self.replies:
            left = duration(self.replies_seconds)
            return f"waiting for {_replies(self.replies)}, {left} at most"
        return ""


def _replies(count: int) -> str:
    return "1 reply" if count == 1 else f"{count} replies"


def _in(seconds: float) -> str:
    return f"in {duration(seconds)}" if seconds >= 1 else "now"
