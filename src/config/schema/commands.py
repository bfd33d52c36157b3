"""The keys of each command, by the name of its file in ``conf/``."""

from __future__ import annotations

import re
from keyword import iskeyword
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from src.config.schema.data import DATA, TASK
from src.config.schema.entries import NOTHING, PLACE, Above0, Count, Coverage, From0, Key, Share, Text, That, Whole
from src.config.schema.model import MODEL
from src.config.schema.training import CALLBACKS, LOGGER, OPTIMIZER, PATHS, SCHEDULER, TRAINER, Tags

PLACES = Key(PATHS, "where files live", PLACE)
STUDY = Key(Text, "name of a study under paths.runs_dir, or the path of its folder")
Module = Annotated[
    str,
    That(lambda name: all(part.isidentifier() for part in str(name).split(".")), "a module name such as their.module"),
]
Name = Annotated[
    str,
    That(
        lambda name: (
            re.fullmatch(r"[A-Za-z]\w*", str(name), re.ASCII) is not None
            and not iskeyword(str(name))
            and str(name).lower() not in {"null", "true", "false", "yes", "no", "on", "off", "inf", "nan"}  # of yaml
        ),
        "a valid Python name: letters, digits and _, starting with a letter",
    ),
]
Models = Annotated[list[Text], That(lambda two: len(two) == 2 and two[0] != two[1], "with exactly two different items")]
Several = Annotated[
    list[Text], That(lambda some: len({*some}) == len(some) > 1, "with at least two items and no repeats")
]
Some = Annotated[list[Text], That(bool, "with at least one item")]
Formats = Annotated[list[Literal["svg", "png", "pdf", "pgf"]], That(bool, "with at least one item")]
OfValidation = Annotated[
    str, That(lambda name: re.fullmatch(r"val/\w+", str(name)) is not None, "a validation metric such as val/acc")
]
Tuned = dict[str, dict[str, Any]]
Threads = Annotated[int, Ge(1), Le(1024)]
Job = Annotated[
    dict[str, Any],
    That(lambda job: not job or {"study", "phase", "model", "data"} <= job.keys(), "as set by a study"),
]
OF_RUN = {
    "run": Key(Text, "the run's directory"),
    "ckpt": Key(Literal["best", "last"], "which checkpoint of the run"),
    "threads": Key(Threads, "CPU threads; use the training value, or the last digit may differ"),
    "trust": Key(Module | list[Module] | None, "your own modules whose classes the run's config may name"),
}

CONFORMAL = Key(Coverage | None, "coverages of conformal intervals, calibrated on the run's validation windows")

# The keys that positional arguments set, in order: gatebench predict runs/latest new.csv.
POSITIONAL: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("evaluate", "explain", "export", "generate"), ("run",)),
    "predict": ("run", "data.path"),
    "new": ("what", "name"),
    **dict.fromkeys(("compare", "status", "dashboard", "verify"), ("study",)),
}
EXAMPLES: dict[str, tuple[str, ...]] = {
    "train": (
        "model=lstm data=jsb_chorales trainer.max_epochs=20",
        "data=csv data.path=load.csv data.target=load data.horizon=24",
        "-m model=gru,lstm seed=0,1,2",
        "-m experiments=smoke",
        "ckpt=auto    (resumes an interrupted run)",
    ),
    "answer": (
        "data.path=load.csv minutes=60",
        "data.path=takes.csv data.group_column=take data.target=gesture minutes=10",
        "data=jsb_chorales 'models=[gru,lstm,rnn]' minutes=120",
    ),
    "evaluate": ("runs/latest", "runs/latest split=val", "runs/latest ckpt=last", "runs/latest backtest=4"),
    "predict": (
        "runs/latest new.csv",
        "runs/latest new.csv steps_ahead=12",
        "runs/latest new.csv output=said.csv",
        "runs/latest new.csv conformal=[0.9]",
    ),
    "compare": ("study=smoke", "study=smoke margin=0.02", "folders=[runs]", "from=theirs.csv margin=0.01"),
    "explain": ("runs/latest", "'run=[runs/a,runs/b]'", "study=memory_length"),
    "export": ("runs/latest", "runs/latest state=true output=step.onnx"),
    "generate": ("runs/latest", "runs/latest steps=500 temperature=0.8"),
    "status": ("study=smoke",),
    "verify": ("smoke", "experiments/chung2014_music k=3", "experiments/mine data.path=load.csv"),
    "dashboard": ("study=smoke", "study=smoke json=workspace.json"),
    "prepare": ("data=jsb_chorales", "data=ett_h1"),
    "new": ("model mine", "study mine data.path=load.csv", "study mine data.path=takes.csv data.target=gesture"),
}

