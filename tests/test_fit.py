"""``gatebench.fit``: data in memory become the run that the command line makes of the same file."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import gatebench
from gatebench import Fitted, UserError
from src.api.data import kept
from src.api.fit import fit

ROOT = Path(__file__).resolve().parents[1]
SMALL: dict[str, Any] = {"epochs": 1, "hidden_size": 4, "progress": False}


class Net(nn.Module):
    """A network of one's own, as docs/contract.md has it."""

    num_directions = 1

    def __init__(self, input_size: int, hidden_size: int = 4, depth: int = 1) -> None:
        super().__init__()
        self.output_size = hidden_size
        self.rnn = nn.RNN(input_size, hidden_size, depth, batch_first=True)

    def forward(self, input: torch.Tensor, state: Any = None, lengths: Any = None) -> Any:
        return self.rnn(input, state)


class Pairs(torch.utils.data.Dataset[Any]):
    """A data set of PyTorch of pairs (x, y)."""

    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, at: int) -> Any:
        return torch.tensor(self.x[at]), self.y[at]


class Mixed(torch.utils.data.Dataset[Any]):
    """A pair, and an x alone."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, at: int) -> Any:
        return np.zeros((4, 1)) if at else (np.zeros((4, 1)), 0.0)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, places: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GATEBENCH_CACHE_DIR", str(places / "derived"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


@pytest.fixture(scope="module")
def takes() -> tuple[list[np.ndarray], list[str]]:
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(int(rng.integers(5, 9)), 3)).astype("float32") for _ in range(30)]
    return x, ["left" if one.sum() > 0 else "right" for one in x]


def load(rows: int = 160) -> pd.DataFrame:
    hours = np.arange(rows)
    times = pd.date_range("2024-01-01", periods=rows, freq="h")
    return pd.DataFrame({"load": np.sin(hours / 4), "wind": np.cos(hours / 9)}, index=times)


def test_a_frame_is_the_run_of_the_same_file_on_the_command_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    threads, drawn = torch.get_num_threads(), torch.get_rng_state()
    run = fit(load(), target="load", lookback=8, horizon=3, name="tide", path="here", **SMALL)
    (file,) = (folder / "runs" / ".data").glob("*/tide.csv")
    done = subprocess.run(
        [sys.executable, "-m", "gatebench", "train", "data=csv", f"data.path={file}", "data.target=load",
         "data.separator=comma", "data.decimal=point", "data.lookback=8", "data.horizon=3", "trainer.max_epochs=1",
         "model.hidden_size=4", "logger=csv", "paths.run_dir=there", "trainer.enable_progress_bar=false"],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    there = json.loads((folder / "there" / "result.json").read_text())
    assert run.record.identity == there["identity"]
    assert run.record.name == there["name"] == "gru-tide-seed0"
    assert run.metrics == there["metrics"]
    assert {path.name for path in run.path.iterdir()} == {path.name for path in (folder / "there").iterdir()}
    assert (torch.get_num_threads(), torch.equal(torch.get_rng_state(), drawn)) == (threads, True)
    assert capsys.readouterr().out == ""


def test_a_run_is_an_object(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = fit(load(), lookback=8, horizon=3, model="lstm", epochs=1, hidden_size=4)
    said = capsys.readouterr().out
    assert "The column time was read as time; set times to change that." in said
    assert run.model == "lstm"
    assert re.fullmatch(r"<lstm-data-seed0: test mse [\d.]+, test mae [\d.]+, best of 1 epochs 0; runs/\S+>", repr(run))
    page = run._repr_html_()
    assert "<td>mse</td>" in page
    assert "task=&#x27;forecasting&#x27; was inferred" in page
    assert run.evaluate() == {name: value for name, value in run.metrics.items() if name.startswith("test/")}
    new = run.predict(load(40), steps_ahead=5)
    assert list(new) == ["sequence", "step", "time", "load", "wind"]
    assert new["time"].tolist()[0] == "2024-01-02 16:00:00"
    assert len(new) == 5
    pictures = run.explain(sequences=2, jacobians=1)
    assert pictures._repr_html_().count("<img ") == sum(file.suffix == ".png" for file in pictures) > 2
    again = Fitted(run.path)
    assert again.metrics == run.metrics
    assert Path(os.fspath(run)) == run.path


def test_a_file_and_a_frame_are_predicted_alike_whichever_trained(folder: Path) -> None:
    """A point in a frame is a decimal point, though in the training file it would separate thousands."""
    german = {"sep": ";", "decimal": ",", "index_label": "time"}
    (load() + 3).to_csv(folder / "german.csv", **german)
    settings = {"lookback": 8, "horizon": 3, **SMALL}
    new = (load(40) + 3).round(2) + 0.001  # three decimals, as if in thousands
    new.round(3).to_csv(folder / "new.csv", **german)
    of_file = fit("german.csv", **settings)
    given = fit("german.csv", **settings, overrides={"data.separator": "semicolon", "data.decimal": "comma"})
    of_frame = fit(load() + 3, **settings)
    for run in (of_file, given, of_frame):
        by_file, by_frame = run.predict("new.csv"), run.predict(new.round(3))
        assert by_frame[["load", "wind"]].to_numpy() == pytest.approx(by_file[["load", "wind"]].to_numpy())
        assert by_frame["load"].between(0, 10).all()


def test_the_forms_of_data_are_read_alike(takes: tuple[list[np.ndarray], list[str]], folder: Path) -> None:
    x, y = takes
    rows = [(k, t, *map(float, values), y[k]) for k, one in enumerate(x) for t, values in enumerate(one)]
    frame = pd.DataFrame(rows, columns=["take", "step", 0, 1, 2, "side"])
    by_list = fit(x, y, **SMALL)
    by_frame = fit(frame, target="side", groups="take", times="step", features=[0, 1, 2], **SMALL)
    by_dataset = fit(Pairs(x, y), **SMALL)
    assert by_list.record.data.checksum == by_dataset.record.data.checksum
    assert by_list.record.data.sequences == by_frame.record.data.sequences
    assert list(by_frame.predict(frame.drop(columns="side"))) == ["sequence", "class", "p(left)", "p(right)"]
    assert list(by_list.predict(x[:4])) == ["sequence", "class", "p(left)", "p(right)"]
    assert len({path.parent.name for path in folder.glob("runs/.data/*/*")}) == 2


@pytest.mark.parametrize(
    ("y", "task"),
    [
        (lambda x: [one.sum() for one in x], "regression"),
        (lambda x: [one[:, 0] for one in x], "per_step_regression"),
        (lambda x: [(one[:, 0] > 0).astype(int) for one in x], "per_step"),
        (lambda x: pd.Series([int(one.sum() > 0) for one in x]), "classification"),
        (lambda x: torch.tensor([int(one.sum() > 0) for one in x]), "classification"),
    ],
)
def test_the_targets_say_the_task(
    y: Callable[[list[np.ndarray]], Any], task: str, takes: tuple[list[np.ndarray], list[str]]
) -> None:
    run = fit(takes[0], y(takes[0]), **SMALL)
    assert f"task={task!r} was inferred, because" in " ".join(run.notes)


def test_numpy_has_no_bfloat16(folder: Path) -> None:
    with np.load(kept(torch.ones(3, 5, 1, dtype=torch.bfloat16), None, folder, "half")) as arrays:
        assert arrays["x"].dtype == np.float32


def test_one_array_of_sequences(takes: tuple[list[np.ndarray], list[str]]) -> None:
    x = np.stack([one[:5] for one in takes[0]])
    run = fit(x, x.sum((1, 2)), overrides=["model.num_layers=2", "optimizer=sgd"], lr=0.1, **SMALL)
    assert run.run.config.model.num_layers == 2
    assert run.run.config.optimizer._target_ == "torch.optim.SGD"
    assert sum(run.record.data.sequences.values()) == 30


def test_a_class_of_ones_own(takes: tuple[list[np.ndarray], list[str]]) -> None:
    run = fit(*takes, model=partial(Net, depth=2), budget=986, epochs=1, progress=False)
    assert run.model == "Net"
    network = run.run.task.network
    assert (network.rnn.num_layers, network.output_size) == (2, 17)
    assert run.record.budget is not None
    assert list(run.evaluate()) == ["test/loss", "test/nll", "test/acc", "test/f1"]


def test_two_runs_are_compared(takes: tuple[list[np.ndarray], list[str]]) -> None:
    runs = [fit(*takes, model=model, seed=seed, **SMALL) for model in ("gru", "lstm") for seed in (0, 1)]
    summary = gatebench.compare(folders=runs, report=False, models=["gru", "lstm"])
    assert [model.model for model in summary.tasks[0].models] == ["gru", "lstm"]
    assert summary.answers()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda x, y: fit(load(), target="laod"), "target='laod' is not a column of the data (did you mean load?)"),
        (lambda x, y: fit(load(), groups="site"), "groups='site' is not a column of the data"),
        (lambda x, y: fit(load(), epochs=0), "epochs must be a whole number of at least 1, or null, got 0."),
        (lambda x, y: fit(load(), lr="fast"), "lr must be a number above 0, got fast."),
        (lambda x, y: fit(load(9)), "choose a shorter lookback or horizon, or change splits."),
        (lambda x, y: fit(load(), hidden_size=3, budget=900), "budget sets the width, so hidden_size cannot be set"),
        (lambda x, y: fit(load(), model="gruu"), "There is no model='gruu' (did you mean gru?)"),
        (lambda x, y: fit(load(), overrides={"model.hiden": 3}), "There is no key model.hiden (did you mean hidden"),
        (lambda x, y: fit(load(), overrides=["max_epochs=3"]), "There is no key max_epochs (did you mean epochs?)."),
        (lambda x, y: fit(load(), overrides=["epochs"]), "epochs does not have the form KEY=VALUE"),
        (lambda x, y: fit(load(), y), 'y is for arrays: for a data frame, name the column with target="NAME".'),
        (lambda x, y: fit(load().head(0)), "The data frame has 0 rows and 3 columns"),
        (lambda x, y: fit("load.cvs"), "data='load.cvs' does not exist: give the path of a file"),
        (lambda x, y: fit({"x": x}), "data must be a data frame, an array (sequences, time, features)"),
        (lambda x, y: fit(x, y[:3]), "y must have one entry per sequence, got 3 for 30 sequences."),
        (lambda x, y: fit(x, 3), "y must have one entry per sequence, got int."),
        (lambda x, y: fit(np.zeros((3, 5, 1)), [[1.0], [2.0, 3.0], [4.0]]), "y must have rows of equal length."),
        (lambda x, y: fit([[[1.0, 2.0], [3.0]]]), "data[0] must have rows of equal length."),
        (lambda x, y: fit(Mixed()), "An item of the Dataset must be x or a pair (x, y), got some of each."),
        (lambda x, y: fit(torch.utils.data.TensorDataset(torch.zeros(3, 4, 1))), "or a pair (x, y), got 1 part."),
        (lambda x, y: fit(load().assign(time=0)), "The data frame has two columns named time: rename one."),
        (lambda x, y: fit([*x, x[0][:, :1]], y), "A list must contain arrays (time, features) or (time,) of equal"),
        (lambda x, y: fit(x, y, horizon=3), "horizon=3 has no effect here: it applies to task='forecasting'"),
        (lambda x, y: fit(x, y, model=lambda size: None), "model must be the name of a config in conf/model, or"),
        (lambda x, y: fit(x, y, model=nn.Linear), "torch.nn.modules.linear.Linear has no argument input_size"),
        (lambda x, y: fit(Pairs(x, y), y), "A Dataset includes its targets, as pairs (x, y): drop y."),
        (lambda x, y: fit(pd.DataFrame({"a": [x[0]]})), "Column a has a ndarray in each row: give a list of arrays"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_for_python(
    wrong: Callable[..., Any], sentence: str, takes: tuple[list[np.ndarray], list[str]], folder: Path
) -> None:
    with pytest.raises(UserError) as refused:
        wrong(*takes)
    said = str(refused.value)
    assert said.startswith(sentence) or sentence in said
    assert "\n" not in said
    assert not re.search(r"\b(data|trainer|optimizer|paths)\.\w+=", said)
    assert {path.name for path in (folder / "runs").glob("*")} <= {".data"}


def test_mistakes_of_new_data_and_of_settings(takes: tuple[list[np.ndarray], list[str]]) -> None:
    run = fit(*takes, **SMALL)
    with pytest.raises(UserError, match=r"the data: x has 2 features, but the run reads 3\."):
        run.predict([one[:, :2] for one in takes[0]])
    with pytest.raises(UserError, match=r"There is no key seqence \(did you mean sequence\?\)"):
        run.explain(seqence=3)
    with pytest.raises(UserError, match=r"solved_below=0\.5 has no effect here: it applies to study=NAME"):
        run.explain(solved_below=0.5)


def test_a_notebook_shows_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    fit(load(), lookback=8, horizon=3, hidden_size=4, epochs=2)
    shown = capsys.readouterr().out
    assert "2/2" in shown
    assert "val/mse" in shown or "val/loss" in shown
    assert "\u2501" not in shown
