"""The facts of Register's behaviour, one a test."""

import json
from typing import Any

import pytest

from batch.emulator.model import ANY_TOKEN, Actor, Begun, Deed, Register, Request
from batch.emulator.replies import Response
from batch.emulator.trainees import STATES, Trainee

DATE = "2026-10-01"
STATE_REFUSED = "state is invalid must be one of [submitted_for_trn, trn_received]"
MISSING = "Param is missing or the value is empty or invalid: data"


def held(service: Register, trainee_id: str = "Ab1") -> Trainee:
    trainee = service.trainee(trainee_id)
    assert trainee is not None
    return trainee


class Clock:
    now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


def register(*trainees: Trainee, **settings: Any) -> Register:
    return Register(trainees, **{"clock": Clock(), **settings})


def path(trainee_id: str = "Ab1", version: str = "v2025.0", endpoint: str = "/defer") -> str:
    return f"/api/{version}/trainees/{trainee_id}{endpoint}"


def data(**values: object) -> bytes:
    return json.dumps({"data": values}).encode()


def defer(service: Register, trainee_id: str = "Ab1", **values: object) -> Response:
    return service.answer("POST", path(trainee_id), body=data(**({"defer_date": DATE} | values)))


def said(reply: Response) -> list[str]:
    errors = json.loads(reply.body)["errors"]
    return [error["message"] if isinstance(error, dict) else error for error in errors]


def test_deferral_answers_200_with_the_trainee() -> None:
    reply = defer(register(Trainee("Ab1")), defer_reason="Illness")
    trainee = json.loads(reply.body)["data"]
    assert reply.status == 200
    assert (trainee["trainee_id"], trainee["state"]) == ("Ab1", "deferred")
    assert (trainee["defer_date"], trainee["defer_reason"]) == (DATE, "Illness")


@pytest.mark.parametrize("state", STATES)
def test_only_two_states_can_be_deferred(state: str) -> None:
    reply = defer(register(Trainee("Ab1", state=state)))
    expected = 200 if state in {"submitted_for_trn", "trn_received"} else 422
    assert reply.status == expected
    assert expected == 200 or said(reply) == [STATE_REFUSED]


def test_deferring_again_is_refused_in_the_words_for_a_wrong_state() -> None:
    service = register(Trainee("Ab1"))
    assert defer(service).status == 200
    assert said(defer(service)) == [STATE_REFUSED]


def test_state_is_looked_at_only_when_date_and_reason_are_good() -> None:
    service = register(Trainee("Ab1", state="awarded"))
    assert said(defer(service, defer_date="abc")) == ["defer_date is invalid"]


def test_both_problems_are_told_at_once() -> None:
    reply = defer(register(Trainee("Ab1")), defer_date="abc", defer_reason="x" * 501)
    too_long = "defer_reason is too long (maximum is 500 characters)"
    assert said(reply) == ["defer_date is invalid", too_long]


@pytest.mark.parametrize("letter", ["x", "😀", " "])
def test_500_code_points_of_reason_are_accepted_and_501_are_not(letter: str) -> None:
    assert defer(register(Trainee("Ab1")), defer_reason=letter * 500).status == 200
    assert defer(register(Trainee("Ab1")), defer_reason=letter * 501).status == 422


@pytest.mark.parametrize("reason", [None, "", "a\nb\r\nc"])
def test_reason_is_stored_as_it_came(reason: str | None) -> None:
    service = register(Trainee("Ab1"))
    defer(service, defer_reason=reason)
    assert held(service).defer_reason == reason


@pytest.mark.parametrize("date", [None, "", "  ", ["2026-10-01"]])
def test_blank_date_is_refused(date: object) -> None:
    assert said(defer(register(Trainee("Ab1")), defer_date=date)) == ["defer_date can't be blank"]


def test_week_date_defers_and_stores_no_date() -> None:
    service = register(Trainee("Ab1"))
    reply = defer(service, defer_date="2024-W25-1")
    assert (reply.status, json.loads(reply.body)["data"]["defer_date"]) == (200, None)
    assert held(service).state == "deferred"


def test_date_of_129_characters_is_an_application_error() -> None:
    reply = defer(register(Trainee("Ab1")), defer_date=DATE + " " * 119)
    assert (reply.status, reply.body) == (500, b'{"error":"Internal server error"}')


@pytest.mark.parametrize("body", [b"", b"{}", b'{"data":{}}', b'{"data":null}', b"[]"])
def test_body_without_data_is_refused_with_a_plain_string(body: bytes) -> None:
    reply = register(Trainee("Ab1")).answer("POST", path(), body=body)
    assert (reply.status, said(reply)) == (422, [MISSING])


