"""Lines for a terminal: broken between words where it is narrow, a command in backquotes never."""

from __future__ import annotations

import os
import re
from typing import IO

_WORDS = re.compile(r"[^\s`]*`[^`\n]*`[^\s`]*|\S+")


def fitted(words: str, stream: IO[str]) -> str:
    """Give the words as the stream should show them: as they are, unless it is a terminal."""
    return wrapped(words, columns_of(stream)) if stream.isatty() else words


def columns_of(stream: IO[str]) -> int:
    """Give how many columns a terminal has, 0 where it does not say."""
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except OSError:
        return 0


def wrapped(words: str, width: int) -> str:
    """Break each line that is too long for `width` columns; what follows is indented further."""
    return "\n".join(_wrapped_line(line, width) for line in words.split("\n"))


def _wrapped_line(line: str, width: int) -> str:
    if len(line) <= width or width <= 0:
        return line
    indent = " " * (len(line) - len(line.lstrip()))
    lines, current = [], indent
    for word in _WORDS.findall(line):
        if current.strip() and len(current) + 1 + len(word) > width:
            lines.append(current)
            current = indent + "  " + word
        else:
            current += (" " if current.strip() else "") + word
    return "\n".join([*lines, current])
