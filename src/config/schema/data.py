"""The keys of a data set and of a task, ``conf/data`` and ``conf/task``."""

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
Distance = Annotated[str, That(lambda text: not str(text).isdigit(), "a distance of times, as in 15min, 1h or 1D")]
Sign = Annotated[
    str,
    That(
        lambda sign: sign in SIGNS or (len(str(sign)) == 1 and not str(sign).isalnum() and str(sign) not in "\"'\r\n."),
        f"one of {', '.join(SIGNS)}, or another character that stands in no cell",
    ),
]
Splits = str | Annotated[list[Above0 | str], That(lambda splits: len(splits) in (2, 3), "two or three of them")]
Sizes = Annotated[list[Count], That(lambda sizes: len(sizes) == 3, "three of them")]


def _is_encoding(name: object) -> bool:
    """Whether Python has a text encoding of this name."""
    try:
        "a".encode(str(name))
    except (LookupError, ValueError):
        return False
    return True


Encoding = Annotated[str, That(_is_encoding, "an encoding, as in cp1252")]

DATA = {  # each data set takes some of it, and its class checks what goes with what
    "seed": Key(Whole, "the run's seed; cannot be another, as runs are paired by it", READING, always=True),
    "split_seed": Key(Whole, "splits by chance and made-up data are drawn by it, the same for every seed", always=True),
    "path": Key(Text, "a file or folder of your own", FILE),
    "data_dir": Key(Text, "where downloaded files lie", PLACE),
    "cache_dir": Key(Text, "where files made from them lie", PLACE),
    "num_workers": Key(Whole, "processes that load ahead; 0 is fastest for data in memory", NOTHING, always=True),
    "batch_size": Key(Count, "sequences in a training batch", READING, always=True),
    "eval_batch_size": Key(Count | None, "of validation and test; null: four times as many", READING, always=True),
    "pool": Key(Count, "batches in a pool that is sorted by length before it is cut", READING, always=True),
    "chunk": Key(Count | None, "steps between two borders of truncated BPTT; null: whole", READING, always=True),
    "train_sequences": Key(Count | None, "train on so many sequences only; null: all", READING, always=True),
    "train_steps": Key(Count | None, "train on so many first steps of each stream; null: all", READING, always=True),
    "name": Key(Text, "which set of several that a class holds"),
    "val_fraction": Key(Fraction, "share of the training sequences that becomes validation"),
    "splits": Key(Splits, "train, val and test: three fractions, or what docs/file_formats.md says"),
    "split_by": Key(Text | None, "column or array whose values (persons, machines) stay in one part each"),
    "sizes": Key(Sizes, "sequences made for train, val and test"),
    "length": Key(Count, "steps of a made sequence, of copy_memory its blank ones"),
    "standardise": Key(bool, "shift and scale each feature by its mean and deviation on train"),
    "unlabelled": Key(int | None, "label of steps that have none, beside -100 (one class per step)"),
    "by": Key(Literal["pixel", "row"], "what an image is read by"),
    "permute": Key(bool, "put the pixels of all images into one random order"),
    "permutation_seed": Key(Whole, "of that order; the same in every run, whatever the seed"),
    "features": Key(Names | None, "columns that are read (csv); log_mel or mfcc (fsdd)"),
    "window": Key(Count, "samples read at each step"),
    "hop": Key(Count, "samples predicted at each step"),
    "level": Key(Literal["char", "word"] | None, "what a token of a text is; null: a character"),
    "min_count": Key(Count | None, "how often a token must stand in the training text to be known; null: once"),
    "lookback": Key(Count, "rows that a forecast reads"),
    "horizon": Key(Count, "rows that are forecast"),
    "scale": Key(
        Literal["series", "file", "none"] | None,
        "how series are standardised: each by its own training rows, all alike, or not; null: by series where there "
        "are several",
    ),
    "resample": Key(Distance | None, "distance of rows to make by time, as pandas writes it: 15min, 1h, 1D, MS, ME"),
    "resample_by": Key(Literal["mean", "last", "sum"] | None, "of the values in an interval; null: mean"),
    "season": Key(Count | None, "rows after which a season repeats; null: by series, from the time stamps"),
    "task": Key(str | None, "what is learned from files of your own; null: found out from the file"),
    "target": Key(Names | None, "columns that are predicted; forecasting: null is every feature"),
    "time_column": Key(Names | None, "column of time stamps; null: one that is called so, or a first one of dates"),
    "group_column": Key(Text | None, "column that says which series or sequence a row belongs to"),
    "text_column": Key(Text | None, "column that holds a text in each row, read as characters or words"),
    "known": Key(Names | None, "columns known ahead (holiday, price): forecasts read them over the horizon, too"),
    "static": Key(Names | None, "columns with one value a series (size, kind), which each step reads"),
    "missing": Key(Literal["refuse", "before"], "what becomes of a missing value: before repeats the last one"),
    "missing_values": Key(Names | None, "what stands where a value is missing, beside empty cells, NA, ?, ..."),
    "separator": Key(Sign | None, "what stands between cells; null: found out"),
    "decimal": Key(Literal["point", "comma", ".", ","] | None, "what stands before fractions; null: found out"),
    "encoding": Key(Encoding, "of the text in the file"),
    "day_first": Key(bool | None, "01/02/2020 is in February; null: found out"),
}

TASK = {  # each task takes some of it
    "monitor": Key(Monitor, "metric by which the best epoch is chosen", always=True),
    "mode": Key(Literal["min", "max"], "whether a small or a large value of it is good", always=True),
    "embedding_size": Key(Count, "features of a token's embedding", always=True),
    "dropout": Key(Rate, "on what the head reads", always=True),
    "pooling": Key(Literal["last", "mean", "max"], "what the head of a whole sequence reads"),
    "class_weights": Key(list[Above0] | None, "weight of each class in the training loss; null: all 1"),
    "strategy": Key(Literal["direct", "recursive"], "forecast all rows at once, or one after the other"),
    "relative": Key(bool, "forecast the difference from the last row that is read"),
    "intervals": Key(
        Literal["gaussian", "quantiles"] | None,
        "prediction intervals, from a normal density or from quantiles; null: points alone",
    ),
    "coverage": Key(Coverage | None, "shares of values that the intervals are to hold; null: 0.8 and 0.95"),
    "reduction": Key(Literal["per_step", "per_sequence"], "whether long pieces weigh more in the training loss"),
    "mixtures": Key(Count, "Gaussians in the density of the next samples"),
    "min_log_scale": Key(float, "lower bound of ln(standard deviation) of each"),
}
