"""The keys of each command, by its file ``conf/COMMAND.yaml``."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

from src.config.schema.data import Data, Task
from src.config.schema.entries import NOTHING, PLACE, Above0, Count, From0, Share, Whole
from src.config.schema.model import Model
from src.config.schema.training import Callbacks, Logger, Optimizer, Paths, Scheduler, Trainer

Places = Annotated[Paths, "where files live", PLACE]
Study = Annotated[str, "name of a study under paths.runs_dir, or its folder anywhere"]


class Train(TypedDict, total=False):
    """``python -m src.train``."""

    seed: Annotated[Whole, "split, order, initialisation and noise follow from it"]
    threads: Annotated[Count, "of the CPU; small networks are fastest on one"]
    test: Annotated[bool, "measure the best epoch on the test set"]
    compile: Annotated[Literal[True] | None, "on a GPU: head and loss by torch.compile"]  # not false: see `without`
    ckpt: Annotated[str | None, "auto resumes the newest unfinished run like this one; or a file", NOTHING]
    name: Annotated[str | None, "the run's name in wandb; null: model-data-seed", NOTHING]
    tags: Annotated[list[str], "words to find it by in wandb", NOTHING]
    study_job: Annotated[dict[str, Any] | None, "set by a study: which of its runs this is", NOTHING]
    tuned: Annotated[dict[str, Any], "set by a data set: its values by optimizer; what is taken counts", NOTHING]
    model: Annotated[Model, "the recurrent network"]
    data: Annotated[Data, "what is learned; brings its task and settings"]
    task: Annotated[Task, "head, loss and metrics"]
    optimizer: Annotated[Optimizer, "how weights are changed"]
    scheduler: Annotated[Scheduler, "how the learning rate moves"]
    trainer: Annotated[Trainer, "how long, and on which machine"]
    callbacks: Annotated[Callbacks, "when to stop, what to keep"]
    logger: Annotated[Logger | None, "where results go besides metrics.csv", PLACE]
    paths: Places
    hydra: Annotated[dict[str, Any], "Hydra's own settings", PLACE]


class OfRun(TypedDict, total=False):
    """What every command takes that reads a run."""

    run: Annotated[str, "the run's directory"]
    ckpt: Annotated[Literal["best", "last"], "which of the run's checkpoints"]
    threads: Annotated[Count, "of the CPU; as in training, or the last digit may differ"]


class Evaluate(OfRun, total=False):
    """``python -m src.evaluate``."""

    split: Annotated[Literal["val", "test"], "which sequences"]


class NewFile(TypedDict, total=False):
    """The data of a prediction."""

    path: Annotated[str, "a file like the one that the run was trained on"]


class Predict(OfRun, total=False):
    """``python -m src.predict``."""

    data: Annotated[NewFile, "what is read"]
    steps_ahead: Annotated[Count | None, "rows to forecast; null: the run's data.horizon"]
    output: Annotated[str | None, "a CSV file; null: predictions/ in the run's directory"]


class Compare(TypedDict, total=False):
    """``python -m src.compare``."""

    study: Annotated[str | None, "every run of a study: its name under paths.runs_dir, or its folder anywhere"]
    folders: Annotated[str | list[str] | None, "any folders of runs, of several machines too"]
    from_: Annotated[str | None, "a table of other tools, or a folder of committed records"]
    models: Annotated[list[str] | None, "the primary comparison, two models; null: as the plan says"]
    metric: Annotated[str | dict[str, str] | None, "of the test; null: as the plan says, or the loss"]
    margin: Annotated[From0 | dict[str, From0] | None, "what a difference must exceed to matter, in the metric's unit"]
    mode: Annotated[Literal["min", "max"] | None, "whether a small or a large value of an unknown metric is good"]
    pack: Annotated[str | None, "a small folder for the records, to commit"]
    directory: Annotated[str | None, "of numbers and report; null: the folder report beside what was read"]
    report: Annotated[bool, "a page and figures, not only the numbers"]
    paths: Places


class Explain(TypedDict, total=False):
    """``python -m src.explain``."""

    run: Annotated[str | list[str] | None, "one run's directory, or several side by side"]
    study: Annotated[str | None, "in place of run: the share of a study's runs that solve their task, by length"]
    solved_below: Annotated[Share, "of the trivial baseline's test loss; below it a task is solved"]
    split: Annotated[Literal["train", "val", "test"], "which sequences"]
    sequence: Annotated[Whole, "the one that is drawn, and the first that is measured"]
    shown: Annotated[Count | None, "steps of it that are drawn; null: 80, of tokens 40"]
    sequences: Annotated[Count, "how many are measured"]
    steps: Annotated[Count, "how many of each are read where they may be cut; lags"]
    jacobians: Annotated[Whole | None, "sequences with Jacobians; null: 8, of wide networks fewer"]
    output: Annotated[str | None, "a folder; null: inside/ in the first run's directory, or the study's"]
    ckpt: Annotated[Literal["best", "last"], "which of the runs' checkpoints"]
    threads: Annotated[Count, "of the CPU"]
    paths: Places


class Export(OfRun, total=False):
    """``python -m src.export``."""

    state: Annotated[bool, "the state comes in and goes out, to go on in pieces"]
    output: Annotated[str | None, "an ONNX file; null: model.onnx in the run's directory"]


class Generate(OfRun, total=False):
    """``python -m src.generate``."""

    sequence: Annotated[Whole, "the test sequence that is gone on from"]
    prime: Annotated[Count, "steps of it that are given"]
    steps: Annotated[Count, "steps that are drawn: frames, tokens, blocks of samples"]
    temperature: Annotated[Above0, "below 1: likelier things"]
    top_p: Annotated[Share, "text: only the likeliest tokens that have this probability together"]
    seed: Annotated[Whole, "another seed is another continuation"]
    frames_per_second: Annotated[Above0, "music: how fast it is played"]
    output: Annotated[str | None, "files' name without ending; null: generated/ in the run's directory"]


class Status(TypedDict, total=False):
    """``python -m src.status``."""

    study: Study
    paths: Places


class Dashboard(Status, total=False):
    """``python -m src.dashboard``."""

    only: Annotated[list[str] | None, "data sets of the study; null: every one"]
    project: Annotated[str, "where its runs are in wandb, as logger.project"]
    entity: Annotated[str | None, "team; null: your own"]
    json: Annotated[str | None, "a file in place of the server: needs no login and no network"]


class Prepare(TypedDict, total=False):
    """``python -m src.prepare``."""

    data: Annotated[Data, "which data set; none: a list of all"]
    seed: Annotated[Whole, "as in training"]
    paths: Places


COMMANDS: dict[str, type] = {
    group.__name__.lower(): group
    for group in (Train, Evaluate, Predict, Compare, Explain, Export, Generate, Status, Dashboard, Prepare)
}
