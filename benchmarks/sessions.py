"""How often whole answers are wrong: ``python -m benchmarks.sessions`` runs answers on simulated training results.

A session calls :func:`gatebench.answer` on a file of random sequences, with all its steps (inspection, pilot, plan,
trials, choice, margin, pairs, looks, report), and adds time until there is a verdict or three sittings are over. Only
training is replaced: the record of a run has simulated losses by test sequence, in which the GRU is better by a known
amount, so that verdicts can be compared with the truth. The result is in ``docs/error_rates.md``.
"""

from __future__ import annotations

import contextlib
import logging
import math
import multiprocessing
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from omegaconf import DictConfig, OmegaConf

from benchmarks import CONF
from benchmarks.rates import Simulated, as_markdown
from benchmarks.settings import SESSIONS
from src.answering.rates import RATES, Short
from src.answering.workplace import Workplace
from src.api.answer import answer
from src.config.instantiate import plain
from src.config.shell import command
from src.runs.metrics_file import columns_of, format_file
from src.runs.record import RunRecord
from src.runs.result import Best, DataFacts, Parameters, StudyJob, Timing
from src.runs.study_record import read_study
from src.tasks.metrics import declared_by_shipped_tasks

SITTINGS = 3
REACHED, TRIVIAL = 0.5, 0.7  # validation losses: the margin is a twentieth of their difference
MARGIN = 0.01
TRUTHS = (0.0, 1.0, -1.0, 1.5, 0.5, -3.0)  # true advantage of the GRU, in margins: inside, on the margin, beyond it
SEQUENCES = (9, 20, 60, 200)  # in the test set
RATIOS = (0.1, 1.0, 10.0)  # variance over sequences to that over seeds, of one difference
SPREADS = (0.25, 1.0)  # SD over seeds of a pair's difference, in margins
RUN_SECONDS, MINUTES = 10.0, 4.5  # recorded time of a run, and the budget: enough for six or slightly more pairs
MOST_PAIRS = 100
VARIED = ("seed", "test", "optimizer.lr", "study_job")  # keys that differ between runs
COMPOSE, COMPOSED = Workplace.compose, dict[tuple[str, ...], DictConfig]()  # configs, composed once to save time


@dataclass
class Planted:
    """The true difference of a session, and the simulated runs.

    Args:
        truth: by how much the GRU is better, in the metric's unit.
        spread: SD over seeds of a pair's mean difference; half of this variance is due to the seed itself.
        ratio: ratio of the variance over sequences to that over seeds.
        sequences: number of test sequences.
        seed: seed of the random numbers.
    """

    truth: float
    spread: float
    ratio: float
    sequences: int
    seed: int

    def __post_init__(self) -> None:
        rng, number = np.random.default_rng(self.seed), self.sequences
        of_seed = rng.standard_normal((MOST_PAIRS, 1)) / math.sqrt(2)
        of_sequence = rng.standard_normal((1, number)) * math.sqrt(self.ratio * number / 2)
        cells = rng.standard_normal((MOST_PAIRS, number)) * math.sqrt(number / 2)
        self.ahead = self.truth + self.spread * (of_seed + of_sequence + cells)  # (seeds, sequences)

    def file(self, path: Path) -> Path:
        """Write sequences of two classes, a fifth of them each for validation and test, and return the file."""
        number = 5 * self.sequences
        x = np.random.default_rng(0).standard_normal((number, 3, 1)).astype(np.float32)
        np.savez(path, x=x, y=np.arange(number) % 2)
        return path

    def run(self, cfg: DictConfig, directory: Path) -> None:
        """Write the files of a finished run, without weights."""
        job = StudyJob(**cfg.study_job)
        record, began = RunRecord(directory), time.time() - RUN_SECONDS
        metrics = {"val/loss": self._validation(cfg, job.phase)}
        metrics["val/nll"] = metrics["val/loss"]
        record.begin(
            plain(cfg),
            seed=cfg.seed,
            id=job.id,
            started=began,
            name=f"{job.model}-{cfg.seed}",
            study_job=job,
            identity=job.id,
            declared={name: declared_by_shipped_tasks()[name] for name in ("loss", "nll")},
            val_baselines={"majority/nll": TRIVIAL},
            baselines={"majority/nll": TRIVIAL},
            data=DataFacts("planted", {"test": self.sequences}, split_seed=0),
            parameters=Parameters(2000, 2000, 2100),
            timing=Timing(epochs=2, updates=20, seconds=RUN_SECONDS - 1, shared=False),
            best=Best(0, metrics["val/loss"]),
            stop_reason="max_epochs",
        )
        curve = [{"step": 10 * k, "epoch": k - 1, "seconds": 4.0 * k, **metrics} for k in (1, 2)]
        (directory / "metrics.csv").write_bytes(format_file(curve, columns_of(curve)))
        if cfg.test:
            losses = np.full(self.sequences, REACHED)
            if job.model == "lstm":
                losses = losses + self.ahead[cfg.seed]
            rows, ones = np.arange(self.sequences), np.ones(self.sequences)
            record.write_sequences("test", {"row": rows, "item": rows, "loss": losses, "count": ones})
            metrics |= {"test/loss": float(losses.mean()), "test/nll": float(losses.mean())}
        record.note(metrics=metrics)
        record.end("finished")

    def _validation(self, cfg: DictConfig, phase: str) -> float:
        """Return a validation loss: constant for repeats, and for trials smallest at a learning rate of 0.01."""
        away = abs(math.log10(cfg.optimizer.lr / 0.01)) if phase == "trial" else 0.0
        return REACHED + 0.1 * away


