"""What a programmer would write in ten minutes: a CSV, httpx, ten workers; no journal, no report.

`python bare.py URL FILE`: the peer that `make bench` holds a whole run against.
"""

from __future__ import annotations

import asyncio
import csv
import sys
from pathlib import Path

import httpx


async def submit(url: str, path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        rows = iter(list(csv.DictReader(file)))
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": "Bearer x"}) as client:

        async def work() -> None:
            for row in rows:
                body = {"data": {"defer_date": row["defer_date"]}}
                address = f"/api/v2025.0/trainees/{row['trainee_id']}/defer"
                (await client.post(address, json=body)).raise_for_status()

        await asyncio.gather(*(work() for _ in range(10)))


if __name__ == "__main__":
    asyncio.run(submit(sys.argv[1], Path(sys.argv[2])))
