"""Which trainee a row means: an index over the rows, past which the trainees stream. Pure.

Source: issue "Find the trainee", "Matching"; Register's own bulk pages match so (API.md, "List
trainees"). Names, dates of birth and numbers are compared as a trainee passes, and dropped: a
`Sighting` keeps what may be kept, and of the person only whether it is the same as another's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from sys import intern
from typing import NamedTuple

from msgspec import Struct, field

from batch.codes import Code
from batch.register.api import DEFERRABLE
from batch.register.body import ListedTrainee
from batch.roster import identity
from batch.roster.identity import HESA_ID, PROVIDER_TRAINEE_ID, TRN, Person
from batch.rows import Problem, folded
from batch.words import contradicted

_COMPARED_AS: Mapping[str, tuple[str, Callable[[str | None], str]]] = {
    TRN: ("TRN", identity.digits),
    HESA_ID: ("HESA id", identity.digits),
    PROVIDER_TRAINEE_ID: ("provider's number", identity.trimmed),
}
"""What rows are matched by, the first that a row has: in words, and as it is compared."""
MATCHED_BY = tuple(_COMPARED_AS)

_ID = "trainee_id"
_QUOTED_AT_MOST = 30


class Sought(Struct, frozen=True):
    """A row that would be sent: its trainee's id, or "" where `person`'s numbers must find it."""

    row_number: int
    defer_date: str
    trainee_id: str = ""
    person: Person = field(default_factory=Person)


class Sighting(Struct, frozen=True):
    """What may be kept of a trainee that a row may mean, as last seen.

    `differing` are the columns in which the row is about another person. `is_listed` is False for
    one that was read by id.
    """

    trainee_id: str
    state: str | None
    defer_date: str | None
    is_before_course: bool
    is_listed: bool
    differing: tuple[str, ...] = ()


class Nobody(Struct, frozen=True):
    """No trainee of this provider; `looked_for` says by what, such as `the TRN 1234567`.

    It is "" where the row has nothing to look for.
    """

    looked_for: str


class Several(Struct, frozen=True):
    """More than one trainee, and nothing shows which one is right."""

    looked_for: str
    count: int


class NotLookedUp(Struct, frozen=True):
    """Nobody asked Register about this id (an earlier run dealt with it), or could not."""

    trainee_id: str


Match = Sighting | Nobody | Several


class _Candidate(NamedTuple):
    """A sighting for one row, with what tells whether another record is of the same person."""

    row_number: int
    sighting: Sighting
    trn: int | None
    name_and_birth: int | None


class Matching:
    """Takes trainees as they are seen (`see`), then says whom each row means (`match`).

    `by` limits matching to one of `MATCHED_BY`; a row with a trainee id is never matched. The
    later sight of a trainee replaces the earlier one, also where it no longer has the number.
    Per row and trainee it takes about 1 KB of memory, the rows' own values included.
    """

    def __init__(self, rows: Iterable[Sought], *, by: str | None = None) -> None:
        self._by = MATCHED_BY if by is None else (by,)
        self._rows: dict[str, dict[str, tuple[Sought, ...]]]
        self._rows = {column: {} for column in (_ID, *self._by)}
        for row in rows:
            if key := self._key_of(row):
                same = self._rows[key[0]]
                same[key[1]] = (*same.get(key[1], ()), row)
        self._found: dict[str, tuple[_Candidate, ...]] = {}
        self._by_row: dict[int, tuple[_Candidate, ...]] | None = None

    @property
    def ids(self) -> list[str]:
        """The trainee ids that rows name, each once."""
        return [rows[0].trainee_id for rows in self._rows[_ID].values()]

    @property
    def is_matching(self) -> bool:
        """Whether some row has no id, so that its trainee must be matched."""
        return any(self._rows[column] for column in self._by)

    def see(self, trainee: ListedTrainee, cycle: int | None) -> None:
        """Compare a trainee with the rows that may mean it, and drop the rest; `listing.Keep`."""
        if not trainee.trainee_id:
            return
        self._by_row = None
        trainee_id = folded(trainee.trainee_id)
        if rows := tuple(self._rows_of(trainee)):
            listed = cycle is not None
            self._found[trainee_id] = tuple(_candidate(r, trainee, is_listed=listed) for r in rows)
        else:
            self._found.pop(trainee_id, None)

    def match(self, row: Sought) -> Match:
        """Return the trainee that a row means, or why there is none to take."""
        if self._by_row is None:
            self._by_row = _by_row(self._found)
        candidates = self._by_row.get(row.row_number, ())
        looked_for = self._looked_for(row)
        if not candidates:
            return Nobody(looked_for)
        return _chosen(row, candidates) or Several(looked_for, len(candidates))

    def _rows_of(self, trainee: ListedTrainee) -> Iterator[Sought]:
        yield from self._rows[_ID].get(folded(trainee.trainee_id or ""), ())
        for column in self._by:
            if rows := self._rows[column]:
                value = _COMPARED_AS[column][1](getattr(trainee, column))
                yield from rows.get(value, ())

    def _key_of(self, row: Sought) -> tuple[str, str] | None:
        """Return what a row is looked up by, column and value; None where it has nothing."""
        if row.trainee_id:
            return _ID, folded(row.trainee_id)
        for column in self._by:
            if value := _COMPARED_AS[column][1](getattr(row.person, column)):
                return column, value
        return None

    def _looked_for(self, row: Sought) -> str:
        if row.trainee_id:
            return f"the id {row.trainee_id[:_QUOTED_AT_MOST]}"
        if key := self._key_of(row):
            return f"the {_COMPARED_AS[key[0]][0]} {key[1][:_QUOTED_AT_MOST]}"
        return ""


def _by_row(found: Mapping[str, tuple[_Candidate, ...]]) -> dict[int, tuple[_Candidate, ...]]:
    """Return the candidates of each row, in an order that does not depend on the list's."""
    by_row: dict[int, tuple[_Candidate, ...]] = {}
    for trainee_id in sorted(found):
        for candidate in found[trainee_id]:
            number = candidate.row_number
            by_row[number] = (*by_row.get(number, ()), candidate)
    return by_row


