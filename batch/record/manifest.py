"""`manifest.json`: who, when, what file, what target, and the SHA-256 of every file of a run."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from batch import files
from batch.record.ledger import Ledger
from batch.record.records import RunRecord

NAME = "manifest.json"


def place_for(run: RunRecord, folder: Path, tool_version: str) -> Path:
    """Give the folder to write to: another version's report on this state of the run stays."""
    before = read_manifest(folder)
    if before is None or before.get("report_tool_version") == tool_version:
        return folder
    if before.get("finished_at") != run.finished_at:
        return folder
    return folder / f"report-{tool_version}"


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Give a folder's manifest, None where there is none that can be read."""
    try:
        content = json.loads((folder / NAME).read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def tells_the_end(folder: Path, run: RunRecord) -> bool:
    """Tell whether the folder's report is of the run as it ended last."""
    told = read_manifest(folder)
    return told is not None and told.get("finished_at") == run.finished_at


def write_manifest(ledger: Ledger, run_id: str, folder: Path, *, tool_version: str) -> str:
    """Write the manifest over a run's files, and give its own SHA-256.

    Where an equal one stands already it is left as it is; one that differs becomes a predecessor.
    """
    before = read_manifest(folder)
    content = {
        **facts(ledger, run_id, tool_version),
        "files": files_of(folder),
        "journal_digest": ledger.digest(run_id),
    }
    predecessors: list[str] = []
    if before is not None:
        predecessors = predecessors_of(before)
        if {**before, "predecessors": []} != {**content, "predecessors": []}:
            predecessors.append(_sha256(folder / NAME))
    data = json.dumps({**content, "predecessors": predecessors}, indent=2).encode() + b"\n"
    with files.replacing(folder / NAME) as file:
        file.write(data)
    return hashlib.sha256(data).hexdigest()


def predecessors_of(told: dict[str, Any]) -> list[str]:
    """Give the SHA-256 of the manifests that this one replaced, oldest first."""
    listed = told.get("predecessors")
    return [str(one) for one in listed] if isinstance(listed, list) else []


def files_of(folder: Path) -> dict[str, str]:
    """Give the SHA-256 of every file in a run's folder, but for the manifest, by name."""
    return {
        path.name: _sha256(path)
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name != NAME and not path.name.startswith(".")
    }


def facts(ledger: Ledger, run_id: str, tool_version: str) -> dict[str, Any]:
    """Give what a manifest says of the run itself, from the journal."""
    run = ledger.run(run_id)
    return {
        "run_id": run.run_id,
        "rehearsal": run.rehearsal,
        "operator": {"login": run.operator, "name": run.operator_name},
        "host": run.host,
        "tool_version": run.tool_version,
        "report_tool_version": tool_version,
        "python_version": run.python_version,
        "command": list(run.command),
        "input": {
            "name": run.input_name,
            "size": run.input_size,
            "sha256": run.input_sha256,
            "rows": run.input_rows,
        },
        "register": {"base_url": run.base_url, "api_version": run.api_version},
        "settings": dict(run.settings),
        "token_fingerprint": run.token_fingerprint,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "codes": ledger.counts(run_id),
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
