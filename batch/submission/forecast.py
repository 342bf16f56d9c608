"""How many requests a run still needs: one a row, and what rows like these have needed besides."""

from __future__ import annotations

import math

ROWS_THAT_TELL = 20
"""After so many settled rows what they needed says more than the plan does."""


class Forecast:
    """Counts a run's rows and requests, and tells how many requests are left.

    `rows` are still to settle, `reads_first` of them are read before anything is sent.
    """

    def __init__(self, rows: int, *, reads_first: int) -> None:
        self._rows_left = rows
        self._reads_first = reads_first
        self._settled = 0
        self._answered = 0

    def answered(self) -> None:
        """Take note of one answer about a row, or of its absence."""
        self._answered += 1

    def settled(self) -> None:
        """Take note that a row is settled."""
        self._rows_left -= 1
        self._settled += 1

    @property
    def requests_left(self) -> int:
        """How many requests the rows that are left will take, reads and repeats included."""
        if self._settled < ROWS_THAT_TELL:
            return self._rows_left + min(self._reads_first, self._rows_left)
        return math.ceil(self._rows_left * max(1.0, self._answered / self._settled))
