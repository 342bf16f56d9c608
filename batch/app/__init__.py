"""The pages on this machine: the same work as the command line's, for people who use none."""
