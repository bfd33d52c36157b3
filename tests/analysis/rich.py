"""A summary with everything in it, drawn from known distributions: what the report's pictures are judged by.

Three models, two data sets, twelve seeds, ten learning rates; a diverged, a chance-level, a failed and an unfinished
run, a machine that was shared, published figures, an extended range, a plan that changed.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
from scipy import stats

from src.analysis.across import Across
from src.analysis.collect import Problem
from src.analysis.curves import Curve
from src.analysis.flags import Flag
from src.analysis.models import Model, Point
from src.analysis.pairs import Pair
from src.analysis.plan import Plan, PlanChange
from src.analysis.published import Reference
from src.analysis.run import Run
from src.analysis.summary import Summary
from src.analysis.task import Comparison, Task, Wilcoxon
from src.analysis.tuning import Trial, Tuning
from src.analysis.verdict import Verdict
from src.runs.result import Backend, Best, Git, Memory, Parameters, StudyJob, Timing, WandbRun
from src.runs.study_record import (
    Because,
    Candidate,
    Extension,
    LeftOut,
    LogUniform,
    PlanRecord,
    PrimaryRecord,
    TuningRecord,
)
from src.statistics.intervals import Interval
from src.statistics.paired import Probability
from src.statistics.power import Power

MODELS = ("gru_chung", "lstm_chung", "rnn_chung")
SEEDS = range(12)
RATES = np.geomspace(1e-4, 3e-2, 10)
EXTRA = (4e-5, 6.5e-5)
TRUTH = {  # mean and spread of test/nll by model; the spread that a pair has in common
    "jsb_chorales": ({"gru_chung": 8.50, "lstm_chung": 8.61, "rnn_chung": 8.93}, 0.03, 0.02),
    "nottingham": ({"gru_chung": 3.285, "lstm_chung": 3.296, "rnn_chung": 3.95}, 0.035, 0.03),
}
MARGIN = {"jsb_chorales": 0.04, "nottingham": 0.05}
UNIGRAM = {"jsb_chorales": 11.09, "nottingham": 10.26}
MARKOV = {"jsb_chorales": 10.49, "nottingham": 5.15}
SIZES = {"gru_chung": (46, 18630, 22766), "lstm_chung": (36, 18108, 21364), "rnn_chung": (100, 18900, 27788)}
SPEED = {"gru_chung": 1.6, "lstm_chung": 1.3, "rnn_chung": 0.8}  # seconds an epoch
BAD = {("nottingham", "rnn_chung", 3): "diverged", ("nottingham", "lstm_chung", 7): "failed"}
BAD |= {("nottingham", "rnn_chung", 8): "finished", ("jsb_chorales", "lstm_chung", 11): "interrupted"}


def rich_summary(extended: bool = True) -> Summary:
    """The summary, the same at every call."""
    draw = np.random.default_rng(7)
    runs, curves, tasks, tunings = [], {}, [], []
    for data in TRUTH:
        finals = {model: [] for model in MODELS}
        common = draw.normal(0, TRUTH[data][2], len(SEEDS))
        for model, seed in itertools.product(MODELS, SEEDS):
            run, curve = _final(data, model, seed, common[seed], draw)
            finals[model].append(run)
            runs.append(run)
            curves[run.id] = curve
        trials = [run for model in MODELS for run in _trials(data, model, draw, extended)]
        runs += trials
        tasks.append(_task(data, finals))
        tunings.append(_tuning(data, trials, extended))
    return Summary(
        name="chung2014_music",
        kind="study",
        places=["runs/chung2014_music"],
        tasks=tasks,
        runs=runs,
        problems=[
            Problem("unreadable", "runs/chung2014_music/00ff", "result.json ends in the middle of a number."),
            Problem("foreign", "runs/chung2014_music/notes.json", "It is JSON, but no record of a run."),
        ],
        flags=[Flag("dirty", "note", "4 runs were made with uncommitted changes.", runs=[r.id for r in runs[:4]])],
        across=Across("gru_chung", "lstm_chung", 1, 0, 0, 1, note="Two data sets: no ranks, which ask for six."),
        tuning=tunings,
        curves=curves,
        plan=_plan(),
        commands=[
            {"command": "python -m src.train experiment=chung2014_music -m", "does": "runs what is missing"},
            {"command": "python -m src.compare study=chung2014_music", "does": "makes this page"},
        ],
        counts={"final": {"finished": 69, "diverged": 1, "failed": 1, "interrupted": 1}, "trial": {"finished": 66}},
        seconds=float(sum(run.timing.seconds for run in runs)),
    )


def _id(*parts: Any) -> str:
    return f"{abs(hash_of('/'.join(map(str, parts)))):016x}"


def hash_of(text: str) -> int:
    """The same number in every process."""
    return int.from_bytes(np.frombuffer(__import__("hashlib").sha256(text.encode()).digest()[:7], "u1").tobytes())


def _final(data: str, model: str, seed: int, common: float, draw: np.random.Generator) -> tuple[Run, Curve]:
    means, spread, _ = TRUTH[data]
    status = BAD.get((data, model, seed), "finished")
    value = means[model] + common + draw.normal(0, spread)
    if (data, model, seed) == ("nottingham", "rnn_chung", 8):
        value = UNIGRAM[data] + 0.01
    epochs = int(draw.integers(60, 110))
    epoch = np.unique(np.linspace(0, epochs - 1, 60).astype(int))
    shape = 6 * np.exp(-epoch / 9) + 50 * np.exp(-epoch / 0.8)
    validation = value - 0.05 + shape + draw.normal(0, 0.01, len(epoch))
    training = validation - 0.4 * (1 - np.exp(-epoch / 20))
    speed = SPEED[model] * draw.uniform(0.95, 1.1) * (3 if data == "nottingham" else 1)
    if status == "diverged":
        epoch, validation, training = epoch[:9], validation[:9], training[:9]
    best = int(epoch[int(np.argmin(validation))])
    good = status == "finished"
    shared = seed in (4, 5)
    identity = _id(data, model, seed)
    run = Run(
        id=identity,
        model=model,
        data_name=data,
        seed=seed,
        study_job=StudyJob("chung2014_music", "final", model, data),
        status=status,
        error="FloatingPointError: the loss is not finite at step 1043." if status == "diverged" else None,
        directory=f"runs/chung2014_music/{identity}",
        name=f"{model}-{data}-seed{seed}",
        wandb=WandbRun(identity, url=f"https://wandb.example/gatebench/runs/{identity}") if seed % 2 == 0 else None,
        metrics={"test/nll": float(value), "val/nll": float(validation.min())} if good else {},
        baselines={"unigram/nll": UNIGRAM[data], "markov/nll": MARKOV[data]},
        values={"optimizer.lr": float(RATES[6 if model == "gru_chung" else 5])},
        mode="min",
        best=Best(best, float(validation.min()), "val/nll"),
        parameters=Parameters(SIZES[model][1], SIZES[model][1], SIZES[model][2]),
        hidden_size=SIZES[model][0],
        timing=Timing(
            seconds=speed * len(epoch),
            seconds_to_best=speed * best,
            seconds_per_epoch=speed,
            updates=229 * epochs,
            epochs=epochs,
            shared=shared,
            others_busy_cores=0.8 if shared else 0.0,
        ),
        memory=Memory(float(410 + SIZES[model][0] + draw.normal(0, 4))),
        backend=Backend("fused" if model != "rnn_chung" else "torch", "float32", "auto"),
        git=Git("a57abe2d", True),
        command_line=f"python -m src.train model={model} data={data} seed={seed} optimizer.lr=0.00446",
        started=1.8e9,
    )
    columns = {"train/nll": training.tolist(), "val/nll": validation.tolist()}
    return run, Curve([229 * int(e) for e in epoch], epoch.tolist(), (speed * (epoch + 1)).tolist(), columns)


def _trials(data: str, model: str, draw: np.random.Generator, extended: bool) -> list[Run]:
    trials = []
    best = 4e-3 if model != "rnn_chung" else 1.2e-3 if data == "jsb_chorales" else 1.1e-4
    rates = [*RATES, *(EXTRA if extended and data == "nottingham" else ())]
    level = TRUTH[data][0][model] - 0.05
    jobs = [(float(rate), 100, "trial") for rate in rates]
    jobs += [(float(rate), seed, "repeat") for rate in RATES[4:7] for seed in (101, 102)]
    for rate, seed, phase in jobs:
        diverged = rate > 2.5e-2 and model == "rnn_chung"
        value = level + 0.12 * np.log(rate / best) ** 2 + abs(draw.normal(0, 0.03))
        identity = _id(data, model, seed, rate)
        trials.append(
            Run(
                id=identity,
                model=model,
                data_name=data,
                seed=seed,
                study_job=StudyJob("chung2014_music", phase, model, data),
                status="diverged" if diverged else "finished",
                directory=f"runs/chung2014_music/{identity}",
                metrics={} if diverged else {"val/nll": float(value)},
                values={"optimizer.lr": rate},
                mode="min",
                best=None if diverged else Best(30, float(value), "val/nll"),
                timing=Timing(seconds=80.0, shared=False),
                command_line=f"python -m src.train model={model} data={data} seed={seed} optimizer.lr={rate:.4g}",
            )
        )
    return trials


def _tuning(data: str, runs: list[Run], extended: bool) -> Tuning:
    trials = [Trial(r.id, r.model, r.values, r.metrics.get("val/nll"), r.seed, r.phase, r.status) for r in runs]
    chosen, candidates = {}, {}
    for model in MODELS:
        repeated: dict[float, list[Trial]] = {}
        for trial in trials:
            if trial.model == model and trial.values["optimizer.lr"] in {float(r) for r in RATES[4:7]}:
                repeated.setdefault(trial.values["optimizer.lr"], []).append(trial)
        means = {rate: float(np.mean([t.value for t in same if t.value])) for rate, same in repeated.items()}
        chosen[model] = {"optimizer.lr": min(means, key=means.__getitem__)}
        candidates[model] = [
            Candidate({"optimizer.lr": rate}, means[rate], [t.run for t in same]) for rate, same in repeated.items()
        ]
    wider = extended and data == "nottingham"
    low = EXTRA[0] if wider else RATES[0]
    extension = Extension(
        time=1.8e9,
        data=data,
        arm="main",
        key="optimizer.lr",
        side="low",
        before=[1e-4, 3e-2],
        after=[4e-5, 3e-2],
        draws=list(EXTRA),
        trials=[],
        because=Because("rnn_chung", 1e-4),
    )
    return Tuning(
        data=data,
        arm="main",
        keys=["optimizer.lr"],
        metric="val/nll",
        mode="min",
        trials=trials,
        chosen=chosen,
        counts={model: sum(t.model == model for t in trials) for model in MODELS},
        ranges={"optimizer.lr": [float(low), float(RATES[-1])]},
        candidates=candidates,
        extensions=[extension] if wider else [],
    )


def _t(values: np.ndarray, level: float = 0.95) -> Interval:
    low, high = stats.t.interval(level, len(values) - 1, values.mean(), stats.sem(values))
    return Interval(float(low), float(high), level, "t")


def _model(data: str, model: str, runs: list[Run]) -> Model:
    points = [
        Point(
            run.seed,
            run.metrics.get("test/nll"),
            run.id,
            "chance" if run.metrics.get("test/nll", 0) > UNIGRAM[data] else run.status,
        )
        for run in runs
    ]
    values = np.array([p.value for p in points if p.value is not None])
    return Model(
        model=model,
        points=points,
        n=len(values),
        mean=float(values.mean()),
        sd=float(values.std(ddof=1)),
        median=float(np.median(values)),
        iqm=float(stats.trim_mean(values, 0.25)),
        interval=_t(values),
        diverged=sum(p.status == "diverged" for p in points),
        chance=sum(p.status == "chance" for p in points),
        failed=sum(p.status == "failed" for p in points),
        unfinished=sum(p.status == "interrupted" for p in points),
        solve_rate=11 / 12 if model == "rnn_chung" else 1.0,
        values=runs[0].values,
        hidden_size=runs[0].hidden_size,
        parameters=dataclasses.asdict(runs[0].parameters),
        cost={
            key: float(np.median([getattr(run.timing, key) for run in runs]))
            for key in ("seconds", "seconds_to_best", "seconds_per_epoch", "epochs", "updates")
        }
        | {"peak_rss_mb": float(np.median([run.memory.peak_rss_mb for run in runs]))},
        shared=2,
        backends={"fused": 12},
        last_epoch=1,
    )


def _pair(seed: int, a: Run, b: Run) -> Pair:
    x, y = a.metrics.get("test/nll"), b.metrics.get("test/nll")
    difference = None if x is None or y is None else y - x
    state = "complete" if difference is not None else "b diverged" if b.status == "diverged" else "missing"
    return Pair(seed, x, y, difference, a.id, b.id, state)


def _comparison(data: str, a: str, b: str, finals: dict[str, list[Run]]) -> Comparison:
    pairs = [_pair(s, x, y) for s, x, y in zip(SEEDS, finals[a], finals[b], strict=True)]
    d = np.array([p.difference for p in pairs if p.difference is not None])
    primary = (a, b) == MODELS[:2]
    t, tight, margin = _t(d), _t(d, 0.9), MARGIN[data]
    outcome = "better" if t.low > margin else "same" if -margin < tight.low and tight.high < margin else "undecided"
    words = {
        "better": f"{a} is better than {b} by more than the margin of {margin:g} nats per step",
        "same": f"{a} and {b} are practically the same: the 90 % interval lies within ±{margin:g} nats per step",
        "undecided": f"Undecided: the 95 % interval reaches beyond the margin of {margin:g} nats per step, and about "
        "9 more pairs would decide it with probability 0.8",
    }
    wins = int((d > 0).sum())
    p = float(stats.wilcoxon(d).pvalue)
    wide = Interval(t.low - 0.02, t.high + 0.02, 0.95, "bootstrap over seeds and sequences")
    return Comparison(
        a=a,
        b=b,
        primary=primary,
        pairs=pairs,
        n=len(d),
        mean=float(d.mean()),
        sd=float(d.std(ddof=1)),
        median=float(np.median(d)),
        t=t,
        bca=Interval(t.low + 0.001, t.high - 0.001, 0.95, "BCa"),
        sequences=wide,
        sequences_note="over 77 test sequences",
        correlation=0.31,
        saved=0.69,
        probability=Probability(
            wins, 0, len(d) - wins, wins / len(d), Interval(0.55, 0.95, 0.95, "Wilson"), "significant and meaningful"
        ),
        wilcoxon=Wilcoxon(4.0, p, min(1.0, 6 * p), 6),
        power=Power(len(d), 6, 0.55, 0.71, 0.06, 23),
        verdict=Verdict(
            outcome,
            a if outcome == "better" else None,
            f"{words[outcome]} (mean difference {d.mean():+.3f}, 95 % interval {t.low:+.3f} to {t.high:+.3f}, "
            f"{len(d)} pairs).",
            margin,
            "two one-sided t tests",
            interval_same=tight,
            interval_better=t,
            p_better=0.001,
            p_same=0.4,
            new_study=21 if outcome == "undecided" else None,
            different=t.low > 0 or t.high < 0,
        ),
        sensitivity=[
            f"A margin above {t.low:.3f} nats per step would turn this into undecided.",
            "Counting the diverged run as the worst value changes the order of no pair.",
        ],
    )


def _task(data: str, finals: dict[str, list[Run]]) -> Task:
    references = {
        "jsb_chorales": [("gru", 8.54, 8.43), ("lstm", 8.67, 8.45), ("tanh", 9.10, 8.91), ("tcn", None, 8.10)],
        "nottingham": [("gru", 3.23, 3.46), ("lstm", 3.20, 3.29), ("tanh", 3.13, 4.05), ("tcn", None, 3.07)],
    }[data]
    sources = (("Chung et al. 2014", "unconfirmed" if data == "nottingham" else "confirmed"), ("Bai 2018", "confirmed"))
    return Task(
        data=data,
        arm="main",
        metric="test/nll",
        unit="nats per step",
        mode="min",
        margin=MARGIN[data],
        models=[_model(data, model, finals[model]) for model in MODELS],
        comparisons=[_comparison(data, a, b, finals) for a, b in itertools.combinations(MODELS, 2)],
        baselines={"unigram": UNIGRAM[data], "markov": MARKOV[data]},
        references=[
            Reference(data, "test/nll", name, value, source, state, None if source != "Bai 2018" else "150 units")
            for name, *values in references
            for value, (source, state) in zip(values, sources, strict=True)
            if value is not None
        ],
        flags=[
            Flag("diverged", "serious", "1 of 12 runs of rnn_chung diverged.", data, "main", ["rnn_chung"])
            if data == "nottingham"
            else Flag("shared", "note", "Timings of 6 of 36 runs come from a machine that others used.", data),
            Flag("backend", "note", "rnn_chung ran on torch, the others on fused kernels.", data),
        ],
    )


def _plan() -> Plan:
    plan = PlanRecord(
        "chung2014_music",
        models={model: {} for model in MODELS},
        data={data: {} for data in TRUTH},
        tuning=TuningRecord({"optimizer.lr": LogUniform(1e-4, 3e-2, 10)}),
        primary=PrimaryRecord(MODELS[:2], "test/nll", MARGIN),
        pairs=12,
    )
    changes = [PlanChange(1.8e9, "aa" * 8, "bb" * 8, ["pairs"], late=True)]
    left = [LeftOut("keras_mixed", "jsb_chorales", "its input is tokens, the data are frames")]
    return Plan(
        question="Does a GRU or an LSTM predict polyphonic music better at equal parameters?",
        file="experiments/chung2014_music.yaml",
        file_hash="4f" * 32,
        plan=plan,
        plan_hash="bb" * 8,
        registered=1.79e9,
        changes=changes,
        left_out=left,
        pairs=dict.fromkeys(TRUTH, 12),
    )
