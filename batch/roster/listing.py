"""Which requests find the sought trainees, and what their answers show: no I/O, like h11.

    while (ask := look.ask()) is not None:
        look.take(ask, answer_to(ask))

`ask` returns each request once; a list's pages come one after another, reads of single trainees may
be under way together. Every trainee that an answer shows goes to `keep`, the later answer last.

A cycle is walked by `since` (register/API.md, "Pages move"): each page begins at the last row's
`updated_at`, so whoever does not change stays ahead of the walk and whoever changes is moved ahead
of it. Only where a whole page shares one `updated_at` must pages be counted. Then each overlaps the
one before: as long as a row of that one is seen again, unchanged, nobody slipped through between
them, and where none is, that stretch is read again. What is left is a list that lies or shrinks;
distinct ids fewer than `total_count` show it.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterable, Sequence
from enum import Enum, auto
from typing import assert_never

from msgspec import Struct

from batch.register.body import ListedTrainee
from batch.rows import folded

CYCLES = 7
"""How many academic cycles a look reads at most: part-time courses take six (API.md)."""
PER_PAGE = 250
"""A fair size of a page (API.md, "Cost")."""
PER_PAGE_WHEN_SLOW = 100
"""The size of a page once a larger one was not answered in time."""
MOST_READ_UNASKED = 20
"""Up to so many trainees are read by id without asking how long a list is."""
IN_A_HUNDRED_ROWS = 2
"""How many requests a look may take besides, where the list has half of the provider's trainees."""
MOST_PASSES = 3
"""How often one cycle is walked until its distinct ids reach `total_count`."""
MOST_TOO_SLOW = 3
"""How often in a row the smaller page may not be answered in time before lists are given up."""
CHANGES_OF_A_SHORT_LIST = 8
"""How often somebody may change, between two pages, while a list of one page is read: each time
there is a page more, and more often within seconds is no people's work."""
_SHORTEST_FULL_PAGE = 50
_SIZES_TRIED = 20
MOST_TRAINEES = 500_000
"""No provider has as many in one cycle: a `total_count` above this is no count."""


Keep = Callable[[ListedTrainee, int | None], None]
"""Takes a trainee and the start year of the cycle it is listed in, None where it was read by id."""


class AskPage(Struct, frozen=True):
    """A page of one cycle's list, `sort_order=asc`; `since` is Register's own text, or None."""

    cycle: int
    since: str | None
    page: int
    per_page: int


class AskTrainee(Struct, frozen=True):
    """A read of one trainee."""

    trainee_id: str


Ask = AskPage | AskTrainee


class Page(Struct, frozen=True):
    """A 200: the rows in Register's order, and `meta.total_count` where there is one."""

    trainees: Sequence[ListedTrainee]
    total_count: int | None


class Found(Struct, frozen=True):
    """A read that shows the trainee."""

    trainee: ListedTrainee


class Said(Enum):
    """An answer that shows no trainee."""

    NOBODY = auto()
    """404 `No trainees found`; of a read, 404 about this trainee."""
    UNKNOWN_CYCLE = auto()
    """422 about `academic_cycle`."""
    NO_LIST = auto()
    """404 or 405: there is no such address; of a read, there is none of trainees either."""
    TOO_SLOW = auto()
    """No answer in time."""


Answer = Page | Found | Said


class Trouble(Enum):
    """Why a list cannot be trusted to show everyone; the value is a sentence for people."""

    NO_LIST = "Register has no list of trainees at this address."
    TOO_SLOW = "Register did not answer in time, even for short pages of its list of trainees."
    TOO_FEW = "Register's list shows fewer trainees than it counts, each time it was read."
    NO_COUNT = (
        "Register's list does not say how many trainees it has, or gives an impossible number."
    )
    OUT_OF_ORDER = "Register's list repeats itself, or is not in the order that was asked for."
    NAMELESS = "Register's list shows a trainee without an id."


class ListTrouble(Struct, frozen=True):
    """A trouble with the list of one cycle."""

    cycle: int
    trouble: Trouble