def test_body_of_another_content_type_is_not_read() -> None:
    reply = register(Trainee("Ab1")).answer(
        "POST", path(), body=data(defer_date=DATE), content_type="text/plain"
    )
    assert (reply.status, said(reply)) == (422, [MISSING])


def test_content_type_may_name_its_charset() -> None:
    service = register(Trainee("Ab1"))
    content_type = "application/json; charset=utf-8"
    reply = service.answer("POST", path(), body=data(defer_date=DATE), content_type=content_type)
    assert reply.status == 200


def test_malformed_json_is_a_400() -> None:
    reply = register(Trainee("Ab1")).answer("POST", path(), body=b'{"data":{')
    assert (reply.status, len(said(reply))) == (400, 1)


def test_data_that_is_no_object_is_an_application_error() -> None:
    assert register(Trainee("Ab1")).answer("POST", path(), body=b'{"data":"x"}').status == 500


def test_trainee_with_other_bad_data_is_refused_in_another_shape() -> None:
    reply = defer(register(Trainee("Ab1", has_invalid_data=True)))
    assert (reply.status, reply.body) == (422, b'{"error":"Unprocessable entity"}')


@pytest.mark.parametrize("trainee_id", ["zzzz", "%2e%2e", "abc%2Fdef", "Ab1x"])
def test_unknown_trainee_is_a_404_about_the_trainee_before_the_date_is_looked_at(
    trainee_id: str,
) -> None:
    reply = defer(register(Trainee("Ab1")), trainee_id, defer_date="abc")
    assert (reply.status, said(reply)) == (404, ["Trainee(s) not found"])


def test_ids_are_compared_without_regard_to_case_and_answered_as_stored() -> None:
    reply = defer(register(Trainee("Ab1")), "aB1")
    assert json.loads(reply.body)["data"]["trainee_id"] == "Ab1"


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/api/v2024.0/trainees/Ab1/defer"),
        ("GET", "/api/v2024.0/info"),
        ("GET", "/api/v2025.0/trainees/Ab1/defer"),
        ("POST", "/api/v2025.0/trainees/Ab1"),
        ("POST", "/api/v2025.0/trainees/a/b/defer"),
        ("POST", "/api/v2025.0/trainees/../defer"),
        ("GET", "/api"),
    ],
)
def test_path_that_leads_nowhere_is_the_other_404(method: str, target: str) -> None:
    reply = register(Trainee("Ab1")).answer(method, target)
    assert (reply.status, said(reply)) == (404, ["Not found"])


def test_odd_bytes_in_a_path_are_a_400_without_a_body() -> None:
    reply = register().answer("GET", path("%ff", endpoint=""))
    assert (reply.status, reply.body) == (400, b"")


