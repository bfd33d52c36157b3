"""List the keys of a command from the schema: for ``--help`` in a terminal and for docs/config.md.

``python -m src.config.help > docs/config.md`` regenerates the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from src.config.in_words import keys_in_files
from src.config.places import CONF, register_resolvers
from src.config.schema import keys_of
from src.config.schema.commands import COMMANDS, EXAMPLES
from src.config.schema.entries import PLACE, Key, shown, words

HELP = """{title}

{examples}KEY=VALUE sets a key, GROUP=CHOICE a group of keys; add --help to see those keys. --cfg job prints the whole
config, -m runs every combination of comma-separated values (seed=0,1,2), --hydra-help lists Hydra's options. Keys
marked with * do not affect results.
"""
PAGE = """# Configuration keys

All keys of all commands. `gatebench train --help` prints them, with the values for the given choices (as in
`data=csv --help`).
This page is written by `python -m src.config.help > docs/config.md` from `src/config/schema/`.

- **Value** is the default (`???`: must be given), or the choices that have the key.
- **A star** marks keys that do not affect results and are not part of a run's identity.
- **A plus sign** marks keys that are in no config file; add them with that sign.
- Your own networks, tasks and data sets can have any keys. Other arguments of PyTorch's optimizers and schedulers and
  of Lightning's callbacks may be added (`src/config/schema/arguments.py` has their types).
- Unknown keys are refused. So are values on the command line that have no effect in combination with the others
  (`model.chrono_steps` without `initialisation=chrono`); in a file or a sweep they are only reported, and are not
  part of the identity.
"""


def help_text(
    command: str,
    title: str,
    overrides: Iterable[str],
    folder: Path = CONF,
    keys: Mapping[str, Key] | None = None,
) -> str:
    """Return the text of ``--help``, reflecting the choices and values given on the command line.

    The keys are those of the command's schema, or ``keys``; their values come from the config in ``folder``.
    """
    keys = keys or keys_of(command)
    cfg, groups = _composed(command, overrides, folder, keys)
    examples = "".join(f"  python -m src.{command} {example}\n" for example in EXAMPLES.get(command, ()))
    lines = [
        HELP.format(title=title, examples=f"{examples}\n"),
        *(f"{choice}\n      {', '.join(names)}" for choice, names in groups.items()),
    ]
    for name, key in _listed(keys):
        value = _value(cfg, name, key)
        if value or key.added:
            star = "" if key.effect.counts else " *"
            lines.append(f"{'+' * key.added}{name}={value}{star}\n      {key.help}: {words(key.kind)}")
    return "\n".join(lines)


def first_job(overrides: Iterable[str]) -> list[str]:
    """Return the overrides of the first job of a multirun: the first value of each sweep.

    >>> first_job(["model=gru,lstm", "seed=range(3,6)", "name='a,b'"])
    ['model=gru', 'seed=3', "name='a,b'"]
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    return [
        f"{given.get_key_element()}={next(given.sweep_string_iterator())}" if given.is_sweep_override() else text
        for text, given in zip(overrides, OverridesParser.create().parse_overrides([*overrides]), strict=True)
    ]


def page() -> str:
    """docs/config.md."""
    lines, files = [PAGE], keys_in_files()
    for command in COMMANDS:
        cfg, _ = _composed(command, (), CONF, keys_of(command))
        headings: list[str] = []
        for name, key in _listed(keys_of(command)):
            if command != "train" and keys_of().get(name) == key:
                continue  # paths and data are the same as for train
            heading = name.partition(".")[0] if command == "train" and "." in name else command
            if heading not in headings:
                headings.append(heading)
                what = f"`gatebench {command}`" if heading == command else keys_of()[heading].help
                lines += ["", f"## {heading}: {what}", "", "| key | value | must be | meaning |", "|---|---|---|---|"]
            value = f"`{value}`" if (value := _value(cfg, name, key)) else ", ".join(files.get(name, ()))
            star = "" if key.effect.counts else " *"
            lines.append(f"| `{'+' * key.added}{name}`{star} | {value} | {words(key.kind)} | {key.help} |")
    return "\n".join(lines) + "\n"


def _composed(
    command: str, overrides: Iterable[str], folder: Path, keys: Mapping[str, Key]
) -> tuple[DictConfig, dict[str, list[str]]]:
    """Return the config of a command and the options of each config group."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    register_resolvers()
    with initialize_config_dir(str(folder), version_base="1.3"):
        cfg = compose(command, [*overrides], return_hydra_config=True)
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        chosen, known = cfg.hydra.runtime.choices, (*keys, "experiments", "debug")
        return cfg, {
            f"{group}={shown(chosen[group])}": [name for name in names if not name.startswith("base")]
            for group in sorted(set(chosen) & set(known), key=known.index)
            if len(names := hydra.config_loader.get_group_options(group)) > 1
        }


def _listed(keys: Mapping[str, Key]) -> Iterator[tuple[str, Key]]:
    return ((name, key) for name, key in keys.items() if not isinstance(key.kind, dict) and name != "hydra")


def _value(cfg: DictConfig, name: str, key: Key) -> str:
    """Return the value of a key, a path as its file has it; empty if there is none."""
    above, _, last = name.rpartition(".")
    node = OmegaConf.select(cfg, above) if above else cfg
    if not isinstance(node, DictConfig) or last not in list(node):
        return ""
    if key.effect is PLACE or OmegaConf.is_missing(node, last):
        raw: Any = OmegaConf.to_container(node)
        return shown(raw[last])
    value = OmegaConf.select(cfg, name)
    return shown(OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value)


if __name__ == "__main__":
    print(page(), end="")
