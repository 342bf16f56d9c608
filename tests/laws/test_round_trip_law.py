"""A report reads back as it was: every value of the journal, through CSV and reader."""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from batch.intake.checked_file import open_input
from batch.record import report_files
from batch.run_settings import InputOptions
from tests.support.journals import RUN, failed, journal_of

VALUES = st.text(
    st.one_of(
        st.sampled_from("abc,;\t|\"'\n\r=+-@ é😀0."),
        st.characters(exclude_categories=["Cs"], exclude_characters="\x00"),
    ),
    max_size=12,
)
IDS = st.text(st.sampled_from("abcXYZ019-_=+@'"), min_size=1, max_size=8)


@settings(deadline=None, max_examples=20)  # each writes a whole report: rather more rows of each
@given(st.lists(st.tuples(IDS, VALUES, VALUES), max_size=12))
def test_a_report_reads_back_as_the_journal_holds_it(rows: list[tuple[str, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kept = [failed(number, *values) for number, values in enumerate(rows, 2)]
        columns = ("trainee_id", "defer_date", "note")
        with journal_of(folder, kept, columns=columns) as journal:
            report_files.write_report(journal, RUN.run_id, folder / "run", tool_version="1")
            assert report_files.self_check(journal.ledger, RUN.run_id, folder / "run") == []
        with open_input(
            InputOptions(folder / "run" / "unprocessable.csv", dt.date(2026, 11, 24))
        ) as again:
            read = [row.values for chunk in again.chunks() for row in chunk.rows()]
            assert again.columns == columns
    assert read == rows
