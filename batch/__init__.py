"""Defer many trainees in the Register of trainee teachers, and prove what became of each."""

__version__ = "0.2.0.dev0"
