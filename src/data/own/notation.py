"""How a column writes its numbers: decimal sign and thousands separator, inferred from all its cells."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

SIGNS = {".": "point", ",": "comma"}
OTHER = {".": ",", ",": "."}
# Variants of ASCII signs in some programs and typesetting; a bracketed number is negative (accounting).
PLAIN = str.maketrans({"−": "-", "﹣": "-", "－": "-", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "’": "'"})
BRACKETED = re.compile(r"\(\s*[+]?([^()]*\d[^()]*)\)")
LOOKS = re.compile(r"[+-]?[\d.,' ]*\d[\d.,' ]*([eE][+-]?\d+)?")
GROUPS = r"[+-]?\d{{1,3}}(?:{group}\d{{3}})+"


@dataclass(frozen=True)
class Notation:
    """A column's number format."""

    decimal: str = ""  # decimal sign; "": no cell shows one
    doubtful: str = ""  # a cell with two possible readings, if nothing decides
    grouped: str = ""  # a cell with thousands separators, for a message


def plain(cells: pd.Series) -> pd.Series:
    """Return cells with ASCII signs, and bracketed numbers with a minus."""
    ascii_signs = cells.str.translate(PLAIN)
    bracketed = ascii_signs.str.startswith("(")
    return ascii_signs.mask(bracketed, ascii_signs.str.replace(BRACKETED, r"-\1", regex=True))


def ungrouped(cells: pd.Series, decimal: str) -> pd.Series:
    """Return cells in Python's number format, given the decimal sign; all other signs separate thousands."""
    groups = f"[' {OTHER[decimal or '.']}]"
    whole = cells.str.fullmatch(GROUPS.format(group=groups) + rf"(?:\{decimal or '.'}\d*)?(?:[eE][+-]?\d+)?")
    cells = cells.mask(whole, cells.str.replace(groups, "", regex=True))
    return cells.str.replace(",", ".", regex=False) if decimal == "," else cells


@dataclass
class Evidence:
    """What a column's cells show about its number format, as numbers of cells."""

    decimal: dict[str, int]  # cells in which this sign can only be the decimal sign
    group: dict[str, int]  # cells in which this sign can only separate thousands
    either: dict[str, str]  # a cell in which it may be either, ``1.299``
    small: bool  # whether there are whole numbers below 1,000 without signs
    grouped: str  # a cell with thousands separators


def evidence(cells: Iterable[str]) -> Evidence:
    """Inspect cells (:func:`plain`), with and without signs.

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
    """Infer a column's number format.

    Args:
        found: evidence from its cells.
        known: decimal sign in the training file, or in the file's other columns; "": unknown.
        separator: cell separator of the file; "": none.
        given: decimal sign set by the user, which overrides the evidence.
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
    # Programs that write three decimals do so in every cell, with the decimal sign usual for the separator.
    usual = separator not in ("", ";") if "." in found.either else separator not in ("", ",")
    if found.either and not decimal:
        sign = next(iter(found.either))
        if len(found.either) > 1 or found.small or not usual:
            return Notation(doubtful=found.either[sign], grouped=found.grouped)
        decimal = sign
    grouped = found.grouped or (decimal and found.either.get(OTHER[decimal], ""))
    return Notation(decimal, grouped=grouped)


def readings(cell: str) -> str:
    """Return the two readings of an ambiguous cell, with the option that selects each."""
    return " or ".join(f"{ungrouped(pd.Series([cell]), sign)[0]} (data.decimal={word})" for sign, word in SIGNS.items())
