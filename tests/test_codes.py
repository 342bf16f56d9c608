"""What to do about each code."""

from __future__ import annotations

import pytest

from batch.advice import FOR_INFORMATION, advice
from batch.rows import Code


@pytest.mark.parametrize("code", Code)
def test_each_code_has_one_sentence_of_advice(code: Code) -> None:
    assert advice(code).endswith(".")


@pytest.mark.parametrize("code", sorted(FOR_INFORMATION))
def test_what_is_for_information_asks_for_nothing(code: Code) -> None:
    assert advice(code).startswith("Nothing")
