"""Truncated back-propagation through time against plain loops, for each kind of state."""

from functools import partial
from itertools import pairwise

import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F

from src.config.errors import UserError
from src.data.batches import Batch, FlatSplit
from src.data.describe import Classes, Description, Tokens
from src.data.module import SequenceData
from src.recurrent import GRU, LSTM, StackedRNN
from src.tasks.language_model import LanguageModel
from src.tasks.tbptt_state import TBPTTState

VOCABULARY = 7
DESCRIPTION = Description(
    Tokens(VOCABULARY, "character"), Classes(tuple("abcdefg")), per_step=True, varying_length=True, causal=True
)
NETWORKS = {
    "gru": partial(GRU, hidden_size=6, batch_first=True),
    "lstm": partial(LSTM, hidden_size=5, num_layers=2, batch_first=True),
    "mixed": partial(
        StackedRNN, layers=[{"kind": "lstm", "hidden_size": 5}, {"kind": "gru", "hidden_size": 4}], batch_first=True
    ),
    "learned_start": partial(GRU, hidden_size=6, batch_first=True, learn_initial_state=True),
}


class Letters(SequenceData):
    """Documents of random letters, the same in all splits."""

    def __init__(self, lengths: list[int], **keywords) -> None:
        super().__init__(**keywords)
        self.number_of = lengths

    def read(self):
        generator = torch.Generator().manual_seed(5)
        lengths = torch.tensor(self.number_of)
        tokens = torch.randint(VOCABULARY, (int(lengths.sum()),), generator=generator, dtype=torch.uint8)
        split = FlatSplit(tokens, lengths, tokens, per_step=True, shift=1)
        self.documents = [document.long() for document in tokens.split(self.number_of)]
        self.splits = dict.fromkeys(("train", "val", "test"), split)
        return DESCRIPTION


def make(network=NETWORKS["gru"], dtype=torch.float64):
    torch.manual_seed(0)
    optimizer = partial(torch.optim.Adam, lr=0.01)
    task = LanguageModel(
        description=DESCRIPTION, network=network, optimizer=optimizer, monitor="val/nll", embedding_size=3
    ).to(dtype)
    for name, parameter in task.named_parameters():
        if "initial_" in name:
            torch.nn.init.normal_(parameter)
    return task


def loop(task, document, state=None):
    """Summed cross-entropy of one document and the last state, one step at a time."""
    state = task.network.initial_state(1) if state is None else state
    loss = torch.zeros((), dtype=torch.float64)
    for here, following in pairwise(document):
        output, state = task.network(task.encoder(here.view(1, 1)), state)
        loss = loss + F.cross_entropy(task.head(output[0]), following.view(1))
    return loss, state


