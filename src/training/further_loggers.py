"""Lightning's own loggers in addition to metrics.csv and wandb: TensorBoard, MLflow, or any that a config names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers.logger import Logger

from src.config.errors import UserError
from src.config.in_words import in_words
from src.config.instantiate import find_class, instantiate
from src.config.names import public_name
from src.runs.record import RunRecord

Node = dict[str, Any]
NEEDS = {"TensorBoardLogger": "tensorboard", "MLFlowLogger": "mlflow"}  # the module, which is also the name for pip


def nodes_of(config: Mapping[str, Any]) -> tuple[Node | None, dict[str, Node]]:
    """Return the nodes of a run's plain config that name loggers: wandb's if there is one, and the others by name.

    wandb's keys are in ``logger`` itself, those of other loggers in a node of their name.

    >>> nodes_of({"logger": {"tensorboard": {"_target_": "pytorch_lightning.loggers.TensorBoardLogger"}}})
    (None, {'tensorboard': {'_target_': 'pytorch_lightning.loggers.TensorBoardLogger'}})
    """
    logger: Node = dict(config.get("logger") or {})
    further = {name: dict(node) for name, node in logger.items() if isinstance(node, Mapping) and "_target_" in node}
    own = {name: value for name, value in logger.items() if name not in further}
    target = public_name(str(own.get("_target_")))
    if "_target_" in own and target != "src.training.WandbMirror":
        further = {target.rpartition(".")[2]: own, **further}
    return (own if target == "src.training.WandbMirror" else None), further


def refuse_missing_packages(further: Mapping[str, Node]) -> None:
    """Refuse loggers, by name, whose packages are not installed.

    Raises:
        UserError: a package is missing; the message gives the command that installs it.
    """
    for name, node in further.items():
        module = NEEDS.get(str(node["_target_"]).rpartition(".")[2])
        if module and find_spec(module) is None:
            raise UserError(f"logger={name} needs the package {module}: pip install {module}.")


def open_logger(name: str, node: Node, record: RunRecord, config: Mapping[str, Any], step: int) -> Logger:
    """Open one of Lightning's loggers for a run; without a location of its own it writes to the run's directory.

    A resumed run continues where the logger supports it: MLflow under the recorded id, TensorBoard in a further file
    that supersedes entries from ``step``, the first global step to be repeated.

    Raises:
        UserError: the config does not match its class, or the server cannot be reached.
    """
    takes = signature(find_class(node["_target_"]).__init__).parameters
    known = record.result.loggers.get(name)
    defaults = {"save_dir": str(record.directory), "run_name": record.result.name, "run_id": known}
    if "tracking_uri" in takes:  # not in the config, which is written to a file: it may contain a password
        runs = Path(config["paths"]["runs_dir"]).resolve()
        runs.mkdir(parents=True, exist_ok=True)
        defaults["tracking_uri"] = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{runs / 'mlflow.db'}"
    given: Node = {key: value for key, value in defaults.items() if key in takes and node.get(key) is None}
    if step and str(node["_target_"]).endswith("TensorBoardLogger"):
        given["purge_step"] = step
    logger: Logger = instantiate(node, **given)
    try:
        _ = logger.experiment  # type: ignore[attr-defined]  # every one of Lightning's has it: it opens the run
        if known is None:
            logger.log_hyperparams(dict(config))
            if "run_id" in takes:
                record.note(loggers={name: str(logger.version)})
    except Exception as error:  # a server or third-party library may raise anything
        raise UserError(f"logger.{name} could not be opened: {in_words(error)}") from error
    return logger
