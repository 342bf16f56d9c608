"""Looking before sending: what Register holds now makes of each row; and the check at the end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from msgspec import Struct, field
from msgspec.structs import asdict

from batch.codes import Code, Outcome
from batch.errors import UsageProblem
from batch.intake import dates
from batch.record.journal import Journal
from batch.record.records import AnsweredRow, RowRecord, RunRecord, UnsentRow
from batch.register.body import ListedTrainee
from batch.roster import identity
from batch.roster.forecast import Forecast, WillBeSent, WillNotBeSent, Would, would_become
from batch.roster.identity import Person
from batch.roster.listing import MOST_READ_UNASKED, Look, current_cycle, cycles_from
from batch.roster.matching import Asked, Match, Matching, NotLookedUp, Sighting, Sought, repeated
from batch.roster.standing import standing
from batch.rows import Problem, Settled, folded
from batch.run_settings import RunSettings
from batch.submission.session import Session
from batch.submission.staging import settled_earlier

_OF_A_PERSON = (
    identity.TRN,
    identity.HESA_ID,
    identity.PROVIDER_TRAINEE_ID,
    identity.LAST_NAME,
    identity.DATE_OF_BIRTH,
)
_NOBODY = Person()
_STATUS = "trainee_status"
"""The column of Register's own export that says what a trainee's state is (API.md)."""

_BEFORE_IT_BEGAN = dt.timedelta(minutes=5)
"""Register's `Date` shows whole seconds, and comes from a gateway before the application."""


class Preview(Struct, frozen=True):
    """What each row would become; `settled` are those of which nothing is sent.

    `warnings` are sentences about the list as a whole. `cycles` are those in which its trainees
    were listed, `since` is the newest change that the look saw: the final check begins there.
    """

    would: Mapping[int, Would]
    forecast: Forecast
    warnings: tuple[str, ...] = ()
    cycles: tuple[int, ...] = ()
    since: str | None = None

    @property
    def settled(self) -> dict[int, Settled]:
        """The rows that will not be sent, and why."""
        return {
            number: would.settled
            for number, would in self.would.items()
            if isinstance(would, WillNotBeSent)
        }

    @property
    def remarks(self) -> dict[int, str]:
        """What is odd in rows that will be sent, as sentences, by row."""
        return {
            number: " ".join(would.notices)
            for number, would in self.would.items()
            if isinstance(would, WillBeSent) and would.notices
        }

    @property
    def notices(self) -> tuple[str, ...]:
        """What the report should say of the rows as a whole."""
        return (*self.forecast.notices(), *self.warnings)

    @property
    def sent_to(self) -> frozenset[str]:
        """The trainees, by folded id, whom the look had found and the run would send for."""
        return frozenset(
            folded(would.trainee_id)
            for would in self.would.values()
            if isinstance(would, WillBeSent) and would.state is not None
        )


