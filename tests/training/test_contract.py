"""A network of the user's own is checked against docs/contract.md before it is trained."""

import logging
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from src.config.errors import UserError
from src.tasks.build import build
from src.training.contract import check_network

Compose = Callable[..., DictConfig]
NETWORK = """
import torch
class Net(torch.nn.Module):
    def __init__(self, input_size, width=5):
        super().__init__()
        self.gru = torch.nn.GRU(input_size, width, batch_first=True)
        self.norm, self.drop, self.output_size = torch.nn.BatchNorm1d(width), torch.nn.Dropout(0.5), width
    def forward(self, input, state=None, lengths=None):
        o, s = self.gru(input, state)
        return o, s
"""
RETURN = "return o, s"
VIOLATIONS = {
    "no output_size": (", self.output_size", ", self.size", r"Net must have an attribute output_size, .* got None"),
    "three directions": ("super()", "self.num_directions = 3; super()", "attribute num_directions, 1 or 2, got 3"),
    "no state": (RETURN, "return o", r"Net\.forward must return \(output, state\), got one Tensor"),
    "no lengths": (", lengths=None", "", r"forward must accept .* unexpected keyword argument 'lengths'"),
    "fails": (
        RETURN,
        "raise ValueError('odd')",
        r"failed on .*\(3, 6, 12\).* ValueError: odd \(.*broken.*\.py, line 10",
    ),
    "time first": ("batch_first=True", "batch_first=False", "depends on .*batch_first=True"),
    "transposed": (RETURN, "return o.transpose(0, 1), s", r"= \(3, 6, 5\), one row for every step, got \(6, 3, 5\)"),
    "wrong size": (", width\n    def", ", width + 1\n    def", r"output_size\) = \(3, 6, 6\), .* got \(3, 6, 5\)"),
    "last step": (RETURN, "return o[:, -1], s", r"got \(3, 5\)"),
    "float64": (RETURN, "return o.double(), s", "output in float32 like its input, got float64"),
    "padding": (RETURN, "return o - o.mean(1, keepdim=True) * o.shape[1] / 5, s", "depends on the padding after it"),
}
RIGHT = {
    "as it is": (RETURN, RETURN),
    "batch norm": (RETURN, "return self.norm(o.transpose(1, 2)).transpose(1, 2), s"),
    "random in evaluation": (RETURN, "return o + torch.randn(1), s"),
    "its own dropout": (RETURN, "return self.drop(o), s"),
    "only long batches": ("o, s =", "assert input.shape[1] > 6; o, s ="),
}


@pytest.fixture
def checked(quick: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """``checked(old, new)``: check the network with one change."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def check(old: str, new: str) -> None:
        assert old in NETWORK
        name = f"broken_{abs(hash((old, new)))}"
        (tmp_path / f"{name}.py").write_text(NETWORK.replace(old, new, 1))
        cfg = quick()
        cfg.model = OmegaConf.create({"_target_": f"{name}.Net"})
        data, task = build(cfg)
        before = {key: value.clone() for key, value in task.state_dict().items()}
        states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index,union-attr]
        check_network(cfg, data, task)
        assert torch.equal(torch.get_rng_state(), states[0])
        assert (random.getstate(), np.random.get_state()[1].tolist()) == states[1:]  # type: ignore[index,union-attr]
        assert all(torch.equal(value, before[key]) for key, value in task.state_dict().items())
        assert task.network.training

    return check


@pytest.mark.parametrize("case", VIOLATIONS)
def test_a_violation_is_said_in_one_sentence(case: str, checked: Callable[[str, str], None]) -> None:
    old, new, words = VIOLATIONS[case]
    with pytest.raises(UserError, match=words) as told:
        checked(old, new)
    assert str(told.value).endswith("see docs/contract.md.")


@pytest.mark.parametrize("case", RIGHT)
def test_a_right_network_passes_and_nothing_of_the_run_changes(
    case: str, checked: Callable[[str, str], None], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        checked(*RIGHT[case])
    assert "gradient" not in caplog.text


@pytest.mark.parametrize("new", ["with torch.no_grad(): o, s =", "o, s = (x.detach() for x in"])
def test_a_network_without_a_gradient_is_warned_about(
    new: str, checked: Callable[[str, str], None], caplog: pytest.LogCaptureFixture
) -> None:
    old = "o, s = self.gru(input, state)"
    new = f"{new} self.gru(input, state)" + (")" if "(x" in new else "")
    with caplog.at_level(logging.WARNING):
        checked(old, new)
    assert "The output of Net has no gradient" in caplog.text
