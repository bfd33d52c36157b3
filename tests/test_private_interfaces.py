"""What we lean on in other libraries without their promise is as it was: a test for each row of its list.

The list is docs/private_interfaces.md. A test that fails says which row has moved, and which file to look at.
"""

import ast
import importlib
import inspect
import logging
import math
import re
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "docs" / "private_interfaces.md"


class Row(NamedTuple):
    """One interface: what, why, and the files that lean on it."""

    what: str
    why: str
    where: list[str]


def read_rows() -> list[Row]:
    table = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", LIST.read_text(), re.MULTILINE)
    return [Row(what, why, re.findall(r"`([^`]+)`", where)) for what, why, where in table if what != "what"]


ROWS = {row.what: row for row in read_rows()}
CHECKS: dict[str, Callable[[], None]] = {}


def check(what: str) -> Callable[[FunctionType], FunctionType]:
    """Make a function the test of a row."""

    def keep(function: FunctionType) -> FunctionType:
        CHECKS[what] = function
        return function

    return keep


def hold(row: Row, function: Callable[[], None]) -> None:
    """Run a check.

    Raises:
        AssertionError: one sentence with the row and its files.
    """
    try:
        function()
    except (AssertionError, AttributeError, ImportError, TypeError, KeyError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise AssertionError(
            f"{row.what} is no longer what it was ({reason}): look at {', '.join(row.where)}, which lean on it, then "
            f"at its row in {LIST.relative_to(ROOT)}."
        ) from error


def names_in(function: Any) -> set[str]:
    """The attributes and globals that a function's code names."""
    return set(inspect.unwrap(function).__code__.co_names)


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def says(package: str, words: str) -> bool:
    """Whether the source of an installed package has these words."""
    (folder,) = importlib.import_module(package).__path__
    return any(words in file.read_text(errors="ignore") for file in Path(folder).rglob("*.py"))


# --------------------------------------------------------------------------------------------------------- Lightning


class Seen(pl.Callback):
    """Notes what Lightning does in a fit."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.facts: dict[str, Any] = {}

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.facts["fn"] = trainer.state.fn

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.events.append("callback")
        self.facts |= {"datamodule": trainer.datamodule, "schedulers": trainer.lr_scheduler_configs}  # type: ignore[attr-defined]


class Last(pl.callbacks.Checkpoint):
    def __init__(self, events: list[str]) -> None:
        self.events = events

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.events.append("checkpoint")


class Book(pl.loggers.logger.Logger):
    """A logger that notes when it is called."""

    name = version = ""

    def __init__(self, events: list[str]) -> None:
        super().__init__()
        self.events = events

    def log_graph(self, *_: Any) -> None:
        self.events.append("graph")

    def log_metrics(self, *_: Any, **__: Any) -> None:
        self.events.append("metrics")

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        pass


class Blocks(pl.profilers.PassThroughProfiler):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def profile(self, action_name: str) -> Any:
        self.names.append(action_name)
        return nullcontext()


class Line(pl.LightningModule):
    """One weight and a plateau scheduler that only its owner steps."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def training_step(self, batch: torch.Tensor, _: int) -> torch.Tensor:
        self.log("loss", loss := (batch * self.weight).mean(), on_epoch=True)
        return loss

    def validation_step(self, batch: torch.Tensor, _: int) -> None:
        self.log("metric", batch.mean())

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
        config = {"scheduler": scheduler, "monitor": "metric", "frequency": 2**63 - 1}
        return {"optimizer": optimizer, "lr_scheduler": config}


class Numbers(pl.LightningDataModule):
    def train_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(torch.ones(2, 1))

    val_dataloader = train_dataloader


def quiet_trainer(**settings: Any) -> pl.Trainer:
    nothing = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    return pl.Trainer(accelerator="cpu", devices=1, **{**nothing, "enable_checkpointing": False, **settings})


class Fit(NamedTuple):
    """A fit of two epochs, and what was seen in it."""

    trainer: pl.Trainer
    data: Numbers
    seen: Seen
    blocks: Blocks


@cache
def fit() -> Fit:
    """One for all checks that ask for it."""
    seen, data, blocks = Seen(), Numbers(), Blocks()
    trainer = quiet_trainer(
        max_epochs=2, callbacks=[Last(seen.events), seen], logger=Book(seen.events), profiler=blocks,
        enable_checkpointing=True, num_sanity_val_steps=0, log_every_n_steps=1,
    )  # fmt: skip
    with warnings.catch_warnings(action="ignore"):
        trainer.fit(Line(), datamodule=data)
    return Fit(trainer, data, seen, blocks)


@check("`_SubprocessScriptLauncher`")
def _() -> None:
    from pytorch_lightning.strategies.launchers.subprocess_script import _SubprocessScriptLauncher as Launcher

    assert parameters(Launcher) == ["cluster_environment", "num_processes", "num_nodes"]
    assert "_call_children_scripts" in names_in(Launcher.launch)
    assert {"_check_can_spawn_children", "procs"} <= names_in(Launcher._call_children_scripts)
    assert "procs" in names_in(Launcher.kill)


@check("`DDPStrategy._configure_launcher`")
def _() -> None:
    from pytorch_lightning.strategies import DDPStrategy

    assert {"_launcher", "cluster_environment", "num_processes", "num_nodes"} <= names_in(
        DDPStrategy._configure_launcher
    )


@check("`FitLoop._iteration_based_training`")
def _() -> None:
    loop = quiet_trainer(max_epochs=3, max_steps=5).fit_loop
    assert loop._iteration_based_training() is True
    assert "_iteration_based_training" in names_in(type(loop).restarting.fset)


@check("`_FitLoop.skip`")
def _() -> None:
    from pytorch_lightning.loops.fit_loop import _FitLoop

    loop = quiet_trainer().fit_loop
    assert type(loop) is _FitLoop
    assert isinstance(_FitLoop.skip, property)
    assert "skip" in names_in(_FitLoop.run)
    assert loop.max_batches == math.inf


@check("`EarlyStopping._check_on_train_epoch_end`")
def _() -> None:
    stopping = pl.callbacks.EarlyStopping
    assert stopping("x")._check_on_train_epoch_end is None
    for hook in (stopping.on_validation_end, stopping.on_train_epoch_end):
        assert "_check_on_train_epoch_end" in names_in(hook)


@check("`Trainer.callback_metrics`")
def _() -> None:
    metrics = fit().trainer.callback_metrics
    assert {"loss", "metric"} <= metrics.keys()
    metrics["more"] = torch.tensor(1.0)
    assert fit().trainer.callback_metrics.pop("more") == 1.0


@check("`Trainer.callbacks`")
def _() -> None:
    assert fit().seen in fit().trainer.callbacks


@check("`Trainer.datamodule`")
def _() -> None:
    assert fit().seen.facts["datamodule"] is fit().data


@check("`Trainer.lr_scheduler_configs`")
def _() -> None:
    (config,) = fit().seen.facts["schedulers"]
    assert config.reduce_on_plateau
    assert config.scheduler.last_epoch == 0, "Lightning has stepped the scheduler"


@check("`Trainer.state`")
def _() -> None:
    assert fit().seen.facts["fn"] == "fit"


@check("`Checkpoint` callbacks come last")
def _() -> None:
    ends = [event for event in fit().seen.events if event in ("callback", "checkpoint")]
    assert ends == ["callback", "checkpoint"] * 2


@check("`Profiler.profile`")
def _() -> None:
    assert "run_training_batch" in fit().blocks.names


@check("`Logger.log_graph`")
def _() -> None:
    events = [event for event in fit().seen.events if event in ("graph", "metrics")]
    assert events[0] == "graph"
    assert events.count("graph") == 1


@check("`rank_zero_only.rank`")
def _() -> None:
    from pytorch_lightning.utilities.rank_zero import rank_zero_only

    assert rank_zero_only.rank == 0


@check("`rank_zero_experiment`")
def _() -> None:
    from lightning_fabric.loggers.logger import rank_zero_experiment

    class Mine:
        experiment = property(rank_zero_experiment(lambda self: "run"))

    assert Mine().experiment == "run"


@check("`WandbLogger._wandb_init`")
def _() -> None:
    from pytorch_lightning.loggers import WandbLogger

    logger = WandbLogger(name="n", save_dir=ROOT, version="id", project="p", group="g", config={"a": 1})
    expected = {"name": "n", "id": "id", "project": "p", "group": "g", "config": {"a": 1}}
    assert expected.items() <= logger._wandb_init.items()
    assert logger._experiment is None
    assert "_attach_id" in WandbLogger.__getstate__.__code__.co_consts


@check("`SIGTERMException`")
def _() -> None:
    from pytorch_lightning.utilities.exceptions import SIGTERMException

    assert says("pytorch_lightning", "raise SIGTERMException")
    assert issubclass(SIGTERMException, SystemExit)


@check("loggers `pytorch_lightning`, `lightning_fabric`")
def _() -> None:
    known = logging.root.manager.loggerDict
    assert {"pytorch_lightning.trainer.trainer", "pytorch_lightning.profilers.profiler"} <= known.keys()
    assert any(name.startswith("lightning_fabric.") for name in known)


@check("Lightning's reminders")
def _() -> None:
    for package, words in (
        ("torch.utils", "`isinstance(treespec, LeafSpec)` is deprecated"),
        ("pytorch_lightning", "does not have many workers"),
        ("pytorch_lightning", "sync_dist=True"),
        ("pytorch_lightning", "is smaller than the logging interval"),
        ("lightning_fabric", "The `srun` command is available on your system but is not used"),
        ("pytorch_lightning", "exists and is not empty"),
    ):
        assert says(package, words), words


# ------------------------------------------------------------------------------------------------------------- wandb


@check("`wbauth.authenticate_session`")
def _() -> None:
    from wandb.sdk.lib import wbauth

    assert {"host", "source", "prompt", "update_session"} <= set(parameters(wbauth.authenticate_session))


@check("`wandb.setup().settings`")
def _() -> None:
    import wandb

    settings = wandb.Settings(mode="offline")
    assert "settings" in dir(wandb.setup())
    assert "mode" in settings.model_fields_set
    assert settings.base_url.startswith("https://")


@check("`Settings.finish_timeout_raises`")
def _() -> None:
    import wandb

    settings = wandb.Settings(finish_timeout=1.0, finish_timeout_raises=True, init_timeout=2.0, silent=True)
    assert (settings.finish_timeout, settings.finish_timeout_raises, settings.init_timeout) == (1.0, True, 2.0)


@check("`Run.starting_step`")
def _() -> None:
    import wandb

    assert isinstance(wandb.Run.starting_step, property)


@check("`Settings.sync_dir`")
def _() -> None:
    import wandb

    settings = wandb.Settings(mode="offline", run_id="mine", root_dir="/there")
    assert re.fullmatch(r"/there/wandb/offline-run-.*-mine", settings.sync_dir)
    assert settings.sync_file == f"{settings.sync_dir}/run-mine.wandb"


@check("`.wandb.synced`")
def _() -> None:
    assert says("wandb.cli", '.with_suffix(".wandb.synced").exists()')


@check("`wandb.teardown`")
def _() -> None:
    import wandb

    assert parameters(wandb.teardown)[:1] in ([], ["exit_code"])


@check("`Workspace._to_model`")
def _() -> None:
    import wandb_workspaces.workspaces as spaces

    text = spaces.Workspace(entity="me", project="gatebench", name="mine")._to_model().model_dump_json(by_alias=True)
    assert "mine" in text


# ------------------------------------------------------------------------------------------------------------- Hydra


@check("`JobReturn._return_value`")
def _() -> None:
    from hydra.core.utils import JobReturn, JobStatus

    job, error = JobReturn(), ValueError("mine")
    job.return_value, job.status = error, JobStatus.FAILED
    assert job._return_value is error


@check("`ConfigLoader.load_sweep_config`")
def _() -> None:
    from hydra.core.config_loader import ConfigLoader
    from hydra.types import HydraContext

    assert parameters(ConfigLoader.load_sweep_config) == ["self", "master_config", "sweep_overrides"]
    assert "config_loader" in HydraContext.__dataclass_fields__


@check("`GlobalHydra` and `Callbacks`")
def _() -> None:
    from hydra._internal.callbacks import Callbacks
    from hydra.core.config_loader import ConfigLoader
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import HydraContext

    assert callable(GlobalHydra.instance().config_loader)
    assert parameters(ConfigLoader.load_configuration)[:4] == ["self", "config_name", "overrides", "run_mode"]
    assert list(HydraContext.__dataclass_fields__) == ["config_loader", "callbacks"]
    assert Callbacks().callbacks == []


@check("`OverridesParser`")
def _() -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    given = OverridesParser.create(config_loader=None).parse_overrides(["+a.b=1", "c=1,2", "~d"])
    assert [o.get_key_element() for o in given] == ["+a.b", "c", "~d"]
    assert [o.is_sweep_override() for o in given] == [False, True, False]
    assert [o.is_delete() for o in given] == [False, False, True]
    assert (given[0].value(), given[1].input_line) == (1, "c=1,2")


@check("`Plugins.instantiate_launcher`")
def _() -> None:
    from hydra.core.plugins import Plugins

    assert parameters(Plugins.instance().instantiate_launcher) == ["hydra_context", "task_function", "config"]


@check("`HydraConfig`")
def _() -> None:
    from hydra.conf import HydraConf, OverridesConf, RuntimeConf
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    assert HydraConfig.initialized() in (True, False)
    assert callable(HydraConfig.get)
    assert {"choices", "output_dir"} <= RuntimeConf.__dataclass_fields__.keys()
    assert "task" in OverridesConf.__dataclass_fields__
    assert "mode" in HydraConf.__dataclass_fields__
    assert RunMode.MULTIRUN


@check("launchers of plugins")
def _() -> None:
    from hydra_plugins import checked_launcher

    for launcher in (checked_launcher.Local, checked_launcher.Slurm, checked_launcher.Ray):
        module, _, name = launcher.engine.rpartition(".")
        if find_spec(module.rpartition(".")[0]) is not None:  # Ray has an environment of its own
            assert inspect.isclass(getattr(importlib.import_module(module), name))


@check("Hydra's messages")
def _() -> None:
    from hydra import compose, initialize_config_dir

    from src.config.in_words import in_words
    from src.config.places import CONF, register_resolvers

    register_resolvers()
    for override, words in (
        ("model=gruu", r"There is no model=gruu \(did you mean gru\?\); the choices are "),
        ("seeed=1", r"There is no key seeed"),
        ("tags=a=b", r"an override must be KEY=VALUE"),
    ):
        with initialize_config_dir(str(CONF), version_base="1.3"), pytest.raises(Exception) as caught:  # noqa: PT011
            compose("train", overrides=[override])
        assert re.search(words, in_words(caught.value)), in_words(caught.value)


@check("`validated against ConfigStore schema`")
def _() -> None:
    assert says("hydra._internal", "is validated against ConfigStore schema")


@check("`FileConfigSource`")
def config_sources() -> None:
    from hydra._internal.core_plugins.file_config_source import FileConfigSource
    from hydra._internal.sources_registry import SourcesRegistry

    from hydra_plugins.study_sweeper import StudiesSource

    for name in ("is_group", "is_config", "list"):
        assert parameters(getattr(FileConfigSource, name)) == parameters(getattr(StudiesSource, name))
    assert FileConfigSource.scheme() == "file"
    assert SourcesRegistry.instance().resolve(StudiesSource.scheme()) is StudiesSource


@check("loggers `hydra`, `hydra_plugins`")
def _() -> None:
    from hydra.core import utils

    assert utils.log.name.startswith("hydra.")
    assert "logging.getLogger(__name__)" in inspect.getsource(
        importlib.import_module("hydra_plugins.hydra_joblib_launcher.joblib_launcher")
    ) + inspect.getsource(importlib.import_module("hydra_plugins.hydra_joblib_launcher._core"))


# -------------------------------------------------------------------------------------------------- torch and others


@check("`torch._C._AutoDispatchBelowAutograd`")
def _() -> None:
    x = torch.ones(2, requires_grad=True)
    with torch._C._AutoDispatchBelowAutograd():
        assert not (2 * x).requires_grad
    assert (2 * x).requires_grad


@check("`torch._C._are_functorch_transforms_active`")
def _() -> None:
    active = torch._C._are_functorch_transforms_active
    seen: list[bool] = []
    torch.func.vmap(lambda x: (seen.append(active()), x)[1])(torch.zeros(2))
    assert seen == [True]
    assert not active()


@check("`torch._C._vmapmode_increment_nesting`, `torch._C._vmapmode_decrement_nesting`")
def _() -> None:
    def depth(x: torch.Tensor) -> torch.Tensor:
        seen.append(torch._C._vmapmode_increment_nesting())
        torch._C._vmapmode_decrement_nesting()
        return x

    seen: list[int] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch.jit.script, which it uses itself
        torch.autograd.functional.jacobian(depth, torch.zeros(2), vectorize=True, strategy="forward-mode")
    depth(torch.zeros(2))
    assert seen == [2, 1]


@check("`aten._assert_async`, `aten._functional_assert_async`")
def _() -> None:
    for holds in (True, False):
        with nullcontext() if holds else pytest.raises(RuntimeError, match="no"):
            torch.ops.aten._assert_async.msg(torch.tensor(holds), "no")
        with nullcontext() if holds else pytest.raises(RuntimeError, match="no"):
            token = torch.ops.aten._functional_assert_async.msg(torch.tensor(holds), "no", torch.ones(1))
    assert token.item() == 1


@check("`torch._shape_as_tensor`")
def _() -> None:
    assert torch._shape_as_tensor(torch.zeros(2, 3)).tolist() == [2, 3]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # jit.trace is deprecated
        program = torch.jit.trace(torch._shape_as_tensor, (torch.zeros(2, 3),), check_trace=False)
    assert program(torch.zeros(4, 5)).tolist() == [4, 5]


@check("`Tensor._version`")
def _() -> None:
    x = torch.zeros(2, 3)
    watched, kept = x.detach(), x.data
    watched.data = torch.empty(0)
    x.transpose(0, 1).add_(1)
    assert (watched._version, kept._version, watched.numel()) == (1, 0, 0)


@check("`DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS`")
def _() -> None:
    from torch.ao.quantization import get_default_dynamic_quant_module_mappings, propagate_qconfig_
    from torch.ao.quantization.quantization_mappings import DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS

    assert get_default_dynamic_quant_module_mappings().keys() == DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS.keys()
    layers = nn.Sequential(nn.Linear(1, 1), nn.ReLU())
    propagate_qconfig_(layers, {nn.Linear: None})
    assert all(hasattr(layer, "qconfig") for layer in layers)


@check("`forward_ad._current_level`")
def _() -> None:
    forward_ad = torch.autograd.forward_ad
    assert forward_ad._current_level == -1
    with forward_ad.dual_level():
        assert forward_ad._current_level == 0


@check("`get_proxy_mode`")
def _() -> None:
    from torch.fx.experimental.proxy_tensor import get_proxy_mode, make_fx

    for pre_dispatch in (False, True):
        seen: list[bool] = []
        make_fx(lambda x: (seen.append(get_proxy_mode() is not None), x + 1)[1], pre_dispatch=pre_dispatch)(  # noqa: B023
            torch.zeros(2)
        )
        assert seen == [True]
    assert get_proxy_mode() is None


@check("`Batched`, `FuncTorchBatched`")
def _() -> None:
    library = torch.library.Library("gatebench_test", "DEF")
    library.define("same(Tensor x) -> Tensor")
    seen: list[str] = []
    library.impl("same", lambda x: x.clone(), "CompositeExplicitAutograd")
    for key in ("Batched", "FuncTorchBatched"):
        library.impl("same", lambda x, key=key: (seen.append(key), x)[1], key)
    same, x = torch.ops.gatebench_test.same.default, torch.zeros(3, requires_grad=True)
    torch.func.vmap(same)(torch.zeros(2))
    y = 2 * x
    y.register_hook(lambda gradient: same(gradient))
    torch.autograd.grad(y, x, torch.zeros(2, 3), is_grads_batched=True)
    assert seen == ["FuncTorchBatched", "Batched"]


@check("`__prepare_scriptable__`")
def _() -> None:
    class Stands(nn.Module):
        def __prepare_scriptable__(self) -> nn.Module:
            return nn.Sequential(nn.Linear(2, 3))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert torch.jit.script(Stands())(torch.zeros(1, 2)).shape == (1, 3)


@check("`Tensor._base`")
def tensor_base() -> None:
    x = torch.zeros(2, 3)
    assert x._base is None
    assert x[0]._base is x


@check("`torch._ops.OpOverload`")
def _() -> None:
    assert isinstance(torch.ops.aten.add.Tensor, torch._ops.OpOverload)


@check("`module_db`")
def _() -> None:
    (folder,) = importlib.import_module("torch.testing._internal").__path__  # importing the module sets flags of torch
    text = (Path(folder) / "common_modules.py").read_text()
    assert "module_db: list[ModuleInfo] = [" in text
    assert all(f"ModuleInfo(torch.nn.{name}," in text for name in ("GRU", "LSTM", "RNN"))


@check("`torch.gru`, `torch.lstm`, `torch.rnn_tanh`, `torch.rnn_relu`")
def _() -> None:
    x = torch.randn(2, 5, 3)
    for kernel, kind, options in (
        (torch.gru, nn.GRU, {}), (torch.lstm, nn.LSTM, {}), (torch.rnn_tanh, nn.RNN, {}),
        (torch.rnn_relu, nn.RNN, {"nonlinearity": "relu"}),
    ):  # fmt: skip
        layer = kind(3, 4, batch_first=True, **options)
        zeros = torch.zeros(1, 2, 4)
        state = [zeros, zeros] if kind is nn.LSTM else zeros
        output, *_ = kernel(x, state, list(layer.parameters()), True, 1, 0.0, False, False, True)
        assert torch.equal(output, layer(x)[0])


@check("`Module._apply`")
def _() -> None:
    class Mine(nn.Linear):
        calls = 0

        def _apply(self, fn: Any, recurse: bool = True) -> Any:
            Mine.calls += 1
            return super()._apply(fn, recurse)

    nn.Sequential(Mine(1, 1)).to(torch.float64)
    assert Mine.calls == 1


@check("`not part of single contiguous chunk`")
def _() -> None:
    if not torch.cuda.is_available():
        pytest.skip("cuDNN says it on a GPU alone")
    layer = nn.GRU(3, 4, batch_first=True).cuda()
    weights = [weight.detach().clone() for weight in layer.parameters()]
    x, state = torch.randn(2, 5, 3).cuda(), torch.zeros(1, 2, 4).cuda()
    with pytest.warns(UserWarning, match="RNN module weights are not part of single contiguous chunk"):
        torch.gru(x, state, weights, True, 1, 0.0, False, False, True)


@check("`torch._dynamo`")
def _() -> None:
    assert find_spec("torch._dynamo") is not None


@check("`torch._functorch.config`")
def functorch_config() -> None:
    import torch._functorch.config

    assert torch._functorch.config.backward_pass_autocast in ("same_as_forward", "off")


@check("`fallback_random`")
def _() -> None:
    import torch._inductor

    assert "fallback_random" in torch._inductor.list_options()


@check("`sktime.datasets.tsc_dataset_names`")
def _() -> None:
    from sktime.datasets import load_UCR_UEA_dataset, tsc_dataset_names

    assert "JapaneseVowels" in tsc_dataset_names.multivariate
    assert "ACSF1" in tsc_dataset_names.univariate
    assert {"name", "split", "return_type", "extract_path"} <= set(parameters(load_UCR_UEA_dataset))


@check("sets in sktime's wheel")
def _() -> None:
    import sktime.datasets

    folder = Path(sktime.datasets.__file__).parent / "data" / "JapaneseVowels"
    assert (folder / "JapaneseVowels_TRAIN.ts").is_file()


@check("`Pydantic V1 style`")
def _() -> None:
    assert says("pydantic.deprecated", "Pydantic V1 style")
    assert any(says("wandb_workspaces", f"@{name}") for name in ("validator", "root_validator"))


# ---------------------------------------------------------------------------------------------------------- the list


@pytest.mark.parametrize("what", ROWS)
def test_it_is_what_we_lean_on(what: str) -> None:
    hold(ROWS[what], CHECKS[what])


def test_every_row_has_a_check_and_every_check_a_row() -> None:
    assert ROWS.keys() == CHECKS.keys()


@pytest.mark.parametrize("what", ROWS)
def test_the_files_of_a_row_lean_on_it(what: str) -> None:
    assert ROWS[what].where
    for file in ROWS[what].where:
        assert (ROOT / file).is_file(), f"{what}: {file} is not there; say in {LIST.name} where it has gone"


def test_a_moved_one_is_named_with_the_file_to_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    from hydra.core.utils import JobReturn

    row = ROWS["`JobReturn._return_value`"]
    monkeypatch.setattr(JobReturn, "return_value", None)
    words = r"^`JobReturn\._return_value` is no longer what it was .*: look at src/studies/sweep\.py, "
    with pytest.raises(AssertionError, match=words):
        hold(row, CHECKS[row.what])


def private_names(file: Path) -> set[str]:
    """Names with an underscore that a file takes from modules or objects that are not its own."""
    tree = ast.parse(file.read_text())
    own = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and ast.unparse(n.value) in ("self", "cls")}
    own |= {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    taken = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)} - own
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] not in ("src", "benchmarks"):
            taken |= {*node.module.split("."), *(alias.name for alias in node.names)}
        elif isinstance(node, ast.Import):
            taken |= {part for alias in node.names for part in alias.name.split(".")}
    return {name for name in taken if re.match(r"_[^_]", name)} - PUBLIC


PUBLIC = {"_asdict", "_replace", "_fields", "_make", "_target_", "_exit"}  # of named tuples, Hydra's configs and os


def test_no_private_name_is_missing_in_the_list() -> None:
    listed = LIST.read_text()
    for room in ("src", "benchmarks", "hydra_plugins"):
        for file in sorted((ROOT / room).rglob("*.py")):
            missing = {name for name in private_names(file) if name not in listed}
            assert not missing, f"{file.relative_to(ROOT)} leans on {', '.join(missing)}: give it a row in {LIST.name}"
