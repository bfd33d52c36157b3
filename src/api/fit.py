"""A run from Python: what ``gatebench train`` does, with data in memory and keywords in place of keys."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from src.api.command import Overrides, as_a_command, composed, data_line, keyword_line, refusing
from src.api.fitted import Fitted
from src.config.errors import UserError
from src.config.places import stamp
from src.config.shell import check_job, given_keys, remove_refused


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
        splits: as ``data.splits`` in docs/own_data.md, e.g. ``[0.6, 0.2, 0.2]`` or a column.
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
    given, places = dict(locals()), list[Any]()
    with refusing("train", places):
        line = [*data_line(data, y, Path(runs), name, places), f"model={model if isinstance(model, str) else 'base'}"]
        line += keyword_line(given, overrides)
        line += [] if "logger" in given_keys(line) else ["logger=csv"]
        line += [f"trainer.enable_progress_bar={str(progress).lower()}"]
        with as_a_command("train", line, progress):
            cfg = _configured(line, model)
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


def _configured(line: list[str], model: Any) -> DictConfig:
    """The config of a run, checked, and known to Hydra as that of the job at hand."""
    from hydra.core.hydra_config import HydraConfig

    own = [] if isinstance(model, str) else [each for each in line if each.lstrip("+").startswith("model.")]
    cfg = composed("train", line, own)
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
