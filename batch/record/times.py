"""Times as the journal and the reports write them."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(unix_seconds: float) -> str:
    """Give the time as UTC in ISO 8601, to the millisecond: `2026-11-24T10:00:00.123Z`."""
    moment = datetime.fromtimestamp(unix_seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
