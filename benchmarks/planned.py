"""What a planned study would cost: ``python -m benchmarks.planned``.

Each network of a study takes a few updates on each of its data sets. The cost is an upper bound: all runs of the plan,
each with its largest number of updates, without early stopping and without extensions of a range. The start of a run
and Lightning's own overhead are not included. Data sets that are already published under ``experiments/`` are skipped.
The data must be there (``GATEBENCH_DATA_DIR``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hydra
import torch
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from benchmarks import CONF as OWN
from benchmarks.settings import PLANNED
from benchmarks.tables import put_into, read_page, row_of, rows_below
from src.analysis.pack import read_pack
from src.answering.pilot import most_updates
from src.answering.rates import try_rates
from src.config.digits import three
from src.config.errors import UserError
from src.config.instantiate import instantiate
from src.config.places import CONF
from src.config.shell import command
from src.data.module import SequenceData
from src.studies.disk import numbers
from src.studies.jobs import Jobs
from src.studies.plan import Plan, read_plan

MARKS = ("<!-- planned: begin -->", "<!-- planned: end -->")
HEADER = ["study", "data", "question", "runs", "updates at most", "ms per update", "core-hours at most"]


def planned(cfg: DictConfig) -> list[list[str]]:
    """Measure, print the table, and put it into its page.

    Args:
        cfg: a config composed from ``benchmarks/conf/planned.yaml``.

    Returns:
        The rows of the table, in the order of ``HEADER``.

    Raises:
        UserError: a study is unknown, its data are missing, or the page has no marks.
    """
    if cfg.table is not None:
        read_page(Path(cfg.table), MARKS)
    rows = []
    GlobalHydra.instance().clear()  # of this command, so that those of the runs can be composed
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        for name in cfg.studies:
            if not (CONF.parent / "experiments" / f"{name}.yaml").is_file():
                raise UserError(f"studies has {name}, but there is no experiments/{name}.yaml.")
            plan = read_plan(hydra.compose("train", [f"experiments={name}"]).study)
            for row in rows_of(plan, cfg.seconds):
                print(row_of(row), flush=True)
                rows.append(row)
    if cfg.table is not None:
        put_into(Path(cfg.table), MARKS, rows_below(HEADER, rows))
    return rows


def rows_of(plan: Plan, seconds: float) -> Iterator[list[str]]:
    """Iterate over the table rows of a study, one per data set; only the first has the question."""
    jobs = Jobs(plan, lambda overrides: hydra.compose("train", overrides), Path("runs", plan.name).resolve())
    done = of_records(plan.name)
    name, question = f"[{plan.name}]({plan.name}.yaml)", plan.question
    for data in plan.data:
        arms = [arm for arm in plan.arms if (data, arm) not in done]
        if not arms:
            continue
        there: SequenceData = instantiate(jobs.config(next(iter(plan.models)), data, arms[0]).data)
        each = len(arms) * sum(numbers(plan, data).values())
        of_update, total = [], 0.0
        for model in plan.models:
            cfg = jobs.config(model, data, arms[0])
            torch.set_num_threads(cfg.threads)
            try:
                short = try_rates(cfg, there, seconds)
            except UserError as error:  # as in the study, which leaves this model out
                print(f"{model} is skipped on {data}: {error}")
                continue
            per_epoch, updates = most_updates(cfg, there)
            of_update.append(short.update_seconds)
            run = updates * short.update_seconds + updates / per_epoch * short.validation_seconds
            total += each * run
        times = dict.fromkeys(three(1e3 * at) for at in (min(of_update), max(of_update)))
        runs = each * len(of_update)
        label = data if set(arms) == {"main"} else f"{data} ({', '.join(arms)})"
        yield [name, label, question, f"{runs:,}", f"{updates:,}", " to ".join(times), three(total / 3600)]
        name = question = ""


def of_records(name: str) -> set[tuple[str, str]]:
    """Return the data sets and arms of a study that are published."""
    pack = CONF.parent / "experiments" / name
    runs = read_pack(pack).runs if (pack / "pack.json").is_file() else []
    return {(run.data_name, run.arm) for run in runs if run.phase == "final"}


def main() -> None:
    """Run the command line."""
    command("planned", planned, OWN, PLANNED)


if __name__ == "__main__":
    main()
