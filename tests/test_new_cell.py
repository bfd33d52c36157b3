"""A cell is one class and one yaml: one that nobody heard of is trained, traced, budgeted, explained and compared."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from src.compare import compare
from src.config.errors import UserError
from src.config.places import CONF
from src.explain import explain
from src.exporting.model import to_onnx
from src.inside.gates import difference, horizon, read_gates, saturation
from src.recurrent import GRU, RNNBase, RNNCellBase, count_multiply_adds, count_parameters, count_state, trace_gates
from src.recurrent.cells import base
from src.recurrent.cells.base import Equations, from_state
from src.recurrent.convert import to_pytorch
from src.runs.load import load_run
from src.train import train

Compose = Callable[..., DictConfig]
ROOT = CONF.parent

YAML = """
defaults: [base, _self_]
_target_: src.recurrent.RNNBase
kind: leaky
hidden_size: 16
num_layers: 1
bias: single
layer_norm: false
zoneout: 0.0
"""


@pytest.fixture(autouse=True)
def leaky(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell at run time: tanh units that leak, each by a gate of its own; other tests never hear of it."""
    monkeypatch.setattr(base, "KINDS", dict(base.KINDS))

    @dataclass(frozen=True, kw_only=True)
    class Leaky(Equations):
        """h = f h' + strength (1-f) tanh(W x + U h' + b)."""

        kind = "leaky"
        gates = ("leak", "candidate")
        keep_gate = "leak"

        strength: float = 1.0

        def step(self, inputs, seen, state, blocks):
            f, n = (inputs + from_state(seen, blocks[0])).chunk(2, dim=-1)
            f, n = torch.sigmoid(f), torch.tanh(n)
            return (f * state[0] + self.strength * (1 - f) * n,), {"leak": f, "candidate": n}


@pytest.fixture
def toy(quick: Compose, tmp_path: Path) -> Compose:
    """Configs with ``model=leaky``, whose yaml lies in a folder of its own."""
    (tmp_path / "theirs" / "model").mkdir(parents=True)
    (tmp_path / "theirs" / "model" / "leaky.yaml").write_text(YAML)
    place = f"hydra.searchpath=[file://{tmp_path / 'theirs'}]"
    return lambda *overrides: quick("model=leaky", place, *overrides)


def test_it_trains_on_the_readable_loop_and_loads_again(toy: Compose, tmp_path: Path) -> None:
    metrics = train(toy(f"paths.run_dir={tmp_path / 'run'}", "optimizer.lr=0.02", "model.bidirectional=true"))
    assert metrics["test/nll"] < np.log(9)
    run = load_run(tmp_path / "run")
    assert run.record.backend.name == "reference"
    assert "no leaky cells" in run.record.backend.reason
    assert run.task.network.layers[0].cell.kind == "leaky"


def test_a_budget_solves_its_width(toy: Compose, tmp_path: Path) -> None:
    train(toy(f"paths.run_dir={tmp_path / 'run'}", "trainer.max_epochs=1", "~model.hidden_size", "+model.hidden_size=1",
              "model.budget=1210"))  # fmt: skip
    run = load_run(tmp_path / "run")
    width = run.task.network.layers[0].hidden_size
    assert asdict(run.record.budget) | {"of": "", "error": 0} == {
        "of": "", "wanted": 1210, "actual": 2 * width * (12 + width + 1), "error": 0, "hidden_size": width,
        "measured": {},
    }  # fmt: skip
    assert count_state(run.task.network) == width
    assert count_multiply_adds(run.task.network) == 2 * width * (12 + width)


def test_it_is_explained(toy: Compose, compose: Compose, tmp_path: Path) -> None:
    train(toy(f"paths.run_dir={tmp_path / 'run'}", "trainer.max_epochs=1"))
    asked = (
        f"run={tmp_path / 'run'}",
        f"output={tmp_path / 'out'}",
        "shown=6",
        "sequences=4",
        "steps=8",
        "jacobians=2",
    )
    files = {file.name for file in explain(compose(*asked, config_name="explain"))}
    assert {"gates_layer0.png", "horizons.svg", "saturation.png", "gradients_layer0.png", "units.csv"} <= files
    with np.load(next((tmp_path / "out").glob("gates-*.npz"))) as found:
        assert set(found) == {"layer0/leak", "layer0/candidate", "layer0/hidden"}


