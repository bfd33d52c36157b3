"""Keys of training: optimizer, scheduler, trainer, callbacks, logger and paths."""

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
PRECISION_NAMES = (*PRECISIONS, "32", "64", "16", "bf16")  # Lightning's short names
Project = Annotated[
    str, That(lambda name: str(name).strip() != "" and not {*str(name)} & {*"/\\#?%:"}, "text without / \\ # ? % :")
]
Tags = list[str] | Text
Profiler = Literal["simple", "advanced", "pytorch", "xla"]
Precision = Annotated[str, That(lambda name: str(name) in PRECISION_NAMES, f"one of {', '.join(PRECISIONS)}")]
Devices = Count | Literal[-1, "-1", "auto"] | Annotated[list[Whole], That(bool, "with at least one item")]

OPTIMIZER = {  # a value tuned for a data set is in the data set's file, under tuned
    "lr": Key(Above0, "learning rate"),
    "weight_decay": Key(From0, "strength of the decay of the weights towards 0"),
    "momentum": Key(Rate, "fraction of the last update carried into the next"),
    "alpha": Key(Rate, "RMSprop: decay rate of the mean squared gradient"),
    "fused": Key(bool, "use one kernel for all parameters if the optimizer supports it", added=True),
}

SCHEDULER = {
    "T_max": Key(Count, "cosine: epochs until the end"),
    "eta_min": Key(From0, "cosine: learning rate at the end"),
    "mode": Key(Literal["min", "max"], "plateau: direction of the metric, min if lower is better"),
    "factor": Key(Fraction, "plateau: learning-rate factor applied when the metric stops improving"),
    "patience": Key(Whole, "plateau: epochs without improvement before that"),
    "step_size": Key(Count, "step: epochs from one change to the next"),
    "gamma": Key(Above0, "step: learning-rate factor"),
}

Limit = Count | Share | None
TRAINER = {  # Lightning's arguments, null being its own default; refused ones are listed in arguments.py
    "max_epochs": Key(
        Count | None, "largest number of passes over the training data; null: limited by max_steps alone"
    ),
    "min_epochs": Key(Count | None, "smallest number of passes over the training data, regardless of early stopping"),
    "max_steps": Key(Literal[-1] | Count, "largest number of optimizer updates; -1: no limit"),
    "min_steps": Key(Count | None, "smallest number of optimizer updates, regardless of early stopping"),
    "max_time": Key(Duration | None, "maximum training time"),
    "gradient_clip_val": Key(From0 | None, "gradient clipping threshold; null: no clipping"),
    "gradient_clip_algorithm": Key(Literal["norm", "value"] | None, "whether to clip the global norm or each value"),
    "accumulate_grad_batches": Key(Count | None, "batches whose gradients are accumulated into one update"),
    "precision": Key(Precision, "floating-point precision; mixed: reduced for matrix products only"),
    "deterministic": Key(bool | Literal["warn"], "refuse nondeterministic operations"),
    "benchmark": Key(bool | None, "let cuDNN benchmark its algorithms and pick the fastest"),
    "accelerator": Key(Literal["cpu", "gpu", "cuda", "mps", "tpu", "auto"], "type of device to train on"),
    "devices": Key(Devices, "number of devices, or their indices; -1: all"),
    "num_nodes": Key(Count | None, "number of machines"),
    "strategy": Key(dict[str, Any] | Text | None, "Lightning's strategy for training in several processes"),
    "use_distributed_sampler": Key(Literal[False], "Lightning's distributed sampler; GateBench shards batches itself"),
    "sync_batchnorm": Key(bool | None, "synchronise BatchNorm layers of your own network across processes"),
    "limit_train_batches": Key(Limit, "training batches per epoch, as a number or fraction"),
    "limit_val_batches": Key(Limit, "validation batches, as a number or fraction"),
    "limit_test_batches": Key(Limit, "test batches, as a number or fraction"),
    "overfit_batches": Key(Limit, "train on this number or fraction of batches only, and validate on the same number"),
    "val_check_interval": Key(Limit, "batches, or fraction of an epoch, between validations"),
    "check_val_every_n_epoch": Key(Count | None, "epochs between validations"),
    "reload_dataloaders_every_n_epochs": Key(Whole | None, "epochs between rebuilds of the loaders; 0: never", NOTHING),
    "num_sanity_val_steps": Key(Annotated[int, Ge(-1)], "validation batches before training"),
    "inference_mode": Key(bool | None, "validate and test in inference mode rather than no-grad mode", NOTHING),
    "detect_anomaly": Key(bool | None, "find the operation that produced a NaN gradient; slow", NOTHING),
    "enable_autolog_hparams": Key(
        bool | None, "Lightning's hyperparameter logging; GateBench logs the config", NOTHING
    ),
    "enable_model_summary": Key(bool, "print Lightning's table of layers"),
    "enable_progress_bar": Key(bool, "show a progress bar", NOTHING),
    "log_every_n_steps": Key(Whole, "Lightning's logging interval; GateBench logs once per epoch", NOTHING),
    "profiler": Key(Profiler | None, "simple: print a timing profile at the end", NOTHING),
    "fast_dev_run": Key(bool | Whole | None, "smoke test: run this many batches of each loop and keep nothing"),
}

