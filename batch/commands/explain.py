"""`explain`: what a code means and what to do."""

from __future__ import annotations

from collections.abc import Iterator

from batch.codes import TABLE, Code, Outcome
from batch.errors import UsageProblem


def explained(name: str | None) -> list[str]:
    """Return what one code means, or those of an outcome, or all. Raises UsageProblem for none."""
    if name is None:
        return [line for outcome in Outcome for line in _of_outcome(outcome)]
    wanted = name.strip().lower().replace("-", "_").replace(" ", "_")
    if wanted in set(Outcome):
        return list(_of_outcome(Outcome(wanted)))
    if wanted not in set(Code):
        raise _unknown(name, wanted)
    return list(_of_code(Code(wanted)))


def _of_outcome(outcome: Outcome) -> Iterator[str]:
    yield f"{outcome.label.upper()}: in {outcome}.csv"
    for code, entry in TABLE.items():
        if entry.outcome is outcome:
            yield from ("", *(f"  {line}" for line in _of_code(code)))
    yield ""


def _of_code(code: Code) -> Iterator[str]:
    entry = TABLE[code]
    yield f"{code} ({entry.outcome.label}: in {entry.outcome}.csv)"
    yield f"  {entry.meaning}"
    yield f"  What to do: {entry.advice}"


def _unknown(name: str, wanted: str) -> UsageProblem:
    import difflib  # noqa: PLC0415 — for this one message only

    near = difflib.get_close_matches(wanted, list(Code), n=1, cutoff=0.4)
    hint = f"`defer-batch explain {near[0]}`" if near else "`defer-batch explain` lists them all"
    return UsageProblem(f"no code is called {name[:40]}", hint=hint)
