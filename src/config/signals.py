"""SIGTERM and Ctrl-C: what is open is closed, nothing is shown but sentences, and the exit code is 143 or 130."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

PATIENCE = 5.0  # seconds in which a further signal is the same one again: timeout and Slurm send it twice

_received: list[int] = []  # the signal that ends this process


def stopping() -> bool:
    """Whether this process has been told to end."""
    return bool(_received)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let a signal raise ``KeyboardInterrupt`` or ``SystemExit`` in the block, and end the process with its exit code.

    Whatever the block makes of the exception (Lightning ends with code 1), the code is 128 and the signal's number. A
    further signal after some seconds ends the process at once. Outside the main thread nothing is done.
    """
    since = time.monotonic()

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal since
        if _received and time.monotonic() - since < PATIENCE:
            return
        if _received:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        since = time.monotonic()
        _received.append(number)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    before = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as for a job in the background of a script
            try:
                before[number] = signal.signal(number, stop)
            except ValueError:
                break
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except BaseException:
        if _received:
            sys.exit(128 + _received[0])
        raise
    finally:
        for number, handler in before.items():
            if not _received and handler is not None:
                signal.signal(number, handler)
