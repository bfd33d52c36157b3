"""Notes on a study's final table: limits reached, divergence, mixed code, unequal budgets, wandb."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from src.config.errors import counted
from src.files import write_atomically
from src.runs.identity import RESULTS_VERSION
from src.runs.result import RunResult
from src.runs.study_record import read_study
from src.studies.state import current_jobs
from src.training.wandb_folders import sync_command


def remarks(directory: Path, ended: Mapping[str, RunResult]) -> Iterator[str]:
    """Iterate over sentences about a study and its finished runs, most important first."""
    records = list(ended.values())
    if diverged := sum(record.status == "diverged" for record in records):
        yield f"{counted(diverged, 'run')} diverged, which counts as the worst result."
    last = [record for record in records if record.best is not None and record.best.is_last]
    if capped := sum(record.stop_reason != "patience" for record in last):
        runs = counted(len(records), "run")
        yield f"In {capped} of {runs}, the last epoch was the best: a higher limit may change them."
    if study := read_study(directory):
        yield from _unlike_budgets(records, study.plan.tolerance)
    makers = Counter(((record.git.commit or "unknown")[:10], record.git.clean) for record in records)
    if len(makers) > 1:
        said = ", ".join(f"{n} by {commit}{'' if clean else ' with changes'}" for (commit, clean), n in makers.items())
        yield f"Runs were made by different code ({said}), all of results version {RESULTS_VERSION}."
    stranded = sorted({p.parent.name for p in directory.glob("*/result.json")} - set(current_jobs(directory)))
    if stranded:
        yield f"{counted(len(stranded), 'run')} from an earlier plan, source, data or results version: not counted."
    if commands := [c for name, run in ended.items() if (c := sync_command(directory / name, run.id))]:
        script = directory / "wandb_sync.sh"
        text = "".join(f"{command}\n" for command in commands)
        write_atomically(script, lambda out: out.write(text.encode()))
        yield f"wandb: {counted(len(commands), 'run')} offline; run `sh {script}` to upload."


def _unlike_budgets(records: list[RunResult], tolerance: float) -> Iterator[str]:
    sizes: dict[str, dict[str, int]] = {}
    for record in records:
        job = record.study_job
        if (
            job is not None
            and job.phase == "final"
            and record.parameters is not None
            and (record.budget is None or record.budget.of == "recurrent")
        ):
            sizes.setdefault(job.data, {})[job.model] = record.parameters.effective
    for data, models in sizes.items():
        low, high = min(models.values()), max(models.values())
        if (high - low) > tolerance * high:
            said = ", ".join(f"{model} {number:,}" for model, number in models.items())
            yield f"Recurrent parameters on {data} differ by {(high - low) / high:.1%}: {said}."
