"""`check`: what would become of a file, told without a journal, a token or a request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from batch.intake.checking import InputFile, open_input
from batch.rows import CHECK_CODES, Code, Problem
from batch.submission.pacing import Pacer
from batch.submission.terms import InputOptions

MOST_ROWS_SHOWN = 10
MOST_PROBLEMS_LISTED = 10_000


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """What a check found. `by_code`: rows, how many problems, one message."""

    name: str
    sha256: str
    rows: int
    blank_rows: int
    to_send: int
    seconds_needed: float
    by_code: Mapping[Code, tuple[tuple[int, ...], int, str]]
    problems: tuple[dict[str, object], ...]
    repairs: Mapping[str, int]
    notices: tuple[str, ...]
    common_problem: str | None

    @property
    def exit_code(self) -> int:
        """0 where every row is valid, else 1 (interface.md, "Exit codes")."""
        return 1 if self.to_send < self.rows else 0

    def as_json(self) -> dict[str, Any]:
        """Give the answer for programs."""
        return {
            "input": {"name": self.name, "sha256": self.sha256, "rows": self.rows},
            "blank_rows": self.blank_rows,
            "to_send": self.to_send,
            "seconds_needed": self.seconds_needed,
            "codes": {code: count for code, (_, count, _) in self.by_code.items()},
            "problems": list(self.problems),
            "repairs": dict(self.repairs),
            "notices": list(self.notices),
            "exit_code": self.exit_code,
        }


def check_file(options: InputOptions, *, rate: tuple[int, float] | None) -> CheckedFile:
    """Read and validate every row; `rate` is requests and seconds. Raises UnusableFile."""
    with open_input(
        options.path,
        encoding=options.encoding,
        sheet=options.sheet,
        date_format=options.date_format,
        allow_unusual_dates=options.allow_unusual_dates,
        today=options.today,
    ) as input_file:
        found = _Found(input_file)
        for chunk in input_file.chunks():
            for number, problem in chunk.problems:
                found.add(number, problem)
        for number, problem in sorted(input_file.conflicts(), key=lambda pair: pair[0]):
            found.add(number, problem)
        return _checked(input_file, found, rate)


class _Found:
    """Problems as they are found: rows by code, few kept of many."""

    def __init__(self, input_file: InputFile) -> None:
        self._input_file = input_file
        self.rows: set[int] = set()
        self.counts: Counter[Code] = Counter()
        self.first: dict[Code, list[int]] = {}
        self.examples: dict[Code, str] = {}
        self.listed: list[dict[str, object]] = []

    def add(self, number: int, problem: Problem) -> None:
        """Take note of one problem of one row."""
        self.rows.add(number)
        self.counts[problem.code] += 1
        self.examples.setdefault(problem.code, problem.message)
        rows = self.first.setdefault(problem.code, [])
        if len(rows) < MOST_ROWS_SHOWN:
            rows.append(number)
        if len(self.listed) < MOST_PROBLEMS_LISTED:
            self.listed.append(
                {
                    "row": number,
                    "column": problem.column or None,
                    "cell": self._cell(number, problem.column),
                    "code": problem.code,
                    "message": problem.message,
                }
            )

    def _cell(self, number: int, column: str) -> str | None:
        """Give where a spreadsheet shows the value: `C14`."""
        if column not in self._input_file.columns:
            return None
        return f"{_letters(self._input_file.columns.index(column))}{number}"


def _checked(input_file: InputFile, found: _Found, rate: tuple[int, float] | None) -> CheckedFile:
    to_send = input_file.row_count - len(found.rows)
    requests, period = rate or (None, 60.0)
    return CheckedFile(
        name=input_file.name,
        sha256=input_file.sha256,
        rows=input_file.row_count,
        blank_rows=input_file.blank_row_count,
        to_send=to_send,
        seconds_needed=Pacer(requests, period).seconds_for(to_send + 1, 0.0) if to_send else 0.0,
        by_code={
            code: (tuple(found.first[code]), found.counts[code], found.examples[code])
            for code in CHECK_CODES
            if code in found.counts
        },
        problems=tuple(found.listed),
        repairs=input_file.repair_counts,
        notices=tuple(input_file.notices),
        common_problem=input_file.common_date_problem,
    )


def _letters(place: int) -> str:
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(65 + rest) + letters
    return letters
