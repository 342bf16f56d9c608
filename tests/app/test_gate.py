"""Who is let in: the browser that was opened with the key, and nobody else."""

from __future__ import annotations

import re

import httpx
import pytest

from batch.app.gate import FORM_TOKEN, Keys, proof
from batch.app.serving import asgi
from tests.support.pages import Pages

EVERYWHERE = (
    "/", "/static/app.css", "/static/app.js", "/nowhere", "/lists/x/check", "/under-way/x",
    "/under-way/x/events", "/runs/x", "/runs/x/report.html", "/purge", "/alive", "/open", "/again",
    "/template.csv", "/favicon.ico", "/open?key=", "/open?key=guess", "/again?nonce=1&proof=2",
)  # fmt: skip


@pytest.fixture
def stranger(shared: Pages) -> httpx.Client:
    return shared.browser(follow=False)


@pytest.mark.parametrize("path", EVERYWHERE)
def test_without_the_cookie_everything_is_refused(stranger: httpx.Client, path: str) -> None:
    assert stranger.get(path).status_code == 403


def test_a_post_without_the_cookie_is_refused(stranger: httpx.Client, shared: Pages) -> None:
    told = {FORM_TOKEN: shared.site.keys.form}
    assert stranger.post("/end", data=told, headers={"origin": shared.origin}).status_code == 403
    assert not shared.site.is_ending


def test_a_key_opens_the_app_once(stranger: httpx.Client, shared: Pages) -> None:
    key = shared.site.keys.one_time()
    assert stranger.get(f"/open?key={key}").status_code == 200
    stranger.cookies.clear()
    assert stranger.get(f"/open?key={key}").status_code == 403


def test_the_key_becomes_a_strict_cookie_and_leaves_the_address(
    stranger: httpx.Client, shared: Pages
) -> None:
    answer = stranger.get(f"/open?key={shared.site.keys.one_time()}")
    cookie = answer.headers["set-cookie"].lower()
    assert 'content="0; url=/"' in answer.text
    assert cookie.startswith(f"defer-batch-{shared.port}=")
    assert all(word in cookie for word in ("httponly", "samesite=strict", "path=/"))


def test_the_cookie_of_an_app_that_ended_opens_nothing(
    stranger: httpx.Client, shared: Pages
) -> None:
    stranger.cookies.set(f"defer-batch-{shared.port}", Keys(shared.port).session)
    assert stranger.get("/").status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:PORT", "127.0.0.1", "127.0.0.1:80", "[::1]:PORT"]
)
def test_another_host_name_is_refused_even_with_the_cookie(shared: Pages, host: str) -> None:
    told = {"host": host.replace("PORT", str(shared.port))}
    assert shared.client.get("/", headers=told).status_code == 403


def test_localhost_is_this_machine_too(shared: Pages) -> None:
    jar = {"cookie": f"defer-batch-{shared.port}={shared.site.keys.session}"}
    assert (
        shared.client.get("/", headers={"host": f"localhost:{shared.port}", **jar}).status_code
        == 200
    )


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "https://127.0.0.1:PORT"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "http://127.0.0.1:PORT", "sec-fetch-site": "cross-site"},
        {"origin": "http://evil.example", "sec-fetch-site": "same-origin"},
    ],
)
def test_a_form_of_another_page_is_refused(shared: Pages, headers: dict[str, str]) -> None:
    told = {FORM_TOKEN: shared.site.keys.form}
    headers = {name: value.replace("PORT", str(shared.port)) for name, value in headers.items()}
    assert shared.client.post("/end", data=told, headers=headers).status_code == 403
    assert not shared.site.is_ending


@pytest.mark.parametrize("name", ["origin", "sec-fetch-site"])
def test_a_form_of_our_own_is_taken(pages: Pages, name: str) -> None:
    told = {FORM_TOKEN: pages.site.keys.form}
    headers = {name: pages.origin if name == "origin" else "same-origin"}
    assert pages.client.post("/end", data=told, headers=headers).status_code == 200
    assert pages.site.is_ending


def posts(shared: Pages) -> list[str]:
    router = asgi(shared.site)._app  # type: ignore[attr-defined]
    paths = [route.path for route in router.routes if "POST" in (route.methods or ())]
    return [re.sub(r"{\w+}", "x", path) for path in paths]


@pytest.mark.parametrize("told", [{}, {FORM_TOKEN: ""}, {FORM_TOKEN: "guess"}])
def test_no_form_is_taken_without_its_token(shared: Pages, told: dict[str, str]) -> None:
    found = posts(shared)
    assert len(found) > 10
    answers = {shared.client.post(p, data=told, headers={"origin": shared.origin}) for p in found}
    assert {answer.status_code for answer in answers} == {403}


def test_the_token_in_json_or_in_the_address_is_none(shared: Pages) -> None:
    token, headers = shared.site.keys.form, {"origin": shared.origin}
    asked = shared.client.post("/end", json={FORM_TOKEN: token}, headers=headers)
    other = shared.client.post(f"/end?{FORM_TOKEN}={token}", headers=headers)
    assert (asked.status_code, other.status_code) == (403, 403)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_change_nothing(shared: Pages, method: str) -> None:
    assert shared.client.request(method, "/end").status_code in {403, 404}
    assert not shared.site.is_ending


@pytest.mark.parametrize("path", ["/", "/nowhere", "/static/app.js", "/purge", "/template.csv"])
def test_every_answer_says_what_a_browser_may_do(shared: Pages, path: str) -> None:
    headers = shared.client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


def test_a_refusal_says_it_too(stranger: httpx.Client) -> None:
    assert "frame-ancestors 'none'" in stranger.get("/").headers["content-security-policy"]


def test_a_second_start_gets_a_key_by_proving_what_it_knows(
    stranger: httpx.Client, shared: Pages
) -> None:
    control = shared.site.keys.control
    told = stranger.get(f"/again?nonce=n&proof={proof(control, 'ask', 'n')}").text
    key, answered = told.split("\n")
    assert answered == proof(control, "answer", "n", key)
    assert stranger.get(f"/open?key={key}").status_code == 200


def test_whoever_guesses_gets_no_second_key(stranger: httpx.Client) -> None:
    for told in ("", "?nonce=n", "?nonce=n&proof=", f"?nonce=n&proof={proof('guess', 'ask', 'n')}"):
        assert stranger.get(f"/again{told}").status_code == 403
