"""Which run a command line means by RUN: an id, or a path to the run's folder."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

from msgspec import Struct

from batch.errors import UsageProblem

RUN_ID = re.compile(r"\d{8}T\d{6}Z-.+-[0-9a-f]{4}", re.ASCII)


class NamedRun(Struct, frozen=True):
    """A run as it was named: `folder` is its folder where a path was given, else None."""

    name: str
    folder: Path | None = None

    @property
    def run_id(self) -> str:
        """The id, or the name of the folder, which is the id unless it was copied elsewhere."""
        return self.name if self.folder is None else self.folder.name

    @property
    def reports_dir(self) -> Path | None:
        """The folder in which the run's folder stands, None where only an id was given."""
        return None if self.folder is None else self.folder.parent

    def is_run_id(self) -> bool:
        """Whether `run_id` has the form of an id."""
        return RUN_ID.fullmatch(self.run_id) is not None


def day_named(text: str) -> dt.date:
    """Return the day that `--since` gives. Raises UsageProblem."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise UsageProblem(
            f"cannot use --since {text[:20]}", hint="give a day, such as 2026-09-01"
        ) from None


def named(run_name: str) -> NamedRun:
    """Return an id from a path: a path has a separator or dots, or is a folder that is here."""
    path = Path(run_name)
    if path.name in {"", ".."}:
        path = path.resolve()
    elif path.parent == Path() and not path.is_dir():
        return NamedRun(run_name)
    return NamedRun(run_name, path)
