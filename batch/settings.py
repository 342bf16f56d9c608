"""One frozen `Settings`, checked once: option, then environment, then `.env`, then default."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from batch import columns, systems
from batch.errors import UsageProblem
from batch.run_settings import EMULATOR, RateLimit, RunSettings

PREFIX = "DEFER_BATCH_"
LONGEST_REHEARSED_WAIT_SECONDS = 2.0
NAMED_TARGETS = {
    "production": "https://www.register-trainee-teachers.service.gov.uk",
    "sandbox": "https://sandbox.register-trainee-teachers.service.gov.uk",
}
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_DEFAULT_PORTS = {"https": 443, "http": 80}
_HOST = re.compile(r"[\w.\-]+|[0-9a-f:]+", re.ASCII)
_Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
_OF_A_RUN = {
    "api_version": "api_version",
    "rate_limit": "rate_limit",
    "max_at_once": "max_at_once",
    "timeout": "timeout_seconds",
    "lost_answer_wait": "lost_answer_wait_seconds",
    "give_up_after": "give_up_after_seconds",
    "match_by": "match_by",
}
"""The settings that a run keeps, each with its name there: `resume` uses them again."""


class Target(Struct, frozen=True):
    """A Register: `origin` identifies it, `environment` names it for people."""

    environment: str
    origin: str

    @property
    def is_rehearsal(self) -> bool:
        """Whether this is the emulator within this process."""
        return self.origin == EMULATOR


class Settings(BaseModel):
    """What a run is told; every field's source and meaning stand in the README's table."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, arbitrary_types_allowed=True)

    register_name: str | None = None
    api_token: SecretStr | None = None
    api_token_file: Path | None = None
    api_version: str | None = Field(default=None, pattern=r"^v\d{4}\.\d{1,3}(-[a-z]{1,10})?$")
    rate_limit: RateLimit | None = RateLimit(100, 60.0)
    max_at_once: int = Field(default=10, ge=1, le=100)
    timeout: _Seconds = 30.0
    lost_answer_wait: float = Field(default=60.0, ge=0, le=86_400, allow_inf_nan=False)
    give_up_after: _Seconds = 120.0
    reports_dir: Path = Path("reports")
    match_by: Literal["trainee_id", "trn", "hesa_id", "provider_trainee_id"] | None = None
    date_format: Literal["iso", "dmy"] = "iso"
    columns: str = ""
    deliver_to: Path | None = None
    operator: str | None = None
    from_dotenv: tuple[str, ...] = ()
    """The variables that a file `.env` in the working folder decided."""

    @field_validator("rate_limit", mode="before")
    @classmethod
    def _parsed(cls, value: object) -> object:
        return RateLimit.parse(value) if isinstance(value, str) else value

    @classmethod
    def load(cls, options: Mapping[str, object]) -> Self:
        """Return the settings; of the options that were given, those that are settings count.

        Raises UsageProblem.
        """
        given = {name: value for name, value in options.items() if name in cls.model_fields}
        try:
            found = _found(name for name in cls.model_fields if name not in given)
            settings = cls.model_validate(
                {**found.environment, **found.dotenv, **given, "from_dotenv": found.variables}
            )
        except ValidationError as error:
            raise _as_usage_problem(error) from None
        except UnicodeDecodeError:
            raise UsageProblem(
                "cannot read the settings in .env: it is not UTF-8",
                hint="save it as UTF-8, or set the environment's variables instead",
            ) from None
        _refuse_what_dotenv_may_not(settings)
        return settings

    def notes(self) -> tuple[str, ...]:
        """Return what a person should know of where the settings come from, before sending."""
        lines = []
        if self.from_dotenv:
            names = ", ".join(PREFIX + name for name in self.from_dotenv)
            lines.append(f"from the file .env: {names}")
        path = self.api_token_file
        if path is not None and path.exists() and systems.can_be_read_by_others(path):
            lines.append(
                f"warning: other users of this machine can read the token in {path}: "
                f"`chmod 600 {systems.as_argument(path)}`"
            )
        return tuple(lines)

    @property
    def target(self) -> Target:
        """The Register that was named. Raises UsageProblem where none was, or none usable."""
        if self.register_name is None:
            raise UsageProblem(
                "no Register was named",
                hint="add --register production, or --register sandbox for tests, or --register "
                "emulator to rehearse on this machine (or set DEFER_BATCH_REGISTER)",
            )
        target = target_of(self.register_name)
        if "REGISTER" in self.from_dotenv and not self._is_token_of_dotenv:
            _refuse_stranger(target)
        return target

    @property
    def _is_token_of_dotenv(self) -> bool:
        """Whether the token itself stands in `.env`: a file that it names may be anyone's."""
        return "API_TOKEN" in self.from_dotenv and self.api_token_file is None

    @property
    def _longest_wait(self) -> float:
        """In a rehearsal no request can still be on its way once the emulator has cut it off."""
        return LONGEST_REHEARSED_WAIT_SECONDS if self.target.is_rehearsal else math.inf

    def for_run(self, *, again: bool, preview: bool, final_check: bool) -> RunSettings:
        """Return what a run is told of Register and of its pace. Raises UsageProblem."""
        told = self.of_run(_OF_A_RUN)
        told["lost_answer_wait_seconds"] = min(self.lost_answer_wait, self._longest_wait)
        return RunSettings(
            environment=self.target.environment,
            origin=self.target.origin,
            again=again,
            preview=preview,
            final_check=final_check,
            **told,
        )

    def of_run(self, names: Iterable[str]) -> dict[str, Any]:
        """Return those of the named settings that a run keeps, as fields of `RunSettings`."""
        return {_OF_A_RUN[name]: getattr(self, name) for name in names if name in _OF_A_RUN}

    def chosen_columns(self, given: Iterable[str]) -> dict[str, str]:
        """Return which header holds which column, "" none; `given` are options, which win.

        Raises UsageProblem.
        """
        said = [part for part in self.columns.split(";") if part.strip()]
        return dict(_column(text) for text in [*said, *given])

    def token(self) -> str | None:
        """Return the bearer token, None where none is set. Raises UsageProblem for a bad one."""
        if self.api_token_file is not None:
            return _usable(_read_token(self.api_token_file), f"the file {self.api_token_file}")
        if self.api_token is None:
            return None
        return _usable(self.api_token.get_secret_value(), f"{PREFIX}API_TOKEN")


