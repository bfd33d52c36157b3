"""A trained run on new files: what is written is what the network says, with what was fitted on train alone."""

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import DictConfig

from src.config.errors import UserError
from src.predict import predict
from src.runs.load import load_run
from src.runs.record import find_runs
from src.train import train

Compose = Callable[..., DictConfig]


def trained(quick: Compose, *overrides: str) -> Path:
    cfg = quick("trainer.max_epochs=1", "model.hidden_size=8", *overrides)
    train(cfg)
    return next(find_runs(Path(cfg.paths.runs_dir)))[0]


def said(compose: Compose, run: Path, new: Path, *overrides: str) -> list[dict[str, str]]:
    path = predict(compose(f"run={run}", f"data.path={new}", *overrides, config_name="predict"))
    with open(path) as file:
        return list(csv.DictReader(file))


def network(run: Path) -> tuple[Any, Any]:
    """(task, torch's own GRU with its weights), both float64."""
    task = load_run(run, read_data=False).task.double()
    layer = torch.nn.GRU(task.encoder.output_size, 8, batch_first=True).double()
    layer.load_state_dict(task.network.state_dict())
    return task, layer


@pytest.fixture
def quick(compose: Compose) -> Compose:
    return lambda *more: compose("logger=csv", "trainer.enable_progress_bar=false", "optimizer.lr=0.01", *more)


@pytest.fixture
def load(tmp_path: Path) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    times = pd.date_range("2020-01-01", periods=120, freq="h")
    frame = pd.DataFrame({"time": times, "load": rng.normal(size=120).cumsum() + 50, "oil": rng.normal(size=120) * 9})
    frame.to_csv(tmp_path / "load.csv", index=False)
    return frame


def forecasting(quick: Compose, folder: Path, *more: str) -> Path:
    return trained(quick, "data=csv", f"data.path={folder / 'load.csv'}", "data.lookback=10", "data.horizon=3", *more)


def test_forecasts_follow_the_last_row_of_the_new_file_in_its_unit(compose, quick, tmp_path, load):
    run = forecasting(quick, tmp_path)
    new = load.iloc[:50].assign(load=load["load"] * 3 + 7)
    new.to_csv(tmp_path / "new.csv", index=False)
    (tmp_path / "load.csv").unlink()  # what was fitted on it travels with the run
    lines = said(compose, run, tmp_path / "new.csv")
    assert list(lines[0]) == ["sequence", "step", "time", "load", "oil"]
    assert [line["time"] for line in lines] == [f"2020-01-03 0{hour}:00:00" for hour in (2, 3, 4)]
    train_rows = load[["load", "oil"]].to_numpy()[:84]
    mean, scale = train_rows.mean(0), train_rows.std(0)
    x = torch.from_numpy((new[["load", "oil"]].to_numpy()[-10:] - mean) / scale)
    task, layer = network(run)
    _, hidden = layer((x - x[-1])[None])
    expected = (task.head(hidden[0, 0]).view(3, 2) + x[-1]).detach().numpy() * scale + mean
    np.testing.assert_allclose([[float(line["load"]), float(line["oil"])] for line in lines], expected, rtol=1e-4)


def test_forecasts_of_any_length_go_row_by_row(compose, quick, tmp_path, load):
    run = forecasting(quick, tmp_path, "task=forecasting", "task.strategy=recursive")
    lines = said(compose, run, tmp_path / "load.csv", "steps_ahead=7", f"output={tmp_path / 'out.csv'}")
    assert (tmp_path / "out.csv").exists()
    values = load[["load", "oil"]].to_numpy()
    mean, scale = values[:84].mean(0), values[:84].std(0)
    rows = torch.from_numpy((values[-10:] - mean) / scale)
    task, layer = network(run)
    with torch.no_grad():
        for _ in range(7):
            _, hidden = layer(rows[None])
            rows = torch.cat([rows, rows[-1:] + task.head(hidden[0])])
    expected = rows[10:].numpy() * scale + mean
    np.testing.assert_allclose([[float(line["load"]), float(line["oil"])] for line in lines], expected, rtol=1e-4)