def test_it_is_compared(toy: Compose, quick: Compose, compose: Compose, tmp_path: Path) -> None:
    for model, make in (("leaky", toy), ("gru", quick)):
        for seed in (0, 1):
            cfg = make(f"seed={seed}", f"paths.run_dir={tmp_path / 'runs' / f'{model}{seed}'}")
            job = {
                "study": "toy",
                "phase": "final",
                "model": model,
                "data": "ucr",
                "arm": "main",
                "id": f"{model}{seed}",
            }
            OmegaConf.update(cfg, "study_job", job, force_add=True)
            train(cfg)
    asked = (f"folders=[{tmp_path / 'runs'}]", f"directory={tmp_path / 'report'}", "metric=test/nll", "margin=0.1")
    compare(compose(*asked, "models=[leaky,gru]", config_name="compare"))
    pairs = (tmp_path / "report" / "pairs.csv").read_text()
    assert len(pairs.splitlines()) == 3
    assert "leaky" in pairs


def test_its_trace_is_its_equations() -> None:
    network = RNNBase("leaky", 3, 4, 2, batch_first=True, dtype=torch.float64, keep_gate_bias=1.0, zoneout=0.1).eval()
    x, lengths = torch.randn(3, 6, 3, dtype=torch.float64), torch.tensor([6, 2, 4])
    gates = read_gates(network, x, lengths)
    assert difference(network, x, lengths, gates) < 1e-12
    assert list(saturation(gates[0])) == ["leak"]
    assert np.isfinite(horizon(gates[0])).all()
    cell = RNNCellBase("leaky", 3, 4, dtype=torch.float64)
    plain = RNNBase("leaky", 3, 4, batch_first=True, dtype=torch.float64)
    plain.load_state_dict({f"{name}_l0": tensor for name, tensor in cell.state_dict().items()})
    ((trace,),) = trace_gates(plain, x)
    torch.testing.assert_close(trace["hidden"][:, 0], cell(x[:, 0]))


def test_it_starts_as_it_says() -> None:
    kept = RNNBase("leaky", 3, 400, keep_gate_bias=2.0).bias_ih_l0.detach().chunk(2)
    assert [half.mean().item() for half in kept] == pytest.approx([2.0, 0.0], abs=0.02)
    chrono = RNNBase("leaky", 3, 400, initialisation="chrono", chrono_steps=50).bias_ih_l0.detach().chunk(2)
    assert chrono[0].exp().min() >= 1
    assert chrono[0].exp().max() <= 49
    assert not chrono[1].any()


def test_what_nobody_knows_of_it_is_refused_by_its_name() -> None:
    network = RNNBase("leaky", 3, 4, batch_first=True)
    with pytest.raises(ValueError, match="backend=torch: PyTorch's kernels have no leaky cells; use backend=auto"):
        RNNBase("leaky", 3, 4, backend="torch")
    with pytest.raises(ValueError, match="PyTorch has no equivalent of leaky cells"):
        to_pytorch(network)
    with pytest.raises(ValueError, match=r"strength: available for leaky only, got 2.0 for gru"):
        GRU(3, 4, strength=2.0)
    with pytest.raises(ValueError, match="kind: 'leaky' is already Leaky, so Other needs another"):
        type("Other", (Equations,), {"kind": "leaky"})
    from tests.exporting.tasks import make

    with pytest.raises(UserError, match="it has leaky cells"):
        to_onnx(make("last", lambda input_size: RNNBase("leaky", input_size, 4, batch_first=True)))
    assert count_parameters(network)["effective"] == 2 * 4 * (3 + 4 + 1)


def test_a_cell_without_a_gate_that_keeps_says_so() -> None:
    type("Plain", (Equations,), {"kind": "plain", "gates": ("candidate",)})
    with pytest.raises(ValueError, match=r"keep_gate_bias: expected 0 for plain cells \(no keep gate\), got 1\.0"):
        RNNBase("plain", 3, 4, keep_gate_bias=1.0)


# Kernels name the cells that they were written for; without them a cell runs in the readable loop.
CAN_RUN = {
    "src/recurrent/backends/fused.py", "src/recurrent/kernels/call.py",
    "src/recurrent/backends/triton.py", "src/recurrent/kernels/triton/operator.py",
}  # fmt: skip


def test_a_cell_that_ships_is_one_file_and_one_yaml() -> None:
    folders = ("src", "conf", "hydra_plugins", "benchmarks")
    files = [
        f for folder in folders for f in (ROOT / folder).rglob("*") if f.is_file() and "__pycache__" not in f.parts
    ]
    naming = {str(f.relative_to(ROOT)) for f in files if b"lstm_coupled" in f.read_bytes()}
    assert naming - CAN_RUN == {"src/recurrent/cells/lstm_coupled.py", "conf/model/lstm_coupled.yaml"}