@contextlib.contextmanager
def planting(planted: Planted) -> Iterator[None]:
    """Replace training by the simulated runs while the block runs."""

    def compose(work: Workplace, overrides: list[str]) -> DictConfig:
        if (key := tuple(overrides)) not in COMPOSED:
            COMPOSED[key] = COMPOSE(work, overrides)
        return COMPOSED[key].copy()

    def launch(work: Workplace, batch: Sequence[Sequence[str]]) -> list[str | None]:
        for line in batch:
            given = _values(line)
            cfg = work.compose([text for text in line if text.partition("=")[0] not in (*VARIED, "hydra.sweep.subdir")])
            OmegaConf.set_struct(cfg, False)
            for key in VARIED:
                OmegaConf.update(cfg, key, given[key])
            cfg.pop("hydra", None)
            planted.run(cfg, Path(given["hydra.sweep.dir"]) / given["hydra.sweep.subdir"])
        return [None] * len(batch)

    def tried(cfg: DictConfig, data: Any, seconds: float) -> Short:
        return Short(dict.fromkeys(map(str, RATES[2:]), 0.1), 1e-4, 1e-4)

    with (
        patch.object(Workplace, "launch", launch),
        patch.object(Workplace, "compose", compose),
        patch("src.answering.pilot.try_rates", tried),
        patch("src.answering.conclude.deployed", lambda runs, steps: dict.fromkeys(runs, "It has no weights.")),
    ):
        yield


def _values(line: Sequence[str]) -> dict[str, Any]:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    return {each.get_key_element(): each.value() for each in OverridesParser.create().parse_overrides([*line])}


def session(planted: Planted, place: Path, minutes: float = MINUTES) -> list[str]:
    """Return the verdict after each sitting, until one decides.

    Args:
        planted: the true difference and the simulated runs.
        place: an empty folder.
        minutes: time budget of each sitting.
    """
    file, verdicts = planted.file(place / "planted.npz"), []
    keys = {"hydra/launcher": "basic", "data.splits": [0.6, 0.2, 0.2], "model.budget_tolerance": 0.3}
    places = {"runs": place / "runs", "progress": False, "overrides": keys}
    asked: dict[str, Any] = {"metric": "test/nll", "budget": 300, **places}
    with planting(planted):
        for _ in range(SITTINGS):
            said = answer(file, minutes=minutes, **asked)
            record = read_study(said.folder)
            assert record is not None
            assert record.margins["planted"].margin == MARGIN, record.margins
            verdicts.append(said.verdict)
            if said.verdict in ("gru better", "lstm better", "practically the same"):
                break
    return verdicts


def is_wrong(verdict: str, truth: float) -> bool:
    """Return whether a verdict is wrong; if the truth equals the margin, "better" and "practically the same" both are.

    >>> [is_wrong("gru better", truth) for truth in (MARGIN, 1.5 * MARGIN)], is_wrong("undecided", 0.0)
    ([True, False], False)
    """
    true = {
        "gru better": truth > MARGIN,
        "lstm better": truth < -MARGIN,
        "practically the same": abs(truth) < MARGIN,
    }
    return not true.get(verdict, True)


def planned(number: int, seed: int) -> list[Planted]:
    """Return sessions of all kinds in turn, in random order."""
    kinds = [*product(RATIOS, SPREADS, SEQUENCES, TRUTHS)]
    order = np.random.default_rng(seed).permutation(len(kinds))
    made = []
    for k in range(number):
        ratio, spread, sequences, truth = kinds[order[k % len(kinds)]]
        made.append(Planted(truth * MARGIN, spread * MARGIN, ratio, sequences, 1000 * seed + k))
    return made


def held(some: Sequence[Planted]) -> list[list[str]]:
    """Run some sessions one after another in this process, and return their verdicts."""
    logging.getLogger("src").setLevel(logging.ERROR)
    said = []
    with tempfile.TemporaryDirectory() as place:
        for planted in some:
            said.append(session(planted, Path(place)))
            shutil.rmtree(Path(place) / "runs")
            print(f"{planted}: {', '.join(said[-1])}", flush=True)
    return said


def sessions(cfg: DictConfig) -> Simulated:
    """Run sessions, count their verdicts by true difference, and print the table."""
    said, wrong, began = dict[float, Counter[str]](), Counter[float](), time.monotonic()
    every = planned(cfg.number, cfg.seed)
    with ProcessPoolExecutor(cfg.processes, multiprocessing.get_context("spawn")) as pool:
        parts = [every[k :: cfg.processes] for k in range(cfg.processes)]
        for some, verdicts in zip(parts, pool.map(held, parts), strict=True):
            for planted, turns in zip(some, verdicts, strict=True):
                truth = round(planted.truth / MARGIN, 1)
                said.setdefault(truth, Counter())[turns[-1]] += 1
                wrong[truth] += any(is_wrong(verdict, planted.truth) for verdict in turns)
    words = ("gru better", "lstm better", "practically the same", "undecided", "no verdict")
    rows = [
        [f"{truth:g}", str(said[truth].total()), *(str(said[truth][word]) for word in words), str(wrong[truth])]
        for truth in sorted(said)
    ]
    title = f"{wrong.total()} of {cfg.number} sessions were wrong ({time.monotonic() - began:.0f} s)"
    header = ["GRU better by, in margins", "sessions", *words, "wrong"]
    table = Simulated(title, header, rows)
    print(as_markdown(table))
    return table


if __name__ == "__main__":
    command("sessions", sessions, CONF, SESSIONS)