def test_intervals_of_a_run_of_points_are_order_statistics_of_its_validation_errors(compose, quick, tmp_path):
    rng = np.random.default_rng(0)
    pieces = [pd.DataFrame({"id": k, "load": 100.0**k * rng.normal(size=150).cumsum()}) for k in range(2)]
    frame = pd.concat(pieces, ignore_index=True)
    frame.to_csv(tmp_path / "load.csv", index=False)
    run = forecasting(quick, tmp_path, "data.group_column=id")
    lines = said(compose, run, tmp_path / "load.csv", "conformal=[0.8,0.5]")
    assert list(lines[0]) == ["sequence", "step", "load", "load-lo-50", "load-hi-50", "load-lo-80", "load-hi-80"]
    loaded, off = load_run(run), []
    split = loaded.data.splits["val"]
    for row in range(len(split)):
        batch = split[torch.tensor([row])]
        with torch.no_grad():
            off.append((loaded.task(batch) - batch.y).abs()[0, :, 0].numpy())
    for line in lines:
        deviation = frame["load"][frame["id"] == int(line["sequence"])][:105].std(ddof=0)
        for coverage, name in ((0.5, "50"), (0.8, "80")):
            errors = sorted(of_window[int(line["step"]) - 1] for of_window in off)
            margin = errors[math.ceil((len(off) + 1) * coverage) - 1] * deviation
            point, low, high = (float(line[f"load{end}"]) for end in ("", f"-lo-{name}", f"-hi-{name}"))
            assert (point - low, high - point) == pytest.approx((margin, margin), rel=1e-4)


@pytest.fixture
def takes(tmp_path: Path) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    pieces = [
        pd.DataFrame(rng.normal(size=(int(rng.integers(2, 9)), 2)) + 2 * (k % 2), columns=["u", "v"]).assign(
            take=f"t{k}", kind=["dog", "cat"][k % 2], weight=k * 0.5
        )
        for k in range(30)
    ]
    frame = pd.concat(pieces, ignore_index=True)
    frame.to_csv(tmp_path / "takes.csv", index=False)
    return frame


@pytest.mark.parametrize("labelled", [True, False])
def test_classes_have_their_names_and_probabilities(compose, quick, tmp_path, takes, labelled):
    more = ("data.group_column=take", "data.target=kind", "data.features=[u,v]")
    run = trained(quick, "data=csv", f"data.path={tmp_path / 'takes.csv'}", *more)
    new = takes[takes["take"].isin(["t3", "t8", "t9"])].assign(u=takes["u"] * 2)
    (new if labelled else new.drop(columns="kind")).to_csv(tmp_path / "new.csv", index=False)
    lines = said(compose, run, tmp_path / "new.csv")
    assert list(lines[0]) == ["sequence", "class", "p(cat)", "p(dog)", *(["true", "nll"] if labelled else [])]
    task, layer = network(run)
    scaling = load_run(run).data.scaling
    for line in lines:
        x = torch.from_numpy(
            (new[new["take"] == line["sequence"]][["u", "v"]].to_numpy() - scaling.mean) / scaling.scale
        )
        _, hidden = layer(x[None])
        p = task.head(hidden[0, 0]).softmax(0).tolist()
        assert [float(line["p(cat)"]), float(line["p(dog)"])] == pytest.approx(p, rel=1e-4)
        assert line["class"] == ["cat", "dog"][p[1] > p[0]]
        if labelled:
            assert line["true"] == ["dog", "cat"][int(line["sequence"][1:]) % 2]
            assert float(line["nll"]) == pytest.approx(-np.log(p[line["true"] == "dog"]), rel=1e-4)
    assert [line["sequence"] for line in lines] == ["t3", "t8", "t9"]


