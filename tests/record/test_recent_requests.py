"""The times of requests that belong to no run."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch import files
from batch.record import recent_requests
from batch.record.recent_requests import note, noted_since

ORIGIN, ANOTHER = "https://register.example", "https://another.example"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "state_folder", lambda: tmp_path / "state")


def test_nothing_is_known_before_anybody_asked() -> None:
    assert noted_since(ORIGIN, 0.0) == []


def test_what_is_noted_is_known_of_that_register_only() -> None:
    note(ORIGIN, [100.0, 160.0], now=160.0)
    note(ORIGIN, [170.0], now=170.0)
    assert noted_since(ORIGIN, 150.0) == [160.0, 170.0]
    assert noted_since(ANOTHER, 0.0) == []


def test_what_is_older_than_a_day_goes() -> None:
    note(ORIGIN, [100.0], now=100.0)
    note(ORIGIN, [90_000.0], now=90_000.0)
    assert noted_since(ORIGIN, 0.0) == [90_000.0]


@pytest.mark.parametrize("spoilt", ["", "{}", "[1", '["x", null]', "\udce9"])
def test_a_spoilt_file_says_nothing_and_is_written_anew(spoilt: str) -> None:
    note(ORIGIN, [100.0], now=100.0)
    recent_requests._path(ORIGIN).write_bytes(spoilt.encode("utf-8", "surrogateescape"))
    assert noted_since(ORIGIN, 0.0) == []
    note(ORIGIN, [200.0], now=200.0)
    assert noted_since(ORIGIN, 0.0) == [200.0]
