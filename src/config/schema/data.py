"""The keys of a data set and of a task, ``conf/data`` and ``conf/task``."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

from src.config.schema.entries import ALWAYS, FILE, NOTHING, PLACE, READING, Count, Fraction, Rate, Whole

Names = str | list[str]


class Data(TypedDict, total=False):
    """What our data sets take, each some of it; their classes check what goes with what."""

    seed: Annotated[Whole, "the run's seed; cannot be another, as runs are paired by it", READING, ALWAYS]
    path: Annotated[str, "a file or folder of your own", FILE]
    data_dir: Annotated[str, "where downloaded files lie", PLACE]
    cache_dir: Annotated[str, "where files made from them lie", PLACE]
    num_workers: Annotated[Whole, "processes that load ahead; 0 is fastest for data in memory", NOTHING, ALWAYS]
    batch_size: Annotated[Count, "sequences in a training batch", READING, ALWAYS]
    eval_batch_size: Annotated[Count | None, "of validation and test; null: four times as many", READING, ALWAYS]
    pool: Annotated[Count, "batches in a pool that is sorted by length before it is cut", READING, ALWAYS]
    chunk: Annotated[Count | None, "steps between two borders of truncated BPTT; null: whole", READING, ALWAYS]
    train_sequences: Annotated[Count | None, "train on so many sequences only; null: all", READING, ALWAYS]
    train_steps: Annotated[Count | None, "train on so many first steps of each stream; null: all", READING, ALWAYS]
    name: Annotated[str, "which set of several that a class holds"]
    val_fraction: Annotated[Fraction, "share of the training sequences that becomes validation"]
    splits: Annotated[Any, "train, val and test: three fractions, or what docs/own_data.md says"]
    sizes: Annotated[list[Count], "sequences made for train, val and test"]
    length: Annotated[Count, "steps of a made sequence, of copy_memory its blank ones"]
    standardise: Annotated[bool, "shift and scale each feature by its mean and deviation on train"]
    by: Annotated[Literal["pixel", "row"], "what an image is read by"]
    permute: Annotated[bool, "put the pixels of all images into one random order"]
    permutation_seed: Annotated[Whole, "of that order; the same in every run, whatever the seed"]
    features: Annotated[Names | None, "columns that are read (csv); log_mel or mfcc (fsdd)"]
    window: Annotated[Count, "samples read at each step"]
    hop: Annotated[Count, "samples predicted at each step"]
    level: Annotated[Literal["char", "word"], "what a token is"]
    min_count: Annotated[Count, "how often a token must stand in the training text to be known"]
    lookback: Annotated[Count, "rows that a forecast reads"]
    horizon: Annotated[Count, "rows that are forecast"]
    season: Annotated[Count | None, "rows after which a season repeats; null: from the time stamps"]
    task: Annotated[str | None, "what is learned from files of your own; null: found out from the file"]
    target: Annotated[Names | None, "columns that are predicted; forecasting: null is every feature"]
    time_column: Annotated[Names | None, "column of time stamps; null: one that is called so, or a first one of dates"]
    group_column: Annotated[str | None, "column that says which series or sequence a row belongs to"]
    missing: Annotated[Literal["refuse", "before"], "what becomes of a missing value: before repeats the last one"]
    missing_values: Annotated[Names | None, "what stands where a value is missing, beside empty cells, NA, ?, ..."]
    separator: Annotated[str | None, "comma, semicolon, tab, bar, space or a character; null: found out"]
    decimal: Annotated[str | None, "point, comma or a character; null: found out"]
    encoding: Annotated[str, "of the text in the file"]
    day_first: Annotated[bool | None, "01/02/2020 is in February; null: found out"]


class Task(TypedDict, total=False):
    """What our tasks take, each some of it."""

    monitor: Annotated[str, "metric by which the best epoch is chosen", ALWAYS]
    mode: Annotated[Literal["min", "max"], "whether a small or a large value of it is good", ALWAYS]
    embedding_size: Annotated[Count, "features of a token's embedding", ALWAYS]
    dropout: Annotated[Rate, "on what the head reads", ALWAYS]
    pooling: Annotated[Literal["last", "mean", "max"], "what the head of a whole sequence reads"]
    class_weights: Annotated[list[float] | None, "weight of each class in the training loss; null: all 1"]
    strategy: Annotated[Literal["direct", "recursive"], "forecast all rows at once, or one after the other"]
    relative: Annotated[bool, "forecast the difference from the last row that is read"]
    reduction: Annotated[Literal["per_step", "per_sequence"], "whether long pieces weigh more in the training loss"]
    mixtures: Annotated[Count, "Gaussians in the density of the next samples"]
    min_log_scale: Annotated[float, "lower bound of ln(standard deviation) of each"]
