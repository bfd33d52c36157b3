"""How a column writes its numbers is found for all its cells, said, kept for new files, or refused where it is open."""

from pathlib import Path

import numpy as np
import pytest

from src.config.errors import UserError
from src.data.own.csv import CSV

HOURS = 60
LOAD = np.linspace(900, 1400, HOURS).round(2)


def german(number: float, places: int = 2) -> str:
    return f"{number:,.{places}f}".translate(str.maketrans(",.", ".,"))


def french(number: float) -> str:
    return german(number).replace(".", "\u202f")


def swiss(number: float) -> str:
    return f"{number:,.2f}".replace(",", "'")


def quoted(number: float) -> str:
    return f'"{number:,.2f}"'


def table(folder: Path, cells: list[str], separator: str = ";", name: str = "mine.csv") -> str:
    rows = [f"2024-01-{1 + k // 24:02d} {k % 24:02d}:00{separator}{cell}" for k, cell in enumerate(cells)]
    path = folder / name
    path.write_text("\n".join([f"time{separator}load", *rows]), encoding="utf-8")
    return str(path)


def read(path: str, **options: object) -> CSV:
    built = CSV(path=path, lookback=4, horizon=2, **options)  # type: ignore[arg-type]
    _ = built.description
    return built


def values(built: CSV) -> np.ndarray:
    split = built.splits["test"]
    assert built.scaling is not None
    return split.values[:, 0].double().numpy() * built.scaling.scale + built.scaling.mean  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("write", "separator"), [(german, ";"), (french, ";"), (swiss, ";"), (quoted, ","), (swiss, ",")]
)
def test_signs_between_thousands_are_read_and_said(tmp_path, write, separator):
    built = read(table(tmp_path, [write(x) for x in LOAD], separator))
    np.testing.assert_allclose(values(built), LOAD, atol=1e-3)
    assert any("thousands separators: 1" in str(note) for note in built.notes.values())


@pytest.mark.parametrize(
    "write", [lambda x: f"{x:.2f}".replace("-", "−"), lambda x: f"({-x:.2f})" if x < 0 else f"{x:.2f}"]
)
def test_a_unicode_minus_and_a_bracketed_number_are_negative(tmp_path, write):
    built = read(table(tmp_path, [write(x - 1000) for x in LOAD], ","))
    np.testing.assert_allclose(values(built), LOAD - 1000, atol=1e-3)


def test_a_column_named_as_target_is_forecast_and_not_classified(tmp_path):
    built = read(table(tmp_path, [german(x) for x in LOAD]), target="load")
    assert built.roles.kind == "forecasting"
    assert built.roles.features == ["load"]


def test_what_may_be_two_numbers_is_refused_with_both_and_the_option_that_decides(tmp_path):
    path = table(tmp_path, [german(x, 0) for x in LOAD])
    with pytest.raises(
        UserError, match=r"line 14, column load: '1\.002' may be 1\.002 .*data\.decimal=point\) or 1002 \("
    ):
        read(path)
    np.testing.assert_allclose(values(read(path, decimal="comma")), LOAD.round(), atol=1)
    assert values(read(path, decimal="point")).min() < 2


def test_another_column_of_the_file_decides(tmp_path):
    cells = [f"{german(x, 0)};{german(x / 100, 1)}" for x in LOAD]
    path = Path(table(tmp_path, cells))
    path.write_text(path.read_text().replace("load\n", "load;t\n", 1))
    np.testing.assert_allclose(values(read(str(path), features=["load"])), LOAD.round(), atol=1)


@pytest.mark.parametrize("separator", [",", "\t"])
def test_three_decimals_in_every_cell_are_decimals(tmp_path, separator):
    """As ``%.3f`` writes them: no cell shows that it is no group of three, but none is without a sign either."""
    np.testing.assert_allclose(
        values(read(table(tmp_path, [f"{x / 20:.3f}" for x in LOAD], separator))), LOAD / 20, atol=1e-3
    )


def test_the_notation_is_kept_for_a_new_file_that_alone_passes_a_thousand(tmp_path):
    trained = read(table(tmp_path, [german(x / 2, 1) for x in LOAD]))
    fresh = CSV(path="gone.csv", lookback=4, horizon=2)
    fresh.load_state_dict(trained.state_dict())
    for places in (0, 2):
        path = table(tmp_path, [german(x, places) for x in LOAD], name="new.csv")
        split = fresh.new_data(path).split
        assert fresh.scaling is not None
        got = split.values[:, 0].double().numpy() * fresh.scaling.scale + fresh.scaling.mean  # type: ignore[attr-defined]
        np.testing.assert_allclose(got, LOAD[-4:].round(places), atol=1e-2)


def test_a_cell_against_the_notation_of_its_column_is_named(tmp_path):
    cells = [german(x) for x in LOAD]
    cells[7] = "1.2.3"
    with pytest.raises(UserError, match=r"line 9, column load: '1\.2\.3' is not a finite number\."):
        read(table(tmp_path, cells))
