"""All named data sets: what they are, and whether their files are here."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from rich.table import Table

from src.config.instantiate import find_class
from src.config.places import CONF
from src.data.download import Source


def named_sets() -> dict[str, Source]:
    """Where each named set comes from, by its config's name, gathered from the classes that ``conf/data`` names."""
    sources: dict[str, Source] = {}
    for node in _configs().values():
        sources |= find_class(node["_target_"]).sources
    return dict(sorted(sources.items()))


def own_sets() -> list[str]:
    """The configs of data sets that read a file of the user's: those that want a ``data.path``."""
    # A value that must still be given (???) counts as absent to `in node`.
    return [name for name, node in _configs().items() if "path" in list(node)]


def _configs() -> dict[str, DictConfig]:
    """What ``conf/data`` says of each data set, by name."""
    nodes = {file.stem: OmegaConf.select(OmegaConf.load(file), "data") for file in (CONF / "data").glob("*.yaml")}
    return {name: node for name, node in sorted(nodes.items()) if node is not None and "_target_" in node}


def listing(data_dir: Path) -> Table:
    """A table of all named sets, and whether their files are here; they are verified when they are read."""
    table = Table(title=f"Data sets; files in {data_dir}", title_justify="left")
    for heading in ("data=", "task", "size", "licence", "files"):
        table.add_column(heading, no_wrap=heading == "data=", overflow="fold")
    for name, source in named_sets().items():
        here, wanted = sum((data_dir / file.path).exists() for file in source.files), len(source.files)
        presence = "needs no file" if not wanted else f"{here} of {wanted} files" if 0 < here < wanted else "here"
        table.add_row(name, source.task, source.size, source.licence, presence if here or not wanted else "not here")
    return table
