"""Of a row's problems the first in the order of the codes counts, whenever it was found."""

from __future__ import annotations

import pytest

from tests.support.office import Office
from tests.support.reading import HEADER


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("a/b,10/04/2025,x", "malformed_trainee_id"),
        ("a,10/04/2025,#N/A", "ambiguous_defer_date"),
        (f"a,10/04/2025,{'x' * 501}", "ambiguous_defer_date"),
        ("a,10/04/2025,x", "ambiguous_defer_date"),
        ("a,10/04/2025,x,y", "wrong_number_of_values"),
    ],
)
def test_an_ambiguous_date_takes_its_place_among_the_problems(
    office: Office, row: str, code: str
) -> None:
    office.write("list.csv", f"{HEADER}{row}\nb,10/17/2025,x\n")
    ran = office.run("run", "list.csv", "--register", "emulator", "--date-format", "dmy")
    (found,) = [line for line in ran.rows("unprocessable") if line["row"] == "2"]
    assert found["code"] == code
    assert ("may be month/day/year" in found["message"]) == (code != "wrong_number_of_values")
