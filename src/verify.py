"""Repeat some published runs of a study and compare the numbers: ``python -m src.verify study=NAME``."""

from __future__ import annotations

import math
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random, SystemRandom
from statistics import stdev
from typing import TYPE_CHECKING, Any, Literal

from omegaconf import DictConfig

from src.config.errors import UserError, counted
from src.config.places import study_folder
from src.config.shell import command

if TYPE_CHECKING:
    from src.analysis.collect import Collection
    from src.analysis.run import Run
    from src.runs.result import RunResult

Outcome = Literal["bitwise equal", "within the tolerance", "differs", "failed", "other version"]
SPREADS = 5  # SDs over seeds: runs with different rounding differ like two seeds, by more than this in 1 of 2,500
LEAST = 1e-3  # relative to the value, if seeds differ by less
FEW = 0.05  # relative to the value, with fewer than three runs to estimate the SD over seeds


@dataclass(frozen=True)
class Verified:
    """The outcome for one run."""

    run: Run
    outcome: Outcome
    said: str


def verify(cfg: DictConfig) -> list[Verified]:
    """Repeat ``k`` final runs of a study or pack in a separate folder, and print the outcome.

    On the same kind of machine (processor, threads, kernel, versions of Python, torch and numpy) a run must be
    bit-identical. Elsewhere rounding differs, which training amplifies to the size of a change of seed, so metrics of
    validation and test may differ by :data:`SPREADS` standard deviations over the seeds of that model. Nothing is
    written into the study.

    Raises:
        UserError: there is nothing to run, or a number differs from the record; names the first such run and the commit
            that made it.
    """
    from rich.table import Column, Table

    from src.analysis.verdict import minutes
    from src.config.screen import printable, screen
    from src.runs.identity import RESULTS_VERSION

    collection = records_of(study_folder(cfg))
    published = published_runs(collection)
    damaged = [problem for problem in collection.problems if problem.kind in ("unreadable", "foreign", "nameless")]
    seed = SystemRandom().randrange(10**6) if cfg.seed is None else cfg.seed
    chosen = Random(seed).sample(published, min(cfg.k, len(published)))
    takes = minutes(len(chosen), [run.timed.seconds for run in chosen if run.timed is not None])
    about = f", about {takes}" if takes else ""
    print(printable(f"{collection.name}: {len(chosen)} of {counted(len(published), 'final run')}, seed={seed}{about}"))
    places = {"data.path": cfg.data.path, "paths.data_dir": cfg.paths.data_dir, "paths.cache_dir": cfg.paths.cache_dir}
    with tempfile.TemporaryDirectory(prefix="gatebench-verify-") as folder:
        made = []
        for place, run in enumerate(chosen):
            if run.results_version != RESULTS_VERSION:
                said = f"results version {run.results_version}, this code has {RESULTS_VERSION}: {checkout(run)}"
                made.append(Verified(run, "other version", said))
                continue
            made.append(again(run, Path(folder) / str(place), spreads(run, published), places, cfg.trust or ()))
            print(printable(f"{run.place}: {made[-1].outcome}"), flush=True)
    table = Table(Column("run", no_wrap=True), "model", "data", "seed", "", "what came out")
    for one in made:
        table.add_row(one.run.id, one.run.model, one.run.data_name, str(one.run.seed), one.outcome, one.said)
    for problem in damaged:
        table.add_row(Path(problem.place).name, "", "", "", "unreadable", problem.sentence)
    screen().print(table)
    counts = Counter(one.outcome for one in made)
    print("; ".join(f"{number} {outcome}" for outcome, number in counts.items()) + ".")
    wrong = [f"{one.run.place}: {one.said}" for one in made if one.outcome in ("differs", "failed")]
    wrong += [f"{problem.place}: {problem.sentence}" for problem in damaged]
    if wrong:
        raise UserError(f"{counted(len(wrong), 'run')} could not be confirmed; the first is {wrong[0]}")
    if not counts["bitwise equal"] + counts["within the tolerance"]:
        raise UserError(f"Nothing could be confirmed; the first is {made[0].run.place}: {made[0].said}")
    return made


def records_of(directory: Path) -> Collection:
    """Read a study's folder or a folder of committed records.

    Raises:
        UserError: the folder is neither, or is damaged.
    """
    from src.analysis.collect import collect
    from src.analysis.pack import read_pack

    return read_pack(directory) if (directory / "pack.json").is_file() else collect([directory], "study")


def published_runs(collection: Collection) -> list[Run]:
    """Return finished final runs with a test result, sorted by id; outside a study, all such runs.

    Raises:
        UserError: there are none.
    """
    finished = [run for run in collection.runs if run.status == "finished" and run.phase in ("final", None)]
    published = [run for run in finished if any(name.startswith("test/") for name in run.metrics)]
    if not published:
        raise UserError(f"There are no finished final runs to repeat in {', '.join(collection.places)}.")
    return sorted(published, key=lambda run: run.id)


