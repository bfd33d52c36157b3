"""Keys of data sets and tasks: ``conf/data`` and ``conf/task``."""

from __future__ import annotations

from typing import Annotated, Literal

from src.config.schema.entries import (
    FILE,
    NOTHING,
    PLACE,
    READING,
    Above0,
    Count,
    Coverage,
    Fraction,
    Key,
    Monitor,
    Names,
    Rate,
    Text,
    That,
    Whole,
)

SIGNS = ("comma", "semicolon", "tab", "bar", "space")
Distance = Annotated[str, That(lambda text: not str(text).isdigit(), "a time interval such as 15min, 1h or 1D")]
Sign = Annotated[
    str,
    That(
        lambda sign: sign in SIGNS or (len(str(sign)) == 1 and not str(sign).isalnum() and str(sign) not in "\"'\r\n."),
        f"one of {', '.join(SIGNS)}, or another single character that occurs in no cell",
    ),
]
Splits = str | Annotated[list[Above0 | str], That(lambda splits: len(splits) in (2, 3), "with two or three items")]
Sizes = Annotated[list[Count], That(lambda sizes: len(sizes) == 3, "with exactly three items")]


def _is_encoding(name: object) -> bool:
    """Return whether Python has a text encoding of this name."""
    try:
        "a".encode(str(name))
    except (LookupError, ValueError):
        return False
    return True


Encoding = Annotated[str, That(_is_encoding, "an encoding such as cp1252")]

DATA = {  # each data set takes some of these keys, and its class checks which go together
    "seed": Key(Whole, "always the run's seed, because runs are paired by seed", READING, always=True),
    "split_seed": Key(Whole, "seed of random splits and synthetic data, shared by all run seeds", always=True),
    "path": Key(Text, "your own file or folder", FILE),
    "data_dir": Key(Text, "folder for downloaded files", PLACE),
    "cache_dir": Key(Text, "folder for preprocessed files", PLACE),
    "num_workers": Key(
        Whole, "worker processes that load batches; 0 is fastest for data in memory", NOTHING, always=True
    ),
    "batch_size": Key(Count, "sequences in a training batch", READING, always=True),
    "eval_batch_size": Key(Count | None, "validation and test batch size; null: 4 × batch_size", READING, always=True),
    "pool": Key(
        Count, "batches per pool; each pool is sorted by length, then split into batches", READING, always=True
    ),
    "chunk": Key(
        Count | None, "chunk length for truncated BPTT, in steps; null: whole sequences", READING, always=True
    ),
    "train_sequences": Key(Count | None, "use only this many training sequences; null: all", READING, always=True),
    "train_steps": Key(
        Count | None, "use only this many first steps of each training stream; null: all", READING, always=True
    ),
    "name": Key(Text, "name of the data set, for classes that read several"),
    "val_fraction": Key(Fraction, "fraction of the training sequences held out for validation"),
    "splits": Key(Splits, "fractions of train, val and test, or another form that docs/file_formats.md describes"),
    "split_by": Key(Text | None, "column or array whose values (persons, machines) are never divided between splits"),
    "sizes": Key(Sizes, "number of sequences to generate for train, val and test"),
    "length": Key(Count, "steps in a generated sequence; copy_memory: number of blank steps"),
    "standardise": Key(bool, "standardise each feature with the mean and standard deviation of the training data"),
    "unlabelled": Key(int | None, "label of steps without a class, in addition to -100 (one class per step)"),
    "by": Key(Literal["pixel", "row"], "what to read from an image at each step"),
    "permute": Key(bool, "reorder the pixels of all images by one random permutation"),
    "permutation_seed": Key(Whole, "seed of that permutation, shared by all run seeds"),
    "features": Key(Names | None, "input columns (csv); log_mel or mfcc (fsdd)"),
    "window": Key(Count, "samples read at each step"),
    "hop": Key(Count, "samples predicted at each step"),
    "level": Key(Literal["char", "word"] | None, "unit of a text token; null: a character"),
    "min_count": Key(Count | None, "training-text occurrences for a token to enter the vocabulary; null: one"),
    "lookback": Key(Count, "rows that a forecast reads"),
    "horizon": Key(Count, "rows to forecast"),
    "scale": Key(
        Literal["series", "file", "none"] | None,
        "how series are standardised: each by its own training rows, all "
        "together, or not at all; null: each series by its own rows if there are several",
    ),
    "resample": Key(Distance | None, "resample rows to this interval, in pandas notation: 15min, 1h, 1D, MS, ME"),
    "resample_by": Key(Literal["mean", "last", "sum"] | None, "how values in an interval are combined; null: mean"),
    "season": Key(Count | None, "season length in rows; null: inferred per series from the timestamps"),
    "task": Key(str | None, "what to learn from your own files; null: inferred from the file"),
    "target": Key(Names | None, "columns to predict; null in forecasting: every feature"),
    "time_column": Key(Names | None, "timestamp column; null: inferred from its name, else from its dates"),
    "group_column": Key(Text | None, "column that identifies the series or sequence of a row"),
    "text_column": Key(Text | None, "column with one text per row, read as characters or words"),
    "known": Key(Names | None, "columns known in advance (holiday, price), also read over the forecast horizon"),
    "static": Key(Names | None, "columns with one value per series (size, kind), read at every step"),
    "missing": Key(Literal["refuse", "before"], "missing values: report an error, or repeat the previous value"),
    "missing_values": Key(Names | None, "markers of a missing value in addition to empty cells, NA, ?, ..."),
    "separator": Key(Sign | None, "cell separator; null: inferred"),
    "decimal": Key(Literal["point", "comma", ".", ","] | None, "decimal sign; null: inferred"),
    "encoding": Key(Encoding, "text encoding of the file"),
    "day_first": Key(bool | None, "true: 01/02/2020 is in February; null: inferred"),
}

TASK = {  # each task takes some of these keys
    "monitor": Key(Monitor, "metric that selects the best epoch", always=True),
    "mode": Key(Literal["min", "max"], "direction of that metric: min if lower is better", always=True),
    "embedding_size": Key(Count, "dimension of token embeddings", always=True),
    "dropout": Key(Rate, "dropout on the input of the head", always=True),
    "pooling": Key(Literal["last", "mean", "max"], "how outputs over time are pooled for a sequence-level head"),
    "class_weights": Key(list[Above0] | None, "class weights in the training loss; null: all 1"),
    "strategy": Key(Literal["direct", "recursive"], "forecast all rows at once, or one after the other"),
    "relative": Key(bool, "forecast the difference from the last row read"),
    "intervals": Key(
        Literal["gaussian", "quantiles"] | None,
        "prediction intervals, from a normal distribution or from quantiles; null: point forecasts only",
    ),
    "coverage": Key(Coverage | None, "nominal coverages of the prediction intervals; null: 0.8 and 0.95"),
    "reduction": Key(Literal["per_step", "per_sequence"], "average the training loss over steps or over sequences"),
    "mixtures": Key(Count, "Gaussian components of the mixture over the next samples"),
    "min_log_scale": Key(float, "lower bound of each component's log standard deviation"),
}
