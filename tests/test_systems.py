"""Where operating systems differ: what can be held against fixed words of one."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from batch import files, systems
from tests.support.terminals import posix_only, pseudo_terminal

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
proc /proc proc rw 0 0
/dev/sdb1 /home xfs rw 0 0
server:/export /home/ann/share nfs4 rw 0 0
//server/share /mnt/drive\\040H cifs rw 0 0
ann@server: /mnt/far fuse.sshfs rw 0 0
/dev/sdc1 /mnt/twice ext4 rw 0 0
//server/share /mnt/twice cifs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/reports", "ext4"),
        ("/home", "xfs"),
        ("/home/ann/reports", "xfs"),
        ("/home/ann/share/reports", "nfs4"),
        ("/home/ann/shared", "xfs"),
        ("/mnt/drive H/reports", "cifs"),
        ("/mnt/far", "fuse.sshfs"),
        ("/mnt/twice/reports", "cifs"),
    ],
)
def test_the_deepest_mount_point_holds_a_path(path: str, kind: str) -> None:
    assert systems.mounted_at(PurePosixPath(path), MOUNTS) == kind


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "smb"])
def test_a_file_system_of_another_machine_is_told(kind: str) -> None:
    assert files.is_of_a_network(kind)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "overlay", "tmpfs", "btrfs", "fuse.mergerfs"])
def test_a_local_file_system_is_none(kind: str) -> None:
    assert not files.is_of_a_network(kind)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no file lists what is mounted")
def test_this_file_lies_on_a_file_system_that_is_mounted() -> None:
    assert systems.file_system_of(Path(__file__)) in Path("/proc/mounts").read_text().split()


def test_no_stream_a_closed_one_and_a_pipe_are_no_terminal() -> None:
    closed = io.StringIO()
    closed.close()
    reads, writes = os.pipe()
    os.close(writes)
    with os.fdopen(reads, encoding="utf-8") as pipe:
        assert not any(map(systems.can_be_typed_at, (None, closed, io.StringIO(), pipe)))


def test_what_swallows_everything_is_no_terminal() -> None:
    """`isatty` of Windows's `NUL` says that it is one."""
    with Path(os.devnull).open(encoding="utf-8") as nothing:
        assert not systems.is_terminal(nothing)
        assert not systems.can_be_typed_at(nothing)


@posix_only
def test_a_terminal_is_one_unless_it_has_no_console_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pseudo_terminal()
    with os.fdopen(theirs, encoding="utf-8") as stream:
        assert systems.is_terminal(stream)
        assert systems.can_be_typed_at(stream)
        monkeypatch.setattr(systems, "_has_console_mode", lambda _descriptor: False)
        assert not systems.is_terminal(stream)
        assert not systems.can_be_typed_at(stream)
    os.close(ours)


@pytest.mark.parametrize(
    ("name", "is_a_window"),
    [
        (r"\msys-1888ae32e00d56aa-pty0-from-master", True),
        (r"\msys-1888ae32e00d56aa-pty0-from-master-nat", True),
        (r"\cygwin-c5e39b7a9d22bafb-pty12-from-master", True),
        (r"\msys-1888ae32e00d56aa-pipe-0x3", False),
        (r"\msys-1888ae32e00d56aa-pty0-from-master-and-more", False),
        (r"\win32_pipes\msys-1888ae32e00d56aa-pty0-from-master", False),
        ("", False),
    ],
)
def test_the_window_of_git_bash_is_known_by_the_name_of_its_pipe(
    name: str, *, is_a_window: bool
) -> None:
    assert systems.is_window_of_git_bash(name) == is_a_window


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        ("--reports-dir", "--reports-dir"),
        ("100/60", "100/60"),
        (r"C:\Users\ann\term-1\list.csv", r"C:\Users\ann\term-1\list.csv"),
        ("Zoë.csv", "Zoë.csv"),
        (r"\\server\share$\reports", r'"\\server\share$\reports"'),
        ("my reports", '"my reports"'),
        (r"my reports" + "\\", r'"my reports\\"'),
        ("A&B.csv", '"A&B.csv"'),
        ("a,b.csv", '"a,b.csv"'),
        ("list(1).csv", '"list(1).csv"'),
        ("Sarah’s list.csv", '"Sarah’s list.csv"'),
        ("--reports-dir=a.b", '"--reports-dir=a.b"'),
        ("cost $x.csv", "'cost $x.csv'"),
        ("Sarah’s “own” list.csv", "'Sarah’’s “own” list.csv'"),
        ("", '""'),
    ],
)
def test_a_word_is_quoted_for_both_shells_of_windows(word: str, quoted: str) -> None:
    assert systems.quoted_for_windows(word) == quoted


@pytest.mark.parametrize(
    ("path", "is_far"),
    [
        (r"\\server\share\reports", True),
        (r"\\?\UNC\server\share\reports", True),
        (r"\\?\C:\reports", False),
        (r"C:\reports", False),
        (r"reports", False),
    ],
)
def test_a_share_is_on_another_machine_and_a_long_path_is_not(path: str, *, is_far: bool) -> None:
    assert systems.is_of_another_machine(PureWindowsPath(path).drive) == is_far


def test_what_is_to_be_shared_is_made_private_but_on_windows_where_that_is_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    mkdir = os.mkdir

    def noting(path: str, mode: int = 0o777, **more: int) -> None:
        made.append(mode)
        mkdir(path, mode, **more)

    monkeypatch.setattr(os, "mkdir", noting)
    for is_posix in (True, False):
        monkeypatch.setattr(systems, "_POSIX", is_posix)
        assert systems.make_folder_to_share(tmp_path, ".run.").parent == tmp_path
    assert made == [0o700, 0o777]


def held(times: int) -> Callable[[Path, Path], None]:
    """Return what puts a file in another's place once it was refused so many times."""
    left = iter(range(times))

    def put(source: Path, target: Path) -> None:
        if next(left, None) is not None:
            raise PermissionError
        source.replace(target)

    return put


def test_a_file_that_is_held_for_a_moment_is_replaced(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("old")
    new.write_text("new")
    systems.replace_patiently(new, old, held(2), patience_seconds=60)
    assert old.read_text() == "new"


def test_one_that_is_kept_open_is_named_and_stays(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("old")
    new.write_text("new")
    with pytest.raises(OSError, match="another program") as raised:
        systems.replace_patiently(new, old, held(1), patience_seconds=0)
    assert (raised.value.filename, systems.is_in_use(raised.value)) == (str(old), True)
    assert old.read_text() == "old"


def test_where_nothing_is_in_the_way_the_refusal_stands(tmp_path: Path) -> None:
    with pytest.raises(PermissionError):
        systems.replace_patiently(tmp_path, tmp_path / "none", held(1), patience_seconds=0)
