"""One reader for all forms: what a file holds decides, whatever it is called, and each form gives the same data."""

import importlib.util
import json
import shutil
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.io import wavfile

from src.config.errors import UserError
from src.data.describe import Classes, Features, Horizon, Tokens, Values
from src.data.own.file import File
from src.data.own.forms import form_of

HERE = {name for name in ("pyarrow", "openpyxl") if importlib.util.find_spec(name)}
RNG = np.random.default_rng(0)
SERIES = pd.DataFrame(
    {"when": pd.date_range("2024-01-01", periods=60, freq="h"), "load": RNG.normal(size=60), "site": "north"}
)
LENGTHS = RNG.integers(4, 9, 40)
PIECES = [RNG.normal(size=(n, 2)).round(4) for n in LENGTHS]
KINDS = ["cat", "dog"] * 20


def read(path: Path | str, **options: Any) -> File:
    built = File(path=str(path), **options)
    built.setup()
    return built


def again(built: File) -> File:
    """What a checkpoint makes of it, without the training file."""
    fresh = File(path="gone", lookback=built.lookback, horizon=built.horizon, level=built.level)
    fresh.load_state_dict(torch.load(_saved(built), weights_only=True))
    return fresh


def _saved(built: File) -> BytesIO:
    kept = BytesIO()
    torch.save(built.state_dict(), kept)
    kept.seek(0)
    return kept


def unscaled(built: File, split: str = "test") -> dict[Any, np.ndarray]:
    """The sequences of a split by their item, in their own units."""
    batch = built.splits[split][torch.arange(len(built.splits[split]))]
    assert built.scaling is not None
    values = batch.x.double().numpy() * built.scaling.scale + built.scaling.mean
    return {item: values[k, : batch.lengths[k]] for k, item in enumerate(built.items[split].tolist())}


# ------------------------------------------------------------------------------------------------- one table, all forms


def written(folder: Path, form: str) -> Path:
    path = folder / f"table.{form}"
    if form == "csv":
        SERIES.to_csv(path, index=False)
    elif form == "jsonl":
        SERIES.to_json(path, orient="records", lines=True, date_format="iso", double_precision=15)
    elif form == "json":
        SERIES.to_json(path, orient="records", date_format="iso", double_precision=15)
    elif form == "xlsx":
        SERIES.to_excel(path, index=False)
    elif form == "indexed":
        SERIES.set_index("when").to_parquet(path)
    else:
        getattr(SERIES, f"to_{form}")(path)
    return path


FORMS = ["csv", "jsonl", "json", *(["parquet", "feather", "indexed"] if "pyarrow" in HERE else [])]
FORMS += ["xlsx"] if "openpyxl" in HERE else []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["right", "data.bin"])
def test_a_table_is_the_same_in_every_form_whatever_it_is_called(tmp_path, form, name):
    path = written(tmp_path, form)
    if name != "right":
        path = path.rename(tmp_path / name)
    built = read(path, lookback=4, horizon=2)
    assert isinstance(built.description.output, Horizon)
    assert built.roles.time == ["when"]
    assert built.roles.features == ["load"]
    rows = built.splits["train"].values[:, 0].double().numpy()  # type: ignore[attr-defined]
    assert built.scaling is not None
    np.testing.assert_allclose(rows * built.scaling.scale[0] + built.scaling.mean[0], SERIES["load"], atol=1e-6)
    following = again(built).new_data(str(path)).following
    assert following is not None
    assert following(0, 1) == ["2024-01-03 12:00:00"]


@pytest.mark.parametrize(("magic", "package"), [(b"PAR1", "pyarrow"), (b"ARROW1", "pyarrow")])
def test_a_package_that_is_missing_is_named(tmp_path, magic, package):
    if package in HERE:
        pytest.skip(f"{package} is installed")
    (tmp_path / "a").write_bytes(magic + bytes(100))
    with pytest.raises(UserError, match=f"pip install {package}"):
        read(tmp_path / "a")


