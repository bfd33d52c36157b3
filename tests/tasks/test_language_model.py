"""Cross-entropy of the next token against a plain loop over documents; which data and networks it takes."""

import math
from functools import partial

import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F

from src.config.errors import UserError
from src.data.batches import Batch
from src.data.describe import Classes, Description, Features, Tokens
from src.data.own.text import Text
from src.recurrent import GRU
from src.tasks.auto import called_for
from src.tasks.language_model import LanguageModel


def make(description, **options):
    torch.manual_seed(0)
    network = partial(GRU, hidden_size=8, batch_first=True, **options)
    optimizer = partial(torch.optim.Adam, lr=0.01)
    return LanguageModel(description=description, network=network, optimizer=optimizer, monitor="val/nll")


@pytest.fixture
def folder(tmp_path):
    for name, text in {"a.train.txt": "abcab" * 30, "b.train.txt": "cab" * 25, "a.val.txt": "abcabcab"}.items():
        (tmp_path / name).write_text(text)
    for i, text in enumerate(["abcb" * 5, "ca", "bacab" * 9]):
        (tmp_path / f"{i}.test.txt").write_text(text)
    return tmp_path


def test_the_pooled_figures_are_those_of_a_plain_loop_whatever_the_batches(folder):
    figures = []
    for batch, chunk in ((1, 1000), (2, 7), (3, 4)):
        data = Text(path=str(folder), batch_size=2, eval_batch_size=batch, chunk=chunk)
        task = make(data.description)
        trainer = pl.Trainer(
            accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
            enable_checkpointing=False, use_distributed_sampler=False,
        )  # fmt: skip
        (found,) = trainer.test(task, datamodule=data, verbose=False)
        figures.append(found)
        columns = task.tables["test"].columns()
    split = data.splits["test"]
    losses = []
    with torch.no_grad():
        for tokens in split.values.long().split((split.lengths + 1).tolist()):
            output, _ = task.network(task.encoder(tokens[None, :-1]))
            losses.append(F.cross_entropy(task.head(output)[0].double(), tokens[1:], reduction="sum").item())
    assert columns["loss"].tolist() == pytest.approx(losses, abs=1e-5)
    assert columns["count"].tolist() == [19, 1, 44]
    mean = sum(losses) / 64
    for found in figures:
        assert found["test/loss"] == found["test/nll"] == pytest.approx(mean, abs=1e-6)
        assert found["test/bpc"] == pytest.approx(mean / math.log(2), abs=1e-6)
        assert found["test/perplexity"] == pytest.approx(math.exp(mean), rel=1e-6)


def test_words_have_no_bits_per_character(folder):
    data = Text(path=str(folder), level="word", chunk=5)
    with pytest.raises(UserError, match="1 word, but"):
        _ = data.description
    for file in folder.glob("*.txt"):
        file.write_text("to be or not to be")
    data = Text(path=str(folder), level="word", chunk=5)
    task = make(data.description)
    task.sums["val"].add(task.losses(next(iter(data.val_dataloader()))))
    task.sums["val"].gather()
    assert task.summary(task.sums["val"]).keys() == {"perplexity"}


def test_padding_is_never_counted():
    description = Description(Tokens(4), Classes(tuple("abcd")), per_step=True, varying_length=True, causal=True)
    task = make(description).eval()
    x, y = torch.randint(4, (2, 6)), torch.randint(4, (2, 6))
    short = Batch(x[:, :3], y[:, :3], torch.tensor([3, 3]), torch.arange(2))
    long = Batch(x, y, torch.tensor([3, 3]), torch.arange(2))
    torch.testing.assert_close(task.losses(short).loss, task.losses(long).loss)
    assert task.losses(long).count.tolist() == [3, 3]


@pytest.mark.parametrize(
    ("input", "output", "per_step"),
    [(Features(3), Classes(("a", "b")), True), (Tokens(3), Classes(("a", "b")), False)],
)
def test_other_data_are_refused(input, output, per_step):
    with pytest.raises(UserError, match="needs sequences of tokens to continue"):
        make(Description(input, output, per_step, varying_length=False, causal=True))


def test_a_network_that_looks_ahead_is_refused():
    description = Description(Tokens(3), Classes(tuple("abc")), per_step=True, varying_length=True, causal=True)
    with pytest.raises(UserError, match="bidirectional"):
        make(description, bidirectional=True)


def test_task_auto_finds_it():
    description = Description(Tokens(3), Classes(tuple("abc")), per_step=True, varying_length=True, causal=True)
    assert called_for(description) == "LanguageModel"