COMMANDS: dict[str, dict[str, Key]] = {
    "train": {
        "seed": Key(Whole, "seeds data order, initialisation and noise; the data follow data.split_seed"),
        "threads": Key(Threads, "CPU threads; small networks are fastest with one"),
        "test": Key(bool, "evaluate the best epoch on the test set"),
        "compile": Key(
            Literal[True] | None, "GPU: compile head and loss with torch.compile"
        ),  # not false: see `without`
        "ckpt": Key(Text | None, "auto: resume the newest unfinished run with this config; or a .ckpt file", NOTHING),
        "overwrite": Key(bool, "replace the run in paths.run_dir, if there is one", NOTHING),
        "name": Key(Text | None, "the run's name in wandb; null: model-data-seed", NOTHING),
        "tags": Key(Tags, "wandb tags, or a single one", NOTHING),
        "optimized_metric": Key(OfValidation | None, "metric returned to a Hydra sweeper; null: task.monitor", NOTHING),
        "study_job": Key(Job | None, "set by a study: which of its runs this is", NOTHING),
        "tuned": Key(
            Tuned, "set by a data set: values tuned per optimizer; only those used are part of the identity", NOTHING
        ),
        "model": Key(MODEL, "the recurrent network"),
        "data": Key(DATA, "the data set; sets its task and training settings"),
        "task": Key(TASK, "head, loss and metrics"),
        "optimizer": Key(OPTIMIZER, "the optimizer"),
        "scheduler": Key(SCHEDULER, "the learning-rate schedule"),
        "trainer": Key(TRAINER, "training length and hardware"),
        "callbacks": Key(CALLBACKS, "early stopping, checkpoints and other callbacks"),
        "logger": Key(LOGGER, "loggers besides metrics.csv", PLACE),
        "paths": PLACES,
        "hydra": Key(dict[str, Any], "Hydra's own settings", PLACE),
    },
    "evaluate": {
        **OF_RUN,
        "split": Key(Literal["val", "test"], "which split"),
        "backtest": Key(Count | None, "number of consecutive forecast origins in the split, without refitting"),
        "conformal": CONFORMAL,
    },
    "predict": {
        **OF_RUN,
        "data": Key({"path": Key(Text, "a file with the same layout as the run's training data")}, "the data to read"),
        "steps_ahead": Key(Count | None, "rows to forecast; null: the run's data.horizon"),
        "conformal": CONFORMAL,
        "output": Key(Text | None, "a CSV file; null: predictions/ in the run's directory"),
    },
    "compare": {
        "study": Key(Text | None, "every run of a study: its name under paths.runs_dir, or its folder anywhere"),
        "folders": Key(Text | list[Text] | None, "folders with runs, possibly from several machines"),
        "from": Key(Text | None, "a CSV file with results of other tools, or a folder of committed records"),
        "models": Key(Models | None, "the two models of the primary comparison; null: as in the study plan"),
        "metric": Key(Text | dict[str, Text] | None, "test metric; null: as in the study plan, or else the loss"),
        "margin": Key(From0 | dict[str, From0] | None, "smallest difference that matters, in the metric's unit"),
        "familywise": Key(bool, "also show verdicts at a joint error rate of 5 % (Holm)"),
        "mode": Key(Literal["min", "max"] | None, "direction of a metric that declares none: min if lower is better"),
        "pack": Key(Text | None, "a small folder to write the compact records to, for committing"),
        "directory": Key(Text | None, "folder for numbers and report; null: report/ next to the input"),
        "figures": Key(Formats, "figure formats; pgf needs LaTeX"),
        "report": Key(
            bool | Literal["static"],
            "write a page and figures; static: a small page without scripts (no hovering or zooming)",
        ),
        "paths": PLACES,
    },
    "explain": {
        **OF_RUN,
        "run": Key(Text | list[Text] | None, "one run's directory, or a list of several to show side by side"),
        "study": Key(
            Text | None, "instead of run: a study; shows the share of its runs that solve the task, by length"
        ),
        "solved_below": Key(Share, "a task counts as solved below this share of the trivial baseline's test loss"),
        "split": Key(Literal["train", "val", "test"], "which split"),
        "sequence": Key(Whole, "index of the sequence to draw, which is also the first one measured"),
        "shown": Key(Count | None, "number of its steps to draw; null: 80, for tokens 40"),
        "sequences": Key(Count, "number of sequences to measure"),
        "steps": Key(
            Count, "number of steps read from each sequence if the task allows truncation; also the largest lag"
        ),
        "jacobians": Key(Whole | None, "number of sequences with Jacobians; null: 8, fewer for wide networks"),
        "output": Key(Text | None, "a folder; null: inside/ in the directory of the first run or of the study"),
        "paths": PLACES,
    },
    "export": {
        **OF_RUN,
        "state": Key(bool, "make the recurrent state an input and an output, to process a sequence in pieces"),
        "time": Key(Count | None, "fixed number of time steps, for your own network with a loop over time; null: any"),
        "output": Key(Text | None, "an ONNX file; null: model.onnx in the run's directory"),
    },
    "generate": {
        **OF_RUN,
        "sequence": Key(Whole, "index of the test sequence to continue"),
        "prime": Key(Count, "number of its steps to read first"),
        "steps": Key(Count, "number of steps to generate: frames, tokens or blocks of samples"),
        "temperature": Key(Above0, "below 1: more probable samples"),
        "top_p": Key(Share, "text: sample only from the most probable tokens with this total probability"),
        "seed": Key(Whole, "seed of the sampling"),
        "frames_per_second": Key(Above0, "music: playback speed"),
        "output": Key(
            Text | None, "path of the output files without extension; null: generated/ in the run's directory"
        ),
    },
    "status": {"study": STUDY, "paths": PLACES},
    "verify": {
        "study": Key(
            Text, "name of a study under paths.runs_dir, the path of its folder, or a folder of committed records"
        ),
        "k": Key(Count, "number of final runs to repeat"),
        "seed": Key(Whole | None, "seed for choosing the runs; null: a random one"),
        "data": Key(
            {"path": Key(Text | None, "a file to use instead of the one that the runs read")}, "the data to read"
        ),
        "trust": OF_RUN["trust"],
        "paths": PLACES,
    },
    "dashboard": {
        "study": STUDY,
        "paths": PLACES,
        "only": Key(Some | None, "data sets of the study; null: all"),
        "project": Key(Text, "wandb project of its runs, as in logger.project"),
        "entity": Key(Text | None, "wandb team; null: your own"),
        "json": Key(Text | None, "write to this file instead of the server, without login or network"),
    },
    "prepare": {
        "data": Key(DATA, "the data set to prepare; without one, lists all"),
        "seed": Key(Whole, "as in training"),
        "paths": PLACES,
    },
    "new": {
        "what": Key(Literal["model", "study"] | None, "model: your own network; study: a study of your own data"),
        "name": Key(Name | None, "name of the files to write; null: writes nothing"),
        "data": Key(DATA, "the data of the study; without a choice, the reader is inferred from the file"),
        "seed": Key(Whole, "as in training"),
        "paths": PLACES,
    },
}
COMMANDS["answer"] = {
    "minutes": Key(Above0, "time budget; run the command again with more minutes to continue", NOTHING),
    "models": Key(Several, "names of files in conf/model; the verdict compares the first two", NOTHING),
    "margin": Key(
        Above0 | None, "smallest difference that matters, in the metric's unit; null: from validation", NOTHING
    ),
    "metric": Key(Text | None, "test metric such as test/mae; null: accuracy where available, else the loss", NOTHING),
    **COMMANDS["train"],
}
