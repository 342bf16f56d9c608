"""`app`: serves the pages on this machine until they are no longer needed."""

from __future__ import annotations

import asyncio
import contextlib
import html
import http.client
import json
import secrets
import signal
import socket
import sys
import tempfile
import threading
import time
import webbrowser
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from batch import files, streams, systems
from batch.app import list_pages, run_pages, send_pages
from batch.app.gate import ASKING_AGAIN, Gate, Keys, proof
from batch.app.journeys import FOLDER
from batch.app.site import Page, Site, static
from batch.errors import DeferBatchError, UnknownRun, UsageProblem
from batch.failures import exit_code_of
from batch.settings import Settings

RUNNING = "running.json"
"""Where the app that serves this reports folder is, and what proves that it is ours."""

REPORTS_OF_A_DOUBLE_CLICK = "defer-batch reports"
"""Where reports are kept, within the user's own folder, where no working folder was chosen."""

IDLE_SECONDS = 3600.0
_OPENING_PAGE = "open.html"
_LOOK_EVERY_SECONDS = 0.05
_STYLE_FOLLOWS_WITHIN_SECONDS = 3.0
"""A browser asks for it as soon as it has the page; who is no browser never does."""
_PATIENCE_SECONDS = 5.0
_HOST = "127.0.0.1"
_STYLE = "app.css"
_STATIC = {
    _STYLE: "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


def open_app() -> None:
    """Open the app without a terminal: the entry that Windows starts by itself.

    What stands in the way is a page too: nobody sees a terminal.
    """
    streams.make_streams_usable()

    def serve() -> None:
        try:
            serve_app(_without_a_folder(), port=0, browser=True, say=streams.show)
        except DeferBatchError as error:
            folder = Path(tempfile.mkdtemp(prefix="defer-batch-"))
            webbrowser.open(_page_in(folder, "problem.html", problem_page(error)).as_uri())
            raise

    sys.exit(exit_code_of(serve))


def _without_a_folder() -> Settings:
    """Return the settings of a start by double click, whose working folder may be any.

    The reports are kept in the user's own folder unless a setting names another: not in Documents,
    which Windows and macOS copy to a cloud, with the reasons in them and a journal that must lie
    on this machine.
    """
    settings = Settings.load({})
    if "reports_dir" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"reports_dir": Path.home() / REPORTS_OF_A_DOUBLE_CLICK})


def serve_app(settings: Settings, *, port: int, browser: bool, say: Callable[[str], None]) -> None:
    """Serve the pages until Ctrl-C, an hour without anyone, or the page's own button.

    Where the app of this reports folder runs already, that one is opened instead. Raises
    UsageProblem where the port or the folder cannot be used.
    """
    folder = settings.reports_dir / FOLDER
    files.make_private_folder(settings.reports_dir)
    files.refuse_shared_folder(settings.reports_dir)
    files.make_own_folder(folder)
    if (address := _of_the_running_one(folder)) is not None:
        say(f"The app is running already. Opening it: {address}")
        _open(folder, address, browser=browser)
        return
    settings.token()  # a token that cannot be used is told now
    with listening(port) as listener:
        keys = Keys(listener.getsockname()[1])
        site = Site(settings, keys)
        site.places()
        site.journeys.close()  # what a killed one left
        with _registered(folder, keys):
            address = keys.address()

            def ready() -> None:
                say(f"The app is open in your browser: {address}\nPress Ctrl-C to end it.")
                _open(folder, address, browser=browser)

            server = Server(site, on_ready=ready)
            try:
                with contextlib.suppress(KeyboardInterrupt), _signals_end(server):
                    server.run([listener])
            finally:
                site.is_ending = True
                site.works.close()
                site.journeys.close()
                (folder / _OPENING_PAGE).unlink(missing_ok=True)


