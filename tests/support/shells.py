"""A command as this system's shell takes it: sh, or what Windows makes of a command line."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def words_of(command: str) -> list[str]:
    """Return the words of a command."""
    if sys.platform != "win32":
        return shlex.split(command)
    import ctypes  # noqa: PLC0415 — only Windows has `windll`

    count, split = ctypes.c_int(), ctypes.windll.shell32.CommandLineToArgvW
    split.restype = ctypes.POINTER(ctypes.c_wchar_p)
    words = split(ctypes.c_wchar_p(command), ctypes.byref(count))
    return [str(words[place]) for place in range(count.value)]


def in_the_shell(
    command: str, cwd: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Paste a command into the shell."""
    given = ["sh", "-c", command] if sys.platform != "win32" else f'cmd /d /s /c "{command}"'
    return subprocess.run(
        given, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def make_program(folder: Path, name: str, saying: Path) -> None:
    """Put a program where a shell finds it, which notes with which arguments it was called."""
    folder.mkdir(exist_ok=True)
    if sys.platform == "win32":
        script = folder / f"{name}.py"
        script.write_text(
            "import sys, pathlib\n"
            f"said = ''.join(word + chr(0) for word in sys.argv[1:])\n"
            f"pathlib.Path({str(saying)!r}).write_text(said, encoding='utf-8')\n",
            encoding="utf-8",
        )
        call = f'@"{sys.executable}" "{script}" %*\n'
        (folder / f"{name}.cmd").write_text(call, encoding="utf-8")
        return
    program = folder / name
    program.write_text(f"#!/bin/sh\nprintf '%s\\0' \"$@\" > {shlex.quote(str(saying))}\n")
    program.chmod(0o700)
