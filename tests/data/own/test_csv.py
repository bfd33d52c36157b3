"""The user's own tables: what the columns are for, how rows are shared out, what is refused, what new files get."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from src.config.errors import UserError
from src.data.describe import Classes, Features, Horizon, Values
from src.data.own.csv import CSV
from src.data.own.times import following
from src.data.sets.ett import ETT
from tests.data.real import DATA, needs

HOURS = 200


def hourly(rows: int = HOURS) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    times = pd.date_range("2020-01-01", periods=rows, freq="h")
    values = rng.normal(size=(rows, 2)).cumsum(0).round(4)
    return pd.DataFrame({"when": times, "load": values[:, 0], "oil": values[:, 1], "remark": "fine"})


def takes(groups: int = 30) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    pieces = []
    for k in range(groups):
        n = int(rng.integers(4, 9))
        piece = pd.DataFrame(rng.normal(size=(n, 2)).round(4), columns=["u", "v"])
        pieces.append(piece.assign(take=f"t{k}", step=range(n), kind=["cat", "dog", "owl"][k % 3], weight=k * 0.5))
    return pd.concat(pieces, ignore_index=True)


def data(folder: Path, frame: pd.DataFrame, **options: Any) -> CSV:
    path = folder / "mine.csv"
    frame.to_csv(path, index=False)
    short = {"lookback": 12, "horizon": 4} if "group_column" not in options else {}
    return CSV(path=str(path), **(short | options))


def notes(built: CSV) -> str:
    return " ".join(str(v) for k, v in built.notes.items() if k.startswith("note"))


# --------------------------------------------------------------------------------------------------- forecasting


def test_a_plain_table_of_times_and_numbers_needs_no_option(tmp_path):
    built = data(tmp_path, hourly())
    description = built.description
    assert description.input == Features(2)
    assert isinstance(description.output, Horizon)
    assert description.output.names == ("load", "oil")
    for words in ("when was read as time", "data.task=forecasting was inferred", "ignored: remark", "A season of 24"):
        assert words in notes(built)
    assert [len(built.splits[p]) for p in ("train", "val", "test")] == [140 - 15, 30 - 3, 30 - 3]


def test_windows_hold_the_rows_of_the_file_scaled_on_train(tmp_path):
    frame = hourly()
    built = data(tmp_path, frame)
    values = frame[["load", "oil"]].to_numpy()
    mean, scale = values[:140].mean(0), values[:140].std(0)
    built.setup()
    batch = built.splits["val"][torch.tensor([0])]
    np.testing.assert_allclose(batch.x[0], (values[128:140] - mean) / scale, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(batch.y[0], (values[140:144] - mean) / scale, rtol=1e-4, atol=1e-5)


def test_rows_out_of_order_are_sorted_by_time_and_it_is_said(tmp_path):
    straight, mixed = data(tmp_path, hourly()), None
    straight.setup()
    mixed = data(tmp_path, hourly().sample(frac=1, random_state=0))
    mixed.setup()
    assert "sorted by when" in notes(mixed)
    assert "sorted by when" not in notes(straight)
    assert torch.equal(mixed.splits["test"].values, straight.splits["test"].values)
    assert mixed.checksum != straight.checksum


def stores(rows: int = 60) -> pd.DataFrame:
    weeks = pd.date_range("2020-01-06", periods=rows, freq="7D").strftime("%Y-%m-%d")
    sales = np.random.default_rng(2).normal(size=(2, rows)).cumsum(1).round(3)
    pieces = [pd.DataFrame({"store": name, "week": weeks, "sales": sales[k]}) for k, name in enumerate("ab")]
    return pd.concat(pieces, ignore_index=True)


LONG = {"group_column": "store", "target": "sales", "lookback": 6, "horizon": 2}


def test_the_only_column_of_dates_orders_the_rows_wherever_it_stands(tmp_path):
    frame = stores().assign(opened="1999-05-01", format="big", ms=np.arange(120) % 7)
    straight = data(tmp_path, frame, **LONG)
    straight.setup()
    mixed = data(tmp_path, frame.sample(frac=1, random_state=0).sort_values("store", kind="stable"), **LONG)
    mixed.setup()
    assert straight.roles.time == mixed.roles.time == ["week"]
    assert "The column week was read as time" in notes(mixed)
    assert "in the order of the file" not in notes(mixed)
    assert torch.equal(mixed.splits["test"].values, straight.splits["test"].values)
    new = [straight.new_data(straight.path) for _ in range(2)]  # of the file that is not in order
    straight.path = str(tmp_path / "straight.csv")
    frame.to_csv(straight.path, index=False)
    new.append(straight.new_data(straight.path))
    assert torch.equal(new[0].split.values, new[2].split.values)
    assert new[0].following(0, 1) == ["2021-03-01 00:00:00"]


def test_one_of_several_columns_of_dates_must_be_chosen(tmp_path):
    frame = stores()
    frame["due"] = (pd.to_datetime(frame["week"]) + pd.Timedelta("3D")).dt.strftime("%d.%m.%Y")
    with pytest.raises(UserError, match=r"columns week and due all have dates.*data\.time_column=week"):
        data(tmp_path, frame, **LONG).setup()
    chosen = data(tmp_path, frame, **LONG, time_column="due")
    chosen.setup()
    assert chosen.roles.time == ["due"]
    alone = data(tmp_path, stores(), **LONG)  # a column besides group and target may also be of texts
    alone.setup()
    assert alone.roles.time == ["week"]


@pytest.mark.parametrize("cells", ["Mon", "10a", "18:00", "A-2020", "1.5 kg", "2020-01-01", ""])
def test_rows_without_times_are_said_to_be_in_the_order_of_the_file(tmp_path, cells):
    """Pandas reads most of these as dates."""
    built = data(tmp_path, stores().assign(week=cells, ms=range(120)), **LONG)
    built.setup()
    assert built.roles.time == []
    assert "No time column was found" in notes(built)
    assert ("the dates in week recur" in notes(built)) == (cells == "2020-01-01")


def test_sequences_are_said_to_be_in_the_order_of_the_file_where_rows_are_not_sequences(tmp_path):
    wide = takes().groupby("take", as_index=False).first().drop(columns=["take", "step"])
    wide["seen"] = pd.date_range("2020-01-01", periods=len(wide)).strftime("%Y-%m-%d")
    for frame, group in ((takes().drop(columns="step"), "take"), (wide, "none")):
        built = data(tmp_path, frame, group_column=group, target="kind", task="classification")
        built.setup()
        assert ("rows are in the order of the file" in notes(built)) == (group == "take")


@pytest.mark.parametrize(
    ("cells", "unit"), [("0.1144 g", "g"), ("-1,5kW", "kW"), ("12 %", "%"), ("left", None), ("x1 g", None)]
)
def test_a_column_ignored_for_its_unit_is_said_to_have_one(tmp_path, cells, unit):
    built = data(tmp_path, hourly().assign(ax=cells))
    built.setup()
    assert (f"Most cells of ax have a unit ({unit})" in notes(built)) == (unit is not None)
    assert "Most cells of remark" not in notes(built)


def test_a_season_longer_than_what_is_read_is_said_to_be_left_out(tmp_path):
    for lookback, left_out in ((6, True), (24, False)):
        built = data(tmp_path, hourly(), lookback=lookback, horizon=2)
        built.setup()
        assert (
            "is omitted; to repeat the season, it needs data.lookback=24" in str(built.notes.get("season"))
        ) == left_out
        assert ("seasonal_naive/mse" not in built.baselines) == left_out
    days = pd.DataFrame({"date": pd.date_range("2020-01-01", periods=90), "site": "day"})
    frame = pd.concat([hourly().rename(columns={"when": "date"}).assign(site="hour"), days.assign(load=range(90))])
    built = data(tmp_path, frame, group_column="site", target="load", features="load", lookback=8, horizon=2)
    built.setup()
    assert (
        "24 rows is longer than data.lookback=8, so seasonal_naive repeats the last row there" in built.notes["season"]
    )


def test_gaps_are_noted(tmp_path):
    built = data(tmp_path, hourly().drop(index=[50, 51, 90]))
    built.setup()
    assert "2 of 197 rows are not at the usual interval in when (0 days 01:00:00)" in notes(built)


@pytest.mark.parametrize(
    ("splits", "counts"),
    [
        ([0.5, 0.25, 0.25], [100, 50, 50]),
        ([100, 40, 40], [100, 40, 40]),
        (["2020-01-05", "2020-01-07 12:00"], [96, 60, 44]),
    ],
)
def test_series_are_cut_by_fraction_by_rows_or_by_time(tmp_path, splits, counts):
    built = data(tmp_path, hourly(), splits=splits)
    built.setup()
    train, val, test = counts
    assert [len(built.splits[p]) for p in ("train", "val", "test")] == [train - 15, val - 3, test - 3]
    assert built.splits["val"].starts[0] == train - 12
    assert built.splits["test"].starts[0] == train + val - 12


def test_series_are_cut_by_a_column(tmp_path):
    frame = hourly().assign(part=["training"] * 120 + ["valid"] * 40 + ["TEST"] * 40)
    built = data(tmp_path, frame, splits="part")
    assert built.description.input == Features(2)
    assert [len(built.splits[p]) for p in ("train", "val", "test")] == [105, 37, 37]
    with pytest.raises(UserError, match="line 42, column part: the split must be train, val or test, got 'tset'"):
        data(tmp_path, frame.assign(part=["train"] * 40 + ["tset"] * 160), splits="part").setup()
    with pytest.raises(UserError, match=r"line 122: a train row follows a row of a later split"):
        data(tmp_path, frame.assign(part=["val"] * 120 + ["train"] * 40 + ["test"] * 40), splits="part").setup()


def test_separate_files_go_on_from_each_other_by_time(tmp_path):
    frame = hourly()
    frame[140:170].to_csv(tmp_path / "val.csv", index=False)
    frame[170:].to_csv(tmp_path / "test.csv", index=False)
    files = [str(tmp_path / f"{name}.csv") for name in ("val", "test")]
    apart = data(tmp_path, frame[:140], splits=files)
    apart.setup()
    whole = data(tmp_path, frame)
    whole.setup()
    for name in ("train", "val", "test"):
        assert torch.equal(apart.splits[name].starts, whole.splits[name].starts)
    assert torch.equal(apart.splits["test"].values, whole.splits["test"].values)
    with pytest.raises(UserError, match=r"vel\.csv does not exist"):
        data(tmp_path, frame, splits=["vel.csv", files[1]]).setup()


def test_sequences_of_separate_files_may_have_the_same_names(tmp_path):
    frame = takes(9)
    for name in ("val", "test"):
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    files = [str(tmp_path / f"{name}.csv") for name in ("val", "test")]
    built = data(tmp_path, frame, splits=files, group_column="take", target="kind", features=["u", "v"])
    built.setup()
    assert [len(built.splits[p]) for p in ("train", "val", "test")] == [9, 9, 9]
    assert torch.equal(built.splits["train"].values, built.splits["test"].values)


def test_many_series_are_each_cut_and_never_run_into_each_other(tmp_path):
    frame = pd.concat([hourly().assign(site=site) for site in ("north", "south")]).sample(frac=1, random_state=0)
    built = data(tmp_path, frame, group_column="site", lookback=12, horizon=4)
    assert isinstance(built.description.output, Horizon)
    assert [len(built.splits[p]) for p in ("train", "val", "test")] == [2 * 125, 2 * 27, 2 * 27]
    batch = built.splits["train"][torch.tensor([0, 125])]
    assert torch.equal(batch.x[0], batch.x[1]), "both series are the same one"


def test_whole_series_can_belong_to_a_split(tmp_path):
    frame = pd.concat([hourly().assign(site=site) for site in "abcd"])
    (tmp_path / "names.csv").write_text("site,part\na,train\nb,train\nc,val\nd,test\n")
    options = {"group_column": "site", "lookback": 12, "horizon": 4}
    built = data(tmp_path, frame, splits=str(tmp_path / "names.csv"), **options)
    built.setup()
    assert [len(built.splits[p]) for p in ("train", "val", "test")] == [2 * 185, 185, 185]
    (tmp_path / "names.csv").write_text("a,train\nb,train\nc,val\n")
    with pytest.raises(UserError, match="has no line for d"):
        data(tmp_path, frame, splits=str(tmp_path / "names.csv"), **options).setup()
    (tmp_path / "names.csv").write_bytes("Zoë,train\n".encode("cp1252"))
    with pytest.raises(UserError, match=r"names\.csv must be lines NAME,SPLIT in UTF-8"):
        data(tmp_path, frame, splits=str(tmp_path / "names.csv"), **options).setup()


@needs("ett/ETTh1.csv")
def test_the_general_path_cuts_a_named_set_as_its_own_does(tmp_path):
    named = ETT(name="ett_h1", data_dir=str(DATA), cache_dir=str(tmp_path))
    general = CSV(path=str(DATA / "ett/ETTh1.csv"), lookback=96, horizon=96, splits=[8640, 2880, 2880])
    assert general.description == named.description
    assert general.baselines == named.baselines
    for name in ("train", "val", "test"):
        assert torch.equal(general.splits[name].starts, named.splits[name].starts)


def test_a_target_is_forecast_from_all_columns(tmp_path):
    output = data(tmp_path, hourly(), target="oil").description.output
    assert (output.size, output.names, output.columns) == (1, ("oil",), (1,))
    output = data(tmp_path, hourly(), target="oil", features=["load"]).description.output
    assert output.columns == (1,), "the target's own past is read too"


# ----------------------------------------------------------------------------------------------- whole sequences


def test_groups_with_one_label_are_classified(tmp_path):
    frame = takes()
    built = data(tmp_path, frame.drop(columns="weight"), group_column="take", target="kind", time_column="step")
    description = built.description
    assert description.output == Classes(("cat", "dog", "owl"))
    assert description.input == Features(2)
    assert description.varying_length
    assert "data.task=classification was inferred" in notes(built)
    sizes = [len(built.splits[p]) for p in ("train", "val", "test")]
    assert sum(sizes) == 30
    for name in ("train", "val", "test"):
        assert len(set(built.splits[name].targets.bincount().tolist())) == 1, "classes are shared out alike"
    train = built.splits["train"]
    steps = train.values.double()
    np.testing.assert_allclose(steps.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(steps.std(0, correction=0), 1, atol=1e-6)


def test_the_split_follows_from_split_seed_and_not_from_the_seed(tmp_path):
    def items(**seeds: int) -> tuple[dict[str, list[str]], str]:
        built = data(tmp_path, takes(), group_column="take", target="kind", **seeds)
        built.setup()
        return {name: of.tolist() for name, of in built.items.items()}, built.checksum

    first, checksum = items()
    assert items(seed=1) == (first, checksum)
    other, other_checksum = items(split_seed=1)
    for split in ("train", "val", "test"):
        assert set(first[split]) != set(other[split])
    assert checksum != other_checksum


def test_a_sequence_without_a_group_is_known_by_its_line(tmp_path):
    frame = pd.DataFrame(np.arange(300.0).reshape(30, 10), columns=[f"t{k}" for k in range(10)])
    built = data(tmp_path, frame.assign(kind=["cat", "dog"] * 15), target="kind", task="classification")
    built.setup()
    for name, items in built.items.items():
        first_values = built.splits[name].values[::10, 0].double() * built.scaling.scale[0] + built.scaling.mean[0]
        # Line 2 of the file, under the heading, begins with 0, the next one with 10.
        np.testing.assert_allclose(first_values, (items - 2) * 10, atol=1e-3)


def test_every_sequence_keeps_its_rows_its_label_and_its_order(tmp_path):
    frame = takes()
    mixed = frame.sample(frac=1, random_state=3)
    built = data(tmp_path, mixed, group_column="take", target="kind", time_column="step", features=["u"])
    built.setup()
    seen = {}
    for name in ("train", "val", "test"):
        split = built.splits[name]
        for row in range(len(split)):
            batch = split[torch.tensor([row])]
            own = batch.x[0, :, 0].double().numpy() * built.scaling.scale[0] + built.scaling.mean[0]
            seen[tuple((own.round(4) + 0).tolist())] = built.description.output.names[int(batch.y)]
    expected = {tuple((g.u + 0).tolist()): g.kind.iloc[0] for _, g in frame.groupby("take")}
    assert seen == expected


def test_groups_with_one_value_are_regressed_on_standardised_targets(tmp_path):
    built = data(tmp_path, takes().drop(columns="kind"), group_column="take", target="weight", time_column="step")
    output = built.description.output
    assert isinstance(output, Values)
    assert "data.task=regression was inferred" in notes(built)
    train = built.splits["train"].targets.double() * output.scale[0] + output.mean[0]
    assert output.mean[0] == pytest.approx(float(train.mean()), rel=1e-5)
    test = built.splits["test"].targets.double() * output.scale[0] + output.mean[0]
    assert built.baselines["mean/mse_unit"] == pytest.approx(float((test - output.mean[0]).square().mean()), rel=1e-4)


@pytest.mark.parametrize(
    ("values", "kind"), [(["1", "2"], "classification"), (["1.5", "2.5"], "regression"), (range(30), "regression")]
)
def test_numbers_as_labels_are_classes_where_they_are_few_and_whole(tmp_path, values, kind):
    frame = takes()
    label = {f"t{k}": list(values)[k % len(values)] for k in range(30)}
    built = data(tmp_path, frame.assign(label=frame["take"].map(label)), group_column="take", target="label")
    built.setup()
    assert built.roles.kind == kind
    assert f"data.task={kind} was inferred" in notes(built)


def test_without_groups_each_row_is_a_sequence(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(24, 6)).round(4)).astype(object)
    frame.iloc[3, 4:] = ""
    frame.insert(0, "kind", ["a", "b", "c"] * 8)
    built = data(tmp_path, frame, target="kind")
    assert built.description.input == Features(1)
    assert built.description.varying_length
    lengths = sorted(torch.cat([built.splits[p].lengths for p in ("train", "val", "test")]).tolist())
    assert lengths == [4] + [6] * 23
    frame.iloc[3, 6] = 1.0
    with pytest.raises(UserError, match="line 5, column 4: the value is missing"):
        data(tmp_path, frame, target="kind").setup()


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        (lambda f: f.assign(kind=["dog", *f.kind[1:]]), {}, r"line 3: the group t0 has two different classes in kind"),
        (lambda f: f.assign(kind=f.kind.where(f["take"] != "t4", "")), {}, r"column kind: the class is missing"),
        (lambda f: f.assign(kind=f.kind.where(f["take"] != "t4", "NaN")), {}, r"column kind: the class is missing"),
        (lambda f: f.assign(weight=f.weight.astype(object).where(f["take"] != "t4", "")), {"target": "weight"},
         "column weight: the value is missing"),
        (lambda f: f.assign(kind="cat"), {}, "only one class, cat"),
        (lambda f: f.assign(u=f.u * 1e200), {}, r"Column 1 of the values reaches .*e\+200, which is too large"),
        (lambda f: f, {"splits": 0.8}, r"data\.splits must be three fractions .*, got 0\.8"),
        (lambda f: f.assign(take=["", *f["take"][1:]]), {}, "line 2, column take: the group is missing"),
        (lambda f: f, {"target": "knid"}, r"data\.target=knid is not a column of .* \(did you mean kind\?\)"),
        (lambda f: f, {"group_column": "tak"}, r"data\.group_column=tak .*did you mean take"),
        (lambda f: f, {"features": ["u", "kind"]}, r"data\.features=kind already has another role"),
        (lambda f: f, {"splits": [5, 2, 2]}, "three fractions"),
        (lambda f: f, {"splits": [0.5, 0.2, 0.2]}, "add up to 1"),
        (lambda f: f, {"splits": "pert"}, "must be a column of .* or a file of names"),
        (lambda f: f.drop(columns="step"), {"splits": ["2020-01-01", "2020-02-01"]}, r"by time.*data\.time_column"),
        (lambda f: f, {"target": None, "task": "classification"}, r"needs data\.target"),
        (lambda f: f, {"target": ["kind", "weight"], "task": "classification"}, "must be one column"),
        (lambda f: f, {"target": "kind", "task": "regression"}, "line 2, column kind: 'cat' is not a finite number"),
        (lambda f: f.assign(part=["test"] + ["train"] * (len(f) - 1)), {"splits": "part"},
         "the group t0 has two different splits"),
        (lambda f: f.assign(part=np.where(f.kind == "owl", "test", np.where(f["take"].isin(["t0"]), "val", "train"))),
         {"splits": "part"}, "class owl is missing from train: it occurs 10 times"),
        (lambda f: f.assign(part=np.where(f["take"] == "t0", "test", "train")), {"splits": "part"},
         "There are no val sequences"),
    ],
)  # fmt: skip
def test_what_is_broken_is_refused_in_a_sentence(tmp_path, change, options, words):
    given = {"group_column": "take", "target": "kind", "features": ["u", "v"]} | options
    with pytest.raises(UserError, match=words):
        data(tmp_path, change(takes()), **given).setup()


@pytest.mark.parametrize("cell", ["5 kW", "40%"])
def test_where_no_column_holds_numbers_a_cell_is_shown(tmp_path, cell):
    with pytest.raises(UserError, match=rf"no numeric column .*mine\.csv, line 2, column load, is '{cell}'\."):
        data(tmp_path, hourly()[["when"]].assign(load=cell)).setup()
    (tmp_path / "mine.csv").write_text("a b\n" + "1 2\n" * 40)
    with pytest.raises(UserError, match=r"is '1 2'; use data\.separator=space"):
        CSV(path=str(tmp_path / "mine.csv")).setup()


def test_options_that_are_none_are_refused_before_reading():
    with pytest.raises(UserError, match="must be one of forecasting, classification, regression"):
        CSV(path="none.csv", task="clustering")


# ------------------------------------------------------------------------------------------------------ new files


def test_new_groups_are_scaled_as_the_training_file_and_need_no_labels(tmp_path):
    built = data(tmp_path, takes(), group_column="take", target="kind", features=["u", "v"])
    built.setup()
    other = takes(5)
    other[["u", "v"]] = other[["u", "v"]] * 100 + 7
    other.drop(columns="kind").to_csv(tmp_path / "new.csv", index=False)
    new = built.new_data(str(tmp_path / "new.csv"))
    assert new.names == [f"t{k}" for k in range(5)]
    assert not new.labelled
    values = other[other["take"] == "t3"][["u", "v"]].to_numpy()
    expected = (values - built.scaling.mean) / built.scaling.scale
    np.testing.assert_allclose(new.split[torch.tensor([3])].x[0], expected, rtol=1e-4)
    other.to_csv(tmp_path / "new.csv", index=False)
    new = built.new_data(str(tmp_path / "new.csv"))
    assert new.labelled
    assert new.split.targets.tolist() == [0, 1, 2, 0, 1]
    other.assign(kind="").to_csv(tmp_path / "new.csv", index=False)
    assert not built.new_data(str(tmp_path / "new.csv")).labelled


def test_a_new_file_that_does_not_fit_is_refused(tmp_path):
    built = data(tmp_path, takes(), group_column="take", target="kind", features=["u", "v"])
    built.setup()
    takes(3).drop(columns="v").to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(UserError, match=r"new\.csv has no column v, which the run reads; its columns are u, take,"):
        built.new_data(str(tmp_path / "new.csv"))
    takes(3).assign(kind="eel").to_csv(tmp_path / "new.csv", index=False)
    assert not built.new_data(str(tmp_path / "new.csv")).labelled  # predicted all the same


def test_a_forecast_starts_from_the_last_rows_of_each_series(tmp_path):
    frame = pd.concat([hourly().assign(site=site) for site in ("north", "south")])
    built = data(tmp_path, frame, group_column="site", lookback=12, horizon=4)
    built.setup()
    other = pd.concat([hourly(50).assign(site="south"), hourly(30).assign(site="west")])
    other.to_csv(tmp_path / "new.csv", index=False)
    new = built.new_data(str(tmp_path / "new.csv"))
    assert new.names == ["south", "west"]
    for row, rows in enumerate((50, 30)):
        values = hourly(rows)[["load", "oil"]].to_numpy()
        # A series that was trained on keeps its scaling; another one is standardised by the rows it has.
        mean, scale = (built.scaling.mean[1], built.scaling.scale[1]) if row == 0 else (values.mean(0), values.std(0))
        expected = (values[-12:] - mean) / scale
        np.testing.assert_allclose(new.split[torch.tensor([row])].x[0], expected, rtol=1e-4, atol=1e-5)
    assert new.following(1, 2) == ["2020-01-02 06:00:00", "2020-01-02 07:00:00"]
    hourly(11).assign(site="west").to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(UserError, match=r"west has 11 rows, but a forecast reads data\.lookback=12"):
        built.new_data(str(tmp_path / "new.csv"))


def test_a_column_that_counts_the_rows_is_no_feature(tmp_path):
    lines = [f"{k + 1},2024-01-{1 + k // 24:02d} {k % 24:02d}:00,{np.sin(k)}" for k in range(300)]
    (tmp_path / "a.csv").write_text("\n".join(["No,time,load", *lines]))
    counted = CSV(path=str(tmp_path / "a.csv"), lookback=8, horizon=2)
    assert counted.description.input == Features(1)
    named = CSV(path=str(tmp_path / "a.csv"), lookback=8, horizon=2, features=["No", "load"])
    assert named.description.input == Features(2)


def test_rows_with_a_label_are_sequences_where_nothing_speaks_of_time(tmp_path):
    rng = np.random.default_rng(0)
    rows = [",".join(f"{value:.3f}" for value in (*rng.normal(size=12), k % 3)) for k in range(60)]
    (tmp_path / "a.csv").write_text("\n".join(rows))
    built = CSV(path=str(tmp_path / "a.csv"), target="column_13")
    assert isinstance(built.description.output, Classes)
    assert built.description.per_step is False


def test_new_series_that_are_too_short_are_left_out_and_named(tmp_path):
    def write(name: str, lengths: dict[str, int]) -> str:
        lines = [f"{g},{k},{np.sin(k)}" for g, length in lengths.items() for k in range(length)]
        (tmp_path / name).write_text("\n".join(["site,step,load", *lines]))
        return str(tmp_path / name)

    trained = CSV(path=write("a.csv", {"a": 200, "b": 200}), group_column="site", lookback=8, horizon=2)
    assert isinstance(trained.description.output, Horizon)
    new = trained.new_data(write("b.csv", {"short": 3, "long": 20}))
    assert new.names == ["long"]
    assert new.following is not None
    assert new.following(0, 2) == ["20", "21"]
    with pytest.raises(UserError, match="short has 3 rows, but a forecast reads"):
        trained.new_data(write("c.csv", {"short": 3}))


def test_two_times_that_are_none_are_refused_where_rows_have_time_stamps(tmp_path):
    with pytest.raises(UserError, match=r"must be three fractions .*, got .0\.5, 0\.5"):
        data(tmp_path, hourly(), splits=[0.5, 0.5]).setup()


@pytest.mark.parametrize(
    ("stamps", "after"),
    [
        (["2024-10-31", "2024-11-30", "2024-12-31"], ["2025-01-31", "2025-02-28", "2025-03-31"]),
        (["2024-10-31", "2024-11-30", "2025-01-31", "2025-02-28"], ["2025-03-31", "2025-04-30"]),  # with a gap
        (["2024-10-30", "2024-11-30", "2024-12-30", "2025-01-30"], ["2025-02-28", "2025-03-30"]),
        (["2024-01-01", "2024-02-01", "2024-03-01"], ["2024-04-01", "2024-05-01"]),
        (["2024-03-31", "2024-06-30", "2024-09-30"], ["2024-12-31", "2025-03-31"]),
        (["2022-12-31", "2023-12-31"], ["2024-12-31", "2025-12-31"]),
        (pd.date_range("2024-01-01", "2024-01-12", freq="B"), ["2024-01-15", "2024-01-16"]),
        (["2024-02-28 22:00", "2024-02-28 23:00"], ["2024-02-29 00:00", "2024-02-29 01:00"]),
        ([3.0, 4.0, 6.0, 7.0], ["8", "9"]),
    ],
)
def test_times_go_on_by_the_calendar_of_their_series(stamps, after):
    times = pd.Series(stamps if isinstance(stamps[0], float) else pd.to_datetime(pd.Series(stamps)))
    said = following(times, len(after))
    assert said == after or [pd.Timestamp(time) for time in said] == [pd.Timestamp(time) for time in after]


def test_each_series_has_its_own_season_and_its_own_next_times(tmp_path):
    months = pd.DataFrame({"date": pd.date_range("2010-01-31", periods=80, freq="ME"), "site": "month"})
    days = pd.DataFrame({"date": pd.date_range("2020-01-01", periods=90), "site": "day"})
    years = pd.DataFrame({"date": pd.date_range("1900-12-31", periods=80, freq="YE"), "site": "year"})
    frame = pd.concat([months, days, years]).assign(load=np.arange(250.0) % 11)
    built = data(tmp_path, frame, group_column="site", lookback=12, horizon=2)
    built.setup()
    assert "A season of 7 or 12 rows (by series)" in " ".join(map(str, built.notes.values()))
    frame.to_csv(tmp_path / "new.csv", index=False)
    new = built.new_data(str(tmp_path / "new.csv"))
    assert [new.following(row, 2)[1][:10] for row in range(3)] == ["2016-10-31", "2020-04-01", "1981-12-31"]


@pytest.mark.parametrize(("by", "first"), [(None, 1.0), ("last", 2.0), ("sum", 3.0)])
def test_rows_at_odd_times_are_put_at_an_even_distance(tmp_path, by, first):
    hours = pd.date_range("2024-01-01", periods=80, freq="h")
    stamps = [hour + pd.Timedelta(minutes=m) for hour in hours for m in (5, 20, 40)]
    frame = pd.DataFrame({"date": stamps, "load": np.tile([0.0, 1.0, 2.0], 80) + np.repeat(np.arange(80.0), 3)})
    built = data(tmp_path, frame, lookback=6, horizon=2, resample="1h", resample_by=by)
    built.setup()
    values = built.splits["train"].values[:56, 0].double() * built.scaling.scale[0] + built.scaling.mean[0]
    np.testing.assert_allclose(values, first + np.arange(56) * (3 if by == "sum" else 1), rtol=1e-5, atol=1e-4)
    assert "240 rows were resampled to 80" in " ".join(map(str, built.notes.values()))
    new = built.new_data(built.path)
    assert new.following(0, 1) == ["2024-01-04 08:00:00"]
    holes = frame.drop(index=range(30, 36))
    with pytest.raises(UserError, match=r"2 of the 80 intervals of data\.resample=1h lack a value, the first at 2024-"):
        data(tmp_path, holes, lookback=6, horizon=2, resample="1h", resample_by=by).setup()
    filled = data(tmp_path, holes, lookback=6, horizon=2, resample="1h", resample_by=by, missing="before")
    filled.setup()
    rows = filled.splits["train"].values[9:13, 0]
    assert rows[0] == rows[1] == rows[2] != rows[3]


def test_intervals_that_were_filled_are_counted_once_and_said_where_they_are_scored(tmp_path):
    frame = hourly().drop(columns="remark")
    frame.loc[0, "oil"] = None  # before any value, so that it can only be filled with a later one
    holes = frame.drop(index=[20, 21, 150, 190, 191, 192])
    options = {"lookback": 6, "horizon": 2, "target": "load", "missing": "before"}
    built = data(tmp_path, holes, **options, resample="1h")
    built.setup()
    said = notes(built)
    assert (
        "7 of the 200 intervals lacked a value and were filled with the previous one (1 at the start of a series"
        in said
    )
    assert "1 of 30 values of the val split was filled" in said
    assert "3 of 30 values of the test split were filled and count in its errors" in said
    with pytest.raises(UserError, match=r"7 of the 200 intervals"):
        data(tmp_path, holes, **options | {"missing": "refuse"}, resample="1h").setup()
    frame.loc[[195, 199], ["load", "oil"]] = None  # without resampling
    built = data(tmp_path, frame, **options)
    built.setup()
    assert "2 of 30 values of the test split were filled" in notes(built)
    assert "of the val split" not in notes(built)
    clean = data(tmp_path, hourly(), lookback=6, horizon=2, resample="1h")
    clean.setup()
    assert "filled" not in notes(clean)
    with pytest.raises(UserError, match=r"series has no value of oil\."):
        data(
            tmp_path, holes.assign(oil=[1.0, *[None] * 193]).iloc[1:], **options, resample="1h", features=["oil"]
        ).setup()


def test_a_distance_that_is_none_or_has_no_times_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"data\.resample must be a time interval such as 15min"):
        data(tmp_path, hourly(), lookback=6, horizon=2, resample="often").setup()
    with pytest.raises(UserError, match="needs a time column"):
        data(tmp_path, hourly()[["load"]], lookback=6, horizon=2, resample="1h").setup()


def test_two_shares_are_no_times(tmp_path):
    with pytest.raises(UserError, match=r"data\.splits must be three fractions .* got \[0\.5, 0\.5\]"):
        data(tmp_path, hourly().drop(columns=hourly().columns[0]), splits=[0.5, 0.5]).setup()


def test_words_for_nothing_are_names_of_classes_among_words_and_missing_among_numbers(tmp_path):
    frame = takes()
    frame["kind"] = frame["take"].str[1:].astype(int).map(lambda k: ["nan", "null", "yue"][k % 3])
    built = data(tmp_path, frame, group_column="take", target="kind")
    assert built.description.output == Classes(("nan", "null", "yue"))
    assert "kind has a class called nan; data.missing_values=[nan] treats" in notes(built)
    with pytest.raises(UserError, match="column kind: the class is missing"):
        data(tmp_path, frame, group_column="take", target="kind", missing_values=["nan"]).setup()
    frame["kind"] = frame["kind"].map({"nan": "nan", "null": "1", "yue": "2"})
    with pytest.raises(UserError, match="column kind: the class is missing"):
        data(tmp_path, frame, group_column="take", target="kind", task="classification").setup()