@contextlib.contextmanager
def _signals_end(server: uvicorn.Server) -> Iterator[None]:
    """End in good order at SIGTERM, and when the terminal is closed: nothing of a list stays."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(_number: int, _frame: object) -> None:
        server.should_exit = True

    # while it serves, uvicorn has a handler of its own for SIGTERM
    handlers: dict[int, Callable[..., None]] = {signal.SIGTERM: signal.default_int_handler}
    handlers |= dict.fromkeys(systems.TERMINAL_CLOSED, leave)
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def opening_page(folder: Path, address: str) -> Path:
    """Write a page that leads to the address and that only this user can read; return it.

    On a browser's command line other users could see the key, and be faster than the browser.
    """
    text = (
        '<!doctype html><html lang="en-GB"><meta charset="utf-8"><title>Defer trainees</title>'
        f'<meta http-equiv="refresh" content="0; url={address}">'
        f'<a href="{address}">Open the app</a>'
    )
    return _page_in(folder, _OPENING_PAGE, text)


def problem_page(error: DeferBatchError) -> str:
    """Return a page that says why the app cannot be opened, and what to do."""
    title = "The app cannot be opened"
    lines = "".join(f"<p>{html.escape(line)}</p>" for line in (error.message, error.hint) if line)
    return (
        f'<!doctype html><html lang="en-GB"><meta charset="utf-8"><title>{title}</title>'
        f"<main><h1>{title}</h1>{lines}<p>Nothing was sent.</p></main>"
    )


def _page_in(folder: Path, name: str, text: str) -> Path:
    """Write a page that only this user can read; return where it is."""
    page = folder / name
    with files.replacing(page) as file:
        file.write(text.encode())
    return page.resolve()


def _open(folder: Path, address: str, *, browser: bool) -> None:
    if browser:
        page = opening_page(folder, address)
        threading.Thread(target=webbrowser.open, args=(page.as_uri(),), daemon=True).start()


def asgi(site: Site) -> ASGIApp:
    """Return the pages behind the gate."""
    pages: list[tuple[str, str, Page]] = [
        ("GET", "/", list_pages.start),
        ("POST", "/lists", list_pages.take),
        ("POST", "/lists/sample", list_pages.take_sample),
        ("GET", "/template.csv", list_pages.template),
        ("GET", "/lists/{journey}/columns", list_pages.show_columns),
        ("POST", "/lists/{journey}/columns", list_pages.choose_columns),
        ("GET", "/lists/{journey}/check", list_pages.show_check),
        ("POST", "/lists/{journey}/check", list_pages.correct),
        ("GET", "/lists/{journey}/corrected", list_pages.download_corrected),
        ("GET", "/lists/{journey}/where", send_pages.show_where),
        ("POST", "/lists/{journey}/where", send_pages.choose_where),
        ("GET", "/lists/{journey}/preview", send_pages.show_preview),
        ("POST", "/lists/{journey}/preview", send_pages.choose_shown),
        ("POST", "/lists/{journey}/again", send_pages.look_again),
        ("GET", "/lists/{journey}/confirm", send_pages.show_confirm),
        ("POST", "/lists/{journey}/confirm", send_pages.confirm),
        ("GET", "/under-way/{work}", send_pages.show_work),
        ("POST", "/under-way/{work}/stop", send_pages.stop),
        ("POST", "/under-way/{work}/answer", send_pages.answer),
        ("GET", "/runs/{run}", run_pages.show_run),
        ("POST", "/runs/{run}/verify", run_pages.verify),
        ("POST", "/runs/{run}/report", run_pages.write_report),
        ("POST", "/runs/{run}/correct", list_pages.take_what_is_to_correct),
        ("GET", "/runs/{run}/{deed:deed}", run_pages.ask),
        ("POST", "/runs/{run}/{deed:deed}", run_pages.begin),
        ("GET", "/runs/{run}/{file}", run_pages.show_file),
        ("GET", "/purge", run_pages.ask_purge),
        ("POST", "/purge", run_pages.purge),
        ("GET", "/alive", _alive),
        ("POST", "/end", _end),
    ]
    return Gate(_router(site, pages), site.keys)


def _router(site: Site, pages: list[tuple[str, str, Page]]) -> ASGIApp:
    routes = [Route(f"/static/{name}", _file(site, name, kind)) for name, kind in _STATIC.items()]
    routes.append(Route("/under-way/{work}/events", _events(site)))
    routes += [
        Route(each, _endpoint(site, page, each), methods=[method])
        for method, path, page in pages
        for each in _paths(path)
    ]

    async def missing(_request: Request, _error: Exception) -> Response:
        return site.missing()

    return Starlette(routes=routes, exception_handlers={404: missing, 405: missing})


def _paths(path: str) -> list[str]:
    """Return a path, or one for each deed, where it has a place for one."""
    if "{deed:deed}" not in path:
        return [path]
    return [path.replace("{deed:deed}", deed) for deed in run_pages.DEEDS]


def _endpoint(site: Site, page: Page, path: str) -> Callable[[Request], Awaitable[Response]]:
    deed = path.rsplit("/", 1)[-1]

    async def endpoint(request: Request) -> Response:
        request.path_params.setdefault("deed", deed)
        return await site.answered(page, request)

    return endpoint


def _file(site: Site, name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(_request: Request) -> Response:
        if name == _STYLE:
            site.has_style.set()
        return Response(static(name), media_type=kind)

    return endpoint


def _events(site: Site) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            return send_pages.events(site, request)
        except UnknownRun:
            return site.missing()

    return endpoint


def _alive(_site: Site, _request: Request, _form: FormData) -> Response:
    """Answer a page that is open."""
    return Response(status_code=204)


def _end(site: Site, _request: Request, _form: FormData) -> Response:
    """End the app, once its last page is out, and what it looks like."""
    site.has_style.clear()
    site.is_ending = True
    return site.page("ended")


class Server(uvicorn.Server):
    """uvicorn without logs: an address, a name or a reason must reach none."""

    def __init__(self, site: Site, *, on_ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                asgi(site),
                http="h11",
                loop="asyncio",
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="critical",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=3,
            )
        )
        self._site = site
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and open the browser."""
        await super().startup(sockets)
        self._on_ready()

    async def main_loop(self) -> None:
        """Serve until Ctrl-C, the page's own button, or an hour without anyone."""
        site = self._site
        while not self.should_exit and not site.is_ending:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            if any(work.told.question is None for work in site.works.under_way()):
                site.last_asked = time.monotonic()  # what waits for an answer keeps nobody
            if time.monotonic() - site.last_asked > IDLE_SECONDS:
                break
        site.is_ending = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(site.has_style.wait(), _STYLE_FOLLOWS_WITHIN_SECONDS)
        await asyncio.sleep(_LOOK_EVERY_SECONDS)  # streams end by themselves


