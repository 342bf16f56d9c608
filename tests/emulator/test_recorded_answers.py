"""The model against answers that the service's own application gave.

The recordings lie in the folder that is shared with other projects, where there is one; some of
them are copied here, and every fact in them stands as a test of its own in `test_model.py`.
"""

from __future__ import annotations

import json
from typing import Any

from batch.emulator.model import Register
from batch.emulator.replies import Response
from batch.emulator.requests import route_of
from batch.emulator.trainees import STATES, Trainee
from tests.support import shared, troubles

RECORDINGS = shared.file("register/recorded-answers.jsonl")
UNKNOWN = ("unknown", "other-provider", "id-", "show-unknown", "auth-missing-unknown")
ALREADY_DEFERRED = ("second-2nd-same-body", "queue-down-retry-after-500")
IN_FRONT = {
    "blocklisted-ua": troubles.BLOCKED,
    "maintenance-POST-defer": troubles.MAINTENANCE,
    "maintenance-GET-info": troubles.MAINTENANCE,
    "queue-down-500-but-deferred": troubles.APPLICATION_ERROR,
    "postgres-down-defer": troubles.DATABASE_DOWN,
}
COPIED = """
{"name": "success", "request": {"method": "POST", "path": "/api/v2025.0/trainees/Sp6oBB92AezWtiAgufXjPAcc/defer", "headers": {"Content-Type": "application/json", "Authorization": "Bearer TOKEN"}, "body": "{\\"data\\": {\\"defer_date\\": \\"2026-10-01\\", \\"defer_reason\\": \\"Illness\\"}}"}, "response": {"status": 200, "headers": {"content-type": "application/json; charset=utf-8", "cache-control": "max-age=0, private, must-revalidate"}, "body": "{\\"data\\": {\\"defer_date\\": \\"2026-10-01\\", \\"defer_reason\\": \\"Illness\\", \\"state\\": \\"deferred\\", \\"trainee_id\\": \\"Sp6oBB92AezWtiAgufXjPAcc\\"}}"}}
{"name": "date-null", "request": {"method": "POST", "path": "/api/v2025.0/trainees/9WFp7SyYBjvFBnUZSNTDPM6o/defer", "headers": {"Content-Type": "application/json", "Authorization": "Bearer TOKEN"}, "body": "{\\"data\\": {\\"defer_date\\": null}}"}, "response": {"status": 422, "headers": {"content-type": "application/json; charset=utf-8", "cache-control": "no-cache"}, "body": "{\\"errors\\":[{\\"error\\":\\"UnprocessableEntity\\",\\"message\\":\\"defer_date can't be blank\\"}]}"}}
{"name": "body-malformed", "request": {"method": "POST", "path": "/api/v2025.0/trainees/HCbBrhGbHG4BPPT6DhL99knY/defer", "headers": {"Content-Type": "application/json", "Authorization": "Bearer TOKEN"}, "body": "{\\"data\\":{\\"defer_date\\":\\"2026-10-01\\""}, "response": {"status": 400, "headers": {"content-type": "application/json; charset=utf-8", "cache-control": "no-cache"}, "body": "{\\"errors\\":[\\"Expected ',' or '}' after object value, got: eof at line 1 column 35\\"]}"}}
{"name": "state-withdrawn", "request": {"method": "POST", "path": "/api/v2025.0/trainees/r16Hu6ASe3S2LLhF6eawqAjz/defer", "headers": {"Content-Type": "application/json", "Authorization": "Bearer TOKEN"}, "body": "{\\"data\\": {\\"defer_date\\": \\"2026-10-01\\"}}"}, "response": {"status": 422, "headers": {"content-type": "application/json; charset=utf-8", "cache-control": "no-cache"}, "body": "{\\"errors\\":[{\\"error\\":\\"UnprocessableEntity\\",\\"message\\":\\"state is invalid must be one of [submitted_for_trn, trn_received]\\"}]}"}}
{"name": "auth-missing-unknown-trainee", "request": {"method": "POST", "path": "/api/v2025.0/trainees/zzzz/defer", "headers": {"Content-Type": "application/json"}, "body": "{\\"data\\": {\\"defer_date\\": \\"2026-10-01\\"}}"}, "response": {"status": 401, "headers": {"content-type": "application/json; charset=utf-8", "cache-control": "no-cache"}, "body": "{\\"error\\":\\"Unauthorized\\"}"}}
{"name": "show-unknown", "request": {"method": "GET", "path": "/api/v2025.0/trainees/zzzz", "headers": {"Authorization": "Bearer TOKEN"}, "body": null}, "response": {"status": 404, "headers": {"content-type": "application/json; charset=utf-8", "cache-control": "no-cache"}, "body": "{\\"errors\\":[{\\"error\\":\\"NotFound\\",\\"message\\":\\"Trainee(s) not found\\"}]}"}}
{"name": "throttled-GET-show", "request": {"method": "GET", "path": "/api/v2025.0/trainees/ZJy8nQFYzyYS2B1YkVSLoATP", "headers": {"Authorization": "Bearer TOKEN"}, "body": null}, "response": {"status": 429, "headers": {"content-type": "text/plain", "retry-after": "9", "cache-control": "no-cache"}, "body": "Retry later\\n"}}
"""


