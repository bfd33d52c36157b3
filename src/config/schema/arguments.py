"""Arguments of those torch and Lightning classes that a config may name, beyond the keys that the schema documents.

Each argument has the type from the class's signature, with bounds where the documentation states them;
tests/test_arguments.py checks the tables against the signatures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from src.config.schema.entries import Above0, Count, Duration, Fraction, From0, Monitor, Rate, Share, Text, That, Whole

Pair = Annotated[list[From0], That(lambda pair: len(pair) == 2, "with exactly two items")]
Betas = Annotated[list[Rate], That(lambda pair: len(pair) == 2, "with exactly two items")]


def _table(kinds: Mapping[str, Any], classes: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the argument types of each class; ``CLASS.NAME`` in ``kinds`` overrides ``NAME`` for that class.

    >>> _table({"lr": float, "B.lr": int}, {"A": "lr", "B": "lr"})
    {'A': {'lr': <class 'float'>}, 'B': {'lr': <class 'int'>}}
    """
    return {
        name: {argument: kinds.get(f"{name}.{argument}", kinds.get(argument)) for argument in arguments.split()}
        for name, arguments in classes.items()
    }


OPTIMIZERS = _table(  # torch.optim
    {
        "lr": Above0,
        "weight_decay": From0,
        "momentum": Rate,
        "dampening": Share | Literal[0],
        "nesterov": bool,
        "alpha": Rate,
        "lambd": From0,
        "t0": From0,
        "rho": Annotated[float, Ge(0), Le(1)],
        "eps": From0,
        "lr_decay": From0,
        "initial_accumulator_value": From0,
        "betas": Betas,
        "amsgrad": bool,
        "decoupled_weight_decay": bool,
        "max_iter": Count,
        "max_eval": Count | None,
        "tolerance_grad": From0,
        "tolerance_change": From0,
        "history_size": Count,
        "line_search_fn": Literal["strong_wolfe"] | None,
        "momentum_decay": From0,
        "centered": bool,
        "etas": Pair,
        "step_sizes": Pair,
        "fused": bool | None,
        "foreach": bool | None,
        "capturable": bool,
        "differentiable": bool,
        "maximize": Literal[False],  # the loss is always minimised
    },
    {
        "ASGD": "lr lambd alpha t0 weight_decay foreach maximize differentiable capturable",
        "Adadelta": "lr rho eps weight_decay foreach capturable maximize differentiable",
        "Adagrad": "lr lr_decay weight_decay initial_accumulator_value eps foreach maximize differentiable fused",
        "Adam": "lr betas eps weight_decay amsgrad foreach maximize capturable differentiable fused "
        "decoupled_weight_decay",
        "AdamW": "lr betas eps weight_decay amsgrad maximize foreach capturable differentiable fused",
        "Adamax": "lr betas eps weight_decay foreach maximize differentiable capturable",
        "LBFGS": "lr max_iter max_eval tolerance_grad tolerance_change history_size line_search_fn",
        "NAdam": "lr betas eps weight_decay momentum_decay decoupled_weight_decay foreach maximize capturable "
        "differentiable",
        "RAdam": "lr betas eps weight_decay decoupled_weight_decay foreach maximize capturable differentiable",
        "RMSprop": "lr alpha eps weight_decay momentum centered capturable foreach maximize differentiable",
        "Rprop": "lr etas step_sizes capturable foreach maximize differentiable",
        "SGD": "lr momentum dampening weight_decay nesterov maximize foreach differentiable fused",
        "SparseAdam": "lr betas eps maximize",
    },
)

