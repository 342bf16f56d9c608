"""Letters that show how a file was written: which to look at, and in which encoding they read well.

Never the words around them: those may be reasons, and names.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from batch.errors import unusable
from batch.run_settings import InputOptions

SAVE_AGAIN = "save it again as CSV UTF-8, or say how it is encoded with --encoding"
SIGNS_OF_BROKEN_TEXT = ("\ufffd", "Ã©", "Ã¨", "Ã¡", "Ã¶", "Ã¼", "Ã±", "Ã§", "â€", "Â£", "Â ")
"""What UTF-8 looks like after somebody read it as Windows-1252, and what could not be read."""


_OTHERS = ("mac-roman", "cp850")
"""What a Macintosh and DOS wrote, and old exports still do."""

_MOST_WORDS_TRIED = 1000
_MOST_ROWS_SHOWN = 5
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_BYTES_AROUND = re.compile(rb"[A-Za-z0-9]?[\x80-\xff]+[A-Za-z0-9]?")
_AROUND = re.compile(r"[A-Za-z0-9]?[^\x00-\x7f]+[A-Za-z0-9]?")
_DOUBTFUL = re.compile(
    r"‚(?=\w)|(?<=\w)‚|œ(?=\d)|(?<=[a-z])[À-ÞŠŽŒŸ](?![A-ZÀ-Þ])|[ÒÔÕÐ](?= )|[ÒÓÔÕÐ](?=[a-z]+Ó)"
    r"|(?<=[a-z])[†‡ƒ‰ˆ]"
)
_LIKELY = re.compile(
    r"[A-Za-z0-9]?[’‘“–—…£€•]*[ÀÁÂÄÇÈÉÊËÍÎÏÓÔÖØÚÛÜ]?[à-ïñ-öø-ýÿ]*[’”–—…]*[A-Za-z0-9]?"
)
"""A word's letters beside ASCII: accents within, one capital before, quotes and dashes around."""


def rows_of_broken_text(numbers: Sequence[int], records: Iterable[list[str]]) -> list[int]:
    """Return the rows with text that was broken earlier."""
    return [
        number
        for number, record in zip(numbers, records, strict=True)
        if any(sign in value for value in record for sign in SIGNS_OF_BROKEN_TEXT)
    ]


def bytes_around(blocks: Iterable[bytes]) -> set[bytes]:
    """Return the bytes that are no ASCII, with what stands beside them: enough of them to judge."""
    around: set[bytes] = set()
    for block in blocks:
        around.update(_BYTES_AROUND.findall(block))
        if len(around) > _MOST_WORDS_TRIED:
            break
    return around


def better_commands(options: InputOptions, around: Collection[bytes]) -> str:
    """Return the commands with the encodings in which those bytes look like words, "" if none."""
    better = [name for name in _OTHERS if _read_well(around, name)]
    return " or ".join(f"`{options.command_with('--encoding', name)}`" for name in better)


def _read_well(around: Collection[bytes], encoding: str) -> bool:
    """Whether letters and what stands beside them look like words in an encoding."""
    return all(_LIKELY.fullmatch(word.decode(encoding, "replace")) for word in around)


class Letters:
    """The letters of a file that was assumed to be Windows-1252, by the rows in which they stand.

    Never the words around them: those may be reasons, and names.
    """

    def __init__(self) -> None:
        self._rows: dict[str, list[int]] = {}
        self._doubtful: dict[str, list[int]] = {}
        self._around: set[bytes] = set()

    def add(self, numbers: Sequence[int], records: list[list[str]]) -> None:
        """Take the letters of some rows."""
        for number, record in zip(numbers, records, strict=True):
            joined = "\n".join(record)
            if joined.isascii():
                continue
            for letter in set(_NOT_ASCII.findall(joined)):
                _append(self._rows.setdefault(letter, []), number)
            for found in _DOUBTFUL.finditer(joined):
                _append(self._doubtful.setdefault(found[0][0], []), number)
            if len(self._around) < _MOST_WORDS_TRIED:
                self._around |= {word.encode("cp1252") for word in _AROUND.findall(joined)}

    def notice(self) -> str:
        """Return what the file was read as, and which letters to look at."""
        shown = _shown(self._rows)
        return (
            "the file is not UTF-8, so it was read as Windows-1252, as Excel writes it"
            + (f": look at {shown}" if shown else "")
            + "; if letters look wrong there, name its encoding with --encoding"
        )

    def refuse_unlikely(self, options: InputOptions) -> None:
        """Raise UnusableFile where letters hardly stand so in a word, and nobody sees the plan."""
        if not self._doubtful or options.attended:
            return
        ways = better_commands(options, self._around)
        raise unusable(
            options.path,
            f"read as Windows-1252, it has letters that look wrong: {_shown(self._doubtful)}",
            hint=f"it reads well with {ways}" if ways else SAVE_AGAIN,
        )


def _append(rows: list[int], number: int) -> None:
    if len(rows) <= _MOST_ROWS_SHOWN and (not rows or rows[-1] != number):
        rows.append(number)


def _shown(rows: dict[str, list[int]]) -> str:
    parts = []
    for letter, numbers in list(rows.items())[:12]:
        more = " and more" if len(numbers) > _MOST_ROWS_SHOWN else ""
        shown = ", ".join(map(str, numbers[:_MOST_ROWS_SHOWN]))
        parts.append(f"{letter} (row{'s' if len(numbers) > 1 else ''} {shown}{more})")
    return ", ".join(parts)
