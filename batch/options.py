"""The options and arguments of the commands: their names, and what `--help` says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

File = Annotated[Path, typer.Argument(metavar="FILE", help="The CSV (or .xlsx) of trainees.")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run id, or a path to its folder.")]
Reports = Annotated[
    Path | None,
    typer.Option("--reports-dir", help="Where the journal and the run folders live.  [reports]"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before sending.")]
RateLimitText = Annotated[
    str | None,
    typer.Option("--rate-limit", help="Requests / seconds, or none.  [100/60]"),
]
MaxAtOnce = Annotated[int | None, typer.Option("--max-at-once", help="Requests in flight.  [10]")]
Timeout = Annotated[
    float | None, typer.Option("--timeout", help="Seconds to wait for one answer.  [30]")
]
LostAnswerWait = Annotated[
    float | None,
    typer.Option(
        "--lost-answer-wait",
        help="Seconds after a lost answer before the row may be sent again.  [60]",
    ),
]
GiveUpAfter = Annotated[
    float | None,
    typer.Option(
        "--give-up-after", help="Seconds of Register failing before the run stops.  [120]"
    ),
]
DateFormat = Annotated[
    str | None,
    typer.Option("--date-format", help="iso (2024-06-17) or dmy (17/06/2024).  [iso]"),
]
Encoding = Annotated[
    str | None, typer.Option("--encoding", help="How the file is encoded.  [told by the bytes]")
]
Sheet = Annotated[
    str | None, typer.Option("--sheet", help="The sheet of an .xlsx.  [the only one that fits]")
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column", metavar="NAME=HEADER", help="Which column holds NAME; `NAME=` uses none."
    ),
]
HiddenRows = Annotated[
    Literal["include", "skip"] | None,
    typer.Option("--hidden-rows", help="include or skip rows that a workbook hides.  [refuse]"),
]
UnusualDates = Annotated[
    bool,
    typer.Option("--allow-unusual-dates", help="Send dates before 2000 or more than a year ahead."),
]
RegisterName = Annotated[
    str | None,
    typer.Option("--register", help="production, sandbox, emulator, or a base URL."),
]
TokenFile = Annotated[
    Path | None, typer.Option("--api-token-file", help="A file that holds the token.")
]
ApiVersion = Annotated[
    str | None, typer.Option("--api-version", help="The version in the URL path.  [v2025.0]")
]
Operator = Annotated[str | None, typer.Option("--operator", help="Your name, for the manifest.")]
MatchBy = Annotated[
    str | None,
    typer.Option(
        "--match-by",
        help="trainee_id, trn, hesa_id or provider_trainee_id.  [told by the columns]",
    ),
]
NoPreview = Annotated[
    bool,
    typer.Option("--no-preview", help="Do not look the trainees up in Register before sending."),
]
NoFinalCheck = Annotated[
    bool,
    typer.Option("--no-final-check", help="Do not read the deferrals back at the end."),
]
OutFile = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Write the rows with what was found: a CSV."),
]
Again = Annotated[
    bool, typer.Option("--again", help="Send rows that earlier runs would hold back.")
]
YesClose = Annotated[bool, typer.Option("--yes", help="Do not ask before closing.")]
StartOver = Annotated[
    bool, typer.Option("--start-over", help="Begin anew although a run is unfinished.")
]
NewestRun = Annotated[
    str | None, typer.Argument(metavar="[RUN]", help="A run id or folder.  [newest]")
]
CodeName = Annotated[
    str | None, typer.Argument(metavar="[CODE]", help="A code of a report, such as not_sent.")
]
OpenPage = Annotated[bool, typer.Option("--open", help="Show the HTML page.")]
PrintedSha256 = Annotated[
    str | None, typer.Option("--manifest-sha256", help="The one that `run` printed.")
]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="DATE", help="Every run begun on or after that day."),
]
Age = Annotated[str, typer.Option("--older-than", help="An age, such as 90d.")]
Known = Annotated[
    Path | None, typer.Option("--trainees", help="CSV of trainee_id,state that it knows.")
]
Port = Annotated[int, typer.Option("--port", help="Where it listens, on this machine.")]
Version = Annotated[bool, typer.Option("--version", help="Print the version.")]
