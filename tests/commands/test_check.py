"""`check`: what a user reads of a file, and what a program does."""

from __future__ import annotations

import json

from batch.systems import as_command
from tests.support.office import Office
from tests.support.terminals import posix_only

HEADER = "trainee_id,defer_date,defer_reason\n"
MANY = "".join(f"id{n},soon,x\n" for n in range(12)) + "ok,2026-10-01,x\n"
BAD = (
    " abc ,2026-10-01,x\n"
    "abc,2026-10-02,x\n"
    "\n"
    "def,2026-10-01,ill, very ill\n"
    "g/h,soon,x\n"
    "same,2026-10-01,x\n"
    "same,2026-10-01,x\n"
)


def test_each_code_shows_its_first_ten_cells_and_how_many_more(office: Office) -> None:
    office.write("list.csv", HEADER + MANY + "g/h,2026-10-01,x\n")
    out = office.run("check", "list.csv").out
    shown = ", ".join(map(str, range(2, 12)))
    assert f"invalid_defer_date: rows {shown} and 2 more\n  B2: soon is not a date" in out
    assert out.count("soon is not a date") == 10
    assert "malformed_trainee_id: row 15\n  A15: g/h is not a trainee id" in out


def test_what_is_wrong_with_every_date_is_said_once_before_the_table(office: Office) -> None:
    office.write("list.csv", HEADER + "a,17/06/2024,x\nb,18/06/2024,x\n")
    out = office.run("check", "list.csv").out
    assert out.count("--date-format dmy") == 1
    assert out.index("they are day/month/year") < out.index("invalid_defer_date: rows 2, 3")


def test_a_program_is_told_where_each_problem_stands_and_what_to_do(office: Office) -> None:
    office.write("list.csv", HEADER + BAD)
    ran = office.run("check", "list.csv", "--json")
    told = json.loads(ran.out)
    places = [(p["row"], p["column"], p["cell"], p["code"]) for p in told["problems"]]
    assert places == [
        (2, "trainee_id", "A2", "conflicting_rows"),
        (3, "trainee_id", "A3", "conflicting_rows"),
        (5, "defer_reason", "C5", "wrong_number_of_values"),
        (6, "trainee_id", "A6", "malformed_trainee_id"),
        (6, "defer_date", "B6", "invalid_defer_date"),
        (8, "trainee_id", "A8", "duplicate_row"),
    ]
    assert all(problem["message"] and problem["advice"] for problem in told["problems"])
    assert told["rows"]["conflicting_rows"] == [2, 3]
    assert told["repaired"] == [{"row": 2, "column": "trainee_id", "kind": "spaces_removed"}]
    assert (told["blank_rows"], told["to_send"], ran.code) == (1, 1, 1)


def test_a_program_is_told_how_much_is_not_listed(office: Office) -> None:
    office.write("list.csv", HEADER + "".join(f"id{n}, soon ,x\n" for n in range(10_003)))
    told = json.loads(office.run("check", "list.csv", "--json").out)
    assert told["not_listed"] == {"problems": 3, "repaired": 3}
    assert len(told["rows"]["invalid_defer_date"]) == 10_003
    assert told["common_problem"].startswith("Every date is something else")


def test_one_row_is_told_as_one(office: Office) -> None:
    office.write("list.csv", HEADER + "abc,2026-10-01,x\n")
    out = office.run("check", "list.csv").out
    assert out.startswith("list.csv, 1 row, UTF-8")
    assert "1 of 1 row would be sent, in a few seconds at the rate limit." in out


@posix_only
def test_nothing_in_a_file_steers_the_terminal(office: Office) -> None:
    office.write("li\x1b[2Jst.csv", "trainee\x1b[31m,date\nabc,2026-10-01\n")
    office.write("good\x1b[2J.csv", HEADER + "a\x1b[1m,2026-10-01,x\n")
    refused = office.run("check", "li\x1b[2Jst.csv")
    checked = office.run("check", "good\x1b[2J.csv")
    assert refused.code == 2
    assert "\x1b" not in refused.out + refused.err + checked.out + checked.err


def test_a_column_may_be_named_in_the_environment_and_the_option_wins(office: Office) -> None:
    office.write("list.csv", "trainee_id,defer_date,Why,Because\na,2026-10-01,x,y\n")
    office.environment["DEFER_BATCH_COLUMNS"] = "defer_reason=Why;defer_date=defer_date"
    told = json.loads(office.run("check", "list.csv", "--json").out)["read"]["columns"]
    won = office.run("check", "list.csv", "--json", "--column", "defer_reason=Because")
    assert told["defer_reason"] == "Why"
    assert json.loads(won.out)["read"]["columns"]["defer_reason"] == "Because"


def test_a_hint_is_the_same_command_with_what_it_lacks(office: Office) -> None:
    office.write("my list.csv", "trainee_id,defer_date,Leave reason\na,2026-10-01,x\n")
    refused = office.run("run", "my list.csv", "--register", "emulator")
    assert refused.code == 2
    column = ("--column", "defer_reason=Leave reason")
    command = as_command(["run", "my list.csv", "--register", "emulator", *column])
    assert command in refused.err


def test_a_name_that_the_shell_split_gets_the_hint_to_quote_it(office: Office) -> None:
    assert "quotes around" in office.run("check", "my", "list.csv").err


def test_a_choice_that_is_none_is_refused(office: Office) -> None:
    office.write("list.csv", HEADER + "a,2026-10-01,x\n")
    for option in ("nonsense", "foo=bar", "defer_date="):
        assert office.run("check", "list.csv", "--column", option).code == 2
    assert office.run("check", "list.csv", "--hidden-rows", "maybe").code == 2
