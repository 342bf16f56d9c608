"""A header's names → where the columns stand, what is doubtful of them, and what is refused."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from batch import columns
from batch.errors import UnusableFile, unusable
from batch.intake.dates import quoted
from batch.intake.near_names import found_names, looks_like_a_value, name_in_doubt, nearest_headers
from batch.run_settings import InputOptions

SEPARATORS = (",", ";", "\t", "|")
_MOST_NEAR_SHOWN = 3
TEMPLATE_HINT = "`defer-batch template` prints the right header"


class Layout(Struct, frozen=True):
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
    def name_at(self) -> int:
        """Where the first column stands that names the trainee."""
        return next(self.places[name] for name in columns.NAMING if name in self.places)

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


def layout_of(
    options: InputOptions, header: Sequence[str], separator: str, header_row: int
) -> Layout:
    """Return where the known columns stand.

    Raises UnusableFile: a needed one missing, or there twice, or a choice that nobody would see.
    """
    own = tuple(header[: columns.own_column_count(tuple(header))])
    _refuse_whole_lines_quoted(options.path, own)
    places, notices = _places(options, own)
    layout = Layout(
        own,
        len(header),
        places,
        separator,
        header_row=header_row,
        evidence=_of_an_export(own) or None,
        left_out=columns.told_before(own),
    )
    _refuse_missing(options, layout)
    return replace(layout, notices=(*notices, *_doubts(options, layout)))


def _places(options: InputOptions, own: tuple[str, ...]) -> tuple[dict[str, int], list[str]]:
    """Return where each known column stands, and the notices of those that stand there twice."""
    places, notices = _chosen_places(options, own), []
    for name in columns.ALIASES:
        if name in options.columns:
            continue
        found = _named(own, name, but_not=places.values())
        if len(found) == 1:
            places[name] = found[0]
        elif found:
            notices.append(_told_of_several(options, own, name, found))
    return places, notices


def _named(own: tuple[str, ...], name: str, *, but_not: Collection[int]) -> list[int]:
    """Return where headers stand that name a column: by its very name, or else by an alias."""
    found = [
        at
        for at, title in enumerate(own)
        if at not in but_not and columns.known_column(title) == name
    ]
    return [at for at in found if columns.is_exact(own[at], name)] or found


def _of_an_export(own: tuple[str, ...]) -> dict[str, int]:
    """Return where the columns stand by which Register's own export is known."""
    return {
        name: at
        for at, title in enumerate(own)
        for name in columns.OF_REGISTERS_EXPORT
        if columns.is_exact(title, name)
    }


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
                notes=(found_names(own, is_header=True),),
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


def _missing(options: InputOptions, missing: list[str], found: tuple[str, ...]) -> UnusableFile:
    """Return what was found and what is near, but never what may be values of a first row."""
    names = " and ".join(f"`{name}`" for name in missing)
    why, hint = f"no column named {names}", TEMPLATE_HINT
    is_header = any(map(columns.known_column, found))
    if not is_header and any(map(looks_like_a_value, found)):
        return unusable(
            options.path, f"{why}: its first row does not look like a header", hint=hint
        )
    notes = [note] if (note := found_names(found, is_header=is_header)) else []
    near = [(name, title) for near in missing for name, title in nearest_headers(near, found)]
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


def _refuse_whole_lines_quoted(path: Path, own: tuple[str, ...]) -> None:
    if len(own) == 1 and not columns.known_column(own[0]):
        for separator in SEPARATORS:
            if sum(map(bool, map(columns.known_column, own[0].split(separator)))) > 1:
                raise unusable(
                    path,
                    "every line is quoted as a whole, so each is one value",
                    hint="open it in a text editor and remove the quotes around each line, "
                    'and one of each two ("") within it',
                )


def _doubts(options: InputOptions, layout: Layout) -> Iterator[str]:
    """Yield what is doubtful about the choice of columns. Raises UnusableFile if nobody sees it."""
    for name, titles in _near(options, layout).items():
        why, ways = _choice(layout, name, titles)
        if not why:
            if name not in layout.places:
                command = options.column_command(name, titles[0])
                yield f"{quoted(titles[0])} is not used; if it is `{name}`: `{command}`"
            continue
        hint = "; ".join(
            f"to use {shown}: `{options.column_command(name, title)}`" for shown, title in ways
        )
        is_choice = layout.is_export and name == columns.DEFER_DATE
        if is_choice or not options.attended:
            raise unusable(options.path, f"{why}: is that right?", hint=hint)
        yield f"{why}; {hint}"


def _near(options: InputOptions, layout: Layout) -> dict[str, list[str]]:
    """Return the unused headers that may be meant as a name, by that name."""
    near: dict[str, list[str]] = {}
    for title in layout.unused:
        if (name := name_in_doubt(title)) and name not in options.columns:
            near.setdefault(name, []).append(title)
    return near


def _choice(layout: Layout, name: str, titles: list[str]) -> tuple[str, list[tuple[str, str]]]:
    """Return what was chosen of a name that matters, and the headers to choose, as shown and as is.

    "" where nothing that is sent hangs on it.
    """
    if name == columns.DEFER_REASON and name not in layout.places:
        shown = ", ".join(map(quoted, titles[:_MOST_NEAR_SHOWN]))
        several = "are columns" if len(titles) > 1 else "is a column"
        ways = [(quoted(title), title) for title in titles[:_MOST_NEAR_SHOWN]]
        why = f"no reason will be sent, although there {several} {shown}"
        return why, [*ways, ("none", "")]
    if name in {columns.TRAINEE_ID, columns.DEFER_DATE} and name in layout.places:
        used = layout.own[layout.places[name]]
        what = "ids" if name == columns.TRAINEE_ID else "dates"
        why = f"the {what} are taken from {quoted(used)}, and not from {quoted(titles[0])}"
        return why, [(quoted(title), title) for title in (used, titles[0])]
    return "", []
