"""Where operating systems differ: what can be held against fixed words of one."""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath

import pytest

from batch import files, systems

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