def test_model_answers_as_the_service_did() -> None:
    others = RECORDINGS.read_text("utf-8") if RECORDINGS.exists() else ""
    recordings = [json.loads(line) for line in (COPIED + others).splitlines() if line]
    differing = [recording["name"] for recording in recordings if not agrees(recording)]
    assert len(recordings) >= 7
    assert differing == []


def agrees(recording: dict[str, Any]) -> bool:
    recorded, reply = recording["response"], answered(recording)
    headers = {name: reply.headers.get(name) for name in recorded["headers"]}
    same_page = recorded["headers"]["content-type"] == "text/html"  # the recording is shortened
    return bool(
        reply.status == recorded["status"]
        and headers == recorded["headers"]
        and (same_page or content(reply.body.decode()) == content(recorded["body"]))
    )


def answered(recording: dict[str, Any]) -> Response:
    if front := IN_FRONT.get(recording["name"]):
        return front.reply
    request, retry_after = recording["request"], recording["response"]["headers"].get("retry-after")
    headers = request["headers"]
    register = Register(
        known(recording["name"], route_of(request["method"], request["path"]).trainee_id),
        clock=lambda: 6_000_060.0 - float(retry_after or 0),
        rate_limit=(0, 60.0) if retry_after else None,
        token="TOKEN",
    )
    return register.answer(
        request["method"],
        request["path"],
        token=headers.get("Authorization", "").removeprefix("Bearer "),
        body=(request["body"] or "").encode(),
        content_type=headers.get("Content-Type", ""),
    )


def known(name: str, trainee_id: str) -> list[Trainee]:
    if name.startswith(UNKNOWN) or not trainee_id:
        return []
    if name == "slug-lowercase":
        return [Trainee("DcnQWzcLgXXuL2GNFDZbReS1")]
    states = [state for state in STATES if name.startswith(f"state-{state}")]
    state = "deferred" if name in ALREADY_DEFERRED else (states or ["trn_received"])[0]
    invalid = name.startswith("trainee-invalid")
    return [Trainee(trainee_id, state=state, has_invalid_data=invalid)]


def content(body: str) -> Any:
    """Return what the body says, without what depends on the trainee or was cut from recordings."""
    try:
        said = json.loads(body)
    except ValueError:
        return body
    trainee = said.get("data", said)
    if "trainee_id" not in trainee:
        return said
    kept = ("trainee_id", "state", "defer_date", "defer_reason")
    return "data" in said, {name: trainee[name] for name in kept}
