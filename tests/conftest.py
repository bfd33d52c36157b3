"""Configs composed as the command line would, with every file in the test's own folder."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from omegaconf import DictConfig

from src.config.places import CONF, register_resolvers

# A shell ignores Ctrl-C for what it starts in the background, and some tests send it to themselves.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Triton looks at this when it is imported, whoever imports it first.
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"


@pytest.fixture(autouse=True)
def no_handlers_stay() -> Iterator[None]:
    """What a command that ran in this process logs to goes with the test: it is a stream that pytest closes."""
    before = list(logging.root.handlers)
    yield
    for handler in set(logging.root.handlers) - set(before):
        if type(handler) in (logging.StreamHandler, logging.FileHandler):
            logging.root.removeHandler(handler)
            handler.close()


@pytest.fixture(autouse=True)
def no_modules_stay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Modules that a test imported from a folder of its own go with it, as does the folder from the search path."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    base = str(tmp_path_factory.getbasetemp())
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(base):
            del sys.modules[name]


QUICK = ("model.hidden_size=16", "trainer.max_epochs=2", "logger=csv", "trainer.enable_progress_bar=false")


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for data and caches that all tests of this run share (the archive is slow to parse)."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if base.name.startswith("popen-") else base


@pytest.fixture
def compose(places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., DictConfig]:
    """``compose("model=lstm", ...)`` gives the config of ``python -m src.train model=lstm ...``."""
    monkeypatch.setenv("GATEBENCH_CACHE_DIR", str(places / "derived"))
    register_resolvers()

    def composed(*overrides: str, config_name: str = "train", folder: Path = CONF) -> DictConfig:
        with initialize_config_dir(str(folder), version_base="1.3"):
            runs = [f"paths.runs_dir={tmp_path / 'runs'}"] if config_name == "train" else []
            return hydra_compose(config_name, overrides=[*runs, *overrides])

    return composed


@pytest.fixture
def quick(compose: Callable[..., DictConfig]) -> Callable[..., DictConfig]:
    """The same, two epochs of a small network with metrics.csv alone."""
    return lambda *overrides: compose(*QUICK, *overrides)
