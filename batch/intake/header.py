"""A file's first lines → its layout: the separator, the header, and where the columns stand."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from batch import columns
from batch.errors import UnusableFile, unusable
from batch.intake.dates import quoted
from batch.run_settings import InputOptions

SEPARATORS = (",", ";", "\t", "|")
MOST_COLUMNS = 16_384
MOST_ROWS_ABOVE = 20
"""Among how many first rows a header is looked for, where titles stand above it."""

_SEP_LINE = re.compile(r'"?sep=(\\t|[^\w"])"?[,;\t|]*', re.IGNORECASE)
"""Excel's first line; saved again, separators may follow it."""

_LONGEST_LINE = 1 << 20
_MOST_LINES = 100
"""What the names of one header may span; each line more is looked at with all before it."""

_NOTHING = columns.SPACES + '"' + "".join(SEPARATORS)
_A_VALUE = re.compile(
    r"\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4}|\d{5}|(?=\w*\d)\w{20}|[.!?] \w|[\r\n]", re.ASCII
)
_WORDS_OF_OURS = re.compile(r"trainee|register|defer|\bid\b|\bdate\b|\breason\b", re.IGNORECASE)
_REASON = re.compile(r"(?<![a-z])reasons?(?![a-z])", re.IGNORECASE)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NOT_OF_DEFERRALS = re.compile(r"withdraw", re.IGNORECASE)
"""Register's export has reasons of withdrawals (API.md)."""

_FORMULA_TEXT = re.compile(r'="((?:[^"]|"")*)"')
_CLOSED = re.compile(r'(^|[,;\t|\r\n]) *"(?:[^"]|"")*"')
_OPENING = re.compile(r'(?:^|[,;\t|\r\n]) *"')
_LONGEST_NAME = 60
_SHORT, _TOO_SHORT = 6, 3
_MOST_WORDS = 12
_MOST_NEAR_SHOWN = 3
_MOST_NAMES_SHOWN = 20
_TEMPLATE = "`defer-batch template` prints the right header"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the header stands and what it names.

    `own` are the input's own columns, of which `left_out` (places) tell of an earlier run, and are
    kept in no report; `width` counts those of the whole file, of which reports may
    have added some; `places` tells where the known columns stand, `evidence` those of Register's
    own export; `first_column` is where a sheet's cells begin, from 0. `notices` are sentences about
    the columns.
    """

    own: tuple[str, ...]
    width: int
    places: dict[str, int]
    separator: str
    first_column: int = 0
    header_row: int = 1
    evidence: dict[str, int] | None = None
    notices: tuple[str, ...] = ()
    left_out: tuple[int, ...] = ()

    @property
    def kept(self) -> tuple[str, ...]:
        """The columns that the reports of a run repeat."""
        return tuple(name for at, name in enumerate(self.own) if at not in self.left_out)

    def cell(self, place: int, row_number: int) -> str:
        """Return where a spreadsheet shows a value: `C14`."""
        letters = ""
        left = self.first_column + place + 1
        while left:
            left, rest = divmod(left - 1, 26)
            letters = chr(ord("A") + rest) + letters
        return f"{letters}{row_number}"

    @property
    def is_report(self) -> bool:
        """Whether the file ends in the columns that a report of this tool adds."""
        return self.width > len(self.own)

    @property
    def is_export(self) -> bool:
        """Whether the file is Register's own export."""
        return bool(self.evidence)

    @property
    def nameless(self) -> tuple[int, ...]:
        """Where columns without a name stand."""
        return tuple(at for at, name in enumerate(self.own) if columns.is_blank([name]))

    @property
    def unused(self) -> tuple[str, ...]:
        """The headers that hold nothing known."""
        used = {*self.places.values(), *(self.evidence or {}).values(), *self.left_out}
        used |= set(columns.origin_places(self.own) or ())
        return tuple(
            name
            for at, name in enumerate(self.own)
            if at not in used and not columns.is_blank([name])
        )


