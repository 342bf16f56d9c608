"""A small Register that lists trainees as API.md measured: sorted, cut by offset, moving."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from batch.register.body import ListedTrainee
from batch.roster.listing import (
    Answer,
    Ask,
    AskPage,
    AskTrainee,
    Found,
    Look,
    Page,
    Said,
)


def time(tick: int) -> str:
    """Return an instant as Register writes it; later ticks are later."""
    return f"2026-10-{1 + tick // 86_400:02}T{tick // 3600 % 24:02}:{tick // 60 % 60:02}:{tick % 60:02}.000Z"


def changed(trainee: ListedTrainee, **changes: str | None) -> ListedTrainee:
    """Return the trainee with some values changed."""
    return trainee.model_copy(update=changes)


def trainee(number: int, tick: int | None = None, **fields: str | None) -> ListedTrainee:
    """Return an invented trainee, last changed at that tick."""
    given = {"state": "trn_received", "trn": f"{number:07}"} | fields
    at = time(number if tick is None else tick)
    return ListedTrainee(trainee_id=f"trainee-{number:06}", updated_at=at, **given)


@dataclass
class Register:
    """Cycles of trainees, each a list that is sorted when it is asked for."""

    cycles: dict[int, list[ListedTrainee]]
    unlisted: tuple[ListedTrainee, ...] = ()
    now: int = 80_000
    asked: int = 0

    def everyone(self) -> Iterator[ListedTrainee]:
        """Yield all trainees, those in no list too."""
        for trainees in self.cycles.values():
            yield from trainees
        yield from self.unlisted

    def answer(self, ask: Ask) -> Answer:
        """Answer as Register does."""
        self.asked += 1
        if isinstance(ask, AskPage):
            return self._page(ask)
        found = (
            t
            for t in self.everyone()
            if t.trainee_id and t.trainee_id.lower() == ask.trainee_id.lower()
        )
        shown = next(found, None)
        return Found(shown) if shown else Said.NOBODY

    def _page(self, ask: AskPage) -> Answer:
        if ask.cycle not in self.cycles:
            return Said.UNKNOWN_CYCLE
        listed = [t for t in self.cycles[ask.cycle] if (t.updated_at or "") >= (ask.since or "")]
        listed.sort(key=lambda t: (t.updated_at or "", t.trainee_id or ""))
        first = (ask.page - 1) * ask.per_page
        rows = listed[first : first + ask.per_page]
        return Page(rows, len(listed)) if rows else Said.NOBODY

    def touch(self, cycle: int, place: int) -> None:
        """Change one trainee: it moves to the end of its list."""
        self.now += 1
        listed = self.cycles[cycle]
        listed[place % len(listed)] = changed(
            listed[place % len(listed)], updated_at=time(self.now)
        )


def played(look: Look, answer: Callable[[Ask], Answer], *, most: int = 5000) -> list[Ask]:
    """Ask all that a look wants to ask, one request after another; return the requests."""
    asked: list[Ask] = []
    while (ask := look.ask()) is not None:
        asked.append(ask)
        assert len(asked) <= most, "without end"
        look.take(ask, answer(ask))
    assert look.is_over
    return asked


def reads(asked: list[Ask]) -> int:
    """Return how many of the requests read a single trainee."""
    return sum(isinstance(ask, AskTrainee) for ask in asked)
