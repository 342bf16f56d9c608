"""What a shell offers for a value once Tab is pressed; looked up only then, and never an error."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

Offered = list[tuple[str, str]]
"""Values, each with what some shells show beside it."""


def registers() -> Offered:
    """Return the names of the Registers."""
    return [
        ("production", "the Register of trainee teachers"),
        ("sandbox", "for tests; these are not real records"),
        ("emulator", "a rehearsal on this machine"),
    ]


def date_formats() -> Offered:
    """Return how dates can be written."""
    return [("iso", "2024-06-17"), ("dmy", "17/06/2024")]


def naming_columns() -> Offered:
    """Return the columns that can say whose row it is."""
    names = ("trainee_id", "trn", "hesa_id", "provider_trainee_id")
    return [(name, "") for name in names]


def versions() -> Offered:
    """Return the versions of Register's API that this tool knows."""
    from batch.register.api import VERSIONS

    return [(version, "") for version in VERSIONS]


def column_names() -> Offered:
    """Return what `--column` can name, with the sign that a header follows."""
    from batch.columns import ALIASES

    return [(f"{name}=", "") for name in ALIASES]


def codes() -> Offered:
    """Return every code of a report."""
    from batch.codes import Code

    return [(code.value, code.outcome.label) for code in Code]


def all_runs(ctx: Any) -> Offered:
    """Return every run of the journal, newest first, each with how far it has come."""
    return list(_runs(ctx, lambda _: True))


def unfinished_runs(ctx: Any) -> Offered:
    """Return the runs that can be continued or closed."""
    return list(_runs(ctx, lambda stage: stage == "started"))


def _runs(ctx: Any, is_offered: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """Yield runs; none where settings or journal cannot be read, for Tab is no place for errors."""
    from batch.errors import DeferBatchError
    from batch.record.database import JOURNAL
    from batch.record.ledger import Ledger
    from batch.settings import Settings

    folder = ctx.params.get("reports_dir")
    with contextlib.suppress(DeferBatchError, OSError):
        given = {} if folder is None else {"reports_dir": folder}
        path = Settings.load(given).reports_dir / JOURNAL
        if path.exists():
            with contextlib.closing(Ledger.read(path)) as ledger:
                yield from (
                    (run.run_id, stage) for stage, run in ledger.runs() if is_offered(stage)
                )
