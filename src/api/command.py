"""A command called from Python: keywords to overrides, the config, the environment, and error messages."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from src.api.data import DIALECT, STORE, kept, listed
from src.api.words import KEYWORDS, for_python
from src.config.env_file import take_env_file
from src.config.errors import UserError
from src.config.in_words import in_words
from src.config.overrides import override
from src.config.places import CONF, register_resolvers
from src.config.screen import Sentences
from src.config.shell import THREADS, quoted, see_working_folder, wrong_line
from src.data.own.forms import reader_of

Overrides = Mapping[str, Any] | Sequence[str]
COLUMNS = ("target", "groups", "times", "features", "text", "split_by")  # keywords that name columns


@contextmanager
def refusing(command: str, places: Sequence[object]) -> Iterator[None]:
    """Turn errors raised in the block into one sentence for Python.

    Args:
        command: the command whose keys appear in messages.
        places: files in which data from memory are stored; filled while the block runs.

    Raises:
        UserError: the user made a mistake; errors in our code or in the network are raised unchanged.
        KeyboardInterrupt: Lightning was interrupted, which it turns into an exit.
    """
    try:
        yield
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    except Exception as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        said = in_words(error, command)
        if said.startswith(f"{type(error).__name__}:"):  # not a message of ours
            raise
        raise UserError(for_python(said, *places)) from None


def data_line(data: Any, y: Any, runs: Path, name: str, places: list[Any]) -> list[str]:
    """Return the overrides that choose the data; the file of data from memory is added to ``places``.

    Raises:
        UserError: the data are of an unsupported type or shape.
    """
    if isinstance(data, str) and (CONF / "data" / f"{data}.yaml").is_file() and not Path(data).exists():
        return [f"data={data}"]
    if isinstance(data, str | Path):
        path = Path(data).expanduser()
        return [f"data={reader_of(path) if path.exists() else 'file'}", *_lines({"data.path": path})]
    path = kept(data, y, (runs / STORE).absolute(), name)
    places.append(path)
    dialect = {f"data.{key}": sign for key, sign in DIALECT.items()} if path.suffix == ".csv" else {}
    return [f"data={'csv' if dialect else 'npz'}", *_lines({"data.path": path, **dialect})]


def keyword_line(given: Mapping[str, Any], overrides: Overrides) -> list[str]:
    """Return the overrides for keywords that are not None (:data:`src.api.words.KEYWORDS`), and any further ones."""
    values = {key: listed(value) if key in COLUMNS else value for key, value in given.items() if key in KEYWORDS}
    line = _lines({KEYWORDS[key]: value for key, value in values.items() if value is not None})
    return line + [quoted(each) for each in (_lines(overrides) if isinstance(overrides, Mapping) else overrides)]


def _lines(settings: Mapping[str, Any]) -> list[str]:
    """Return settings as overrides; the choice of a config is used unchanged, even ``"null"``."""
    return [
        f"{key}={value}" if "." not in key and isinstance(value, str) else override(key, value)
        for key, value in settings.items()
    ]


def composed(command: str, line: list[str], own: Sequence[str] = ()) -> DictConfig:
    """Return the config of a command, including the node ``hydra``; call it inside :func:`as_a_command`.

    Args:
        command: name of the command.
        line: all overrides.
        own: those among them that are not for Hydra.

    Raises:
        UserError: a key is given twice, or an override does not have the form KEY=VALUE.
    """
    import hydra

    if wrong := wrong_line(line, command):
        raise UserError(wrong)
    return hydra.compose(command, [each for each in line if each not in own], return_hydra_config=True)


class _Said(logging.Handler):
    """A log handler that rewords messages for Python."""

    def __init__(self, say: Callable[[str], None], level: int) -> None:
        super().__init__(level)
        self.say = say
        self.setFormatter(Sentences("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.say(for_python(self.format(record)))


@contextmanager
def as_a_command(command: str, line: list[str], progress: bool, say: Callable[[str], None] = print) -> Iterator[None]:
    """Provide the environment of a command while the block runs: its command line, Hydra, and its log messages.

    Args:
        command: name of the command.
        line: its overrides.
        progress: pass on log messages below warnings as well.
        say: receives the log messages.
    """
    import hydra
    import torch
    from hydra.core.hydra_config import HydraConfig

    argv, threads, ours = sys.argv, torch.get_num_threads(), logging.getLogger("src")
    level, shown = ours.level, _Said(say, logging.INFO if progress else logging.WARNING)
    environment = {name: os.environ.get(name) for name in THREADS}
    main = threading.current_thread() is threading.main_thread()
    interrupt = signal.getsignal(signal.SIGINT)
    sys.argv = [f"src/{command}.py", *line]
    ours.addHandler(shown)
    ours.setLevel(logging.INFO)
    see_working_folder()
    take_env_file(Path.cwd())
    register_resolvers()
    try:
        # The caller's random numbers must not depend on the run.
        with hydra.initialize_config_dir(str(CONF), version_base="1.3"), torch.random.fork_rng(devices=[]):
            yield
    finally:
        sys.argv = argv
        ours.removeHandler(shown)
        ours.setLevel(level)
        torch.set_num_threads(threads)
        HydraConfig.instance().cfg = None
        for name, value in environment.items():
            os.environ.pop(name, None)
            os.environ |= {} if value is None else {name: value}
        if main and signal.getsignal(signal.SIGINT) is not interrupt:  # Lightning ignores further Ctrl-C for good
            signal.signal(signal.SIGINT, interrupt)