class Walk:
    """One cycle's list, read to its end: `ask` the next page, `take` it, until `is_over`.

    `since` limits it to those who changed from then on. `trouble` is set where, at the end, it may
    not have shown everyone. `pages_left` is an estimate, by the last answer's `total_count`.
    """

    def __init__(self, cycle: int, *, since: str | None = None, per_page: int = PER_PAGE) -> None:
        self.cycle = cycle
        self.is_over = False
        self.trouble: Trouble | None = None
        self.pages_left = 0
        self._first_since = since
        self._per_page = per_page
        self._passes = 0
        self._begin_pass()

    def _begin_pass(self) -> None:
        self._passes += 1
        self._since = self._first_since
        self._covered = 0  # rows read without a gap, of those that share `_since`
        self._last_ids: frozenset[str] = frozenset()
        self._seen: set[str] = set()
        self._total: int | None = None
        self._asked = 0
        self._longest = min(self._per_page, _SHORTEST_FULL_PAGE)
        self._is_nameless = False

    @property
    def pages(self) -> int:
        """How many pages the cycle has, as far as its list says; at least one."""
        return max(1, _pages(self._total or 0, self._per_page))

    def ask(self) -> AskPage:
        """Return the next page to ask for."""
        if not self._covered:
            return AskPage(self.cycle, self._since, 1, self._per_page)
        pages, per_page = _overlapping(self._covered, self._per_page)
        return AskPage(self.cycle, self._since, pages + 1, per_page)

    def slower(self) -> None:
        """Ask for shorter pages from now on."""
        self._per_page = PER_PAGE_WHEN_SLOW

    def take(self, ask: AskPage, page: Page) -> None:
        """Take the answer to `ask`, and move on."""
        offset, rows = (ask.page - 1) * ask.per_page, page.trainees
        before, left = len(self._seen), self._count(rows, page.total_count, offset)
        unchanged = _ids(row for row in rows if row.updated_at == self._since)
        if not rows:
            self.nobody()
        elif offset and self._last_ids.isdisjoint(unchanged):
            self._read_stretch_again()
        elif left == 0:
            self._end_pass()
        else:
            self._last_ids = unchanged
            is_last = len(rows) < ask.per_page and len(self._seen) == before
            self._move_on(rows, offset, is_last=is_last)

    def _count(
        self, rows: Sequence[ListedTrainee], total_count: int | None, offset: int
    ) -> int | None:
        """Count a page's rows; return how many are left behind it, where the list says so."""
        total = _credible(total_count, at_least=offset + len(rows))
        if not self._asked:
            self._total = total
        self._asked += 1
        self._seen.update(_ids(rows))
        self._is_nameless |= any(not row.trainee_id for row in rows)
        self._longest = max(self._longest, len(rows))
        if total is None:
            return None
        left = total - offset - len(rows)
        self.pages_left = _pages(left, self._per_page)
        return left

    def nobody(self) -> None:
        """Take 404 `No trainees found`: nobody is in this cycle, or nobody more."""
        if not self._asked:
            self._total = 0
        if self._covered:
            self._asked += 1
            self._read_stretch_again()
        else:
            self._end_pass()

    def give_up(self, trouble: Trouble) -> None:
        """End the walk before the list's end."""
        self.is_over, self.trouble = True, trouble

    def _read_stretch_again(self) -> None:
        """Go back to `since`: those read before have left, and may have drawn others past."""
        self._covered = 0
        self._stay_bounded()

    def _move_on(self, rows: Sequence[ListedTrainee], offset: int, *, is_last: bool) -> None:
        """Choose the next page, after one that does not reach the list's `total_count`.

        `is_last` says that the page was short and showed nobody new.
        """
        since, times = _instant(self._since), [_instant(row.updated_at) for row in rows]
        if not _is_ascending([since or _LONG_AGO, *times]):
            self.give_up(Trouble.OUT_OF_ORDER)
        elif times[-1] != since:
            self._since, self._covered = rows[-1].updated_at, 0
            self._stay_bounded()
        elif is_last:
            self._end_pass()
        else:
            self._covered = offset + len(rows)
            self._stay_bounded()

    def _stay_bounded(self) -> None:
        """End the walk where there were more pages than the trainees seen can account for."""
        if self._asked > most_pages(len(self._seen), self._longest):
            self.give_up(Trouble.OUT_OF_ORDER)
        elif len(self._seen) > MOST_TRAINEES:
            self.give_up(Trouble.NO_COUNT)

    def _end_pass(self) -> None:
        if self._is_nameless:
            self.give_up(Trouble.NAMELESS)
        elif self._total is None:
            self.give_up(Trouble.NO_COUNT)
        elif len(self._seen) >= self._total:
            self.is_over = True
        elif self._passes < MOST_PASSES:
            self._begin_pass()
        else:
            self.give_up(Trouble.TOO_FEW)


