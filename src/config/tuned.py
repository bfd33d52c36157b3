"""Report where optimizer settings come from: settings tuned for a data set apply to one optimizer only.

A data file may contain ``tuned: {adam: {lr: 0.005}}``. The file of each optimizer reads its own part of that, or else
its own default, so that no optimizer trains at a learning rate chosen for another one.
"""

from __future__ import annotations

import logging

from omegaconf import DictConfig, OmegaConf

log = logging.getLogger(__name__)


def log_origins(cfg: DictConfig) -> None:
    """Log where a Hydra job got its learning rate, and every other optimizer setting tuned for its data."""
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
            origin = "from a config file of your own"
        elif name in tuned.get(optimizer, {}):
            origin = f"tuned for data={data} with {optimizer}"
        else:
            origin = f"the default of optimizer={optimizer}; none was tuned for data={data}"
        log.info("optimizer.%s=%s, %s.", name, cfg.optimizer[name], origin)
