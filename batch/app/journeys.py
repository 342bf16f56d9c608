"""Journeys: one list each, from the file to the run. Kept in memory and a private folder.

A journey is known by an id that nobody can guess, so two tabs do not mix. Its folder goes when the
journey or the process ends.
"""

from __future__ import annotations

import datetime as dt
import secrets
import shutil
import threading
from pathlib import Path, PurePath

from msgspec import Struct, field

from batch import columns, files
from batch.app.copies import Copy, copied
from batch.app.lists import CheckedList, Corrections, ReadList, read_list
from batch.app.working import Work
from batch.errors import UnusableFile
from batch.intake import dates
from batch.intake.outline import Outline, outline_of
from batch.intake.raw_rows import SUFFIXES
from batch.run_settings import InputOptions, RunSettings

FOLDER = ".app"
"""Where the app keeps its files, within the reports folder."""


class Place(Struct, frozen=True):
    """Where a list can be sent: what it is called on a page, and the Register that it means."""

    name: str
    origin: str
    environment: str

    @property
    def is_rehearsal(self) -> bool:
        """Whether nothing is sent to Register."""
        return self.environment == "emulator"


class Shown(Struct):
    """Which rows of the preview are shown: kept here, since a search may be for a name."""

    search: str = ""
    code: str = ""
    page: int = 1


class Journey(Struct):
    """One list on its way. `name` is the file's own, used for nothing but showing."""

    id: str
    folder: Path
    path: Path
    name: str
    date_format: str
    match_by: str | None
    sheet: str | None = None
    hidden_rows: str | None = None
    allow_unusual_dates: bool = False
    was_not_found: bool = False
    """Whether these are rows of a run whose trainees Register did not know."""
    chosen: dict[str, str] = field(default_factory=dict)
    """Which header holds a name, "" none; empty until the person has said so."""
    corrections: Corrections = field(default_factory=Corrections)
    place: Place | None = None
    settings: RunSettings | None = None
    looking: Work | None = None
    sending: Work | None = None
    shown: Shown = field(default_factory=Shown)
    lock: threading.RLock = field(default_factory=threading.RLock)
    _outline: Outline | None = None
    _read: ReadList | None = None
    _checked: CheckedList | None = None
    _copy: Copy | None = None

    def __repr__(self) -> str:
        """Return what may be shown: neither the file's name nor what was typed."""
        return f"Journey({self.id!r})"

    @property
    def original(self) -> InputOptions:
        """How the file that was given is read."""
        return InputOptions(
            self.path,
            dt.datetime.now(dt.UTC).date(),
            sheet=self.sheet,
            date_format=self.date_format,
            allow_unusual_dates=self.allow_unusual_dates,
            columns=self.chosen,
            hidden_rows=self.hidden_rows,
            require_trainee_id=False,
            match_by=self.match_by,
            command=("app",),
            shown_name=self.name,
        )

    def outline(self) -> Outline:
        """Return what the file holds. Raises UnusableFile."""
        if self._outline is None:
            with self.naming():
                self._outline = outline_of(self.original)
        return self._outline

    def forget_the_check(self, *, outline: bool = False) -> None:
        """Have the list read again: it is to be read another way, or was corrected."""
        self._read = None
        self._changed()
        if outline:
            self._outline = None

    def check(self) -> CheckedList:
        """Return what is true of the list as it is corrected now. Raises UnusableFile."""
        with self.naming():
            if self._checked is None:
                self._checked = self._as_read().checked(self.corrections)
            return self._checked

    def _as_read(self) -> ReadList:
        if self._read is None:
            self._read = read_list(self.original)
        return self._read

    def correct(self, row: int, place: int, value: str) -> None:
        """Take a corrected value."""
        self.corrections.values.setdefault(row, {})[place] = value
        self._changed()

    def leave_out(self, rows: set[int]) -> None:
        """Leave these rows out, and no others."""
        if rows != self.corrections.left_out:
            self.corrections.left_out = rows
            self._changed()

    def undo(self) -> None:
        """Take back every correction."""
        self.corrections = Corrections()
        self._changed()

    def _changed(self) -> None:
        self._checked = self._copy = self.looking = None

    def as_corrected(self) -> Path:
        """Return the file as it is corrected now: itself, or a copy. Raises UnusableFile."""
        if not self.corrections:
            return self.path
        if self._copy is None:
            with self.naming():
                self._copy = copied(self._as_read(), self.corrections)
        return self._copy.options.path

    def naming(self) -> _Naming:
        """Return a block in which errors name the file as the person knows it."""
        return _Naming(self)


class _Naming:
    """Raises an UnusableFile of the block again, with the file's own name in place of ours."""

    def __init__(self, journey: Journey) -> None:
        self._journey = journey

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Name the file as the person knows it."""
        if isinstance(error, UnusableFile):
            ours = {self._journey.path.name, "corrected.csv", "corrected.xlsx"}
            words = error.message
            for name in ours:
                words = words.replace(
                    f"cannot use {name}:", f"“{self._journey.name}” cannot be used:"
                )
            raise UnusableFile(words, hint=error.hint, notes=error.notes) from None


class Journeys:
    """Every journey of this process, by its id; their folders are made and removed here."""

    def __init__(self, reports_dir: Path, *, match_by: str | None) -> None:
        self._folder = reports_dir / FOLDER / "lists"
        self._match_by = match_by
        self._journeys: dict[str, Journey] = {}

    def begin(self, name: str, data: bytes, *, date_format: str) -> Journey:
        """Keep a file that was given, under a name of ours, and begin its journey."""
        journey_id = secrets.token_urlsafe(16)
        folder = self._folder / journey_id
        files.make_own_folder(folder)
        suffix = PurePath(name).suffix.lower()
        path = folder / f"list{suffix if suffix in SUFFIXES else '.csv'}"
        with files.replacing(path) as file:
            file.write(data)
        shown = PurePath(name.replace("\\", "/")).name[:200] or "list"
        journey = Journey(journey_id, folder, path, shown, date_format, match_by=self._match_by)
        self._journeys[journey_id] = journey
        return journey

    def get(self, journey_id: str) -> Journey | None:
        """Return a journey by its id."""
        return self._journeys.get(journey_id)

    def all(self) -> list[Journey]:
        """Return every journey."""
        return list(self._journeys.values())

    def end(self, journey: Journey) -> None:
        """Forget a journey, and delete its files."""
        self._journeys.pop(journey.id, None)
        shutil.rmtree(journey.folder, ignore_errors=True)

    def close(self) -> None:
        """Delete the files of every journey, of this process and of one that was killed."""
        self._journeys.clear()
        shutil.rmtree(self._folder, ignore_errors=True)


def proposed(outline: Outline) -> dict[str, str]:
    """Return which header holds which name, as far as the file itself tells: "" where none does.

    An exact name beats its aliases; of two aliases neither is taken.
    """
    found: dict[str, str] = {}
    for name in columns.ALIASES:
        fitting = [
            one.header for one in outline.columns if columns.known_column(one.header) == name
        ]
        exact = [header for header in fitting if columns.is_exact(header, name)]
        chosen = exact or fitting
        found[name] = chosen[0] if len(chosen) == 1 else ""
    return found


def proposed_date_format(outline: Outline, header: str, otherwise: str) -> str:
    """Return how the dates of a column are written: day first only where nothing else fits."""
    samples = [v for one in outline.columns if one.header == header for v in one.samples]
    if samples and not any(dates.parsed(value, "iso") for value in samples):
        return "dmy" if all(dates.parsed(value, "dmy") for value in samples) else otherwise
    return otherwise
