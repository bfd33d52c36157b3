"""Check a composed config before anything heavy is imported."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from src.config.errors import UserError
from src.config.in_words import no_such_key
from src.config.instantiate import plain, select
from src.config.names import public_key, public_names
from src.config.own_files import refuse_long_lines
from src.config.schema import keys_of
from src.config.schema.arguments import TRAINER_HAS
from src.config.schema.entries import Key, holds, shown, wrong
from src.config.takes import OURS, kinds_of

NEVER_NULL = ("model", "data", "task", "optimizer", "scheduler", "trainer", "callbacks", "paths")
GROUPS = ("experiments", "debug")  # choices that are not keys
# Keys that data sets set.
COMPOSED_UNREAD = dict.fromkeys(("prepare", "new"), ("task", "tuned", "optimizer", "scheduler", "trainer", "callbacks"))


def check(cfg: DictConfig, command: str = "train", keys: Mapping[str, Key] | None = None) -> None:
    """Check a composed config against the schema of its command, a file in ``conf/``, or against ``keys``.

    Raises:
        UserError: a value is missing or not of its key's type, or nothing reads a key; the message names the key,
            what it must be and the value it got.
    """
    if isinstance(node := cfg.get("study"), DictConfig):  # the jobs of a study are composed without it
        name = node.get("name")
        raise UserError(
            f"experiments={name} is a whole study, but this command would train a single run: start it with "
            f"`gatebench train -m experiments={name}`, one study at a time."
        )
    missing = sorted(OmegaConf.missing_keys(cfg))
    if missing:
        raise UserError(f"{missing[0]} must be given, as in {missing[0]}=VALUE.")
    config = plain(cfg)
    check_values(config, command, keys)
    refuse_unknown(config, keys or keys_of(command), referred_to(cfg), COMPOSED_UNREAD.get(command, ()))


def check_values(config: Mapping[str, Any], command: str = "train", keys: Mapping[str, Key] | None = None) -> None:
    """Check the values of a config, given as plain containers in which no value is missing.

    Raises:
        UserError: a value does not have the type of its key.
    """
    for name, key in (keys or keys_of(command)).items():
        node, last = _parent(config, name)
        if last not in node:
            continue
        ours = str(node.get("_target_") or OURS[0]).startswith(OURS)
        kind = (kinds_of(name.rpartition(".")[0], node) or {}).get(last, key.kind)
        if (ours or key.always) and not holds(kind, node[last]):
            raise _wrong(name, kind, node[last])
        if name in NEVER_NULL and node[last] is None and (command == "train" or name == "paths"):
            raise UserError(f"{name} must be a mapping, got null.")
    for name, node in _classes(config):
        for key_name, kind in (kinds_of(name, node) or {}).items():
            if key_name in node and not holds(kind, node[key_name]):
                raise _wrong(f"{name}.{key_name}", kind, node[key_name])
        target = node.get("_target_")
        if "_target_" in node and not (isinstance(target, str) or (target is None and name == "scheduler")):
            raise UserError(f"{name}._target_ must be the name of a class, got {shown(target)}.")
    for name, node in (config.get("callbacks") or {}).items():
        if node is not None and not (isinstance(node, Mapping) and ("_target_" in node or name == "last")):
            raise UserError(f"callbacks.{name} must be a mapping with a _target_, or null, got {shown(node)}.")
    model = config.get("model") or {}
    if former := set(model) - set(public_names(model)):
        old = f"model.{former.pop()}"
        raise UserError(f"{old} has been renamed to {public_key(old)}.")
    if command == "prepare" and "_target_" not in (config.get("data") or {"_target_": None}):
        raise UserError("Choose the data before setting its keys, as in data=csv.")
    if command == "train":
        _check_together(config)


def _wrong(name: str, kind: Any, value: Any) -> UserError:
    """Return the error for a value; for a number given as text, such as an environment variable, with the fix."""
    as_text = ""
    with suppress(ValueError):
        if isinstance(value, str) and holds(kind, json.loads(value)):
            as_text = f""" as text (from the environment, write '{name}="${{oc.decode:${{oc.env:NAME}}}}"')"""
    return UserError(f"{wrong(name, kind, value).removesuffix('.')}{as_text}.")


def check_arguments(group: str, arguments: Mapping[str, Any], theirs: bool = False) -> None:
    """Check arguments given in Python against the schema of a group (data, task), like values of a config.

    ``theirs`` is for a user-supplied class, of which only the keys that every class has are checked.

    Raises:
        UserError: an argument is unknown or does not have the type of its key.
    """
    for name, given in arguments.items():
        key = keys_of().get(f"{group}.{name}")
        if key is None or (theirs and not key.always):
            continue
        value = list(given) if isinstance(given, tuple) else str(given) if isinstance(given, Path) else given
        value = value.item() if hasattr(value, "item") else value
        if not holds(key.kind, value):
            raise UserError(wrong(f"{group}.{name}", key.kind, value))


def _check_together(config: Mapping[str, Any]) -> None:
    """Check the values of a run's keys that depend on each other."""
    seed, data, ckpt = config.get("seed"), config.get("data") or {}, config.get("ckpt")
    trainer, optimizer = config.get("trainer") or {}, config.get("optimizer") or {}
    if data.get("seed", seed) != seed:
        raise UserError(f"data.seed must equal seed={seed}, because runs are paired by seed, got {data['seed']}.")
    if ckpt not in (None, "auto") and not Path(str(ckpt)).is_file():
        raise UserError(f"There is no checkpoint {ckpt}: ckpt must be auto or the path of a run's .ckpt file.")
    if "max_epochs" in trainer and trainer["max_epochs"] is None and trainer.get("max_steps", -1) == -1:
        raise UserError("trainer.max_epochs=null would train forever: set it or trainer.max_steps to a number.")
    if (trainer.get("num_nodes") or 1) > 1 and not trainer.get("strategy"):
        raise UserError("trainer.num_nodes above 1 needs distributed training: choose trainer=ddp.")
    if optimizer.get("dampening") and not optimizer.get("momentum"):
        raise UserError("optimizer.dampening needs an optimizer.momentum above 0.")
    if optimizer.get("nesterov") and not (optimizer.get("momentum") and not optimizer.get("dampening")):
        raise UserError("optimizer.nesterov=true needs an optimizer.momentum above 0 and an optimizer.dampening of 0.")
    path = Path(str(data.get("path"))).expanduser()
    if data.get("_target_") in ("src.data.CSV", "src.data.File") and path.suffix != ".gz" and path.is_file():
        refuse_long_lines(path)


