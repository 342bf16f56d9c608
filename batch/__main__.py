"""`python -m batch` is `defer-batch`."""

from batch.cli import main

if __name__ == "__main__":
    main()
