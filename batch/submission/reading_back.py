"""Reading trainees whose deferral may have been carried out, where nothing is to be sent again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

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

    async def read(row: RowUnderWay, *, waited: bool) -> Step:
        async with places:
            meaning = await _read(row, register)
        return settling.after_read(row, Read(Why.LOST), meaning, waited=waited)

    steps = await asyncio.gather(*(read(row, waited=False) for row in rows))
    for row, step in zip(rows, steps, strict=True):
        _take(row, step, settled)
    left = [row for row, step in zip(rows, steps, strict=True) if isinstance(step, Later)]
    if not left:
        return
    await asyncio.sleep(wait_seconds)
    steps = await asyncio.gather(*(read(row, waited=True) for row in left))
    for row, step in zip(left, steps, strict=True):
        _take(row, step, settled)


def _take(row: RowUnderWay, step: Step, settled: dict[int, Settled]) -> None:
    match step:
        case Settled(code=Code.ANSWER_LOST):
            pass
        case Settled():
            settled[row.row_number] = step
        case Send():
            settled[row.row_number] = Settled(Code.NOT_SENT, _NOT_CARRIED_OUT)
        case _:
            pass


async def _read(row: RowUnderWay, register: PacedClient) -> Meaning:
    meaning = await register.read(row)
    for _ in range(MOST_READ_FAILURES - 1):
        if not meaning.is_service_failure:
            break
        meaning = await register.read(row)
    return meaning
