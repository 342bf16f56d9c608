"""Waiting for what another process or thread does, however slow the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable

MOST_SECONDS = 300
"""Only what never happens takes so long."""


def until(happens: Callable[[], object]) -> None:
    """Return once it has happened. Raise AssertionError where it never does."""
    give_up = time.monotonic() + MOST_SECONDS
    while not happens():
        assert time.monotonic() < give_up, "it never happened"
        time.sleep(0.005)
