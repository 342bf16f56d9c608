"""A report for others: whole or not at all, as its folder's group says, without the log."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

import pytest

from batch import files
from batch.errors import UsageProblem
from batch.record import delivery, manifest
from batch.record.proof import Verdict, verify_folder
from batch.record.report_files import write_report
from tests.support.journals import RUN, failed, journal_of
from tests.support.terminals import posix_only


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write the report of a run with a row to correct; its log is there too."""
    with journal_of(tmp_path, [failed(2, "abc", "x", "y")]) as journal:
        written = tmp_path / RUN.run_id
        written.mkdir()
        (written / manifest.LOG).write_text("{}\n")
        write_report(journal, RUN.run_id, written, tool_version="1")
    return written


@pytest.fixture
def to(tmp_path: Path) -> Path:
    place = tmp_path / "for-others"
    place.mkdir(mode=0o750)
    return place


def files_in(place: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in place.iterdir()}


def test_everything_but_the_log_is_delivered(folder: Path, to: Path) -> None:
    place = delivery.deliver(folder, to)
    assert place == to / RUN.run_id
    whole = files_in(folder)
    del whole[manifest.LOG]
    assert files_in(place) == whole
    assert [path.name for path in to.iterdir()] == [RUN.run_id]


@posix_only
@pytest.mark.parametrize(("mode", "of_a_file"), [(0o2770, 0o660), (0o750, 0o640), (0o700, 0o600)])
def test_it_is_readable_as_the_folders_group_says(
    folder: Path, to: Path, mode: int, of_a_file: int
) -> None:
    to.chmod(mode)
    place = delivery.deliver(folder, to)
    assert stat.S_IMODE(place.stat().st_mode) == mode
    assert {stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()} == {of_a_file}
    assert {path.stat().st_gid for path in place.iterdir()} == {to.stat().st_gid}


def test_a_report_written_anew_takes_the_place_of_the_one_before(folder: Path, to: Path) -> None:
    place = delivery.deliver(folder, to)
    (place / "succeeded.csv").write_text("forged")
    (place / "added.csv").write_text("stray")
    delivery.deliver(folder, to)
    assert files_in(place).keys() == files_in(folder).keys() - {manifest.LOG}
    assert (place / "succeeded.csv").read_bytes() == (folder / "succeeded.csv").read_bytes()


def test_corrections_made_where_it_was_delivered_are_kept(folder: Path, to: Path) -> None:
    place = delivery.deliver(folder, to)
    (place / manifest.TO_CORRECT).write_bytes(b"somebody's work")
    delivery.deliver(folder, to)
    (kept,) = to.glob("*-corrected-*.xlsx")
    assert kept.read_bytes() == b"somebody's work"


@pytest.mark.parametrize("deliveries", [0, 1])
def test_a_copy_that_fails_leaves_what_was_there(
    folder: Path, to: Path, monkeypatch: pytest.MonkeyPatch, deliveries: int
) -> None:
    for _ in range(deliveries):
        delivery.deliver(folder, to)
        (to / RUN.run_id / "summary.json").write_text("before")
    before = {path.name for path in to.iterdir()}

    def on_a_full_disk(_path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "sync", on_a_full_disk)
    with pytest.raises(OSError, match="No space left"):
        delivery.deliver(folder, to)
    assert {path.name for path in to.iterdir()} == before


def test_a_file_that_the_manifest_does_not_list_so_is_not_delivered(folder: Path, to: Path) -> None:
    (folder / "summary.json").write_text("altered meanwhile")
    with pytest.raises(OSError, match="manifest lists"):
        delivery.deliver(folder, to)
    assert list(to.iterdir()) == []


def test_where_the_last_step_fails_the_copy_before_is_back(
    folder: Path, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = delivery.deliver(folder, to)
    (place / "summary.json").write_text("before")
    rename, fails = Path.rename, iter([False, True])

    def failing_the_second_time(path: Path, target: Path) -> Path:
        if next(fails, False):
            raise PermissionError(errno.EACCES, "Permission denied")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing_the_second_time)
    with pytest.raises(PermissionError):
        delivery.deliver(folder, to)
    assert (place / "summary.json").read_text() == "before"


@pytest.fixture
def killed(to: Path) -> Path:
    """Leave what a kill between the two renames leaves: no copy, the old one, the new one."""
    (to / f".{RUN.run_id}.ab12").mkdir()
    before = to / f".{RUN.run_id}.ab12.before"
    before.mkdir()
    (before / "old").write_text("old")
    return before


def test_what_a_kill_left_is_cleared_by_the_next_delivery(
    folder: Path, to: Path, killed: Path
) -> None:
    delivery.deliver(folder, to)
    assert [path.name for path in to.iterdir()] == [RUN.run_id]
    assert not killed.exists()


@posix_only
def test_a_link_in_its_place_is_replaced_and_not_followed(
    folder: Path, to: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (to / RUN.run_id).symlink_to(elsewhere)
    delivery.deliver(folder, to)
    assert not (to / RUN.run_id).is_symlink()
    assert list(elsewhere.iterdir()) == []


def test_a_folder_that_is_not_there_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="no such folder"):
        delivery.refuse_unusable(tmp_path / "nowhere", tmp_path)


def test_the_reports_folder_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="themselves are there"):
        delivery.refuse_unusable(tmp_path, tmp_path / "." / "")


def test_a_delivered_report_is_proved_by_the_hash_that_was_printed(folder: Path, to: Path) -> None:
    place = delivery.deliver(folder, to)
    printed = manifest.sha256_of(folder / manifest.NAME)
    found = verify_folder(place, None, printed, run_id=RUN.run_id, tool_version="1")
    assert found.verdict is Verdict.PROVED
    assert any("run.log" in words for words in found.unchecked)
    (place / "succeeded.csv").write_text("forged")
    found = verify_folder(place, None, printed, run_id=RUN.run_id, tool_version="1")
    assert found.differences == ("succeeded.csv was altered",)


def test_beside_the_journal_a_log_must_be_there(folder: Path) -> None:
    (folder / manifest.LOG).unlink()
    printed = manifest.sha256_of(folder / manifest.NAME)
    found = verify_folder(folder, None, printed, run_id=RUN.run_id, tool_version="1")
    assert found.differences == ("run.log is missing",)
