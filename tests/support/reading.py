"""Reading a file whose content stands in the test, to its end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from batch.intake.checked_file import InputFile
from batch.rows import Row

TODAY = dt.date(2026, 11, 24)
HEADER = "trainee_id,defer_date,defer_reason\n"
GOOD = "abc,2026-10-01,Illness\n"


class Read:
    """A file that was read to its end."""

    def __init__(self, input_file: InputFile) -> None:
        self.rows: list[Row] = []
        self.repairs: list[tuple[int, str, str]] = []
        self.told: list[tuple[int, str]] = []
        for chunk in input_file.chunks():
            self.rows += chunk.rows()
            self.told += [(number, str(problem.code)) for number, problem in chunk.problems]
            self.repairs += [(r.row_number, r.column, r.kind) for r in chunk.repairs]
        self.file = input_file
        found = list(input_file.problems_of_the_whole())
        self.conflicts = [(number, problem.code) for number, problem in found]
        self.file_messages = [problem.message for _, problem in found]

    @property
    def codes(self) -> dict[int, list[str]]:
        return {row.row_number: [str(p.code) for p in row.problems] for row in self.rows}

    @property
    def messages(self) -> list[str]:
        return [problem.message for row in self.rows for problem in row.problems]

    @property
    def sent(self) -> list[tuple[str, str, str | None]]:
        asked = [row.deferral for row in self.rows if row.deferral]
        return [(d.trainee_id, d.defer_date, d.defer_reason) for d in asked]


Reading = Callable[..., Read]
