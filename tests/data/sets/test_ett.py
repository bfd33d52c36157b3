"""The electricity transformers as the literature cuts them."""

import numpy as np
import pandas as pd
import pytest
import torch

from src.config.errors import UserError
from src.data.sets.ett import ETT
from src.explaining.forecasts import whence
from tests.data.real import DATA, needs


# Repeating the last value: Zeng et al. 2023 (arXiv 2205.13504), table 2, "Repeat" at horizon 96 (as remembered, so the
# bounds are wide); the counts follow from 8,640/2,880/2,880 rows.
@pytest.mark.parametrize(
    ("name", "file", "mse", "mae"), [("ett_h1", "ETTh1", 1.295, 0.713), ("ett_h2", "ETTh2", 0.432, 0.422)]
)
def test_ett_as_the_literature_cuts_it(name, file, mse, mae, tmp_path):
    if not (DATA / f"ett/{file}.csv").exists():
        pytest.skip(f"ett/{file}.csv is not here")
    data = ETT(name=name, data_dir=str(DATA), cache_dir=str(tmp_path))
    assert data.description.output.names == ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
    assert [len(data.splits[split]) for split in ("train", "val", "test")] == [8449, 2785, 2785]
    assert data.baselines["naive/mse"] == pytest.approx(mse, abs=2e-3)
    assert data.baselines["naive/mae"] == pytest.approx(mae, abs=2e-3)
    rows = torch.from_numpy(np.loadtxt(DATA / f"ett/{file}.csv", delimiter=",", skiprows=1, usecols=range(1, 8)))
    last = data.splits["test"][torch.tensor([2784])]
    output = data.description.output
    own = last.y[0].double() * torch.tensor(output.scale) + torch.tensor(output.mean)
    torch.testing.assert_close(own, rows[14304:14400], rtol=1e-5, atol=1e-5)


@needs("ett/ETTh1.csv")
def test_an_unknown_transformer_is_refused(tmp_path):
    with pytest.raises(UserError, match="must be one of ett_h1, ett_h2"):
        _ = ETT(name="ett_m1", data_dir=str(DATA), cache_dir=str(tmp_path)).description


def test_hours_have_their_dates(tmp_path, monkeypatch):
    """On a file made up here, cut into fewer rows."""
    dates = pd.date_range("2016-07-01", periods=40, freq="h")
    pd.DataFrame({"date": dates, "HUFL": np.arange(40.0), "OT": 1.0}).to_csv(tmp_path / "small.csv", index=False)
    monkeypatch.setattr(ETT, "fetch", lambda self, file: tmp_path / "small.csv")
    monkeypatch.setattr(ETT, "rows", (20, 10, 10))
    data = ETT(name="ett_h1", lookback=6, horizon=3, season=None, data_dir=str(tmp_path), cache_dir=str(tmp_path))
    _ = data.description
    stamps, series = whence(data, "test", 0)
    assert series == ""
    assert stamps == tuple(str(stamp) for stamp in dates[24:33])
