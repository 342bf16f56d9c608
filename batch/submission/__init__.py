"""Rows become outcomes: pacing, lost answers, the run."""