class Look:
    """Finds trainees by lists, by reading each, or both: whichever takes fewer requests.

    `sought` are the ids to find; `cycles` the start years to list, newest first. `since` limits the
    lists to those who changed from then on (the final check); whom they do not show is read by id.
    `is_matching` reads every cycle to its end, since other rows are matched by what `keep` is
    shown; where that cannot be done, `has_stopped`. `unread` are those who could not be read.
    `saw_every_list`: who was not shown with a cycle is in no list of Register's. `requests` counts
    what was asked so far.
    """

    def __init__(
        self,
        sought: Iterable[str],
        keep: Keep,
        *,
        cycles: Sequence[int],
        since: str | None = None,
        is_matching: bool = False,
    ) -> None:
        self.findings: list[ListTrouble] = []
        self.unread: list[str] = []
        self.newest_updated_at: str | None = None
        self.has_stopped = False
        self.saw_every_list = False
        self._keep = keep
        self._missing = {folded(trainee_id): trainee_id for trainee_id in sought}
        self._cycles = list(cycles)
        self._since = since
        self._is_matching = is_matching
        self._per_page = PER_PAGE
        self._too_slow = 0
        self._is_asking = False
        self._walk: Walk | None = None
        self._walked = 0
        self._asked = 0
        self._most = MOST_READ_UNASKED + len(self._missing) * IN_A_HUNDRED_ROWS // 100
        self._reads: list[str] = []
        self._open_reads = 0
        self.requests = 0
        if is_matching or len(self._missing) > MOST_READ_UNASKED:
            self._walk_next_cycle()
        else:
            self._read_the_rest()

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to ask, and every answer has been taken."""
        return self._walk is None and not self._reads and not self._open_reads

    def ask(self) -> Ask | None:
        """Return the next request, or None where there is none before another answer is taken."""
        if self._walk is not None:
            if self._is_asking:
                return None
            self._is_asking = True
            self._asked += 1
            self.requests += 1
            return self._walk.ask()
        if not self._reads:
            return None
        self._open_reads += 1
        self.requests += 1
        return AskTrainee(self._reads.pop())

    def take(self, ask: Ask, answer: Answer) -> None:
        """Take the answer to a request that `ask` returned."""
        match ask:
            case AskPage():
                self._is_asking = False
                self._take_page(ask, answer)
            case AskTrainee():
                self._open_reads -= 1
                self._take_read(ask, answer)
            case _ as never:
                assert_never(never)

    def _take_page(self, ask: AskPage, answer: Answer) -> None:
        walk = self._walk
        assert walk is not None
        match answer:
            case Page():
                self._too_slow = 0
                for trainee in answer.trainees:
                    self._show(trainee, ask.cycle)
                walk.take(ask, answer)
            case Said.NOBODY:
                walk.nobody()
            case Said.UNKNOWN_CYCLE:
                self._leave_out(walk)
            case Said.TOO_SLOW:
                self._ask_for_less(walk)
            case Said.NO_LIST | Found():
                walk.give_up(Trouble.NO_LIST)
        self._choose_next(walk)

    def _leave_out(self, walk: Walk) -> None:
        """Go past a cycle that Register does not know: older ones it knows even less."""
        walk.is_over = True
        if self._walked > 1:
            self._cycles.clear()

    def _ask_for_less(self, walk: Walk) -> None:
        self._too_slow += 1
        self._per_page = PER_PAGE_WHEN_SLOW
        walk.slower()
        if self._too_slow > MOST_TOO_SLOW:
            walk.give_up(Trouble.TOO_SLOW)

    def _choose_next(self, walk: Walk) -> None:
        """Go on with this cycle, the next, or by id."""
        if walk.trouble is not None:
            self.findings.append(ListTrouble(walk.cycle, walk.trouble))
            if self._is_matching:
                self._walk, self.has_stopped = None, True
                return
        if walk.trouble in {Trouble.NO_LIST, Trouble.TOO_SLOW}:
            self._read_the_rest()
        elif not walk.is_over:
            if self._reading_is_shorter(walk.pages_left):
                self._read_the_rest()
        elif self._cycles and self._reading_is_shorter(max(walk.pages, len(self._cycles))):
            self._read_the_rest()
        else:
            self._walk_next_cycle()

    def _reading_is_shorter(self, pages: int) -> bool:
        """Whether to read the missing by id rather than that many pages more.

        As long as lists stay within what a look may take they are read on, since only who is in
        none of them can be told to be deleted; the final check has no need to know.
        """
        if self._is_matching or len(self._missing) > pages:
            return False
        is_costly = self._asked + pages + len(self._missing) > self._most
        return is_costly or not self._missing or self._since is not None

    def _walk_next_cycle(self) -> None:
        if not self._cycles:
            self.saw_every_list = not self.findings and self._since is None
            self._read_the_rest()
            return
        self._walked += 1
        self._walk = Walk(self._cycles.pop(0), since=self._since, per_page=self._per_page)

    def _read_the_rest(self) -> None:
        self._walk = None
        self._reads = list(self._missing.values())[::-1]

    def _take_read(self, ask: AskTrainee, answer: Answer) -> None:
        match answer:
            case Found(trainee) if folded(trainee.trainee_id or "") == folded(ask.trainee_id):
                self._show(trainee, None)
            case Said.NOBODY:
                pass
            case _:
                self.unread.append(ask.trainee_id)

    def _show(self, trainee: ListedTrainee, cycle: int | None) -> None:
        if not trainee.trainee_id:
            return
        self._missing.pop(folded(trainee.trainee_id), None)
        time = _instant(trainee.updated_at)
        if time is not None and time > (_instant(self.newest_updated_at) or _LONG_AGO):
            self.newest_updated_at = trainee.updated_at
        self._keep(trainee, cycle)


def current_cycle(today: dt.date) -> int:
    """Return the year in which the academic cycle of a day began: on 1 August (API.md)."""
    return today.year if today.month >= 8 else today.year - 1


def cycles_from(newest: int) -> tuple[int, ...]:
    """Return the start years that a look reads, newest first."""
    return tuple(range(newest, newest - CYCLES, -1))


_LONG_AGO = dt.datetime.min.replace(tzinfo=dt.UTC)


def _instant(text: str | None) -> dt.datetime | None:
    """Return the instant that Register wrote, or None where it wrote none that can be read."""
    try:
        time = dt.datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=dt.UTC)


def _is_ascending(times: Sequence[dt.datetime | None]) -> bool:
    return all(
        earlier is not None and later is not None and earlier <= later
        for earlier, later in itertools.pairwise(times)
    )


def _ids(rows: Iterable[ListedTrainee]) -> frozenset[str]:
    return frozenset(folded(row.trainee_id) for row in rows if row.trainee_id)


def _overlapping(covered: int, per_page: int) -> tuple[int, int]:
    """Return how many pages to pass over, and their size, so that the next one overlaps.

    Pages begin at multiples of their size. Of some sizes up to `per_page` the one that reaches
    furthest is taken among those that begin at or before the last of the rows that are covered.
    """
    fewest = max(1, -(-(covered - 1) // per_page))
    tried = [(pages, (covered - 1) // pages) for pages in range(fewest, fewest + _SIZES_TRIED)]
    pages, size = max(tried, key=lambda found: (found[0] + 1) * found[1])
    return (pages, size) if (pages + 1) * size > covered else (1, max(1, covered - 1))


def requests_to_find(changed: int) -> int:
    """Return about how many requests show so many trainees, where nobody else has changed."""
    return changed if changed <= MOST_READ_UNASKED else _pages(changed, PER_PAGE)


def pages_at_rest(trainees: int, per_page: int) -> int:
    """Return the most pages that a pass takes through a list which nobody changes meanwhile.

    A page repeats the rows of the one before that share its last `updated_at`, which may be nearly
    all; but then the page after that repeats few, since it begins behind them. So two pages in a
    row show `per_page` rows that were not seen, and pages that are counted show more. Two more are
    the first, and one that shows the end where `total_count` did not.
    """
    return 2 + 2 * trainees // (per_page - 1)


def most_pages(trainees: int, per_page: int) -> int:
    """Return how many pages a pass may take until the list is held to repeat itself.

    Whoever changes meanwhile is moved ahead of the walk and shown again: everybody once.
    """
    return CHANGES_OF_A_SHORT_LIST + 2 * pages_at_rest(trainees, per_page)


def _credible(total: int | None, *, at_least: int) -> int | None:
    """Return a `total_count`, or None where it contradicts the page that it stands on."""
    return total if total is not None and at_least <= total <= MOST_TRAINEES else None


def _pages(rows: int, per_page: int) -> int:
    """Return how many pages a walk takes for so many rows: each repeats one row."""
    return -(-rows // (per_page - 1))
