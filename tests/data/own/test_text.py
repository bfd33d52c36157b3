"""Text files as tokens: nothing lost, nothing learned from what is held out, broken bytes named."""

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch

from src.config.errors import UserError
from src.data.baselines import ngrams
from src.data.own.text import Text
from src.data.text import UNKNOWN, encode, learn_vocabulary, tokenise

PLAY = "To be, or not to be:\nthat is the question.\n" * 20


def load(path, **keywords):
    data = Text(path=str(path), **({"chunk": 50} | keywords))
    return data, data.description


def texts(data, name):
    """The tokens of a split's documents, as they stood in the file."""
    split, names = data.splits[name], data.description.output.names
    return [[names[i] for i in tokens.tolist()] for tokens in split.values.split((split.lengths + 1).tolist())]


def test_a_file_is_cut_by_position(tmp_path):
    path = tmp_path / "play.txt"
    path.write_text(PLAY)
    data, description = load(path)
    n = len(PLAY)
    borders = [0, int(n * 0.9), int(n * 0.95), n]
    for name, (a, b) in zip(("train", "val", "test"), pairwise(borders), strict=True):
        assert "".join(texts(data, name)[0]) == PLAY[a:b]
    assert description.input.unit == "character"
    assert description.input.vocabulary == len(set(PLAY[: borders[1]])) + 1
    assert description.causal
    assert data.splits["train"].values.dtype == torch.uint8


def test_targets_are_the_next_tokens(tmp_path):
    path = tmp_path / "play.txt"
    path.write_text(PLAY)
    data, _ = load(path)
    (chunk, *_) = data.val_dataloader()
    assert chunk.x.dtype == chunk.y.dtype == torch.int64
    assert torch.equal(chunk.x[:, 1:], chunk.y[:, :-1])
    assert chunk.x[0, 0] == data.splits["val"].values[0]


