"""What the reader of a study's last table must know beside it: caps, divergence, other code, unlike budgets, wandb."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from src.config.errors import UserError
from src.runs.identity import RESULTS_VERSION
from src.runs.record import read_record_dict as read_record
from src.studies.state import read_planned, read_study
from src.training.wandb_folders import sync_command


def remarks(directory: Path) -> Iterator[str]:
    """Sentences about a study, most important first; none where there is nothing to say.

    Args:
        directory: of the study.
    """
    runs = list(_finished(directory))
    records = [record for _, record in runs]
    if diverged := sum(record["status"] == "diverged" for record in records):
        yield f"{diverged} runs diverged; they count as the worst."
    if capped := sum(bool(record.get("best", {}).get("is_last")) for record in records):
        yield f"{capped} of {len(records)} runs were best in their last epoch: a longer cap on updates may change them."
    yield from _unlike_budgets(records, (read_study(directory) or {}).get("plan", {}).get("tolerance", 0.0))
    makers = Counter((r.get("git", {}).get("commit", "unknown")[:10], r.get("git", {}).get("clean")) for r in records)
    if len(makers) > 1:
        said = ", ".join(f"{n} by {commit}{'' if clean else ' with changes'}" for (commit, clean), n in makers.items())
        yield f"Runs were made by different code ({said}), all of results version {RESULTS_VERSION}."
    stranded = sorted({p.parent.name for p in directory.glob("*/result.json")} - set(read_planned(directory)))
    if stranded:
        yield f"{len(stranded)} runs here belong to an earlier plan or results version and are not counted."
    if commands := [command for run, _ in runs if (command := sync_command(run))]:
        script = directory / "wandb_sync.sh"
        script.write_text("".join(f"{command}\n" for command in commands))
        yield f"wandb: {len(commands)} runs are offline; `sh {script}` uploads them."


def _finished(directory: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for name in read_planned(directory):
        try:
            record = read_record(directory / name)
        except UserError:
            continue
        if record is not None and record["status"] in ("finished", "diverged"):
            yield directory / name, record


def _unlike_budgets(records: list[dict[str, Any]], tolerance: float) -> Iterator[str]:
    sizes: dict[str, dict[str, int]] = {}
    for record in records:
        if record["study_job"]["phase"] == "final" and "parameters" in record:
            sizes.setdefault(record["study_job"]["data"], {})[record["study_job"]["model"]] = record["parameters"][
                "effective"
            ]
    for data, models in sizes.items():
        low, high = min(models.values()), max(models.values())
        if (high - low) > tolerance * high:
            said = ", ".join(f"{model} {number:,}" for model, number in models.items())
            yield f"Recurrent parameters on {data} differ by {(high - low) / high:.1%}: {said}."
