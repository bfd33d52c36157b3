"""Run directories that no training made, with a truth that is known: records as a training writes them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from src.runs.metrics_file import columns_of, format_file
from src.runs.result import (
    Backend,
    Best,
    DataFacts,
    Git,
    Memory,
    Parameters,
    RunResult,
    StudyJob,
    Timing,
)
from src.runs.study_record import (
    Candidate,
    Choice,
    LogUniform,
    PlanRecord,
    PrimaryRecord,
    Repeat,
    StudyRecord,
    TuningRecord,
)
from src.runs.typed_json import write_json
from src.tasks.metrics import declared_by_shipped_tasks

MODELS = ("gru", "lstm")
COMMIT = "a57abe2674de0fe9ca5213930121fc4b466411d1"


def fake_run(
    directory: Path,
    *,
    model: str = "gru",
    data: str = "jsb_chorales",
    seed: int = 0,
    value: float = 8.5,
    job: StudyJob | None = None,
    status: Any = "finished",
    lr: float = 0.003,
    metric: str = "nll",
    sequences: tuple[np.ndarray, np.ndarray] | None = None,
    epochs: int = 6,
    test: bool = True,
) -> Path:
    """One run: ``sequences`` are losses and counts of the test set, of which ``value`` then is the ratio."""
    value = float(value)
    directory.mkdir(parents=True, exist_ok=True)
    config = {
        "seed": seed,
        "model": {"hidden_size": 46 if model == "gru" else 36},
        "optimizer": {"lr": lr},
        "task": {"monitor": "val/loss", "mode": "min"},
        "data": {"name": data},
    }
    (directory / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    now = time.time()
    record = RunResult(
        id=job.id if job else f"{model}-{data}-{seed}-{len(str(directory))}",
        name=f"{model}-{data}-seed{seed}",
        seed=seed,
        status=status,
        error=None if status == "finished" else f"It {status}.",
        command=["/somewhere/src/train.py", f"model={model}", f"data={data}", f"seed={seed}", "paths.runs_dir=/big"],
        git=Git(COMMIT, True),
        versions={"torch": "2.13.0"},
        study_job=job,
        choices={} if job else {"model": model, "data": data},
        identity=f"{model[:2]}{abs(hash((model, data, seed, lr))) % 16**10:010x}",
        backend=Backend("fused", "32-true"),
        data=DataFacts(f"sum-of-{data}", {"train": 229, "val": 76, "test": 77}),
        declared={name: declared_by_shipped_tasks()[name] for name in ("loss", metric)},
        baselines={f"unigram/{metric}": 11.09, f"markov/{metric}": 10.49} if metric != "acc" else {"majority/acc": 0.1},
        parameters=Parameters(20000, 18630 if model == "gru" else 18500, 30000),
        hardware={"cpu": "a cpu", "cores": 2, "threads": 1},
        timing=Timing(
            epochs=epochs,
            updates=29 * epochs,
            seconds=2.0 * epochs,
            seconds_to_best=2.0 * (epochs - 1),
            seconds_per_epoch=2.0,
            shared=False,
            others_busy_cores=0.0,
        ),
        memory=Memory(615.6),
        started=now,
        ended=now,
        heartbeat=now,
        attempts=1,
    )
    if status in ("finished", "diverged"):
        best = value + 0.05
        curve = [
            {
                "step": 29 * (e + 1),
                "epoch": e,
                "seconds": 2.0 * (e + 1),
                "train/loss": best + 3 / (e + 1),
                f"train/{metric}": best + 3 / (e + 1),
                "val/loss": best + 2 / (e + 1),
                f"val/{metric}": best + 2 / (e + 1),
            }
            for e in range(epochs)
        ]
        (directory / "metrics.csv").write_bytes(format_file(curve, columns_of(curve)))
    if status == "finished":
        losses, counts = sequences if sequences is not None else spread_over(value, seed)
        metrics = {"val/loss": best, f"val/{metric}": best}
        if test:
            exact = float(losses.sum() / counts.sum()) if metric in ("nll", "mse") else value
            metrics |= {"test/loss": exact, f"test/{metric}": exact}
            rows = np.arange(len(losses), dtype=np.int64)
            (directory / "sequences").mkdir(exist_ok=True)
            np.savez_compressed(directory / "sequences" / "test.npz", row=rows, loss=losses, count=counts)
        record.metrics = metrics
        record.best = Best(epochs - 2, best, "val/loss", False)
    write_json(directory / "result.json", record)
    return directory


def spread_over(value: float, seed: int, sequences: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Losses and counts of a test set whose pooled loss is ``value``; the counts are the same for every seed."""
    counts = np.random.default_rng(99).integers(20, 80, sequences).astype(float)
    noise = np.random.default_rng(98).normal(0, 1, sequences) + np.random.default_rng(seed).normal(0, 0.3, sequences)
    noise -= (noise * counts).sum() / counts.sum()
    return (value + noise) * counts, counts