def test_sequences_without_a_known_label_are_predicted_and_not_scored(compose, quick, tmp_path, takes, caplog):
    more = ("data.group_column=take", "data.target=kind", "data.features=[u,v]")
    run = trained(quick, "data=csv", f"data.path={tmp_path / 'takes.csv'}", *more)
    whole = said(compose, run, tmp_path / "takes.csv")
    partly = takes["kind"].mask(takes["take"].isin(["t3", "t8"])).mask(takes["take"] == "t9", "eel")
    partly = partly.mask((takes["take"] == "t5") & ~takes["take"].duplicated())  # only its first row has none
    takes.assign(kind=partly).to_csv(tmp_path / "new.csv", index=False)
    with caplog.at_level("INFO"):
        lines = said(compose, run, tmp_path / "new.csv")
    unknown = [line["sequence"] for line in lines if line["true"] == ""]
    assert unknown == ["t3", "t5", "t8", "t9"]
    blank = [before | {"true": "", "nll": ""} if before["sequence"] in unknown else before for before in whole]
    assert lines == blank
    assert "3 sequences of 30 have no target and are not scored." in caplog.text
    assert caplog.text.count("The class eel (1 time) is unknown to the run and is not scored; known are cat, dog.") == 1


def test_sequences_without_a_value_are_predicted(compose, quick, tmp_path, takes):
    more = ("data.group_column=take", "data.target=weight", "data.features=[u,v]")
    run = trained(quick, "data=csv", f"data.path={tmp_path / 'takes.csv'}", *more)
    whole = said(compose, run, tmp_path / "takes.csv")
    takes.assign(weight=takes["weight"].mask(takes["take"] == "t3")).to_csv(tmp_path / "new.csv", index=False)
    assert said(compose, run, tmp_path / "new.csv") == [*whole[:3], whole[3] | {"true(weight)": ""}, *whole[4:]]


def test_values_are_in_their_own_unit(compose, quick, tmp_path, takes):
    more = ("data.group_column=take", "data.target=weight", "data.features=[u,v]")
    run = trained(quick, "data=csv", f"data.path={tmp_path / 'takes.csv'}", *more)
    lines = said(compose, run, tmp_path / "takes.csv")
    assert list(lines[0]) == ["sequence", "weight", "true(weight)"]
    assert [float(line["true(weight)"]) for line in lines] == pytest.approx([k * 0.5 for k in range(30)], abs=1e-5)
    task, layer = network(run)
    data = load_run(run).data
    x = torch.from_numpy((takes[takes["take"] == "t7"][["u", "v"]].to_numpy() - data.scaling.mean) / data.scaling.scale)
    _, hidden = layer(x[None])
    own = float(task.head(hidden[0, 0]).detach()) * data.description.output.scale[0] + data.description.output.mean[0]
    assert float(lines[7]["weight"]) == pytest.approx(own, rel=1e-4)


def test_steps_with_classes_have_a_line_each(compose, quick, tmp_path):
    rng = np.random.default_rng(0)
    x, lengths = rng.normal(size=(20, 5, 2)), rng.integers(1, 6, 20)
    np.savez(tmp_path / "mine.npz", x=x, y=(x[:, :, 0] > 0) * 7, lengths=lengths)
    run = trained(quick, "data=npz", f"data.path={tmp_path / 'mine.npz'}")
    np.savez(tmp_path / "new.npz", x=x[:2], lengths=[2, 5])
    lines = said(compose, run, tmp_path / "new.npz")
    places = [(line["sequence"], line["step"]) for line in lines]
    assert places == [("0", "1"), ("0", "2"), *(("1", str(k)) for k in range(1, 6))]
    assert list(lines[0]) == ["sequence", "step", "class", "p(0)", "p(7)"]
    task, layer = network(run)
    data = load_run(run).data
    output, _ = layer(torch.from_numpy((x[1:2] - data.scaling.mean) / data.scaling.scale))
    p = task.head(output[0]).softmax(-1)[:, 1].tolist()
    assert [float(line["p(7)"]) for line in lines[2:]] == pytest.approx(p, rel=1e-4)


