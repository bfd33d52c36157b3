"""A run from Python: what ``gatebench train`` does, with data in memory and keywords in place of keys."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from src.api.data import DIALECT, kept, listed
from src.api.fitted import Fitted
from src.api.words import KEYWORDS, for_python
from src.config.env_file import take_env_file
from src.config.errors import UserError
from src.config.in_words import in_words
from src.config.overrides import override
from src.config.places import CONF, register_resolvers, stamp
from src.config.screen import Sentences
from src.config.shell import check_job, given_keys, quoted, remove_refused, see_working_folder, wrong_line
from src.data.own.forms import reader_of

Overrides = Mapping[str, Any] | Sequence[str]
COLUMNS = ("target", "groups", "times", "features", "text", "split_by")  # keywords that name columns


def fit(
    data: Any,
    y: Any = None,
    *,
    target: Any = None,
    model: Any = "gru",
    groups: Any = None,
    times: Any = None,
    features: Any = None,
    text: Any = None,
    task: str | None = None,
    splits: Any = None,
    split_by: str | None = None,
    lookback: int | None = None,
    horizon: int | None = None,
    batch_size: int | None = None,
    hidden_size: int | None = None,
    budget: int | None = None,
    lr: float | None = None,
    epochs: int | None = None,
    seed: int = 0,
    name: str = "data",
    path: str | Path | None = None,
    runs: str | Path = "runs",
    progress: bool = True,
    overrides: Overrides = (),
) -> Fitted:
    """Train a network on data in memory, choose the best epoch on validation, and measure the test set once.

    The run is that of ``gatebench train``, with the same files in its folder and the same identity for the same data;
    these are kept as a file in ``runs/.data``, by their content.

    >>> fit(frame, target="load", horizon=24, model="lstm", epochs=20)  # doctest: +SKIP

    Args:
        data: a data frame of pandas (a row for each step, or for each sequence); an array (sequences, time[,
            features]); a list of arrays (time[, features]); a ``torch.utils.data.Dataset`` of such, or of pairs (x, y);
            the path of a file; or the name of a set, ``"jsb_chorales"``.
        y: targets of arrays, one for each sequence or for each step; None: the next step is learned.
        target: columns of a data frame that are predicted; None: of a forecast all.
        model: the name of a config in ``conf/model`` (GateBench's or of the working folder), or a class of your own as
            docs/contract.md has it, with arguments by ``functools.partial(Net, depth=2)``.
        groups: the column that tells sequences or series apart.
        times: the column or columns of times.
        features: the columns that are read; None: all of numbers without another part to play.
        text: the column that is read as characters or words.
        task: ``"forecasting"``, ``"classification"``, ``"regression"``, ...; None: found out.
        splits: as ``data.splits`` in docs/file_formats.md, e.g. ``[0.6, 0.2, 0.2]`` or a column.
        split_by: the column whose values (persons, machines) stay in one split each.
        lookback: rows that a forecast reads.
        horizon: rows that are forecast.
        batch_size: sequences in an update.
        hidden_size: units of a layer.
        budget: recurrent parameters, from which the width is solved.
        lr: the learning rate; None: as tuned for data and optimizer.
        epochs: at most; None: 60. Training ends earlier where validation gets no better.
        seed: of order, initialisation and noise; the split does not change with it.
        name: what the data are called in tables and in the name of the run.
        path: the run's folder; None: a new one below ``runs``.
        runs: the folder of runs and of the data that they were given.
        progress: show a bar, and say what was inferred of the data.
        overrides: any other keys, ``{"model.num_layers": 2}`` or ``["model.num_layers=2"]``; ``optimizer="sgd"`` and
            the like choose a config. Without ``logger`` among them nothing but the run's folder is written.

    Raises:
        UserError: in one sentence, when data, model and settings do not go together.
    """
    given = {key: value for key, value in locals().items() if key in KEYWORDS}
    places: list[Any] = []
    try:
        see_working_folder()
        take_env_file(Path.cwd())
        line = [*_data(data, y, Path(runs), name, places), f"model={model if isinstance(model, str) else 'base'}"]
        values = {key: listed(value) if key in COLUMNS else value for key, value in given.items()}
        values = {KEYWORDS[key]: value for key, value in values.items() if value is not None}
        line += _lines(values)
        line += [quoted(each) for each in (_lines(overrides) if isinstance(overrides, Mapping) else overrides)]
        line += [] if "logger" in given_keys(line) else ["logger=csv"]
        line += [f"trainer.enable_progress_bar={str(progress).lower()}"]
        if wrong := wrong_line(line):
            raise UserError(wrong)
        cfg = _composed(line, model)
        with _as_a_command(cfg, line, progress):
            from src.train import train

            Path(cfg.paths.run_dir).mkdir(parents=True, exist_ok=True)
            try:
                train(cfg, shown=False)
            except UserError:
                remove_refused(cfg)
                raise
        path = Path(cfg.paths.run_dir)
        if not (path / "result.json").is_file():  # with ckpt=auto it went on in the folder of an earlier one
            path = (Path(cfg.paths.runs_dir) / "latest").resolve()
        return Fitted(path, None if isinstance(model, str) else _class(model).__module__)
    except Exception as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        said = in_words(error, "train")
        if said.startswith(f"{type(error).__name__}:"):  # a fault of ours, or of the network: its trace is wanted
            raise
        raise UserError(for_python(said, *places)) from None


def _data(data: Any, y: Any, runs: Path, name: str, places: list[Any]) -> list[str]:
    """The overrides that choose the data; where they lie goes to ``places``."""
    if isinstance(data, str) and (CONF / "data" / f"{data}.yaml").is_file() and not Path(data).exists():
        return [f"data={data}"]
    if isinstance(data, str | Path):
        path = Path(data).expanduser()
        return [f"data={reader_of(path) if path.exists() else 'file'}", *_lines({"data.path": path})]
    path = kept(data, y, (runs / ".data").absolute(), name)
    places.append(path)
    dialect = DIALECT if path.suffix == ".csv" else {}
    return [f"data={'csv' if dialect else 'npz'}", *_lines({"data.path": path, **dialect})]


def _lines(settings: Mapping[str, Any]) -> list[str]:
    """Settings as overrides of a command line; the choice of a config is taken as it is, ``"null"`` too."""
    return [
        f"{key}={value}" if "." not in key and isinstance(value, str) else override(key, value)
        for key, value in settings.items()
    ]


def _composed(line: list[str], model: Any) -> DictConfig:
    """The config of a run, checked, and known to Hydra as that of the job at hand."""
    import hydra
    from hydra.core.hydra_config import HydraConfig

    register_resolvers()
    own = [] if isinstance(model, str) else [each for each in line if each.lstrip("+").startswith("model.")]
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = hydra.compose("train", [each for each in line if each not in own], return_hydra_config=True)
    if not isinstance(model, str):
        _use_own(cfg, model, own)
    with open_dict(cfg):
        cfg.paths.run_dir = str(Path(cfg.paths.run_dir or Path(cfg.paths.runs_dir) / stamp()).absolute())
        cfg.hydra.runtime.output_dir = cfg.paths.run_dir
        cfg.hydra.job.num, cfg.hydra.job.id = 0, "0"
        HydraConfig.instance().set_config(cfg)
        del cfg["hydra"]
    OmegaConf.set_readonly(cfg, False)
    check_job(cfg, line)
    return cfg


def _class(model: Any) -> type:
    """The class that is a model, or that a partial fills in.

    Raises:
        UserError: it is none.
    """
    kind = model.func if isinstance(model, partial) else model
    if not isinstance(kind, type) or "<locals>" in kind.__qualname__:
        raise UserError(
            f"model is {kind!r}, and must be the name of a config in conf/model, or a class at the top of a module or "
            "notebook, with its arguments by functools.partial(Net, depth=2); docs/contract.md says what it is."
        )
    return kind


def _use_own(cfg: DictConfig, model: Any, overrides: Sequence[str]) -> None:
    """Put a class of the user's own in the place of the network, with a budget where it is given one."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    kind = _class(model)
    node = dict(model.keywords) if isinstance(model, partial) else {}
    for each in OverridesParser.create().parse_overrides(list(overrides)):
        node[each.key_or_group.partition(".")[2]] = each.value()
    if node.get("budget") is not None:
        width = signature(kind).parameters.get("hidden_size")
        node = {"budget_of": "recurrent", "budget_tolerance": 0.02, **node}
        node = ({"hidden_size": width.default} if width else {}) | node
    with open_dict(cfg):
        cfg.model = {"_target_": f"{kind.__module__}.{kind.__qualname__}", **node}
        cfg.hydra.runtime.choices.model = kind.__name__


class ForPython(Sentences):
    """What is logged, in words for a Python prompt."""

    def format(self, record: logging.LogRecord) -> str:
        """The message."""
        return for_python(super().format(record))


@contextmanager
def _as_a_command(cfg: DictConfig, line: list[str], progress: bool) -> Iterator[None]:
    """The surroundings of a command for a while: its line, and what it logs on the screen."""
    import torch
    from hydra.core.hydra_config import HydraConfig

    argv, threads, ours = sys.argv, torch.get_num_threads(), logging.getLogger("src")
    level, shown = ours.level, logging.StreamHandler(sys.stdout)
    shown.setFormatter(ForPython("%(message)s"))
    shown.setLevel(logging.INFO if progress else logging.WARNING)
    sys.argv = ["src/train.py", *line]
    ours.addHandler(shown)
    ours.setLevel(logging.INFO)
    try:
        with torch.random.fork_rng(devices=[]):  # what the caller draws afterwards does not depend on a run
            yield
    finally:
        sys.argv = argv
        ours.removeHandler(shown)
        ours.setLevel(level)
        torch.set_num_threads(threads)
        HydraConfig.instance().cfg = None