@dataclass(frozen=True, slots=True)
class Header:
    """The header as found: its names, its separator, its row, how many blank rows stand before it.

    `names` is empty where the file has none. `lines` counts the lines of the file to its end.
    """

    names: list[str]
    separator: str
    row: int
    blank_rows_before: int
    lines: int

    def layout(self, options: InputOptions) -> Layout:
        """Return what the header names. Raises UnusableFile."""
        if not self.names:
            raise unusable(options.path, "it has no header line", hint=_TEMPLATE)
        if len(self.names) > MOST_COLUMNS:
            raise unusable(
                options.path,
                f"its header has more than the {MOST_COLUMNS:,} columns of a spreadsheet",
                hint="look at the first line in a text editor",
            )
        return layout_of(options, self.names, self.separator, self.row)


def find_header(options: InputOptions, text: io.TextIOBase) -> Header:
    """Return the header, looking at the first rows only. Raises UnusableFile.

    It is the first row with anything in it, or else the only one of the first 20 that has the
    needed names: titles stand above that.
    """
    told: str | None = None
    first: Header | None = None
    later: list[Header] = []
    row = blank_rows = lines = 0
    for whole, count in _rows(options.path, text):
        row, lines = row + 1, lines + count
        if first is not None and row > MOST_ROWS_ABOVE:
            break
        if row == 1 and (sep := _SEP_LINE.fullmatch(whole.strip("\r\n "))):
            told = "\t" if sep[1] == "\\t" else sep[1]
        elif not whole.strip(_NOTHING) and not _has_an_open_quote(whole):
            blank_rows += 1
        else:
            separator = told or _separator_of(whole)
            names = _names(whole, separator)
            if first is None:
                first = Header(names or [], separator, row, blank_rows, lines)
                if names is None or has_needed_names(names, options):
                    break
            elif names is not None and has_needed_names(names, options):
                later.append(Header(names, separator, row, blank_rows, lines))
    if first is None:
        return Header([], told or SEPARATORS[0], row, blank_rows, lines)
    if not first.names:
        raise unusable(
            options.path, "its header line has a quote that is wrong", hint="look at the first line"
        )
    return later[0] if len(later) == 1 else first


def has_needed_names(names: Sequence[str], options: InputOptions) -> bool:
    """Whether a row of values has the names of a date and of what names the trainee."""
    chosen = {header: name for name, header in options.columns.items() if header}
    found = {chosen.get(name.strip(columns.SPACES)) or columns.known_column(name) for name in names}
    return columns.DEFER_DATE in found and bool(found & set(columns.NAMING))


def layout_of(
    options: InputOptions, header: Sequence[str], separator: str, header_row: int
) -> Layout:
    """Return where the known columns stand.

    Raises UnusableFile: a needed one missing, or there twice, or a choice that nobody would see.
    """
    path = options.path
    own = tuple(header[: columns.own_column_count(tuple(header))])
    _refuse_whole_lines_quoted(path, own)
    notices: list[str] = []
    places: dict[str, int] = _chosen_places(options, own)
    for name in columns.ALIASES:
        if name not in options.columns:
            taken = set(places.values())
            found = [
                at
                for at, title in enumerate(own)
                if at not in taken and columns.known_column(title) == name
            ]
            exact = [at for at in found if columns.is_exact(own[at], name)]
            match exact or found:
                case []:
                    pass
                case [place]:
                    places[name] = place
                case several:
                    notices.append(_told_of_several(options, own, name, several))
    evidence = {
        name: at
        for at, title in enumerate(own)
        for name in columns.OF_REGISTERS_EXPORT
        if columns.is_exact(title, name)
    }
    layout = Layout(
        own,
        len(header),
        places,
        separator,
        header_row=header_row,
        evidence=evidence or None,
        left_out=columns.told_before(own),
    )
    _refuse_missing(options, layout)
    notices += _doubts(options, layout)
    return Layout(
        own,
        len(header),
        places,
        separator,
        header_row=header_row,
        evidence=evidence or None,
        notices=tuple(notices),
        left_out=layout.left_out,
    )


