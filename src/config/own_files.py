"""Check a user's file before any of it is parsed."""

from __future__ import annotations

import gzip
from pathlib import Path

from src.config.errors import UserError

LONGEST_LINE = 1 << 22  # bytes; a row of a million values


def refuse_long_lines(path: Path) -> None:
    """Refuse a file to be read as a table if it has a line too long to be a row.

    Raises:
        UserError: a line is longer than ``LONGEST_LINE`` bytes.
    """
    with open(path, "rb") as raw:
        if path.suffix != ".gz" and b"\0" in raw.read(4096):
            return  # not text: a format without lines
    begun = 0
    with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
        while chunk := file.read(LONGEST_LINE):
            ends = [place for end in (b"\n", b"\r") for place in (chunk.find(end), chunk.rfind(end)) if place >= 0]
            if begun + (min(ends) if ends else len(chunk)) > LONGEST_LINE:
                raise UserError(
                    f"{path} has a line of more than {LONGEST_LINE:,} bytes: a table must have one line per row; "
                    "put long sequences into an .npz file (data=npz)."
                )
            begun = len(chunk) - max(ends) - 1 if ends else begun + len(chunk)
