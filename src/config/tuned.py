"""Where the settings of the optimizer come from: what was tuned for a data set belongs to one optimizer.

A data file says ``tuned: {adam: {lr: 0.005}}``, and the file of each optimizer reads its own part of that or has its
own value: another optimizer never trains at a learning rate that was chosen for this one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from omegaconf import DictConfig, OmegaConf

log = logging.getLogger(__name__)


def log_origins(cfg: DictConfig) -> None:
    """Log what :func:`optimizer_origins` says of this job; nothing outside Hydra, where nobody has chosen."""
    from hydra.core.hydra_config import HydraConfig

    if HydraConfig.initialized():
        job = HydraConfig.get()
        for sentence in optimizer_origins(cfg, job.runtime.choices, job.overrides.task):
            log.info(sentence)


def optimizer_origins(cfg: DictConfig, choices: Mapping[str, str], overrides: Iterable[str]) -> list[str]:
    """One sentence for the learning rate, and for each further optimizer setting that the data set has tuned values of.

    Args:
        cfg: a composed config.
        choices: the chosen files by group (Hydra's).
        overrides: what was given on the command line.
    """
    tuned, data, optimizer = cfg.get("tuned") or {}, choices.get("data"), choices.get("optimizer")
    given = {override.lstrip("+").partition("=")[0] for override in overrides}
    sentences = []
    for name in dict.fromkeys(["lr", *(name for values in tuned.values() for name in values)]):
        if name not in cfg.optimizer:
            continue
        key = f"optimizer.{name}"
        if key in given:
            origin = "from the command line"
        elif not OmegaConf.is_interpolation(cfg.optimizer, name):
            origin = "as set in a config file for every optimizer"
        elif name in tuned.get(optimizer, {}):
            origin = f"tuned for data={data} with {optimizer}"
        else:
            origin = f"the default of optimizer={optimizer}: none was tuned for data={data}"
        sentences.append(f"{key}={cfg.optimizer[name]}, {origin}.")
    return sentences
