"""The test metrics of each series of a forecasting run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from src.tasks.metrics import ERRORS, MASE
from src.training.by_series import by_series, write


@pytest.mark.parametrize(("known", "name", "order"), [(1, "mase", ["c", "b", "a"]), (0, "mse", ["a", "c", "b"])])
def test_the_worst_series_comes_first_by_one_metric_even_if_mase_is_undefined_for_another(
    known: int, name: str, order: list[str], tmp_path: Path
) -> None:
    columns = {
        "series": np.array([0, 1, 2]), "count": np.ones(3), "loss": np.array([900.0, 2.0, 30.0]),
        "absolute": np.ones(3), "scaled": np.array([0.5, 1.0, 2.0]), "scaled_count": np.array([1, known, 1]),
    }  # fmt: skip
    mase = replace(MASE, denominator="scaled_count")
    rows = by_series([*ERRORS[:2], mase], columns, ["a", "b", "c"])
    said = write(tmp_path, rows)
    assert [line.split(",")[0] for line in (tmp_path / "series.csv").read_text().splitlines()[1:]] == order
    assert said.startswith(f"test/{name} by series, from ")
    assert f" in {order[-1]} to " in said
    assert f" in {order[0]}; " in said
