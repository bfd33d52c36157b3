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
STUDY = Key(Text, "name of a study under paths.runs_dir, or its folder anywhere")
Module = Annotated[
    str,
    That(lambda name: all(part.isidentifier() for part in str(name).split(".")), "a module, as in their.module"),
]
Name = Annotated[
    str,
    That(
        lambda name: (
            re.fullmatch(r"[A-Za-z]\w*", str(name), re.ASCII) is not None
            and not iskeyword(str(name))
            and str(name).lower() not in {"null", "true", "false", "yes", "no", "on", "off", "inf", "nan"}  # of yaml
        ),
        "a name as in Python, of letters, digits and _, a letter first",
    ),
]
Models = Annotated[list[Text], That(lambda two: len(two) == 2 and two[0] != two[1], "two of them")]
Several = Annotated[list[Text], That(lambda some: len({*some}) == len(some) > 1, "two or more, none of them twice")]
Some = Annotated[list[Text], That(bool, "one at least")]
Formats = Annotated[list[Literal["svg", "png", "pdf", "pgf"]], That(bool, "one at least")]
OfValidation = Annotated[
    str, That(lambda name: re.fullmatch(r"val/\w+", str(name)) is not None, "a metric of validation, as in val/acc")
]
Tuned = dict[str, dict[str, Any]]
Threads = Annotated[int, Ge(1), Le(1024)]
Job = Annotated[
    dict[str, Any],
    That(lambda job: not job or {"study", "phase", "model", "data"} <= job.keys(), "as a study gives it"),
]
OF_RUN = {
    "run": Key(Text, "the run's directory"),
    "ckpt": Key(Literal["best", "last"], "which of a run's checkpoints"),
    "threads": Key(Threads, "of the CPU; as in training, or the last digit may differ"),
    "trust": Key(Module | list[Module] | None, "modules of your own whose classes the run's config may name"),
}

CONFORMAL = Key(Coverage | None, "intervals of these coverages, calibrated on the run's validation windows")

