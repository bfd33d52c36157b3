"""The keys of each command, by the name of its file in ``conf/``."""

from __future__ import annotations

from typing import Any, Literal

from src.config.schema.data import DATA, TASK
from src.config.schema.entries import NOTHING, PLACE, Above0, Count, From0, Key, Share, Whole
from src.config.schema.model import MODEL
from src.config.schema.training import CALLBACKS, LOGGER, OPTIMIZER, PATHS, SCHEDULER, TRAINER

PLACES = Key(PATHS, "where files live", PLACE)
STUDY = Key(str, "name of a study under paths.runs_dir, or its folder anywhere")
OF_RUN = {
    "run": Key(str, "the run's directory"),
    "ckpt": Key(Literal["best", "last"], "which of a run's checkpoints"),
    "threads": Key(Count, "of the CPU; as in training, or the last digit may differ"),
    "trust": Key(str | list[str] | None, "modules of your own whose classes the run's config may name"),
}

COMMANDS: dict[str, dict[str, Key]] = {
    "train": {
        "seed": Key(Whole, "order, initialisation and noise follow from it; the data from data.split_seed"),
        "threads": Key(Count, "of the CPU; small networks are fastest on one"),
        "test": Key(bool, "measure the best epoch on the test set"),
        "compile": Key(Literal[True] | None, "on a GPU: head and loss by torch.compile"),  # not false: see `without`
        "ckpt": Key(str | None, "auto resumes the newest unfinished run like this one; or a file", NOTHING),
        "overwrite": Key(bool, "begin anew where paths.run_dir holds a run, which is removed", NOTHING),
        "name": Key(str | None, "the run's name in wandb; null: model-data-seed", NOTHING),
        "tags": Key(list[str], "words to find it by in wandb", NOTHING),
        "study_job": Key(dict[str, Any] | None, "set by a study: which of its runs this is", NOTHING),
        "tuned": Key(dict[str, Any], "set by a data set: its values by optimizer; what is taken counts", NOTHING),
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
    "evaluate": {**OF_RUN, "split": Key(Literal["val", "test"], "which sequences")},
    "predict": {
        **OF_RUN,
        "data": Key({"path": Key(str, "a file like the one that the run was trained on")}, "what is read"),
        "steps_ahead": Key(Count | None, "rows to forecast; null: the run's data.horizon"),
        "output": Key(str | None, "a CSV file; null: predictions/ in the run's directory"),
    },
    "compare": {
        "study": Key(str | None, "every run of a study: its name under paths.runs_dir, or its folder anywhere"),
        "folders": Key(str | list[str] | None, "any folders of runs, of several machines too"),
        "from": Key(str | None, "a table of other tools, or a folder of committed records"),
        "models": Key(list[str] | None, "the primary comparison, two models; null: as the plan says"),
        "metric": Key(str | dict[str, str] | None, "of the test; null: as the plan says, or the loss"),
        "margin": Key(From0 | dict[str, From0] | None, "what a difference must exceed to matter, in the metric's unit"),
        "familywise": Key(bool, "beside each verdict: what stands where all together are wrong in 5 % (Holm)"),
        "mode": Key(Literal["min", "max"] | None, "whether a small or a large value of an unknown metric is good"),
        "pack": Key(str | None, "a small folder for the records, to commit"),
        "directory": Key(str | None, "of numbers and report; null: the folder report beside what was read"),
        "report": Key(bool, "a page and figures, not only the numbers"),
        "paths": PLACES,
    },
    "explain": {
        **OF_RUN,
        "run": Key(str | list[str] | None, "one run's directory, or several side by side"),
        "study": Key(str | None, "in place of run: the share of a study's runs that solve their task, by length"),
        "solved_below": Key(Share, "of the trivial baseline's test loss; below it a task is solved"),
        "split": Key(Literal["train", "val", "test"], "which sequences"),
        "sequence": Key(Whole, "the one that is drawn, and the first that is measured"),
        "shown": Key(Count | None, "steps of it that are drawn; null: 80, of tokens 40"),
        "sequences": Key(Count, "how many are measured"),
        "steps": Key(Count, "how many of each are read where they may be cut; lags"),
        "jacobians": Key(Whole | None, "sequences with Jacobians; null: 8, of wide networks fewer"),
        "output": Key(str | None, "a folder; null: inside/ in the first run's directory, or the study's"),
        "paths": PLACES,
    },
    "export": {
        **OF_RUN,
        "state": Key(bool, "the state comes in and goes out, to go on in pieces"),
        "output": Key(str | None, "an ONNX file; null: model.onnx in the run's directory"),
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
        "output": Key(str | None, "files' name without ending; null: generated/ in the run's directory"),
    },
    "status": {"study": STUDY, "paths": PLACES},
    "dashboard": {
        "study": STUDY,
        "paths": PLACES,
        "only": Key(list[str] | None, "data sets of the study; null: every one"),
        "project": Key(str, "where its runs are in wandb, as logger.project"),
        "entity": Key(str | None, "team; null: your own"),
        "json": Key(str | None, "a file in place of the server: needs no login and no network"),
    },
    "prepare": {
        "data": Key(DATA, "which data set; none: a list of all"),
        "seed": Key(Whole, "as in training"),
        "paths": PLACES,
    },
}