def _chosen_places(options: InputOptions, own: tuple[str, ...]) -> dict[str, int]:
    """Return where the headers stand that `--column` names. Raises UnusableFile."""
    places: dict[str, int] = {}
    for name, header in options.columns.items():
        if not header:
            continue
        found = [at for at, title in enumerate(own) if title.strip(columns.SPACES) == header]
        found = found or [
            at
            for at, title in enumerate(own)
            if columns.matched_name(title) == columns.matched_name(header)
        ]
        if len(found) != 1:
            why = "two columns have" if found else "no column has"
            raise unusable(
                options.path,
                f"{why} the header {quoted(header)} that --column gives for `{name}`",
                notes=(_found(own, is_header=True),),
                hint="give one of them another name in the file"
                if found
                else "name one of these headers",
            )
        places[name] = found[0]
    return places


def _told_of_several(
    options: InputOptions, own: tuple[str, ...], name: str, several: list[int]
) -> str:
    """Return the notice about two columns of one name. Raises UnusableFile for a needed one."""
    titles = [own[at] for at in several]
    both = " and ".join(map(quoted, titles))
    ways = {title.strip(columns.SPACES): options.column_command(name, title) for title in titles}
    choose = " or ".join(f"`{way}`" for way in ways.values())
    if len(ways) == 1:
        choose = "give the other column another name in the file"
    if name in {columns.TRAINEE_ID, columns.DEFER_DATE}:
        raise unusable(
            options.path, f"two columns are `{name}`: {both}", hint=f"use one of them: {choose}"
        )
    return f"two columns are `{name}` ({both}), so neither is used; to use one: {choose}"


def _refuse_missing(options: InputOptions, layout: Layout) -> None:
    places = layout.places
    missing = [] if columns.DEFER_DATE in places else [columns.DEFER_DATE]
    if options.require_trainee_id:
        if columns.TRAINEE_ID not in places:
            missing.insert(0, columns.TRAINEE_ID)
    elif not set(columns.NAMING) & set(places):
        missing.insert(0, columns.TRAINEE_ID)
    if missing:
        raise _missing(options, missing, layout.own)


def _doubts(options: InputOptions, layout: Layout) -> Iterator[str]:
    """Yield what is doubtful about the choice of columns. Raises UnusableFile if nobody sees it."""
    near: dict[str, list[str]] = {}
    for title in layout.unused:
        if (name := _name_in_doubt(title)) and name not in options.columns:
            near.setdefault(name, []).append(title)
    for name, titles in near.items():
        command = options.column_command
        if name == columns.DEFER_REASON and name not in layout.places:
            shown = ", ".join(map(quoted, titles[:_MOST_NEAR_SHOWN]))
            several = "are columns" if len(titles) > 1 else "is a column"
            why = f"no reason will be sent, although there {several} {shown}"
            ways = [(quoted(title), title) for title in titles[:_MOST_NEAR_SHOWN]] + [("none", "")]
        elif name in {columns.TRAINEE_ID, columns.DEFER_DATE} and name in layout.places:
            used = layout.own[layout.places[name]]
            what = "ids" if name == columns.TRAINEE_ID else "dates"
            why = f"the {what} are taken from {quoted(used)}, and not from {quoted(titles[0])}"
            ways = [(quoted(title), title) for title in (used, titles[0])]
        else:
            if name not in layout.places:
                yield (
                    f"{quoted(titles[0])} is not used; if it is `{name}`: "
                    f"`{command(name, titles[0])}`"
                )
            continue
        hint = "; ".join(f"to use {shown}: `{command(name, title)}`" for shown, title in ways)
        is_choice = layout.is_export and name == columns.DEFER_DATE
        if is_choice or not options.attended:
            raise unusable(options.path, f"{why}: is that right?", hint=hint)
        yield f"{why}; {hint}"


def _name_in_doubt(title: str) -> str | None:
    """Return the name that a header may be meant as: nearly it, or with the word reason."""
    if columns.known_column(title) or _NOT_OF_DEFERRALS.search(title):
        return None
    if any(columns.is_exact(title, name) for name in columns.OF_REGISTERS_EXPORT):
        return None
    words = _CAMEL.sub(" ", title).replace("_", " ")
    return columns.DEFER_REASON if _REASON.search(words) else nearly_named(title)


