"""Which requests a look makes, and what it concludes where a list cannot be trusted."""

from __future__ import annotations

import datetime as dt

import pytest

from batch.register.body import ListedTrainee
from batch.roster.listing import (
    MOST_PASSES,
    MOST_TOO_SLOW,
    Answer,
    Ask,
    AskPage,
    AskTrainee,
    Found,
    Look,
    Page,
    Said,
    Trouble,
    current_cycle,
    cycles_from,
    requests_to_find,
)
from tests.support.lists import Register, changed, played, reads, time, trainee

CYCLES = cycles_from(2026)


def ids(first: int, last: int) -> list[str]:
    return [f"trainee-{number:06}" for number in range(first, last)]


def register(*sizes: int, unlisted: int = 0) -> Register:
    """Return a Register with so many trainees in each cycle, the newest first, then nobody."""
    cycles: dict[int, list[ListedTrainee]] = {}
    number = 0
    for year in CYCLES:
        size = sizes[2026 - year] if 2026 - year < len(sizes) else 0
        cycles[year] = [trainee(n) for n in range(number, number + size)]
        number += size
    return Register(cycles, tuple(trainee(n) for n in range(number, number + unlisted)))


class Shelf:
    """Keeps what a look shows."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[ListedTrainee, int | None]] = {}

    def __call__(self, seen: ListedTrainee, cycle: int | None) -> None:
        assert seen.trainee_id
        self.kept[seen.trainee_id] = seen, cycle


def looked(
    there: Register, sought: list[str], *, is_matching: bool = False, since: str | None = None
) -> tuple[Look, dict[str, tuple[ListedTrainee, int | None]], list[Ask]]:
    shelf = Shelf()
    look = Look(sought, shelf, cycles=CYCLES, is_matching=is_matching, since=since)
    return look, shelf.kept, played(look, there.answer)


@pytest.mark.parametrize(
    ("day", "year"), [("2026-07-31", 2025), ("2026-08-01", 2026), ("2027-01-01", 2026)]
)
def test_the_cycle_turns_over_on_1_august(day: str, year: int) -> None:
    assert current_cycle(dt.date.fromisoformat(day)) == year


def test_twenty_trainees_are_read_by_id_and_no_list_is_asked() -> None:
    _, kept, asked = looked(register(600), ids(0, 20))
    assert (len(asked), reads(asked), len(kept)) == (20, 20, 20)


def test_three_hundred_rows_of_a_small_provider_take_few_requests() -> None:
    _, kept, asked = looked(register(200, 200, 100, 100), ids(0, 300))
    assert set(ids(0, 300)) <= set(kept)
    assert len(asked) <= 20


def test_a_few_rows_of_a_large_provider_are_read_by_id_after_one_page() -> None:
    _, kept, asked = looked(register(10_000), ids(5000, 5030))
    assert (len(asked), reads(asked)) == (31, 30)
    assert set(ids(5000, 5030)) <= set(kept)


def test_the_look_stops_where_everyone_is_found() -> None:
    _, _, asked = looked(register(250, 250, 250), ids(0, 250))
    assert len(asked) == 1


@pytest.mark.parametrize(("rows", "trainees"), [(300, 600), (3000, 6000)])
def test_the_look_takes_at_most_twenty_and_two_in_a_hundred(rows: int, trainees: int) -> None:
    there = register(trainees // 2, trainees // 4, trainees // 4)
    look, kept, asked = looked(there, ids(0, rows))
    assert len(asked) <= 20 + rows // 50
    assert set(ids(0, rows)) <= set(kept)
    assert not look.findings


@pytest.mark.parametrize("rows", [1, 20, 21, 300, 3000])
def test_what_is_asked_of_those_who_have_just_changed_is_foretold(rows: int) -> None:
    there = register(rows)
    look = Look(ids(0, rows), lambda _, __: None, cycles=CYCLES, since=time(0))
    asked = len(played(look, there.answer))
    assert asked - 2 <= requests_to_find(rows) <= asked


def test_matching_reads_every_cycle_to_its_end() -> None:
    look, kept, asked = looked(register(300, 10), [], is_matching=True)
    assert (len(kept), {ask.cycle for ask in asked if isinstance(ask, AskPage)}) == (310, {*CYCLES})
    assert look.saw_every_list


def test_whom_no_list_shows_is_read_by_id() -> None:
    look, kept, asked = looked(register(300, unlisted=7), ids(0, 307))
    assert reads(asked) == 7
    assert kept["trainee-000306"][1] is None
    assert kept["trainee-000001"][1] == 2026
    assert not look.unread


def test_a_small_providers_lists_are_all_read_to_know_who_is_in_none() -> None:
    look, _, asked = looked(register(300, 300, unlisted=3), ids(0, 250) + ids(600, 603))
    assert look.saw_every_list
    assert (len(asked), reads(asked)) == (4 + 5 + 3, 3)


def test_a_large_providers_older_lists_are_not_read_for_a_few() -> None:
    look, _, asked = looked(register(5000, 5000, unlisted=3), ids(0, 1000) + ids(10_000, 10_003))
    assert not look.saw_every_list
    assert len(asked) <= 21 + 3


def test_whom_nobody_knows_is_kept_by_nobody() -> None:
    look, kept, _ = looked(register(30), ["unknown"])
    assert not kept
    assert not look.unread


def test_an_unknown_cycle_ends_the_lists() -> None:
    there = register(30)
    there.cycles = {year: there.cycles[year] for year in (2026, 2025)}
    look, _, asked = looked(there, [], is_matching=True)
    assert [ask.cycle for ask in asked if isinstance(ask, AskPage)] == [2026, 2025, 2024]
    assert look.saw_every_list


def test_a_newest_cycle_that_register_does_not_know_yet_is_left_out() -> None:
    there = register(0, 40)
    del there.cycles[2026]
    _, kept, _ = looked(there, [], is_matching=True)
    assert len(kept) == 40


def test_without_a_list_rows_with_an_id_are_read_one_by_one() -> None:
    there = register(50)
    look = Look(ids(0, 50), shelf := Shelf(), cycles=CYCLES)
    asked = played(
        look, lambda ask: there.answer(ask) if isinstance(ask, AskTrainee) else Said.NO_LIST
    )
    assert (len(asked), len(shelf.kept), look.has_stopped) == (51, 50, False)


def test_without_a_list_nothing_is_matched() -> None:
    look = Look(ids(0, 50), Shelf(), cycles=CYCLES, is_matching=True)
    asked = played(look, lambda _: Said.NO_LIST)
    assert (len(asked), look.has_stopped) == (1, True)
    assert look.findings[0].trouble is Trouble.NO_LIST


def test_who_cannot_be_read_is_told() -> None:
    look = Look(ids(0, 3), Shelf(), cycles=CYCLES)
    played(look, lambda _: Said.NO_LIST)
    assert look.unread == ids(0, 3)


def test_a_read_about_somebody_else_shows_nobody() -> None:
    look = Look(ids(0, 1), shelf := Shelf(), cycles=CYCLES)
    played(look, lambda _: Found(trainee(7)))
    assert (look.unread, shelf.kept) == (ids(0, 1), {})


def test_reads_may_be_under_way_together() -> None:
    there = register(5)
    look = Look(ids(0, 5), shelf := Shelf(), cycles=CYCLES)
    asked = [ask for _ in range(5) if (ask := look.ask())]
    assert (len(asked), look.ask(), look.is_over) == (5, None, False)
    for ask in reversed(asked):
        look.take(ask, there.answer(ask))
    assert (len(shelf.kept), look.is_over) == (5, True)


def test_pages_of_a_list_come_one_after_another() -> None:
    look = Look([], Shelf(), cycles=CYCLES, is_matching=True)
    assert look.ask() is not None
    assert look.ask() is None
    assert not look.is_over


def test_after_a_time_out_pages_are_shorter() -> None:
    there, slow = register(600), 250
    look = Look([], shelf := Shelf(), cycles=CYCLES, is_matching=True)
    asked = played(
        look,
        lambda ask: (
            Said.TOO_SLOW
            if isinstance(ask, AskPage) and ask.per_page >= slow
            else there.answer(ask)
        ),
    )
    assert [ask.per_page for ask in asked if isinstance(ask, AskPage)][:3] == [250, 100, 100]
    assert len(shelf.kept) == 600


def test_a_list_that_never_answers_in_time_is_given_up() -> None:
    there = register(50)
    look = Look(ids(0, 50), shelf := Shelf(), cycles=CYCLES)
    asked = played(
        look, lambda ask: there.answer(ask) if isinstance(ask, AskTrainee) else Said.TOO_SLOW
    )
    assert (len(asked), len(shelf.kept)) == (MOST_TOO_SLOW + 1 + 50, 50)


def test_an_id_in_another_case_is_the_same_trainee() -> None:
    _, kept, asked = looked(register(25), [name.upper() for name in ids(0, 25)])
    assert (len(asked), len(kept)) == (1, 25)


def test_trainees_that_all_changed_at_once_are_all_found() -> None:
    there = register(0)
    there.cycles[2026] = [trainee(n, tick=5) for n in range(1700)]
    look, kept, asked = looked(there, [], is_matching=True)
    assert (len(kept), look.findings) == (1700, [])
    assert len(asked) <= 8 + len(CYCLES)


def test_the_final_check_lists_only_what_changed() -> None:
    there = register(3000)
    for number in range(200):
        there.touch(2026, number)
    look, kept, asked = looked(there, ids(0, 201), since=time(80_000))
    assert set(ids(0, 201)) <= set(kept)
    assert (len(asked), reads(asked)) == (2, 1)
    assert not look.saw_every_list


def test_the_newest_change_that_was_seen_is_told() -> None:
    there = register(40)
    there.touch(2026, 3)
    look, _, _ = looked(there, [], is_matching=True)
    assert look.newest_updated_at == time(80_001)


def everything(trouble: Page) -> tuple[Look, Shelf, list[Ask]]:
    look = Look(ids(0, 30), shelf := Shelf(), cycles=(2026,), is_matching=True)
    return look, shelf, played(look, lambda _: trouble, most=2000)


ROWS = [trainee(number) for number in range(250)]


@pytest.mark.parametrize(
    ("page", "trouble"),
    [
        (Page(ROWS, None), Trouble.OUT_OF_ORDER),
        (Page(ROWS, 250_000_000), Trouble.OUT_OF_ORDER),
        (Page(ROWS, 400_000), Trouble.OUT_OF_ORDER),
        (Page(ROWS, 3), Trouble.OUT_OF_ORDER),
        (Page([trainee(number, tick=1) for number in range(250)], 9000), Trouble.OUT_OF_ORDER),
        (Page(ROWS[::-1], 1000), Trouble.OUT_OF_ORDER),
        (Page([changed(row, updated_at=None) for row in ROWS], 1000), Trouble.OUT_OF_ORDER),
        (Page([changed(row, updated_at="soon") for row in ROWS], 1000), Trouble.OUT_OF_ORDER),
        (Page([ListedTrainee()] * 250, 250), Trouble.NAMELESS),
        (Page([], 10), Trouble.TOO_FEW),
        (Page([], None), Trouble.NO_COUNT),
        (Page([trainee(1)], 10), Trouble.TOO_FEW),
        (Page([trainee(1)], None), Trouble.NO_COUNT),
        (Page([trainee(1)] * 2, 2), Trouble.TOO_FEW),
    ],
)
def test_a_list_that_cannot_be_trusted_ends_matching_soon(page: Page, trouble: Trouble) -> None:
    look, _, asked = everything(page)
    assert look.has_stopped
    assert look.findings[0].trouble is trouble
    assert len(asked) <= 18


def test_a_list_that_cannot_be_trusted_leaves_rows_with_an_id_to_be_read() -> None:
    there = register(60)
    look = Look(ids(0, 60), shelf := Shelf(), cycles=CYCLES)
    page = Page([trainee(number) for number in range(30)], 10)
    played(look, lambda ask: page if isinstance(ask, AskPage) else there.answer(ask), most=200)
    assert set(shelf.kept) == set(ids(0, 60))
    assert look.findings
    assert not look.saw_every_list


def test_a_list_that_always_shows_more_is_bounded() -> None:
    served = iter(range(10**9))

    def more(ask: Ask) -> Answer:
        return Page([trainee(next(served))], 100_000)

    look = Look([], Shelf(), cycles=(2026,), is_matching=True)
    asked = played(look, more, most=200_000)
    assert look.has_stopped
    assert len(asked) < 100


def test_a_list_that_shrinks_once_is_read_again() -> None:
    there = register(600)

    def shrinking(ask: Ask) -> Answer:
        if there.asked == 1:
            del there.cycles[2026][500]
        return there.answer(ask)

    look = Look([], shelf := Shelf(), cycles=(2026,), is_matching=True)
    asked = played(look, shrinking)
    assert (len(shelf.kept), look.findings, len(asked)) == (599, [], 6)


def test_a_list_that_always_lacks_someone_is_told_after_some_passes() -> None:
    there = register(30)

    def lacking(ask: Ask) -> Answer:
        page = there.answer(ask)
        return Page(page.trainees[1:], page.total_count) if isinstance(page, Page) else page

    look = Look([], Shelf(), cycles=(2026,), is_matching=True)
    asked = played(look, lacking)
    assert look.findings[0].trouble is Trouble.TOO_FEW
    assert len(asked) <= 3 * MOST_PASSES


def test_the_later_sight_of_a_trainee_is_the_last_that_is_kept() -> None:
    there = register(600)

    def changing(ask: Ask) -> Answer:
        if there.asked == 1:
            there.cycles[2026][0] = trainee(0, tick=80_000, state="withdrawn")
        return there.answer(ask)

    look = Look([], shelf := Shelf(), cycles=(2026,), is_matching=True)
    played(look, changing)
    assert shelf.kept["trainee-000000"][0].state == "withdrawn"


def test_a_trainee_shows_nothing_personal() -> None:
    shown = repr(trainee(1, last_name="Okafor", date_of_birth="1999-04-02", trn="1234567"))
    assert not [secret for secret in ("Okafor", "1999", "1234567") if secret in shown]


def test_a_hundred_thousand_trainees_are_read_in_four_hundred_pages() -> None:
    known = [trainee(number) for number in range(100_000)]
    places = {row.updated_at: place for place, row in enumerate(known)}

    def answer(ask: Ask) -> Answer:
        assert isinstance(ask, AskPage)
        first = places[ask.since] if ask.since else 0
        assert ask.page == 1, "no deep pages"
        return Page(known[first : first + ask.per_page], len(known) - first)

    seen: set[str | None] = set()
    look = Look([], lambda one, _: seen.add(one.trainee_id), cycles=(2026,), is_matching=True)
    assert len(played(look, answer)) == -(-100_000 // 249)
    assert (len(seen), look.findings) == (100_000, [])


def test_pages_that_disagree_about_how_many_there_are_lose_nobody() -> None:
    there = register(600)

    def disagreeing(ask: Ask) -> Answer:
        page = there.answer(ask)
        is_odd = isinstance(page, Page) and there.asked % 2 == 0
        return Page(page.trainees, 251) if is_odd else page  # type: ignore[union-attr]

    look = Look([], shelf := Shelf(), cycles=(2026,), is_matching=True)
    played(look, disagreeing, most=100)
    assert len(shelf.kept) == 600 or look.has_stopped
