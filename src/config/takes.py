"""The arguments of a config node's class: from the tables for torch and Lightning, or from our config files."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import yaml

from src.config.names import public_name
from src.config.places import CONF
from src.config.schema import keys_of
from src.config.schema.arguments import CALLBACKS, OPTIMIZERS, SCHEDULERS

OURS = ("src.", "torch.optim.", "pytorch_lightning.")  # any other class may take any argument
TABLES = {"optimizer": OPTIMIZERS, "scheduler": SCHEDULERS, "callbacks": CALLBACKS}
ANY_CELL = ("src.recurrent.RNNBase", "src.recurrent.StackedRNN")  # pass options on to any cell


def kinds_of(group: str, node: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the types of the arguments allowed in a node of ``group``, or None for an unknown class.

    >>> sorted(kinds_of("scheduler", {"_target_": "torch.optim.lr_scheduler.StepLR"}))
    ['gamma', 'last_epoch', 'step_size']
    >>> kinds_of("model", {"_target_": "their.Network"}) is None
    True
    """
    target = node.get("_target_")
    if target is None:
        return {} if group == "scheduler" and "_target_" in node else None
    place, name = public_name(str(target)).rpartition(".")[::2]
    if place in ("torch.optim", "torch.optim.lr_scheduler", "pytorch_lightning.callbacks"):
        return TABLES[group.partition(".")[0]].get(name) if group.partition(".")[0] in TABLES else None
    known = {key.removeprefix(f"{group}."): entry for key, entry in keys_of().items() if key.startswith(f"{group}.")}
    if f"{place}.{name}" == "pytorch_lightning.Trainer":
        return {key: entry.kind for key, entry in known.items()}
    taken = keys_in_files_by_class().get(f"{place}.{name}")
    if taken is None:
        return None
    everything = f"{place}.{name}" in ANY_CELL
    return {key: entry.kind for key, entry in known.items() if everything or key in taken or entry.added}


@cache
def keys_in_files_by_class() -> dict[str, set[str]]:
    """Return the keys that the shipped files give each of our classes, by public class name."""
    found: dict[str, set[str]] = {}
    for file in sorted(CONF.glob("*/*.yaml")):
        group = file.parent.name
        node = _with_bases(group, file.stem)
        nodes = [*node.values()] if group == "callbacks" else [node]
        for each in nodes:
            if isinstance(each, Mapping) and str(each.get("_target_")).startswith("src."):
                found.setdefault(each["_target_"], set()).update(each)
    return found


def _with_bases(group: str, name: str) -> dict[str, Any]:
    """Return a file's node of its group, merged with the files of the same group that its defaults list."""
    text = (CONF / group / f"{name}.yaml").read_text()
    content = yaml.safe_load(text) or {}
    bases = [entry for entry in content.pop("defaults", []) if isinstance(entry, str) and entry != "_self_"]
    own = content.get(group) or {} if "# @package _global_" in text else content
    merged: dict[str, Any] = {}
    for base in bases:
        merged |= _with_bases(group, base.rpartition("/")[2].partition("@")[0])
    return merged | own
