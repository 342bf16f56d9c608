"""`defer-batch`, and `python -m batch`: the same thing."""

import signal


def main() -> None:
    """Run the command; Ctrl-C while it is being loaded, or has ended, shows no trace of Python."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # and not ignored, as in a job in the background
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from batch.cli import main as run_command  # noqa: PLC0415 — what takes the time

    run_command()


if __name__ == "__main__":
    main()
