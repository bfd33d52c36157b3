"""Start a network or study of your own in this folder: ``python -m src.new model NAME``."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from src.config.errors import UserError
from src.config.places import CONF, SHIPPED
from src.config.shell import choices, command, given_keys

MODEL = '''"""Your own network for GateBench: ``gatebench train model=NAME``. Change anything below.

See GateBench's docs/contract.md for the interface; the arguments of __init__ are in conf/model/NAME.yaml.
"""

import torch
from torch import nn


class CLASS(nn.Module):
    """A recurrent network with one gate f, which controls how much of the old state h is kept.

    f = sigmoid(W_f x + U_f h + b_f),  n = tanh(W_n x + U_n h + b_n),  h' = f h + (1 - f) n
    """

    num_directions = 1  # it reads forwards only

    def __init__(self, input_size, hidden_size=128):
        """input_size, the number of features, comes from the task; the rest from conf/model/NAME.yaml."""
        super().__init__()
        self.output_size = hidden_size  # features of the output, which the head reads
        self.from_input = nn.Linear(input_size, 2 * hidden_size)
        self.from_state = nn.Linear(hidden_size, 2 * hidden_size, bias=False)

    keep_gate = "keep"  # the name in gates() of the gate that keeps the old state; optional, like gates()

    def forward(self, input, state=None, lengths=None):
        """input: (batch, time, input_size); lengths: (batch,) on the CPU, or None if all have equal length.

        Returns the output, (batch, time, output_size), and the state, from which another call continues.
        """
        _, output, state = self.read(input, state, lengths)
        return output, state

    def gates(self, input, lengths=None):
        """Return each layer's activations by name, (batch, time, hidden_size), for gatebench explain."""
        kept, output, _ = self.read(input, None, lengths)
        return [{"keep": kept, "hidden": output}]

    def read(self, input, state, lengths):
        """Return the gate f, the output, and the last state, step by step."""
        h = (self.initial_state(input.shape[0]) if state is None else state)[0]
        running = None if lengths is None else torch.arange(input.shape[1])[:, None] < lengths
        kept, outputs = [], []
        # The input projection is computed for all steps at once.
        for step, x in enumerate(self.from_input(input).unbind(1)):
            f, n = (x + self.from_state(h)).chunk(2, dim=-1)
            f, n = torch.sigmoid(f), torch.tanh(n)
            new = f * h + (1 - f) * n
            # After the end of a sequence its state no longer changes.
            h = new if running is None else torch.where(running[step].to(new.device)[:, None], new, h)
            kept.append(f)
            outputs.append(h)
        return torch.stack(kept, 1), torch.stack(outputs, 1), h[None]

    def initial_state(self, batch_size):
        """Return the initial state, (1, batch, hidden_size). Optional; needed for truncated BPTT (data.chunk)."""
        return self.from_state.weight.new_zeros(1, batch_size, self.output_size)

    def budget_counts(self):
        """Return state size and multiply-adds per step. Optional; needed for model.budget_of=state or flops."""
        return {
            "state": self.output_size,
            "flops": self.from_input.weight.numel() + self.from_state.weight.numel(),
        }
