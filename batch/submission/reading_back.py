"""Reading trainees whose deferral may have been carried out, where nothing is to be sent again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from batch.codes import Code
from batch.register.answers import Meaning
from batch.rows import RowUnderWay, Settled
from batch.submission import settling
from batch.submission.paced_client import MOST_READ_FAILURES, PacedClient
from batch.submission.settling import Later, Read, Send, Step, Why

_NOT_CARRIED_OUT = (
    "Sent, and not deferred: read again after the wait, the trainee shows no deferral."
)


async def read_back(
    rows: Sequence[RowUnderWay],
    register: PacedClient,
    settled: dict[int, Settled],
    *,
    wait_seconds: float,
    at_once: int,
) -> None:
    """Put into `settled` what reading makes of each row; who cannot be read is left out.

    Who shows no deferral yet is read again after the wait: the request may still be under way.
    """
    places = asyncio.Semaphore(at_once)

    async def step_of(row: RowUnderWay, *, waited: bool) -> Step:
        async with places:
            meaning = await _read(row, register)
        return settling.after_read(row, Read(Why.LOST), meaning, waited=waited)

    async def left_of(some: Sequence[RowUnderWay], *, waited: bool) -> list[RowUnderWay]:
        steps = await asyncio.gather(*(step_of(row, waited=waited) for row in some))
        read = list(zip(some, steps, strict=True))
        settled.update((row.row_number, one) for row, step in read for one in _settled(step))
        return [row for row, step in read if isinstance(step, Later)]

    if left := await left_of(rows, waited=False):
        await asyncio.sleep(wait_seconds)
        await left_of(left, waited=True)


def _settled(step: Step) -> Iterator[Settled]:
    """Yield what the row becomes, where reading settled it."""
    match step:
        case Send():
            yield Settled(Code.NOT_SENT, _NOT_CARRIED_OUT)
        case Settled(code=code) if code is not Code.ANSWER_LOST:
            yield step


async def _read(row: RowUnderWay, register: PacedClient) -> Meaning:
    meaning = await register.read(row)
    for _ in range(MOST_READ_FAILURES - 1):
        if not meaning.is_service_failure:
            break
        meaning = await register.read(row)
    return meaning
