"""Asking Register for what the roster wants to know: pages of lists, and single trainees."""

from __future__ import annotations

import asyncio

from batch.errors import RefusedByRegister
from batch.register.answers import Kind, Meaning
from batch.roster.listing import Answer, Ask, AskPage, Found, Look, Page, Said
from batch.submission.paced_client import MOST_READ_FAILURES, PacedClient

_REFUSALS = frozenset({Kind.UNAUTHORISED, Kind.FORBIDDEN, Kind.REDIRECTED, Kind.VERSION_NOT_SERVED})


async def look_up(look: Look, register: PacedClient, *, kind: str, at_once: int) -> None:
    """Ask all that a look wants to know, some at once where it may be.

    `kind` is what the journal counts the requests as. Raises RefusedByRegister where no answer
    will ever come.
    """
    while True:
        asks: list[Ask] = []
        while len(asks) < at_once and (ask := look.ask()) is not None:
            asks.append(ask)
        if not asks:
            return
        answers = await asyncio.gather(*(_answer_to(ask, register, kind) for ask in asks))
        for ask, answer in zip(asks, answers, strict=True):
            look.take(ask, answer)


async def _answer_to(ask: Ask, register: PacedClient, kind: str) -> Answer:
    """Return an answer; a read that fails is asked again, of a list the roster decides."""
    for _ in range(1 if isinstance(ask, AskPage) else MOST_READ_FAILURES):
        meaning = await register.look(ask, kind)
        if not meaning.is_service_failure:
            return _as_answer(meaning)
    return Said.TOO_SLOW


def _as_answer(meaning: Meaning) -> Answer:
    match meaning.kind:
        case Kind.LISTED if meaning.page is not None:
            return Page(meaning.page.trainees, meaning.page.meta.total_count)
        case Kind.FOUND if meaning.trainee is not None:
            return Found(meaning.trainee)
        case Kind.NOBODY | Kind.NOT_FOUND:
            return Said.NOBODY
        case Kind.REFUSED if meaning.status == 422:
            return Said.UNKNOWN_CYCLE
        case Kind.WRONG_PATH | Kind.REFUSED:
            return Said.NO_LIST
        case kind if kind in _REFUSALS:
            raise RefusedByRegister(
                f"Register {meaning.words} while the trainees were looked up. Nothing was sent.",
                hint="check the token and the address, then run the same command again",
            )
        case _:
            return Said.TOO_SLOW
