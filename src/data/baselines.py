"""Trivial predictors on the test set: class frequencies, pitch frequencies, symbols and pairs of them.

Probabilities are relative frequencies in the training data with one half added to each count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from src.arrays import in_parts

PART = 1 << 20  # tokens counted at a time, each taking eight bytes


def majority(train: Tensor, test: Tensor, classes: int) -> dict[str, float]:
    """Return accuracy and NLL of always predicting the class frequencies of ``train``, (n,) classes like ``test``."""
    counts = torch.bincount(train, minlength=classes).double() + 0.5
    log_p = (counts / counts.sum()).log()
    return {
        "majority/acc": float((test == counts.argmax()).double().mean()),
        "majority/nll": float(-log_p[test].mean()),
    }


def piano_rolls(train: Sequence[np.ndarray], test: Sequence[np.ndarray]) -> dict[str, float]:
    """Evaluate each pitch's frequency (unigram), or its frequency after itself and after silence (Markov).

    Pieces are (frames, pitches) zeros and ones; ``nll`` is in nats per step over all steps of ``test`` except each
    piece's first, ``frame_acc`` uses the threshold 0.5.
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
    """Count how often pitch k went from silent (0) or sounding (1) to either, (2, 2, pitches) whole numbers."""
    counts = np.zeros((2, 2, pieces[0].shape[1]), dtype=np.int64)
    for piece in pieces:
        before, after = piece[:-1].astype(bool), piece[1:].astype(bool)
        for a in (0, 1):
            for b in (0, 1):
                counts[a, b] += ((before == a) & (after == b)).sum(0)
    return counts


def ngrams(train: Sequence[np.ndarray], test: Sequence[np.ndarray], vocabulary: int) -> dict[str, float]:
    """Return the NLL in nats per token of symbol frequencies (unigram), and of frequencies after each symbol (bigram).

    Over all tokens of ``test`` except each document's first; documents are (tokens,) integers below ``vocabulary``.
    """
    seen = np.full(vocabulary, 0.5)
    for part in (part for document in train for part in in_parts(document, PART)):
        seen += np.bincount(part, minlength=vocabulary)
    known, counts = _counted_pairs(train, vocabulary)
    asked, times = _counted_pairs(test, vocabulary)
    total = times.sum()
    unigram = -(times * np.log(seen / seen.sum())[asked % vocabulary]).sum() / total

    before = np.bincount(known // vocabulary, weights=counts, minlength=vocabulary)
    where = np.searchsorted(known, asked).clip(max=len(known) - 1)
    together = np.where(known[where] == asked, counts[where], 0)
    bigram = -(times * np.log((together + 0.5) / (before[asked // vocabulary] + 0.5 * vocabulary))).sum() / total
    return {"unigram/nll": float(unigram), "bigram/nll": float(bigram)}


def _counted_pairs(documents: Sequence[np.ndarray], vocabulary: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of neighbouring tokens as whole numbers, sorted, and the count of each."""
    few = vocabulary**2 <= PART
    pairs = np.arange(vocabulary**2 if few else 0)
    counts = np.zeros(len(pairs), np.int64)
    for part in (tokens[k : k + PART + 1] for tokens in documents for k in range(0, len(tokens), PART)):
        piece = part.astype(np.int64)  # with the first token of the next part
        both = piece[:-1] * vocabulary + piece[1:]
        if few:
            counts += np.bincount(both, minlength=len(pairs))
            continue
        new, number = np.unique(both, return_counts=True)
        pairs, place = np.unique(np.concatenate([pairs, new]), return_inverse=True)
        counts = np.bincount(place, weights=np.concatenate([counts, number]), minlength=len(pairs)).astype(np.int64)
    return pairs[counts > 0], counts[counts > 0]
