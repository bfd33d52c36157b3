"""Cells that hold a whole sequence: a text, or the name of an audio file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from src.config.errors import UserError
from src.data.mel import log_mel
from src.data.own.cells import Table
from src.data.text import tokenise
from src.data.waveform import FULL_SCALE, read_wav


def tokens_of(table: Table, name: str, level: str) -> list[Sequence[str]]:
    """Return the characters or words of each cell of a column.

    Raises:
        UserError: a cell is empty; the message names the first one.
    """
    read = [tokenise(cell, level) for cell in table.text(name).tolist()]
    table.refuse(np.array([len(tokens) == 0 for tokens in read]), name, "the text is missing")
    return read


def names_sounds(table: Table, name: str) -> bool:
    """Return whether all cells of a column are names of WAV files."""
    cells = table.frame[name]
    first = str(cells.iloc[0]).lower() if len(cells) else ""
    return first.endswith(".wav") and bool(table.text(name).str.lower().str.endswith(".wav").all())


def spectra_of(table: Table, name: str, rate: int | None) -> tuple[int, list[np.ndarray]]:
    """Return the sampling rate and log-mel energies (frames, bands) of files named relative to the table's folder.

    Raises:
        UserError: a file is missing, or does not have ``rate`` samples per second (None: those of the first file).
    """
    spectra = []
    for row, cell in enumerate(table.text(name).tolist()):
        path = table.files[table.file[row]].parent / Path(cell).expanduser()
        if not path.is_file():
            raise UserError(f"{table.where(row)}, column {name}: {path} does not exist.")
        its, samples = read_wav(path)
        if rate not in (None, its):
            raise UserError(f"{path} has {its} samples per second, expected {rate}: all files must have the same rate.")
        rate = its
        spectra.append(log_mel(torch.from_numpy(samples).float() / FULL_SCALE, rate).numpy().astype(np.float64))
    assert rate is not None
    return rate, spectra
