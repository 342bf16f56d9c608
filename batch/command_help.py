"""What `--help` shows of a command: everyday options, those rarely needed, and two examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typer.core import TyperCommand

EVERYDAY = (
    *("--register", "--api-token-file", "--date-format", "--sheet", "--column"),
    *("--older-than", "--all", "--manifest-sha256", "--since", "--out", "--open"),
    *("--trainees", "--port", "--no-browser", "--verbose", "--yes", "--json", "--help"),
)
"""The options that many people need, in the order in which help shows them, before all others."""

EXAMPLES = {
    "check": (
        ("Is every row of a list valid?", "check list.csv"),
        ("Its dates are written 17/06/2024:", "check list.xlsx --date-format dmy"),
    ),
    "preview": (
        (
            "What would become of each trainee?",
            "preview list.csv --register production --api-token-file token.txt",
        ),
        (
            "A rehearsal of it, as a list to look through in a spreadsheet:",
            "preview list.csv --register emulator --out seen.csv",
        ),
    ),
    "run": (
        (
            "Rehearse a list; nothing is sent to Register:",
            "run list.csv --register emulator",
        ),
        (
            "Send it, once you have typed how many are to be deferred:",
            "run list.csv --register production --api-token-file token.txt",
        ),
    ),
    "resume": (
        ("Continue what stopped early:", "resume --api-token-file token.txt"),
        (
            "Continue one run, with the token that the environment holds:",
            "resume 20261123T151230Z-deferrals-1a2b",
        ),
    ),
    "close": (
        (
            "End a run that is not to be continued:",
            "close 20261123T151230Z-deferrals-1a2b --api-token-file token.txt",
        ),
        (
            "The same for the run of a folder:",
            "close reports/20261123T151230Z-deferrals-1a2b",
        ),
    ),
    "runs": (
        ("Every run, and what is unfinished:", "runs"),
        ("This term's, and what became of its trainees:", "runs --since 2026-09-01"),
    ),
    "report": (
        (
            "Write a run's report again, and look at it:",
            "report 20261123T151230Z-deferrals-1a2b --open",
        ),
        (
            "Copy it again into the folder where others read it:",
            "report 20261123T151230Z-deferrals-1a2b --deliver-to shared",
        ),
    ),
    "verify": (
        (
            "Is this the report that was written that day?",
            "verify 20261123T151230Z-deferrals-1a2b --manifest-sha256 SHA256",
        ),
        ("Every report, and whether one is missing:", "verify --all"),
    ),
    "reconcile": (
        (
            "Does Register still hold what the newest run deferred?",
            "reconcile --api-token-file token.txt",
        ),
        (
            "The same of all runs since September, as a list:",
            "reconcile --since 2026-09-01 --register production --out today.csv",
        ),
    ),
    "purge": (
        ("Delete what is older than 90 days; it asks first:", "purge --older-than 90d"),
        ("The same where nobody can be asked:", "purge --older-than 26w --yes"),
    ),
    "template": (
        ("See the header:", "template"),
        ("Begin a list:", "template > deferrals.csv"),
    ),
    "explain": (
        ("What does this code of a report mean?", "explain already_deferred"),
        ("All of them:", "explain"),
    ),
    "doctor": (
        (
            "Could a run begin now?",
            "doctor --register production --api-token-file token.txt",
        ),
        ("Can reports be written, and is anything unfinished?", "doctor"),
    ),
    "app": (
        ("Open it in your browser:", "app"),
        (
            "With the token at hand, and the address only printed:",
            "app --api-token-file token.txt --no-browser",
        ),
    ),
    "emulator": (
        ("Serve a stand-in that knows the trainees of the sample:", "emulator"),
        ("One that knows yours:", "emulator --trainees trainees.csv --port 8766"),
    ),
}
"""Two things that people do with each command: what it is for, and the words behind its name."""


class ConvertingWhatWasGiven:
    """A command that converts neither what was not given nor text that stays what it is.

    typer asks pydantic for each, and importing that takes longer than all else that `template` or
    `explain` does.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the arguments and options, `--help` included."""
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for parameter in parameters:
            if not parameter.required and "process_value" not in vars(parameter):
                parameter.process_value = _only_where_needed(parameter)
        return parameters


def _only_where_needed(parameter: Any) -> Callable[[Any, Any], Any]:
    convert = parameter.process_value
    read = getattr(parameter, "type_descriptor", None)  # typer has it since 0.29, and pydantic too
    is_text = read is not None and read.annotation is str and read.parameter_info.parser is None
    is_as_it_is = is_text and parameter.callback is None

    def process_value(ctx: Any, value: Any) -> Any:
        if value is None or (is_as_it_is and isinstance(value, str)):
            return value
        return convert(ctx, value)

    return process_value


class CommandWithExamples(ConvertingWhatWasGiven, TyperCommand):
    """A command whose help is for people who do not know its words yet."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return what stands behind the command's name in the line "Usage"."""
        arguments = [_name_of(param) for param in self._parameters(ctx, "argument")]
        return [*arguments, "[OPTIONS]"]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, everyday options, and the others under a heading of their own."""
        shown = [(param, *record) for param, record in self._options(ctx)]
        everyday = [(place, *rest) for option, *rest in shown if (place := _place_of(option)) >= 0]
        arguments = [(_name_of(p), p.help or "") for p in self._parameters(ctx, "argument")]
        rarely = [tuple(rest) for option, *rest in shown if _place_of(option) < 0]
        for heading, lines in (
            ("Arguments", arguments),
            ("Options", [tuple(line) for _, *line in sorted(everyday)]),
            ("Rarely needed", rarely),
        ):
            if lines:
                with formatter.section(heading):
                    formatter.write_dl(lines)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples, each on one line so that it can be copied."""
        del ctx
        with formatter.section("Examples"):
            for number, (purpose, words) in enumerate(EXAMPLES[str(self.name)]):
                between = "\n" if number else ""
                formatter.write(f"{between}  {purpose}\n  defer-batch {words}\n")

    def _parameters(self, ctx: Any, kind: str) -> list[Any]:
        return [param for param in self.get_params(ctx) if param.param_type_name == kind]

    def _options(self, ctx: Any) -> list[tuple[Any, tuple[str, str]]]:
        """Return the options that help may show, each with how it is written and what it does."""
        return [
            (param, record)
            for param in self._parameters(ctx, "option")
            if (record := param.get_help_record(ctx)) is not None
        ]


def _name_of(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required else f"[{name}]"


def _place_of(option: Any) -> int:
    """Return where an option stands among the everyday ones, -1 where it is none of them."""
    return next((EVERYDAY.index(name) for name in option.opts if name in EVERYDAY), -1)