'''
CONFIG = """# model=NAME: the arguments of the class in NAME.py.
_target_: NAME.CLASS
hidden_size: 128
# With model.budget=20000, hidden_size is solved so that networks of different kinds cost the same.
budget: null
budget_of: recurrent         # parameters; total: with encoder and head; state or flops: from budget_counts()
budget_tolerance: 0.02       # largest relative cost difference between two networks with the same budget
"""
STUDY = """# @package _global_
# Start or continue it: gatebench train -m experiments=NAME
# Progress: gatebench status study=NAME            Verdict: gatebench compare study=NAME
defaults:
  - base
  - _self_
  - override /hydra/sweeper: study

study:
  name: NAME
  question: Is the GRU better than the LSTM with the same number of recurrent parameters on these data?
  models:                      # names in conf/model, GateBench's or yours, each with its own settings
    gru: {}
    lstm: {}
    # mine: {}                 # written by: gatebench new model mine
  data:
    READER:SETTINGS
    # all keys: gatebench train data=READER --help
  settings:                    # for every run
    model.budget: BUDGET        # the width of each model is solved from it
    trainer.max_epochs: 100    # at most; early stopping ends runs earlier
  tuning:                      # all models try the same values; the choice is made on validation
    draws:
      optimizer.lr: {low: 1.0e-4, high: 3.0e-2, number: 8}
    repeat: {best: 3, seeds: 3}
  pairs: 10                    # final runs per model, evaluated on the test set
  primary:                     # the question in numbers
    models: [gru, lstm]
    metric: METRIC
    margin: null               # smallest difference that matters, in the metric's unit; null: from validation
"""


def new(cfg: DictConfig) -> None:
    """Write the requested files into the working folder, and print the next command.

    Args:
        cfg: a config composed from ``conf/new.yaml``.

    Raises:
        UserError: nothing is requested, the name is taken, a file already exists, or the data of a study cannot be
            read.
    """
    from src.files import output, write_atomically

    if cfg.what is None or cfg.name is None:
        raise UserError("Say what to write: gatebench new model NAME, or gatebench new study NAME data.path=FILE.")
    here = Path.cwd()
    files, then = _model(cfg.name) if cfg.what == "model" else _study(cfg)
    for name in files:
        if os.path.lexists(here / name):
            raise UserError(f"{name} already exists and is not overwritten: choose another name.")
    places = {output(here / name, here): text.encode() for name, text in files.items()}  # before writing either
    for place in places:
        write_atomically(place, lambda out: out.write(places[place]), over=False)  # noqa: B023 - called at once
    print(f"Wrote {', '.join(files)}. Next: {then}")


def _model(name: str) -> tuple[dict[str, str], str]:
    """Return the files of a network, and the command that trains it."""
    if (CONF / "model" / f"{name}.yaml").exists():
        raise UserError(f"model={name} is one of GateBench's own: choose another name.")
    module = f"{name}.py"
    if not os.path.lexists(module) and (name in sys.modules or importlib.util.find_spec(name) is not None):
        raise UserError(f"Python already has a module {name}, which would hide {module}: choose another name.")
    kind = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    words = {"NAME": name, "CLASS": f"{kind}Network"}  # none and true would not be valid names otherwise
    filled = {module: _filled(MODEL, words), f"conf/model/{name}.yaml": _filled(CONFIG, words)}
    return filled, f"gatebench train model={name}"


def _study(cfg: DictConfig) -> tuple[dict[str, str], str]:
    """Return the file of a study, whose metric depends on the data, and the command that starts it."""
    if (SHIPPED / "experiments" / f"{cfg.name}.yaml").exists() and not Path.cwd().samefile(SHIPPED):
        raise UserError(f"experiments={cfg.name} is one of GateBench's own: choose another name.")
    if cfg.get("data") is None:
        raise UserError(f"A study needs data, as in gatebench new study {cfg.name} data.path=FILE.")
    from src.config.instantiate import instantiate
    from src.tasks.auto import metric_of
    from src.tasks.budget import common_budget

    description = instantiate(cfg.data).description
    words = {"NAME": cfg.name, "READER": choices()["data"], "SETTINGS": _settings(cfg)}
    words |= {"METRIC": metric_of(description), "BUDGET": str(common_budget(description))}
    return {f"experiments/{cfg.name}.yaml": _filled(STUDY, words)}, f"gatebench train -m experiments={cfg.name}"


def _filled(text: str, words: Mapping[str, str]) -> str:
    return re.sub("|".join(words), lambda found: words[found[0]], text)


def _settings(cfg: DictConfig) -> str:
    """Return the given data settings as YAML."""
    from hydra.core.hydra_config import HydraConfig

    hydra = HydraConfig.get()
    typed = sorted(given_keys(hydra.overrides.task) - {"what", "name", "data", "seed"})
    kept = [key for key in typed if not key.startswith(("paths.", "hydra."))]
    values: dict[str, Any] = {key: hydra.runtime.choices.get(key, OmegaConf.select(cfg, key)) for key in kept}
    plain = {k: OmegaConf.to_container(v) if OmegaConf.is_config(v) else v for k, v in values.items()}
    lines = (f"\n      {key}: {json.dumps(value, ensure_ascii=False)}" for key, value in plain.items())
    return "".join(lines) or " {}"


def main() -> None:
    """Run the command line."""
    from src.data.own.forms import with_reader

    sys.argv[1:] = with_reader(sys.argv[1:])
    command("new", new)


if __name__ == "__main__":
    main()
