"""A look finds everyone there is within what it may ask, and ends whatever it is answered."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from batch.register.body import ListedTrainee
from batch.roster.listing import Answer, Ask, AskPage, Found, Look, Page, Said, cycles_from
from tests.support.lists import Register, played, reads, trainee

CYCLES = cycles_from(2026)
SIZES = st.lists(st.integers(0, 400), min_size=1, max_size=7)


def there(sizes: list[int], unlisted: int) -> Register:
    numbers = iter(range(10_000))
    padded = sizes + [0] * (len(CYCLES) - len(sizes))
    cycles = {
        year: [trainee(next(numbers)) for _ in range(size)]
        for year, size in zip(CYCLES, padded, strict=True)
    }
    return Register(cycles, tuple(trainee(next(numbers)) for _ in range(unlisted)))


@settings(deadline=None, max_examples=60)
@given(
    sizes=SIZES,
    unlisted=st.integers(0, 5),
    unknown=st.integers(0, 5),
    is_matching=st.booleans(),
)
def test_everyone_who_is_there_is_found_within_the_promise(
    *, sizes: list[int], unlisted: int, unknown: int, is_matching: bool
) -> None:
    register = there(sizes, unlisted)
    everyone = [t.trainee_id or "" for t in register.everyone()]
    listed = everyone[: len(everyone) - unlisted]
    half = listed[::2]
    sought = [*half, *everyone[len(listed) :], *(f"unknown-{n}" for n in range(unknown))]
    kept: set[str] = set()
    look = Look(
        sought, lambda t, _: kept.add(t.trainee_id or ""), cycles=CYCLES, is_matching=is_matching
    )
    asked = played(look, register.answer)
    assert kept >= {*sought} & {*everyone}
    assert not look.findings
    assert not is_matching or kept >= {*listed}
    assert len(asked) - (reads(asked) if is_matching else 0) <= 20 + len(sought) // 50


INSTANTS = st.sampled_from([None, "", "soon", "2026-10-01T10:00:00.000Z", "2026-10-02T10:00:00Z"])
ROWS = st.builds(
    ListedTrainee, trainee_id=st.sampled_from([None, "", "a", "A", "b", "c"]), updated_at=INSTANTS
)
PAGES = st.builds(
    Page,
    st.one_of(
        st.lists(ROWS, max_size=4), st.lists(ROWS, min_size=1, max_size=3).map(lambda r: r * 100)
    ),
    st.sampled_from([None, -1, 0, 1, 3, 250, 600, 10**9]),
)
ANSWERS = st.one_of(PAGES, st.sampled_from(Said), st.builds(Found, ROWS))


@settings(deadline=None, max_examples=200)
@given(
    sought=st.integers(0, 40),
    is_matching=st.booleans(),
    answers=st.lists(ANSWERS, min_size=1, max_size=8),
)
def test_a_look_ends_whatever_it_is_answered(
    *, sought: int, is_matching: bool, answers: list[Answer]
) -> None:
    turn = iter(range(10**6))

    def lying(ask: Ask) -> Answer:
        answer = answers[next(turn) % len(answers)]
        if isinstance(ask, AskPage):
            assert ask.page >= 1
            assert ask.per_page >= 1
        return answer

    look = Look(
        [f"trainee-{n}" for n in range(sought)],
        lambda *_: None,
        cycles=CYCLES,
        is_matching=is_matching,
    )
    asked = played(look, lying, most=400)
    assert look.is_over
    assert reads(asked) <= sought
    assert not (look.has_stopped and look.saw_every_list)
