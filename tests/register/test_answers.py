"""What each answer of Register means, row by row of the tables."""

from __future__ import annotations

import json

import pytest

from batch.register.answers import (
    Kind,
    Meaning,
    meaning_of_defer,
    meaning_of_info,
    meaning_of_list,
    meaning_of_look,
    meaning_of_read,
)
from batch.register.api import Answer, NoReply, Reply
from batch.register.body import DeferralRequest, is_about_another
from batch.rows import Deferral

OURS = Deferral("abcDEF", "2026-10-01", "Illness of a parent")


def reply(status: int, body: object = b"", **headers: str) -> Reply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(
        status, {name.replace("_", "-"): value for name, value in headers.items()}, content
    )


def trainee(**changed: object) -> dict[str, object]:
    return {"trainee_id": "abcDEF", "state": "deferred", "defer_date": "2026-10-01"} | changed


def errors(*messages: object) -> dict[str, object]:
    return {"errors": [{"error": "UnprocessableEntity", "message": m} for m in messages]}


NOT_FOUND = {"errors": [{"error": "NotFound", "message": "Trainee(s) not found"}]}
NO_SUCH_PATH = {"errors": [{"error": "NotFound", "message": "Not found"}]}
STATE = "state is invalid must be one of [submitted_for_trn, trn_received]"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply(200, {"data": trainee()}), Kind.DEFERRED),
        (reply(200, {"data": trainee(trainee_id="ABCdef")}), Kind.DEFERRED),
        (reply(200, {"data": trainee(state="recommended_for_award")}), Kind.DEFERRED),
        (reply(200, {"data": trainee(defer_date="2026-10-01T00:00:00Z")}), Kind.DEFERRED),
        (reply(201, {"data": trainee()}), Kind.DEFERRED),
        (reply(200, {"data": trainee(defer_date="2026-10-02")}), Kind.DIFFERS),
        (reply(200, {"data": trainee(defer_date="2026-09-30")}), Kind.DIFFERS),
        (reply(200, {"data": trainee(trainee_id="other")}), Kind.DIFFERS),
        (reply(200, {"data": trainee(trainee_id="abc")}), Kind.DIFFERS),
        (reply(200, {"data": trainee(trainee_id=7)}), Kind.DIFFERS),
        (reply(200, {"data": trainee(defer_date=None)}), Kind.NO_DATE),
        (reply(200, {"data": {}}), Kind.NO_DATE),
        (reply(200, {"data": []}), Kind.LOST),
        (reply(200, []), Kind.LOST),
        (reply(200, b""), Kind.LOST),
        (reply(200, b"<html>Sign in</html>"), Kind.LOST),
        (reply(200, b'{"data": {"trainee_id": "abc'), Kind.LOST),
        (reply(200, b"[" * 100_000), Kind.LOST),
        (reply(204), Kind.LOST),
        (reply(299), Kind.LOST),
        (reply(300), Kind.REDIRECTED),
        (reply(301, location="https://elsewhere.example"), Kind.REDIRECTED),
        (reply(399), Kind.REDIRECTED),
        (reply(400), Kind.REFUSED),
        (reply(401, {"error": "Unauthorized"}), Kind.UNAUTHORISED),
        (reply(403, b"Forbidden\n"), Kind.FORBIDDEN),
        (reply(404, NOT_FOUND), Kind.NOT_FOUND),
        (reply(404, NO_SUCH_PATH), Kind.WRONG_PATH),
        (reply(404, b"<html>no such page</html>"), Kind.WRONG_PATH),
        (reply(405), Kind.REFUSED),
        (reply(406), Kind.REFUSED),
        (reply(408), Kind.LOST),
        (reply(422, errors(STATE)), Kind.STATE_REFUSED),
        (reply(422, errors("Defer date can't be blank")), Kind.REFUSED),
        (reply(422, {"errors": ["Param is missing: data"]}), Kind.REFUSED),
        (reply(422, {"error": "Unprocessable entity"}), Kind.REFUSED),
        (reply(422, b""), Kind.REFUSED),
        (reply(429, b"Retry later\n"), Kind.THROTTLED),
        (reply(499), Kind.REFUSED),
        (reply(500, {"error": "Internal server error"}), Kind.LOST),
        (reply(502, b"<html>Bad gateway</html>"), Kind.LOST),
        (reply(503), Kind.LOST),
        (NoReply(left=True, why="gave no answer in time"), Kind.LOST),
        (NoReply(left=False, why="could not be reached"), Kind.NEVER_LEFT),
    ],
)
def test_each_answer_to_a_defer_request_has_one_meaning(answer: Answer, kind: Kind) -> None:
    assert meaning_of_defer(answer, OURS).kind is kind


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply(404, NOT_FOUND), Kind.LOST),
        (reply(404, NO_SUCH_PATH), Kind.WRONG_PATH),
        (reply(200, {"data": trainee()}), Kind.DEFERRED),
    ],
)
def test_of_a_trainee_who_was_just_shown_an_unknown_one_is_a_lost_answer(
    answer: Answer, kind: Kind
) -> None:
    assert meaning_of_defer(answer, OURS, was_found=True).kind is kind