def test_texts_have_their_nll_whole_however_they_are_cut(compose, quick, tmp_path):
    (tmp_path / "a.txt").write_text("the cat sat on the mat. " * 30)
    run = trained(quick, "data=text", f"data.path={tmp_path / 'a.txt'}", "data.chunk=16", "data.batch_size=2")
    (tmp_path / "new.txt").write_text("the mat sat on the cat!" * 3)
    (tmp_path / "a.txt").unlink()
    (line,) = said(compose, run, tmp_path / "new.txt")
    assert list(line) == ["sequence", "nll", "predictions", "nll_per_prediction"]
    assert int(line["predictions"]) == 23 * 3 - 1
    task, layer = network(run)
    data = load_run(run, read_data=False).data
    tokens = torch.from_numpy(np.asarray(data.new_data(str(tmp_path / "new.txt")).split.values).astype(np.int64))
    output, _ = layer(task.encoder(tokens[None, :-1]))
    nll = torch.nn.functional.cross_entropy(task.head(output[0]), tokens[1:], reduction="sum")
    assert float(line["nll"]) == pytest.approx(float(nll.detach()), rel=1e-4)
    assert float(line["nll_per_prediction"]) == pytest.approx(float(nll.detach()) / 68, rel=1e-4)


@pytest.mark.parametrize("kind", ["waveform", "classification"])
def test_recordings_are_read_with_what_was_fitted_when_the_training_ones_are_gone(compose, quick, tmp_path, kind):
    from scipy.io import wavfile

    rng = np.random.default_rng(0)
    for k in range(20):
        (tmp_path / "wavs" / ["high", "low"][k % 2]).mkdir(parents=True, exist_ok=True)
        tone = np.sin(np.arange(900) * [0.9, 0.2][k % 2]) * 9000 + rng.normal(size=900) * 100
        wavfile.write(tmp_path / "wavs" / ["high", "low"][k % 2] / f"{k}.wav", 8000, tone.astype(np.int16))
    run = trained(quick, "data=wav_folder", f"data.path={tmp_path / 'wavs'}", f"data.task={kind}")
    kept, whole = load_run(run, read_data=False), load_run(run)
    expected, found = (r.data.new_data(str(tmp_path / "wavs/low")).split[torch.tensor([0, 1])] for r in (whole, kept))
    assert torch.equal(expected.x, found.x)
    (tmp_path / "wavs/low").rename(tmp_path / "low")
    (tmp_path / "wavs").rename(tmp_path / "gone")
    lines = said(compose, run, tmp_path / "low")
    assert len(lines) == 10
    assert list(lines[0])[:2] == (["sequence", "nll"] if kind == "waveform" else ["sequence", "class"])


def test_what_makes_no_sense_is_refused(compose, quick, tmp_path, takes):
    more = ("data.group_column=take", "data.target=kind", "data.features=[u,v]")
    run = trained(quick, "data=csv", f"data.path={tmp_path / 'takes.csv'}", *more)
    with pytest.raises(UserError, match="steps_ahead=3 needs a forecasting run"):
        said(compose, run, tmp_path / "takes.csv", "steps_ahead=3")
    with pytest.raises(UserError, match="does not exist"):
        said(compose, run, tmp_path / "none.csv")


def test_advice_about_a_new_file_is_not_a_setting_that_predict_refuses(compose, quick, tmp_path, load, caplog):
    run = forecasting(quick, tmp_path)
    load.assign(load=load["load"].mask(load.index == 7)).to_csv(tmp_path / "new.csv", index=False)
    words = (
        r"new\.csv, line 9, column load: the value is missing \(''\); fill it in, or train again with data\.missing="
    )
    with pytest.raises(UserError, match=words):
        said(compose, run, tmp_path / "new.csv")
    late = load["time"] + pd.to_timedelta((load.index > 60) * 7, unit="min")
    load.assign(time=late).to_csv(tmp_path / "new.csv", index=False)
    with caplog.at_level("INFO"):
        said(compose, run, tmp_path / "new.csv")
    assert "train again with data.resample to make the intervals equal" in caplog.text


def test_a_named_set_has_no_files_of_ones_own(compose, quick, tmp_path):
    run = trained(quick)
    with pytest.raises(UserError, match="UCR is a built-in data set"):
        said(compose, run, tmp_path / "takes.csv")
