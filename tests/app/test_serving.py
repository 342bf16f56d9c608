"""The app as a process: it opens once, ends in good order, and a killed run goes on."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.request import url2pathname

import httpx
import pytest

from batch.app import serving
from batch.app.gate import FORM_TOKEN, proof
from batch.app.journeys import FOLDER
from batch.app.serving import RUNNING, serve_app
from batch.emulator.server import Emulator
from batch.errors import UsageProblem
from batch.settings import Settings
from tests.app.test_journey import to_register
from tests.support import troubles
from tests.support.office import TOKEN, Office
from tests.support.pages import Pages, heading
from tests.support.terminals import has_mode, posix_only
from tests.support.waiting import until

MANY = "trainee_id,defer_date\n" + "".join(f"id{n},2026-10-01\n" for n in range(400))


class Running:
    """`defer-batch app` as a user starts it, and a browser that it opened."""

    def __init__(self, office: Office, *options: str) -> None:
        self.process: subprocess.Popen[str] = office.start("app", "--no-browser", *options)
        assert self.process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:(\d+)/open\S+", self.process.stdout.readline())
        assert found, self.process.communicate()
        self.address, self.origin = found[0], f"http://127.0.0.1:{found[1]}"
        self.client = httpx.Client(base_url=self.origin, follow_redirects=True, timeout=120)
        self.client.get(self.address)
        page = self.client.get("/").text
        self.form = re.search(r'name="form_token" value="([^"]+)"', page)[1]  # type: ignore[index]

    def post(
        self, path: str, fields: dict[str, str] | None = None, **more: object
    ) -> httpx.Response:
        told = {FORM_TOKEN: self.form, **(fields or {})}
        headers = {"origin": self.origin}
        return self.client.post(path, data=told, headers=headers, **more)  # type: ignore[arg-type]

    def sending(self, content: str) -> str:
        """Have a list on its way; return the address of its progress."""
        at = self.post("/lists", files={"file": ("list.csv", content.encode())}).url.path
        journey = at.rsplit("/", 1)[0]
        chosen = {"trainee_id": "0", "defer_date": "1", "date_format": "iso"}
        self.post(f"{journey}/columns", chosen)
        self.post(f"{journey}/where", {"where": "0"})
        until(lambda: "will be sent" in self.client.get(f"{journey}/preview").text)
        return self.post(f"{journey}/confirm", {"number": "400"}).url.path

    def quit(self) -> int:
        """End it by its own page, as on every system."""
        self.post("/end")
        return self._ended()

    def kill(self) -> int:
        self.process.kill()
        return self._ended()

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self._ended()

    def _ended(self) -> int:
        self.process.communicate(timeout=120)
        self.client.close()
        return self.process.returncode


def started(office: Office) -> Running:
    return Running(office, "--rate-limit", "none", "--max-at-once", "1")


@posix_only
def test_ctrl_c_ends_it_and_leaves_nothing_of_a_list(office: Office) -> None:
    app = started(office)
    app.post("/lists", files={"file": ("list.csv", MANY.encode())})
    assert list(office.reports.rglob("list.csv"))
    app.end(signal.SIGINT)
    assert not list(office.reports.rglob("list.csv"))
    assert not (office.reports / FOLDER / RUNNING).exists()


@posix_only
@pytest.mark.parametrize(
    "name", ["SIGTERM", pytest.param("SIGHUP", id="a terminal that is closed")]
)
def test_other_signals_end_it_as_well(office: Office, name: str) -> None:
    app = started(office)
    app.post("/lists", files={"file": ("list.csv", MANY.encode())})
    app.end(getattr(signal, name))
    assert not list(office.reports.rglob("list.csv"))
    assert not (office.reports / FOLDER / RUNNING).exists()


def test_the_key_stands_on_no_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    serving._open(tmp_path, "http://127.0.0.1:1/open?key=secret", browser=True)
    until(lambda: opened)
    page = tmp_path / "open.html"
    assert opened == [page.as_uri()]
    assert has_mode(page, 0o600)
    assert "key=secret" in page.read_text("utf-8")


def test_the_page_can_end_it(office: Office) -> None:
    app = started(office)
    assert heading(app.post("/end").text) == "The app has ended"
    app.process.communicate(timeout=120)
    app.client.close()
    assert app.process.returncode == 0


def test_the_last_page_gets_its_style_before_the_app_ends(office: Office) -> None:
    app = started(office)
    last = app.post("/end")
    time.sleep(0.5)  # a slow browser
    style = re.search(r'rel="stylesheet" href="([^"]+)"', last.text)
    assert style
    assert app.client.get(style[1]).status_code == 200
    app.process.communicate(timeout=120)
    app.client.close()
    assert app.process.returncode == 0


def test_a_second_start_opens_the_first_with_a_fresh_key(office: Office) -> None:
    app = started(office)
    second = office.run("app", "--no-browser")
    address = re.search(r"http://\S+", second.out)[0]  # type: ignore[index]
    assert (second.code, address.startswith(app.origin)) == (0, True)
    assert address != app.address
    assert httpx.get(address).status_code == 200
    app.quit()


@posix_only
def test_a_run_is_stopped_in_good_order_with_the_app_and_continued_later(office: Office) -> None:
    app = started(office)
    work = app.sending(MANY)
    until(lambda: re.search(r"[1-9]\d* of 400", app.client.get(work).text))
    app.end(signal.SIGINT)
    (summary,) = office.reports.glob("2*/summary.json")
    assert json.loads(summary.read_text("utf-8"))["exit_code"] == 143
    assert continued(started(office)) == 400


def test_a_run_that_was_killed_is_continued_from_the_start_page(office: Office) -> None:
    app = started(office)
    work = app.sending(MANY)
    until(lambda: re.search(r"[1-9]\d* of 400", app.client.get(work).text))
    app.kill()
    until(lambda: list(office.reports.glob("2*/summary.json")))  # the run ends in good order
    assert continued(started(office)) == 400


def continued(app: Running) -> int:
    """Continue the unfinished run from the start page; return how many rows succeeded."""

    def offered() -> str | None:
        found = re.search(r'href="(/runs/[^"]+)/continue"', app.client.get("/").text)
        return found[1] if found else None

    until(offered)
    run = offered()
    work = app.post(f"{run}/continue").url.path
    until(lambda: "Type " in app.client.get(work).text)
    number = re.search(r"Type (\d+)", app.client.get(work).text)[1]  # type: ignore[index]
    app.post(f"{work}/answer", {"number": number})
    until(lambda: app.client.get(work).url.path == run)
    shown = re.search(r"<b>([\d,]+)</b> succeeded", app.client.get(str(run)).text)
    app.quit()
    return int(shown[1]) if shown else 0


def test_a_stale_tab_gets_nothing_after_a_restart(office: Office) -> None:
    first = started(office)
    cookies = dict(first.client.cookies)
    port = first.origin.rsplit(":", 1)[1]
    first.quit()
    second = Running(office, "--port", port)
    assert httpx.get(f"{second.origin}/", cookies=cookies).status_code == 403
    second.quit()


def test_only_this_machine_is_listened_on() -> None:
    with serving.listening(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    settings = Settings.load({"reports_dir": tmp_path / "reports"})
    with serving.listening(0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageProblem, match="port"):
            serve_app(settings, port=port, browser=False, say=lambda _: None)


def test_whoever_took_the_port_of_a_killed_app_is_not_believed(tmp_path: Path) -> None:
    """Another user listens there, and answers with a key of their own."""
    folder = tmp_path / FOLDER
    folder.mkdir()
    with closing(socket.create_server(("127.0.0.1", 0))) as impostor:
        told = {"port": impostor.getsockname()[1], "control": "secret"}
        (folder / RUNNING).write_text(json.dumps(told))

        def answer() -> None:
            connection, _ = impostor.accept()
            with connection:
                connection.recv(10_000)
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nkey\n" + proof("guess", "x").encode())

        thread = threading.Thread(target=answer)
        thread.start()
        assert serving._of_the_running_one(folder) is None
        thread.join()


def test_it_ends_by_itself_once_nobody_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "IDLE_SECONDS", 0.5)
    settings = Settings.load({"reports_dir": tmp_path / "reports"})
    thread = threading.Thread(
        target=serve_app,
        args=(settings,),
        kwargs={"port": 0, "browser": False, "say": lambda _: None},
    )
    thread.start()
    thread.join(120)
    assert not thread.is_alive()


def test_a_run_keeps_it_until_it_has_ended(
    pages: Pages, register: Callable[..., Emulator], monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = register(faults=[troubles.Fault(None, None, given=troubles.Hung(), last=None)])
    to_register(pages, emulator)
    journey = pages.begin("trainee_id,defer_date\nabc,2026-10-01\n")
    pages.columns(journey)
    pages.post(f"{journey}/where", {"where": "3", "token": TOKEN})
    (work,) = pages.works()
    monkeypatch.setattr(serving, "IDLE_SECONDS", 0.2)
    pages.site.last_asked = time.monotonic() - 3600
    until(lambda: time.monotonic() - pages.site.last_asked < 60)
    assert not pages.site.is_ending
    work.stop()
    until(lambda: pages.site.is_ending)
    assert work.has_ended


def test_a_page_that_is_open_keeps_it(pages: Pages) -> None:
    before = pages.site.last_asked
    pages.client.get("/alive")
    assert pages.site.last_asked > before


def test_events_tell_of_progress_and_end(pages: Pages) -> None:
    journey = pages.begin("trainee_id,defer_date\nabc,2026-10-01\n")
    pages.columns(journey)
    pages.post(f"{journey}/where", {"where": "0"})
    (work,) = pages.works()
    told = pages.get(f"/under-way/{work.id}/events")
    assert '"ended": true' in told.rsplit("data: ", 1)[1]


def test_a_connection_without_http_does_no_harm(pages: Pages) -> None:
    with closing(socket.create_connection(("127.0.0.1", pages.port))) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil\r\n\r\n")
        assert b" 40" in connection.recv(100)
    with closing(http.client.HTTPConnection("127.0.0.1", pages.port)) as without_host:
        without_host.putrequest("GET", "/", skip_host=True)
        without_host.endheaders()
        assert without_host.getresponse().status in {400, 403}


def test_a_double_click_keeps_its_reports_in_the_users_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DEFER_BATCH_REPORTS_DIR", raising=False)
    assert serving._without_a_folder().reports_dir == tmp_path / "defer-batch reports"
    monkeypatch.setenv("DEFER_BATCH_REPORTS_DIR", "elsewhere")
    assert serving._without_a_folder().reports_dir == Path("elsewhere")


def test_what_stands_in_the_way_of_a_double_click_is_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setenv("DEFER_BATCH_MAX_AT_ONCE", "<b>many")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        serving.open_app()
    page = Path(url2pathname(opened[0].removeprefix("file:"))).read_text("utf-8")
    assert "The app cannot be opened" in page
    assert "DEFER_BATCH_MAX_AT_ONCE" in page


def test_the_start_page_says_where_reports_are_kept(shared: Pages) -> None:
    assert str(shared.reports.resolve()) in shared.get("/")
