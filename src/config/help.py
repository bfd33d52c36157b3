"""What a command can be told, from the schema: for ``--help`` at a terminal and for docs/config.md.

``python -m src.config.help > docs/config.md`` writes the page again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from omegaconf import DictConfig, OmegaConf

from src.config.in_words import keys_in_files
from src.config.places import CONF, register_resolvers
from src.config.schema import keys_of
from src.config.schema.commands import COMMANDS
from src.config.schema.entries import ADDED, Entry, shown, words

HELP = """{title}

KEY=VALUE sets a key, GROUP=CHOICE a group of keys: --help behind it shows those. --cfg job prints the whole config, -m
runs every combination of listed values (seed=0,1,2), --hydra-help says what Hydra can do. * changes no number.
"""
PAGE = """# Every key of every command

Written by `python -m src.config.help > docs/config.md` from the schema in `src/config/schema/`, which every value is
held against before a command begins. `python -m src.train --help` says the same, with the values of the choices that
are made beside it (`data=csv --help`). Here stands the value without any choice, or else which choices have the key. A
key with a star changes no number and is no part of a run's identity; one with a plus sign is in no file and is added
with that sign. A network, task or data set of your own takes whatever keys it likes.
"""


def help_text(command: str, title: str, overrides: Iterable[str]) -> str:
    """What ``--help`` prints.

    Args:
        command: by its file in ``conf/``.
        title: one line.
        overrides: choices and values given beside ``--help``.
    """
    cfg, groups = _composed(command, overrides)
    lines = [HELP.format(title=title), *(f"{choice}\n      {', '.join(names)}" for choice, names in groups.items())]
    for key, entry in _listed(command):
        value = _value(cfg, key)
        if value or ADDED in entry.marks:
            star = "" if entry.counts else " *"
            lines.append(f"{'+' * (ADDED in entry.marks)}{key}={value}{star}\n      {entry.help}: {words(entry.kind)}")
    return "\n".join(lines)


def page() -> str:
    """docs/config.md."""
    lines, files = [PAGE], keys_in_files()
    for command in COMMANDS:
        cfg, _ = _composed(command, ())
        heading = ""
        for key, entry in _listed(command):
            group = key.partition(".")[0] if command == "train" and "." in key else command
            if command != "train" and keys_of().get(key) == entry:
                continue
            if group != heading:
                heading = group
                what = f"`python -m src.{command}`" if group == command else keys_of()[group].help
                lines += ["", f"## {group}: {what}", "", "| key | value | must be | |", "|---|---|---|---|"]
            value = _value(cfg, key)
            value = f"`{value}`" if value else ", ".join(files.get(key, ()))
            name = f"{'+' * (ADDED in entry.marks)}{key}`" + ("" if entry.counts else " *")
            lines.append(f"| `{name} | {value} | {words(entry.kind)} | {entry.help} |")
    return "\n".join(lines) + "\n"


def _composed(command: str, overrides: Iterable[str]) -> tuple[DictConfig, dict[str, list[str]]]:
    """The config of a command, and what may be chosen in the place of each choice."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    register_resolvers()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose(command, [*overrides], return_hydra_config=True)
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        chosen, known = cfg.hydra.runtime.choices, (*keys_of(command), "experiments", "debug")
        return cfg, {
            f"{group}={shown(chosen[group])}": [name for name in names if not name.startswith("base")]
            for group in sorted(set(chosen) & set(known), key=known.index)
            if len(names := hydra.config_loader.get_group_options(group)) > 1
        }


def _listed(command: str) -> Iterator[tuple[str, Entry]]:
    return ((key, entry) for key, entry in keys_of(command).items() if entry.group is None and key != "hydra")


def _value(cfg: DictConfig, key: str) -> str:
    """The value under a key, as the file has it where it differs from machine to machine; nothing without the key."""
    above, _, name = key.rpartition(".")
    node = OmegaConf.select(cfg, above) if above else cfg
    if not isinstance(node, DictConfig) or name not in list(node):
        return ""
    raw = OmegaConf.to_container(node)[name]  # type: ignore[index]
    if raw == "???" or "oc.env" in str(raw):
        return str(raw)
    value = OmegaConf.select(cfg, key)
    return shown(OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value)


if __name__ == "__main__":
    print(page(), end="")
