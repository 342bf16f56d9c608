"""`doctor`: whether everything is ready, and nothing written or given away in looking."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batch import files, systems
from batch.commands import doctor
from batch.commands.doctor import Examined, examine
from batch.emulator.rehearsal import rehearsal_register
from batch.emulator.requests import Endpoint
from batch.emulator.server import Emulator, serve
from batch.emulator.trainees import Trainee
from batch.record import recent_requests
from batch.settings import Settings
from tests.support import troubles
from tests.support.office import SENDING_ALONE, TOKEN, Office, Ran, keep_state_in
from tests.support.terminals import bound_by_modes, posix_only
from tests.support.tls import served_over_tls
from tests.support.troubles import Fault, FaultPlan
from tests.support.waiting import until

Serving = Callable[..., Emulator]
ONE = "trainee_id,defer_date\nabc,2026-10-01\n"


@pytest.fixture(autouse=True)
def token(office: Office) -> None:
    office.environment["DEFER_BATCH_API_TOKEN"] = TOKEN


def looked_at(office: Office, *options: str) -> tuple[Ran, dict[str, dict[str, Any]]]:
    """Return how `doctor --json` ended, and what it says by name."""
    ran = office.run("doctor", "--json", *options)
    return ran, {check["name"]: check for check in json.loads(ran.out)["checks"]}


Looking = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture
def looking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Looking:
    """Look within this process: `looking(emulator, api_version="v2024.0")` gives it by name."""
    keep_state_in(tmp_path / "state", monkeypatch)
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "state"))

    def looked(emulator: Emulator, **more: Any) -> dict[str, dict[str, Any]]:
        usual: dict[str, Any] = {"api_token": TOKEN, "reports_dir": tmp_path / "reports"}
        settings = Settings(register_name=emulator.base_url, **(usual | more))
        return {check["name"]: check for check in examine(settings, time.time).as_json()["checks"]}

    return looked


def not_ready(checks: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name, check in checks.items() if not check["ready"]}


def test_a_register_that_accepts_all_is_ready(register: Serving, office: Office) -> None:
    ran = office.run("doctor", "--register", register(abc="trn_received").base_url)
    assert ran.code == 0, ran.out
    assert {line.split()[0] for line in ran.out.splitlines()} == {"ok"}
    assert ran.err == ""


def test_a_program_is_told_the_figures(register: Serving, office: Office) -> None:
    emulator = register(abc="trn_received", ghi="withdrawn", jkl="draft")
    ran, checks = looked_at(office, "--register", emulator.base_url)
    assert (ran.code, json.loads(ran.out)["ready"]) == (0, True)
    assert checks["version"]["served"] == "v2025.0"
    assert checks["version"]["newest"] == "v2026.1"
    assert checks["trainees"]["trainees"] == 2
    assert checks["token"]["accepted"] is True
    assert checks["disk"]["free_bytes"] > 0


def test_it_asks_twice_and_defers_nobody(register: Serving, office: Office) -> None:
    emulator = register(abc="trn_received")
    office.run("doctor", "--register", emulator.base_url)
    assert [request.method for request in emulator.received()] == ["GET", "GET"]


def test_the_times_of_its_requests_are_noted_for_pacing(
    register: Serving, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = register(abc="trn_received")
    office.run("doctor", "--register", emulator.base_url)
    keep_state_in(office.folder / "state", monkeypatch)
    assert len(recent_requests.noted_since(emulator.base_url, 0.0)) == 2


def test_it_leaves_nothing_in_the_working_folder(register: Serving, office: Office) -> None:
    office.run("doctor", "--register", register(abc="trn_received").base_url)
    assert {path.name for path in office.folder.iterdir()} <= {"state"}


def test_without_a_register_the_rest_is_looked_at(office: Office) -> None:
    ran, checks = looked_at(office)
    assert (ran.code, not_ready(checks)) == (1, {"Register"})
    assert "--register production" in checks["Register"]["to_do"]


def test_a_rehearsal_needs_no_token(office: Office) -> None:
    del office.environment["DEFER_BATCH_API_TOKEN"]
    ran, checks = looked_at(office, "--register", "emulator")
    assert (ran.code, "token" in checks) == (0, False)


def test_a_register_that_is_none_is_wrong_usage(office: Office) -> None:
    assert office.run("doctor", "--register", "prodction").code == 2


def test_a_missing_token_is_told_and_the_network_looked_at(
    register: Serving, office: Office
) -> None:
    del office.environment["DEFER_BATCH_API_TOKEN"]
    ran, checks = looked_at(office, "--register", register().base_url)
    assert (ran.code, not_ready(checks)) == (1, {"token"})
    assert {"network", "clock"} <= {*checks}


def test_a_refused_token_is_told(register: Serving, office: Office) -> None:
    office.environment["DEFER_BATCH_API_TOKEN"] = "production_" + "0a" * 32
    ran, checks = looked_at(office, "--register", register().base_url)
    assert (ran.code, not_ready(checks)) == (1, {"token"})
    assert checks["token"]["environment"] == "production"
    assert checks["token"]["accepted"] is False
    assert "0a0a" not in ran.out + ran.err


def test_a_token_for_another_environment_is_pointed_out(office: Office) -> None:
    office.environment |= {
        "DEFER_BATCH_API_TOKEN": "sandbox_" + "0a" * 32,
        "HTTPS_PROXY": "http://127.0.0.1:1",  # nobody listens there: nothing leaves this machine
    }
    ran, checks = looked_at(office, "--register", "production")
    assert not_ready(checks) == {"network", "token"}
    assert "sandbox" in checks["token"]["found"]
    assert "0a0a" not in ran.out + ran.err


def test_a_token_file_that_cannot_be_used_is_told(register: Serving, office: Office) -> None:
    target = ("--register", register().base_url)
    ran, checks = looked_at(office, *target, "--api-token-file", "nowhere.txt")
    assert (ran.code, not_ready(checks)) == (1, {"token"})
    assert "nowhere.txt" in checks["token"]["found"]


@posix_only
@pytest.mark.parametrize(("mode", "told"), [(0o600, set()), (0o640, {"token file"})])
def test_a_token_file_that_others_can_read_is_told(
    register: Serving, looking: Looking, tmp_path: Path, mode: int, told: set[str]
) -> None:
    file = tmp_path / "token.txt"
    file.write_text(TOKEN)
    file.chmod(mode)
    checks = looking(register(abc="trn_received"), api_token_file=file)
    assert not_ready(checks) == told


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (troubles.MAINTENANCE, "network"),
        (troubles.gateway_page(503), "network"),
        (troubles.gateway_page(404), "network"),
        (troubles.SIGN_IN_PAGE, "network"),
        (troubles.BLOCKED, "network"),
        (troubles.redirected("https://elsewhere.example/"), "network"),
        (troubles.Dropped(), "network"),
        (troubles.UNAUTHORISED, "token"),
        (troubles.NOT_FOUND, "version"),
        (troubles.throttled("7"), "rate limit"),
        (troubles.throttled(None), "rate limit"),
    ],
)
def test_each_trouble_of_the_service_is_told_on_its_line(
    register: Serving, looking: Looking, given: Any, told: str
) -> None:
    emulator = register(abc="trn_received", faults=[troubles.out_of_service(given)])
    assert not_ready(looking(emulator)) - {"trainees"} == {told}
    assert len(emulator.received()) <= 5


def test_a_throttled_look_says_for_how_long_and_asks_no_more(
    register: Serving, looking: Looking
) -> None:
    emulator = register(faults=[troubles.out_of_service(troubles.throttled("7"))])
    assert looking(emulator)["rate limit"]["retry_after_seconds"] == 7
    assert len(emulator.received()) == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (troubles.throttled("7"), "rate limit"),
        (troubles.MAINTENANCE, "trainees"),
        (troubles.gateway_page(404), "trainees"),
        (troubles.json_content(404, {"errors": [{"message": "No trainees found"}]}), "trainees"),
        (troubles.UNAUTHORISED, "token"),
    ],
)
def test_each_trouble_of_the_list_is_told(
    register: Serving, looking: Looking, given: Any, told: str
) -> None:
    emulator = register(faults=[Fault(None, Endpoint.LIST, last=None, given=given)])
    assert not_ready(looking(emulator)) == {told}


def test_a_version_that_is_not_served_names_one_that_is(register: Serving, office: Office) -> None:
    emulator = register(abc="trn_received")
    target = ("--register", emulator.base_url, "--api-version", "v2024.0")
    ran, checks = looked_at(office, *target)
    command = checks["version"]["to_do"].split(": ", 1)[1]
    assert (ran.code, not_ready(checks)) == (1, {"version"})
    assert office.run(*command.split()[1:]).code == 0


def test_no_version_at_all_takes_four_requests(register: Serving, looking: Looking) -> None:
    emulator = register(faults=[troubles.out_of_service(troubles.NOT_FOUND)])
    assert not_ready(looking(emulator, api_version="v2024.0")) == {"version"}
    assert len(emulator.received()) == 4


@pytest.mark.parametrize(
    ("ahead", "told"), [(-600.0, {"clock"}), (600.0, {"clock"}), (-10.0, set()), (0.0, set())]
)
def test_a_clock_that_is_off_is_told(looking: Looking, ahead: float, told: set[str]) -> None:
    model = rehearsal_register([Trainee("abc")], token=TOKEN)
    with serve(model, date_clock=lambda: time.time() - ahead) as emulator:
        checks = looking(emulator)
    assert not_ready(checks) == told
    assert abs(ahead) - 2 <= abs(checks["clock"]["ahead_seconds"]) <= abs(ahead)
    assert checks["clock"]["ahead_seconds"] * ahead >= 0


@pytest.mark.parametrize(
    ("sent", "received", "ahead"),
    [
        (100.0, 100.2, 0.0),
        (100.9, 101.0, 0.0),
        (99.5, 103.0, 0.0),
        (105.0, 105.5, 4.0),
        (90.0, 95.0, -5.0),
    ],
)
def test_what_a_whole_second_proves_of_our_clock(
    sent: float, received: float, ahead: float
) -> None:
    assert doctor._ahead(100.0, sent=sent, received=received) == ahead


def test_a_certificate_that_does_not_verify_is_told(office: Office) -> None:
    with served_over_tls(office.folder, "IP:127.0.0.1") as port:
        ran, checks = looked_at(office, "--register", f"https://127.0.0.1:{port}")
    assert (ran.code, not_ready(checks)) == (1, {"network"})
    assert "certificate" in checks["network"]["found"]
    assert "store" in checks["network"]["to_do"]


def test_the_proxy_is_named_without_its_password(office: Office) -> None:
    office.environment["HTTPS_PROXY"] = "http://ann:hunter2@127.0.0.1:1"
    ran, checks = looked_at(office, "--register", "https://register.example")
    assert (ran.code, not_ready(checks)) == (1, {"network"})
    assert checks["network"]["proxy"] == "http://127.0.0.1:1"
    assert "hunter2" not in ran.out + ran.err


def test_a_proxy_of_another_kind_is_told(office: Office) -> None:
    office.environment["ALL_PROXY"] = "socks5://127.0.0.1:1"
    ran, checks = looked_at(office, "--register", "https://register.example")
    assert (ran.code, not_ready(checks)) == (1, {"network"})
    assert "ALL_PROXY" in checks["network"]["to_do"]


def test_no_proxy_is_used_for_this_machine(register: Serving, office: Office) -> None:
    office.environment["HTTP_PROXY"] = "http://127.0.0.1:1"
    _, checks = looked_at(office, "--register", register(abc="trn_received").base_url)
    assert (checks["network"]["proxy"], checks["network"]["ready"]) == (None, True)


@posix_only
def test_a_reports_folder_that_others_can_write_to_is_told(office: Office) -> None:
    office.reports.mkdir()
    office.reports.chmod(0o777)
    ran, checks = looked_at(office, "--register", "emulator")
    command = checks["reports folder"]["to_do"].split(": ", 1)[1]
    assert (ran.code, command) == (1, "chmod go-w reports")


@posix_only
def test_reports_that_others_can_read_are_told(office: Office) -> None:
    office.reports.mkdir(mode=0o755)
    assert looked_at(office, "--register", "emulator")[0].code == 0
    (office.reports / "20261126T100000Z-list-abcd").mkdir(mode=0o755)
    _, checks = looked_at(office, "--register", "emulator")
    assert not_ready(checks) == {"reports folder"}


@posix_only
def test_a_reports_folder_that_cannot_be_written_is_told(office: Office) -> None:
    office.reports.mkdir(mode=0o500)
    ran = office.run_apart("doctor", "--register", "emulator", through=bound_by_modes())
    assert ran.code == 1
    assert "to do  reports folder" in ran.out


def found_here(folder: Path, name: str) -> Examined:
    readiness = examine(Settings(register_name="emulator", reports_dir=folder), time.time)
    return next(one for one in readiness.examined if one.name == name)


def test_a_network_drive_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systems, "file_system_of", lambda _: "nfs4")
    disk = found_here(tmp_path / "a" / "b", "disk")
    assert (disk.is_ready, "network" in disk.found) == (False, True)


def test_a_disk_with_little_room_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "free_bytes", lambda _: 1_000_000)
    assert not found_here(tmp_path, "disk").is_ready


def test_an_unfinished_run_is_told_with_the_command_that_continues_it(
    register: Serving, office: Office
) -> None:
    emulator = register(
        abc="trn_received", faults=[troubles.out_of_service(troubles.BLOCKED, first=2, last=9)]
    )
    office.write("list.csv", ONE)
    office.write("token.txt", TOKEN).chmod(0o600)
    target = ("--register", emulator.base_url, "--api-token-file", "token.txt")
    assert office.run("run", "list.csv", *target, *SENDING_ALONE).code == 3
    emulator.plan = None
    ran, checks = looked_at(office, *target)
    command = checks["run"]["to_do"].split(": ", 1)[1]
    assert (ran.code, not_ready(checks)) == (1, {"run"})
    del office.environment["DEFER_BATCH_API_TOKEN"]
    assert office.run(*command.split()[1:]).code == 0
    assert looked_at(office, *target)[0].code == 0


def test_beside_a_run_under_way_it_stays_out_of_the_way(register: Serving, office: Office) -> None:
    emulator = register(abc="trn_received", faults=[troubles.hanging("abc")])
    office.write("list.csv", ONE)
    target = ("--register", emulator.base_url)
    patient = ("--timeout", "3600")  # or a slow machine sees the run ask anew meanwhile
    with office.start("run", "list.csv", *target, *patient) as process:
        until(lambda: emulator.received(Endpoint.DEFER) or process.poll() is not None)
        before = len(emulator.received())
        beside = office.run("doctor", "--register", "emulator")
        elsewhere = office.run("doctor", *target, "--reports-dir", "elsewhere")
        process.kill()
    assert (beside.code, elsewhere.code) == (4, 4)
    assert (beside.out, len(emulator.received())) == ("", before)


def test_a_lock_that_cannot_be_taken_is_told(register: Serving, office: Office) -> None:
    office.write("state", "a file where a folder should be")
    emulator = register()
    ran, checks = looked_at(office, "--register", emulator.base_url)
    assert (ran.code, not_ready(checks)) == (1, {"lock"})
    assert emulator.received() == []


def test_a_journal_that_cannot_be_used_is_told(office: Office) -> None:
    office.reports.mkdir(mode=0o700)
    (office.reports / "journal.db").write_bytes(b"no database" * 500)
    ran, checks = looked_at(office, "--register", "emulator")
    assert (ran.code, not_ready(checks)) == (1, {"runs"})


def test_nothing_of_a_person_is_shown(office: Office) -> None:
    person = Trainee("abc", last_name="Zqperson", first_names="Zqann", trn="7654321")
    model = rehearsal_register([person], token=TOKEN)
    with serve(model, plan=FaultPlan()) as emulator:
        ran, checks = looked_at(office, "--register", emulator.base_url)
    assert checks["trainees"]["trainees"] == 1
    for secret in ("Zq", "7654321", TOKEN, "abc"):
        assert secret not in ran.out + ran.err


def delivery(office: Office, mode: int) -> dict[str, Any]:
    """Return what is said of a delivery folder of that mode."""
    folder = office.folder / "shared"
    folder.mkdir(mode=0o700)
    folder.chmod(mode)
    office.environment["DEFER_BATCH_DELIVER_TO"] = "shared"
    return looked_at(office)[1]["delivery folder"]


@posix_only
@pytest.mark.parametrize(
    ("mode", "is_ready"),
    [(0o2750, True), (0o2770, True), (0o700, True), (0o755, False), (0o2775, False)],
)
def test_only_a_group_may_read_what_is_delivered(
    office: Office, mode: int, *, is_ready: bool
) -> None:
    assert delivery(office, mode)["ready"] is is_ready


@posix_only
def test_the_group_that_reads_is_named(office: Office) -> None:
    told = delivery(office, 0o750)
    assert told["found"].endswith(f"group {(office.folder / 'shared').group()} can read")


@pytest.mark.parametrize("folder", ["not there", "reports"])
def test_a_folder_into_which_nothing_can_be_delivered_is_to_do(office: Office, folder: str) -> None:
    office.reports.mkdir(mode=0o700)
    ran, told = looked_at(office, "--deliver-to", folder)
    assert (ran.code, told["delivery folder"]["ready"]) == (1, False)


@posix_only
def test_a_group_that_this_user_cannot_give_is_to_do(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 12345)
    monkeypatch.setattr("os.getegid", lambda: 12345)
    monkeypatch.setattr("os.getgroups", list)
    assert "chmod g+s" in delivery(office, 0o770)["to_do"]


def test_nothing_is_said_of_a_delivery_that_nobody_asked_for(office: Office) -> None:
    assert "delivery folder" not in looked_at(office)[1]
