"""Named random streams: from a seed, for each use of chance, a stream of its own.

Two networks that draw different numbers of weights still see the same split, the same batches and the same order,
because nothing is drawn from a generator that something else draws from.

=================  ====================================================================================
stream             what is drawn from it
=================  ====================================================================================
``split``          which sequences are for what, and synthetic data: from ``data.split_seed``, not ``seed``
``order``          which rows make each batch: a function of seed and epoch, so a resumed run needs no state
``initialisation`` the weights a network, encoder and head start from
``noise``          dropout, zoneout, weight noise while training; its state is kept in the checkpoint
``generation``     what a model that speaks draws
``tuning``         the values that a study tries, from the study's seed
=================  ====================================================================================
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

Stream = Literal["split", "order", "initialisation", "noise", "generation", "tuning"]


def derive(seed: int, stream: Stream, *more: int) -> int:
    """The seed of a stream: 63 bits of SHA-256 over a seed, the stream's name and more, e.g. the epoch.

    >>> derive(0, "order", 1) != derive(0, "order", 2) != derive(1, "order", 2)
    True
    """
    text = ":".join(["gatebench", str(int(seed)), stream, *map(str, more)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@contextmanager
def drawing(seed: int, stream: Stream) -> Iterator[None]:
    """Let torch's global generator be ``stream`` inside the block, and what it was before afterwards."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, stream))
        yield