def test_what_is_damaged_is_a_sentence(tmp_path):
    for name, content in {
        "a.json": b'{"a": 1}\n{"a": ',
        "a.arff": b"@relation x\n@data\n1,2",
        "a.ts": b"@problemName x\n",
        "unequal.ts": b"@problemName x\n@timeStamps false\n@univariate false\n@classLabel true a\n@data\n1,2,3:1,2:a\n",
        "longer.tsv": (b"1" + b"\t0.5" * 9 + b"\n") * 9000 + b"1" + b"\t0.5" * 12 + b"\n",
        "latin.tsv": (b"1" + b"\t0.5" * 9 + b"\n") * 9000 + b"\xe9" + b"\t0.5" * 9 + b"\n",
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=rf"{name} cannot be read as"):
            read(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (b"\x93NUMPY\x01\x00", "npy"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "wav"),
        (b"% remark\n@RELATION x\n", "arff"),
        (b"# remark\n@problemName x\n@data\n", "ts"),
        (b"\xef\xbb\xbfa,b\n1,2\n", "csv"),
        (b"1\t" + b"0.5\t" * 9 + b"0.5\n", "ucr"),
        (b"a\tb\n1\t2\n", "csv"),
        (b"DESC:manner How ?\nENTY:animal What ?\n", "trec"),
        (b'[\n {"a": 1}]', "json"),
        (b"[section]\nx\n", "csv"),
    ],
)
def test_forms_are_told_apart_by_content(tmp_path, content, form):
    (tmp_path / "x.txt").write_bytes(content)
    assert form_of(tmp_path / "x.txt") == form


# ------------------------------------------------------------------------------------------- one set of sequences, all


def arrays(folder: Path, form: str) -> Path:
    path, flat, ends = folder / "mine.npz", np.concatenate(PIECES), np.cumsum(LENGTHS)
    if form == "padded":
        x = np.zeros((40, LENGTHS.max(), 2))
        for k, piece in enumerate(PIECES):
            x[k, : len(piece)] = piece
        np.savez(path, X=x, Y=KINDS, lengths=LENGTHS)
    elif form == "lengths":
        np.savez(path, x=flat, y=KINDS, lengths=LENGTHS)
    elif form == "offsets":
        np.savez(path, x=flat, y=KINDS, offsets=np.append(0, ends))
    elif form == "begins":
        np.savez(path, x=flat, y=KINDS, offsets=np.append(0, ends[:-1]))
    elif form == "each":
        np.savez(path, **{f"x_{k}": piece for k, piece in enumerate(PIECES)}, y=KINDS)
    return path


def listed(folder: Path, form: str) -> Path:
    if form == "jsonl":
        lines = [json.dumps({"x": p.tolist(), "kind": k}) for p, k in zip(PIECES, KINDS, strict=True)]
        (folder / "a.jsonl").write_text("\n".join(lines))
        return folder / "a.jsonl"
    for k, (piece, kind) in enumerate(zip(PIECES, KINDS, strict=True)):
        place = folder / "files" / (kind if form == "folders" else "")
        place.mkdir(parents=True, exist_ok=True)
        frame = pd.DataFrame(piece, columns=["u", "v"])
        (frame if form == "folders" else frame.assign(kind=kind)).to_csv(place / f"{k}.csv", index=False)
    return folder / "files"


@pytest.mark.parametrize("form", ["padded", "lengths", "offsets", "begins", "each"])
def test_arrays_are_the_same_sequences_in_every_form(tmp_path, form):
    built = read(arrays(tmp_path, form))
    assert built.description.output == Classes(("cat", "dog"))
    for item, values in unscaled(built).items():
        np.testing.assert_allclose(values, PIECES[item], atol=1e-5)
    new = again(built).new_data(str(arrays(tmp_path, form)))
    assert (len(new.names), new.labelled) == (40, True)


@pytest.mark.parametrize("form", ["jsonl", "folders", "files"])
def test_rows_of_lists_and_folders_of_files_are_the_same_sequences(tmp_path, form):
    path = listed(tmp_path, form)
    built = read(path, **({} if form == "folders" else {"target": "kind"}))
    assert built.description.output == Classes(("cat", "dog"))
    for item, values in unscaled(built).items():
        number = int(item) - 1 if form == "jsonl" else int(item.rpartition("/")[2])
        np.testing.assert_allclose(values, PIECES[number], atol=1e-5)
    assert len(again(built).new_data(str(path)).names) == 40


def test_steps_end_to_end_may_have_a_target_each(tmp_path):
    flat = np.concatenate(PIECES)
    np.savez(tmp_path / "a.npz", x=flat, y=(flat[:, 0] > 0).astype(int), lengths=LENGTHS)
    built = read(tmp_path / "a.npz")
    assert built.description.per_step
    batch = built.splits["test"][torch.tensor([0])]
    piece = PIECES[built.items["test"][0]]
    assert batch.y[0].tolist() == (piece[:, 0] > 0).astype(int).tolist()


