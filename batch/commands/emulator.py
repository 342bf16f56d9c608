"""The command `emulator`: the emulator on its own, until Ctrl-C."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path

from batch.emulator.model import ANY_TOKEN
from batch.emulator.rehearsal import (
    known_sample,
    load_trainees,
    rehearsal_register,
    sample_faults,
)
from batch.emulator.server import serve
from batch.errors import UsageProblem

DEFAULT_PORT = 8765


def serve_until_interrupted(
    port: int = DEFAULT_PORT,
    *,
    trainees: Path | None = None,
    rate_limit: tuple[int, float] | None = (100, 60.0),
) -> None:
    """Serve on this machine until Ctrl-C: the trainees of the file, or the sample's.

    Prints where it listens, and how to use it. Raises UnusableFile where the file of
    trainees cannot be used, UsageProblem where the port cannot.
    """
    known = load_trainees(trainees) if trainees else known_sample()
    plan = None if trainees else sample_faults()
    register = rehearsal_register(known, rate_limit=rate_limit, token=ANY_TOKEN)
    try:
        with serve(register, port=port, plan=plan, kept=0) as emulator:
            whose = trainees.name if trainees else "the sample"
            _say(f"Register's emulator: {emulator.base_url}, {len(known)} trainees of {whose}")
            _say(f"  DEFER_BATCH_REGISTER={emulator.base_url}  DEFER_BATCH_API_TOKEN=any")
            _say("Press Ctrl-C to stop it; nothing that was sent to it is kept.")
            with contextlib.suppress(KeyboardInterrupt):
                while True:
                    time.sleep(3600)
    except (OSError, OverflowError) as error:
        raise UsageProblem(
            f"cannot listen on port {port} of this machine: {error}",
            hint="choose another with --port, or 0 for any that is free",
        ) from error


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()
