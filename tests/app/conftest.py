"""What the tests of the app ask for: its pages, in a reports folder of their own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.office import keep_state_in
from tests.support.pages import Pages


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Pages]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        keep_state_in(folder / "state", patch)
        for name in ("API_TOKEN", "API_TOKEN_FILE", "REGISTER"):
            patch.delenv(f"DEFER_BATCH_{name}", raising=False)
        with contextlib.closing(Pages(folder)) as pages:
            yield pages


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[Pages]:
    with opened(tmp_path) as one:
        yield one


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    """Pages for tests that change nothing in them."""
    with opened(tmp_path_factory.mktemp("shared")) as one:
        yield one