def _column(text: str) -> tuple[str, str]:
    name, equals, header = text.partition("=")
    known = columns.known_column(name)
    if not equals or known is None:
        names = ", ".join(columns.ALIASES)
        raise UsageProblem(
            f"cannot use --column {text[:80]}: it must be NAME=HEADER",
            hint=f"NAME is one of {names}; `NAME=` uses no column",
        )
    if known == columns.DEFER_DATE and not header.strip():
        raise UsageProblem(
            "cannot use --column defer_date=: a deferral needs a date",
            hint="name the header of the column that holds it",
        )
    return known, header.strip()


class _Found(Struct, frozen=True):
    """What the environment and `.env` say of the settings, each by the field's name."""

    environment: dict[str, str]
    dotenv: dict[str, str]

    @property
    def variables(self) -> tuple[str, ...]:
        return tuple(_variable(name).removeprefix(PREFIX) for name in self.dotenv)


def _found(fields: Iterable[str]) -> _Found:
    """Return what is said of the fields where no option says it; an empty value says nothing.

    Where the environment gives the token, a token of `.env` has no say, whichever way it is given.
    """
    environment = {name: value for name, value in os.environ.items() if value}
    dotenv = _of_dotenv() if os.access(".env", os.F_OK) else {}
    variables = {name: _variable(name) for name in fields if name != "from_dotenv"}
    said = {name: environment[v] for name, v in variables.items() if v in environment}
    more = {name: dotenv[v] for name, v in variables.items() if v in dotenv and name not in said}
    if not {"api_token", "api_token_file"} <= variables.keys() or _TOKENS & said.keys():
        more = {name: value for name, value in more.items() if name not in _TOKENS}
    return _Found(said, more)


def _of_dotenv() -> dict[str, str]:
    from dotenv import dotenv_values  # noqa: PLC0415 — few folders have such a file

    return {name: value for name, value in dotenv_values(".env").items() if value}


_TOKENS = frozenset({"api_token", "api_token_file"})


