"""The command as a user types it, killed at random moments and typed again."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from src.config.places import CONF
from src.runs.record import read_record
from src.runs.study_record import read_study
from tests.answering.conftest import QUICK, gestures

ROOT = CONF.parent
MOST = 12  # further starts until the look is taken, on however slow a machine


def start(place: Path, places: Path, minutes: float) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB", "HYDRA"))}
    environment |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GATEBENCH_CACHE_DIR": str(places / "derived")}
    line = ["data.path=gestures.csv", "data.group_column=take", "data.target=gesture", f"minutes={minutes}"]
    line += [f"{key}={value}" for key, value in QUICK.items()]
    program = [sys.executable, "-W", "ignore", "-m", "src.answer", *line]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(program, cwd=place, env=environment, text=True, **streams)  # type: ignore[call-overload]


def finished(place: Path) -> dict[str, str]:
    """A digest of what each finished run has left, weights and curve; of trials the curve alone."""
    left = {}
    for path in place.glob("runs/answers/*/*/result.json"):
        record = read_record(path.parent)
        if record is not None and record.status == "finished":
            final = record.study_job is not None and record.study_job.phase == "final"
            names = ["metrics.csv", *(("checkpoints/best.ckpt",) if final else ())]
            left[path.parent.name] = hashlib.sha256(b"".join((path.parent / n).read_bytes() for n in names)).hexdigest()
    return left


@pytest.mark.slow
def test_killed_three_times_it_goes_on_and_what_was_finished_stays_to_the_bit(tmp_path: Path, places: Path) -> None:
    gestures(tmp_path / "gestures.csv")
    rng, before, kills = random.Random(os.urandom(4)), dict[str, str](), 0
    while kills < 3:
        process, begun, known = start(tmp_path, places, 4), time.monotonic(), len(before)
        # From its first new run on, at whatever moment.
        while process.poll() is None and len(finished(tmp_path)) == known and time.monotonic() - begun < 200:
            time.sleep(0.2)
        time.sleep(rng.uniform(0, 5))
        over = process.poll() is not None
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if over:
            break  # before it could be killed
        kills += 1
        here = finished(tmp_path)
        assert {name: here.get(name) for name in before} == before
        before = here
    (directory,) = tmp_path.glob("runs/answers/*")
    plan = next(iter((directory / "experiments").glob("*.yaml")), None)
    written = plan.read_bytes() if plan else None
    out = ""
    for _ in range(MOST):
        record = read_study(directory)
        if record is not None and record.looks:
            break
        process = start(tmp_path, places, 2)
        out, err = process.communicate(timeout=400)
        assert (process.returncode, err) == (0, "")
    here = finished(tmp_path)
    assert {name: here.get(name) for name in before} == before
    assert written is None or plan.read_bytes() == written  # type: ignore[union-attr]
    record = read_study(directory)
    assert record is not None
    assert record.looks
    assert not record.changes
    assert "next, to predict: gatebench predict runs/answers/" in out
    assert kills == 3
