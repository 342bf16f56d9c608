"""What lies in the folder that is shared with other projects is tried where there is one."""

from __future__ import annotations

from pathlib import Path

import pytest

NAMED = "shared folder"
"""Stands in each such skip: by it `.ci/run` knows those that it allows."""

_FOLDER = Path(__file__).parents[3] / "shared"


def file(name: str) -> Path:
    """Return where a file of that folder is, if it is there."""
    return _FOLDER / name


def needs(path: Path) -> pytest.MarkDecorator:
    """Return the mark of tests that take such a file."""
    missing = f"this takes {path.name} in `{path.parent}`, which belongs to the {NAMED}"
    return pytest.mark.skipif(not path.exists(), reason=missing)
