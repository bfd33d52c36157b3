"""Peak memory of callables that take a known amount."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from src.measuring import peak_memory
from src.measuring.peak_memory import peak_mb, resident

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is measured on Linux alone")


def squares(megabytes: int) -> Callable[[], None]:
    """Something that holds so much, and makes twice as much for a moment."""
    x = np.ones(megabytes * 125_000)
    return lambda: (x**2 + x**2).sum() and None


def test_what_a_call_takes_counts_and_what_was_there_before_does_not() -> None:
    assert peak_mb(squares, 1000) == pytest.approx(2000, rel=0.05)
    assert peak_mb(squares, 50) == pytest.approx(100, rel=0.1), "an earlier question leaves nothing behind"


def killed() -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_was_killed_tells_nothing_and_the_next_one_does() -> None:
    assert peak_mb(killed) is None
    assert peak_mb(squares, 1) is not None


def refused() -> Callable[[], None]:
    raise ValueError("there is no such network")


def test_what_goes_wrong_there_is_raised_here() -> None:
    with pytest.raises(ValueError, match="there is no such network"):
        peak_mb(refused)


def test_memory_is_unknown_where_the_system_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    now, most = resident("VmRSS"), resident("VmHWM")
    assert now is not None
    assert most is not None
    assert 1e6 < now <= most
    monkeypatch.setattr(peak_memory, "STATUS", peak_memory.STATUS / "missing")
    assert resident("VmRSS") is None
    monkeypatch.setattr(sys, "platform", "darwin")
    assert peak_mb(squares, 1) is None


def test_the_program_that_asks_is_not_run_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "print('once', flush=True)\n"
        "from src.measuring.peak_memory import peak_mb\n"
        "from tests.measuring.test_peak_memory import squares\n"
        "print(peak_mb(squares, 50) is not None)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == (["once", "True"], "")
