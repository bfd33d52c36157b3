"""Tables in all formats other than CSV, read with pandas and SciPy, and folders in which each file is a sequence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from src.config.errors import UserError, agreeing, counted
from src.data.own import csv_table
from src.data.own.cells import Hints, Table, as_cells, has_units, join
from src.data.own.forms import SEQUENCES, TABLES, form_of
from src.data.splits import SPLITS, named_splits

PACKAGE = {"parquet": "pyarrow", "feather": "pyarrow", "xlsx": "openpyxl"}
ARCHIVE = (".ts", ".tsv", ".arff", ".txt")
UNITS = "The row below the header, words above numbers, was read as units and skipped."


def read_table(path: Path | str, **dialect: Any) -> Table:
    """Read a table in any format; ``dialect`` are the options of :func:`src.data.own.csv_table.read_table`.

    A data-frame row with lists in its cells becomes a sequence of rows, identified by a column ``row``. Each file of a
    folder is a sequence, identified by a column ``file`` and, with sub-folders, labelled by ``folder``. In a folder of
    texts each line is one, labelled by its file, or each file is one, labelled by its folder.

    Raises:
        UserError: the file is not a table, is damaged, or needs a package that is missing.
    """
    path = Path(path).expanduser()
    form = form_of(path)
    if form == "folder":
        return _folder(path, dialect)
    if form in SEQUENCES:
        raise UserError(f"{path} has arrays or sequences instead of a table: use data=npz or data=file.")
    if form == "wav":
        raise UserError(f"{path} is an audio file: use data=wav_folder, or a table of files and labels next to it.")
    if form == "zip":
        raise UserError(f"{path} is a zip archive: unpack it and give a file or folder.")
    special: dict[str, Callable[[Path, str], Table]] = {"arff": _arff, "ucr": _ucr, "trec": _trec}
    if form == "ts":
        return _of_the_archive(path, "load_from_tsfile_to_dataframe")
    if form in special:
        return special[form](path, dialect.get("encoding", "utf-8-sig"))
    table = csv_table.read_table(path, **dialect) if form == "csv" else _by_pandas(path, form)
    if form == "csv" and has_units(table.frame):
        table = table.take(np.arange(1, len(table.frame)))
        table.note(UNITS)
    return table


def to_train_on(path: Path | str, **dialect: Any) -> Table:
    """Read a table; for a training set of the archive, ``NAME_TRAIN``, also read the test set next to it."""
    path = Path(path).expanduser()
    table, other = read_table(path, **dialect), path.with_name(path.name.replace("_TRAIN.", "_TEST."))
    if path.is_dir() or "_TRAIN." not in path.name or path.suffix not in ARCHIVE or not other.is_file():
        return table
    tested = read_table(other, **dialect)
    if table.hints.group is not None:  # which numbers the sequences of each file from 1
        tested.frame[table.hints.group] = "test " + tested.text(table.hints.group)
        table.frame[table.hints.group] = table.text(table.hints.group)
    both = join([table, tested], [0, 2])
    both.note(f"{other.name} in the same folder was read as the test set.")
    return both


def _by_pandas(path: Path, form: str) -> Table:
    readers: dict[str, Callable[[], pd.DataFrame]] = {
        "parquet": lambda: pd.read_parquet(path),
        "feather": lambda: pd.read_feather(path),
        "xlsx": lambda: pd.read_excel(path, engine="openpyxl"),
        "json": lambda: pd.read_json(path, lines=_lines(path), convert_dates=False, dtype=False),
    }
    try:
        frame = readers[form]()
        if not (form == "xlsx" and has_units(frame)):
            return of_frame(frame, path)
        table = of_frame(frame[1:].infer_objects(), path)
        table.line += 1
        table.note(UNITS)
        return table
    except ImportError as error:
        raise UserError(f"Reading {path} ({form}) needs another package: pip install {PACKAGE[form]}.") from error
    except UserError:
        raise
    except Exception as error:  # each library has its own exceptions
        raise _unreadable(path, form, error) from error


def _unreadable(path: Path, form: str, error: Exception) -> UserError:
    return UserError(f"{path} cannot be read as {form}: {' '.join(str(error).split())[:200].rstrip('.')}.")


def _lines(path: Path) -> bool:
    """Return whether a JSON file has one object per line, rather than a list of them."""
    with path.open("rb") as file:
        return not file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")


def of_frame(frame: pd.DataFrame, path: Path) -> Table:
    """Convert a data frame to a table: numbers stay numbers, all else becomes text.

    Lists in cells become rows, and objects one column per key, such as ``sensor.temperature``.
    """
    if frame.index.name is not None or isinstance(frame.index, pd.DatetimeIndex | pd.MultiIndex):
        frame = frame.reset_index()
    frame = frame.rename(columns=str).reset_index(drop=True)
    for name in [name for name in frame if _all_are(frame[name], dict)]:
        at, cells = frame.columns.get_loc(name), frame.pop(name)
        wide = pd.json_normalize([cell if isinstance(cell, dict) else {} for cell in cells]).add_prefix(f"{name}.")
        frame = pd.concat([frame.iloc[:, :at], wide, frame.iloc[:, at:]], axis=1)
    line, hints = np.arange(len(frame)) + 1, Hints()
    if lists := [name for name in frame if _all_are(frame[name], list | np.ndarray)]:
        frame.insert(0, "row", line)
        frame = _unfolded(frame, lists, path)
        hints, line = Hints(group="row"), frame["row"].to_numpy()
    if not len(frame):
        raise UserError(f"{path} has no rows.")
    table = Table(frame.apply(as_cells), [path], np.zeros(len(frame), int), line, hints=hints, word="row")
    if lists:
        table.note(f"Each row is a sequence, whose steps are listed in {', '.join(lists)}.")
    return table


def _all_are(column: pd.Series, kind: Any) -> bool:
    some = column.dropna().head(100)
    return column.dtype == object and len(some) > 0 and all(isinstance(cell, kind) for cell in some)


def _unfolded(frame: pd.DataFrame, names: Sequence[str], path: Path) -> pd.DataFrame:
    """Expand lists of numbers to one row per step; a list of lists becomes one column per feature."""
    try:
        frame = frame.explode(list(names), ignore_index=True)
    except ValueError as error:
        raise UserError(f"{path}: the lists {', '.join(names)} of a row must have the same length.") from error
    for name in names:
        if isinstance(frame[name].dropna().iloc[0], list | np.ndarray):
            wide = pd.DataFrame(frame.pop(name).tolist()).rename(columns=lambda k, name=name: f"{name}_{k}")
            frame = pd.concat([frame, wide], axis=1)
        else:
            frame[name] = frame[name].infer_objects()
    return frame


def _arff(path: Path, encoding: str) -> Table:
    """Read an ARFF file; its last nominal attribute, if any, is the target, as in Weka."""
    from io import StringIO

    from scipy.io import arff

    try:
        text = path.read_text(encoding)
        if "relational" in text[:4096].lower():
            return _of_the_archive(path, "load_from_arff_to_dataframe")
        records, about = arff.loadarff(StringIO(text))
        if not about.names():
            raise ValueError("it has no attributes")
    except UserError:
        raise
    except Exception as error:  # damaged files make SciPy raise anything
        raise _unreadable(path, "ARFF", error) from error
    frame = pd.DataFrame(records)
    words = [name for name, kind in zip(about.names(), about.types(), strict=True) if kind == "nominal"]
    for name in words:
        frame[name] = frame[name].str.decode("utf-8").mask(frame[name] == b"?", "")
    table = of_frame(frame, path)
    table.hints = Hints(target=words[-1:])
    return table


def _of_the_archive(path: Path, load: str) -> Table:
    """Read sequences of one or more features with a class or a value each, using sktime's reader."""
    import sktime.datasets

    try:
        read = getattr(sktime.datasets, load)(str(path))
        series, labels = read if isinstance(read, tuple) else (read, None)
        pieces = []
        for k, row in enumerate(series.itertuples(index=False)):
            piece = pd.DataFrame({f"x{n}": np.asarray(cell, dtype=float) for n, cell in enumerate(row)})
            piece = piece[: len(piece) - int(piece.isna().all(axis=1)[::-1].cumprod().sum())]  # padded to equal length
            pieces.append(piece.assign(row=k + 1, **({} if labels is None else {"label": str(labels[k])})))
    except Exception as error:  # damaged files make sktime raise anything, or have features of unequal length
        raise _unreadable(path, "a file of the UCR/UEA archive", error) from error
    table = of_frame(pd.concat(pieces, ignore_index=True), path)
    table.hints = Hints(group="row", target=[] if labels is None else ["label"])
    table.line = table.frame["row"].to_numpy()
    return table


