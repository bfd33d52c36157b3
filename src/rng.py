"""Named random streams: each use of randomness has its own stream, derived from a seed.

Two networks with different numbers of weights therefore see the same split, the same batches and the same order,
because no generator is shared between uses.

=================  ====================================================================================
stream             what is drawn from it
=================  ====================================================================================
``split``          assignment to splits, and synthetic data: from ``data.split_seed``, not ``seed``
``order``          rows of each batch: a function of seed and epoch, so a resumed run needs no state
``initialisation`` initial weights of network, encoder and head
``noise``          dropout, zoneout, weight noise in training; its state is kept in the checkpoint
``generation``     samples of generative models
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
    """Return the seed of a stream: 63 bits of SHA-256 over a seed, the stream's name and more, e.g. the epoch.

    >>> derive(0, "order", 1) != derive(0, "order", 2) != derive(1, "order", 2)
    True
    """
    text = ":".join(["gatebench", str(int(seed)), stream, *map(str, more)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@contextmanager
def drawing(seed: int, stream: Stream) -> Iterator[None]:
    """Set torch's global generator to ``stream`` inside the block, and restore it afterwards."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, stream))
        yield
