"""Peak memory of a callable, in a separate process.

In a process that has computed before, memory left to the allocator by an earlier callable would serve the next one, and
the overall peak would count for each. Python's fork server imports what is needed once, computes nothing, and forks a
new process for each measurement.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import ModuleType
from typing import Any

STATUS = Path("/proc/self/status")
CALLS = 2  # a training step's second call has gradients and optimizer state as well


def peak_mb(
    prepare: Callable[..., Callable[[], Any]], *arguments: Any, preload: Sequence[str] = ("torch",)
) -> float | None:
    """Return the peak resident memory of two calls of a callable above the level before, in MB (10^6 bytes).

    Args:
        prepare: creates the callable, in the measured process; whatever it needs beforehand (weights, input, library
            pages loaded by a first call) is not counted. A function of a module, by name.
        arguments: arguments of ``prepare``, which are pickled.
        preload: modules imported by the fork server; only those of this process's first measurement count.

    Returns:
        None if unknown: on systems other than Linux, or if the process was killed.

    Raises:
        Exception: whatever ``prepare`` or the callable raises.
    """
    if sys.platform != "linux":
        return None
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            with _no_main():
                asked = pool.submit(_peak_here, prepare, arguments)
            return asked.result()
        except BrokenProcessPool:
            return None


@contextlib.contextmanager
def _no_main() -> Iterator[None]:
    """Let a process that is started here not run the program of this one, which may be a script without a guard."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _peak_here(prepare: Callable[..., Callable[[], Any]], arguments: Sequence[Any]) -> float | None:
    work = prepare(*arguments)
    gc.collect()
    # Resets the peak to the current size; if that is not permitted, the peak is the size at the fork, which is smaller.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    for _ in range(CALLS):
        work()
    after = resident("VmHWM")
    return None if before is None or after is None else max(0.0, (after - before) / 1e6)


def resident(field: str) -> int | None:
    """Return ``VmRSS`` (resident now) or ``VmHWM`` (peak) of this process in bytes; None if unknown.

    >>> resident("VmNothing") is None
    True
    """
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), None)