def _ucr(path: Path, encoding: str) -> Table:
    """Read the archive's table without a header: a class, then the values of a sequence, padded with NaN."""
    try:
        frame = pd.read_csv(path, sep="\t", header=None, encoding=encoding)
    except ValueError as error:  # of which those of pandas and of decoding are kinds
        raise _unreadable(path, "a table of the UCR archive", error) from error
    frame.columns = ["label", *(f"t{k}" for k in range(frame.shape[1] - 1))]
    table = of_frame(frame, path)
    table.hints = Hints(target=["label"])
    table.note("There are no column names: the first column was read as the class, the others as the steps.")
    return table


def _trec(path: Path, encoding: str) -> Table:
    """Read questions preceded by their classes, ``DESC:manner How did ...``."""
    lines = pd.Series(_text(path, encoding).splitlines()).loc[lambda some: some.str.strip() != ""]
    parts = lines.str.extract(r"(?P<label>\w+):(?P<kind>\w+) (?P<text>.*)")
    table = of_frame(parts, path)
    table.hints = Hints(target=["label"], text="text")
    return table


def _text(path: Path, encoding: str) -> str:
    try:
        return path.read_text(encoding)
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not text in the encoding {encoding}: set its encoding, e.g. data.encoding=cp1252."
        ) from error