def nearly_named(title: str) -> str | None:
    """Return the name that a header contains, or from which it is one letter off, or None.

    Of several the longest; a short name counts only as words of the header.
    """
    matched, words = columns.matched_name(title), _words(title)
    near = [
        (len(spelling), name)
        for name, aliases in columns.ALIASES.items()
        for spelling in map(columns.matched_name, (name, *aliases))
        if (len(spelling) > _SHORT and spelling in matched)
        or any("".join(some) == spelling for some in _neighbours(words))
        or _is_one_off(matched, spelling)
    ]
    return max(near)[1] if near else None


def _words(title: str) -> list[str]:
    return re.findall(r"[^\W_]+", _CAMEL.sub(" ", title).casefold())[:_MOST_WORDS]


def _neighbours(words: list[str]) -> Iterator[list[str]]:
    """Yield each stretch of words that stand together."""
    for start in range(len(words)):
        for end in range(start + 1, min(len(words), start + 4) + 1):
            yield words[start:end]


def _is_one_off(one: str, other: str) -> bool:
    """Whether a letter was added, left out, changed, or swapped with the next.

    Of a short name (TRN, DOB) only swapped or added: other words are a letter off too.
    """
    if abs(len(one) - len(other)) > 1 or one == other:
        return False
    if len(other) <= _TOO_SHORT:
        return one[:-1] == other or (one[0] == other[0] and sorted(one) == sorted(other))
    pairs = zip(one, other, strict=False)
    start = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
    rest, other_rest = one[start:], other[start:]
    swapped = rest[:2] == other_rest[1::-1] and rest[2:] == other_rest[2:]
    return swapped or other_rest[1:] in {rest, rest[1:]} or rest[1:] == other_rest


def _refuse_whole_lines_quoted(path: Path, own: tuple[str, ...]) -> None:
    if len(own) == 1 and not columns.known_column(own[0]):
        for separator in SEPARATORS:
            if sum(map(bool, map(columns.known_column, own[0].split(separator)))) > 1:
                raise unusable(
                    path,
                    "every line is quoted as a whole, so that each is one value",
                    hint="open it in a text editor and take away the quotes around each line, "
                    'and one of each two ("") within it',
                )


def _missing(options: InputOptions, missing: list[str], found: tuple[str, ...]) -> UnusableFile:
    """Return what was found and what is near, but never what may be values of a first row."""
    names = " and ".join(f"`{name}`" for name in missing)
    why, hint = f"no column named {names}", _TEMPLATE
    is_header = any(map(columns.known_column, found))
    if not is_header and any(map(_looks_like_a_value, found)):
        return unusable(
            options.path, f"{why}: its first row does not look like a header", hint=hint
        )
    notes = [note] if (note := _found(found, is_header=is_header)) else []
    near = [(name, title) for near in missing for name, title in _nearest(near, found)]
    if near:
        notes.append("closest: " + ", ".join(quoted(title) for _, title in near))
        first = dict(reversed(near))
        chosen = [word for name, title in first.items() for word in ("--column", f"{name}={title}")]
        hint = f"if that is the column: `{options.command_with(*chosen)}`; {hint}"
    if columns.TRAINEE_ID in missing and (others := _other_names(found)):
        notes.append(f"without looking first, rows cannot be found by {others}")
    return unusable(options.path, why, notes=tuple(notes), hint=hint)


def _other_names(found: tuple[str, ...]) -> str:
    known = {columns.known_column(title) for title in found}
    return " or ".join(name for name in columns.NAMING[1:] if name in known)


