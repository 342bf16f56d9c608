"""The one way to say why a file cannot be used."""

from __future__ import annotations

from pathlib import Path

from batch.errors import UnusableFile


def unusable(path: Path, why: str, *, hint: str = "", notes: tuple[str, ...] = ()) -> UnusableFile:
    """Return the error that says why a file cannot be used."""
    return UnusableFile(f"cannot use {path.name or path}: {why}", hint=hint, notes=notes)