class Looking:
    """The rows of a run, looked up once: whom they name, whom they match, what they become.

    Rows that another run has settled since this one began are settled by that, not by the look.
    """

    def __init__(
        self, journal: Journal, run: RunRecord, settings: RunSettings, *, today: dt.date
    ) -> None:
        self._journal = journal
        self._run = run
        self._run_no = journal.ledger.run_number(run.run_id)
        self._again = settings.again
        self._match_by = settings.match_by
        rows = self._recall()
        known = self._earlier.keys() | journal.ledger.sent_in_doubt(self._run_no)
        self._sought = [self._sought_by(row) for row in rows if row.row_number not in known]
        by = None if self._match_by in {None, "trainee_id"} else self._match_by
        self._matching = Matching(self._sought, by=by)
        self._cycles: set[int] = set()
        newest = current_cycle(today)
        self.look = Look(
            self._matching.ids,
            self._keep,
            cycles=cycles_from(newest),
            is_matching=self._matching.is_matching,
        )

    def _recall(self) -> list[UnsentRow]:
        """Return the rows that are left; know again which of them earlier runs settled.

        And for whose trainee one may have sent: they are read first. Nothing is written down: a
        run that is resumed stays as it was reported until it begins.
        """
        earlier = {} if self._again else settled_earlier(self._journal, self._run)
        self._earlier = {
            n: WillNotBeSent(told, is_on_this_date=True) for n, told in earlier.items()
        }
        rows = list(self._journal.ledger.to_look_up(self._run.run_id))
        self._open = frozenset(row.row_number for row in rows if row.is_open)
        return rows

    def previewed(self) -> Preview:
        """Return what the rows become, once the look is over; matched ids are written down.

        Raises UsageProblem where rows must be matched and Register has no list of trainees.
        """
        if self.look.has_stopped:
            why = " ".join(finding.trouble.value for finding in self.look.findings)
            raise UsageProblem(
                f"the trainees of this list cannot be found. {why} Nothing was sent.",
                hint="give Register's own ids in a column trainee_id",
            )
        unread = frozenset(map(folded, self.look.unread))
        matches = {row.row_number: self._match(row, unread) for row in self._sought}
        found = {n: match.trainee_id for n, match in matches.items() if isinstance(match, Sighting)}
        if matched := {row.row_number for row in self._sought if not row.trainee_id}:
            self._note({n: found[n] for n in matched if n in found})
        repeats = self._repeats(found)
        left = self._open - repeats.keys()
        would: dict[int, Would] = dict(self._earlier)
        would |= self._would(matches, repeats, self._earlier.keys() | left)
        forecast = Forecast()
        for number, one in would.items():
            forecast.add(number, one)
        forecast.to_read_first = len(left - self._earlier.keys())
        cycles = tuple(sorted(self._cycles, reverse=True))
        warnings = tuple(self._warnings(matches.values()))
        return Preview(would, forecast, warnings, cycles, self.look.newest_updated_at)

    def _match(self, row: Sought, unread: frozenset[str]) -> Match | NotLookedUp:
        if row.trainee_id and folded(row.trainee_id) in unread:
            return NotLookedUp(row.trainee_id)
        return self._matching.match(row)

    def _would(
        self,
        matches: Mapping[int, Match | NotLookedUp],
        repeats: Mapping[int, Problem],
        dealt_with: AbstractSet[int],
    ) -> Iterator[tuple[int, Would]]:
        """Yield what each row would become, but for those that are dealt with."""
        superseded = self._journal.ledger.superseded(self._run.run_id)
        for row in self._sought:
            if row.row_number not in dealt_with:
                yield (
                    row.row_number,
                    would_become(
                        row,
                        matches[row.row_number],
                        headers=self._run.held_in,
                        repeats=repeats.get(row.row_number),
                        superseded_by=superseded.get(row.row_number),
                        again=self._again,
                        saw_every_list=self.look.saw_every_list,
                    ),
                )

    def _warnings(self, matches: Iterable[Match | NotLookedUp]) -> Iterator[str]:
        """Yield sentences about the list as a whole, and about Register's lists."""
        differing = (match.differing for match in matches if isinstance(match, Sighting))
        for name in identity.suspected(differing):
            yield identity.suspicion_of(name, self._run.held_in)
        yield from dict.fromkeys(finding.trouble.value for finding in self.look.findings)

    def _keep(self, trainee: ListedTrainee, cycle: int | None) -> None:
        if cycle is not None:
            self._cycles.add(cycle)
        self._matching.see(trainee, cycle)

    def _sought_by(self, row: UnsentRow) -> Sought:
        is_by_id = self._match_by in {None, "trainee_id"}
        trainee_id = row.trainee_id if is_by_id else ""
        return Sought(row.row_number, row.defer_date, trainee_id, person_of(self._run, row.values))

    def _note(self, found: Mapping[int, str]) -> None:
        """Write down whom rows were found to mean: by their ids more is known of them."""
        self._journal.note_matches(self._run_no, found)
        self._recall()

    def _repeats(self, found: Container[int]) -> dict[int, Problem]:
        """Return the problems of rows that repeat others: none that is settled, or was sent.

        A run that is resumed may hold such rows since its first look, which a crash cut off.
        """
        rows = (Asked(*row) for row in self._journal.ledger.of_one_trainee(self._run_no))
        return dict(
            repeated(r for r in rows if r.row_number in found and r.row_number not in self._earlier)
        )


def person_of(run: RunRecord, values: Sequence[str]) -> Person:
    """Return what a row's own values say of who the trainee is; "" where they say nothing."""
    if not run.held_in.keys() & set(_OF_A_PERSON):
        return _NOBODY
    said = {name: value_of(run, values, name) for name in _OF_A_PERSON}
    born = dates.parsed(said[identity.DATE_OF_BIRTH], run.date_format)
    return Person(**(said | {identity.DATE_OF_BIRTH: "" if born is None else born.isoformat()}))


def value_of(run: RunRecord, values: Sequence[str], name: str) -> str:
    """Return what a row holds of that name, trimmed; "" where the file has no such column."""
    header = run.held_in.get(name)
    place = -1 if header is None else run.columns.index(header)
    return identity.trimmed(values[place]) if 0 <= place < len(values) else ""


def named_in(run: RunRecord, rows: Iterable[RowRecord]) -> Iterator[dict[str, str | None]]:
    """Yield, for a rehearsal, by what each well-formed row names its trainee."""
    status = run.columns.index(_STATUS) if _STATUS in run.columns else None
    for row in rows:
        if row.defer_date is not None:
            person = asdict(person_of(run, row.values))
            first_names = value_of(run, row.values, "first_names")
            told = {"trainee_id": row.trainee_id, "first_names": first_names, **person}
            given = {name: value or None for name, value in told.items()}
            state = row.values[status].strip() if status is not None else None
            yield {**given, "trainee_status": state or None}


