"""A walk misses nobody who was in the list throughout, whoever changes meanwhile, and it ends."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.roster.listing import (
    MOST_PASSES,
    PER_PAGE_WHEN_SLOW,
    Page,
    Said,
    Walk,
    most_pages,
    pages_at_rest,
)
from batch.roster.listing import PER_PAGE as PER_PAGE_OF_A_WALK
from tests.support.lists import Register, trainee

PER_PAGE = 4


@dataclass(frozen=True)
class Change:
    """Between two pages: somebody is changed, added to the list, or taken from it."""

    kind: str
    place: int


CHANGES = st.builds(
    Change, st.sampled_from(["touch", "touch", "add", "remove"]), st.integers(0, 60)
)
TICKS = st.lists(st.integers(0, 6), min_size=1, max_size=40)
"""When each trainee last changed: few instants, so that whole pages share one."""


def change(there: Register, made: Change, number: int) -> None:
    listed = there.cycles[2026]
    if made.kind == "touch" and listed:
        there.touch(2026, made.place)
    elif made.kind == "add":
        there.now += 1
        listed.append(trainee(1000 + number, tick=there.now))
    elif listed:
        listed.pop(made.place % len(listed))


@settings(deadline=None, max_examples=150)
@given(TICKS, st.lists(st.lists(CHANGES, max_size=3), max_size=25))
def test_a_walk_misses_nobody_who_was_there_throughout(
    ticks: list[int], between: list[list[Change]]
) -> None:
    there = Register({2026: [trainee(number, tick) for number, tick in enumerate(ticks)]})
    walk, seen, asked = Walk(2026, per_page=PER_PAGE), set[str](), 0
    throughout = {t.trainee_id for t in there.everyone()}
    made, number = iter(between), 0
    while not walk.is_over:
        asked += 1
        answer = there.answer(ask := walk.ask())
        if isinstance(answer, Page):
            seen |= {t.trainee_id for t in answer.trainees if t.trainee_id}
            walk.take(ask, answer)
        else:
            assert answer is Said.NOBODY
            walk.nobody()
        for each in next(made, []):
            number += 1
            change(there, each, number)
        throughout &= {t.trainee_id for t in there.everyone()}
    # each pass is held to the bound before it asks for another page
    assert asked <= MOST_PASSES * (1 + most_pages(len(ticks) + number, PER_PAGE))
    assert walk.trouble is not None or not throughout - seen


@settings(deadline=None, max_examples=100)
@given(TICKS, st.integers(3, 12))
def test_a_list_at_rest_is_read_whole_at_once(ticks: list[int], per_page: int) -> None:
    there = Register({2026: [trainee(number, tick) for number, tick in enumerate(ticks)]})
    walk, seen = Walk(2026, per_page=per_page), set[str]()
    while not walk.is_over:
        answer = there.answer(ask := walk.ask())
        assert isinstance(answer, Page)
        seen |= {t.trainee_id for t in answer.trainees if t.trainee_id}
        walk.take(ask, answer)
    assert walk.trouble is None
    assert len(seen) == len(ticks)
    assert there.asked <= pages_at_rest(len(ticks), per_page)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 4), st.integers(0, 6), st.integers(0, 4), st.integers(8, 24))
def test_a_gap_shows_although_newcomers_make_up_the_count(
    touched: int, added: int, after: int, there_at_first: int
) -> None:
    there = Register({2026: [trainee(number, tick=5) for number in range(there_at_first)]})
    walk, seen = Walk(2026, per_page=PER_PAGE), set[str]()
    throughout = {t.trainee_id for t in there.everyone()}
    while not walk.is_over:
        answer = there.answer(ask := walk.ask())
        if isinstance(answer, Page):
            seen |= {t.trainee_id for t in answer.trainees if t.trainee_id}
            walk.take(ask, answer)
        else:
            walk.nobody()
        if there.asked == 2 + after:
            for place in range(touched * 2):
                there.touch(2026, place)
            for number in range(added):
                change(there, Change("add", 0), number)
    assert walk.trouble is None
    assert not throughout - seen


@pytest.mark.parametrize("per_page", [PER_PAGE_WHEN_SLOW, PER_PAGE_OF_A_WALK])
def test_a_list_that_was_imported_at_one_instant_is_no_longer(per_page: int) -> None:
    there = Register({2026: [trainee(number, tick=5) for number in range(5_000)]})
    walk = Walk(2026, per_page=per_page)
    while not walk.is_over:
        answer = there.answer(ask := walk.ask())
        assert isinstance(answer, Page)
        walk.take(ask, answer)
    assert walk.trouble is None
    assert there.asked <= pages_at_rest(5_000, per_page)
