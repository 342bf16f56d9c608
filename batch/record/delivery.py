"""A finished run's report, copied into a folder where others read it: whole, or not at all.

The copy lies under that folder's own group and mode. It has no `run.log` and no journal: those
are for support, and hold every request.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from pathlib import Path

from batch import files, systems
from batch.errors import UsageProblem
from batch.record import manifest

_READ_AT_ONCE = 2**20


def refuse_unusable(to: Path, reports_dir: Path) -> None:
    """Raise UsageProblem where no report could be delivered: found out before anything is sent."""
    if not files.can_be_written(to):
        why = "this user cannot write there" if to.is_dir() else "there is no such folder"
        raise UsageProblem(
            f"cannot deliver reports to {to}: {why}. Nothing was sent",
            hint="make the folder, with the group that may read reports, or correct --deliver-to "
            "(DEFER_BATCH_DELIVER_TO)",
        )
    if to.resolve() == reports_dir.resolve():
        raise UsageProblem(
            f"cannot deliver reports to {to}: the reports themselves are there. Nothing was sent",
            hint="name another folder with --deliver-to",
        )


def deliver(folder: Path, to: Path) -> Path:
    """Copy the report in a run's folder into `to`, and return where it is.

    One that is there already, of the same report and unaltered, stays. Raises OSError, and so
    leaves what was there as it was.
    """
    told = manifest.read_manifest(folder) or {}
    listed = {name: sha for name, sha in told.get("files", {}).items() if name != manifest.LOG}
    listed[manifest.NAME] = manifest.sha256_of(folder / manifest.NAME)
    place = to / folder.name
    if _is_there(place, listed):
        return place
    _remove_unfinished(to, folder.name)
    made = systems.make_folder_to_share(to, f".{folder.name}.")
    try:
        for name, sha256 in listed.items():
            _copy(folder / name, made / name, sha256)
            systems.share_as(made / name, to)
        systems.sync_folder(made)
        systems.share_as(made, to)
        _keep_corrections(place)
        _put_in_place(made, place)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    systems.sync_folder(to)
    return place


def _is_there(place: Path, listed: dict[str, str]) -> bool:
    if place.is_symlink() or not place.is_dir():
        return False
    try:
        return all(manifest.sha256_of(place / name) == sha for name, sha in listed.items())
    except OSError:
        return False


def _copy(source: Path, target: Path, sha256: str) -> None:
    """Copy one file, durably. Raises OSError where it is not the one that the manifest lists."""
    digest = hashlib.sha256()
    with source.open("rb") as read, target.open("xb") as written:
        while part := read.read(_READ_AT_ONCE):
            digest.update(part)
            written.write(part)
    files.sync(target)
    if digest.hexdigest() != sha256:
        raise OSError(None, "it is not the file that the manifest lists", str(source))


def _keep_corrections(place: Path) -> None:
    """Move a delivered `to-correct.xlsx` in which somebody has worked beside the report."""
    path = place / manifest.TO_CORRECT
    listed = (manifest.read_manifest(place) or {}).get("files", {})
    if manifest.is_a_file(path) and manifest.sha256_of(path) != listed.get(path.name):
        manifest.set_aside(path)


def _put_in_place(made: Path, place: Path) -> None:
    """Let the new copy take the place of the one before; where that fails, the old one is back."""
    before = made.with_name(f"{made.name}.before")
    with contextlib.suppress(FileNotFoundError):
        place.rename(before)
    try:
        made.rename(place)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            before.rename(place)
        raise
    _remove(before)


def _remove_unfinished(to: Path, name: str) -> None:
    """Remove what a killed process left; a copy whose successor never came goes back first."""
    for left in sorted(to.glob(f".{name}.*.before")):
        if not (to / name).exists():
            left.rename(to / name)
    for left in to.glob(f".{name}.*"):
        _remove(left)


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