class _HeldNow(Struct):
    """What a run says of the trainees whom it asked to defer, held against them as they pass by."""

    answered: Mapping[str, AnsweredRow]
    settled: dict[int, Settled] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def see(self, trainee: ListedTrainee, _cycle: int | None) -> None:
        trainee_id = folded(trainee.trainee_id or "")
        row = self.answered.get(trainee_id)
        if row is None:
            return
        self.seen.add(trainee_id)
        truth = _contradicted(row, trainee)
        if truth is None:
            self.settled.pop(row.row_number, None)
        else:
            self.settled[row.row_number] = truth

    def missing(self) -> Iterator[tuple[int, Settled]]:
        """Yield the rows whose trainee Register no longer shows at all."""
        for trainee_id, row in self.answered.items():
            if trainee_id not in self.seen and row.outcome == Outcome.SUCCEEDED:
                settled = standing(row.deferral, None).settled
                assert settled is not None
                yield row.row_number, settled


async def check_finally(
    session: Session, journal: Journal, run_id: str, preview: Preview | None
) -> None:
    """Ask Register once more whether it holds each deferral that the run counts as made.

    What does not stand becomes `deferral_not_held`. Also looked at are those whom a defer request
    called unknown or refused: the answer may have been another request's. Nothing is concluded, and
    nothing noted, where an answer did not come.
    """
    answered = {folded(row.deferral.trainee_id): row for row in journal.ledger.answered(run_id)}
    if not answered:
        return
    held, run = _HeldNow(answered), journal.ledger.run(run_id)
    cycles, since = _cycles(preview, run), _since(session, journal, run, preview)
    if not await _looked_at_again(session, held, cycles, since):
        return
    changed = held.settled | dict(held.missing())
    session.settle_now(changed)
    made = {row.row_number for row in answered.values() if row.outcome == Outcome.SUCCEEDED}
    if made:
        run_no = journal.ledger.run_number(run_id)
        confirmed = len(made - changed.keys())
        journal.note_final_check(run_no, checked=len(made), confirmed=confirmed)


async def _looked_at_again(
    session: Session, held: _HeldNow, cycles: tuple[int, ...], since: str
) -> bool:
    """Look at the trainees, but of many who were not deferred at the lists; whether all was read.

    Who is in no list of those who changed is not deferred since, and need not be read.
    """
    rows = held.answered.values()
    are_few = sum(row.outcome != Outcome.SUCCEEDED for row in rows) <= MOST_READ_UNASKED
    sought = [
        row.deferral.trainee_id for row in rows if are_few or row.outcome == Outcome.SUCCEEDED
    ]
    look = Look(sought, held.see, cycles=cycles, since=since)
    if not await session.check_again(look):
        return False
    if not are_few:  # what these lists fail to show takes nothing from what is known by now
        lists = Look((), held.see, cycles=cycles, since=since, is_matching=True)
        await session.check_again(lists)
    return True


def _cycles(preview: Preview | None, run: RunRecord) -> tuple[int, ...]:
    """Return the cycles in which the trainees were listed; without a look all that may be."""
    if preview is not None and preview.cycles:
        return preview.cycles
    began = dt.datetime.fromisoformat(run.started_at).date()
    return cycles_from(current_cycle(began))


def _since(session: Session, journal: Journal, run: RunRecord, preview: Preview | None) -> str:
    """Return from when on a change may be the run's own.

    The look of a run that was resumed came after changes of its own.
    """
    is_first = not journal.ledger.resumptions(run.run_id)
    if is_first and preview is not None and preview.since is not None:
        return preview.since
    began = session.by_registers_clock(dt.datetime.fromisoformat(run.started_at))
    since = (began - _BEFORE_IT_BEGAN).astimezone(dt.UTC)
    return since.isoformat(timespec="seconds").replace("+00:00", "Z")


def _contradicted(row: AnsweredRow, trainee: ListedTrainee) -> Settled | None:
    """Return what a row becomes whose answer Register does not bear out, None where it does."""
    held = standing(row.deferral, trainee)
    if row.outcome == Outcome.SUCCEEDED:
        return held.settled
    was_unknown = row.outcome == Outcome.NOT_FOUND
    said = "answered that it does not know this trainee" if was_unknown else "refused this request"
    if held.stands:
        words = (
            f"Register {said}, and has them as deferred on {trainee.defer_date}, as the row asks. "
            "By whom cannot be known: by someone else, or by this request."
        )
        return Settled(Code.ALREADY_DEFERRED, words, trainee.defer_date)
    words = f"Register {said}, and shows them: {held.message}"
    return Settled(Code.DEFERRAL_NOT_HELD, words, trainee.defer_date) if was_unknown else None