def test_one_array_alone_is_series(tmp_path):
    np.save(tmp_path / "a.npy", RNG.normal(size=(5, 60, 2)))
    assert isinstance(read(tmp_path / "a.npy", lookback=4, horizon=2).description.output, Horizon)
    np.save(tmp_path / "b.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="array of Python objects"):
        read(tmp_path / "b.npy")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            {"x": np.zeros((9, 2)), "lengths": np.array([4, 4])},
            "add up to 9 if sequences are stored end to end, got 2 numbers that add up to 8",
        ),
        ({"x": np.zeros((9, 2)), "offsets": np.array([0, 4, 4])}, "sequence 1 is empty according to offsets"),
        ({"x_0": np.zeros((9, 2)), "x_1": np.zeros((9, 3))}, "x_0, ... must each be a sequence"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(tmp_path, content, words):
    np.savez(tmp_path / "a.npz", **content)
    with pytest.raises(UserError, match=words):
        read(tmp_path / "a.npz")


# ------------------------------------------------------------------------------------------------------- of the archive


def bundled(name: str) -> Path:
    import sktime.datasets

    return Path(sktime.datasets.__file__).parent / "data" / name


@pytest.mark.parametrize("given", ["folder", "file"])
def test_a_set_of_the_archive_keeps_its_test_set(tmp_path, given):
    shutil.copytree(bundled("JapaneseVowels"), tmp_path / "set")
    (file,) = (tmp_path / "set").glob("*_TRAIN.ts")
    built = read(tmp_path / "set" if given == "folder" else file)
    assert built.description.input == Features(12)
    assert built.description.output == Classes(tuple(str(k) for k in range(1, 10)))
    assert [len(built.splits[name]) for name in ("train", "val", "test")] == [225, 45, 370]
    lengths = built.splits["test"].lengths
    assert (int(lengths.min()), int(lengths.max())) == (7, 29)


def test_the_archives_table_without_names(tmp_path):
    for part in ("TRAIN", "TEST"):
        rows = np.column_stack([np.arange(20) % 2 + 1, RNG.normal(size=(20, 12)).round(4)])
        pd.DataFrame(rows).astype({0: int}).to_csv(tmp_path / f"Toy_{part}.tsv", sep="\t", header=False, index=False)
    built = read(tmp_path / "Toy_TRAIN.tsv")
    assert built.description.output == Classes(("1", "2"))
    assert [len(built.splits[name]) for name in ("train", "val", "test")] == [16, 4, 20]


def test_arff_names_its_classes_last(tmp_path):
    rows = [",".join([*(f"{v:.3f}" for v in RNG.normal(size=10)), "xy"[k % 2]]) for k in range(40)]
    names = [f"@attribute a{k} numeric" for k in range(10)]
    (tmp_path / "a.arff").write_text("\n".join(["@relation toy", *names, "@attribute kind {x,y}", "@data", *rows]))
    built = read(tmp_path / "a.arff")
    assert (built.roles.targets, built.description.output) == (["kind"], Classes(("x", "y")))


# ----------------------------------------------------------------------------------------------------- texts and sounds


@pytest.mark.parametrize("form", ["csv", "lines", "documents"])
def test_labelled_texts_are_classified(tmp_path, form):
    words = {"en": [f"smith{k}" for k in range(30)], "de": [f"müller{k}" for k in range(30)]}
    if form == "csv":
        pairs = [(name, language) for language, names in words.items() for name in names]
        pd.DataFrame(pairs, columns=["name", "language"]).to_csv(tmp_path / "a.csv", index=False)
        built = read(tmp_path / "a.csv", text_column="name", target="language")
    else:
        for language, names in words.items():
            if form == "lines":
                (tmp_path / f"{language}.txt").write_text("\n".join(names) + "\n")
            else:
                (tmp_path / language).mkdir()
                for k, name in enumerate(names):
                    (tmp_path / language / f"{k}.txt").write_text(name)
        built = read(tmp_path)
    assert built.description.output == Classes(("de", "en"))
    assert isinstance(built.description.input, Tokens)
    batch = built.splits["test"][torch.tensor([0])]
    text = "".join(built.vocabulary[k] for k in batch.x[0, : batch.lengths[0]].tolist())
    assert text.startswith("müller" if int(batch.y[0]) == 0 else "smith")
    (tmp_path / "new.csv").write_text("name,text\nschmidt,schmidt\n")
    new = again(built).new_data(str(tmp_path / "new.csv"))
    assert (len(new.names), new.labelled) == (1, False)


def test_the_vocabulary_is_that_of_the_training_texts(tmp_path):
    rows = [(f"{'abc'[k % 3]} word", k % 2, ["train", "val", "test"][k // 10]) for k in range(30)]
    rows[25] = ("unseen word", 1, "test")
    pd.DataFrame(rows, columns=["said", "kind", "fold"]).to_csv(tmp_path / "a.csv", index=False)
    built = read(tmp_path / "a.csv", text_column="said", target="kind", splits="fold", level="word")
    assert built.vocabulary == ("<unk>", "a", "b", "c", "word")
    assert built.splits["test"][torch.tensor([5])].x.tolist() == [[0, 4]]


def test_questions_with_their_classes_in_front(tmp_path):
    lines = [f"{['DESC:manner', 'NUM:count'][k % 2]} How about number {k} ?" for k in range(40)]
    (tmp_path / "train.label").write_text("\n".join(lines))
    built = read(tmp_path / "train.label", level="word")
    assert built.description.output == Classes(("DESC", "NUM"))


def test_sounds_are_classified_by_a_table_of_labels(tmp_path):
    (tmp_path / "snd").mkdir()
    rows = []
    for k in range(24):
        tone = np.sin(np.arange(2000) * (0.1 if k % 2 else 1.0)) * 9000
        wavfile.write(tmp_path / "snd" / f"{k}.wav", 8000, (tone + RNG.normal(size=2000)).astype(np.int16))
        rows.append((f"snd/{k}.wav", k % 2, k / 3))
    pd.DataFrame(rows, columns=["file", "kind", "age"]).to_csv(tmp_path / "labels.csv", index=False)
    built = read(tmp_path / "labels.csv", target="kind")
    assert (built.description.input, built.description.output) == (Features(40), Classes(("0", "1")))
    assert built.rate == 8000
    assert len(again(built).new_data(str(tmp_path / "labels.csv")).names) == 24
    assert isinstance(read(tmp_path / "labels.csv", target="age").description.output, Values)
    (tmp_path / "snd" / "3.wav").unlink()
    with pytest.raises(UserError, match=r"line 5, column file: .*3\.wav does not exist"):
        read(tmp_path / "labels.csv", target="kind")


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda p: wavfile.write(p, 8000, np.zeros(99, np.int16)), "is an audio file: use data=wav_folder"),
        (lambda p: p.write_text("To be or not\nto be, that is\n"), "use data=text for plain text"),
        (lambda p: p.mkdir(), "a folder without a table"),
        (lambda p: None, "does not exist"),
        (lambda p: p.touch(), "is empty"),
        (lambda p: zipfile.ZipFile(p, "w").writestr("a.csv", "a,b\n1,2\n"), "is a zip archive: unpack it"),
    ],
)
def test_what_another_form_reads_is_said(tmp_path, write, words):
    write(tmp_path / "x")
    with pytest.raises(UserError, match=words):
        read(tmp_path / "x")


# ------------------------------------------------------------------------------------------- what people put into them


def test_a_row_of_units_below_the_names_is_left_out(tmp_path):
    plain, units = tmp_path / "plain.csv", tmp_path / "units.csv"
    SERIES[["when", "load"]].assign(gust=2.0 + SERIES.index % 7).to_csv(plain, index=False)
    names, *rows = plain.read_text().splitlines()
    units.write_text("\n".join([names, ",kW,m/s2", *rows]))
    options = {"lookback": 4, "horizon": 2}
    built = read(units, **options)
    assert built.roles.time == ["when"]
    assert any("units" in note for note in map(str, built.notes.values()))
    np.testing.assert_array_equal(built.scaling.mean, read(plain, **options).scaling.mean)
    units.write_text("\n".join([names, rows[0].split(",")[0] + ",broken,1", *rows[1:]]))
    with pytest.raises(UserError, match=r"line 2, column load: 'broken' is not a finite number"):
        read(units, **options)


@pytest.mark.skipif("openpyxl" not in HERE, reason="openpyxl is not installed")
def test_a_row_of_units_in_a_spreadsheet_is_left_out_too(tmp_path):
    frame = SERIES[["when", "load"]].astype(object)
    pd.concat([pd.DataFrame([{"when": "", "load": "kW"}]), frame]).to_excel(tmp_path / "a.xlsx", index=False)
    built = read(tmp_path / "a.xlsx", lookback=4, horizon=2)
    assert built.roles.time == ["when"]
    assert built.roles.features == ["load"]


def test_objects_in_json_become_columns(tmp_path):
    lines = [{"ts": f"2024-01-{k + 1:02}", "sensor": {"temp": k % 5 + 0.5, "at": {"x": k % 3}}} for k in range(31)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    built = read(tmp_path / "a.jsonl", lookback=3, horizon=2)
    assert built.roles.features == ["sensor.temp", "sensor.at.x"]


@pytest.mark.parametrize("ending", ["", ".csv"])
def test_a_table_in_a_folder_that_lists_the_others_labels_them(tmp_path, ending):
    folder = tmp_path / "takes"
    folder.mkdir()
    for k, piece in enumerate(PIECES):
        pd.DataFrame(piece, columns=["x", "y"]).to_csv(folder / f"take{k}.csv", index=False)
    listed = pd.DataFrame({"name": [f"take{k}{ending}" for k in range(40)], "kind": KINDS})
    listed.to_csv(folder / "labels.csv", index=False)
    built = read(folder)
    assert isinstance(built.description.output, Classes)
    assert built.description.output.names == ("cat", "dog")
    for item, values in unscaled(built).items():
        np.testing.assert_allclose(values, PIECES[int(item[4:])], atol=1e-5)
    before = built.checksum
    listed.assign(kind=KINDS[::-1]).to_csv(folder / "labels.csv", index=False)
    assert read(folder).checksum != before  # the labels are of the data
    listed[1:].to_csv(folder / "labels.csv", index=False)
    assert any("1 unlisted file was skipped" in note for note in map(str, read(folder).notes.values()))
    listed.assign(name=[f"take{k + 1}{ending}" for k in range(40)]).to_csv(folder / "labels.csv", index=False)
    with pytest.raises(UserError, match=r"labels.csv, line 41, column name: 'take40.*' is not a table in the folder"):
        read(folder)
    (folder / "labels.csv").unlink()
    new = again(built).new_data(str(folder))
    assert not new.labelled
    assert len(new.names) == 40


def test_columns_named_like_those_of_a_folder_are_not_overwritten(tmp_path):
    folder = tmp_path / "takes"
    for k, (piece, kind) in enumerate(zip(PIECES, KINDS, strict=True)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        pd.DataFrame(piece, columns=["file", "folder"]).to_csv(folder / kind / f"take{k}.csv", index=False)
    built = read(folder)
    assert built.description.output == Classes(("cat", "dog"))
    assert built.roles.group == "file name"
    for item, values in unscaled(built).items():
        np.testing.assert_allclose(values, PIECES[int(item.rpartition("take")[2])], atol=1e-5)


def test_a_list_of_files_with_a_column_of_the_files_is_refused(tmp_path):
    for k, piece in enumerate(PIECES):
        pd.DataFrame(piece, columns=["x", "kind"]).to_csv(tmp_path / f"take{k}.csv", index=False)
    pd.DataFrame({"name": [f"take{k}" for k in range(40)], "kind": KINDS}).to_csv(tmp_path / "labels.csv", index=False)
    with pytest.raises(UserError, match=r"Both .*labels.csv and .*take0.csv have a column kind: rename one"):
        read(tmp_path)


def test_tables_of_unlike_columns_in_a_folder_say_how_one_is_read(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (tmp_path / "b.csv").write_text("x,z\n1,2\n")
    with pytest.raises(UserError, match=r"b.csv has no column y, .*use data.path=FILE for a single table\."):
        read(tmp_path)


def test_one_column_of_words_beside_the_target_is_read_as_texts(tmp_path):
    names = [f"{'abcdefgh'[k % 8]}{'xy'[k % 2]}o" for k in range(40)]
    pd.DataFrame({"name": names, "language": KINDS}).to_csv(tmp_path / "a.csv", index=False)
    built = read(tmp_path / "a.csv", target="language")
    assert built.roles.text == "name"
    assert isinstance(built.description.output, Classes)
    with pytest.raises(UserError, match=r"data.text_column=name data.target=COLUMN for texts"):
        read(tmp_path / "a.csv")


def test_rows_that_no_split_counts_are_said(tmp_path):
    SERIES[["when", "load"]].to_csv(tmp_path / "a.csv", index=False)
    built = read(tmp_path / "a.csv", splits=[30, 10, 10], lookback=4, horizon=2)
    assert any("were skipped (10 of 60)" in note for note in map(str, built.notes.values()))
    with pytest.raises(UserError, match="three fractions"):
        read(tmp_path / "a.csv", splits=[0.8, 0.3], lookback=4, horizon=2)