def _folder(path: Path, dialect: dict[str, Any]) -> Table:
    files = [f for f in sorted(path.rglob("*")) if f.is_file() and not f.name.startswith(".")]
    trained = [f for f in files if "_TRAIN." in f.name and f.suffix in ARCHIVE]
    if trained and len({f.stem for f in trained}) == 1:
        return to_train_on(min(trained, key=lambda f: ARCHIVE.index(f.suffix)), **dialect)
    tables = [f for f in files if f.suffix.lower() in TABLES or f.name.lower().endswith(".csv.gz")]
    texts = [f for f in files if f.suffix.lower() == ".txt"]
    if not tables and not texts:
        sounds = any(f.suffix.lower() == ".wav" for f in files)
        more = "use data=wav_folder for its audio files" if sounds else f"add {', '.join(TABLES)} or .txt files"
        raise UserError(f"data.path={path} is a folder without a table: {more}.")
    read_of = {file: read_table(file, **dialect) for file in tables}
    listed = _list_of_files(path, read_of)
    chosen = [file for file in tables if listed is None or file in listed[2]] or texts
    parts = named_splits(path, chosen)
    of_part = {file: SPLITS.index(split) for split, some in (parts or {}).items() for file in some}
    above = {file: file.parent.name if file.parent != path else "" for file in chosen}
    labelled = len({*above.values()}) > 1 and all(above.values()) and not {*above.values()} <= {*SPLITS}
    if tables:
        used = {name for table in read_of.values() for name in table.names}  # which keep their names
        group, label = (name if name not in used else f"{name} name" for name in ("file", "folder"))
        read, target = [], [label] if labelled else []
        for file in chosen:
            further = {
                group: str(file.relative_to(path).with_suffix("")),
                **({label: above[file]} if labelled else {}),
            }
            if listed is not None:
                further |= listed[2][file]
                target = [*listed[2][file]] if len(listed[2][file]) == 1 else []
            read_of[file].frame = read_of[file].frame.assign(**further)
            read.append(read_of[file])
        hints = Hints(group=group, target=target)
    else:
        read = [
            _of_lines(file, above[file] if labelled else None, dialect.get("encoding", "utf-8-sig")) for file in chosen
        ]
        hints = Hints(target=["label"], text="text")
    try:
        table = join(read, [of_part[file] for file in chosen] if parts else None)
    except UserError as error:
        more = "all tables of a folder are sequences with the same columns; use data.path=FILE for a single table"
        raise UserError(f"{str(error)[:-1]}: {more}.") from error
    table.hints = hints
    words = f"{counted(len(chosen), 'file')} of the folder {agreeing('were', len(chosen))} read"
    table.note(f"{words}{', each as a sequence' if tables else ''}.")
    if listed is not None:
        file, name, rows = listed
        table.files = [*table.files, file]  # which is part of the data, too
        rest = len(tables) - 1 - len(rows)
        left = f"; {counted(rest, 'unlisted file')} {agreeing('were', rest)} skipped" if rest > 0 else ""
        table.note(f"{file.name} was joined to the files listed in its column {name}{left}.")
    return table


def _list_of_files(folder: Path, read: dict[Path, Table]) -> tuple[Path, str, dict[Path, dict[str, str]]] | None:
    """Return a folder's table that lists its other files, if any: (path, column of file names, values by file).

    Files may be listed with or without extension, by name or by path within the folder.

    Raises:
        UserError: a listed file does not exist, is listed twice, or has a column of the list.
    """
    for file, table in read.items():
        called = dict[str, Path]()
        for other in (other for other in read if other != file):
            within = other.relative_to(folder)
            called |= dict.fromkeys((other.stem, other.name, str(within.with_suffix("")), str(within)), other)
        for name in table.names if file.parent == folder else ():
            cells = table.text(name)
            if cells.isin([*called]).mean() <= 0.5:
                continue
            table.refuse(~cells.isin([*called]), name, "{cell} is not a table in the folder")
            others = cells.map(called)
            table.refuse(others.duplicated(), name, "{cell} is listed twice")
            said = pd.DataFrame({other: table.text(other) for other in table.names if other != name})
            for other in others:
                if both := [column for column in said if column in read[other].names]:
                    raise UserError(
                        f"Both {file} and {other} have a column {both[0]}: rename one, because every row of the file "
                        "would get the value that the list gives for it."
                    )
            return file, name, dict(zip(others, said.to_dict("records"), strict=True))
    return None


def _of_lines(file: Path, label: str | None, encoding: str) -> Table:
    """Return the lines of a text, with its name as their class; with a label, the whole text."""
    text = _text(file, encoding)
    lines = [line.strip() for line in text.splitlines()] if label is None else [" ".join(text.split())]
    frame = pd.DataFrame({"text": lines, "label": label or file.stem}, dtype="str")
    table = Table(frame, [file], np.zeros(len(lines), int), np.arange(len(lines)) + 1)
    return table.take(np.flatnonzero(frame["text"] != ""))