@pytest.mark.parametrize("reason", [None, "Illness"])
def test_what_is_asked_for_is_named_as_register_names_it(reason: str | None) -> None:
    asked = DeferralRequest.of(Deferral("abcDEF", "2026-10-01", reason)).content()
    told = {} if reason is None else {"defer_reason": reason}
    assert asked == {"data": {"defer_date": "2026-10-01"} | told}


@pytest.mark.parametrize(
    ("content", "is_another"),
    [
        (trainee(), False),
        ({"data": trainee()}, False),
        ({"data": trainee(trainee_id="ABCdef")}, False),
        (trainee(trainee_id="other"), True),
        ({"data": trainee(trainee_id="other")}, True),
        ({"data": {"trainee_id": 7}}, True),
        ({"data": [trainee(trainee_id="other")]}, False),
        ([trainee(trainee_id="other")], False),
        (NOT_FOUND, False),
    ],
)
def test_a_body_that_names_someone_else_is_about_another(
    content: object, *, is_another: bool
) -> None:
    assert is_about_another(reply(200, content), "abcDEF") is is_another
    assert not is_about_another(reply(200, content), None)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply(200, trainee()), Kind.FOUND),
        (reply(200, {"data": trainee()}), Kind.FOUND),
        (reply(200, trainee(trainee_id="other")), Kind.UNCLEAR),
        (reply(200, trainee(state=None)), Kind.UNCLEAR),
        (reply(200, trainee(state="<b>")), Kind.UNCLEAR),
        (reply(200, b"<html></html>"), Kind.UNCLEAR),
        (reply(404, NOT_FOUND), Kind.NOT_FOUND),
        (reply(404, NO_SUCH_PATH), Kind.WRONG_PATH),
        (reply(405), Kind.WRONG_PATH),
        (reply(401), Kind.UNAUTHORISED),
        (reply(429), Kind.THROTTLED),
        (reply(500), Kind.LOST),
    ],
)
def test_each_answer_to_a_read_has_one_meaning(answer: Answer, kind: Kind) -> None:
    assert meaning_of_read(answer, OURS).kind is kind


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply(200, {"status": "ok", "version": {"latest": "v2026.1"}}), Kind.SERVES),
        (reply(200, b"<html>Sign in</html>"), Kind.NOT_REGISTER),
        (reply(200, {"status": "ok"}), Kind.NOT_REGISTER),
        (reply(400, {"errors": ["Version v1 is not supported"]}), Kind.VERSION_NOT_SERVED),
        (reply(404, NO_SUCH_PATH), Kind.VERSION_NOT_SERVED),
        (reply(404, b"<html></html>"), Kind.WRONG_PATH),
        (reply(405), Kind.WRONG_PATH),
        (reply(302), Kind.REDIRECTED),
        (reply(401), Kind.UNAUTHORISED),
        (reply(503), Kind.LOST),
    ],
)
def test_each_answer_to_info_has_one_meaning(answer: Answer, kind: Kind) -> None:
    assert meaning_of_info(answer).kind is kind


@pytest.mark.parametrize("latest", [None, 2026, "the newest", "v2026.1 or so"])
def test_a_newest_version_that_is_none_is_not_told(latest: object) -> None:
    answer = reply(200, {"status": "ok", "version": {"latest": latest}})
    assert meaning_of_info(answer).latest_version is None


def test_the_newest_version_is_told() -> None:
    answer = reply(200, {"status": "ok", "version": {"latest": "v2026.1"}})
    assert meaning_of_info(answer).latest_version == "v2026.1"


@pytest.mark.parametrize(
    "answer", [reply(503), NoReply(left=True, why="silent"), NoReply(left=False, why="not there")]
)
def test_a_failure_or_a_silence_is_about_the_service(answer: Answer) -> None:
    assert meaning_of_defer(answer, OURS).is_service_failure is True


@pytest.mark.parametrize("status", [200, 403, 404, 422, 429])
def test_other_answers_are_about_the_row(status: int) -> None:
    meaning = meaning_of_defer(reply(status, {"data": trainee()}), OURS)
    assert meaning.is_service_failure is False


