"""Reading CSV files: dialects that must be found out, and what is broken named by file, line and column."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from src.config.errors import UserError
from src.data.own.cells import join
from src.data.own.csv import CSV
from src.data.own.csv_table import read_table


def write(folder: Path, text: str | bytes, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


PLAIN = "time,a,b\n2020-01-01,1.5,2\n2020-01-02,-3.25,4e2\n"


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", "|"),
        PLAIN.replace(".", "§").replace(",", ";").replace("§", ","),
        "\ufeff" + PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.rstrip("\n"),
        PLAIN + "\n\n",
        PLAIN.replace("\n2020-01-02", "\n\n2020-01-02"),
        PLAIN.replace(",", " , "),
        PLAIN.replace("1.5", '"1.5"').replace("time,", '"time",'),
        ",time,a,b\n0,2020-01-01,1.5,2\n1,2020-01-02,-3.25,4e2\n",
        "time,a,b,\n2020-01-01,1.5,2,\n2020-01-02,-3.25,4e2,\n",
        "# a station\n# 2020, two days\n" + PLAIN,
        "# a station\n# " + PLAIN,
        PLAIN.replace("2020-01-01,", "140,2020-01-01,").replace("2020-01-02,", "141,2020-01-02,"),
        PLAIN.replace("2020-01-01,", "first,2020-01-01,").replace("2020-01-02,", "second,2020-01-02,"),
    ],
    ids=["plain", "semicolon", "tab", "bar", "decimal comma", "BOM", "CRLF", "no last newline",
         "empty lines at the end", "empty line inside", "spaces", "quotes", "nameless index", "last separator",
         "remarks", "names behind #", "numbered rows", "named rows"],
)  # fmt: skip
def test_dialects_are_found_out(tmp_path, text):
    table = read_table(write(tmp_path, text))
    assert table.names == ["time", "a", "b"]
    np.testing.assert_array_equal(table.numbers(["a", "b"]), [[1.5, 2], [-3.25, 400]])
    assert table.frame["time"].tolist() == ["2020-01-01", "2020-01-02"]


def test_a_gzipped_file_is_read(tmp_path):
    path = write(tmp_path, gzip.compress(PLAIN.encode(), mtime=0), "a.csv.gz")
    assert read_table(path).numbers(["a"])[:, 0].tolist() == [1.5, -3.25]
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(UserError, match="cannot be read"):
        read_table(path)


def test_numbers_are_read_to_the_last_digit(tmp_path):
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(size=300), rng.normal(size=300) * 10.0 ** rng.integers(-300, 300, 300)])
    table = read_table(write(tmp_path, "a\n" + "\n".join(map(repr, values.tolist()))))
    np.testing.assert_array_equal(table.numbers(["a"])[:, 0], values)


def test_options_win_over_what_is_found_out(tmp_path):
    path = write(tmp_path, "a;b\n1,5;2\n3,5;4\n")
    assert read_table(path).numbers(["a"])[:, 0].tolist() == [1.5, 3.5]
    with pytest.raises(UserError, match=r"line 2, column a: '1,5' is not a finite number, given data\.decimal=point"):
        read_table(path, decimal="point").numbers(["a"])
    assert read_table(path, separator="semicolon", decimal="comma").numbers(["a"])[:, 0].tolist() == [1.5, 3.5]
    with pytest.raises(UserError, match=r"data\.separator must be one of comma, .*, got dot"):
        CSV(path=str(path), separator="dot")
    assert read_table(write(tmp_path, "grad °C\n1\n".encode("cp1252")), encoding="cp1252").names == ["grad °C"]


def test_a_first_line_of_numbers_is_no_header_unless_it_counts(tmp_path):
    assert read_table(write(tmp_path, "1.5,2\n3,4\n")).numbers(["column_1"])[:, 0].tolist() == [1.5, 3]
    assert read_table(write(tmp_path, "0,1\n3,4\n")).names == ["0", "1"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("2020-01-01,1.5\n2020-01-02,2.5\n", False),
        ("01.02.2020;1,5\n02.02.2020;2,5\n", False),
        ("5.1,3.5,rose\n4.9,3.0,lily\n", False),
        ("country,2000,2001\nhere,5,6\n", True),
        ("sample,400.5,401.0\ns1,5,6\n", True),
        ("2020-01-01,2020-01-02\n5,6\n", True),
        ("a,b\nx,y\n", True),
        (",0,1\n0,5,6\n", True),
    ],
)
def test_a_first_line_like_the_second_is_a_row(tmp_path, text, named):
    table = read_table(write(tmp_path, text))
    assert ("column_1" not in table.names) == named
    assert len(table.frame) == text.count("\n") - named
    assert any("instead of names" in note for note in table.notes) != named


def test_blanks_tell_columns_apart_where_that_is_asked(tmp_path):
    path = write(tmp_path, "  a    b\n  1  2.5\n -3  4\n")
    assert read_table(path, separator="space").numbers(["a", "b"]).tolist() == [[1, 2.5], [-3, 4]]


def test_truth_values_are_numbers(tmp_path):
    table = read_table(write(tmp_path, "a\nTrue\nfalse\nTRUE\n"))
    assert table.is_numeric("a")
    assert table.numbers(["a"])[:, 0].tolist() == [1, 0, 1]


def test_a_column_is_numeric_if_most_of_its_cells_are(tmp_path):
    table = read_table(write(tmp_path, "a,b,c\n1,x,\n2,y,\noops,3,\n"))
    assert [table.is_numeric(name) for name in "abc"] == [True, False, False]


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("oops", "line 4, column b: 'oops' is not a finite number"),
        ("inf", "line 4, column b: 'inf' is not a finite number"),
        ("1e999", "line 4, column b: '1e999' is not a finite number"),
        ("", r"line 4, column b: the value is missing \(''\).*data\.missing=before"),
        ("NA", r"line 4, column b: the value is missing \('NA'\)"),
        ("?", r"line 4, column b: the value is missing"),
    ],
)
def test_broken_cells_are_named_by_file_line_and_column(tmp_path, cell, words):
    table = read_table(write(tmp_path, f"a,b\n1,2\n3,4\n5,{cell}\n7,x\n"))
    with pytest.raises(UserError, match=words) as caught:
        table.numbers(["a", "b"])
    assert str(tmp_path / "a.csv") in str(caught.value)


def test_lines_are_counted_in_the_file_whatever_order_the_rows_are_in(tmp_path):
    table = read_table(write(tmp_path, "a,b\n1,2\n\n3,4\n5,x\n"))
    with pytest.raises(UserError, match="line 5, column b"):
        table.take(np.array([2, 0, 1])).numbers(["b"])


def test_the_value_before_never_comes_from_another_series(tmp_path):
    table = read_table(write(tmp_path, "a\n1\nNA\n3\nNA\nNA\n6\n"))
    groups = np.array([0, 0, 1, 1, 1, 1])
    assert table.numbers(["a"], "before", groups)[:, 0].tolist() == [1, 1, 3, 3, 3, 6]
    assert any("3 missing values of a" in note for note in table.notes)
    later = table.numbers(["a"], "before", np.array([0, 1, 1, 1, 1, 1]))[:, 0]
    assert later.tolist() == [1, 3, 3, 3, 3, 6], "the first one of its own series"
    assert any("at the start was filled with the first value" in note for note in table.notes)
    with pytest.raises(UserError, match=r"line 3, column a: .* no other value"):
        table.numbers(["a"], "before", np.array([0, 1, 2, 2, 2, 2]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("a,b\n", "no rows"),
        ("a,b\n1,2\n1,2,3\n", "line 3"),
        ("a,b\n1,2,3\n4,5,6\n", "line 2"),
        ("a,a\n1,2\n", "two columns named a"),
        (b"a,\xb0\n1,2\n", "not text in the encoding utf-8-sig.*data.encoding=cp1252"),
        (
            "made by a logger\na,b\n1,2\n",
            r"line 2 has 2 cells, but the first line, the header, has 1 \(separator ','\)",
        ),
        (b"a,b\n1,2\n3,\x004\n", "contains a zero byte"),
        (gzip.compress(PLAIN.encode(), mtime=0), r"is gzipped, so its name must end in \.gz"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, text, words):
    with pytest.raises(UserError, match=words):
        read_table(write(tmp_path, text))


def test_a_column_that_is_not_there_is_refused_with_the_nearest(tmp_path):
    table = read_table(write(tmp_path, "load,oil\n1,2\n"))
    with pytest.raises(
        UserError, match=r"data\.target=laod is not a column of .* \(did you mean load\?\); .* load, oil"
    ):
        table.need(["laod"], "data.target")


def test_joined_files_keep_their_lines(tmp_path):
    first = read_table(write(tmp_path, "a,b\n1,2\n3,4\n"))
    second = read_table(write(tmp_path, "b,a,c\n5,6,7\nx,8,9\n", "b.csv"))
    both = join([first, second])
    assert both.numbers(["a"])[:, 0].tolist() == [1, 3, 6, 8]
    with pytest.raises(UserError, match=r"b\.csv, line 3, column b: 'x'"):
        both.numbers(["b"])
    with pytest.raises(UserError, match="has no column c, which"):
        join([second, first])


def test_lines_are_counted_from_the_first_remark_on(tmp_path):
    with pytest.raises(UserError, match="line 5, column b: 'x' is not a finite number"):
        read_table(write(tmp_path, "# one\n# two, and three\na,b\n1,2\n3,x\n5,6\n7,8\n")).numbers(["a", "b"])
    with pytest.raises(UserError, match="line 3 has 3 cells, but line 2, the header, has 2"):
        read_table(write(tmp_path, "# one\na,b\n1,2,3\n4,5,6\n"))


def test_what_stands_for_a_missing_value_can_be_given(tmp_path):
    path = write(tmp_path, "a;b;c\n1,5;-200;x\n-200,0;2;gone\n3;4;y\n")
    table = read_table(path, missing_values=[-200, "gone"])
    assert table.numbers(["a", "b"], "before").tolist() == [[1.5, 2], [1.5, 2], [3, 4]]
    assert table.frame["c"].tolist() == ["x", "", "y"]
    with pytest.raises(UserError, match="line 2, column b: the value is missing"):
        table.numbers(["a", "b"])
    assert read_table(path).numbers(["b"])[0] == -200


def test_a_cell_may_be_as_long_as_it_likes(tmp_path: Path) -> None:
    (tmp_path / "long.csv").write_text("a,b\n1," + "x" * 200_000 + "\n2,y\n")
    assert len(read_table(tmp_path / "long.csv").frame["b"][0]) == 200_000


@pytest.mark.parametrize(
    ("text", "line"),
    [('"', 1), ('a,b\n1,2\n3,"', 3), ('a,b\n1,"2\n3,4\n' + "5,6\n" * 40_000, 2), ("a,b\n1,2\n" + '"', 3)],
)
def test_an_open_quotation_mark_is_named_by_its_line(tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / "open.csv").write_text(text)
    with pytest.raises(UserError, match=f"opened on line {line} or later is never closed"):
        read_table(tmp_path / "open.csv")


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text('a,note\n1,"two\nlines"\noops,x\n')
    assert read_table(tmp_path / "notes.csv").line.tolist() == [2, 4]


def test_a_separator_at_the_end_of_each_row_is_no_column(tmp_path: Path) -> None:
    """The figure that failed: the counter was taken for names of rows, and all columns shifted by one."""
    (tmp_path / "trail.csv").write_text("step,load\n" + "".join(f"{k},5{k}.0,\n" for k in range(1, 9)))
    frame = read_table(tmp_path / "trail.csv").frame
    assert frame["load"][0] == "51.0"
    assert list(frame.columns) == ["step", "load"]


def test_tabs_in_quotation_marks_stay(tmp_path: Path) -> None:
    (tmp_path / "blanks.csv").write_text('a b\n1\t"x\ty"\n2 z\n')
    assert read_table(tmp_path / "blanks.csv", separator="space").frame["b"].tolist() == ["x\ty", "z"]


def test_a_damaged_archive_is_refused_in_a_sentence(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b"a,b\n" + b"1,2\n" * 1000))
    packed[20:30] = b"\xff" * 10
    (tmp_path / "x.csv.gz").write_bytes(bytes(packed))
    with pytest.raises(UserError, match=r"x\.csv\.gz cannot be read"):
        read_table(tmp_path / "x.csv.gz")