def planned(
    name: str = "planted",
    *,
    models: tuple[str, ...] = MODELS,
    data: tuple[str, ...] = ("jsb_chorales",),
    arms: tuple[str, ...] = ("main",),
    pairs: int = 6,
    margin: Any = 0.05,
) -> PlanRecord:
    """The plan of a study."""
    return PlanRecord(
        name,
        question="Which of the two is better?",
        models={model: {} for model in models},
        data={d: {} for d in data},
        arms={arm: {} for arm in arms},
        tuning=TuningRecord({"optimizer.lr": LogUniform(1e-4, 3e-2, 8)}, Repeat(1, 1)),
        pairs=pairs,
        primary=PrimaryRecord(MODELS, "test/nll", margin),
    )


def fake_study(
    directory: Path,
    *,
    data: tuple[str, ...] = ("jsb_chorales",),
    arms: tuple[str, ...] = ("main",),
    pairs: int = 6,
    advantage: float = 0.2,
    spread: float = 0.02,
    margin: Any = 0.05,
    tuning: bool = True,
    seed: int = 0,
) -> Path:
    """A study with trials, repeats and final runs, in which ``gru`` is better by ``advantage``."""
    rng = np.random.default_rng(seed)
    plan = planned(directory.name, data=data, arms=arms, pairs=pairs, margin=margin)
    draws = [0.00011, 0.0003, 0.0006, 0.0012, 0.003, 0.005, 0.011, 0.028]
    chosen: dict[str, dict[str, dict[str, Choice]]] = {}
    number = 0

    def run(phase: Any, model: str, d: str, arm: str, **facts: Any) -> str:
        nonlocal number
        number += 1
        job = StudyJob(directory.name, phase, model, d, arm, f"{number:016x}")
        fake_run(directory / job.id, model=model, data=d, job=job, **facts)
        return job.id

    for d in data:
        for arm in arms:
            for model in plan.models if tuning else ():
                for lr in draws:
                    value = 8.6 + 0.3 * abs(np.log10(lr / 0.003))
                    run("trial", model, d, arm, seed=1000, value=value, lr=lr, test=False)
                repeat = run("repeat", model, d, arm, seed=1001, value=8.6, test=False)
                values = {"optimizer.lr": 0.003}
                choice = Choice(dict(values), 8.65, "val/loss", "min", [Candidate(dict(values), 8.65, [repeat])])
                chosen.setdefault(d, {}).setdefault(arm, {})[model] = choice
            for s in range(pairs):
                level = 8.5 + rng.normal(0, 0.1)
                for model in plan.models:
                    behind = advantage if model == "lstm" else 0.0
                    run("final", model, d, arm, seed=s, value=level + behind + rng.normal(0, spread / np.sqrt(2)))
    now = time.time()
    study = StudyRecord(
        name=directory.name,
        file=f"experiments/{directory.name}.yaml",
        file_hash="f" * 64,
        plan=plan,
        plan_hash="0123456789abcdef",
        registered=now - 100,
        draws={d: {arm: {"optimizer.lr": draws} for arm in arms} for d in data},
        chosen=chosen,
        updated=now,
    )
    write_json(directory / "study.json", study)
    return directory
