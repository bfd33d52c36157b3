"""The whole measurement: build and warm up contenders, plan and run rounds, and return one plain result."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.contenders import CELLS, PYTORCH, Case, Contender, Refused, baselines, contender, operations, prepared
from benchmarks.peers import peer
from benchmarks.progress import Show
from benchmarks.settings import Settings
from benchmarks.statistics import median_interval, noise, ratios
from src.measuring.clock import Timing, clock, plan_rounds, repeats_for, run_rounds, time_steps, warm_up
from src.measuring.peak_memory import peak_mb
from src.runs.machine import MachineLoad


def measure(settings: Settings, show: Show = lambda what, share: None) -> dict[str, Any]:
    """Time everything that the settings ask for.

    Args:
        settings: what to measure.
        show: called again and again with what is being done and the share that is done.

    Returns:
        ``cases``, ``sgemm_gflops`` by number of threads, ``clock``, ``notes``; see ``benchmarks.results``.
    """
    device = torch.device(settings.device)
    if device.type == "cuda":  # TF32 would compare a rounder arithmetic with float32
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    counts = sorted({case.threads for case in settings.cases})
    peak = {n: sgemm_gflops(n, device) for n in counts}
    lined_up = []
    for number, case in enumerate(settings.cases):
        show(f"warming up {case}", 0.1 * number / len(settings.cases))
        lined_up.append(line_up(settings, case, device))
    rounds = plan_rounds([cost for _, _, _, cost in lined_up], settings.rounds, settings.seconds)
    notes = over_budget([cost for _, _, _, cost in lined_up], settings)
    whole = sum(n * cost for n, (_, _, _, cost) in zip(rounds, lined_up, strict=True)) or 1.0

    cases, done = [], 0.0
    for case, number, (contenders, repeats, skipped, cost) in zip(settings.cases, rounds, lined_up, strict=True):
        torch.set_num_threads(case.threads)

        def tick(what: str = str(case), cost: float = cost) -> None:
            nonlocal done
            done += cost
            show(what, 0.1 + 0.9 * min(1.0, done / whole))

        machine_load = MachineLoad()
        timings = run_rounds({c.name: c.work for c in contenders}, repeats, number, device, tick)
        busy = machine_load.busy_cores()
        megabytes = {c.name: peak_memory(c, case, device) if settings.memory else None for c in contenders}
        cases.append(summarise(case, contenders, repeats, timings, megabytes, skipped, busy))
    peak = {n: max(before, sgemm_gflops(n, device)) for n, before in peak.items()}
    for case, summary in zip(settings.cases, cases, strict=True):
        for entry in summary["contenders"]:
            speed = operations(entry["cell"], case) / (entry["milliseconds"]["value"] / 1e3) / 1e9
            entry["sgemm_share"] = speed / peak[case.threads]
    return {
        "clock": clock(device),
        "sgemm_gflops": {str(n): value for n, value in peak.items()},
        "cases": cases,
        "notes": notes,
    }


def line_up(
    settings: Settings, case: Case, device: torch.device
) -> tuple[list[Contender], list[int], list[dict[str, str]], float]:
    """The contenders of a case, the steps in a measurement of each, who cannot take part, and seconds of a round."""
    torch.set_num_threads(case.threads)
    contenders = baselines(settings.cells, case, device, settings.seed)
    seconds = [warm_up(c.work, device) for c in contenders]
    skipped = []
    for cell in settings.cells:
        for name in [*settings.backends, *settings.peers]:
            try:
                if name in settings.peers:
                    made = peer(name, cell, case, device, settings.seed)
                else:
                    made = contender(cell, name, case, device, settings.seed)
                seconds.append(warm_up(made.work, device))
                contenders.append(made)
            except (Refused, RuntimeError) as reason:  # one that fails or computes something else costs no other's time
                skipped.append({"cell": cell, "backend": name, "reason": (str(reason).splitlines() or ["?"])[0]})
    repeats = [repeats_for(s) for s in seconds]
    return contenders, repeats, skipped, sum(s * n for s, n in zip(seconds, repeats, strict=True))


def over_budget(costs: list[float], settings: Settings) -> list[str]:
    """A sentence where the fewest rounds already take longer than the budget."""
    least = settings.rounds * sum(costs)
    if least <= settings.seconds:
        return []
    return [
        f"rounds={settings.rounds} would take about {least / 60:.2g} minutes, more than minutes="
        f"{settings.seconds / 60:g}: use fewer shapes, cells, backends or rounds."
    ]


def sgemm_gflops(threads: int, device: torch.device, size: int = 512, tries: int = 100) -> float:
    """The fastest of many products of two float32 matrices (size, size), in 10^9 operations a second.

    Each takes a few milliseconds, so that on a shared machine some of them run undisturbed.
    """
    torch.set_num_threads(threads)
    a, b = (torch.randn(size, size, device=device) for _ in range(2))
    best = min(time_steps(lambda: a @ b, 1, device).seconds for _ in range(tries))
    return 2 * size**3 / best / 1e9


def peak_memory(contender: Contender, case: Case, device: torch.device) -> float | None:
    """Return the peak memory of a step in MB (10^6 bytes): gradients, Adam's state, activations and workspaces.

    On a CPU, this is the resident memory of a new process (`src.measuring.peak_memory`); on a GPU, the most that torch
    allocated in this one. None for peers, and if it cannot be measured.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        contender.work()
        torch.cuda.synchronize(device)
        return (torch.cuda.max_memory_allocated(device) - before) / 1e6
    if contender.ran == "peer":
        return None
    # Optimizers import torch._dynamo, a hundred megabytes, when first used.
    return peak_mb(prepared, contender.cell, contender.backend, case, preload=(prepared.__module__, "torch._dynamo"))


def summarise(
    case: Case,
    contenders: list[Contender],
    repeats: list[int],
    timings: dict[str, list[Timing]],
    megabytes: dict[str, float | None],
    skipped: list[dict[str, str]],
    busy: float | None,
) -> dict[str, Any]:
    """One case as plain values."""
    seconds = {name: [t.seconds for t in measured] for name, measured in timings.items()}
    entries: list[dict[str, Any]] = []
    for contender_, steps in zip(contenders, repeats, strict=True):
        baseline = CELLS[contender_.cell].baseline
        name, times = contender_.name, seconds[contender_.name]
        cores = [t.cores for t in timings[name] if t.cores is not None]
        entries.append(
            {
                "name": name,
                "cell": contender_.cell,
                "backend": contender_.backend,
                "ran": contender_.ran,
                "baseline": baseline,
                "repeats": steps,
                "seconds": times,
                "milliseconds": median_interval([1e3 * s for s in times])._asdict(),
                "ratio": None if name == baseline else median_interval(ratios(seconds[baseline], times))._asdict(),
                "cores": sum(cores) / len(cores) if cores else None,
                "peak_mb": megabytes[name],
                "difference": contender_.difference,
            }
        )
    times_of = {c.name: seconds[c.name] for c in contenders if c.backend == PYTORCH}
    alone = {
        e["name"]: e["cores"]
        for e in entries
        if e["backend"] == PYTORCH and e["cores"] is not None and case.threads == 1
    }
    return {
        "shape": list(case.shape),
        "mode": case.mode,
        "threads": case.threads,
        "rounds": len(next(iter(timings.values()))),
        "others_busy_cores": busy,
        "noise": noise(times_of, busy, alone),
        "contenders": entries,
        "skipped": skipped,
    }
