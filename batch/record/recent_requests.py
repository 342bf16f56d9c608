"""When commands that keep no run asked a Register, so that the next command paces by it too.

One small file a Register, in this user's own folder; whoever reads or writes it holds the lock of
`locks.one_run_at_a_time`, but for who removes what a killed run left: at worst a time is lost, and
costs a 429.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from batch import files

_KEPT_SECONDS = 86_400.0


def noted_since(origin: str, unix_seconds: float) -> list[float]:
    """Return when a Register was asked since then, in Unix seconds; a spoilt file says nothing."""
    try:
        times = files.json_in(_path(origin).read_bytes())
    except OSError:
        return []
    if not isinstance(times, list):
        return []
    return [time for time in times if isinstance(time, float) and time >= unix_seconds]


def note(origin: str, times: Iterable[float], *, now: float) -> None:
    """Add when a Register was asked, in Unix seconds; what is older than a day goes."""
    kept = sorted([*noted_since(origin, now - _KEPT_SECONDS), *times])
    path = _path(origin)
    files.make_private_folder(path.parent)
    with files.replacing(path) as file:
        file.write(json.dumps(kept).encode())


def _path(origin: str) -> Path:
    name = hashlib.sha256(origin.encode()).hexdigest()[:16]
    return files.state_folder() / "requests" / f"{name}.json"
