"""`check`: what would become of a file, told without a journal, a token or a request."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from batch import columns
from batch.codes import TABLE, Code
from batch.intake.checked_file import InputFile, open_input
from batch.intake.cleaning import Repair
from batch.intake.evidence import Reading
from batch.rows import Problem
from batch.run_settings import InputOptions, RateLimit
from batch.submission.pacing import Pacer
from batch.words import about, counted, no_rows, repair_list, row_list

MOST_SHOWN = 10
MOST_LISTED = 10_000


class ProblemInCell(Struct, frozen=True):
    """One problem of one row: where a spreadsheet shows it (`C14`), what was seen, what to do."""

    row: int
    column: str
    cell: str
    code: Code
    message: str

    def as_json(self) -> dict[str, object]:
        """Return the problem for programs."""
        return {
            "row": self.row,
            "column": self.column,
            "cell": self.cell,
            "code": self.code,
            "message": self.message,
            "advice": TABLE[self.code].advice,
        }


class ProblemsOfCode(Struct):
    """All problems of one code: the rows of all, the first of them whole."""

    rows: array[int] = field(default_factory=lambda: array("L"))
    listed: list[ProblemInCell] = field(default_factory=list)


class CheckedFile(Struct, frozen=True):
    """What a check found, by code in the order of the documentation."""

    reading: Reading
    sha256: str
    rows: int
    blank_rows: int
    to_send: int
    seconds_needed: float
    by_code: Mapping[Code, ProblemsOfCode]
    repair_counts: Mapping[str, int]
    repairs: Sequence[Repair]
    common_problem: str | None

    @property
    def exit_code(self) -> int:
        """0 where every row is valid, else 1 (interface.md, "Exit codes")."""
        return 1 if self.to_send < self.rows else 0

    def as_json(self) -> dict[str, Any]:
        """Return the answer for programs; long lists end, and `not_listed` says how much more."""
        found = sorted(
            (finding for findings in self.by_code.values() for finding in findings.listed),
            key=lambda finding: finding.row,
        )
        listed = found[:MOST_LISTED]
        count = sum(len(findings.rows) for findings in self.by_code.values())
        return {
            "input": {"name": self.reading.file, "sha256": self.sha256, "rows": self.rows},
            "read": self.reading.as_json(),
            "blank_rows": self.blank_rows,
            "to_send": self.to_send,
            "seconds_needed": self.seconds_needed,
            "common_problem": self.common_problem,
            "codes": {code: len(findings.rows) for code, findings in self.by_code.items()},
            "rows": {code: findings.rows.tolist() for code, findings in self.by_code.items()},
            "problems": [finding.as_json() for finding in listed],
            "repairs": dict(self.repair_counts),
            "repaired": [
                {"row": repair.row_number, "column": repair.column, "kind": repair.kind}
                for repair in self.repairs
            ],
            "not_listed": {
                "problems": count - len(listed),
                "repaired": sum(self.repair_counts.values()) - len(self.repairs),
            },
            "notices": list(self.reading.notices),
            "exit_code": self.exit_code,
        }

    def lines(self) -> list[str]:
        """Return the answer for people: the problems by code with their cells, the rows to send."""
        if not self.rows:
            return [no_rows(self.reading.file, self.reading.hidden_rows)]
        lines = self.reading.lines()
        if self.blank_rows:
            lines.append(f"  blank rows skipped: {self.blank_rows}")
        if self.repair_counts:
            lines.append(f"  repaired while reading: {repair_list(self.repair_counts)}")
        for code, findings in self.by_code.items():
            lines += ["", *self._lines_of(code, findings)]
        return [*lines, "", self._end()]

    def _lines_of(self, code: Code, findings: ProblemsOfCode) -> list[str]:
        count = len(findings.rows)
        heading = f"{code}: {row_list(tuple(findings.rows[:MOST_SHOWN]), count)}"
        if code is Code.INVALID_DEFER_DATE and self.common_problem:
            first = findings.listed[0].cell
            return [heading, f"  {first}{' and the others' * (count > 1)}: see the notice above"]
        shown = findings.listed[:MOST_SHOWN]
        lines = [f"  {finding.cell}: {finding.message}" for finding in shown]
        advice = TABLE[code].advice
        is_said = all(finding.message.endswith(advice) for finding in shown)
        return [heading, *lines, *([] if is_said else [f"  what to do: {advice}"])]

    def _end(self) -> str:
        if not self.to_send:
            return "No row would be sent."
        sent = f"{self.to_send} of {counted(self.rows, 'row')}"
        return f"{sent} would be sent, in {about(self.seconds_needed)} at the rate limit."


def check_file(options: InputOptions, rate_limit: RateLimit | None) -> CheckedFile:
    """Read and validate every row. Raises UnusableFile."""
    with open_input(options) as input_file:
        found = _Gathered(input_file)
        for chunk in input_file.chunks():
            for number, problem in chunk.problems:
                found.add(number, problem)
            found.repairs += chunk.repairs[: MOST_LISTED - len(found.repairs)]
        for number, problem in sorted(input_file.problems_of_the_whole(), key=lambda pair: pair[0]):
            found.add(number, problem)
        return _checked(input_file, found, rate_limit)


class _Gathered:
    """Problems as they are found: every row by code, few kept of many."""

    def __init__(self, input_file: InputFile) -> None:
        self._layout = input_file.layout
        self.rows: set[int] = set()
        self.by_code: dict[Code, ProblemsOfCode] = {}
        self.repairs: list[Repair] = []

    def add(self, number: int, problem: Problem) -> None:
        """Record one problem of one row."""
        self.rows.add(number)
        findings = self.by_code.setdefault(problem.code, ProblemsOfCode())
        findings.rows.append(number)
        if len(findings.listed) < MOST_LISTED:
            place = self._place(problem)
            findings.listed.append(
                ProblemInCell(
                    number,
                    self._layout.own[place],
                    self._layout.cell(place, number),
                    problem.code,
                    problem.message,
                )
            )

    def _place(self, problem: Problem) -> int:
        """Return where to look: a surplus begins behind the last column, a trainee has an id."""
        if problem.column:
            return self._layout.own.index(problem.column)
        if problem.code is Code.WRONG_NUMBER_OF_VALUES:
            return len(self._layout.own) - 1
        return next(self._layout.places[n] for n in columns.NAMING if n in self._layout.places)


def _checked(input_file: InputFile, found: _Gathered, rate_limit: RateLimit | None) -> CheckedFile:
    to_send = input_file.row_count - len(found.rows)
    return CheckedFile(
        reading=input_file.reading(),
        sha256=input_file.sha256,
        rows=input_file.row_count,
        blank_rows=input_file.blank_row_count,
        to_send=to_send,
        seconds_needed=Pacer(rate_limit).seconds_for(to_send + 1, 0.0) if to_send else 0.0,
        by_code={code: found.by_code[code] for code in Code if code in found.by_code},
        repair_counts=Counter(input_file.repair_counts),
        repairs=found.repairs,
        common_problem=input_file.common_date_problem,
    )
