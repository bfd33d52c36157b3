"""The keys of training: optimizer, scheduler, trainer, callbacks, logger and places."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

from annotated_types import Ge

from src.config.schema.entries import ADDED, NOTHING, Above0, Count, Fraction, From0, Rate, Share, Whole


class Optimizer(TypedDict, total=False):
    """``conf/optimizer``; a value tuned for a data set stands in the data set's file, under ``tuned``."""

    lr: Annotated[Above0, "learning rate"]
    weight_decay: Annotated[From0, "pull towards 0"]
    momentum: Annotated[From0, "share of the last update that goes into the next"]
    alpha: Annotated[Rate, "RMSprop: decay of the mean of squared gradients"]
    fused: Annotated[bool, "one kernel for all parameters, where the optimizer has it", ADDED]


class Scheduler(TypedDict, total=False):
    """``conf/scheduler``."""

    T_max: Annotated[Count, "cosine: epochs until the end"]
    eta_min: Annotated[From0, "cosine: learning rate at the end"]
    mode: Annotated[Literal["min", "max"], "plateau: whether a small or a large value is good"]
    factor: Annotated[Fraction, "plateau: of the learning rate, where nothing has improved"]
    patience: Annotated[Whole, "plateau: epochs without improvement before that"]
    step_size: Annotated[Count, "step: epochs from one change to the next"]
    gamma: Annotated[Above0, "step: factor of the learning rate"]


class Trainer(TypedDict, total=False):
    """``conf/trainer``: Lightning's; any other key of its own can be added with a plus sign."""

    max_epochs: Annotated[Count | None, "passes over the training data at most; null: none but max_steps"]
    max_steps: Annotated[int, Ge(-1), "updates at most; -1: no limit"]
    gradient_clip_val: Annotated[From0 | None, "largest norm of the gradient over all parameters; null: any"]
    precision: Annotated[str, "32-true; on GPUs also 16-mixed, bf16-mixed, ..."]
    deterministic: Annotated[bool | Literal["warn"], "refuse operations that may differ from run to run"]
    accelerator: Annotated[str, "cpu, gpu, ..."]
    devices: Annotated[int | str | list[int], "how many, or which; -1: all"]
    num_nodes: Annotated[Count, "machines", ADDED]
    strategy: Annotated[dict[str, Any] | str, "how several processes train together"]
    use_distributed_sampler: Annotated[bool, "Lightning's own sharing out of batches; ours share themselves out"]
    num_sanity_val_steps: Annotated[int, Ge(-1), "validation batches before training"]
    enable_model_summary: Annotated[bool, "print Lightning's table of layers"]
    enable_progress_bar: Annotated[bool, "show a progress bar", NOTHING]
    log_every_n_steps: Annotated[Whole, "Lightning's; our metrics are by epoch", NOTHING]
    profiler: Annotated[str | None, "simple: where the time goes, printed at the end", NOTHING]
    fast_dev_run: Annotated[bool | Whole, "so many batches of everything, nothing kept"]
    limit_train_batches: Annotated[From0 | None, "batches of an epoch, or a share of them", ADDED]
    limit_val_batches: Annotated[From0 | None, "batches of validation, or a share of them"]
    limit_test_batches: Annotated[From0 | None, "batches of the test, or a share of them", ADDED]


class EarlyStopping(TypedDict, total=False):
    """Lightning's, null for all of ``trainer.max_epochs``."""

    monitor: Annotated[str, "the metric that must improve"]
    mode: Annotated[Literal["min", "max"], "whether a small or a large value of it is good"]
    patience: Annotated[Whole, "epochs without improvement after which training ends"]
    check_finite: Annotated[bool, "stop at a value that is not finite; diverged runs are stopped anyway"]


class LastCheckpoint(TypedDict, total=False):
    """The checkpoint to go on from."""

    every_seconds: Annotated[From0, "written at most this often, between epochs; seconds"]


class Explain(TypedDict, total=False):
    """A look inside while a run trains (``callbacks=explain``)."""

    sequences: Annotated[Count, "of validation, by which is measured"]
    steps: Annotated[Count, "read of each, where sequences may be cut"]
    share: Annotated[Share, "of the time so far that may go into it"]


class Callbacks(TypedDict, total=False):
    """``conf/callbacks``; one of your own is a further name with a ``_target_``."""

    early_stopping: Annotated[EarlyStopping | None, "when to stop; null: never before the end"]
    last: Annotated[LastCheckpoint | None, "the checkpoint to go on from", NOTHING]
    explain: Annotated[Explain | None, "gates and gradients along training", NOTHING]
    progress: Annotated[dict[str, Any] | None, "a progress bar of your own", NOTHING, ADDED]


class Logger(TypedDict, total=False):
    """``conf/logger``: Weights & Biases."""

    project: Annotated[str, "of wandb"]
    entity: Annotated[str | None, "team; null: your own"]
    group: Annotated[str | None, "of runs that belong together; a study sets its own"]
    job_type: Annotated[str | None, "of wandb; a study sets its own"]
    tags: Annotated[list[str], "words to find runs by"]
    mode: Annotated[Literal["auto", "online", "offline", "disabled"], "auto: online where logged in and answered"]
    timeout: Annotated[Above0, "seconds that the server has to answer before auto goes offline"]


class Paths(TypedDict, total=False):
    """``conf/paths``."""

    data_dir: Annotated[str, "where downloaded files lie"]
    cache_dir: Annotated[str, "where files made from them lie"]
    runs_dir: Annotated[str, "where runs and studies lie"]
    run_dir: Annotated[str | None, "the directory of this run; null: a new one under runs_dir"]