def test_silence_is_not_hopeless_unless_it_says_so() -> None:
    assert not NoReply(left=True, why="gave no answer in time").hopeless


def test_equal_answers_and_meanings_are_the_same_value() -> None:
    silences = {NoReply(left=True, why="none"), NoReply(left=True, why="none")}
    meanings = {Meaning(Kind.LOST), Meaning(Kind.LOST)}
    assert (len(silences), len(meanings)) == (1, 1)


def test_an_answer_stays_as_it_came() -> None:
    with pytest.raises(AttributeError):
        reply(200).status = 500  # type: ignore[misc]


def test_retry_after_is_read_in_seconds() -> None:
    assert meaning_of_defer(reply(429, retry_after="58"), OURS).retry_after_seconds == 58


@pytest.mark.parametrize(("given", "seconds"), [("1.5", 1.5), ("100000000000", 1e11)])
def test_a_retry_after_is_read_however_long_or_fine(given: str, seconds: float) -> None:
    answer = reply(429, retry_after=given)
    assert meaning_of_defer(answer, OURS).retry_after_seconds == seconds


def test_retry_after_is_read_as_a_date() -> None:
    answer = reply(
        429,
        retry_after="Tue, 24 Nov 2026 10:01:00 GMT",
        date="Tue, 24 Nov 2026 10:00:30 GMT",
    )
    assert meaning_of_defer(answer, OURS).retry_after_seconds == 30


def test_a_retry_after_that_has_passed_is_no_wait() -> None:
    answer = reply(
        429,
        retry_after="Tue, 24 Nov 2026 10:00:29 GMT",
        date="Tue, 24 Nov 2026 10:00:30 GMT",
    )
    assert meaning_of_defer(answer, OURS).retry_after_seconds == 0


def test_a_retry_after_as_a_date_tells_nothing_without_the_servers_second() -> None:
    answer = reply(429, retry_after="Tue, 24 Nov 2026 10:01:00 GMT")
    assert meaning_of_defer(answer, OURS).retry_after_seconds is None


@pytest.mark.parametrize("given", ["", "soon", "-5", "٣", "1e3"])
def test_an_unusable_retry_after_is_none(given: str) -> None:
    assert meaning_of_defer(reply(429, retry_after=given), OURS).retry_after_seconds is None


def test_a_refusal_is_quoted_with_200_characters_at_most() -> None:
    words = meaning_of_defer(reply(422, errors("x" * 500)), OURS).words
    assert words == "refused it: " + "x" * 200


def test_a_refusal_that_repeats_the_reason_is_not_quoted() -> None:
    answer = reply(422, errors("Reason ILLNESS of a parent is rude"))
    assert meaning_of_defer(answer, OURS).words == "refused it (422)"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Reason is rude: 'her mother\u2019s illness'", "refused it (422)"),
        ("Reason may not say MOTHER S ILLNESS", "refused it (422)"),
        ("Defer date is not a day", "refused it: Defer date is not a day"),
        ("her own words", "refused it: her own words"),
    ],
)
def test_a_refusal_that_repeats_much_of_the_reason_is_not_quoted(said: str, told: str) -> None:
    deferral = Deferral("abc", "2026-10-01", "After her mother\u2019s illness, for a year")
    assert meaning_of_defer(reply(422, errors(said)), deferral).words == told


@pytest.mark.parametrize("said", ["Illness of… is rude", "no: a parent", "lness of", "a parent"])
def test_a_refusal_that_repeats_part_of_the_reason_is_not_quoted(said: str) -> None:
    assert meaning_of_defer(reply(422, errors(said)), OURS).words == "refused it (422)"


@pytest.mark.parametrize("said", ["Defer date can't follow its parent", "lness o"])
def test_a_refusal_that_shares_a_short_word_with_the_reason_is_quoted(said: str) -> None:
    assert meaning_of_defer(reply(422, errors(said)), OURS).words == f"refused it: {said}"


@pytest.mark.parametrize(
    ("reason", "told"),
    [("x", "refused it (422)"), ("", "refused it: no x"), (None, "refused it: no x")],
)
def test_the_shortest_reason_is_not_quoted_and_none_hides_nothing(
    reason: str | None, told: str
) -> None:
    deferral = Deferral("abc", "2026-10-01", reason)
    assert meaning_of_defer(reply(422, errors("no x")), deferral).words == told


