"""A benchmark on disk: ``benchmark.json``, from which tables and figure can be made without measuring.

======================== ==================================================================================
``schema``               version of this layout, :data:`SCHEMA`
``command``              what was typed
``started``, ``minutes`` when, and how long it took
``versions``, ``git``    of Python and packages; commit of the code
``hardware``, ``device`` processor, cores, GPU; ``cpu`` or ``cuda``
``clock``                ``wall clock`` or ``CUDA events``
``settings``             the resolved config
``sgemm_gflops``         by number of threads: 10^9 operations a second of the fastest product of two 512 x 512
``notes``                about the run as a whole
``cases``                one entry for each shape, mode and number of threads, with ``rounds``,
                         ``others_busy_cores``, ``noise`` (sentences; empty: quiet), ``skipped`` (cell, backend and
                         reason) and ``contenders``
======================== ==================================================================================

Each contender has ``name``, ``cell``, ``backend`` (as asked for), ``ran`` (what that came to), ``baseline`` (the name
of the layer it is measured against), ``repeats`` (steps in a measurement), ``seconds`` (of a step, one for each
round), ``milliseconds`` and ``ratio`` (median, interval and its coverage; the ratio is taken round by round, over 1
is faster, null for the baseline), ``sgemm_share`` (of the measured peak), ``cores`` (that the process used),
``peak_mb`` (of memory; null: not measured) and ``difference`` (from the readable loop's output, the largest).
"""

from __future__ import annotations

import json
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from src.config.errors import UserError
from src.runs import machine

SCHEMA = 1


def surroundings(module: str, settings: dict[str, Any], started: float) -> dict[str, Any]:
    """Everything that a result says beside its measurements.

    Args:
        module: the command.
        settings: the resolved config.
        started: seconds since 1970.
    """
    return {
        "schema": SCHEMA,
        "command": shlex.join(["python", "-m", module, *sys.argv[1:]]),
        "started": time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(started)),
        "minutes": (time.time() - started) / 60,
        "versions": machine.versions(),
        "git": machine.git(),
        "hardware": machine.hardware(),
        "device": settings["device"],
        "settings": settings,
    }


def write(path: Path, result: dict[str, Any]) -> None:
    """Write a result as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")


def read(path: Path) -> dict[str, Any]:
    """Read a result.

    Raises:
        UserError: the file is missing, or no result of this layout.
    """
    if not path.is_file():
        raise UserError(f"results={path} does not exist: it must be the benchmark.json of an earlier benchmark.")
    try:
        result = json.loads(path.read_text())
    except ValueError as error:
        raise UserError(
            f"results={path} is not JSON: it must be the benchmark.json of an earlier benchmark."
        ) from error
    schema = result.get("schema") if isinstance(result, dict) else None
    if schema != SCHEMA:
        raise UserError(f"results={path} must have schema {SCHEMA}, got {schema}: measure again.")
    return dict(result)
