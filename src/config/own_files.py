"""What is wrong with a file of the user's own before any of it is parsed."""

from __future__ import annotations

import gzip
from pathlib import Path

from src.config.errors import UserError

LONGEST_LINE = 1 << 22  # bytes; a row of a million values


def refuse_long_lines(path: Path) -> None:
    """Refuse a file that would be read as a table, but has a line longer than any row, before any of it is parsed.

    Raises:
        UserError: says how long a line may be.
    """
    with open(path, "rb") as raw:
        if path.suffix != ".gz" and b"\0" in raw.read(4096):
            return  # not text: another form, in which there are no lines
    begun = 0
    with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
        while chunk := file.read(LONGEST_LINE):
            ends = [place for end in (b"\n", b"\r") for place in (chunk.find(end), chunk.rfind(end)) if place >= 0]
            if begun + (min(ends) if ends else len(chunk)) > LONGEST_LINE:
                raise UserError(
                    f"{path} has a line of more than {LONGEST_LINE:,} bytes: a table must have a line for each row; "
                    "long sequences go into an .npz file (data=npz)."
                )
            begun = len(chunk) - max(ends) - 1 if ends else begun + len(chunk)