def test_of_another_answer_nothing_is_quoted() -> None:
    answer = reply(400, {"errors": ["Jane Doe, 1 High Street"]})
    assert meaning_of_defer(answer, OURS).words == "refused the request (400)"


def test_control_characters_are_not_quoted() -> None:
    words = meaning_of_defer(reply(422, errors("a\x1b[31mb")), OURS).words
    assert "\x1b" not in words


def test_the_request_id_is_kept_only_if_it_is_one() -> None:
    given = ("5e0f3a-1c", "5E0F3A-1C", "Jane Doe", "Jane-Doe", "1")
    kept = [meaning_of_defer(reply(500, x_request_id=each), OURS).request_id for each in given]
    assert kept == ["5e0f3a-1c", "5E0F3A-1C", None, None, None]


def test_the_servers_second_is_read_from_date() -> None:
    answer = reply(500, date="Thu, 01 Jan 1970 00:01:00 GMT")
    assert meaning_of_defer(answer, OURS).server_time == 60


def test_a_reason_is_not_quoted_with_its_line_breaks_taken_out() -> None:
    deferral = Deferral("abc", "2026-10-01", "Illness\nof a  parent")
    answer = reply(422, {"errors": ["no: Illness of a parent"]})
    assert "parent" not in meaning_of_defer(answer, deferral).words


def test_refusal_that_holds_the_token_is_not_quoted() -> None:
    answer = Reply(422, {}, json.dumps(errors("no")).encode(), quotable=False)
    assert meaning_of_defer(answer, OURS).words == "refused it (422)"


@pytest.mark.parametrize("content", [trainee(trn="0012345"), {"data": trainee(trn="0012345")}])
def test_a_look_at_a_trainee_shows_the_person(content: object) -> None:
    found = meaning_of_look(reply(200, content), "abcDEF").trainee
    assert found is not None
    assert (found.trainee_id, found.trn) == ("abcDEF", "0012345")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply(200, trainee(state=None)), Kind.UNCLEAR),
        (reply(200, trainee(trainee_id="other")), Kind.UNCLEAR),
        (reply(404, NOT_FOUND), Kind.NOT_FOUND),
        (reply(403, trainee()), Kind.FORBIDDEN),
        (reply(503, trainee()), Kind.LOST),
        (NoReply(left=False, why="could not be reached"), Kind.NEVER_LEFT),
    ],
)
def test_a_look_that_finds_nobody_shows_nobody(answer: Answer, kind: Kind) -> None:
    meaning = meaning_of_look(answer, "abcDEF")
    assert (meaning.kind, meaning.trainee) == (kind, None)


def page(*rows: object, **meta: object) -> dict[str, object]:
    counts = {"current_page": 1, "total_pages": 1, "total_count": len(rows), "per_page": 50}
    return {"data": list(rows), "meta": counts | meta}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply(200, page(trainee())), Kind.LISTED),
        (reply(200, page()), Kind.LISTED),
        (reply(200, {"data": []}), Kind.LISTED),
        (reply(200, trainee()), Kind.LOST),
        (reply(200, b"<html>Sign in</html>"), Kind.LOST),
        (reply(200, b"[" * 100_000), Kind.LOST),
        (reply(404, errors("No trainees found")), Kind.NOBODY),
        (reply(404, NO_SUCH_PATH), Kind.WRONG_PATH),
        (reply(404, b""), Kind.WRONG_PATH),
        (reply(405), Kind.WRONG_PATH),
        (reply(422, {"message": "no", "errors": {"since": ["bad"]}}), Kind.REFUSED),
        (reply(401), Kind.UNAUTHORISED),
        (reply(403), Kind.FORBIDDEN),
        (reply(429, retry_after="7"), Kind.THROTTLED),
        (reply(302), Kind.REDIRECTED),
        (reply(503), Kind.LOST),
        (NoReply(left=True, why="gave no answer in time"), Kind.LOST),
        (NoReply(left=False, why="could not be reached"), Kind.NEVER_LEFT),
    ],
)
def test_each_answer_to_a_list_has_one_meaning(answer: Answer, kind: Kind) -> None:
    assert meaning_of_list(answer).kind is kind


def test_page_holds_its_trainees_and_its_place() -> None:
    row = trainee(trn="0012345", updated_at="2026-10-01T10:01:01.125Z", nationality="x")
    found = meaning_of_list(reply(200, page(row, total_count=7))).page
    assert found is not None
    assert (found.trainees[0].trn, found.meta.total_count, found.unreadable) == ("0012345", 7, 0)
    assert found.trainees[0].updated_at == "2026-10-01T10:01:01.125Z"
    assert "nationality" not in type(found.trainees[0]).model_fields