def gradients(task):
    return {name: p.grad.clone() for name, p in task.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("network", NETWORKS)
def test_a_chunk_as_long_as_the_text_is_full_bptt(network):
    task, data = make(NETWORKS[network]), Letters([23], batch_size=1, chunk=22)
    (batch,) = data.train_dataloader()
    loss = task.reduce(task.losses(batch))
    loss.backward()
    found = gradients(task)
    task.zero_grad()
    expected, _ = loop(task, data.documents[0])
    (expected / 22).backward()
    torch.testing.assert_close(loss.double(), expected.detach() / 22, rtol=1e-6, atol=0, check_dtype=False)
    wanted = gradients(task)
    assert found.keys() == wanted.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("network", NETWORKS)
def test_shorter_chunks_carry_the_state_and_cut_the_gradient(network):
    task, data = make(NETWORKS[network]), Letters([41], batch_size=2, chunk=6)
    task.train()
    text = data.description and data.documents[0]
    streams = [text[:21], text[20:]]  # 40 predictions, 20 in each stream
    states = [None, None]
    for step, batch in enumerate(data.train_dataloader()):
        task.zero_grad()
        loss = task.reduce(task.losses(batch))
        loss.backward()
        found = gradients(task)
        task.zero_grad()
        expected = torch.zeros((), dtype=torch.float64)
        for i in range(2):
            part = streams[i][6 * step : 6 * step + 7]
            more, state = loop(task, part, states[i])
            expected = expected + more / (2 * (len(part) - 1))
            states[i] = detached(state)
        expected.backward()
        assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
        for name, gradient in gradients(task).items():
            torch.testing.assert_close(found[name], gradient, rtol=1e-6, atol=1e-9)
    assert step == 3


def detached(state):
    return state.detach() if isinstance(state, torch.Tensor) else tuple(detached(part) for part in state)


@pytest.mark.parametrize("chunk", [1, 7, 64])
@pytest.mark.parametrize("network", ["gru", "mixed"])
def test_evaluation_equals_a_plain_loop_whatever_the_chunk(network, chunk):
    task = make(NETWORKS[network]).eval()
    data = Letters([30, 2, 17, 17, 9], batch_size=3, eval_batch_size=2, chunk=chunk)
    with torch.no_grad():
        for batch in data.val_dataloader():
            task._note("val", batch, task.losses(batch))
        expected = [float(loop(task, document)[0]) for document in data.documents]
    columns = task.tables["val"].columns()
    assert columns["row"].tolist() == [0, 1, 2, 3, 4]
    assert columns["count"].tolist() == [29, 1, 16, 16, 8]
    assert columns["loss"].tolist() == pytest.approx(expected, rel=1e-9)
    task.sums["val"].gather()
    assert task.sums["val"].mean == pytest.approx(sum(expected) / 70, rel=1e-9)


def test_chunks_of_float32_agree_to_a_millionth():
    task = make(dtype=torch.float32).eval()
    means = []
    for chunk in (3, 50, 1000):
        with torch.no_grad():
            for batch in Letters([700], chunk=chunk).val_dataloader():
                task._note("val", batch, task.losses(batch))
        task.sums["val"].gather()
        means.append(task.sums["val"].mean)
        task.sums["val"].reset()
    assert means == pytest.approx([means[0]] * 3, abs=1e-6)


def test_validation_in_the_middle_of_an_epoch_does_not_disturb_training():
    def losses(with_validation: bool) -> list[float]:
        task, data = make(), Letters([41], batch_size=2, chunk=5)
        found = []
        for batch in data.train_dataloader():
            task.train()
            found.append(float(task.reduce(task.losses(batch)).detach()))
            if with_validation:
                task.eval()
                for other in data.val_dataloader():
                    task.losses(other)
        return found

    assert losses(True) == losses(False)


def batch_of(rows, starts):
    n = len(rows)
    tokens = torch.zeros(n, 1, dtype=torch.int64)
    return Batch(tokens, tokens, torch.ones(n, dtype=torch.int64), torch.tensor(rows), torch.tensor(starts))


@pytest.mark.parametrize("network", ["gru", "mixed"])
def test_rows_that_start_begin_anew_and_the_others_find_their_own_state(network):
    network, carry = NETWORKS[network](input_size=3), TBPTTState()
    _, state = network(torch.randn(3, 2, 3))
    carry.after(batch_of([4, 5, 6], [True] * 3), state)
    before = carry.before(batch_of([6, 9, 4], [False, True, False]), network)

    def compare(found, old):
        if isinstance(old, tuple):
            return [compare(*pair) for pair in zip(found, old, strict=True)]
        assert torch.equal(found[:, 0], old[:, 2])
        assert not found[:, 1].any()
        assert torch.equal(found[:, 2], old[:, 0])
        assert not found.requires_grad

    compare(before, state)


def test_a_row_that_goes_on_from_nowhere_is_refused():
    network, carry = NETWORKS["gru"](input_size=3), TBPTTState()
    carry.after(batch_of([0, 1], [True, True]), network.initial_state(2))
    with pytest.raises(RuntimeError, match="did not have"):
        carry.before(batch_of([1, 2], [False, False]), network)


def test_a_bidirectional_network_is_refused():
    network = GRU(3, 4, bidirectional=True, batch_first=True)
    with pytest.raises(UserError, match=r"bidirectional.*data\.chunk=null"):
        TBPTTState().before(batch_of([0], [True]), network)


def test_resuming_at_the_border_of_an_epoch_changes_nothing(tmp_path):
    def trainer(epochs):
        return pl.Trainer(
            max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, num_sanity_val_steps=0, use_distributed_sampler=False,
        )  # fmt: skip

    def data():
        return Letters([90, 40, 31], batch_size=2, chunk=8)

    whole = make(dtype=torch.float32)
    trainer(3).fit(whole, datamodule=data())
    first = make(dtype=torch.float32)
    part = trainer(2)
    part.fit(first, datamodule=data())
    part.save_checkpoint(tmp_path / "border.ckpt")
    resumed = make(dtype=torch.float32)
    trainer(3).fit(resumed, datamodule=data(), ckpt_path=tmp_path / "border.ckpt", weights_only=True)
    for name, parameter in whole.named_parameters():
        assert torch.equal(parameter, dict(resumed.named_parameters())[name]), name
