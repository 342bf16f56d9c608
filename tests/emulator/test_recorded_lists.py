"""The model against a recorded sequence of lists, reads and the deferrals between them.

The recordings lie in the folder that is shared with other projects, where there is one; what
they show stands as tests of its own in `test_list_endpoint.py`.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from batch.emulator.model import Register
from batch.emulator.trainees import Trainee
from tests.support import shared

RECORDINGS = shared.file("register/recorded-lists.jsonl")
RECORDED = ("2026-11-26T19:30:00.000Z", "v2026.1")
IN_NO_LIST: dict[str, dict[str, Any]] = {
    "xDVoQNFiLhSvmNmocxeBiBPX": {"is_discarded": True},
    "4q8iJNswqEXXJSscsDiLPjB5": {"has_start_cycle": False},
}
ON_TIME_WITHOUT_A_DATE: dict[str, dict[str, Any]] = {
    "bYeipTKtE4YHAkXKkB73n4Xq": {"started_on_time": True}
}
NOT_OF_A_PERSON = {"ukprn"}


@shared.needs(RECORDINGS)
def test_model_lists_as_the_service_did() -> None:
    lines = RECORDINGS.read_text("utf-8").splitlines()
    recordings = [json.loads(line) for line in lines if line]
    replay = Replay(recordings)
    differing = [recording["name"] for recording in recordings if not replay.agrees(recording)]
    assert len(recordings) >= 107
    assert differing == []


class Replay:
    """The service of the recordings, at the moment of each."""

    def __init__(self, recordings: list[dict[str, Any]]) -> None:
        self._now = seconds(RECORDED[0])
        self._registers = {
            "TOKEN": self._register("TOKEN", first_seen(recordings)),
            "TOKEN-empty-provider": self._register("TOKEN-empty-provider", ()),
        }

    def _register(self, token: str, known: tuple[Trainee, ...]) -> Register:
        return Register(known, clock=lambda: self._now, token=token, versions=(RECORDED[1],))

    def agrees(self, recording: dict[str, Any]) -> bool:
        """Return whether the model answers the recording's request as the service did."""
        request, recorded = recording["request"], recording["response"]
        expected = json.loads(recorded["body"])
        if request["method"] == "POST" and "data" in expected:
            self._now = seconds(expected["data"]["updated_at"])
        token = request["headers"].get("Authorization", "").removeprefix("Bearer ")
        reply = self._registers.get(token, self._registers["TOKEN"]).answer(
            request["method"],
            request["path"],
            token=token,
            body=(request["body"] or "").encode(),
        )
        headers = {name: reply.headers.get(name) for name in recorded["headers"]}
        said = json.loads(reply.body)
        same = without_invented(said, expected) == expected
        return (reply.status, headers) == (recorded["status"], recorded["headers"]) and same


def first_seen(recordings: list[dict[str, Any]]) -> tuple[Trainee, ...]:
    """Return the trainees as the recordings first show them."""
    seen: dict[str, dict[str, Any]] = {}
    for recording in recordings:
        for trainee in trainees_of(json.loads(recording["response"]["body"])):
            seen.setdefault(trainee["trainee_id"], trainee)
    return tuple(map(trainee_of, seen.values()))


def trainees_of(content: dict[str, Any]) -> list[dict[str, Any]]:
    inner = content.get("data", content)
    rows = inner if isinstance(inner, list) else [inner]
    return [row for row in rows if "trainee_id" in row]


def trainee_of(shown: dict[str, Any]) -> Trainee:
    kept = {name: value for name, value in shown.items() if name not in NOT_OF_A_PERSON}
    kept["updated_at"] = seconds(shown["updated_at"])
    more: dict[str, Any] = (IN_NO_LIST | ON_TIME_WITHOUT_A_DATE).get(shown["trainee_id"], {})
    return Trainee(**kept, **more)


def without_invented(said: Any, expected: Any) -> Any:
    """Return what was said without the values of trainees that the recordings leave out."""
    for ours, theirs in zip(trainees_of(said), trainees_of(expected), strict=False):
        for name in ours.keys() - theirs.keys():
            del ours[name]
    return said


def seconds(moment: str) -> float:
    return dt.datetime.fromisoformat(moment).timestamp()
