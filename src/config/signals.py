"""Handle SIGTERM and Ctrl-C: close what is open, print no stack trace, and exit with code 143 or 130."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

PATIENCE = 5.0  # seconds within which a second signal counts as the first: timeout and Slurm send it twice

_received: list[int] = []  # the signals received so far


def stopping() -> bool:
    """Return whether this process has been told to end."""
    return bool(_received)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Turn a signal into ``KeyboardInterrupt`` or ``SystemExit`` in the block, and exit with the signal's exit code.

    Whatever the block does with the exception (Lightning exits with 1), the exit code is 128 plus the signal number. A
    second signal after some seconds ends the process at once. Outside the main thread this does nothing.
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
        if signal.getsignal(number) is not signal.SIG_IGN:  # ignored, as for a background job of a script
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
