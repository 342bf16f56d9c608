"""Files as people made them, each run to its end against a real server, where they are present."""

from __future__ import annotations

import json
import re
from typing import Any

import openpyxl
import pytest

from batch.emulator.rehearsal import rehearsal_register
from batch.emulator.server import serve
from batch.emulator.trainees import Trainee
from tests.support import shared
from tests.support.office import TOKEN, Office

EXPECTED = shared.file("cases/expected.jsonl")
CASES = EXPECTED.parent
LINES = EXPECTED.read_text("utf-8").splitlines() if EXPECTED.exists() else ['{"file": "any"}']


def known_to_the_server(case: dict[str, Any]) -> list[Trainee]:
    if "trainees" in case:
        return [
            Trainee(known[0], state=known[1], defer_date=known[2] or None, trn=known[3])
            for known in case["trainees"]
        ]
    path = CASES / case["file"]
    if path.suffix == ".xlsx":
        book = openpyxl.load_workbook(path, read_only=True)
        values = [
            str(value)
            for sheet in book.worksheets
            for row in sheet.iter_rows(max_row=60, max_col=30, values_only=True)
            for value in row
        ]
        book.close()
    else:
        values = re.findall(r"\b[A-Za-z0-9]{24}\b", path.read_bytes().decode("mac-roman"))
    return [Trainee(value, state="trn_received") for value in {*values} if len(value) == 24]


@shared.needs(EXPECTED)
@pytest.mark.parametrize(
    "case",
    [json.loads(line) for line in LINES],
    ids=lambda case: " ".join([case["file"], *case.get("args", [])]),
)
def test_every_case_ends_as_it_must(office: Office, case: dict[str, Any]) -> None:
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write(case["file"], (CASES / case["file"]).read_bytes())
    model = rehearsal_register(known_to_the_server(case), rate_limit=None, token=TOKEN)
    with serve(model) as emulator:
        target = ("--register", emulator.base_url, "--rate-limit", "none")
        ran = office.run("run", case["file"], *target, *case.get("args", []))
        held = {t.trainee_id: t.defer_reason for t in model.trainees()}
    assert ran.code in case.get("exits", [case.get("exit")]), ran.err
    if "rows" in case:
        found = {
            row["row"]: [row["outcome"], row["code"]]
            for outcome in ("succeeded", "not_found", "unprocessable", "unresolved")
            for row in ran.rows(outcome)
        }
        assert {number: found[number] for number in case["rows"]} == case["rows"]
    for trainee_id, reason in case.get("sent", {}).items():
        assert held[trainee_id] == reason
