"""What a request to Register is about: its endpoint, version and trainee, told from its path.

Pure. Source: register/API.md and the paths of the recorded answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote_to_bytes


class Endpoint(StrEnum):
    """What can be asked of Register."""

    DEFER = "defer"
    READ = "read"
    INFO = "info"
    LIST = "list"
    NONE = "none"
    """A path under /api that is nothing of the above."""
    ELSEWHERE = "elsewhere"
    """A path that is not under /api."""
    MALFORMED = "malformed"
    """A path that does not decode to text."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request leads: `trainee_id` and `version` are "" where the path names none.

    `query` is the part behind the question mark, still encoded.
    """

    endpoint: Endpoint
    version: str = ""
    trainee_id: str = ""
    query: str = ""


def route_of(method: str, target: str) -> Route:
    """Tell where a request leads; `target` is the path as sent, still encoded, with its query.

    An encoded slash or dot is part of an id; a bare `..` is not, it leads to another path.
    """
    path, _, query = target.partition("?")
    segments = _segments(path)
    if segments is None:
        return Route(Endpoint.MALFORMED)
    if segments[:1] != ["api"]:
        return Route(Endpoint.ELSEWHERE)
    version = segments[1] if len(segments) > 1 else ""
    match (method, segments[2:]):
        case ("POST", ["trainees", trainee_id, "defer"]):
            return Route(Endpoint.DEFER, version, trainee_id)
        case ("GET", ["trainees", trainee_id]):
            return Route(Endpoint.READ, version, trainee_id)
        case ("GET", ["trainees"]):
            return Route(Endpoint.LIST, version, query=query)
        case ("GET", ["info"]):
            return Route(Endpoint.INFO, version)
        case _:
            return Route(Endpoint.NONE, version)


def _segments(path: str) -> list[str] | None:
    if "%" not in path and "/." not in path:
        return path.strip("/").split("/")
    try:
        decoded = [unquote_to_bytes(part).decode() for part in _without_dots(path)]
    except UnicodeDecodeError:
        return None
    return None if any("\0" in part for part in decoded) else decoded


def _without_dots(path: str) -> list[str]:
    kept: list[str] = []
    for part in path.strip("/").split("/"):
        if part == "..":
            del kept[-1:]
        elif part != ".":
            kept.append(part)
    return kept