def _nearest(missing: str, found: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the name and header that come closest to a missing one, if any is close.

    What names a trainee otherwise does as well as the id.
    """
    import difflib  # noqa: PLC0415 — for this one message only

    unknown = [title for title in found if not columns.known_column(title)]
    names = columns.NAMING if missing == columns.TRAINEE_ID else (missing,)
    close = [(name, title) for name in names for title in unknown if nearly_named(title) == name]
    shown = [title for title in unknown if _WORDS_OF_OURS.search(title)]
    others = [(missing, title) for title in difflib.get_close_matches(missing, shown, n=1)]
    dated = [(missing, title) for title in unknown if _DATE.search(title)]
    is_header = len(unknown) < len(found)  # or a sentence of a first row might be shown
    only_date = dated if missing == columns.DEFER_DATE and len(dated) == 1 and is_header else []
    return (close or others or only_date)[:1]


_DATE = re.compile(r"(?:^|[\W_])date(?:$|[\W_])", re.IGNORECASE)


def _found(own: tuple[str, ...], *, is_header: bool) -> str:
    """Return the headers that were found, without what may be values, "" if there are none."""
    names = [name for name in own if name.strip() and not _looks_like_a_value(name)]
    shown = [name for name in names if is_header or _WORDS_OF_OURS.search(name)]
    shown = shown[:_MOST_NAMES_SHOWN]
    more = f" and {len(own) - len(shown)} more" if len(shown) < len(own) else ""
    return "found: " + ", ".join(map(quoted, shown)) + more if shown else ""


def _looks_like_a_value(name: str) -> bool:
    """Return a value from the name of a column: a date, an id, a sentence."""
    return bool(_A_VALUE.search(name)) or len(name) > _LONGEST_NAME


def _separator_of(header: str) -> str:
    """Return the separator that finds the most columns we know, then the most columns."""
    outside_quotes = re.sub(r'"[^"]*"', "", header)

    def columns_found(separator: str) -> tuple[int, int]:
        names = [name.strip(' "\r\n') for name in header.split(separator)]
        return sum(map(bool, map(columns.known_column, names))), outside_quotes.count(separator)

    return max(SEPARATORS, key=columns_found)


def _names(whole: str, separator: str) -> list[str] | None:
    """Return the values of a row, None where its quotes are wrong."""
    try:
        names = next(csv.reader(_line_ends_kept(whole), delimiter=separator, strict=True))
    except (csv.Error, StopIteration):
        unspaced = re.sub(
            rf'(^|{re.escape(separator)}) *"|" *(?={re.escape(separator)}|$)', r'\1"', whole
        )
        try:
            names = next(csv.reader([unspaced], delimiter=separator, strict=True))
        except (csv.Error, StopIteration):
            return None
    return [header_text(name) for name in names]


def header_text(name: str) -> str:
    """Return a header as a spreadsheet shows it: `="…"` is its text, a guard is none of it."""
    if formula := _FORMULA_TEXT.fullmatch(name.strip(columns.SPACES)):
        return formula[1].replace('""', '"')
    stripped = columns.unguarded(name)
    quotes = stripped.strip(" ")
    if len(quotes) > 1 and quotes[0] == quotes[-1] == '"' and quotes != stripped:
        return quotes[1:-1]
    return stripped


def _line_ends_kept(whole: str) -> Iterable[str]:
    return io.StringIO(whole, newline="")


def _rows(path: Path, text: io.TextIOBase) -> Iterator[tuple[str, int]]:
    """Yield the rows with how many lines each took: a quoted line end does not end a row."""
    lines = _lines(path, text)
    for line in lines:
        whole, count = line, 1
        while count < _MOST_LINES and len(whole) < _LONGEST_LINE and _has_an_open_quote(whole):
            following = next(lines, None)
            if following is None:
                break
            whole, count = whole + following, count + 1
        yield whole, count


def _has_an_open_quote(text: str) -> bool:
    """Whether a quote that begins a value, whatever the separator, does not close."""
    return '"' in text and bool(_OPENING.search(_CLOSED.sub(r"\1", text)))


def _lines(path: Path, text: io.TextIOBase) -> Iterator[str]:
    """Yield the lines as they are asked for, the first without a byte order mark."""
    mark = "\ufeff"  # of an encoding that was named without one, such as utf-16-le
    while line := text.readline(_LONGEST_LINE):
        if "\x00" in line and mark:
            raise unusable(path, "it is not text", hint="save it as CSV UTF-8, and name that file")
        if len(line) >= _LONGEST_LINE and line[-1] not in "\r\n":
            raise unusable(
                path,
                f"its header line is longer than {_LONGEST_LINE:,} characters",
                hint="does a quote that opens there never close?",
            )
        yield line.removeprefix(mark)
        mark = ""
