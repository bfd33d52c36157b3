"""The keys of training: optimizer, scheduler, trainer, callbacks, logger and places."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge

from src.config.schema.entries import (
    NOTHING,
    Above0,
    Count,
    Duration,
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
PRECISION_NAMES = (*PRECISIONS, "32", "64", "16", "bf16")  # as Lightning knows 32-true, 64-true, 16-mixed, bf16-mixed
Project = Annotated[
    str, That(lambda name: str(name).strip() != "" and not {*str(name)} & {*"/\\#?%:"}, "text without / \\ # ? % :")
]
Tags = list[str] | Text
Profiler = Literal["simple", "advanced", "pytorch", "xla"]
Precision = Annotated[str, That(lambda name: str(name) in PRECISION_NAMES, f"one of {', '.join(PRECISIONS)}")]
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

Limit = Count | Share | None
TRAINER = {  # Lightning's, null being what it takes by itself; those that are refused stand in arguments.py
    "max_epochs": Key(Count | None, "passes over the training data at most; null: none but max_steps"),
    "min_epochs": Key(Count | None, "passes over the training data at least, whatever early stopping says"),
    "max_steps": Key(Literal[-1] | Count, "updates at most; -1: no limit"),
    "min_steps": Key(Count | None, "updates at least, whatever early stopping says"),
    "max_time": Key(Duration | None, "training time at most"),
    "gradient_clip_val": Key(From0 | None, "largest norm of the gradient over all parameters; null: any"),
    "gradient_clip_algorithm": Key(Literal["norm", "value"] | None, "what is clipped: the norm, or each value"),
    "accumulate_grad_batches": Key(Count | None, "batches whose gradients make one update"),
    "precision": Key(Precision, "of the numbers; mixed: of the products alone"),
    "deterministic": Key(bool | Literal["warn"], "refuse operations that may differ from run to run"),
    "benchmark": Key(bool | None, "let cuDNN try which of its algorithms is fastest"),
    "accelerator": Key(Literal["cpu", "gpu", "cuda", "mps", "tpu", "auto"], "what trains"),
    "devices": Key(Devices, "how many, or which; -1: all"),
    "num_nodes": Key(Count | None, "machines"),
    "strategy": Key(dict[str, Any] | Text | None, "how several processes train together"),
    "use_distributed_sampler": Key(Literal[False], "Lightning's own sharing out of batches; ours share themselves out"),
    "sync_batchnorm": Key(bool | None, "BatchNorm of a network of your own: over all processes"),
    "limit_train_batches": Key(Limit, "batches of an epoch, or a share of them"),
    "limit_val_batches": Key(Limit, "batches of validation, or a share of them"),
    "limit_test_batches": Key(Limit, "batches of the test, or a share of them"),
    "overfit_batches": Key(Limit, "batches, or a share: the same in every epoch, and as many of validation"),
    "val_check_interval": Key(Limit, "batches, or a share of an epoch, from one validation to the next"),
    "check_val_every_n_epoch": Key(Count | None, "epochs from one validation to the next"),
    "reload_dataloaders_every_n_epochs": Key(Whole | None, "epochs for which loaders are kept; 0: for all", NOTHING),
    "num_sanity_val_steps": Key(Annotated[int, Ge(-1)], "validation batches before training"),
    "inference_mode": Key(bool | None, "validate and test in inference mode, or else without gradients", NOTHING),
    "detect_anomaly": Key(bool | None, "find the operation whose gradient is no number; slow", NOTHING),
    "enable_autolog_hparams": Key(bool | None, "Lightning's; our config is always on record", NOTHING),
    "enable_model_summary": Key(bool, "print Lightning's table of layers"),
    "enable_progress_bar": Key(bool, "show a progress bar", NOTHING),
    "log_every_n_steps": Key(Whole, "Lightning's; our metrics are by epoch", NOTHING),
    "profiler": Key(Profiler | None, "simple: where the time goes, printed at the end", NOTHING),
    "fast_dev_run": Key(bool | Whole | None, "so many batches of everything, nothing kept"),
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
