"""What is written: a CSV that no spreadsheet runs, from whoever writes one."""

import ast
import csv
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.config.errors import UserError
from src.explaining.outputs import write_table
from src.files import csv_text
from src.reporting.csv_files import runs_table
from src.tasks.predictions import as_table
from src.training.loggers import MetricsCSV
from tests.analysis.fake import fake_run

ROOT = Path(__file__).resolve().parents[1]
EVIL = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=cmd|"/c calc"!A1', "-nan()", "-1_0"]


@pytest.mark.parametrize("text", EVIL)
def test_text_that_begins_like_a_formula_is_text(text: str) -> None:
    ((head,), (cell,)) = csv.reader(io.StringIO(csv_text([text], [[text]]), newline=""))
    assert head == cell == f"'{text}".replace("\r", "\n")


def test_no_row_begins_inside_a_cell() -> None:
    assert csv_text(["name"], [["a\r=1"], ["b\n=1"]]) == 'name\n"a\n=1"\n"b\n=1"\n'


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (-3.2, "-3.2"), (-3, "-3"), (np.float32(-0.5), "-0.5"), (-math.inf, "-inf"), (math.nan, "nan"), (0.1, "0.1"),
        (np.int64(-1), "-1"), ("-3.2", "-3.2"), ("+1", "+1"), ("-1e-5", "-1e-5"), ("-.5", "-.5"), ("a-b", "a-b"),
        (None, ""), (True, "True"), ([16, 32], "[16, 32]"), ("", ""),
    ],
)  # fmt: skip
def test_numbers_stay_numbers_and_other_text_is_left_alone(value: Any, cell: str) -> None:
    ((_,), *rows) = csv.reader(io.StringIO(csv_text(["x"], [[value]])))
    assert rows in ([[cell]], [[]])


def test_every_writer_neutralises_names_that_others_chose(tmp_path: Path) -> None:
    columns = {"row": np.array([0]), "class": np.array(["@SUM(A1)"]), "=1+1": np.array([-0.5])}
    table = as_table(columns, ["=2"])
    assert csv_text(list(table), zip(*table.values(), strict=True)) == "sequence,class,'=1+1\n'=2,'@SUM(A1),-0.5\n"
    table = write_table(tmp_path / "x.csv", [{"run": "+gru", "kept": np.float32(-0.25)}])
    assert table.read_text() == "run,kept\n'+gru,-0.25\n"
    logger = MetricsCSV(tmp_path)
    with pytest.raises(UserError, match="spreadsheets treat as a formula"):
        logger.log_metrics({"=1+1": 0.5}, step=0)


def test_a_run_of_a_strangers_cannot_plant_a_formula_in_the_report(tmp_path: Path) -> None:
    from src.analysis.collect import collect

    fake_run(tmp_path / "run", model="=HYPERLINK(1)", data="-x", seed=1)
    head, lines = runs_table(collect([tmp_path], "runs").runs)
    (row,) = csv.DictReader(io.StringIO(csv_text(head, lines)))
    assert (row["model"], row["data"], row["seed"]) == ("'=HYPERLINK(1)", "'-x", "1")
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row.values())


def test_nobody_writes_a_csv_in_another_way() -> None:
    found = set()
    for folder in ("src", "benchmarks", "hydra_plugins"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Attribute) and node.attr in ("writer", "DictWriter", "to_csv", "savetxt"):
                    found.add(str(file.relative_to(ROOT)))
    # A data frame of one's own is written for gatebench.fit to be read back, cell by cell as it is.
    assert found == {"src/files.py", "src/api/data.py"}
