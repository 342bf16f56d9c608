"""Odd settings of proxies and certificates are one sentence and exit 2, or no answer."""

from __future__ import annotations

import pytest

from tests.support.office import TOKEN, Office

ONE = "trainee_id,defer_date\nabc,2026-10-01\n"


def ran_to(office: Office, register: str) -> tuple[int, str]:
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN
    office.write("list.csv", ONE)
    ran = office.run("run", "list.csv", "--register", register, "--give-up-after", "0.1")
    assert "Traceback" not in ran.err
    assert not list(office.reports.glob("2*"))
    assert not list(office.reports.glob("fault-*"))
    return ran.code, ran.err


@pytest.mark.parametrize(
    "setting",
    ["ALL_PROXY=socks5://ann:hunter2@127.0.0.1:1", "HTTPS_PROXY=ftp://ann:hunter2@127.0.0.1:1"],
)
def test_a_proxy_of_another_kind_sends_nothing(office: Office, setting: str) -> None:
    name, _, value = setting.partition("=")
    office.environment[name] = value
    code, err = ran_to(office, "https://register.example")
    assert (code, "proxy" in err, "hunter2" in err) == (2, True, False)


@pytest.mark.parametrize(
    "setting",
    [
        "HTTPS_PROXY=http://[",
        "HTTPS_PROXY=127.0.0.1:1",
        "HTTPS_PROXY=:",
        "no_proxy=[,*x,http://[",
        "SSL_CERT_FILE=/nonesuch",
    ],
)
def test_other_odd_settings_are_no_answer(office: Office, setting: str) -> None:
    name, _, value = setting.partition("=")
    office.environment[name] = value
    code, _ = ran_to(office, "https://127.0.0.2:1")
    assert code in {2, 75}