SCHEDULERS = _table(  # torch.optim.lr_scheduler; those whose arguments are numbers and words
    {
        "factor": Fraction,
        "ConstantLR.factor": Share,
        "total_iters": Count,
        "last_epoch": Literal[-1],  # a resumed run takes its epoch from the checkpoint
        "T_max": Count,
        "eta_min": From0,
        "T_0": Count,
        "T_mult": Count,
        "base_lr": Above0 | list[Above0],
        "max_lr": Above0 | list[Above0],
        "step_size_up": Count,
        "step_size_down": Count | None,
        "mode": Literal["min", "max"],
        "CyclicLR.mode": Literal["triangular", "triangular2", "exp_range"],
        "gamma": Above0,
        "scale_fn": Literal[None],  # a function, which a config cannot express
        "scale_mode": Literal["cycle", "iterations"],
        "cycle_momentum": bool,
        "base_momentum": Rate | list[Rate],
        "max_momentum": Rate | list[Rate],
        "start_factor": Share,
        "end_factor": Annotated[float, Ge(0), Le(1)],
        "milestones": list[Count],
        "total_steps": Count | None,
        "epochs": Count | None,
        "steps_per_epoch": Count | None,
        "pct_start": Fraction,
        "anneal_strategy": Literal["cos", "linear"],
        "div_factor": Above0,
        "final_div_factor": Above0,
        "three_phase": bool,
        "power": Above0,
        "patience": Whole,
        "threshold": From0,
        "threshold_mode": Literal["rel", "abs"],
        "cooldown": Whole,
        "min_lr": From0 | list[From0],
        "eps": From0,
        "step_size": Count,
    },
    {
        "ConstantLR": "factor total_iters last_epoch",
        "CosineAnnealingLR": "T_max eta_min last_epoch",
        "CosineAnnealingWarmRestarts": "T_0 T_mult eta_min last_epoch",
        "CyclicLR": "base_lr max_lr step_size_up step_size_down mode gamma scale_fn scale_mode cycle_momentum "
        "base_momentum max_momentum last_epoch",
        "ExponentialLR": "gamma last_epoch",
        "LinearLR": "start_factor end_factor total_iters last_epoch",
        "MultiStepLR": "milestones gamma last_epoch",
        "OneCycleLR": "max_lr total_steps epochs steps_per_epoch pct_start anneal_strategy cycle_momentum "
        "base_momentum max_momentum div_factor final_div_factor three_phase last_epoch",
        "PolynomialLR": "total_iters power last_epoch",
        "ReduceLROnPlateau": "mode factor patience threshold threshold_mode cooldown min_lr eps",
        "StepLR": "step_size gamma last_epoch",
    },
)

CALLBACKS = _table(  # pytorch_lightning.callbacks
    {
        "cpu_stats": bool | None,
        "monitor": Monitor | None,
        "EarlyStopping.monitor": Monitor,
        "min_delta": From0,
        "patience": Whole,
        "verbose": bool,
        "mode": Literal["min", "max"],
        "strict": bool,
        "check_finite": bool,
        "stopping_threshold": float | None,
        "divergence_threshold": float | None,
        "check_on_train_epoch_end": bool | None,
        "log_rank_zero_only": bool,
        "scheduling": dict[Any, Count],  # keyed by the first epoch it applies to
        "logging_interval": Literal["step", "epoch"] | None,
        "log_momentum": bool,
        "log_weight_decay": bool,
        "dirpath": Text | None,
        "filename": Text | None,
        "save_last": bool | Literal["link"] | None,
        "save_top_k": Annotated[int, Ge(-1)],
        "save_on_exception": bool,
        "save_weights_only": bool,
        "auto_insert_metric_name": bool,
        "every_n_train_steps": Whole | None,
        "train_time_interval": Literal[None],  # a timedelta, which a config cannot express
        "every_n_epochs": Whole | None,
        "save_on_train_epoch_end": bool | None,
        "enable_version_counter": bool,
        "max_depth": Annotated[int, Ge(-1)],
        "swa_lrs": Above0 | list[Above0],
        "swa_epoch_start": Count | Share,
        "annealing_epochs": Count,
        "annealing_strategy": Literal["cos", "linear"],
        "avg_fn": Literal[None],  # a function, like the next one
        "batch_size_fn": Literal[None],
        "length_fn": Literal[None],
        "window_size": Count,
        "separator": str,
        "device": str | None,
        "duration": Duration | None,
        "interval": Literal["step", "epoch"],
    },
    {
        "DeviceStatsMonitor": "cpu_stats",
        "EarlyStopping": "monitor min_delta patience verbose mode strict check_finite stopping_threshold "
        "divergence_threshold check_on_train_epoch_end log_rank_zero_only",
        "GradientAccumulationScheduler": "scheduling",
        "LearningRateMonitor": "logging_interval log_momentum log_weight_decay",
        "ModelCheckpoint": "dirpath filename monitor verbose save_last save_top_k save_on_exception save_weights_only "
        "mode auto_insert_metric_name every_n_train_steps train_time_interval every_n_epochs save_on_train_epoch_end "
        "enable_version_counter",
        "ModelSummary": "max_depth",
        "RichModelSummary": "max_depth",
        "StochasticWeightAveraging": "swa_lrs swa_epoch_start annealing_epochs annealing_strategy avg_fn device",
        "ThroughputMonitor": "batch_size_fn length_fn window_size separator",
        "Timer": "duration interval verbose",
    },
)

TRAINER_HAS = {  # trainer arguments that are set elsewhere or have no effect, and what to use instead
    "logger": "choose logger=wandb or logger=csv",
    "callbacks": "name them under callbacks, as in +callbacks.NAME._target_=CLASS",
    "plugins": "they follow from trainer.precision and from where the run is started",
    "enable_checkpointing": "best.ckpt and last.ckpt are always written, except with trainer.fast_dev_run",
    "default_root_dir": "set the run's directory with paths.run_dir=DIR",
    "barebones": "runs always write checkpoints; logger=csv trainer.enable_progress_bar=false drops the rest",
    "limit_predict_batches": "gatebench predict reads the whole file",
    "model_registry": "a run's directory holds its model",
}