def test_what_train_does_not_have_is_unknown(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("ab" * 45 + "ab€ab" + "abZab")
    data, description = load(path)
    assert description.output.names == (UNKNOWN, "a", "b")
    assert texts(data, "val")[0] == ["a", "b", UNKNOWN, "a", "b"]
    assert (data.notes["val/unknown"], data.notes["test/unknown"], data.notes["train/unknown"]) == (1, 1, 0)


def test_words_and_ends_of_lines(tmp_path):
    assert tokenise("to be,  or\tnot\n\nto be", "word") == ["to", "be,", "or", "not", "<eos>", "<eos>", "to", "be"]
    path = tmp_path / "play.txt"
    path.write_text(PLAY + "once ")
    data, description = load(path, level="word", min_count=2, splits=[0.5, 0.25, 0.25])
    assert description.input.unit == "word"
    assert set(description.output.names) == {UNKNOWN, "<eos>", *PLAY.split()}
    assert texts(data, "test")[0][-1] == UNKNOWN


def test_rare_symbols_and_the_texts_own_unknowns_are_one():
    documents = [["a", "a", "a", "<unk>", "b", "b", "c"]]
    assert learn_vocabulary(documents, 2) == (UNKNOWN, "a", "b")
    assert encode(documents[0], learn_vocabulary(documents, 2)).tolist() == [1, 1, 1, 0, 2, 2, 0]


@pytest.mark.parametrize(("size", "dtype"), [(256, np.uint8), (257, np.int16), (2**15 + 1, np.int32)])
def test_tokens_are_kept_small(size, dtype):
    vocabulary = [chr(i) for i in range(size)]
    tokens = encode([vocabulary[-1], vocabulary[0]], vocabulary)
    assert tokens.dtype == dtype
    assert tokens.tolist() == [size - 1, 0]


def test_a_folder_is_a_document_for_each_file(tmp_path):
    for name, text in {"x.train.txt": "abcabc", "x.valid.txt": "cab", "x.test.txt": "bca"}.items():
        (tmp_path / name).write_text(text)
    data, _ = load(tmp_path, batch_size=2)
    assert [["".join(t) for t in texts(data, p)] for p in ("train", "val", "test")] == [["abcabc"], ["cab"], ["bca"]]
    for i in range(7):
        (tmp_path / "books" / f"{i}.txt").parent.mkdir(exist_ok=True)
        (tmp_path / "books" / f"{i}.txt").write_text("ab" * (i + 1))
    by_chance, _ = load(tmp_path / "books", splits=[0.6, 0.2, 0.2])
    lengths = [len(t) for name in ("train", "val", "test") for t in texts(by_chance, name)]
    assert sorted(lengths) == [2, 4, 6, 8, 10, 12, 14]
    assert len(texts(by_chance, "val")) == 1


def test_a_byte_order_mark_is_no_character(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(b"\xef\xbb\xbf" + b"ab" * 50)
    assert load(path)[1].output.names == (UNKNOWN, "a", "b")


@pytest.mark.parametrize("end", [b"\r\n", b"\r"])
def test_a_line_ends_in_one_character_wherever_it_was_written(tmp_path, end):
    path = tmp_path / "text.txt"
    path.write_bytes((b"ab" + end) * 50)
    assert load(path)[1].output.names == (UNKNOWN, "\n", "a", "b")


def test_the_first_broken_byte_is_named(tmp_path):
    path = tmp_path / "latin1.txt"
    path.write_bytes("ä".encode() + b"b" * 10 + "é".encode("latin-1") + b"c" * 90)
    with pytest.raises(UserError, match=r"latin1\.txt must be UTF-8, but byte 12 \(counted from 0\) is 0xe9"):
        load(path)


def test_what_is_too_short_or_impossible_is_refused(tmp_path):
    path = tmp_path / "short.txt"
    path.write_text("abcdefgh")
    with pytest.raises(UserError, match=r"has [01] chars, but needs at least 2"):
        load(path)
    with pytest.raises(UserError, match=r"data\.chunk=null"):
        Text(path=str(path))
    with pytest.raises(UserError, match="does not exist"):
        load(tmp_path / "missing")
    path.write_text("abcdefgh" * 20)
    with pytest.raises(UserError, match=r"data\.min_count=1000 leaves the vocabulary of .*short\.txt empty"):
        Text(path=str(path), chunk=10, min_count=1000).setup()
    for i, text in enumerate(["abc", "abc", "a"]):
        (tmp_path / "f").mkdir(exist_ok=True)
        (tmp_path / "f" / f"{i}.txt").write_text(text)
    with pytest.raises(UserError, match=r"2\.txt has 1 char,"):
        load(tmp_path / "f")


def test_baselines_are_counts_with_one_half_added():
    train, test = "abracadabra", "barracuda"
    vocabulary = learn_vocabulary([train], 1)
    v = len(vocabulary)
    figures = ngrams([encode(train, vocabulary)], [encode(test, vocabulary)], v)
    seen = Counter(train)
    known = [c if c in seen else UNKNOWN for c in test]
    unigram = -sum(math.log((seen[c] + 0.5) / (len(train) + 0.5 * v)) for c in known[1:]) / 8
    pairs, before = Counter(pairwise(train)), Counter(train[:-1])
    bigram = -sum(math.log((pairs[a, b] + 0.5) / (before[a] + 0.5 * v)) for a, b in pairwise(known)) / 8
    assert figures == {"unigram/nll": pytest.approx(unigram, rel=1e-12), "bigram/nll": pytest.approx(bigram, rel=1e-12)}


def test_new_texts_are_read_with_the_vocabulary_of_train(tmp_path):
    path = tmp_path / "play.txt"
    path.write_text(PLAY)
    data, description = load(path)
    for name, text in {"b/2.txt": "to be", "1.txt": "not\x00"}.items():
        (tmp_path / "new" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "new" / name).write_text(text)
    new = data.new_data(str(tmp_path / "new"))
    assert new.names == ["1.txt", "b/2.txt"]
    assert new.split.lengths.tolist() == [3, 4]
    names = description.output.names
    assert [names[i] for i in new.split.values.tolist()] == ["n", "o", "t", UNKNOWN, *"to be"]
    assert data.new_data(str(path)).names == ["play.txt"]
