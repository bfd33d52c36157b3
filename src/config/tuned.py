"""Where the settings of the optimizer come from: what was tuned for a data set belongs to one optimizer.

A data file says ``tuned: {adam: {lr: 0.005}}``, and the file of each optimizer reads its own part of that or has its
own value: another optimizer never trains at a learning rate that was chosen for this one.
"""

from __future__ import annotations

import logging

from omegaconf import DictConfig, OmegaConf

log = logging.getLogger(__name__)


def log_origins(cfg: DictConfig) -> None:
    """Log where a job under Hydra has its learning rate from, and every other optimizer setting tuned for its data."""
    from hydra.core.hydra_config import HydraConfig

    if not HydraConfig.initialized():
        return
    choices = HydraConfig.get().runtime.choices
    given = {override.lstrip("+").partition("=")[0] for override in HydraConfig.get().overrides.task}
    tuned, data, optimizer = cfg.get("tuned") or {}, choices["data"], choices["optimizer"]
    for name in dict.fromkeys(["lr", *(name for values in tuned.values() for name in values)]):
        if name not in cfg.optimizer:
            continue
        if f"optimizer.{name}" in given:
            origin = "from the command line"
        elif not OmegaConf.is_interpolation(cfg.optimizer, name):
            origin = "as a config file of your own has it"
        elif name in tuned.get(optimizer, {}):
            origin = f"tuned for data={data} with {optimizer}"
        else:
            origin = f"the default of optimizer={optimizer}: none was tuned for data={data}"
        log.info("optimizer.%s=%s, %s.", name, cfg.optimizer[name], origin)
