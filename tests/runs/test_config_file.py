"""A config.yaml that is strange is a sentence; none takes all memory or brings the process down."""

from pathlib import Path

import pytest

from src.config.errors import UserError
from src.runs.config_file import read_plain, read_resolved

BOMB = "a: &a [1, 1]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))


@pytest.mark.parametrize("read", [read_plain, read_resolved])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "refers to itself"),
        ("a: " + "[" * 100_000, "nested"),
        ("a: " + "{b: " * 100_000, "nested"),
        ("- " * 100_000, "has no keys"),
        ("a:\n" + "- " * 100_000, "nested"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("? {b: 2}\n: 3", "unhashable"),
        ("", "empty"),
        ("3", "has no keys"),
        ("a: \tb: c: d", "mapping values"),
    ],
)
def test_what_is_strange_is_said(text: str, words: str, read, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=words) as refused:
        read(path)
    assert str(path) in str(refused.value)


def test_a_date_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("a: 2020-99-99")
    with pytest.raises(UserError, match="month must be"):
        read_plain(tmp_path / "config.yaml")


def test_nodes_have_keys(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("model: gru\n")
    with pytest.raises(UserError, match="model is 'gru', but must be a mapping"):
        read_plain(path)
    path.write_text("seed: 1\noptimizer: {lr: 1e-3}\n")
    assert read_resolved(path) == {"seed": 1, "optimizer": {"lr": 0.001}}
