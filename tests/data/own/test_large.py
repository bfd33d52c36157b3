"""Large files: read in parts and by pandas they are what they are cell by cell and character by character."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from src.data import baselines, text
from src.data.module import checksum, files_checksum
from src.data.own import csv_fast
from src.data.own.csv import CSV
from src.data.own.csv_table import read_table

ROWS = 200


def written(folder: Path, frame: pd.DataFrame, **options: object) -> Path:
    frame.to_csv(folder / "a.csv", index=False, **options)  # type: ignore[call-overload]
    return folder / "a.csv"


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    times = pd.date_range("2020-01-01", periods=ROWS, freq="h")
    a = rng.normal(size=ROWS) * 10.0 ** rng.integers(-9, 9, ROWS)
    return pd.DataFrame({"when": times, "a": a, "b": rng.integers(0, 99, ROWS), "remark": "fine"})


def both(path: Path, monkeypatch: pytest.MonkeyPatch, **options: object) -> tuple[CSV, CSV, bool]:
    """The file read cell by cell, and as a large one; whether that was done by pandas."""
    made, took = [], []
    real = csv_fast.read_plain
    monkeypatch.setattr("src.data.own.csv_table.read_plain", lambda *a: took.append(real(*a)) or took[-1])
    for large in (1 << 40, 0):
        monkeypatch.setattr(csv_fast, "LARGE", large)
        built = CSV(path=str(path), lookback=4, horizon=2, **options)  # type: ignore[arg-type]
        built.setup()
        made.append(built)
    assert took[0] is None
    return made[0], made[1], took[1] is not None


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("missing", ["", "NA", "null", "?", "-200"])
def test_a_plain_table_is_the_same_however_it_is_read(tmp_path, frame, monkeypatch, separator, missing):
    frame.loc[[3, 50], "a"] = np.nan
    path = written(tmp_path, frame, sep=separator, na_rep=missing)
    slow, fast, taken = both(path, monkeypatch, missing="before", missing_values=[-200])
    assert taken
    assert fast.roles == slow.roles
    assert fast.checksum == slow.checksum
    assert fast.baselines == slow.baselines
    assert {k: v for k, v in fast.notes.items() if "note" in k} == {k: v for k, v in slow.notes.items() if "note" in k}
    for name in ("train", "val", "test"):
        np.testing.assert_array_equal(fast.splits[name].values, slow.splits[name].values)  # type: ignore[attr-defined]
    assert fast.new_data(str(path)).following(0, 2) == slow.new_data(str(path)).following(0, 2)  # type: ignore[misc]


@pytest.mark.parametrize(
    "content",
    [
        'a,b\n1,"x\ny"\n3,4\n',  # a cell of two lines
        "a,b\n1,2\n\n3,4\n",  # an empty line
        "# remark\na,b\n1,2\n",
        "1,2\n3,4\n",  # no names
        "a,a\n1,2\n",
        "a,b\n1,2,\n3,4,\n",
        "a;b\n987;1,5\n1.299;2,5\n",  # a point between thousands
        "a,b\n987,1\n1.299,2\n",  # what may be one
    ],
)
def test_what_is_not_plain_is_read_cell_by_cell(tmp_path, monkeypatch, content):
    monkeypatch.setattr(csv_fast, "LARGE", 0)
    (tmp_path / "a.csv").write_text(content)
    table = csv_fast.read_plain(tmp_path / "a.csv", ",;\t|", None, "utf-8")
    if "1,5" in content:
        assert table is None or table.frame["b"].tolist() == ["1,5", "2,5"]
        assert read_table(tmp_path / "a.csv").numbers(["a"])[:, 0].tolist() == [987, 1299]
    else:
        assert table is None


@pytest.mark.parametrize("codes", [[], ["none"], [-200], ["-200"], [1, "dos"]])
def test_names_and_classes_of_a_large_file_are_as_written(tmp_path, monkeypatch, codes):
    path = tmp_path / "a.csv"
    lines = ["007,none,True,1.0,-200,0.5", "007,dos,true,,-200,1.5", "12,NA,False,2.0,3,2.5", "12,?,False,nan,4,-200"]
    path.write_text("id,kind,churn,level,code,x\n" + "\n".join(lines) + "\n")
    slow = read_table(path, missing_values=codes)
    monkeypatch.setattr(csv_fast, "LARGE", 0)
    assert csv_fast.read_plain(path, ",", None, "utf-8") is not None
    fast = read_table(path, missing_values=codes)
    for name in ("id", "kind", "churn", "level", "code"):
        assert fast.text(name).tolist() == slow.text(name).tolist()
    np.testing.assert_array_equal(fast.parsed("x")[0], slow.parsed("x")[0])


def test_a_broken_cell_of_a_large_file_is_named_by_its_line(tmp_path, frame, monkeypatch):
    monkeypatch.setattr(csv_fast, "LARGE", 0)
    frame["a"] = frame["a"].astype(object)
    frame.loc[7, "a"] = "1.2x"
    with pytest.raises(Exception, match=r"line 9, column a: '1\.2x' is not a finite number"):
        CSV(path=str(written(tmp_path, frame)), features=["a"], lookback=4, horizon=2).setup()


@pytest.mark.parametrize("level", ["char", "word"])
def test_text_is_read_and_counted_in_parts(level, monkeypatch):
    said = "to bé or not to be, 𝄞 that\nis the question" * 3
    tokens = text.tokenise(said, level)
    document = text.Document.read(said.encode(), level)
    assert [document.symbols[k] for k in document.numbers] == list(tokens)
    assert document.numbers.dtype == np.uint8
    vocabulary = text.learn_vocabulary([document], 2)
    assert (
        vocabulary
        == ("<unk>", *sorted({t for t in tokens if tokens.count(t) > 1}))
        == text.learn_vocabulary([tokens], 2)
    )
    numbers = text.encode(document, vocabulary)
    assert numbers.tolist() == text.encode(tokens, vocabulary).tolist()
    whole = baselines.ngrams([numbers], [numbers[:12]], len(vocabulary))
    for size in (1, 2, 7):
        monkeypatch.setattr(text, "PART", size)
        monkeypatch.setattr(baselines, "PART", size)
        again = text.Document.read(b"\xef\xbb\xbf" + said.replace("\n", "\r\n").encode(), level)
        assert [again.symbols[k] for k in again.numbers] == list(tokens)
        assert again[3:9].counted() == dict(Counter(list(tokens)[3:9]))
        assert text.learn_vocabulary([again], 2) == vocabulary
        assert text.encode(again, vocabulary).tolist() == numbers.tolist()
        assert baselines.ngrams([numbers], [numbers[:12]], len(vocabulary)) == pytest.approx(whole, rel=1e-12)


def test_many_symbols_take_more_bytes_each():
    said = " ".join(f"w{k}" for k in range(300))
    for level in ("char", "word"):
        document = text.Document.read(
            "".join(chr(0x4E00 + k) for k in range(300)).encode() if level == "char" else said.encode(), level
        )
        assert document.numbers.dtype == np.uint16
        assert document.numbers.tolist() == list(range(300))


def test_files_are_summed_without_being_held(tmp_path):
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").write_bytes(bytes(3_000_000))
    assert files_checksum([tmp_path / "a", tmp_path / "b"]) == checksum(b"one", bytes(3_000_000))
