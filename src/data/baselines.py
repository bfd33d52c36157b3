"""What knows next to nothing reaches on the test set: class frequencies, pitch frequencies, symbols and pairs of them.

Probabilities are relative frequencies in the training data with one half added to each count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def majority(train: Tensor, test: Tensor, classes: int) -> dict[str, float]:
    """Accuracy and NLL of always saying the class frequencies of ``train``, (n,) classes like ``test``."""
    counts = torch.bincount(train, minlength=classes).double() + 0.5
    log_p = (counts / counts.sum()).log()
    return {
        "majority/acc": float((test == counts.argmax()).double().mean()),
        "majority/nll": float(-log_p[test].mean()),
    }


def piano_rolls(train: Sequence[np.ndarray], test: Sequence[np.ndarray]) -> dict[str, float]:
    """What knows only how often each pitch sounds (unigram), or how often after itself and silence (Markov).

    Pieces are (frames, pitches) zeros and ones; ``nll`` is in nats per step over all steps of ``test`` but each
    piece's first, ``frame_acc`` at the threshold 0.5.
    """
    seen, asked = transitions(train), transitions(test)
    figures: dict[str, float] = {}
    for name, counts in (("unigram", np.broadcast_to(seen.sum(0), seen.shape)), ("markov", seen)):
        p = (counts + 0.5) / (counts.sum(1, keepdims=True) + 1)  # p[a, b, k]: that pitch k goes from a to b
        steps = asked[:, :, 0].sum()
        figures[f"{name}/nll"] = float(-(asked * np.log(p)).sum() / steps)
        says = p[:, 1] > 0.5
        hits, false, missed = asked[:, 1][says].sum(), asked[:, 0][says].sum(), asked[:, 1][~says].sum()
        figures[f"{name}/frame_acc"] = float(hits / (hits + false + missed))
    return figures


def transitions(pieces: Sequence[np.ndarray]) -> np.ndarray:
    """Whole numbers of shape (2, 2, pitches): how often pitch k went from silent (0) or sounding (1) to either."""
    counts = np.zeros((2, 2, pieces[0].shape[1]), dtype=np.int64)
    for piece in pieces:
        before, after = piece[:-1].astype(bool), piece[1:].astype(bool)
        for a in (0, 1):
            for b in (0, 1):
                counts[a, b] += ((before == a) & (after == b)).sum(0)
    return counts


def ngrams(train: Sequence[np.ndarray], test: Sequence[np.ndarray], vocabulary: int) -> dict[str, float]:
    """NLL in nats per token of knowing only how often each symbol stands (unigram), or stands behind the one before.

    Over all tokens of ``test`` but each document's first; documents are (tokens,) whole numbers below ``vocabulary``.
    """
    targets = np.concatenate([document[1:] for document in test])
    seen = np.bincount(np.concatenate(train), minlength=vocabulary) + 0.5
    unigram = -np.log(seen / seen.sum())[targets].mean()

    pairs, counts = np.unique(np.concatenate([_pairs(d, vocabulary) for d in train]), return_counts=True)
    asked = np.concatenate([_pairs(d, vocabulary) for d in test])
    before = np.bincount(pairs // vocabulary, weights=counts, minlength=vocabulary)
    where = np.searchsorted(pairs, asked).clip(max=len(pairs) - 1)
    together = np.where(pairs[where] == asked, counts[where], 0)
    bigram = -np.log((together + 0.5) / (before[asked // vocabulary] + 0.5 * vocabulary)).mean()
    return {"unigram/nll": float(unigram), "bigram/nll": float(bigram)}


def _pairs(document: np.ndarray, vocabulary: int) -> np.ndarray:
    wide = document.astype(np.int64)
    return wide[:-1] * vocabulary + wide[1:]