def test_path_outside_the_api_is_a_page() -> None:
    reply = register(token="good").answer("GET", "/guidance")
    assert (reply.status, reply.headers["content-type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize("token", [None, "", "nope"])
@pytest.mark.parametrize("target", ["/api/v2025.0/info", "/api/v2024.0/info", path("zz")])
def test_token_is_looked_at_first(token: str | None, target: str) -> None:
    reply = register(token="good").answer("GET", target, token=token)
    assert (reply.status, reply.body) == (401, b'{"error":"Unauthorized"}')


def test_any_token_can_be_good_but_one_must_come() -> None:
    service = register(token=ANY_TOKEN)
    assert service.answer("GET", "/api/v2025.0/info", token="x").status == 200
    assert service.answer("GET", "/api/v2025.0/info").status == 401


@pytest.mark.parametrize("version", ["v2025.0", "v2026.1"])
def test_info_names_the_version_asked_for_and_the_latest(version: str) -> None:
    reply = register().answer("GET", f"/api/{version}/info")
    versions = {"requested": version, "latest": "v2026.1"}
    assert json.loads(reply.body) == {"status": "ok", "version": versions}


def test_retired_version_is_not_found() -> None:
    service = register(Trainee("Ab1"), versions=("v2026.1",))
    assert said(defer(service)) == ["Not found"]


def test_read_answers_the_bare_trainee() -> None:
    service = register(Trainee("Ab1", state="deferred", defer_date=DATE))
    trainee = json.loads(service.answer("GET", path("ab1", endpoint="")).body)
    assert (trainee["trainee_id"], trainee["state"], trainee["defer_date"]) == (
        "Ab1",
        "deferred",
        DATE,
    )


def test_read_of_an_unknown_trainee_is_a_404_about_the_trainee() -> None:
    reply = register().answer("GET", path("zzzz", endpoint=""))
    assert (reply.status, said(reply)) == (404, ["Trainee(s) not found"])


def test_unheard_of_trainee_can_be_accepted_and_is_then_kept() -> None:
    service = register(accepts_unknown=str.isalnum)
    assert defer(service, "New1").status == 200
    assert said(defer(service, "new1")) == [STATE_REFUSED]
    assert defer(service, "no-no").status == 404


def test_each_answer_has_its_own_request_id_and_no_date() -> None:
    service = register(rate_limit=(1, 60))
    replies = [service.answer("GET", "/api/v2025.0/info") for _ in range(3)]
    assert len({reply.headers["x-request-id"] for reply in replies}) == 3
    assert not any("date" in reply.headers for reply in replies)


def test_one_request_too_many_is_throttled_until_the_next_window_of_the_clock() -> None:
    clock = Clock()
    clock.now = 6_000_002.7
    service = register(Trainee("Ab1"), clock=clock, rate_limit=(2, 60))
    replies = [service.answer("GET", path(endpoint="")) for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 429]
    assert (replies[2].headers["retry-after"], replies[2].body) == ("58", b"Retry later\n")
    clock.now = 6_000_060.0
    assert service.answer("GET", path(endpoint="")).status == 200


def test_refused_and_unknown_requests_count_too_and_throttling_comes_before_the_token() -> None:
    service = register(rate_limit=(4, 60), token="good")
    service.answer("GET", "/api/v2025.0/info")
    service.answer("GET", "/api/nothing", token="good")
    defer(service)
    service.answer("GET", path("zzzz", endpoint=""), token="good")
    assert service.answer("GET", "/api/v2025.0/info").status == 429


def test_throttled_request_is_not_processed_and_spends_nobody_elses_budget() -> None:
    service = register(Trainee("Ab1"), rate_limit=(1, 60))
    service.answer("GET", "/api/v2025.0/info")
    assert defer(service).status == 429
    assert held(service).state == "trn_received"
    assert service.answer("GET", "/api/v2025.0/info", address="10.0.0.9").status == 200


def test_page_outside_the_api_does_not_count() -> None:
    service = register(rate_limit=(1, 60))
    service.answer("GET", "/guidance")
    assert service.answer("GET", "/api/v2025.0/info").status == 200


def test_reinstating_leaves_the_date_and_makes_the_trainee_deferrable() -> None:
    service = register(Trainee("Ab1"))
    defer(service)
    service.reinstate("ab1")
    trainee = held(service)
    assert (trainee.state, trainee.defer_date) == ("trn_received", DATE)
    assert trainee.reinstate_date
    assert defer(service).status == 200


def test_history_tells_who_did_what() -> None:
    service = register(Trainee("Ab1"))
    service.defer("Ab1", "2026-09-01")
    service.reinstate("Ab1")
    defer(service)
    assert [(event.who, event.deed, event.defer_date) for event in service.history] == [
        (Actor.OTHER, Deed.DEFERRED, "2026-09-01"),
        (Actor.OTHER, Deed.REINSTATED, "2026-09-01"),
        (Actor.API, Deed.DEFERRED, DATE),
    ]
    assert service.deferrals_by_api("AB1") == (0, 1)


def test_two_deferrals_at_the_same_moment_both_answer_200() -> None:
    service = register(Trainee("Ab1"))
    request = Request("POST", path(), body=data(defer_date=DATE))
    first, second = service.begin(request), service.begin(request)
    assert isinstance(first, Begun)
    assert isinstance(second, Begun)
    assert [service.commit(first).status, service.commit(second).status] == [200, 200]
    assert service.deferrals_by_api("Ab1") == (2,)


def test_somebody_can_withdraw_a_trainee_and_an_unknown_one_is_told() -> None:
    service = register(Trainee("Ab1"))
    service.set_state("Ab1", "withdrawn")
    assert said(defer(service)) == [STATE_REFUSED]
    with pytest.raises(KeyError):
        service.reinstate("zzzz")


def test_deferring_someone_who_began_on_time_sets_their_start() -> None:
    service = register(Trainee("Ab1", started_on_time=True, itt_start_date="2026-09-10"))
    defer(service)
    assert getattr(service.trainee("Ab1"), "trainee_start_date", None) == "2026-09-10"


@pytest.mark.parametrize("odd", [{"started_on_time": True}, {"course_years": 9}])
def test_some_trainees_cannot_be_deferred_and_nothing_is_saved(odd: dict[str, Any]) -> None:
    service = register(Trainee("Ab1", **odd))
    assert [defer(service).status, defer(service).status] == [500, 500]
    assert service.trainee("Ab1") == Trainee("Ab1", **odd)


def test_discarded_trainee_can_still_be_read_and_deferred() -> None:
    service = register(Trainee("Ab1", is_discarded=True))
    assert defer(service).status == 200
    assert service.answer("GET", "/api/v2025.0/trainees/Ab1").status == 200