def spreads(run: Run, published: Iterable[Run]) -> dict[str, float]:
    """Return how much each validation and test metric may differ on another kind of machine."""
    like = (run.model, run.data_name, run.arm, run.data.split_seed)
    group = [o for o in published if (o.model, o.data_name, o.arm, o.data.split_seed) == like]
    room = {}
    for name in (name for name in run.metrics if name.startswith(("val/", "test/"))):
        values = [other.metrics[name] for other in group if math.isfinite(other.metrics.get(name, math.nan))]
        size = abs(run.metrics[name]) if math.isfinite(run.metrics[name]) else 0.0
        room[name] = max(SPREADS * stdev(values), LEAST * size) if len(values) > 2 else FEW * size
    return room


def again(
    run: Run, directory: Path, room: Mapping[str, float], places: Mapping[str, str | None], trust: str | Sequence[str]
) -> Verified:
    """Train a run again in a directory, and compare its record with the published one.

    ``places`` are data paths on this machine, by key; None keeps the path in the run's command.
    """
    from src.config.overrides import in_quotes
    from src.runs.record import read_record
    from src.training.ddp import COMMAND

    try:
        line = overrides_of(run, trust)
    except UserError as error:
        return Verified(run, "failed", str(error))
    places = {**places, "paths.run_dir": str(directory), "paths.runs_dir": str(directory.parent)}
    line += [f"{key}={in_quotes(str(place))}" for key, place in places.items() if place is not None]
    line += ["logger=csv", "trainer.enable_progress_bar=false"]
    ended = subprocess.run(
        [sys.executable, str(COMMAND), "train", *{word.partition("=")[0]: word for word in line}.values()],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    record = read_record(directory)
    if ended.returncode or record is None:
        last = (ended.stderr.strip().splitlines() or ["it ended without a record"])[-1]
        return Verified(run, "failed", f"{last} ({made_by(run)})")
    outcome, said = compared(run, record, room)
    if outcome == "differs" and record.sources != run.sources and run.sources:
        said += "; the source code of your class is not that of the record"
    if outcome == "differs" and (record.git.commit != run.git.commit or not run.git.clean):
        said += f"; {checkout(run)}"
    return Verified(run, outcome, said)


def overrides_of(run: Run, trust: str | Sequence[str]) -> list[str]:
    """Return the overrides that made a run, without paths; refuse any that would run untrusted code.

    Raises:
        UserError: the record has no command, or names a class that is neither ours nor trusted.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    from src.config.schema import effect_of
    from src.config.schema.entries import NOTHING, PLACE
    from src.config.trust import check_received

    words = run.command[1:] or shlex.split(run.command_line or "")[3:]
    if not words:
        raise UserError(f"{run.place} has no record of its command, so it cannot be repeated.")
    kept = list[str]()
    for word in words:
        key = word.lstrip("+~").partition("=")[0].partition("@")[0].replace("/", ".")
        # The tolerance does not affect results, but without it the network may be refused.
        needed = key == "model.budget_tolerance" or effect_of(key) not in (PLACE, NOTHING)
        if needed and not word.startswith("-"):
            kept.append(word)
    for override in OverridesParser.create().parse_overrides(kept):
        if not override.is_delete():
            OmegaConf.update(given := OmegaConf.create(), override.key_or_group, override.value())
            content: Any = OmegaConf.to_container(given)
            check_received(content, f"the command of {run.place}", trust)
    return kept


def compared(old: Run, new: RunResult, room: Mapping[str, float]) -> tuple[Outcome, str]:
    """Compare a repeated run with its record."""
    from src.training.recorded import same_program

    if new.data.checksum != old.data.checksum:
        return "differs", "the data have another checksum than in the record"
    if new.status != "finished":
        return "differs", f"it {new.status}, but the record says finished"
    backend = new.backend.name if new.backend else None
    on_gpu = "gpu" in new.hardware or "gpu" in old.hardware
    same = not on_gpu and same_program(old, new.hardware, new.versions, backend)
    names = [name for name in old.metrics if same or name in room]
    off = [name for name in names if not _within(old.metrics[name], new.metrics.get(name), 0.0 if same else room[name])]
    shown = next((n for n in (*off, *names) if n.startswith("test/")), (off or names)[0])
    numbers = f"{shown} is {new.metrics.get(shown, math.nan):.9g}, on record {old.metrics[shown]:.9g}"
    if off:
        allowed = "the machine is of the same kind" if same else f"{room[shown]:.2g} allowed on another kind of machine"
        return "differs", f"{numbers} ({allowed}; {len(off)} of {counted(len(names), 'metric')})"
    if same:
        return "bitwise equal", f"{shown} {old.metrics[shown]:.6g}, {counted(len(names), 'metric')}"
    return "within the tolerance", f"{numbers} ({room[shown]:.2g} allowed on another kind of machine)"


def _within(old: float, new: float | None, room: float) -> bool:
    return new is not None and (new == old or (math.isnan(new) and math.isnan(old)) or abs(new - old) <= room)


def made_by(run: Run) -> str:
    """Describe the code behind a record."""
    changes = "" if run.git.clean is not False else " with uncommitted changes"
    return f"made by commit {run.git.commit[:10]}{changes}" if run.git.commit else "made by code without a commit"


def checkout(run: Run) -> str:
    """Describe how to get the code behind a record."""
    return f"{made_by(run)}: git checkout {run.git.commit} and verify again" if run.git.commit else made_by(run)


def main() -> None:
    """Run the command line."""
    command("verify", verify)


if __name__ == "__main__":
    main()
