"""The catalogue of named data sets, and whether their files are present."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from rich.table import Table

from src.config.instantiate import find_class
from src.config.places import CONF
from src.data.download import Source


def named_sets() -> dict[str, Source]:
    """Return the origin of each named set by config name, gathered from the classes named in ``conf/data``."""
    sources: dict[str, Source] = {}
    for node in _configs().values():
        sources |= find_class(node["_target_"]).sources
    return dict(sorted(sources.items()))


def own_sets() -> list[str]:
    """Return the configs of data sets that read a file of the user's own: those with a required ``data.path``."""
    # A required value without a default (???) counts as absent for `in node`.
    return [name for name, node in _configs().items() if "path" in list(node)]


def _configs() -> dict[str, DictConfig]:
    """Return the config of each data set in ``conf/data``, by name."""
    nodes = {file.stem: OmegaConf.select(OmegaConf.load(file), "data") for file in (CONF / "data").glob("*.yaml")}
    return {name: node for name, node in sorted(nodes.items()) if node is not None and "_target_" in node}


def listing(data_dir: Path) -> Table:
    """Return a table of all named sets and whether their files are present; they are verified when read."""
    table = Table(title=f"Data sets; files in {data_dir}", title_justify="left")
    for heading in ("data=", "task", "size", "licence", "files"):
        table.add_column(heading, no_wrap=heading == "data=", overflow="fold")
    for name, source in named_sets().items():
        here, wanted = sum((data_dir / file.path).exists() for file in source.files), len(source.files)
        presence = "needs no file" if not wanted else f"{here} of {wanted} files" if 0 < here < wanted else "complete"
        table.add_row(name, source.task, source.size, source.licence, presence if here or not wanted else "not here")
    return table
