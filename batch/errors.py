"""Every exception that a user can cause, and the one place that says how each ends.

DeferBatchError                     a message, a hint, an exit code
├── UsageProblem             (2)    a setting is missing or bad, a question was declined
├── UnusableFile             (2)    the input file cannot be used
├── JournalProblem           (2)    the journal is corrupt, foreign, newer, or not writable
│   ├── ForeignJournal       (2)    the file of that name is a database of something else
│   └── UnfinishedRun        (2)    an unfinished run of this file is in the way
├── RefusedByRegister        (2)    token, version, address or certificate: nothing was sent
├── RegisterUnreachable      (75)   it could not be asked, and nothing was sent
├── UnknownRun               (2)    no run has that id
├── StoppedEarly             (3)    the run ended before its rows did
│   └── JournalLost          (3)    the journal could not be written while rows were under way
├── Interrupted              (130)  Ctrl-C or SIGTERM (143) before anything was sent
├── AlreadyRunning           (4)    another run holds the lock
├── SelfCheckFailed          (5)    the reports disagree with the journal
└── Fault                    (70)   what nobody foresaw: a defect of this tool
"""

from __future__ import annotations

from typing import Protocol

from batch.words import in_one_line, printable


class DeferBatchError(Exception):
    """A failure that ends the command with a message for people, and never a traceback.

    `message` says what was the matter and where; `hint` says what to do next; `notes` are
    further lines, such as what was found.
    """

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "", notes: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.notes = notes

    def __str__(self) -> str:
        """Return the message, the notes and the hint, as the terminal shows them."""
        lines = [f"error: {self.message}", *(f"  {note}" for note in self.notes)]
        return printable("\n".join(lines + ([f"hint: {self.hint}"] if self.hint else [])))


class UsageProblem(DeferBatchError):
    """A setting is missing or bad, or a question was declined: nothing was sent."""


class UnusableFile(DeferBatchError):
    """The input file cannot be used as it is: nothing was sent, no run was kept."""


class _Named(Protocol):
    """A path, as far as an error needs one: its last part."""

    @property
    def name(self) -> str: ...


def unusable(
    path: _Named, why: str, *, hint: str = "", notes: tuple[str, ...] = ()
) -> UnusableFile:
    """Return the error that says why an input file cannot be used."""
    return UnusableFile(
        f"cannot use {in_one_line(path.name or str(path))}: {why}", hint=hint, notes=notes
    )


class JournalProblem(DeferBatchError):
    """The journal cannot be used as it is: nothing was sent, the file was left as it was."""


class ForeignJournal(JournalProblem):
    """The file where the journal should be is a database of something else."""


class UnfinishedRun(JournalProblem):
    """An unfinished run of the same content, which has sent something, is in the way."""


class RefusedByRegister(DeferBatchError):
    """Register refused token, version, address or certificate before anything was sent."""


class RegisterUnreachable(DeferBatchError):
    """Register could not be asked, and nothing was sent: the same command again later."""

    exit_code = 75


class UnknownRun(DeferBatchError):
    """No run has that id or folder."""


class StoppedEarly(DeferBatchError):
    """The run ended before its rows did; `resume` continues it."""

    exit_code = 3


class JournalLost(StoppedEarly):
    """The journal could not be written while rows were under way (a full disk, most often)."""


class Interrupted(DeferBatchError):
    """A signal ended the command while nothing had been sent; `exit_code` is the signal's."""

    def __init__(self, name: str, exit_code: int) -> None:
        super().__init__(
            f"interrupted ({name}): nothing was sent", hint="the same command asks again"
        )
        self.exit_code = exit_code


class AlreadyRunning(DeferBatchError):
    """Another run is submitting to this Register, or writing this journal."""

    exit_code = 4


class SelfCheckFailed(DeferBatchError):
    """The run's reports and its journal disagree: a defect of this tool."""

    exit_code = 5


class Fault(DeferBatchError):
    """What nobody foresaw went wrong: a defect of this tool, and no fault of the user's."""

    exit_code = 70
