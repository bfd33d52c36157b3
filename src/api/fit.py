"""Train from Python: ``gatebench train`` with data in memory and keywords instead of keys."""

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
    """Train a network on data in memory, choose the best epoch on validation, and evaluate it on the test set once.

    The run equals one of ``gatebench train``, with the same files in its folder and the same identity for the same
    data, which are stored by content in ``runs/.data``.

    >>> fit(frame, target="load", horizon=24, model="lstm", epochs=20)  # doctest: +SKIP

    Args:
        data: a pandas data frame (one row per step, or per sequence); an array (sequences, time[, features]); a list of
            arrays (time[, features]); a ``torch.utils.data.Dataset`` of such arrays, or of pairs (x, y); the path of a
            file; or the name of a data set such as ``"jsb_chorales"``.
        y: targets for arrays, one per sequence or per step; None: predict the next step.
        target: columns of a data frame to predict; None: all, for forecasts.
        model: the name of a config in ``conf/model`` (GateBench's or the working folder's), or a class of your own that
            follows docs/contract.md, with arguments given by ``functools.partial(Net, depth=2)``.
        groups: the column that identifies sequences or series.
        times: the time column or columns.
        features: the input columns; None: all numeric ones without another role.
        text: the column to read as characters or words.
        task: ``"forecasting"``, ``"classification"``, ``"regression"``, ...; None: inferred.
        splits: as ``data.splits`` in docs/file_formats.md, e.g. ``[0.6, 0.2, 0.2]`` or a column.
        split_by: the column whose values (persons, machines) are never divided between splits.
        lookback: rows that a forecast reads.
        horizon: rows to forecast.
        batch_size: sequences per update.
        hidden_size: units per layer.
        budget: recurrent parameters, from which the width is solved.
        lr: the learning rate; None: as tuned for data and optimizer.
        epochs: largest number; None: 60. Early stopping ends training earlier.
        seed: seed of order, initialisation and noise; the split does not depend on it.
        name: the name of the data in tables and in the run's name.
        path: the run's folder; None: a new one below ``runs``.
        runs: the folder for runs and for their data.
        progress: show a progress bar, and report inferences about the data.
        overrides: any other keys, ``{"model.num_layers": 2}`` or ``["model.num_layers=2"]``; ``optimizer="sgd"`` and
            similar ones choose a config. Unless ``logger`` is among them, only the run's folder is written.

    Raises:
        UserError: data, model and settings do not go together.
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
        if not (path / "result.json").is_file():  # with ckpt=auto it resumed in the folder of an earlier run
            path = (Path(cfg.paths.runs_dir) / "latest").resolve()
        return Fitted(path, None if isinstance(model, str) else _class(model).__module__)
    except Exception as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        said = in_words(error, "train")
        if said.startswith(f"{type(error).__name__}:"):  # a bug here or in the network: keep its stack trace
            raise
        raise UserError(for_python(said, *places)) from None


def _data(data: Any, y: Any, runs: Path, name: str, places: list[Any]) -> list[str]:
    """Return the overrides that choose the data, and add their location to ``places``."""
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
    """Return settings as command-line overrides; the choice of a config is used unchanged, even ``"null"``."""
    return [
        f"{key}={value}" if "." not in key and isinstance(value, str) else override(key, value)
        for key, value in settings.items()
    ]


def _composed(line: list[str], model: Any) -> DictConfig:
    """Return the checked config of a run, and register it with Hydra as the current job's."""
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
    """Return the class of a model, or the class behind a partial.

    Raises:
        UserError: the model is not a class.
    """
    kind = model.func if isinstance(model, partial) else model
    if not isinstance(kind, type) or "<locals>" in kind.__qualname__:
        raise UserError(
            f"model must be the name of a config in conf/model, or a class at the top of a module or notebook, with "
            f"arguments given by functools.partial(Net, depth=2), got {kind!r}; see docs/contract.md."
        )
    return kind


def _use_own(cfg: DictConfig, model: Any, overrides: Sequence[str]) -> None:
    """Replace the network by a class of the user's own, with a budget if one is given."""
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
    """Format log messages for a Python prompt."""

    def format(self, record: logging.LogRecord) -> str:
        """The message."""
        return for_python(super().format(record))


@contextmanager
def _as_a_command(cfg: DictConfig, line: list[str], progress: bool) -> Iterator[None]:
    """Emulate a command temporarily: its command line, and its log on the screen."""
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
        with torch.random.fork_rng(devices=[]):  # the caller's random numbers must not depend on a run
            yield
    finally:
        sys.argv = argv
        ours.removeHandler(shown)
        ours.setLevel(level)
        torch.set_num_threads(threads)
        HydraConfig.instance().cfg = None
