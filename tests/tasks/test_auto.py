"""task=auto: the task that the data call for, with the defaults that its own config has."""

import inspect
from functools import partial

import pytest
import torch
from omegaconf import OmegaConf

import src.tasks
from src.config.places import CONF
from src.data.describe import Bits, Classes, Description, Features, Horizon, Tokens, Values
from src.recurrent import GRU
from src.tasks.auto import called_for, for_data

AB, X = Classes(("a", "b")), Features(3)
CALLS = {
    "forecasting": Description(X, Horizon(1, steps=2, columns=(0,)), False, False, causal=False),
    "classification": Description(X, AB, False, True, causal=False),
    "per_step": Description(X, AB, True, True, causal=False),
    "language_model": Description(Tokens(2, "character"), AB, True, True, causal=True),
    "music": Description(Features(88), Bits(88), True, True, causal=True),
    "regression": Description(X, Values(2), False, True, causal=False),
}


@pytest.mark.parametrize("name", CALLS)
def test_auto_builds_what_the_named_task_would(name):
    node = OmegaConf.to_container(OmegaConf.load(CONF / "task" / f"{name}.yaml"))
    assert node.pop("_target_") == f"src.tasks.{called_for(CALLS[name])}"
    node.pop("defaults")
    base = OmegaConf.to_container(OmegaConf.load(CONF / "task" / "base.yaml"))
    keywords = {"description": CALLS[name], "network": partial(GRU, hidden_size=4, batch_first=True), "optimizer": None}
    torch.manual_seed(0)
    built = for_data(**keywords, **base)
    kind = getattr(src.tasks, called_for(CALLS[name]))
    assert type(built) is kind
    defaults = {k: p.default for k, p in inspect.signature(kind.__init__).parameters.items() if k in node}
    assert defaults == node, "the class's defaults are those of its config"


def test_per_step_values_that_do_not_look_ahead_are_a_waveform_and_others_regression():
    assert called_for(Description(X, Values(1), True, True, causal=False)) == "SequenceRegression"
    assert called_for(Description(X, Values(1), True, True, causal=True)) == "Waveform"
    assert called_for(Description(Tokens(5), AB, True, True, causal=False)) == "PerStepClassification"
