"""What many tests ask for: the command as a user runs it, and a Register of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from batch.emulator.rehearsal import rehearsal_register
from batch.emulator.server import Emulator, serve
from batch.emulator.trainees import Trainee
from batch.intake.checked_file import open_input
from batch.run_settings import InputOptions
from tests.support.office import TOKEN, Office, Ran
from tests.support.reading import TODAY, Read, Reading
from tests.support.troubles import FaultPlan


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


@pytest.fixture
def register() -> Iterator[Callable[..., Emulator]]:
    """Serve Registers: `register(abc="trn_received", faults=[...])` gives one that runs."""
    with ExitStack() as stack:

        def serving(
            *, faults: Any = (), rate_limit: tuple[int, float] | None = None, **states: str
        ) -> Emulator:
            known = [
                Trainee(name, state=state, defer_date="2026-01-01" if state == "deferred" else None)
                for name, state in states.items()
            ]
            model = rehearsal_register(known, rate_limit=rate_limit, token=TOKEN)
            return stack.enter_context(serve(model, plan=FaultPlan(faults)))

        yield serving


@pytest.fixture
def submit(office: Office) -> Callable[..., Ran]:
    """Run a file against a Register: `submit(emulator, csv, "--option")`."""

    def submitted(emulator: Emulator, content: str | bytes, *options: str) -> Ran:
        office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
        office.write("list.csv", content)
        target = ("--register", emulator.base_url, "--rate-limit", "none")
        return office.run("run", "list.csv", *target, *options)

    return submitted


@pytest.fixture
def read(tmp_path: Path) -> Reading:
    """Read a file: `read(content, "list.csv", date_format="dmy")` gives its rows and repairs."""

    def reading(content: str | bytes, name: str = "list.csv", **options: object) -> Read:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        with open_input(InputOptions(path, TODAY, **options)) as input_file:  # type: ignore[arg-type]
            return Read(input_file)

    return reading
