"""What a gate costs: counts against formulas, exceptions as the numbers have them."""

import pytest
import torch
from torch import nn

from benchmarks.contenders import Case, Shape
from benchmarks.cost import MARKS, as_csv, cells
from benchmarks.gate_cost import TORCH, Counted, Row, count, rows, saved_bytes
from benchmarks.statistics import median_interval
from benchmarks.tables import put_into
from src.config.errors import UserError
from src.recurrent import GRU

CASE = Case(Shape(2, 5, 3, 4), "training", 1)


@pytest.mark.parametrize(("kind", "gates"), [("gru", 3), ("lstm", 4), ("rnn", 1)])
@pytest.mark.parametrize("implementation", [TORCH, "reference", "fused"])
def test_parameters_and_products_are_their_formulas(kind, gates, implementation):
    counted = count(kind, implementation, CASE, torch.device("cpu"))
    assert counted.parameters == gates * 4 * (3 + 4 + 2)
    assert counted.multiply_adds == 2 * 5 * gates * 4 * (3 + 4)
    assert counted.saved_mb > 0


def test_saved_memory_counts_each_block_once_and_nothing_that_is_there_anyway():
    class Squares(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1000))

        def forward(self, x):
            kept = x * self.weight  # saves input and weight
            return kept * kept.view(-1), None  # saves one block twice

    assert saved_bytes(Squares(), torch.ones(1000)) == 4000


def test_twice_the_steps_save_twice_the_memory():
    network = GRU(3, 8, batch_first=True, backend="reference")
    short, long = (saved_bytes(network, torch.randn(2, steps, 3)) for steps in (20, 40))
    assert long / short == pytest.approx(2, rel=0.05)


def row(gru, lstm, faster, noisy=False):
    counted = {"gru": Counted(*gru), "lstm": Counted(*lstm), "rnn": Counted(1, 1, 1)}
    times = {"training": {kind: median_interval([1.0, 1.0]) for kind in counted}}
    return Row("fused", CASE.shape, counted, times, {"training": median_interval(faster)}, {"training": noisy})


@pytest.mark.parametrize(("gru", "lstm", "faster", "expected"), [
    ((3, 3, 3), (4, 4, 4), [1.2, 1.3, 1.4], []),
    ((4, 3, 3), (4, 4, 4), [1.2, 1.3, 1.4], ["not fewer parameters"]),
    ((3, 3, 5), (4, 4, 4), [0.7, 0.8, 0.9], ["not less memory", "training slower"]),
    ((3, 5, 3), (4, 4, 4), [0.9, 1.1, 1.2], ["not fewer operations", "training no faster"]),
])  # fmt: skip
def test_what_is_not_so_stands_in_the_row(gru, lstm, faster, expected):
    assert row(gru, lstm, faster).exceptions == expected
    assert cells(row(gru, lstm, faster))[-1] == ", ".join(expected)


def test_noise_leaves_a_question_mark():
    noisy = row((3, 3, 3), (4, 4, 4), [0.5, 0.6], noisy=True)
    assert noisy.exceptions == ["training slower ?"]
    assert cells(noisy)[8].endswith("?")


def result():
    seconds = {"nn.GRU": [2.0, 4.0, 3.0], "nn.LSTM": [1.0, 1.0, 1.0], "nn.RNN": [1.0, 2.0, 1.0]}
    contenders = [{"name": name, "seconds": times} for name, times in seconds.items()]
    counted = [{"shape": [2, 5, 3, 4], "implementation": TORCH, "cell": kind, "parameters": n, "multiply_adds": 1e6 * n,
                "saved_mb": n} for kind, n in (("gru", 3), ("lstm", 4), ("rnn", 1))]  # fmt: skip
    case = {"shape": [2, 5, 3, 4], "mode": "inference", "threads": 1, "noise": [], "contenders": contenders}
    return {"cases": [case], "counted": counted}


def test_ratios_are_taken_round_by_round():
    (line,) = rows(result())
    assert line.faster["inference"].value == pytest.approx(1 / 3)
    assert line.milliseconds["inference"]["gru"].value == 3000
    assert line.exceptions == ["inference slower"]
    assert as_csv(result()).splitlines()[1] == "PyTorch,2,5,3,4,gru,3,3000000.0,3,inference,3000.0,2000.0,4000.0"


def test_a_page_without_marks_is_refused(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(MARKS[0])
    with pytest.raises(UserError, match="must be a page with"):
        put_into(page, MARKS, "table")
    assert MARKS[1] not in page.read_text()