@contextlib.contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    """Yield a socket of this machine alone; `port` 0 takes any. Raises UsageProblem."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    with contextlib.closing(listener):
        try:
            systems.allow_port_again(listener)
            listener.bind((_HOST, port))
        except (OSError, OverflowError) as error:
            raise UsageProblem(
                f"cannot listen on port {port} of this machine: {error}",
                hint="choose another with --port, or 0 for any that is free",
            ) from error
        yield listener


# A second start


@contextlib.contextmanager
def _registered(folder: Path, keys: Keys) -> Iterator[None]:
    """Let a second start of the app find this one for as long as the block lasts."""
    path = folder / RUNNING
    with files.replacing(path) as file:
        file.write(json.dumps({"port": keys.port, "control": keys.control}).encode())
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _of_the_running_one(folder: Path) -> str | None:
    """Return an address that opens the app that runs, None where none does.

    Both sides prove that they know the secret in the private file: another user may listen on the
    port of an app that was killed.
    """
    try:
        told = json.loads((folder / RUNNING).read_bytes())
        port, control = int(told["port"]), str(told["control"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    nonce = secrets.token_urlsafe(16)
    asked = f"{ASKING_AGAIN}?nonce={nonce}&proof={proof(control, 'ask', nonce)}"
    connection = http.client.HTTPConnection(_HOST, port, timeout=_PATIENCE_SECONDS)
    with contextlib.closing(connection):
        try:
            connection.request("GET", asked)
            with connection.getresponse() as answer:
                key, _, told_proof = answer.read(1000).decode().partition("\n")
        except (OSError, http.client.HTTPException, UnicodeDecodeError):
            return None
    if not secrets.compare_digest(proof(control, "answer", nonce, key), told_proof):
        return None
    return f"http://{_HOST}:{port}/open?key={key}"