def problem_of_several(several: Several) -> Problem:
    """Return what is wrong with a row that several trainees match."""
    message = (
        f"{several.count} trainees have {several.looked_for}, and nothing shows which one is "
        "right, so nothing was sent: put the trainee's Register id into the column trainee_id."
    )
    return Problem(Code.SEVERAL_TRAINEES_MATCH, "", message)


class Asked(NamedTuple):
    """What a matched row asks for."""

    row_number: int
    trainee_id: str
    defer_date: str
    defer_reason: str | None


def repeated(rows: Iterable[Asked]) -> Iterator[tuple[int, Problem]]:
    """Yield a problem for each row that repeats or contradicts another about its trainee.

    `rows` come in the file's order, those that earlier runs have settled left out.
    """
    by_trainee: dict[str, list[Asked]] = {}
    for row in rows:
        by_trainee.setdefault(folded(row.trainee_id), []).append(row)
    for same in by_trainee.values():
        if len({(row.defer_date, row.defer_reason or "") for row in same}) > 1:
            numbers = [row.row_number for row in same]
            for number in numbers:
                yield number, Problem(Code.CONFLICTING_ROWS, "", contradicted(number, numbers))
        else:
            words = f"The same deferral as row {same[0].row_number}."
            yield from ((r.row_number, Problem(Code.DUPLICATE_ROW, "", words)) for r in same[1:])


def _candidate(row: Sought, trainee: ListedTrainee, *, is_listed: bool) -> _Candidate:
    name, birth = identity.plain_name(trainee.last_name), trainee.date_of_birth
    trn = identity.digits(trainee.trn)
    sighting = Sighting(
        trainee_id=trainee.trainee_id or "",
        state=intern(trainee.state) if trainee.state else None,
        defer_date=intern(trainee.defer_date) if trainee.defer_date else None,
        is_before_course=bool(trainee.itt_start_date and row.defer_date < trainee.itt_start_date),
        is_listed=is_listed,
        differing=identity.differing(row.person, trainee),
    )
    return _Candidate(
        row.row_number,
        sighting,
        trn=hash(trn) if trn else None,
        name_and_birth=hash((name, birth)) if name and birth else None,
    )


def _chosen(row: Sought, candidates: tuple[_Candidate, ...]) -> Sighting | None:
    """Return the record to take; None where it would be a guess."""
    sightings = [candidate.sighting for candidate in candidates]
    if len(sightings) == 1:
        return sightings[0]
    done = [s for s in sightings if s.state == "deferred" and s.defer_date == row.defer_date]
    if done:
        return min(done, key=lambda sighting: len(sighting.differing))
    deferrable = [s for s in sightings if s.state in DEFERRABLE]
    return deferrable[0] if len(deferrable) == 1 and _is_one_person(candidates) else None


def _is_one_person(candidates: tuple[_Candidate, ...]) -> bool:
    """Whether all share the TRN, or last name and date of birth; nothing shared is no sign."""
    return any(
        None not in shared and len(shared) == 1
        for shared in (
            {candidate.trn for candidate in candidates},
            {candidate.name_and_birth for candidate in candidates},
        )
    )