def test_nothing_personal_is_shown_of_a_listed_trainee() -> None:
    personal = {
        "trn": "0012345",
        "hesa_id": "1910001112223",
        "provider_trainee_id": "P-77",
        "last_name": "Doe",
        "first_names": "Jo",
        "date_of_birth": "2000-02-29",
        "defer_reason": "Illness",
    }
    shown = repr(meaning_of_list(reply(200, page(trainee(**personal)))))
    assert not [value for value in personal.values() if value in shown]


HOSTILE = (
    *(b"null", b"NaN", b"1e999", b"true", b'"\\ud800"', b"[]", b"{}", b"-0.0"),
    *(b"9" * 4000, b"9" * 100_000, b"[" * 500 + b"]" * 500, b"[" * 100_000),
)
SHAPES = (
    b"%s",
    b'{"data": %s}',
    b'{"data": [%s]}',
    b'{"data": [{"trainee_id": %s}]}',
    b'{"data": [{"trainee_id": "a", "trn": %s, "state": %s}], "meta": %s}',
    b'{"data": [], "meta": {"total_count": %s}}',
    b'{"data": {"trainee_id": %s, "state": %s, "defer_date": %s}}',
    b'{"errors": %s}',
    b'{"errors": [%s]}',
    b'{"errors": [{"message": %s}]}',
    b'{"version": %s}',
    b'{"version": {"latest": %s}}',
)


@pytest.mark.parametrize("status", [200, 400, 404, 422])
@pytest.mark.parametrize("shape", SHAPES)
def test_no_body_makes_a_table_raise(shape: bytes, status: int) -> None:
    for value in HOSTILE:
        answer = Reply(status, {}, shape.replace(b"%s", value))
        for meaning in (
            meaning_of_defer(answer, OURS),
            meaning_of_read(answer, OURS),
            meaning_of_info(answer),
            meaning_of_list(answer),
        ):
            assert repr(meaning).isprintable()


@pytest.mark.parametrize("value", [None, 7, True, [], {}, "\ud800", "0" * 10])
def test_value_of_another_shape_is_none_in_a_list(value: object) -> None:
    odd = dict.fromkeys(("state", "defer_date", "itt_start_date", "updated_at"), value)
    found = meaning_of_list(reply(200, page(trainee(**odd), total_count=-1))).page
    assert found is not None
    (row,) = found.trainees
    assert (row.state, row.defer_date, row.itt_start_date, row.updated_at) == (None,) * 4
    assert found.meta.total_count is None


@pytest.mark.parametrize(
    ("count", "read"),
    [(0, 0), (10**9, 10**9), (-1, None), (10**9 + 1, None), (True, None), (1.0, None)],
)
def test_a_count_that_can_be_true_is_read(count: object, read: int | None) -> None:
    found = meaning_of_list(reply(200, page(total_count=count))).page
    assert found is not None
    assert found.meta.total_count == read


def test_an_id_of_up_to_128_characters_is_read() -> None:
    found = meaning_of_list(reply(200, page(*(trainee(trainee_id="x" * n) for n in (1, 128))))).page
    assert found is not None
    assert [len(row.trainee_id or "") for row in found.trainees] == [1, 128]


NAMELESS: tuple[object, ...] = (None, [], {}, "x", *({"trainee_id": id_} for id_ in (None, 7, "")))


@pytest.mark.parametrize("row", [*NAMELESS, {"trainee_id": "x" * 129}])
def test_row_that_names_nobody_is_counted(row: object) -> None:
    found = meaning_of_list(reply(200, page(row, trainee()))).page
    assert found is not None
    assert (len(found.trainees), found.unreadable) == (1, 1)


@pytest.mark.parametrize(
    ("asked", "shown", "is_ours"),
    [
        ("Illness", "Illness", True),
        (" Illness\r\nat home ", "Illness\nat home", True),
        ("Illness", "Illn", False),
        ("Illness", None, False),
        (None, "Illness", False),
        (None, None, True),
        (None, "", True),
        ("Illness", 7, None),
    ],
)
def test_a_read_tells_whether_the_reason_is_the_one_that_was_sent(
    asked: str | None, shown: object, *, is_ours: bool | None
) -> None:
    meaning = meaning_of_read(
        reply(200, trainee(defer_reason=shown)), Deferral("abcDEF", "2026-10-01", asked)
    )
    assert meaning.is_our_reason is is_ours


def test_a_read_that_shows_no_reason_at_all_tells_nothing() -> None:
    assert meaning_of_read(reply(200, trainee()), OURS).is_our_reason is None
