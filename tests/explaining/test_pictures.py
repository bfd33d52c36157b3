"""Units stand in the order of what they keep, whatever the convention of the gate."""

import numpy as np
import pytest

from src.explaining.pictures import column_of
from src.figures.inputs import Shown
from src.inside.gates import Gates
from src.recurrent.cells.base import find_cell

SHOWN = Shown("lines", np.zeros((3, 1)), "step", "input")


@pytest.mark.parametrize(("cell", "gate", "order", "note"), [
    (find_cell("gru"), "update", [1, 2, 0], "1 keeps"),
    (find_cell("gru", update_gate="takes"), "update", [0, 2, 1], "1 takes new"),
    (find_cell("lstm"), "forget", [1, 2, 0], ""),
    (find_cell("rnn"), "hidden", [1, 2, 0], ""),
])  # fmt: skip
def test_what_keeps_most_stands_on_top(cell, gate, order, note):
    values = {"hidden": np.zeros((1, 3, 3)), gate: np.array([[[0.9, 0.1, 0.5]] * 3])}
    column = column_of("gru", SHOWN, Gates(0, False, cell, values))
    assert column.order == order
    assert column.note == note
    np.testing.assert_array_equal(column.values[gate], values[gate][0])
