"""`make audit`: what could not be looked up is never a success."""

from __future__ import annotations

import json
from typing import Any

from audit import verdict

KNOWN = {"id": "PYSEC-2026-1", "fix_versions": ["1.1"], "aliases": [], "description": "…"}
SAFE = {"name": "safe", "version": "1.0", "vulns": []}
UNSAFE = {"name": "unsafe", "version": "1.0", "vulns": [KNOWN]}
SKIPPED = {"name": "skipped", "skip_reason": "Dependency not found"}


def told(*packages: dict[str, Any]) -> tuple[int, str]:
    return verdict(json.dumps({"dependencies": packages, "fixes": []}))


def test_a_success_is_that_every_package_was_looked_up() -> None:
    assert told(SAFE, SAFE) == (0, "2 packages looked up: nothing is known against any")


def test_what_is_known_is_told_with_the_version_that_mends_it() -> None:
    assert told(SAFE, UNSAFE) == (1, "unsafe 1.0: PYSEC-2026-1, mended in 1.1")


def test_a_package_that_was_not_looked_up_is_no_success() -> None:
    code, words = told(SAFE, SKIPPED)
    assert code == 3
    assert words.startswith("1 of 2 packages could not be looked up: skipped")


def test_what_is_known_outweighs_what_was_not_looked_up() -> None:
    assert told(UNSAFE, SKIPPED)[0] == 1


def test_an_audit_that_failed_is_no_success() -> None:
    code, words = verdict("")
    assert code == 3
    assert words.endswith("nothing was looked up")
