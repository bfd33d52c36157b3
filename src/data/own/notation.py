"""How a column of a table writes its numbers: what stands before fractions and between thousands, for all its cells."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

SIGNS = {".": "point", ",": "comma"}
OTHER = {".": ",", ",": "."}
# What some programs and typesetters write for the ASCII signs; a bracketed number is a negative one (accounting).
PLAIN = str.maketrans({"−": "-", "﹣": "-", "－": "-", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "’": "'"})
BRACKETED = re.compile(r"\(\s*[+]?([^()]*\d[^()]*)\)")
LOOKS = re.compile(r"[+-]?[\d.,' ]*\d[\d.,' ]*([eE][+-]?\d+)?")
GROUPS = r"[+-]?\d{{1,3}}(?:{group}\d{{3}})+"


@dataclass(frozen=True)
class Notation:
    """How a column writes its numbers."""

    decimal: str = ""  # before fractions; "": no cell shows it
    doubtful: str = ""  # a cell that has two readings, between which nothing decides
    grouped: str = ""  # a cell with signs between its thousands, for a sentence


def plain(cells: pd.Series) -> pd.Series:
    """Cells with ASCII signs, a bracketed number with a minus."""
    ascii_signs = cells.str.translate(PLAIN)
    bracketed = ascii_signs.str.startswith("(")
    return ascii_signs.mask(bracketed, ascii_signs.str.replace(BRACKETED, r"-\1", regex=True))


def ungrouped(cells: pd.Series, decimal: str) -> pd.Series:
    """Cells as Python writes numbers, given what stands before fractions; all else than that is between thousands."""
    groups = f"[' {OTHER[decimal or '.']}]"
    whole = cells.str.fullmatch(GROUPS.format(group=groups) + rf"(?:\{decimal or '.'}\d*)?(?:[eE][+-]?\d+)?")
    cells = cells.mask(whole, cells.str.replace(groups, "", regex=True))
    return cells.str.replace(",", ".", regex=False) if decimal == "," else cells


@dataclass
class Evidence:
    """What the cells of a column say of its notation, as numbers of cells."""

    decimal: dict[str, int]  # that can only be read with this sign before fractions
    group: dict[str, int]  # that can only be read with this sign between thousands
    either: dict[str, str]  # a cell in which it may be one or the other, ``1.299``
    small: bool  # whether there are whole numbers below 1,000 without any sign
    grouped: str  # a cell with signs between thousands


def evidence(cells: Iterable[str]) -> Evidence:
    """Look at cells (:func:`plain`) with signs in them, and those without.

    >>> evidence(["1.299,5", "987"]).decimal
    {'.': 0, ',': 1}
    """
    found = Evidence({".": 0, ",": 0}, {".": 0, ",": 0}, {}, False, "")
    for cell in cells:
        if not LOOKS.fullmatch(cell):
            continue
        number = re.split("[eE]", cell.lstrip("+-"))[0]
        signs = [sign for sign in number if not sign.isdigit()]
        if not signs:
            found.small |= len(number) <= 3
            continue
        for sign in SIGNS:
            others = rf"[' {OTHER[sign]}]"
            if re.fullmatch(rf"[1-9]\d{{0,2}}\{sign}\d{{3}}", number):
                found.either.setdefault(sign, cell)
            elif re.fullmatch(rf"\d*\{sign}\d*", number):
                found.decimal[sign] += 1
            elif re.fullmatch(rf"\d{{1,3}}({others})\d{{3}}(\1\d{{3}})*\{sign}\d*", number):
                found.decimal[sign] += 1
                found.grouped = found.grouped or cell
            elif re.fullmatch(rf"\d{{1,3}}(\{sign}\d{{3}}){{2,}}", number):
                found.group[sign] += 1
                found.grouped = found.grouped or cell
        if re.fullmatch(r"\d{1,3}([' ]\d{3})+", number):
            found.grouped = found.grouped or cell
    return found


def of_column(found: Evidence, known: str, separator: str, given: str = "") -> Notation:
    """The notation of a column.

    Args:
        found: what its cells say.
        known: what stands before fractions in the training file, or in the file's other columns; "": neither says it.
        separator: between the cells of the file; "": it has none.
        given: what stands before fractions by the user's word, against which cells say nothing.
    """
    votes = found.decimal
    if given:
        decimal = given
    elif votes["."] != votes[","]:
        decimal = "." if votes["."] > votes[","] else ","
    elif found.group["."] != found.group[","]:
        decimal = "," if found.group["."] > found.group[","] else "."
    else:
        decimal = known
    # Programs that write three decimals write them in every cell, with the sign that goes with the separator.
    usual = separator not in ("", ";") if "." in found.either else separator not in ("", ",")
    if found.either and not decimal:
        sign = next(iter(found.either))
        if len(found.either) > 1 or found.small or not usual:
            return Notation(doubtful=found.either[sign], grouped=found.grouped)
        decimal = sign
    grouped = found.grouped or (decimal and found.either.get(OTHER[decimal], ""))
    return Notation(decimal, grouped=grouped)


def readings(cell: str) -> str:
    """The two numbers that a doubtful cell may be, with the option that decides."""
    return " or ".join(f"{ungrouped(pd.Series([cell]), sign)[0]} (data.decimal={word})" for sign, word in SIGNS.items())