CALLBACKS = {  # add one of your own under another name, with a _target_
    "early_stopping": Key(
        {
            "monitor": Key(Monitor, "the metric that must improve"),
            "mode": Key(Literal["min", "max"], "direction of that metric: min if lower is better"),
            "patience": Key(Whole, "epochs without improvement before training stops"),
            "check_finite": Key(bool, "stop at a value that is not finite; diverged runs are stopped anyway"),
        },
        "early stopping; null: train to the end",
    ),
    "last": Key(
        {"every_seconds": Key(From0, "shortest time between two writes, which happen between epochs; seconds")},
        "the checkpoint to resume from",
        NOTHING,
    ),
    "explain": Key(
        {
            "sequences": Key(Count, "number of validation sequences to measure"),
            "steps": Key(Count, "steps read from each sequence if the task allows truncation"),
            "share": Key(Share, "largest share of the training time so far that may be spent on it"),
        },
        "gates and gradients measured during training",
        NOTHING,
    ),
    "progress": Key(dict[str, Any] | None, "your own progress bar", NOTHING, added=True),
}

LOGGER = {
    "project": Key(Project | None, "wandb project; null: WANDB_PROJECT, else gatebench"),
    "entity": Key(Text | None, "wandb team; null: your own"),
    "group": Key(Text | None, "wandb group; a study sets its own"),
    "job_type": Key(Text | None, "wandb job type; a study sets its own"),
    "tags": Key(Tags, "wandb tags, or a single one; none: WANDB_TAGS"),
    "notes": Key(Text | None, "wandb notes about the run; null: WANDB_NOTES"),
    "id": Key(Text | None, "wandb run id; null: WANDB_RUN_ID, else a random one"),
    "mode": Key(Literal["auto", "online", "offline", "disabled"], "auto: online if logged in and the server answers"),
    "offline": Key(bool, "the same as mode=offline"),
    "save_code": Key(bool, "upload the source code with the run"),
    "log_model": Key(
        bool | Literal["all"], "upload the best checkpoint as an artifact at the end; all: every checkpoint"
    ),
    "timeout": Key(Above0, "seconds to wait for the server before auto goes offline"),
    "tensorboard": Key(dict[str, Any], "Lightning's TensorBoardLogger and its arguments"),
    "mlflow": Key(dict[str, Any], "Lightning's MLFlowLogger and its arguments"),
}

PATHS = {
    "data_dir": Key(Text, "folder for downloaded files"),
    "cache_dir": Key(Text, "folder for preprocessed files"),
    "runs_dir": Key(Text, "folder for runs and studies"),
    "run_dir": Key(Text | None, "the directory of this run; null: a new one under runs_dir"),
}
