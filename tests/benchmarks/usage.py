"""Run a command in silence; print its wall seconds, peak kilobytes, processor seconds, exit code.

`python usage.py COMMAND …`: a small process of its own, for a child begins with the peak of whoever
starts it, and `make bench` itself holds more than most of what it measures.
"""

from __future__ import annotations

import os
import sys
import time


def main(command: list[str]) -> None:
    silent = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
    began = time.perf_counter()
    process = os.posix_spawn(command[0], command, os.environ, file_actions=silent)
    _, status, usage = os.wait4(process, 0)
    seconds, code = time.perf_counter() - began, os.waitstatus_to_exitcode(status)
    print(seconds, usage.ru_maxrss, usage.ru_utime + usage.ru_stime, code)


if __name__ == "__main__":
    main(sys.argv[1:])
