"""`defer-batch`, and `python -m batch`: the same thing."""

import gc
import os
import signal

RARELY = (200_000, 50, 100)
"""When to look for garbage: starting and reading make much that stays, and looking through it all
again and again costs a third of the time: after so many allocations, then collections."""


def main() -> None:
    """Run the command; Ctrl-C while it is being loaded, or has ended, shows no trace of Python."""
    gc.set_threshold(*RARELY)
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"  # looked for among all that is installed
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # and not ignored, as in a job in the background
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from batch.cli import main as run_command  # noqa: PLC0415 — what takes the time

    run_command()


if __name__ == "__main__":
    main()
