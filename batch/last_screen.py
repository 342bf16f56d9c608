"""What a terminal shows when a run has ended: the verdict, what to do, where the report is.

It is to be read at 80 × 24, so what is to be done comes before how it came about; the groups of
rows stand below it, and only where there are few of them, or somebody asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from batch.codes import CHECK_CODES, CORRECTABLE, TABLE, Attention, Code, Outcome, advice_on
from batch.hints import completed, corrections_command, reconcile_command, resume_command
from batch.words import in_one_line, repair_list, row_list

if TYPE_CHECKING:
    from batch.commands.execute import Finished

FEW_PROBLEMS = 10
"""Of fewer rows that need attention each group is shown unasked."""
TO_CORRECT = "to-correct.xlsx"
LABELS = ("To do", "To know", "Stopped", "Checked", "Rows", "Report", "Proof")
_LABELLED = max(map(len, LABELS)) + 3
_OURS = (Code.DEFERRED, Code.CONFIRMED_BY_READ_BACK, Code.ANSWER_DIFFERS)


def last_screen(finished: Finished, *, verbose: bool = False, room: int | None = None) -> list[str]:
    """Return the lines that end a run: headline, to do, to know, report; then, if few, groups.

    `room` is how many lines there are: where the groups would move the headline out of sight, they
    are left out. `verbose` asks for them all the same.
    """
    run = finished.run
    lines = [run.banner, ""] if run.banner else []
    lines += [_headline(finished), *(f"notice: {notice}" for notice in run.notices)]
    lines += _hunch(finished)
    for label, items in (
        ("Stopped", [run.stopped_because] if run.stopped_because else []),
        ("To do", list(_to_do(finished))),
        ("To know", list(_to_know(finished))),
        ("Checked", list(_checked(finished))),
        ("Rows", list(_rows(finished))),
        ("Report", [str(finished.folder / "report.html")]),
        ("Proof", list(_proof(finished))),
    ):
        lines += [
            f"{'' if n else label:<{_LABELLED}}{item}".rstrip() for n, item in enumerate(items)
        ]
    problems = sum(count for *_, count in finished.problems)
    groups = [line for group in finished.problems for line in _group(finished, *group)]
    is_short = problems < FEW_PROBLEMS and (room is None or len(lines) + len(groups) <= room)
    if is_short or verbose or not problems:
        return lines + groups
    return [*lines, f"{'':<{_LABELLED}}--verbose lists the rows here as well"]


def _headline(finished: Finished) -> str:
    run, made = finished.run, sum(finished.codes.get(code, 0) for code in _OURS)
    said = f"{made or 'None'} of {run.input_rows} deferred"
    check = run.final_check
    if check is not None and made:
        all_of_them = check["confirmed"] == check["checked"] == made
        which = "all" if all_of_them else f"{check['confirmed']} of {check['checked']}"
        said += f", {which} confirmed by reading them back"
    said += "."
    if earlier := finished.codes.get(Code.DEFERRED_EARLIER, 0):
        said += f" {earlier} {TABLE[Code.DEFERRED_EARLIER].words_for(earlier)}."
    return said + _attention(finished)


def _attention(finished: Finished) -> str:
    to_do, to_know = (_count(finished, asks) for asks in (Attention.TO_DO, Attention.TO_KNOW))
    parts = []
    if to_do:
        parts.append(f"{to_do} need{'s' if to_do == 1 else ''} your attention")
    if to_know:
        parts.append(f"{to_know} {'is' if to_know == 1 else 'are'} for information")
    return f" {', '.join(parts)}." if parts else ""


def _count(finished: Finished, asks: Attention) -> int:
    return sum(n for code, n in finished.codes.items() if TABLE[Code(code)].attention is asks)


def _to_do(finished: Finished) -> Iterator[str]:
    """Yield what somebody has to do, the most urgent first; the rows to correct stand together."""
    asked = {
        Code(code): count
        for code, count in finished.codes.items()
        if TABLE[Code(code)].attention is Attention.TO_DO
    }
    to_correct = sum(count for code, count in asked.items() if code in CORRECTABLE)
    width = max(len(str(count)) for count in (*asked.values(), to_correct))
    others = [code for code in Code if code in asked and code not in CORRECTABLE]
    for code in sorted(others, key=lambda code: TABLE[code].urgency):
        yield f"{asked[code]:>{width}} {TABLE[code].words_for(asked[code])}"
    run, folder = finished.run, finished.reports_dir
    if run.stopped_because and run.ended is None:
        yield f"To continue, run: {resume_command(run.run_id, folder, finished.command)}"
    path = finished.folder / TO_CORRECT
    if to_correct:
        yield f"{to_correct:>{width}} to correct{f', in {path}' if path.exists() else ''}"
    if to_correct and path.exists():
        yield f"{'':>{width}} then: {corrections_command(run.command, path)}"


def _to_know(finished: Finished) -> Iterator[str]:
    for code in Code:
        count = finished.codes.get(code, 0)
        if count and TABLE[code].attention is Attention.TO_KNOW:
            yield f"{count} {TABLE[code].words_for(count)}"


def _checked(finished: Finished) -> Iterator[str]:
    """Yield what reading back at the end found, or how to do it where it could not be done."""
    made = finished.run.final_check
    if made is not None:
        at = datetime.fromisoformat(str(made["at"])).astimezone()
        found = f"{made['confirmed']} of {made['checked']} deferrals confirmed"
        yield f"{found} by reading them back at {at:%H:%M}"
    elif finished.lacks_final_check:
        command = reconcile_command(finished.run.run_id, finished.reports_dir, finished.command)
        yield "The deferrals were not read back at the end. To do so now, run:"
        yield f"  {command}"


def _rows(finished: Finished) -> Iterator[str]:
    counts = (f"{n} {outcome.label}" for outcome in Outcome if (n := finished.counts[outcome]))
    yield f"{in_one_line(finished.run.input_name)}: {', '.join(counts)}"
    if finished.run.blank_rows:
        yield f"blank rows skipped: {finished.run.blank_rows}"
    if finished.run.repairs:
        yield f"put right while reading: {repair_list(finished.run.repairs)}"


def _proof(finished: Finished) -> Iterator[str]:
    """Yield what the line of letters and digits is for that ends the output."""
    if finished.manifest_sha256 and not finished.run.rehearsal:
        yield "the last line proves this report later: keep it elsewhere (an email)"


def _group(
    finished: Finished, code: str, numbers: tuple[int, ...], message: str, count: int
) -> Iterator[str]:
    """Yield what happened to the rows of one code: an example, and what to do."""
    yield ""
    yield f"{code}: {row_list(numbers, count)}"
    if _is_said_of_all(message, finished.run.notices):
        return
    advice = advice_on(Code(code), is_closed=finished.run.ended is not None)
    yield f"  {'e.g. ' if count > 1 else ''}{message}"
    if message.endswith(advice):
        return
    yield "  what to do: " + completed(
        advice, finished.run.run_id, finished.reports_dir, finished.command
    )


def _is_said_of_all(message: str, notices: tuple[str, ...]) -> bool:
    """Whether a notice says of every date what the message says of one."""
    return any(message.endswith(notice.removeprefix("Every date")) for notice in notices)


def _hunch(finished: Finished) -> list[str]:
    """Return the likely cause where Register knew nobody."""
    answered = {
        code
        for code in map(Code, finished.codes)
        if code not in CHECK_CODES and code.outcome is not Outcome.UNRESOLVED
    }
    if answered != {Code.TRAINEE_NOT_FOUND}:
        return []
    return [
        "Register knew none of these trainees: is it the right provider's token,",
        "and the right environment?",
    ]
