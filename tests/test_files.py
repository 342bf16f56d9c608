"""Files and folders: what is refused before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch import files
from batch.errors import UsageProblem
from tests.support.terminals import posix_only

_MOST = 4_095
"""How many bytes Linux takes as a path (PATH_MAX, and its NUL)."""


@posix_only
@pytest.mark.parametrize(("spare", "is_refused"), [(8, True), (40, False), (-30, True)])
def test_a_folder_whose_path_leaves_no_room_for_a_report_is_refused(
    tmp_path: Path, spare: int, *, is_refused: bool
) -> None:
    folder = tmp_path.joinpath(*["a" * 100] * 38)
    folder = folder / ("b" * (_MOST - spare - len(str(folder)) - 1))
    if not is_refused:
        files.refuse_long_path(folder, "unprocessable.csv")
        assert list(folder.iterdir()) == []
        return
    with pytest.raises(UsageProblem, match="too long"):
        files.refuse_long_path(folder, "unprocessable.csv")


def test_another_refusal_stays_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(OSError, match=r".+") as raised:
        files.refuse_long_path(tmp_path / "taken", "unprocessable.csv")
    assert not isinstance(raised.value, UsageProblem)
    assert list(tmp_path.iterdir()) == [tmp_path / "taken"]
