"""What a composed config must be, checked before anything heavy is imported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from src.config.errors import UserError
from src.config.instantiate import plain
from src.config.names import public_key, public_names
from src.config.schema import keys_of
from src.config.schema.entries import holds, shown, words

OURS = ("src.", "torch.optim.", "pytorch_lightning.")  # any other class takes what it likes


def check(cfg: DictConfig, command: str = "train") -> None:
    """Hold a composed config against the schema of its command, a file in ``conf/``.

    Raises:
        UserError: names the key, what it must be and the value that came; also for a value that is missing.
    """
    if isinstance(node := cfg.get("study"), DictConfig):  # jobs of a study are composed without it
        name = node.get("name")
        raise UserError(
            f"experiments={name} is a whole study, and this command would train one default: start it by "
            f"`gatebench train -m experiments={name}`, one study at a time."
        )
    missing = sorted(OmegaConf.missing_keys(cfg))
    if missing:
        raise UserError(f"{missing[0]} must be given, e.g. {missing[0]}=VALUE on the command line.")
    check_values(plain(cfg), command)


def check_values(config: Mapping[str, Any], command: str = "train") -> None:
    """The same of a config as plain containers in which nothing is missing."""
    for name, key in keys_of(command).items():
        node, last = _parent(config, name)
        ours = str(node.get("_target_") or OURS[0]).startswith(OURS)
        if last in node and (ours or key.always) and not holds(key.kind, node[last]):
            raise UserError(f"{name} must be {words(key.kind)}, got {shown(node[last])}.")
    model = config.get("model") or {}
    if former := set(model) - set(public_names(model)):
        old = f"model.{former.pop()}"
        raise UserError(f"{old} is called {public_key(old)} today.")
    seed, data, ckpt = config.get("seed"), config.get("data") or {}, config.get("ckpt")
    if data.get("seed", seed) != seed:
        raise UserError(f"data.seed must be the run's seed={seed}, by which runs are paired, got {data['seed']}.")
    if ckpt not in (None, "auto", "best", "last") and not Path(str(ckpt)).is_file():
        raise UserError(f"The checkpoint {ckpt} does not exist: ckpt must be auto or the path of a run's .ckpt file.")


def _parent(config: Mapping[str, Any], key: str) -> tuple[Mapping[str, Any], str]:
    """The node that a dotted key stands in, empty where there is none, and the key's last name."""
    *above, name = key.split(".")
    node: Any = config
    for part in above:
        node = node.get(part) if isinstance(node, Mapping) else None
    return node if isinstance(node, Mapping) else {}, name