def refuse_unknown(
    config: Mapping[str, Any], keys: Mapping[str, Key], referred: set[str], unread: tuple[str, ...] = ()
) -> None:
    """Refuse a key that is neither in the schema, nor an argument of its node's class, nor referred to by a value.

    Skipped in worker processes of a distributed run, where references are already resolved: the first process has
    checked the config.

    Args:
        config: the config in plain containers.
        keys: the command's schema.
        referred: the keys that values refer to, from :func:`referred_to`.
        unread: groups to skip.

    Raises:
        UserError: nothing reads a key; the message suggests the key that was meant, or the choice that has it.
    """
    if "LOCAL_RANK" in os.environ:
        return
    for name in config:
        if name not in keys and name not in unread and name not in referred:
            sentence = no_such_key(str(name), [*keys, *GROUPS])
            nobody = "" if "did you mean" in sentence else f", and no value refers to it as ${{{name}}}"
            raise UserError(f"{sentence[:-1]}{nobody}.")
    for group, key in keys.items():
        parent, last = _parent(config, group)
        node = parent.get(last)
        if not isinstance(key.kind, Mapping) or not isinstance(node, Mapping) or group == "callbacks":
            continue
        if not str(node.get("_target_") or OURS[0]).startswith(OURS):
            continue
        kinds = kinds_of(group, node)
        for name in node:
            if kinds is None and (node.get("_target_") or f"{group}.{name}" in keys):
                continue
            if name == "_target_" or name in (kinds or {}) or f"{group}.{name}" in referred:
                continue
            if group == "logger" and isinstance(node[name], Mapping):  # a further logger, under its own name
                continue
            _refuse(group, str(name), node, keys)
    for group, node in _classes(config):
        if group.startswith("callbacks.") and (kinds := kinds_of(group, node)) is not None:
            for name in node.keys() - kinds.keys() - {"_target_"}:
                raise UserError(no_such_key(f"{group}.{name}", [*keys, *(f"{group}.{kind}" for kind in kinds)]))


def _refuse(group: str, name: str, node: Mapping[str, Any], keys: Mapping[str, Key]) -> None:
    if group == "trainer" and name in TRAINER_HAS:
        raise UserError(f"trainer.{name} cannot be set: {TRAINER_HAS[name]}.")
    if group == "scheduler" and node.get("_target_") is None:
        raise UserError(f"scheduler.{name} has no effect: scheduler=none has no keys; choose another scheduler.")
    kinds = kinds_of(group, node)
    raise UserError(no_such_key(f"{group}.{name}", keys if kinds is None else [f"{group}.{kind}" for kind in kinds]))


def referred_to(cfg: DictConfig) -> set[str]:
    """Return the keys, and all their parents, to which interpolations refer (under Hydra, those of its config too)."""
    from hydra.core.hydra_config import HydraConfig

    texts = list(_texts(OmegaConf.to_container(cfg, resolve=False)))
    if HydraConfig.initialized():
        own: Any = OmegaConf.to_container(HydraConfig.instance().cfg.hydra, resolve=False)  # type: ignore[union-attr]
        texts += _texts({key: node for key, node in own.items() if key not in ("help", "hydra_help")})
    found: set[str] = set()
    for text in texts:
        while inner := re.search(r"\$\{([^{}]*)\}", text):  # the innermost first
            text = text.replace(inner[0], "")
            for word in re.findall(r"[A-Za-z_][\w.]*", inner[1]):
                names = word.split(".")
                found |= {".".join(names[:depth]) for depth in range(1, len(names) + 1)}
    return found


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        for value in node.values():
            yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)
    elif isinstance(node, str):
        yield node


def _classes(config: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Iterate over the nodes that name a class, by dotted name."""
    groups = [(name, config.get(name)) for name in ("model", "data", "task", "optimizer", "scheduler", "trainer")]
    callbacks = config.get("callbacks")
    if isinstance(callbacks, Mapping):
        groups += [(f"callbacks.{name}", node) for name, node in callbacks.items()]
    return ((name, node) for name, node in groups if isinstance(node, Mapping))


def _parent(config: Mapping[str, Any], key: str) -> tuple[Mapping[str, Any], str]:
    """Return the node that contains a dotted key (empty if there is none) and the key's last name."""
    above, _, name = key.rpartition(".")
    node = select(config, above) if above else config
    return node if isinstance(node, Mapping) else {}, name
