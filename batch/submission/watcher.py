"""Whoever watches a run: the terminal, a page, a test."""

from __future__ import annotations

from typing import Protocol

from batch.rows import Settled


class Watcher(Protocol):
    """What is shown of a run while it works."""

    def warn(self, words: str) -> None:
        """Show something unusual."""

    def begin(self, rows: int) -> None:
        """Show that so many rows are about to be sent."""

    def settled(self, settled: Settled) -> None:
        """Count a row whose outcome is on disk."""

    def looking(self, words: str) -> None:
        """Show how far a look has come, before or after rows are sent; "" once it is over."""

    def time_left(self, seconds: float, waits: str) -> None:
        """Show the time left at the allowed rate, and why nothing moves ("" where it does)."""

    def end(self) -> None:
        """Show that no more rows follow."""

    def abandon(self) -> None:
        """Show, within a signal's handler, that the process ends at once."""
