"""What a programmer would write in ten minutes: a journal's only run as four CSVs, and no more.

`python plain_report.py JOURNAL FOLDER` prints the processor and wall seconds of the writing alone.
"""

from __future__ import annotations

import csv
import json
import sqlite3
import sys
import time
from pathlib import Path

_ROWS = """
SELECT own_values, row_number, coalesce(outcome, 'unresolved'), code, message, http_status,
    count(attempt_id), trainee_id, defer_date, defer_reason, r.register_date, settled_at
FROM rows r LEFT JOIN attempts a USING (run_no, row_number)
GROUP BY run_no, row_number
"""


def write(journal: Path, folder: Path) -> None:
    found: dict[str, list[list[object]]] = {}
    for own, *cells in sqlite3.connect(journal).execute(_ROWS):
        found.setdefault(cells[1], []).append([*json.loads(own), *cells])
    began = time.process_time(), time.perf_counter()
    for outcome, rows in found.items():
        with (folder / f"{outcome}.csv").open("w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file).writerows(rows)
    print(time.process_time() - began[0], time.perf_counter() - began[1])


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
