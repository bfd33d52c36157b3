"""Run directories that no training made, with a truth that is known: written by RunRecord as a training would."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from src.runs.metrics_file import columns_of, format_file
from src.runs.record import RunRecord

MODELS = ("gru", "lstm")
COMMIT = "a57abe2674de0fe9ca5213930121fc4b466411d1"


def fake_run(
    directory: Path,
    *,
    model: str = "gru",
    data: str = "jsb_chorales",
    seed: int = 0,
    value: float = 8.5,
    part: dict[str, Any] | None = None,
    status: str = "finished",
    lr: float = 0.003,
    metric: str = "nll",
    sequences: tuple[np.ndarray, np.ndarray] | None = None,
    epochs: int = 6,
    test: bool = True,
    **facts: Any,
) -> Path:
    """One run: ``sequences`` are losses and counts of the test set, of which ``value`` then is the ratio."""
    value = float(value)
    run_id = (part or {}).get("id") or f"{model}-{data}-{seed}-{len(str(directory))}"
    record = RunRecord(directory)
    config = {
        "seed": seed,
        "model": {"hidden_size": 46 if model == "gru" else 36},
        "optimizer": {"lr": lr},
        "task": {"monitor": "val/loss", "mode": "min"},
        "data": {"name": data},
        **({"study_job": part} if part else {}),
    }
    named: dict[str, Any] = {"study_job": part} if part else {"choices": {"model": model, "data": data}}
    record.begin(
        config,
        id=run_id,
        name=f"{model}-{data}-seed{seed}",
        seed=seed,
        command=["/somewhere/src/train.py", f"model={model}", f"data={data}", f"seed={seed}", "paths.runs_dir=/big"],
        git={"commit": COMMIT, "clean": True},
        versions={"torch": "2.13.0"},
        **named,
    )
    record.note(
        identity=f"{model[:2]}{abs(hash((model, data, seed, lr))) % 16**10:010x}",
        backend={"name": "fused", "precision": "32-true", "reason": None},
        data={"checksum": f"sum-of-{data}", "sequences": {"train": 229, "val": 76, "test": 77}},
        baselines={f"unigram/{metric}": 11.09, f"markov/{metric}": 10.49} if metric != "acc" else {"majority/acc": 0.1},
        parameters={"recurrent": 20000, "effective": 18630 if model == "gru" else 18500, "total": 30000},
        hardware={"cpu": "a cpu", "cores": 2, "threads": 1},
        timing={
            "epochs": epochs,
            "updates": 29 * epochs,
            "seconds": 2.0 * epochs,
            "seconds_to_best": 2.0 * (epochs - 1),
            "seconds_per_epoch": 2.0,
            "shared": False,
            "others_busy_cores": 0.0,
        },
        memory={"peak_rss_mb": 615.6},
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
            record.write_sequences("test", {"row": rows, "loss": losses, "count": counts})
        record.note(
            metrics=metrics,
            best={"epoch": epochs - 2, "monitor": "val/loss", "value": best, "is_last": False},
        )
    if facts:
        record.note(**facts)
    record.end(status if status != "running" else "interrupted", None if status == "finished" else f"It {status}.")
    return directory


def spread_over(value: float, seed: int, sequences: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Losses and counts of a test set whose pooled loss is ``value``; the counts are the same for every seed."""
    counts = np.random.default_rng(99).integers(20, 80, sequences).astype(float)
    noise = np.random.default_rng(98).normal(0, 1, sequences) + np.random.default_rng(seed).normal(0, 0.3, sequences)
    noise -= (noise * counts).sum() / counts.sum()
    return (value + noise) * counts, counts


def planned(
    name: str = "planted", *, data: tuple[str, ...] = ("jsb_chorales",), pairs: int = 6, margin: Any = 0.05, **more: Any
) -> dict[str, Any]:
    """The ``study`` node of a plan."""
    return {
        "name": name,
        "question": "Which of the two is better?",
        "models": {model: {} for model in more.pop("models", MODELS)},
        "data": {d: {} for d in data},
        "arms": {"main": {}},
        "settings": {},
        "tuning": {
            "draws": {"optimizer.lr": {"low": 1e-4, "high": 3e-2, "number": 3}},
            "repeat": {"best": 1, "seeds": 1},
            "seed": 0,
            "first_seed": 1000,
        },
        "pairs": pairs,
        "primary": {"models": list(MODELS), "metric": "test/nll", "margin": margin},
        "tolerance": 0.02,
        **more,
    }


def fake_study(
    directory: Path,
    *,
    data: tuple[str, ...] = ("jsb_chorales",),
    pairs: int = 6,
    advantage: float = 0.2,
    spread: float = 0.02,
    margin: Any = 0.05,
    tuning: bool = True,
    seed: int = 0,
    **more: Any,
) -> Path:
    """A study with trials, repeats and final runs, in which ``gru`` is better by ``advantage``."""
    rng = np.random.default_rng(seed)
    plan = planned(directory.name, data=data, pairs=pairs, margin=margin, **more)
    models = list(plan["models"])
    draws = [0.0004, 0.003, 0.011]
    chosen: dict[str, Any] = {}
    number = 0

    def part(model: str, d: str, phase: str) -> dict[str, Any]:
        nonlocal number
        number += 1
        run_id = f"{number:016x}"
        return {"study": directory.name, "phase": phase, "model": model, "data": d, "arm": "main", "id": run_id}

    for d in data:
        for model in models:
            if tuning:
                for lr in draws:
                    here, value = part(model, d, "trial"), 8.6 + 0.3 * abs(np.log10(lr / 0.003))
                    fake_run(
                        directory / here["id"],
                        model=model,
                        data=d,
                        seed=1000,
                        value=value,
                        part=here,
                        lr=lr,
                        test=False,
                    )
                here = part(model, d, "repeat")
                fake_run(directory / here["id"], model=model, data=d, seed=1001, value=8.6, part=here, test=False)
                candidate = {"values": {"optimizer.lr": 0.003}, "value": 8.65, "runs": [here["id"]]}
                choice = {"values": {"optimizer.lr": 0.003}, "value": 8.65, "monitor": "val/loss", "mode": "min"}
                chosen.setdefault(d, {}).setdefault("main", {})[model] = {**choice, "candidates": [candidate]}
        for s in range(pairs):
            level = 8.5 + rng.normal(0, 0.1)
            for model in models:
                behind = advantage if model == "lstm" else 0.5 * advantage if model not in MODELS else 0.0
                here = part(model, d, "final")
                value = level + behind + rng.normal(0, spread / np.sqrt(2))
                fake_run(directory / here["id"], model=model, data=d, seed=s, value=value, part=here)
    now = time.time()
    study = {
        "schema": 1,
        "name": directory.name,
        "file": f"experiments/{directory.name}.yaml",
        "file_hash": "f" * 64,
        "plan": plan,
        "plan_hash": "0123456789abcdef",
        "registered": now - 100,
        "changes": [],
        "draws": {d: {"optimizer.lr": draws} for d in data},
        "chosen": chosen,
        "extensions": [],
        "left_out": [],
        "updated": now,
    }
    (directory / "study.json").write_text(json.dumps(study))
    return directory
