"""A run's record as a dataclass, until src/runs/record.py reads it so itself."""

from __future__ import annotations

from pathlib import Path

from src.runs.record import read_record as _read_plain
from src.runs.result import RunResult, parse_result


def read_record(directory: Path) -> RunResult | None:
    """What a run's ``result.json`` says; a run whose process died says ``interrupted``."""
    content = _read_plain(directory)
    if content is not None and content["schema"] < 2:
        content["part"] = content.pop("study_job", None)
    return None if content is None else parse_result(content, directory / "result.json")