def _refuse_what_dotenv_may_not(settings: Settings) -> None:
    """Raise UsageProblem where the `.env` of a stranger's folder makes a run less careful."""
    least = Settings.model_fields["lost_answer_wait"].default
    if "LOST_ANSWER_WAIT" in settings.from_dotenv and settings.lost_answer_wait < least:
        raise _not_from_dotenv("lost_answer_wait", f"wait less than {least:g} seconds")
    if "RATE_LIMIT" in settings.from_dotenv and _is_faster(settings.rate_limit):
        raise _not_from_dotenv("rate_limit", "lift Register's rate limit")


def _refuse_stranger(target: Target) -> None:
    """Raise UsageProblem where only `.env` names a Register that the token was not given for."""
    if target.environment not in {*NAMED_TARGETS, EMULATOR}:
        raise UsageProblem(
            f"the file .env in this folder names another Register: {target.origin}. The token is "
            "not sent there",
            hint=f"to send there, add --register {target.origin}, or put the token for it into "
            "the same .env",
        )


def _is_faster(limit: RateLimit | None) -> bool:
    usual: RateLimit = Settings.model_fields["rate_limit"].default
    if limit is None:
        return True
    is_denser = limit.requests * usual.period_seconds > usual.requests * limit.period_seconds
    return is_denser or limit.requests > usual.requests


def _not_from_dotenv(field: str, deed: str) -> UsageProblem:
    option = f"--{field.replace('_', '-')}"
    return UsageProblem(
        f"the file .env in this folder may not {deed} ({_variable(field)})",
        hint=f"remove that line from .env; if you do want that, add {option} to the command",
    )


def _variable(field: str) -> str:
    return PREFIX + field.removesuffix("_name").upper()


def target_of(name: str) -> Target:
    """Return the Register that a name or base URL means. Raises UsageProblem."""
    name = name.strip()
    if name.lower() == EMULATOR:
        return Target(EMULATOR, EMULATOR)
    origin = _origin(NAMED_TARGETS.get(name.lower(), name))
    known = {_origin(url): known for known, url in NAMED_TARGETS.items()}
    return Target(known.get(origin, origin), origin)


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _unknown_target(url) from None
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in _DEFAULT_PORTS or not _HOST.fullmatch(host):
        raise _unknown_target(url)
    if "@" in parts.netloc or parts.query:
        raise _unknown_target(url)
    if parts.path.strip("/") or parts.fragment:
        raise UsageProblem(
            f"cannot use --register {url[:80]}: an address of Register has no path",
            hint=f"use --register {parts.scheme}://{parts.netloc}",
        )
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise UsageProblem(
            f"cannot use --register {url[:80]}: plain HTTP would show the token to others",
            hint="use https; plain HTTP is for this machine only",
        )
    host = f"[{host}]" if ":" in host else host
    shown_port = "" if port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{port}"
    return f"{parts.scheme}://{host}{shown_port}"


def _unknown_target(name: str) -> UsageProblem:
    shown = name[:80] if not {"@", "?"} & set(name) else "with a user name or a query in it"
    return UsageProblem(
        f"cannot use --register {shown}: no such Register",
        hint="use production, sandbox, emulator (a rehearsal on this machine), or an address such "
        "as https://register.example",
    )


def _as_usage_problem(error: ValidationError) -> UsageProblem:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    name = str(first["loc"][0])
    option = "" if name == "api_token" else f"--{name.replace('_', '-')} or "
    words = first["msg"].removeprefix("Value error, ")
    return UsageProblem(
        f"cannot use the setting {option}{_variable(name)}: {words[0].lower()}{words[1:]}",
        hint="`defer-batch run --help` shows what it takes",
    )


def _read_token(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise UsageProblem(
            f"cannot read the token from {path}: {why}",
            hint="--api-token-file names a file that holds the token and nothing else",
        ) from None


def _usable(token: str, where: str) -> str:
    token = token.strip()
    if not token or not token.isascii() or any(not 32 < ord(letter) < 127 for letter in token):
        raise UsageProblem(
            f"cannot use the token in {where}: it is empty or holds characters that no token has",
            hint="copy the token again, the whole of it and nothing else",
        )
    return token
