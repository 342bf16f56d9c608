"""Windows's own Python under Wine: fetched and checked by hash, with the wheels that tests need."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PureWindowsPath

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILT = ROOT / "build" / "windows"
PYTHON = BUILT / "cp311" / "python.exe"
_PACKAGES = PYTHON.parent / "Lib" / "site-packages"
_LOCK = ROOT / "requirements.lock"
_MADE_OF = (_LOCK, HERE / "python.txt", HERE / "process_prng.c")
_DONE = BUILT / "made-of"

_NOT_NEEDED = frozenset(
    {"ast-serialize", "editables", "greenlet", "hatchling", "librt", "mypy", "mypy-extensions"}
    | {"pathspec", "playwright", "ruff", "trove-classifiers", "types-openpyxl"}
)
"""What is in the lock for checks and browsers alone, which run where people develop."""

NEEDED = {
    "wine64": "wine wine64",
    "wineserver": "wine",
    "x86_64-w64-mingw32-gcc": "gcc-mingw-w64-x86-64-win32",
}
"""Programs, and the packages of Debian that bring them."""


def missing() -> list[str]:
    """Return the packages of Debian that must be installed first."""
    return sorted({package for name, package in NEEDED.items() if _program(name) is None})


def _program(name: str) -> str | None:
    debians = f"{os.environ.get('PATH', '')}{os.pathsep}/usr/lib/wine"  # where wine64 stands
    return shutil.which(name, path=debians)


def environment(**more: str) -> Mapping[str, str]:
    """Return what programs are started with: a Windows of this clone's own, without a screen."""
    kept = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    return {
        **kept,
        "WINEPREFIX": str(BUILT / "prefix"),
        "WINEARCH": "win64",
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": "mscoree,mshtml=",  # neither .NET nor a browser is installed
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": as_windows(ROOT),
        **more,
    }


def as_windows(path: Path) -> str:
    """Return a path as programs of Windows name it: Wine's drive Z is the root."""
    return str(PureWindowsPath("Z:/", *path.resolve().parts[1:]))


def command(*arguments: str) -> list[str]:
    """Return the command that calls Windows's Python."""
    wine = _program("wine64")
    assert wine is not None
    return [wine, str(PYTHON), *arguments]


def call(*arguments: str, cwd: Path, is_shown: bool = True) -> tuple[int, str]:
    """Call Windows's Python; return its exit code and all that it wrote, shown as it comes.

    Each stream is a pipe: of a file, or of none, Wine makes a handle that Python cannot use.
    """
    started = subprocess.Popen(
        command(*arguments),
        cwd=cwd,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said = []
    with started as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        for line in process.stdout:
            said.append(line.decode("utf-8", "replace").rstrip())
            if is_shown:
                print(said[-1], flush=True)
    return process.returncode, "\n".join(said)


def prepare() -> None:
    """Make all of it, unless it is there and made of the same."""
    made_of = hashlib.sha256(b"".join(path.read_bytes() for path in _MADE_OF)).hexdigest()
    if _DONE.exists() and _DONE.read_text() == made_of:
        return
    shutil.rmtree(BUILT, ignore_errors=True)
    BUILT.mkdir(parents=True)
    _unpack_python()
    _install_wheels()
    _build_stub()
    wine = _program("wine64")
    assert wine is not None
    subprocess.run([wine, "wineboot", "--init"], env=environment(), check=True, capture_output=True)
    _DONE.write_text(made_of)


def _pip(*arguments: str) -> None:
    options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes")
    subprocess.run([sys.executable, "-m", "pip", *arguments, *options], check=True)


def _unpack_python() -> None:
    _pip("download", "--dest", str(BUILT), "--requirement", str(HERE / "python.txt"))
    (archive,) = BUILT.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        (within,) = (name for name in tar.getnames() if name.endswith("/data.zip"))
        data = tar.extractfile(within)
        assert data is not None
        with zipfile.ZipFile(data) as files:
            files.extractall(BUILT)
    archive.unlink()
    shutil.rmtree(_PACKAGES)  # its own are none of the lock


def _install_wheels() -> None:
    """Install what the lock names for Windows: pip would ask the markers of the system here."""
    wanted = BUILT / "wheels.txt"
    blocks = re.split(r"\n(?=\w)", _LOCK.read_text(encoding="utf-8"))
    kept = [block for block in blocks if block.partition("==")[0] not in _NOT_NEEDED]
    text = "\n".join(kept).replace(" ; sys_platform == 'win32'", "")
    wanted.write_text(text + "\n", encoding="utf-8")
    windows = ("--platform", "win_amd64", "--python-version", "3.11", "--only-binary", ":all:")
    _pip("install", "--target", str(_PACKAGES), *windows, "--requirement", str(wanted))


def _build_stub() -> None:
    compiler = _program("x86_64-w64-mingw32-gcc")
    assert compiler is not None
    made = PYTHON.with_name("bcryptprimitives.dll")  # Wine looks beside the program first
    options: Sequence[str] = ("-shared", "-O2", "-o", str(made))
    source = str(HERE / "process_prng.c")
    subprocess.run([compiler, *options, source, "-ladvapi32"], check=True)
