"""What `verify` found, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Verdict:
    """What holding a folder against its record found: what differs, and what could not be seen."""

    run_id: str
    differences: tuple[str, ...]
    unchecked: tuple[str, ...]
    manifest_sha256: str

    @property
    def holds(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    def lines(self) -> list[str]:
        """Give the verdict for people."""
        notes = [f"not checked: {words}" for words in self.unchecked]
        if self.holds:
            agree = "files and manifest agree" if notes else "files, manifest and journal agree"
            return [f"{self.run_id}: {agree}", *notes]
        return [f"{self.run_id}: {words}" for words in self.differences] + notes

    def as_json(self) -> dict[str, Any]:
        """Give the verdict for programs."""
        return {
            "run_id": self.run_id,
            "holds": self.holds,
            "differences": list(self.differences),
            "unchecked": list(self.unchecked),
            "manifest_sha256": self.manifest_sha256,
        }
