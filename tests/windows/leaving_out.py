"""What pytest leaves out under Wine: the tests that left_out.toml names, each with its reason."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

LISTED = Path(__file__).with_name("left_out.toml")


def reasons() -> dict[str, str]:
    """Return the reason of each test, by the beginning of its name."""
    gaps = tomllib.loads(LISTED.read_text(encoding="utf-8")).get("gap", [])
    return {name: f"Wine: {gap['reason']}" for gap in gaps for name in gap["tests"]}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is listed."""
    for item in items:
        for name, reason in reasons().items():
            if item.nodeid.startswith(name):
                item.add_marker(pytest.mark.skip(reason=reason))
