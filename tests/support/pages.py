"""The app's pages as a browser asks for them: with the cookie, the form's token and an origin."""

from __future__ import annotations

import functools
import re
import subprocess
import threading
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import httpx

from batch.app import site, working
from batch.app.gate import FORM_TOKEN, Keys
from batch.app.serving import Server, listening
from batch.app.site import Site
from batch.app.working import Work
from batch.settings import Settings
from tests.support.preloaded import Process
from tests.support.waiting import until

TEMPLATES = functools.cache(site._environment)
"""The pages' templates, compiled once and not for every test."""


class Pages:
    """A browser that was opened with the key, over the real app."""

    def __init__(self, folder: Path, **settings: object) -> None:
        given = {"reports_dir": folder / "reports", "rate_limit": "none", **settings}
        self.reports = folder / "reports"
        (self.reports / ".app").mkdir(mode=0o700, parents=True)
        self._exit = ExitStack()
        beside = SimpleNamespace(**vars(subprocess) | {"Popen": Process})
        self._exit.enter_context(mock.patch.object(working, "subprocess", beside))
        self._exit.enter_context(mock.patch.object(site, "_environment", TEMPLATES))
        listener = self._exit.enter_context(listening(0))
        self.port = listener.getsockname()[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        self.site = Site(Settings.load(given), Keys(self.port))
        ready = threading.Event()
        server = Server(self.site, on_ready=ready.set)
        self._thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        self._thread.start()
        assert ready.wait(60)
        self.client = self.browser()
        self.get(f"/open?key={self.site.keys.one_time()}")

    def browser(self, *, follow: bool = True) -> httpx.Client:
        """Return a browser that was opened without the key."""
        client = httpx.Client(base_url=self.origin, follow_redirects=follow, timeout=60)
        return self._exit.enter_context(client)

    def get(self, path: str, **more: Any) -> str:
        return self.client.get(path, **more).text

    def post(self, path: str, fields: dict[str, Any] | None = None, **more: Any) -> str:
        data = {FORM_TOKEN: self.site.keys.form, **(fields or {})}
        headers = {"origin": self.origin, "sec-fetch-site": "same-origin"}
        answer = self.client.post(path, data=data, headers=headers, **more)
        self.path = answer.url.path
        return answer.text

    def begin(self, content: str | bytes, name: str = "list.csv") -> str:
        """Upload a list; return the address of its journey."""
        data = content.encode() if isinstance(content, str) else content
        self.post("/lists", files={"file": (name, data)})
        return self.path.rsplit("/", 1)[0]

    def columns(self, journey: str, **chosen: str) -> str:
        """Choose which header holds what, the others by what the page proposes; return the check."""
        page = self.get(f"{journey}/columns")
        fields = {}
        for name, options in re.findall(r'<select id="(\w+)".*?>(.*?)</select>', page, re.DOTALL):
            wanted = chosen.pop(name, None)
            if wanted is not None:
                found = re.search(rf'value="(\d+)"[^>]*>{re.escape(wanted)}<', options)
            else:
                found = re.search(r'value="(\d+)"[^>]* selected', options)
            fields[name] = found[1] if found else ""
        checked = re.search(r'name="date_format" value="(\w+)" checked', page)
        fields["date_format"] = checked[1] if checked else "iso"
        return self.post(f"{journey}/columns", fields | chosen)

    def looked_up(self, journey: str, where: str = "0", token: str = "") -> str:
        """Choose where to; return the preview once the trainees are looked up."""
        self.post(f"{journey}/where", {"where": where, "token": token})
        for work in self.works():
            work.wait()
        return self.get(f"{journey}/preview")

    def sent(self, journey: str, number: object) -> str:
        """Type the number; return the page once the run has ended."""
        page = self.post(f"{journey}/confirm", {"number": str(number)})
        for work in self.works():
            until(lambda work=work: work.has_ended or work.told.question)  # type: ignore[misc]
        return self.get(self.path) if self.path.startswith("/under-way/") else page

    def worked(self, path: str) -> str:
        """Begin some work by a form without fields; return the page of what it found."""
        self.post(path)
        for work in self.works():
            work.wait()
        return self.get(self.path)

    def works(self) -> list[Work]:
        return self.site.works.under_way()

    def close(self) -> None:
        self.site.is_ending = True
        self.site.works.close()
        self.site.journeys.close()
        self._thread.join(60)
        self._exit.close()


def heading(page: str) -> str:
    """Return the one heading of a page."""
    found = re.findall(r"<h1[^>]*>(.*?)</h1>", page, re.DOTALL)
    assert len(found) == 1, page
    return re.sub(r"<[^>]+>|\s+", " ", found[0]).strip()
