"""Two machines send one list at the same moment: Register answers 200 to both, and holds one."""

from __future__ import annotations

import asyncio
import subprocess
from collections import defaultdict
from pathlib import Path

from batch.emulator.model import Begun
from batch.emulator.rehearsal import rehearsal_register
from batch.emulator.requests import Endpoint, Route
from batch.emulator.server import Emulator, Exchange, Strike, serve
from batch.emulator.trainees import Trainee
from tests.support.office import TOKEN, Office, Ran

IDS = [f"trainee{number:04}" for number in range(40)]
DATES = ("2026-10-01", "2026-10-02")


class BothAtOnce:
    """Answers a deferral once two have passed the checks for its trainee: both are then made."""

    def __init__(self) -> None:
        self._there: dict[str, int] = defaultdict(int)
        self._both: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def strike(self, route: Route) -> Strike | None:
        return self._struck if route.endpoint is Endpoint.DEFER else None

    async def _struck(self, exchange: Exchange) -> None:
        trainee_id = exchange.route.trainee_id
        begun = exchange.register.begin(exchange.request)
        assert isinstance(begun, Begun)
        self._there[trainee_id] += 1
        if self._there[trainee_id] == 2:
            self._both[trainee_id].set()
        await self._both[trainee_id].wait()
        await exchange.answer(exchange.register.commit(begun))


def machine(folder: Path, emulator: Emulator, date: str) -> tuple[Office, subprocess.Popen[str]]:
    folder.mkdir()
    office = Office(folder, {"DEFER_BATCH_API_TOKEN": TOKEN})
    office.write("list.csv", "trainee_id,defer_date\n" + "".join(f"{i},{date}\n" for i in IDS))
    target = ("--register", emulator.base_url, "--rate-limit", "none")
    return office, office.start("run", "list.csv", *target)


def test_each_run_names_every_row_that_register_does_not_hold(tmp_path: Path) -> None:
    known = [Trainee(trainee_id, state="trn_received") for trainee_id in IDS]
    model = rehearsal_register(known, rate_limit=None, token=TOKEN)
    with serve(model, plan=BothAtOnce()) as emulator:
        machines = [machine(tmp_path / date, emulator, date) for date in DATES]
        printed = [process.communicate() for _, process in machines]
    dates = {one: getattr(model.trainee(one), "defer_date", None) for one in IDS}
    not_held = 0
    for (office, process), (out, err), date in zip(machines, printed, DATES, strict=True):
        told = Ran(process.returncode, out, err, office.reports).codes()
        true = {row: dates[one] == date for row, one in enumerate(IDS, 2)}
        assert told == {
            n: "deferred" if is_held else "deferral_not_held" for n, is_held in true.items()
        }
        not_held += sum(not is_held for is_held in true.values())
    assert not_held == len(IDS)
