"""Train from Python: ``gatebench train`` with data in memory and keywords instead of keys."""

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
        epochs: largest number; None: that of the data set, or 60. Early stopping ends training earlier.
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
        if not (path / "result.json").is_file():  # with ckpt=auto it resumed in the folder of an earlier run
            path = (Path(cfg.paths.runs_dir) / "latest").resolve()
        return Fitted(path, None if isinstance(model, str) else _class(model).__module__)


def _configured(line: list[str], model: Any) -> DictConfig:
    """Return the checked config of a run, and register it with Hydra as the current job's."""
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
