"""The keys of training: optimizer, scheduler, trainer, callbacks, logger and places."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge

from src.config.schema.entries import (
    NOTHING,
    Above0,
    Count,
    Fraction,
    From0,
    Key,
    Monitor,
    Rate,
    Share,
    Text,
    That,
    Whole,
)

PRECISIONS = ("32-true", "64-true", "16-true", "16-mixed", "bf16-true", "bf16-mixed")
OTHER_NAMES = ("32", "64", "16", "bf16", "transformer-engine", "transformer-engine-float16")  # that Lightning knows too
Project = Annotated[
    str, That(lambda name: str(name).strip() != "" and not {*str(name)} & {*"/\\#?%:"}, "text without / \\ # ? % :")
]
Tags = list[str] | Text
Profiler = Literal["simple", "advanced", "pytorch", "xla"]
Precision = Annotated[str, That(lambda name: str(name) in PRECISIONS + OTHER_NAMES, f"one of {', '.join(PRECISIONS)}")]
Devices = Count | Literal[-1, "-1", "auto"] | Annotated[list[Whole], That(bool, "one at least")]

OPTIMIZER = {  # a value that was tuned for a data set stands in the data set's file, under tuned
    "lr": Key(Above0, "learning rate"),
    "weight_decay": Key(From0, "pull towards 0"),
    "momentum": Key(Rate, "share of the last update that goes into the next"),
    "alpha": Key(Rate, "RMSprop: decay of the mean of squared gradients"),
    "fused": Key(bool, "one kernel for all parameters, where the optimizer has it", added=True),
}

SCHEDULER = {
    "T_max": Key(Count, "cosine: epochs until the end"),
    "eta_min": Key(From0, "cosine: learning rate at the end"),
    "mode": Key(Literal["min", "max"], "plateau: whether a small or a large value is good"),
    "factor": Key(Fraction, "plateau: of the learning rate, where nothing has improved"),
    "patience": Key(Whole, "plateau: epochs without improvement before that"),
    "step_size": Key(Count, "step: epochs from one change to the next"),
    "gamma": Key(Above0, "step: factor of the learning rate"),
}

TRAINER = {  # Lightning's; any other key that it has can be added with a plus sign
    "max_epochs": Key(Count | None, "passes over the training data at most; null: none but max_steps"),
    "max_steps": Key(Literal[-1] | Count, "updates at most; -1: no limit"),
    "gradient_clip_val": Key(From0 | None, "largest norm of the gradient over all parameters; null: any"),
    "precision": Key(Precision, "of the numbers; on a CPU 32-true or 64-true"),
    "deterministic": Key(bool | Literal["warn"], "refuse operations that may differ from run to run"),
    "accelerator": Key(Literal["cpu", "gpu", "cuda", "mps", "tpu", "auto"], "what trains"),
    "devices": Key(Devices, "how many, or which; -1: all"),
    "num_nodes": Key(Count, "machines", added=True),
    "strategy": Key(dict[str, Any] | Text, "how several processes train together"),
    "use_distributed_sampler": Key(Literal[False], "Lightning's own sharing out of batches; ours share themselves out"),
    "num_sanity_val_steps": Key(Annotated[int, Ge(-1)], "validation batches before training"),
    "enable_model_summary": Key(bool, "print Lightning's table of layers"),
    "enable_progress_bar": Key(bool, "show a progress bar", NOTHING),
    "log_every_n_steps": Key(Whole, "Lightning's; our metrics are by epoch", NOTHING),
    "profiler": Key(Profiler | None, "simple: where the time goes, printed at the end", NOTHING),
    "fast_dev_run": Key(bool | Whole, "so many batches of everything, nothing kept"),
    "limit_train_batches": Key(Count | Share | None, "batches of an epoch, or a share of them", added=True),
    "limit_val_batches": Key(Count | Share | None, "batches of validation, or a share of them"),
    "limit_test_batches": Key(Count | Share | None, "batches of the test, or a share of them", added=True),
}

CALLBACKS = {  # one of your own is a further name with a _target_
    "early_stopping": Key(
        {
            "monitor": Key(Monitor, "the metric that must improve"),
            "mode": Key(Literal["min", "max"], "whether a small or a large value of it is good"),
            "patience": Key(Whole, "epochs without improvement after which training ends"),
            "check_finite": Key(bool, "stop at a value that is not finite; diverged runs are stopped anyway"),
        },
        "when to stop; null: never before the end",
    ),
    "last": Key(
        {"every_seconds": Key(From0, "written at most this often, between epochs; seconds")},
        "the checkpoint to go on from",
        NOTHING,
    ),
    "explain": Key(
        {
            "sequences": Key(Count, "of validation, by which is measured"),
            "steps": Key(Count, "read of each, where sequences may be cut"),
            "share": Key(Share, "of the time so far that may go into it"),
        },
        "gates and gradients along training",
        NOTHING,
    ),
    "progress": Key(dict[str, Any] | None, "a progress bar of your own", NOTHING, added=True),
}

LOGGER = {
    "project": Key(Project | None, "of wandb; null: WANDB_PROJECT, else gatebench"),
    "entity": Key(Text | None, "team; null: your own"),
    "group": Key(Text | None, "of runs that belong together; a study sets its own"),
    "job_type": Key(Text | None, "of wandb; a study sets its own"),
    "tags": Key(Tags, "words to find runs by, or one; none: WANDB_TAGS"),
    "notes": Key(Text | None, "of wandb, about the run; null: WANDB_NOTES"),
    "id": Key(Text | None, "of the run in wandb; null: WANDB_RUN_ID, else one that is drawn"),
    "mode": Key(Literal["auto", "online", "offline", "disabled"], "auto: online where logged in and answered"),
    "offline": Key(bool, "the same as mode=offline"),
    "save_code": Key(bool, "the program goes up with the run"),
    "log_model": Key(bool | Literal["all"], "true: the best checkpoint goes up as an artifact at the end; all: each"),
    "timeout": Key(Above0, "seconds that the server has to answer before auto goes offline"),
    "tensorboard": Key(dict[str, Any], "Lightning's TensorBoardLogger, and its arguments"),
    "mlflow": Key(dict[str, Any], "Lightning's MLFlowLogger, and its arguments"),
}

PATHS = {
    "data_dir": Key(Text, "where downloaded files lie"),
    "cache_dir": Key(Text, "where files made from them lie"),
    "runs_dir": Key(Text, "where runs and studies lie"),
    "run_dir": Key(Text | None, "the directory of this run; null: a new one under runs_dir"),
}
