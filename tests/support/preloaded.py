"""Processes of our commands that begin with everything imported: real ones, a second sooner.

Importing what a run needs takes most of a second, and the tests start hundreds of runs. So one
process imports it once, and forks for each that is asked for. What is forked has a number, signals,
streams and a folder of its own, and runs the module as `python -m` does; as its parent ends at
once, the tests' process adopts it, and waits for it as for any other.

Whatever is read while Python starts or modules are imported is not tried by this: such tests start
Python themselves.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import importlib
import inspect
import json
import os
import pkgutil
import runpy
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import batch

MOST_BYTES = 1_000_000
_BECOME_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER, see prctl(2)


class _Preloaded(subprocess.Popen[Any]):
    """A Popen of `[sys.executable, …, "-m", module, *arguments]`, forked from what has imported."""

    def _execute_child(self, args: Any, *more: Any) -> None:
        asked = _EXECUTE.bind(self, args, *more).arguments
        job = {
            "words": args[args.index("-m") + 1 :],
            "folder": str(asked["cwd"] or Path.cwd()),
            "environment": dict(os.environ if asked["env"] is None else asked["env"]),
            "umask": _umask(),
            "in_new_session": asked["start_new_session"],
        }
        theirs = enumerate(asked[name] for name in ("p2cread", "c2pwrite", "errwrite"))
        try:
            self.pid = _source().fork(job, [usual if own == -1 else own for usual, own in theirs])
            self._child_created = True
        finally:
            self._close_pipe_fds(*(asked[name] for name in _PIPES))  # type: ignore[attr-defined]


_EXECUTE = inspect.signature(subprocess.Popen._execute_child)  # type: ignore[attr-defined]
_PIPES = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")


def _umask() -> int:
    """Return the mask in force, which can only be read by setting another."""
    os.umask(mask := os.umask(0o77))
    return mask


Process: type[subprocess.Popen[Any]] = (
    _Preloaded if sys.platform == "linux" else subprocess.Popen  # others can adopt no process
)


class _Source:
    """The process that has imported everything, as the tests' process talks to it."""

    def __init__(self) -> None:
        ctypes.CDLL(None).prctl(_BECOME_SUBREAPER, 1, 0, 0, 0)
        self._one_at_a_time = threading.Lock()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.preloaded", str(theirs.fileno())],
                cwd=Path(__file__).parents[2],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def fork(self, job: dict[str, object], streams: list[int]) -> int:
        """Return the number of a process that does the job, with these three streams."""
        with self._one_at_a_time:
            socket.send_fds(self._control, [json.dumps(job).encode()], streams)
            return int(self._control.recv(100))


@functools.cache
def _source() -> _Source:
    return _Source()


def _serve(control: socket.socket) -> None:
    """Fork for every job, until the tests' process has ended; return only in what was forked."""
    while True:
        told, streams, _, _ = socket.recv_fds(control, MOST_BYTES, 3)
        if not told:
            os._exit(0)
        reading, writing = os.pipe()
        if not (parent := os.fork()):
            if number := os.fork():
                os.write(writing, str(number).encode())
                os._exit(0)
            os.close(reading)
            os.close(writing)
            control.close()
            return _become(json.loads(told), streams)
        os.waitpid(parent, 0)  # from now on the tests' process is the parent
        control.send(os.read(reading, 100))
        for descriptor in (reading, writing, *streams):
            os.close(descriptor)


def _become(job: dict[str, Any], streams: list[int]) -> None:
    """Take streams, folder and environment, and run the module as `python -m` does."""
    if job["in_new_session"]:
        os.setsid()
    for usual, stream in enumerate(streams):
        os.dup2(stream, usual)
        os.close(stream)
    os.umask(job["umask"])
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["environment"])
    for usual, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        errors = "backslashreplace" if name == "stderr" else None
        setattr(sys, name, open(usual, mode, encoding="utf-8", errors=errors, closefd=False))  # noqa: SIM115
    module, *arguments = job["words"]
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _import_everything() -> None:
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"  # as batch.__main__ does
    for found in pkgutil.walk_packages(batch.__path__, "batch."):
        if not found.name.endswith(("__main__", ".work")):  # run_module warns of what is there
            importlib.import_module(found.name)


if __name__ == "__main__":
    _import_everything()
    gc.freeze()
    _serve(socket.socket(fileno=int(sys.argv[1])))