# What an argument without = is, in the order of such arguments: gatebench predict runs/latest new.csv.
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
        "ckpt=auto    (goes on with an interrupted run)",
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
        "seed": Key(Whole, "order, initialisation and noise follow from it; the data from data.split_seed"),
        "threads": Key(Threads, "of the CPU; small networks are fastest on one"),
        "test": Key(bool, "measure the best epoch on the test set"),
        "compile": Key(Literal[True] | None, "on a GPU: head and loss by torch.compile"),  # not false: see `without`
        "ckpt": Key(Text | None, "auto resumes the newest unfinished run like this one; or a file", NOTHING),
        "overwrite": Key(bool, "begin anew where paths.run_dir holds a run, which is removed", NOTHING),
        "name": Key(Text | None, "the run's name in wandb; null: model-data-seed", NOTHING),
        "tags": Key(Tags, "words to find it by in wandb, or one", NOTHING),
        "optimized_metric": Key(
            OfValidation | None, "what a sweeper of Hydra's gets as a run's value; null: task.monitor", NOTHING
        ),
        "study_job": Key(Job | None, "set by a study: which of its runs this is", NOTHING),
        "tuned": Key(Tuned, "set by a data set: its values by optimizer; what is taken counts", NOTHING),
        "model": Key(MODEL, "the recurrent network"),
        "data": Key(DATA, "what is learned; brings its task and settings"),
        "task": Key(TASK, "head, loss and metrics"),
        "optimizer": Key(OPTIMIZER, "how weights are changed"),
        "scheduler": Key(SCHEDULER, "how the learning rate moves"),
        "trainer": Key(TRAINER, "how long, and on which machine"),
        "callbacks": Key(CALLBACKS, "when to stop, what to keep"),
        "logger": Key(LOGGER, "where results go besides metrics.csv", PLACE),
        "paths": PLACES,
        "hydra": Key(dict[str, Any], "Hydra's own settings", PLACE),
    },
    "evaluate": {
        **OF_RUN,
        "split": Key(Literal["val", "test"], "which sequences"),
        "backtest": Key(Count | None, "origins in a row over the split from which is forecast, without refitting"),
        "conformal": CONFORMAL,
    },
    "predict": {
        **OF_RUN,
        "data": Key({"path": Key(Text, "a file like the one that the run was trained on")}, "what is read"),
        "steps_ahead": Key(Count | None, "rows to forecast; null: the run's data.horizon"),
        "conformal": CONFORMAL,
        "output": Key(Text | None, "a CSV file; null: predictions/ in the run's directory"),
    },
    "compare": {
        "study": Key(Text | None, "every run of a study: its name under paths.runs_dir, or its folder anywhere"),
        "folders": Key(Text | list[Text] | None, "any folders of runs, of several machines too"),
        "from": Key(Text | None, "a table of other tools, or a folder of committed records"),
        "models": Key(Models | None, "the primary comparison, two models; null: as the plan says"),
        "metric": Key(Text | dict[str, Text] | None, "of the test; null: as the plan says, or the loss"),
        "margin": Key(From0 | dict[str, From0] | None, "what a difference must exceed to matter, in the metric's unit"),
        "familywise": Key(bool, "beside each verdict: what stands where all together are wrong in 5 % (Holm)"),
        "mode": Key(Literal["min", "max"] | None, "whether a small or a large value of an unknown metric is good"),
        "pack": Key(Text | None, "a small folder for the records, to commit"),
        "directory": Key(Text | None, "of numbers and report; null: the folder report beside what was read"),
        "figures": Key(Formats, "formats of the figures; pgf needs a LaTeX installed"),
        "report": Key(
            bool | Literal["static"], "a page and figures; static: a small page, without scripts to hover and zoom"
        ),
        "paths": PLACES,
    },
    "explain": {
        **OF_RUN,
        "run": Key(Text | list[Text] | None, "one run's directory, or several side by side"),
        "study": Key(Text | None, "in place of run: the share of a study's runs that solve their task, by length"),
        "solved_below": Key(Share, "of the trivial baseline's test loss; below it a task is solved"),
        "split": Key(Literal["train", "val", "test"], "which sequences"),
        "sequence": Key(Whole, "the one that is drawn, and the first that is measured"),
        "shown": Key(Count | None, "steps of it that are drawn; null: 80, of tokens 40"),
        "sequences": Key(Count, "how many are measured"),
        "steps": Key(Count, "how many of each are read where they may be cut; lags"),
        "jacobians": Key(Whole | None, "sequences with Jacobians; null: 8, of wide networks fewer"),
        "output": Key(Text | None, "a folder; null: inside/ in the first run's directory, or the study's"),
        "paths": PLACES,
    },
    "export": {
        **OF_RUN,
        "state": Key(bool, "the state comes in and goes out, to go on in pieces"),
        "time": Key(Count | None, "steps of every input, where a network of your own loops over them; null: any"),
        "output": Key(Text | None, "an ONNX file; null: model.onnx in the run's directory"),
    },
    "generate": {
        **OF_RUN,
        "sequence": Key(Whole, "the test sequence that is gone on from"),
        "prime": Key(Count, "steps of it that are given"),
        "steps": Key(Count, "steps that are drawn: frames, tokens, blocks of samples"),
        "temperature": Key(Above0, "below 1: likelier things"),
        "top_p": Key(Share, "text: only the likeliest tokens that have this probability together"),
        "seed": Key(Whole, "another seed is another continuation"),
        "frames_per_second": Key(Above0, "music: how fast it is played"),
        "output": Key(Text | None, "files' name without ending; null: generated/ in the run's directory"),
    },
    "status": {"study": STUDY, "paths": PLACES},
    "verify": {
        "study": Key(Text, "name of a study under paths.runs_dir, its folder anywhere, or one of committed records"),
        "k": Key(Count, "final runs that are made again"),
        "seed": Key(Whole | None, "which ones; null: chance decides"),
        "data": Key({"path": Key(Text | None, "a file in place of the one that the runs read")}, "what is read"),
        "trust": OF_RUN["trust"],
        "paths": PLACES,
    },
    "dashboard": {
        "study": STUDY,
        "paths": PLACES,
        "only": Key(
            Annotated[list[Text], That(bool, "one at least")] | None, "data sets of the study; null: every one"
        ),
        "project": Key(Text, "where its runs are in wandb, as logger.project"),
        "entity": Key(Text | None, "team; null: your own"),
        "json": Key(Text | None, "a file in place of the server: needs no login and no network"),
    },
    "prepare": {
        "data": Key(DATA, "which data set; none: a list of all"),
        "seed": Key(Whole, "as in training"),
        "paths": PLACES,
    },
    "new": {
        "what": Key(Literal["model", "study"] | None, "a network of your own, or a study of your own file"),
        "name": Key(Name | None, "of what is written; null: nothing is"),
        "data": Key(DATA, "what a study is about; without a choice its reader is found out"),
        "seed": Key(Whole, "as in training"),
        "paths": PLACES,
    },
}
COMMANDS["answer"] = {
    "minutes": Key(Above0, "that it may take; given again, it goes on", NOTHING),
    "models": Key(Several, "names in conf/model; the first two are what the verdict is about", NOTHING),
    "margin": Key(
        Above0 | None, "below which a difference does not matter, in the metric's unit; null: from validation", NOTHING
    ),
    "metric": Key(
        Text | None, "of the test, as in test/mae; null: accuracy where there is one, else the loss", NOTHING
    ),
    **COMMANDS["train"],
}
