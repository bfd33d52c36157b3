"""Phrases that native readers stumble over do not come back (CONTRIBUTING.md, "Words")."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BANNED = re.compile(
    r"is impossible: it must be|\bis dear\b|as one types|whatever its form\b"
    r"|(?<!_)\b(?:left|leaves?|leaving) (?:it )?out\b"
    r"|learn\w* by heart|what knows nothing|nothing is left to do|where it cannot be told|is not possible here"
    r"|stands? beside|(?<!\w)of one's own|takes? it for granted|was taken (?:for|as)\b|goes? on with|begins? anew"
    r"|trains? for ever|in no mean\b|says? otherwise|with a remark on|none of them twice"
    r"|stands? in train|standardised on train|changes? no number|(?:is|are) no part of|equal to the bit"
    r"|trained on the other|hardly generalis|says? nothing of\b|reach(?:es)? across the margin|goes? on after"
    r"|where there (?:is|are)\b|found by (?:itself|themselves)|as it stands"
)
PARAGRAPH = re.compile(r"(?:.+\n?)+")
PLACES = ("src", "hydra_plugins", "conf", "experiments", "benchmarks", "docs", "README.md")


def sentences(file: Path) -> Iterator[tuple[int, str]]:
    """Strings and comments of Python code, paragraphs of pages, lines of other files, with line breaks as spaces."""
    text = file.read_text()
    if file.suffix == ".md":
        yield from ((text.count("\n", 0, m.start()) + 1, " ".join(m[0].split())) for m in PARAGRAPH.finditer(text))
        return
    if file.suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, " ".join(node.value.split())
    yield from ((n, line.partition("# ")[2]) for n, line in enumerate(text.splitlines(), 1) if "# " in line)


def found(place: Path) -> list[str]:
    files = [place] if place.is_file() else sorted(place.rglob("*"))
    return [
        f"{file.name}:{line}: {words[0]}"
        for file in files
        if file.suffix in (".py", ".yaml", ".html", ".md")
        for line, said in sentences(file)
        if (words := BANNED.search(said))
    ]


@pytest.mark.parametrize("place", PLACES)
def test_no_sentence_has_a_phrase_that_readers_stumble_over(place: str) -> None:
    assert found(ROOT / place) == []


def test_the_phrases_are_found_in_messages_comments_help_and_pages(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text('raise ValueError("y must be "\n    "left out.")  # which is dear\n')
    (tmp_path / "b.yaml").write_text("seed: 0  # learns it by heart\nname: x  # of the run; null says otherwise\n")
    (tmp_path / "c.py").write_text('"""Says what it is."""\n')
    (tmp_path / "d.md").write_text("# A page\n\nA network that\nlearns by\nheart.\n")
    assert [line.partition(": ")[0] for line in found(tmp_path)] == ["a.py:1", "a.py:2", "b.yaml:2", "d.md:3"]
